package serialport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialTimeout = 5 * time.Second
	// A server that lost power says nothing. It is given up when it has not acknowledged for this long what we sent, or the
	// probes that go out when we have nothing to say.
	tcpSilence    = 10 * time.Second
	probeAfter    = 4 * time.Second
	probeInterval = 3 * time.Second
	probes        = 2 // probeAfter + probes*probeInterval = tcpSilence
)

// TCPPort is a serial line behind a serial server that passes raw bytes over TCP. It has the methods of [Port], and
// the same rule: one goroutine calls them, except Name.
type TCPPort struct {
	name        string // fixed
	conn        *net.TCPConn
	readTimeout time.Duration
	closed      bool
}

// DialTCP connects to the serial server at hostport; ctx bounds the connecting alone. The error is an [*OpenError].
func DialTCP(ctx context.Context, hostport string, opts Options) (*TCPPort, error) {
	name := "tcp://" + hostport
	opts, err := opts.withDefaults()
	if err == nil {
		_, _, err = net.SplitHostPort(hostport)
	}
	if err != nil {
		return nil, &OpenError{Path: name, Cause: CauseInvalid, Err: err, Hint: "tcp://host:port"}
	}
	dialer := net.Dialer{
		Timeout: dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable:   true,
			Idle:     probeAfter,
			Interval: probeInterval,
			Count:    probes,
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", hostport)
	if err != nil {
		return nil, dialError(ctx, name, err)
	}
	p := &TCPPort{name: name, conn: conn.(*net.TCPConn), readTimeout: opts.ReadTimeout}
	if err := p.setUserTimeout(tcpSilence); err != nil {
		opts.Logger.Debug("serial server may die unnoticed for long", "port", name, "err", err)
	}
	opts.Logger.Debug("serial server connected", "port", name, "address", conn.RemoteAddr())
	return p, nil
}

// dialError tells a server that is not there from a dialling that was called off.
func dialError(ctx context.Context, name string, err error) *OpenError {
	e := &OpenError{Path: name, Cause: CauseAbsent, Err: err, Hint: "start the serial server, or check its address"}
	if operr, ok := errors.AsType[*net.OpError](err); ok {
		e.Err = operr.Err // without the address, which is in the name
	}
	if cause := context.Cause(ctx); cause != nil {
		e.Cause, e.Hint = CauseOther, ""
		e.Err = cause
	}
	return e
}

// setUserTimeout makes the kernel give up on unacknowledged data after d.
func (p *TCPPort) setUserTimeout(d time.Duration) error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
	return errors.Join(err, serr)
}

// Name returns the address as tcp://host:port. It may be called from any goroutine.
func (p *TCPPort) Name() string { return p.name }

// Read is [Port.Read]. A connection that broke is also [io.EOF].
func (p *TCPPort) Read(b []byte) (int, error) {
	if p.closed {
		return 0, os.ErrClosed
	}
	if len(b) == 0 {
		return 0, nil
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(p.readTimeout)); err != nil {
		return 0, fmt.Errorf("read %s: %w", p.name, err)
	}
	n, err := p.conn.Read(b)
	switch {
	case n > 0:
		return n, nil // an error beside it comes again
	case err == io.EOF:
		return 0, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, os.ErrDeadlineExceeded
	}
	return 0, fmt.Errorf("read %s: %w", p.name, brokenAsEOF(err))
}

// Write is [Port.Write].
func (p *TCPPort) Write(b []byte) (int, error) {
	if p.closed {
		return 0, os.ErrClosed
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, fmt.Errorf("write %s: %w", p.name, err)
	}
	n, err := p.conn.Write(b)
	if err != nil {
		return n, fmt.Errorf("write %s: %w", p.name, brokenAsEOF(err))
	}
	return n, nil
}

// SetBaud fails with [errors.ErrUnsupported]: the rate is set at the server.
func (p *TCPPort) SetBaud(int) (int, error) {
	if p.closed {
		return 0, os.ErrClosed
	}
	return 0, fmt.Errorf("set baud on %s: %w", p.name, errors.ErrUnsupported)
}

// LineErrors returns false: the server counts them.
func (p *TCPPort) LineErrors() (LineErrors, bool) { return LineErrors{}, false }

// Flush discards bytes that arrived here and were not yet read; what is still on its way cannot be told from what follows.
func (p *TCPPort) Flush() error {
	if p.closed {
		return os.ErrClosed
	}
	// A server that sends faster than we discard would keep us here; no receive buffer is larger than this.
	const most = 8 << 20
	if err := p.conn.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("flush %s: %w", p.name, err)
	}
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("flush %s: %w", p.name, err)
	}
	var (
		buf     [16 << 10]byte
		readErr error
	)
	err = raw.Read(func(fd uintptr) bool {
		for total := 0; total < most; {
			n, err := unix.Read(int(fd), buf[:])
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN || err == nil && n == 0: // drained; an end of the stream is for Read to tell
				return true
			case err != nil:
				readErr = err
				return true
			default:
				total += n
			}
		}
		return true
	})
	if err := errors.Join(err, readErr); err != nil {
		return fmt.Errorf("flush %s: %w", p.name, brokenAsEOF(err))
	}
	return nil
}

// SetReadTimeout bounds the wait of the following Reads; d must be above 0.
func (p *TCPPort) SetReadTimeout(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("read timeout of %s: %v is not above 0", p.name, d)
	}
	p.readTimeout = d
	return nil
}

// Close drops the connection without waiting. Closing again does nothing.
func (p *TCPPort) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	if err := p.conn.Close(); err != nil {
		return fmt.Errorf("close %s: %w", p.name, err)
	}
	return nil
}

// brokenAsEOF returns err as an error that is also io.EOF when the connection is of no more use.
func brokenAsEOF(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) { // ours; the kernel's own ETIMEDOUT is no such error
		return err
	}
	return fmt.Errorf("%w (%w)", io.EOF, err)
}
