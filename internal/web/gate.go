package web

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// displacedPatience is how long a newcomer waits for the descriptor of whom it displaces, at most.
	displacedPatience = time.Second

	// Waits after an accept that failed: for want of descriptors or memory, as a rule.
	acceptPauseLeast = 5 * time.Millisecond
	acceptPauseMost  = time.Second

	complainEvery = time.Minute

	// askingTime is how long a connection may wait without asking before it is closed for want of descriptors. Its first request is on
	// the way when it is accepted, and a shortage may well be over before others come.
	askingTime = 250 * time.Millisecond
)

// gate is a listener that lets in whom there is a place for. What it hands out is what the listener below does.
type gate struct {
	net.Listener
	server *Server
	secure bool // what it lets in begins with TLS
	closed chan struct{}
	once   sync.Once
}

func newGate(s *Server, l net.Listener, secure bool) *gate {
	return &gate{Listener: l, server: s, secure: secure, closed: make(chan struct{})}
}

// Accept is part of net.Listener. An error is the listener's end: want of descriptors is waited out.
func (g *gate) Accept() (net.Conn, error) {
	pause, cost := acceptPauseLeast, 0.0
	if g.secure {
		cost = dearPrice
	}
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			if !passing(err) {
				return nil, err
			}
			g.fail(err)
			if !g.wait(nil, pause) {
				return nil, net.ErrClosed
			}
			pause = min(2*pause, acceptPauseMost)
			continue
		}
		host, bound := g.server.connectionBound(conn)
		displaced, ok := g.server.connections.enter(conn, host, g.server.limits.Load().MaxConnections, bound, cost)
		if !ok {
			refuseConnection(conn)
			continue
		}
		if displaced != nil {
			dismiss(displaced.conn)
			// Descriptors stay within the limit, whoever floods us: the next is accepted when this one is gone.
			g.wait(displaced.gone, displacedPatience)
		}
		return conn, nil
	}
}

// Close is part of net.Listener.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Listener.Close()
}

// wait waits for a channel to be closed, and reports whether the listener is still open.
func (g *gate) wait(of <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-of:
	case <-timer.C:
	case <-g.closed:
		return false
	}
	return true
}

// fail notes an accept that failed.
func (g *gate) fail(err error) {
	all := &g.server.connections
	all.mu.Lock()
	all.failures++
	tell := time.Since(all.complained) >= complainEvery
	if tell {
		all.complained = time.Now()
	}
	var oldest net.Conn
	if first := all.waiting.Front(); first != nil && time.Since(first.Value.(*connection).since) >= askingTime {
		// A descriptor that nobody uses serves a viewer better.
		c := first.Value.(*connection)
		c.displaced = true
		all.dropped[DropDisplaced]++
		all.rest(c)
		oldest = c.conn
	}
	all.mu.Unlock()
	if oldest != nil {
		dismiss(oldest)
	}
	if tell {
		g.server.log.Warn("a connection could not be accepted", "address", g.Addr(), "error", err)
	}
}

// passing tells whether the next accept may succeed: descriptors or memory are short, or the network has told of a fault of
// the connection that would have been the next (accept(2)).
func passing(err error) bool {
	for _, one := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR, syscall.ECONNABORTED, syscall.EPERM,
		syscall.ENETDOWN, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.ENONET, syscall.EHOSTUNREACH,
		syscall.EOPNOTSUPP, syscall.ENETUNREACH,
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// refuseConnection closes a connection at once, and leaves nothing of it in the kernel.
func refuseConnection(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// dismiss lets whoever reads a connection find its end, and close it. It does not close it itself: the descriptor's number
// would be free for somebody else while it is still being used.
func dismiss(conn net.Conn) {
	if half, ok := conn.(interface{ CloseRead() error }); ok {
		_ = half.CloseRead() // fails when the peer was faster
		return
	}
	_ = conn.Close()
}
