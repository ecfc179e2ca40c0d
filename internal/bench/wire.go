package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/camlink"
)

// Wire is a pseudo-terminal on which a one-way camera sends without asking: whoever opens the other end, camgw or
// cat, reads the same bytes at the same times.
type Wire struct {
	Path string // the end to read

	master, slave *os.File
	sent          atomic.Uint64
}

// NewWire makes the terminal.
func NewWire() (*Wire, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	w := &Wire{Path: slave.Name(), master: master, slave: slave}
	if err := makeRaw(slave); err != nil {
		w.Close()
		return nil, fmt.Errorf("make the terminal raw: %w", err)
	}
	// Kept open, so that the master neither fails nor forgets while nobody else has this end.
	return w, nil
}

// Close ends the terminal; whoever reads it sees a hang-up. Call it when Send has returned.
func (w *Wire) Close() {
	w.slave.Close()
	w.master.Close()
}

// Sent is how many bytes have been written so far. Anybody may ask.
func (w *Wire) Sent() uint64 { return w.sent.Load() }

func makeRaw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

// Send plays c until ctx ends: rate bytes a second, a piece every tick, as the driver of a real port hands them on. It
// waits while the terminal is full, and reads and forgets what the other end says. The camera is one at a UART of baud, or on USB for 0.
func (w *Wire) Send(ctx context.Context, c *Camera, baud, rate int, tick time.Duration) error {
	runtime.LockOSThread() // the waits below are the kernel's: the runtime's timers are too coarse for 1 ms
	defer runtime.UnlockOSThread()
	master := int(w.master.Fd())
	if err := unix.SetNonblock(master, true); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	s := oneWay{camera: c, baud: baud}
	due, err := Monotonic()
	if err != nil {
		return err
	}
	begun := due
	var owed, ticks uint64
	for ctx.Err() == nil {
		ticks++
		want := ticks * uint64(tick) * uint64(rate) / uint64(time.Second)
		for owed < want && ctx.Err() == nil {
			piece := s.next(int(want - owed))
			if err := w.write(ctx, master, piece); err != nil {
				return err
			}
			owed += uint64(len(piece))
		}
		if err := forget(master); err != nil {
			return err
		}
		due = begun + ticks*uint64(tick)
		at := unix.NsecToTimespec(int64(due))
		if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait: %w", err)
		}
	}
	return nil
}

func (w *Wire) write(ctx context.Context, master int, p []byte) error {
	for len(p) > 0 && ctx.Err() == nil {
		n, err := unix.Write(master, p)
		if n > 0 {
			w.sent.Add(uint64(n))
			p = p[n:]
		}
		switch {
		case errors.Is(err, unix.EAGAIN):
			const patience = 50 // ms, to look at ctx
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(master), Events: unix.POLLOUT}}, patience); err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("terminal: %w", err)
			}
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("terminal: %w", err)
		}
	}
	return nil
}

func forget(master int) error {
	var b [256]byte
	for {
		n, err := unix.Read(master, b[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("terminal: %w", err)
		case n == 0:
			return io.ErrUnexpectedEOF
		}
	}
}

// oneWay is the byte stream of a camera that nobody can speak to (docs/protocol.md, one-way wiring).
type oneWay struct {
	camera *Camera
	baud   int // 0: USB
	seq    uint16
	number uint32
	clock  uint64 // microseconds, of a device that counts frames instead
	buffer []byte
	rest   []byte // of buffer, not sent yet
}

// next returns at most n bytes more, good until the next call.
func (s *oneWay) next(n int) []byte {
	if len(s.rest) == 0 {
		s.fill()
	}
	n = min(n, len(s.rest))
	piece := s.rest[:n]
	s.rest = s.rest[n:]
	return piece
}

// fill encodes the next frame. A HELLO before every eighth is one a second or more at any rate worth measuring.
func (s *oneWay) fill() {
	const helloEvery = 8
	s.buffer = s.buffer[:0]
	if s.number%helloEvery == 0 {
		transport := camlink.TransportUSBCDC
		if s.baud > 0 {
			transport = camlink.TransportUART
		}
		hello := camlink.Hello{
			ProtoMin: camlink.Version, ProtoMax: camlink.Version, BootID: 1, NowUS: s.clock,
			Transport: transport, MaxPayload: camlink.MaxHostPayload, MaxFrame: 1 << 20,
			Features: camlink.FeatureOneWay, NextFrame: s.number, Firmware: "bench", Board: "bench", Sensor: "bench",
		}
		s.packet(camlink.TypeHello, 0, 0, hello.Append(nil))
	}
	p := s.camera.pictures[s.number%pictures]
	ref := uint16(s.number)
	s.clock += 33_333
	begin := camlink.FrameBegin{Number: s.number, Length: uint32(len(p)), CaptureUS: s.clock, TxUS: s.clock,
		Width: 640, Height: 480, Format: camlink.FormatJPEG}
	s.packet(camlink.TypeFrameBegin, 0, ref, begin.Append(nil))
	size := camlink.ChunkSize(s.baud)
	for at := 0; at < len(p); at += size {
		piece := p[at:min(at+size, len(p))]
		var flags camlink.Flags
		if at+len(piece) == len(p) {
			flags = camlink.FlagLast
		}
		chunk := camlink.FrameChunk{Offset: uint32(at), Data: piece}
		s.packet(camlink.TypeFrameChunk, flags, ref, chunk.Append(nil))
	}
	s.number++
	s.rest = s.buffer
}

func (s *oneWay) packet(t camlink.Type, flags camlink.Flags, ref uint16, payload []byte) {
	s.buffer = camlink.AppendPacket(s.buffer, camlink.Header{Type: t, Flags: flags, Seq: s.seq, Ref: ref}, payload)
	s.seq++
}
