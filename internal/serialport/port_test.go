package serialport

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/serialport/ptytest"
)

func mustOpen(t *testing.T, path string, opts Options) *Port {
	t.Helper()
	p, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// receive reads from the port until n bytes have come.
func receive(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	var got []byte
	buf := make([]byte, 4096)
	for end := time.Now().Add(patience); len(got) < n; {
		m, err := r.Read(buf)
		got = append(got, buf[:m]...)
		if err != nil && err != os.ErrDeadlineExceeded {
			t.Fatalf("after %d of %d bytes: %v", len(got), n, err)
		}
		if time.Now().After(end) {
			t.Fatalf("only %d of %d bytes came", len(got), n)
		}
	}
	return got
}

func everyByte() []byte {
	all := make([]byte, 0, 256+7)
	for b := range 256 {
		all = append(all, byte(b))
	}
	return append(all, 0x00, 0x03, 0x11, 0x13, 0xFF, 0x0D, 0x0A)
}

func TestBytesPassUntouchedBothWays(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{Baud: 3000000})
	want := everyByte()

	if n, err := line.Master.Write(want); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	if got := receive(t, p, len(want)); !bytes.Equal(got, want) {
		t.Errorf("device to host: got % x", got)
	}

	if n, err := p.Write(want); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, len(want))
	line.Master.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(line.Master, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("host to device: got % x, %v", got, err)
	}
}

func TestReadTakesAllThatIsThere(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	const n = 2000
	if _, err := line.Master.Write(bytes.Repeat([]byte{7}, n)); err != nil {
		t.Fatal(err)
	}
	// A pty hands over through a kernel worker, which may not be done with all of it at once.
	waitReadable(t, p, n)
	if got, err := p.Read(make([]byte, 4096)); got != n || err != nil {
		t.Errorf("one Read took %d of %d bytes, %v", got, n, err)
	}
}

// waitReadable returns when n bytes lie ready in the tty.
func waitReadable(t *testing.T, p *Port, n int) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		ready, err := unix.IoctlGetInt(int(p.ctl), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		if ready >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d bytes ready", ready, n)
		}
	}
}

func TestReadTimeout(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	for _, timeout := range []time.Duration{0, time.Millisecond, 120 * time.Millisecond} {
		want := timeout
		if timeout == 0 {
			want = DefaultReadTimeout
		} else if err := p.SetReadTimeout(timeout); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		n, err := p.Read(make([]byte, 16))
		if took := time.Since(start); n != 0 || err != os.ErrDeadlineExceeded || took < want {
			t.Errorf("timeout %v: %d, %v after %v", want, n, err, took)
		}
	}
	for _, bad := range []time.Duration{0, -time.Second} {
		if p.SetReadTimeout(bad) == nil {
			t.Errorf("read timeout %v was taken", bad)
		}
	}
	if n, err := p.Read(nil); n != 0 || err != nil {
		t.Errorf("a read of nothing said %d, %v", n, err)
	}
}

func TestRates(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	if got, err := line.Baud(); got != DefaultBaud || err != nil {
		t.Errorf("opened at %d, %v", got, err)
	}
	// Standard ones, ones only TCSETS2 can set, and back.
	for _, rate := range []int{3000000, 74880, 115200, 5000000, 2000000, 1500000, 12000000, 460800, 250000, 57600} {
		got, err := p.SetBaud(rate)
		if got != rate || err != nil {
			t.Errorf("SetBaud(%d) = %d, %v", rate, got, err)
		}
		if got, err := line.Baud(); got != rate || err != nil {
			t.Errorf("the device sees %d, %v, want %d", got, err, rate)
		}
	}
	for _, rate := range []int{0, -1} {
		if got, err := p.SetBaud(rate); err == nil || got != 57600 {
			t.Errorf("SetBaud(%d) = %d, %v", rate, got, err)
		}
	}
	if got, _ := line.Baud(); got != 57600 {
		t.Errorf("a refused rate left the line at %d", got)
	}
}

func TestOpenAtNonStandardRate(t *testing.T) {
	line := ptytest.New(t)
	mustOpen(t, line.Path, Options{Baud: 1234567})
	if got, err := line.Baud(); got != 1234567 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestCheckRate(t *testing.T) {
	for _, c := range []struct {
		want, real int
		ok         bool
	}{
		{3000000, 3000000, true},
		{921600, 923077, true},    // CH340
		{115200, 117504, true},    // 2 %
		{115200, 117505, false},   // a little more
		{115200, 112896, true},    // 2 % below
		{115200, 112895, false},   // a little less
		{2500000, 2000000, false}, // CH340 again
		{6000000, 3000000, false},
		{115200, 0, false},
	} {
		if err := checkRate(c.want, c.real); (err == nil) != c.ok {
			t.Errorf("checkRate(%d, %d) = %v", c.want, c.real, err)
		}
	}
}

func TestSetBaudLetsOutputLeaveFirst(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{Baud: 9600})
	const n = 96 // 100 ms of line time
	start := time.Now()
	if _, err := p.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SetBaud(3000000); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < n*bitsPerByte*time.Second/9600 {
		t.Errorf("the rate changed after %v, under the bytes on the wire", took)
	}

	if _, err := p.SetBaud(300); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(make([]byte, n)); err != nil { // 3.2 s
		t.Fatal(err)
	}
	if rate, err := p.SetBaud(3000000); rate != 300 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("output that does not drain: %d, %v", rate, err)
	}
}

func TestFlush(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	if _, err := line.Master.Write([]byte("stale")); err != nil {
		t.Fatal(err)
	}
	waitReadable(t, p, 5)
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Read(make([]byte, 16)); n != 0 || err != os.ErrDeadlineExceeded {
		t.Errorf("after Flush: %d, %v", n, err)
	}
	if _, err := line.Master.Write([]byte("fresh")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, p, 5); string(got) != "fresh" {
		t.Errorf("got %q", got)
	}
}

func TestHangUp(t *testing.T) {
	t.Run("everything says so", func(t *testing.T) {
		line := ptytest.New(t)
		p := mustOpen(t, line.Path, Options{})
		if err := line.HangUp(); err != nil {
			t.Fatal(err)
		}
		if n, err := p.Read(make([]byte, 16)); n != 0 || err != io.EOF {
			t.Errorf("Read: %d, %v", n, err)
		}
		if n, err := p.Write([]byte("x")); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("Write: %d, %v", n, err)
		}
		if _, err := p.SetBaud(9600); !errors.Is(err, io.EOF) {
			t.Errorf("SetBaud: %v", err)
		}
		if err := p.Flush(); !errors.Is(err, io.EOF) {
			t.Errorf("Flush: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Run("ends a Read under way", func(t *testing.T) {
		line := ptytest.New(t)
		p := mustOpen(t, line.Path, Options{ReadTimeout: patience})
		reading, ended := make(chan struct{}), make(chan error)
		go func() {
			close(reading)
			_, err := p.Read(make([]byte, 16))
			ended <- err
		}()
		<-reading
		if err := line.HangUp(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != io.EOF {
			t.Errorf("Read: %v", err)
		}
	})
}

func TestWriteGivesUpOnAStuckLine(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	p.writeTimeout = 100 * time.Millisecond
	// More than any pty buffers, to a master that does not read: taken in part, then the deadline.
	big := make([]byte, 4<<20)
	start := time.Now()
	n, err := p.Write(big)
	took := time.Since(start)
	if n <= 0 || n >= len(big) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if took < p.writeTimeout || took > patience {
		t.Errorf("gave up after %v", took)
	}
	start = time.Now()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > closeTimeout+time.Second {
		t.Errorf("Close with output pending took %v", took)
	}
}

func TestWriteResumesAfterPartialWrites(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{Baud: 4000000})
	p.writeTimeout = patience
	want := bytes.Repeat(everyByte(), 2000) // half a megabyte, many times what the line takes at once
	sum := make(chan []byte)
	go func() {
		got := make([]byte, len(want))
		line.Master.SetReadDeadline(time.Now().Add(patience))
		n, _ := io.ReadFull(line.Master, got)
		sum <- got[:n]
	}()
	if n, err := p.Write(want); n != len(want) || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if got := <-sum; !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes came, or others", len(got), len(want))
	}
}

// A farewell written just before Close must reach a device that is slow to read.
func TestCloseDoesNotTakeBackWhatWasWritten(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	if _, err := p.Write([]byte("farewell")); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	line.Master.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(line.Master, got); err != nil || string(got) != "farewell" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAfterClose(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	if p.Name() != line.Path {
		t.Errorf("name %q", p.Name())
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if _, err := p.SetBaud(9600); !errors.Is(err, os.ErrClosed) {
		t.Errorf("SetBaud: %v", err)
	}
	if err := p.Flush(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Flush: %v", err)
	}
	if _, ok := p.LineErrors(); ok {
		t.Error("LineErrors of a closed port")
	}
}

func TestPtyHasNoLineErrors(t *testing.T) {
	line := ptytest.New(t)
	if counts, ok := mustOpen(t, line.Path, Options{}).LineErrors(); ok {
		t.Errorf("a pty counted %+v", counts)
	}
}

func TestOpenDiscardsStaleBytes(t *testing.T) {
	line := ptytest.New(t)
	if _, err := line.Master.Write(bytes.Repeat([]byte("old"), 500)); err != nil {
		t.Fatal(err)
	}
	p := mustOpen(t, line.Path, Options{})
	if n, err := p.Read(make([]byte, 16)); n != 0 || err != os.ErrDeadlineExceeded {
		t.Errorf("Read: %d, %v", n, err)
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	line := ptytest.New(t)
	mustOpen(t, line.Path, Options{}).Close() // the runtime opens its own on first use
	before := countFDs(t)
	held := func() {
		first := mustOpen(t, line.Path, Options{})
		defer first.Close()
		if p, err := Open(line.Path, Options{}); err == nil {
			p.Close()
			t.Fatal("opened twice")
		}
	}
	for i := range 100 {
		p := mustOpen(t, line.Path, Options{})
		if _, err := p.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/dev/null", "/dev/ptmx/none", t.TempDir(), line.Path + "0000"} {
			if p, err := Open(path, Options{}); err == nil {
				p.Close()
				t.Fatalf("opened %s", path)
			}
		}
		if i%10 == 0 {
			held()
		}
	}
	if after := countFDs(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func BenchmarkRead(b *testing.B) {
	line := ptytest.New(b)
	p, err := Open(line.Path, Options{Baud: 3000000})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	chunk, buf := make([]byte, 2048), make([]byte, 64<<10)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := line.Master.Write(chunk); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < len(chunk); {
			n, err := p.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}
