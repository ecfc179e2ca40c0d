package simcam

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/camgw/camgw/internal/camlink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is the least a gateway must do: it sends one packet at a time and looks at all that comes.
type host struct {
	t     *testing.T
	line  *Line
	dec   *camlink.Decoder
	seq   uint16
	ref   uint16
	text  []string
	ended error // what Read said at last, apart from timeouts
}

// connect opens the line of d until the end of the test.
func connect(t *testing.T, d *Device) *host {
	t.Helper()
	line, err := d.Open(t.Context())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { line.Close() })
	return &host{t: t, line: line, dec: camlink.NewDecoder()}
}

// send sends a packet with a fresh ref and returns that.
func (h *host) send(typ camlink.Type, payload []byte) uint16 {
	h.t.Helper()
	h.ref++
	h.sendRef(typ, h.ref, payload)
	return h.ref
}

func (h *host) sendRef(typ camlink.Type, ref uint16, payload []byte) {
	h.t.Helper()
	b := camlink.AppendPacket(nil, camlink.Header{Type: typ, Seq: h.seq, Ref: ref}, payload)
	h.seq++
	if n, err := h.line.Write(b); n != len(b) || err != nil {
		h.t.Fatalf("Write of %v = %d, %v", typ, n, err)
	}
}

// next returns the next packet, if one comes within wait.
func (h *host) next(wait time.Duration) (camlink.Packet, bool) {
	h.t.Helper()
	end := time.Now().Add(wait)
	for {
		for {
			e, ok := h.dec.Next()
			if !ok {
				break
			}
			if e.Kind == camlink.EventText {
				h.text = append(h.text, e.Text)
				continue
			}
			e.Packet.Payload = bytes.Clone(e.Packet.Payload)
			return e.Packet, true
		}
		if err := h.line.SetReadTimeout(max(time.Until(end), 1)); err != nil {
			h.ended = err
			return camlink.Packet{}, false
		}
		n, err := h.line.Read(h.dec.Room())
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return camlink.Packet{}, false
		}
		if err != nil {
			h.ended = err
			return camlink.Packet{}, false
		}
		h.dec.Fed(n)
	}
}

// want returns the next packet of a type that comes within wait; others are passed over.
func (h *host) want(typ camlink.Type, wait time.Duration) camlink.Packet {
	h.t.Helper()
	end := time.Now().Add(wait)
	for {
		p, ok := h.next(time.Until(end))
		if !ok {
			h.t.Fatalf("no %v within %v", typ, wait)
		}
		if p.Type == typ {
			return p
		}
	}
}

// silent fails the test if a packet of a type comes within wait.
func (h *host) silent(typ camlink.Type, wait time.Duration) {
	h.t.Helper()
	end := time.Now().Add(wait)
	for {
		p, ok := h.next(time.Until(end))
		if !ok {
			return
		}
		if p.Type == typ {
			h.t.Fatalf("unwanted %v", typ)
		}
	}
}

// call sends a request and returns the answer to it.
func (h *host) call(typ camlink.Type, payload []byte) camlink.Packet {
	h.t.Helper()
	ref := h.send(typ, payload)
	end := time.Now().Add(time.Second)
	for {
		p, ok := h.next(time.Until(end))
		if !ok {
			h.t.Fatalf("no answer to %v", typ)
		}
		if p.Flags&camlink.FlagResponse != 0 && p.Ref == ref {
			return p
		}
	}
}

// status sends a request and returns the status of the RESULT that answers it.
func (h *host) status(typ camlink.Type, payload []byte) camlink.Status {
	h.t.Helper()
	p := h.call(typ, payload)
	m := parse(h.t, camlink.ParseResult, p)
	if p.Type != camlink.TypeResult || m.Request != typ {
		h.t.Fatalf("%v answered by %v for %v", typ, p.Type, m.Request)
	}
	return m.Status
}

var helloReq = camlink.HelloReq{Min: 1, Max: 1, MaxPayload: camlink.MaxPayload}.Append(nil)

// link makes the device LINKED and returns its HELLO.
func (h *host) link() camlink.Hello {
	h.t.Helper()
	return parse(h.t, camlink.ParseHello, h.call(camlink.TypeHelloReq, helloReq))
}

// credit allows frames up to limit, with a lease of 10 s.
func (h *host) credit(limit uint32, interval time.Duration) {
	h.t.Helper()
	h.send(camlink.TypeCredit, camlink.Credit{
		Limit:             limit,
		MinIntervalMillis: uint16(interval.Milliseconds()),
		LeaseMillis:       10000,
	}.Append(nil))
}

// A received is a whole frame and its begin.
type received struct {
	camlink.FrameBegin
	data  []byte
	began time.Time
}

// frame returns the next whole frame that ends within wait.
func (h *host) frame(wait time.Duration) (f received, ok bool) {
	h.t.Helper()
	end := time.Now().Add(wait)
	for {
		p, ok := h.next(time.Until(end))
		if !ok {
			return received{}, false
		}
		switch p.Type {
		case camlink.TypeFrameBegin:
			f = received{FrameBegin: parse(h.t, camlink.ParseFrameBegin, p), began: time.Now()}
		case camlink.TypeFrameChunk:
			m := parse(h.t, camlink.ParseFrameChunk, p)
			if int(m.Offset) != len(f.data) || p.Ref != uint16(f.Number) {
				h.t.Fatalf("chunk at %d of frame %d, want %d of %d", m.Offset, p.Ref, len(f.data), f.Number)
			}
			f.data = append(f.data, m.Data...)
			if p.Flags&camlink.FlagLast != 0 {
				if len(f.data) != int(f.Length) {
					h.t.Fatalf("frame %d of %d bytes, announced %d", f.Number, len(f.data), f.Length)
				}
				return f, true
			}
		}
	}
}

// frames returns all whole frames that end within wait.
func (h *host) frames(wait time.Duration) []received {
	h.t.Helper()
	var all []received
	for end := time.Now().Add(wait); ; {
		f, ok := h.frame(time.Until(end))
		if !ok {
			return all
		}
		all = append(all, f)
	}
}

func parse[T any](t *testing.T, parser func([]byte) (T, error), p camlink.Packet) T {
	t.Helper()
	m, err := parser(p.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// usb is a camera without a rate, whose every picture is the number of its capture.
func usb() Options { return Options{USB: true, Source: numbers{}, Seed: 1} }

// uart is the same on a UART.
func uart() Options { return Options{Source: numbers{}, Seed: 1} }

// numbers is a source whose pictures tell their shot.
type numbers struct{ pad int }

func (n numbers) Picture(s Shot) (Picture, error) {
	b := slices.Concat([]byte{byte(s.Number >> 8), byte(s.Number)}, make([]byte, n.pad))
	return Picture{JPEG: b, Width: s.Width, Height: s.Height}, nil
}

// number is the capture that a picture of numbers shows.
func (f received) number() int { return int(f.data[0])<<8 | int(f.data[1]) }

func TestUnplugGivesEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		h.link()
		read := make(chan error)
		go func() {
			for {
				if _, err := h.line.Read(make([]byte, 4096)); err != nil {
					read <- err
					return
				}
			}
		}()
		synctest.Wait()
		d.Unplug()
		if err := <-read; err != io.EOF {
			t.Errorf("Read = %v, want EOF", err)
		}
		if _, err := h.line.Write([]byte{1}); err != io.EOF {
			t.Errorf("Write = %v, want EOF", err)
		}
		if err := h.line.Flush(); err != io.EOF {
			t.Errorf("Flush = %v, want EOF", err)
		}
		if _, err := d.Open(t.Context()); !errors.Is(err, ErrUnplugged) || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Open = %v, want ErrUnplugged", err)
		}
		d.Unplug() // no harm
		h.line.Close()
		if _, err := h.line.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read after Close = %v, want ErrClosed", err)
		}

		d.Plug()
		h = connect(t, d)
		h.want(camlink.TypeHello, time.Second)
		if s := d.Stats(); s.Boots != 2 || s.Linked {
			t.Errorf("after replug %+v, want the second boot and no link", s)
		}
	})
}

func TestLineIsExclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		if _, err := d.Open(t.Context()); !errors.Is(err, ErrBusy) {
			t.Fatalf("second Open = %v, want ErrBusy", err)
		}
		h.line.Close()
		connect(t, d)
	})
}

func TestCloseEndsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(Options{USB: true, Mute: true}))
		read := make(chan error)
		go func() {
			_, err := h.line.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		h.line.Close()
		if err := <-read; !errors.Is(err, os.ErrClosed) {
			t.Fatalf("Read = %v, want ErrClosed", err)
		}
		if err := h.line.Close(); err != nil {
			t.Fatalf("second Close = %v", err)
		}
	})
}

// What was written before Close arrives: a host's good-bye above all.
func TestFarewell(t *testing.T) {
	for _, o := range []Options{usb(), uart()} {
		synctest.Test(t, func(t *testing.T) {
			d := New(o)
			h := connect(t, d)
			h.link()
			h.send(camlink.TypeCredit, camlink.Credit{}.Append(nil))
			h.line.Close()
			if d.Stats().Linked {
				t.Errorf("USB %v: still linked", o.USB)
			}
		})
	}
}

func TestReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(Options{USB: true, Mute: true}))
		for _, wait := range []time.Duration{1, 200 * time.Millisecond} {
			h.line.SetReadTimeout(wait)
			h.line.SetReadTimeout(-1) // an error that changes nothing
			start := time.Now()
			n, err := h.line.Read(make([]byte, 10))
			if took := time.Since(start); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != wait {
				t.Errorf("Read with timeout %v = %d, %v after %v", wait, n, err, took)
			}
		}
	})
}

func TestRebootIsAnotherBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := uart()
		o.BootText = "rst:0x1 (POWERON_RESET),boot:0x13\r\n"
		d := New(o)
		h := connect(t, d)
		first := h.link()
		h.credit(3, 0)
		if got := len(h.frames(time.Second)); got != 3 {
			t.Fatalf("%d frames, want 3", got)
		}
		d.Reboot()
		again := parse(t, camlink.ParseHello, h.want(camlink.TypeHello, time.Second))
		if again.BootID == first.BootID || again.NextFrame != 1 || again.ResetReason != camlink.ResetSoftware {
			t.Errorf("HELLO after reboot %+v; boot id was %d", again, first.BootID)
		}
		if again.NowUS > 100000 {
			t.Errorf("the clock of the new boot says %d us", again.NowUS)
		}
		if want := []string{"rst:0x1 (POWERON_RESET),boot:0x13"}; len(h.text) != 2 || h.text[1] != want[0] {
			t.Errorf("text %q, want the boot text twice", h.text)
		}
		if h.silent(camlink.TypeFrameBegin, time.Second); d.Stats().Linked {
			t.Error("still linked after a reboot")
		}
	})
}

func TestMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		h.link()
		d.Mute(true)
		h.send(camlink.TypePing, camlink.Ping{}.Append(nil))
		if p, ok := h.next(2 * time.Second); ok {
			t.Fatalf("a muted device said %v", p.Type)
		}
		d.Mute(false)
		h.call(camlink.TypePing, camlink.Ping{}.Append(nil))
	})
}

func TestLinkSurvivesAReopenedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		first := h.link()
		h.line.Close()
		time.Sleep(time.Second)
		h = connect(t, d)
		h.call(camlink.TypePing, camlink.Ping{}.Append(nil))
		h.line.Close()

		time.Sleep(firstLease + time.Second)
		h = connect(t, d)
		m := parse(t, camlink.ParseHello, h.want(camlink.TypeHello, time.Millisecond))
		if m.BootID != first.BootID || d.Stats().Linked {
			t.Errorf("boot id %d linked %v, want the boot %d, not linked", m.BootID, d.Stats().Linked, first.BootID)
		}
	})
}

func TestFlushDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(uart()))
		time.Sleep(100 * time.Millisecond) // a HELLO has come
		if err := h.line.Flush(); err != nil {
			t.Fatal(err)
		}
		if p, ok := h.next(300 * time.Millisecond); ok {
			t.Errorf("%v survived Flush", p.Type)
		}
		h.want(camlink.TypeHello, 200*time.Millisecond)
	})
}

// Output that was written before SetBaud leaves at the rate it was written for.
func TestSetBaudDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(uart())
		h := connect(t, d)
		h.send(camlink.TypeHelloReq, helloReq)
		start := time.Now()
		h.setBaud(1000000)
		if took, want := time.Since(start), lineTime(28, 115200); took != want {
			t.Errorf("SetBaud took %v, want the %v of the packet", took, want)
		}
		synctest.Wait()
		if !d.Stats().Linked {
			t.Error("the packet got lost")
		}
		h.line.Close()

		h = connect(t, d)
		h.send(camlink.TypePing, camlink.Ping{}.Append(nil))
		go d.Unplug()
		if _, err := h.line.SetBaud(1000000); err != io.EOF {
			t.Errorf("SetBaud of an unplugged line = %v", err)
		}
	})
}

// A host that does not read stops a USB device and robs a UART.
func TestUnreadBytes(t *testing.T) {
	for _, isUSB := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := New(Options{USB: isUSB, BaseBaud: 3000000, Source: numbers{pad: 50000}, FPS: 20, Seed: 1})
			h := connect(t, d)
			if !isUSB {
				h.line.SetBaud(3000000)
			}
			h.link()
			h.credit(100, 0)
			time.Sleep(3 * time.Second)
			lost := d.Stats().Lost
			if isUSB != (lost == 0) {
				t.Fatalf("USB %v: %d bytes lost", isUSB, lost)
			}
			if !isUSB {
				return
			}
			if f, ok := h.frame(time.Second); !ok || f.Number != 1 {
				t.Fatalf("frame %d, %v; want the first one", f.Number, ok)
			}
			if f, ok := h.frame(time.Second); !ok || f.Number != 2 {
				t.Fatalf("frame %d, %v; want the second one", f.Number, ok)
			}
		})
	}
}
