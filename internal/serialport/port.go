package serialport

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

const (
	// DefaultBaud is the rate of [Options] that name none.
	DefaultBaud = 115200
	// DefaultReadTimeout is the read timeout of [Options] that name none.
	DefaultReadTimeout = 50 * time.Millisecond

	// A packet to a camera is below 100 bytes. A line that does not take that in a second is stuck.
	writeTimeout = time.Second
	// How long SetBaud and Close let output leave. Close has less patience: it must be prompt.
	drainTimeout = 500 * time.Millisecond
	closeTimeout = 100 * time.Millisecond

	bitsPerByte = 10 // 8N1
)

// Options says how to open a line. The zero value is useful.
type Options struct {
	// Baud is the first line rate in bits per second; 0 means DefaultBaud. It does not matter to TCP.
	Baud int
	// ReadTimeout bounds the wait of one Read; 0 means DefaultReadTimeout.
	ReadTimeout time.Duration
	// Machine is where ports are looked for; the zero value is this machine.
	Machine Machine
	// Logger gets what an operator may want to know of the opening; nil discards it.
	Logger *slog.Logger
}

// withDefaults returns o with its gaps filled, or what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	if o.Baud < 0 {
		return o, fmt.Errorf("baud %d is below 0", o.Baud)
	}
	if o.ReadTimeout < 0 {
		return o, fmt.Errorf("read timeout %v is below 0", o.ReadTimeout)
	}
	if o.Baud == 0 {
		o.Baud = DefaultBaud
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = DefaultReadTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Port is an open serial line, raw 8N1 without flow control. One goroutine calls its methods.
type Port struct {
	name  string // fixed
	lib   serial.Port
	ctl   control
	in    *input // owns ctl
	lines modemLines

	before       int // rate before Open set one
	readTimeout  time.Duration
	baud         int       // true rate, as the driver told
	idleAt       time.Time // when the last byte written will have left the wire
	writeTimeout time.Duration
	closed       bool
}

// Name returns the path that Open was given. It may be called from any goroutine.
func (p *Port) Name() string { return p.name }

// RateBefore returns the rate that the line had when Open found it: on a tty that has been plugged in all the time, the one its last
// user left.
func (p *Port) RateBefore() int { return p.before }

// Read waits for at least one byte and returns what has arrived. The error is [os.ErrDeadlineExceeded] when
// nothing came within the read timeout, [io.EOF] once the device is gone, and [os.ErrClosed] after Close.
// Any other error means that the port is of no more use and must be closed.
func (p *Port) Read(b []byte) (int, error) {
	if p.closed {
		return 0, os.ErrClosed
	}
	if len(b) == 0 {
		return 0, nil // the kernel would answer as to a hang-up
	}
	n, err := p.in.read(b, p.readTimeout)
	switch {
	case n > 0:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, os.ErrDeadlineExceeded
	case err == io.EOF, isGone(err):
		return 0, io.EOF
	}
	return 0, fmt.Errorf("read %s: %w", p.name, err)
}

// Rest sleeps for d, whatever arrives meanwhile: the next Read has it. What arrives must find room in the driver, which has 4 KiB before it
// begins to hold the device back.
func (p *Port) Rest(d time.Duration) {
	if !p.closed {
		p.in.rest(d)
	}
}

// Write sends b whole, or returns how much of it left and why not more: an error that is [os.ErrDeadlineExceeded]
// when the line did not take it within a second, [io.EOF] when the device is gone, [os.ErrClosed] after Close.
// Bytes taken are in the driver's hands; they may not have reached the wire.
func (p *Port) Write(b []byte) (int, error) {
	if p.closed {
		return 0, os.ErrClosed
	}
	n, err := p.ctl.write(b, time.Now().Add(p.writeTimeout))
	p.noteSent(n)
	if err != nil {
		return n, fmt.Errorf("write %s: %w", p.name, asEOF(err))
	}
	return n, nil
}

// SetBaud lets pending output leave, sets the line rate and returns the rate the driver really runs at. That rate
// is valid, and in force, also beside the error that says it is more than 2 % off. Other errors are
// [os.ErrDeadlineExceeded] when output does not drain, [io.EOF] when the device is gone, [os.ErrClosed].
func (p *Port) SetBaud(rate int) (int, error) {
	if p.closed {
		return 0, os.ErrClosed
	}
	actual, err := p.setBaud(rate)
	if err != nil {
		return actual, fmt.Errorf("set baud on %s: %w", p.name, asEOF(err))
	}
	return actual, nil
}

func (p *Port) setBaud(rate int) (int, error) {
	if rate <= 0 {
		// The library would take 0 for 9600, and the kernel B0 for a hang-up.
		return p.baud, fmt.Errorf("%d is not a rate", rate)
	}
	if err := p.drain(drainTimeout); err != nil {
		return p.baud, err
	}
	if err := p.lib.SetMode(&serial.Mode{BaudRate: rate}); err != nil {
		return p.baud, err
	}
	// Some ch341 drivers raise DTR and RTS with every change of the rate.
	p.lines.apply(p.ctl)
	actual, err := p.ctl.baud()
	if err != nil {
		return p.baud, err
	}
	p.baud = actual
	return actual, checkRate(rate, actual)
}

// checkRate returns an error when a UART at actual could not talk to one at want: both ends may be off by a little,
// and together they have about 4 %.
func checkRate(want, actual int) error {
	if diff := max(want-actual, actual-want); diff*50 > want {
		return fmt.Errorf("asked for %d, the driver made it %d", want, actual)
	}
	return nil
}

// Flush discards bytes that were received and not yet read.
func (p *Port) Flush() error {
	if p.closed {
		return os.ErrClosed
	}
	if err := p.lib.ResetInputBuffer(); err != nil {
		return fmt.Errorf("flush %s: %w", p.name, asEOF(err))
	}
	return nil
}

// SetReadTimeout bounds the wait of the following Reads; d must be above 0.
func (p *Port) SetReadTimeout(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("read timeout of %s: %v is not above 0", p.name, d)
	}
	p.readTimeout = d
	return nil
}

// resetPulse is how long a board is held in reset: programs that flash take as much.
const resetPulse = 100 * time.Millisecond

// ResetLine resets a board whose reset hangs on RTS, as those with an adapter on them are wired: RTS alone for a tenth of a second. The boot
// pin hangs on DTR, which stays as it is, so that the board comes up running. The error is [errors.ErrUnsupported] where there are no such
// lines, or where they mean something else.
func (p *Port) ResetLine() error {
	if p.closed {
		return os.ErrClosed
	}
	if p.lines.raise != 0 {
		return fmt.Errorf("reset by the lines of %s: %w", p.name, errors.ErrUnsupported)
	}
	if err := p.ctl.raiseRTS(); err != nil {
		if isGone(err) {
			return fmt.Errorf("reset by the lines of %s: %w", p.name, asEOF(err))
		}
		return fmt.Errorf("reset by the lines of %s: %w (%w)", p.name, errors.ErrUnsupported, err)
	}
	time.Sleep(resetPulse)
	if err := p.lines.apply(p.ctl); err != nil {
		return fmt.Errorf("reset by the lines of %s: %w", p.name, asEOF(err))
	}
	return nil
}

// LineErrors returns the driver's error counters; false where the driver has none, as a pty or USB-CDC may not.
func (p *Port) LineErrors() (LineErrors, bool) {
	if p.closed {
		return LineErrors{}, false
	}
	return p.ctl.lineErrors()
}

// Close gives output a tenth of a second to leave, discards the rest and releases the line. Closing again does nothing.
func (p *Port) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	// With output pending the kernel would hold the close for up to 30 s. Only then: a pty's other end loses what it has
	// not read yet when we discard, a last farewell for instance, and a pty never holds a close.
	if err := p.drain(closeTimeout); errors.Is(err, os.ErrDeadlineExceeded) {
		p.ctl.discardOutput()
	}
	err := errors.Join(p.lib.Close(), p.in.close())
	spareDescriptors.giveBack(perPort)
	if err != nil {
		return fmt.Errorf("close %s: %w", p.name, err)
	}
	return nil
}

// noteSent adds n bytes to the time the wire is busy.
func (p *Port) noteSent(n int) {
	if now := time.Now(); p.idleAt.Before(now) {
		p.idleAt = now
	}
	p.idleAt = p.idleAt.Add(time.Duration(n) * bitsPerByte * time.Second / time.Duration(max(p.baud, 1)))
}

// drain waits until everything written has left, at most for limit. tcdrain(3) would do it without a bound, and blind to what
// lies in the FIFO of a USB adapter. So: wait for the driver's queue, then for the line time of what was written.
func (p *Port) drain(limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		queued, err := p.ctl.outputQueued()
		if err != nil {
			return err
		}
		now := time.Now()
		if queued == 0 && !p.idleAt.After(now) {
			return nil
		}
		if !now.Before(deadline) {
			return fmt.Errorf("output of %d bytes did not leave within %v: %w", queued, limit, os.ErrDeadlineExceeded)
		}
		time.Sleep(min(time.Millisecond, deadline.Sub(now)))
	}
}

// isGone reports whether err is how the kernel or the library says that the device is no longer there.
func isGone(err error) bool {
	if perr, ok := errors.AsType[*serial.PortError](err); ok {
		return perr.Code() == serial.PortClosed
	}
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EPIPE)
}

// asEOF returns err as an error that is also io.EOF when the device is gone.
func asEOF(err error) error {
	if isGone(err) {
		return fmt.Errorf("%w (%w)", io.EOF, err)
	}
	return err
}
