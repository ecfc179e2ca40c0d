package serialport

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/serialport/ptytest"
)

// freshReserve gives the test an empty reserve, and the tests after it too.
func freshReserve(t *testing.T) {
	t.Helper()
	empty := func() {
		spareDescriptors.mu.Lock()
		defer spareDescriptors.mu.Unlock()
		if spareDescriptors.lent != 0 {
			t.Errorf("%d descriptors are still lent", spareDescriptors.lent)
		}
		for _, fd := range spareDescriptors.held {
			unix.Close(fd)
		}
		spareDescriptors.held, spareDescriptors.want = nil, 0
	}
	empty()
	t.Cleanup(empty)
}

// crowd opens files until no descriptor below 1024 is free, and 100 more, as 1,100 viewers would.
func crowd(t *testing.T) {
	t.Helper()
	var fds []int
	t.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
	for above := 0; above < 100; {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatalf("this test needs an open file limit above %d: %v", 1224, err)
		}
		fds = append(fds, fd)
		if fd >= 1024 {
			above++
		}
	}
}

// converse opens the port, passes bytes both ways and closes it.
func converse(t *testing.T, line *ptytest.Line) {
	t.Helper()
	p, err := Open(line.Path, Options{ReadTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := p.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	line.Master.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(line.Master, buf); err != nil || string(buf) != "ping" {
		t.Fatalf("device got %q, %v", buf, err)
	}
	if _, err := line.Master.Write([]byte("pong")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, p, 4); string(got) != "pong" {
		t.Fatalf("host got %q", got)
	}
}

func TestReopenAmidAThousandViewers(t *testing.T) {
	freshReserve(t)
	line := ptytest.New(t)
	if err := Reserve(1); err != nil {
		t.Fatal(err)
	}
	crowd(t)
	before := countFDs(t)
	for range 20 {
		converse(t, line)
	}
	if after := countFDs(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestSeveralPortsOpenAtOnce(t *testing.T) {
	freshReserve(t)
	const ports = 4
	var lines [ports]*ptytest.Line
	for i := range lines {
		lines[i] = ptytest.New(t)
	}
	if err := Reserve(ports); err != nil {
		t.Fatal(err)
	}
	crowd(t)
	for range 5 {
		opened := make(chan error, ports)
		closing := make(chan struct{})
		done := make(chan error, ports)
		for _, line := range lines {
			go func() {
				p, err := Open(line.Path, Options{ReadTimeout: time.Millisecond})
				opened <- err
				<-closing
				if err == nil {
					_, rerr := p.Read(make([]byte, 1))
					if rerr == os.ErrDeadlineExceeded {
						rerr = nil
					}
					err = errors.Join(rerr, p.Close())
				}
				done <- err
			}()
		}
		for range lines {
			if err := <-opened; err != nil {
				t.Error(err)
			}
		}
		close(closing)
		for range lines {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestReserveTopsUp(t *testing.T) {
	freshReserve(t)
	before := countFDs(t)
	grown := func(ports, want int) {
		t.Helper()
		if err := Reserve(ports); err != nil {
			t.Error(err)
		}
		if got := countFDs(t) - before; got != want {
			t.Errorf("Reserve(%d) holds %d, want %d", ports, got, want)
		}
	}
	grown(0, 0)
	grown(2, 2*perPort+slack)
	grown(2, 2*perPort+slack)
	grown(1, 2*perPort+slack)
	grown(3, 3*perPort+slack)

	// A port in use is counted in.
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	before = countFDs(t)
	grown(4, perPort)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// The reserve is what lets a port open beside viewers that took all the process may have.
func TestOpenWhenTheFileLimitIsReached(t *testing.T) {
	freshReserve(t)
	line := ptytest.New(t)
	if err := Reserve(1); err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 200, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EMFILE {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
	for range 3 {
		converse(t, line)
	}
	if err := Reserve(2); err == nil || !strings.Contains(err.Error(), "; try: a higher open file limit") {
		t.Errorf("more than there are: %v", err)
	}
}
