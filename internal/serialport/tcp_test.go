package serialport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// line is what both kinds of port must offer.
type line interface {
	Read(b []byte) (int, error)
	Write(b []byte) (int, error)
	SetBaud(rate int) (int, error)
	Flush() error
	SetReadTimeout(d time.Duration) error
	LineErrors() (LineErrors, bool)
	Close() error
	Name() string
}

var (
	_ line = (*Port)(nil)
	_ line = (*TCPPort)(nil)
)

// dialServer connects a port to a server and returns both ends.
func dialServer(t *testing.T, opts Options) (*TCPPort, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p, err := DialTCP(t.Context(), ln.Addr().String(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if want := "tcp://" + ln.Addr().String(); p.Name() != want {
		t.Errorf("name %q, want %q", p.Name(), want)
	}
	return p, conn.(*net.TCPConn)
}

func TestTCPBytesPassBothWays(t *testing.T) {
	p, server := dialServer(t, Options{})
	want := everyByte()
	if _, err := server.Write(want); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, p, len(want)); !bytes.Equal(got, want) {
		t.Errorf("got % x", got)
	}
	if n, err := p.Write(want); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got % x, %v", got, err)
	}
}

func TestTCPHasNoRate(t *testing.T) {
	p, _ := dialServer(t, Options{})
	if rate, err := p.SetBaud(115200); rate != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetBaud: %d, %v", rate, err)
	}
	if _, ok := p.LineErrors(); ok {
		t.Error("LineErrors")
	}
}

func TestTCPReadTimeout(t *testing.T) {
	p, _ := dialServer(t, Options{ReadTimeout: 20 * time.Millisecond})
	start := time.Now()
	n, err := p.Read(make([]byte, 16))
	if took := time.Since(start); n != 0 || err != os.ErrDeadlineExceeded || took < 20*time.Millisecond {
		t.Errorf("%d, %v after %v", n, err, took)
	}
	if p.SetReadTimeout(0) == nil {
		t.Error("read timeout 0 was taken")
	}
}

func TestTCPFlush(t *testing.T) {
	p, server := dialServer(t, Options{ReadTimeout: 20 * time.Millisecond})
	// One byte read proves that the rest, in the same segment, has arrived too.
	if _, err := server.Write(bytes.Repeat([]byte("old"), 1000)); err != nil {
		t.Fatal(err)
	}
	receive(t, readByte{p}, 1)
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Read(make([]byte, 16)); n != 0 || err != os.ErrDeadlineExceeded {
		t.Errorf("after Flush: %d, %v", n, err)
	}
	if err := p.Flush(); err != nil { // nothing to discard, and no waiting
		t.Fatal(err)
	}
	if _, err := server.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, p, 3); string(got) != "new" {
		t.Errorf("got %q", got)
	}
	server.Close()
	for {
		if _, err := p.Read(make([]byte, 16)); err == io.EOF {
			break
		} else if err != os.ErrDeadlineExceeded {
			t.Fatal(err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Errorf("Flush at the end: %v", err)
	}
}

// readByte reads a byte at a time.
type readByte struct{ io.Reader }

func (r readByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:1]) }

func TestTCPHangUp(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		p, server := dialServer(t, Options{ReadTimeout: patience})
		server.Close()
		if n, err := p.Read(make([]byte, 16)); n != 0 || err != io.EOF {
			t.Errorf("Read: %d, %v", n, err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		p, server := dialServer(t, Options{ReadTimeout: patience})
		server.SetLinger(0)
		server.Close()
		if n, err := p.Read(make([]byte, 16)); n != 0 || !errors.Is(err, io.EOF) || !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("Read: %d, %v", n, err)
		}
		if n, err := p.Write([]byte("x")); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("Write: %d, %v", n, err)
		}
	})
}

func TestTCPWriteGivesUpOnAStuckServer(t *testing.T) {
	p, _ := dialServer(t, Options{})
	start := time.Now()
	n, err := p.Write(make([]byte, 64<<20)) // more than the sockets buffer, to a server that does not read
	if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) || took < writeTimeout {
		t.Errorf("%d, %v after %v", n, err, took)
	}
}

func TestTCPNoticesADeadServer(t *testing.T) {
	p, _ := dialServer(t, Options{})
	raw, err := p.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name             string
		level, opt, want int
	}{
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 4},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 3},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 2},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10000},
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	} {
		if err := raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), c.level, c.opt); got != c.want || err != nil {
				t.Errorf("%s = %d, %v, want %d", c.name, got, err, c.want)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTCPAfterClose(t *testing.T) {
	p, _ := dialServer(t, Options{})
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
	if err := p.Flush(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Flush: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	ln.Close()
	called, cancel := context.WithCancelCause(t.Context())
	stopping := errors.New("stopping")
	cancel(stopping)

	for _, c := range []struct {
		ctx   context.Context
		addr  string
		opts  Options
		cause Cause
		is    error
		text  string
	}{
		{t.Context(), nobody, Options{}, CauseAbsent, unix.ECONNREFUSED, "connect: connection refused; try: start the serial server, or check its address"},
		{t.Context(), "no-port", Options{}, CauseInvalid, nil, "address no-port: missing port in address; try: tcp://host:port"},
		{t.Context(), nobody, Options{ReadTimeout: -1}, CauseInvalid, nil, "read timeout -1ns is below 0"},
		{called, nobody, Options{}, CauseOther, stopping, "stopping"},
	} {
		p, err := DialTCP(c.ctx, c.addr, c.opts)
		if err == nil {
			p.Close()
			t.Errorf("%s: connected", c.addr)
			continue
		}
		oerr, ok := errors.AsType[*OpenError](err)
		if !ok || oerr.Cause != c.cause || c.is != nil && !errors.Is(err, c.is) || !strings.HasPrefix(err.Error(), "open tcp://"+c.addr+": "+c.text) {
			t.Errorf("%s: %v", c.addr, err)
		}
	}
}
