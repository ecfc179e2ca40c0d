package web

import (
	"context"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/fanout"
)

// scope is what belongs to one call of Serve: the connections of its listener, and the streams among them that
// are no longer net/http's.
type scope struct {
	server      *Server
	connections sync.WaitGroup

	mu      sync.Mutex
	ending  bool
	streams map[*stream]fanout.Sink
	sockets map[*socket]struct{}
	watcher *watcher // nil until the first stream over TCP
}

type scopeKey struct{}

// carry takes a stream's connection over and attaches the viewer to its camera.
func (sc *scope) carry(v *stream, conn net.Conn, terms fanout.Terms) {
	var sink fanout.Sink
	var watch func(*fanout.Viewer)
	timeout := sc.server.options.WriteTimeout
	if tcp, ok := conn.(*net.TCPConn); ok {
		k := &tcpSink{stream: v, scope: sc, conn: tcp, stage: &v.camera.stage}
		k.of, k.timeout = conn, timeout
		var err error
		if k.fd, err = descriptor(tcp); err == nil {
			sink = k
			err = sc.server.bound(k.fd)
		}
		if err != nil {
			v.log.Debug("connection not bounded", "error", err)
		}
		watch = func(viewer *fanout.Viewer) {
			if err := sc.watch(k, viewer); err != nil {
				v.log.Debug("connection not watched: its end shows at the next picture", "error", err)
			}
		}
	}
	if sink == nil {
		if tcp, ok := wire(conn).(*net.TCPConn); ok {
			if err := sc.server.boundTCP(tcp); err != nil {
				v.log.Debug("connection not bounded", "error", err)
			}
		}
		k := &connSink{stream: v, scope: sc, conn: conn}
		k.of, k.timeout = conn, timeout
		sink = k
		watch = func(viewer *fanout.Viewer) { go k.listen(viewer) }
	}
	// Under mu, so that the pump cannot release the stream before it is here, and none is missed at the end.
	sc.mu.Lock()
	defer sc.mu.Unlock()
	v.conn = conn
	sc.streams[v] = sink
	v.viewer = v.attach(terms, sink)
	watch(v.viewer)
	if sc.ending {
		v.viewer.End(errShutdown)
	}
}

// watch needs mu.
func (sc *scope) watch(k *tcpSink, viewer *fanout.Viewer) (err error) {
	if sc.watcher == nil {
		if sc.watcher, err = newWatcher(); err != nil {
			return err
		}
	}
	k.id, err = sc.watcher.watch(k.fd, viewer)
	return err
}

// forget is for a connection that is about to be closed.
func (sc *scope) forget(k *tcpSink) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.watcher != nil {
		sc.watcher.forget(k.id)
	}
}

// join and leave are for a WebSocket, which ends by itself when the context of its request does.
func (sc *scope) join(k *socket) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.sockets == nil {
		sc.sockets = make(map[*socket]struct{})
	}
	sc.sockets[k] = struct{}{}
}

func (sc *scope) leave(k *socket) {
	sc.mu.Lock()
	delete(sc.sockets, k)
	sc.mu.Unlock()
	sc.server.connections.leave(k.wire.Conn)
	sc.connections.Done()
}

// release is the end of a stream's connection.
func (sc *scope) release(v *stream) {
	sc.mu.Lock()
	delete(sc.streams, v)
	sc.mu.Unlock()
	sc.server.connections.leave(v.conn)
	sc.connections.Done()
}

// end lets every stream end after the part it is sending.
func (sc *scope) end() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.ending = true
	for v := range sc.streams {
		v.viewer.End(errShutdown)
	}
}

// wait waits for the connections to end, and cuts the streams off when ctx does.
func (sc *scope) wait(ctx context.Context) {
	defer func() {
		if sc.watcher != nil { // no stream is left to touch it
			sc.watcher.close()
		}
	}()
	ended := make(chan struct{})
	go func() { sc.connections.Wait(); close(ended) }()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	sc.mu.Lock()
	for _, sink := range sc.streams {
		sink.Abort()
	}
	for k := range sc.sockets {
		k.wire.cut()
	}
	sc.mu.Unlock()
	<-ended
}

// bound limits what the kernel holds for a viewer: a slow one shall see now, and not what was ten seconds ago.
func (s *Server) bound(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, s.options.SendBuffer/2) // the kernel doubles it
}

// boundTCP is bound for a connection whose descriptor is not otherwise used.
func (s *Server) boundTCP(conn *net.TCPConn) error {
	return conn.SetWriteBuffer(s.options.SendBuffer / 2)
}

// descriptor is the number of an open connection, good until it is closed.
func descriptor(conn syscall.Conn) (number int, err error) {
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { number = int(fd) })
	}
	return number, err
}
