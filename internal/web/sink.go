package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// progress is how many bytes a viewer must take per write timeout to stay. Parts up to this size go out in one write.
const progress = 64 << 10

// deadliner is what bounds a write.
type deadliner interface {
	SetWriteDeadline(time.Time) error
}

// patience gives each write so much time, until it is aborted.
type patience struct {
	of      deadliner
	timeout time.Duration
	aborted atomic.Bool
}

// Abort makes writes fail: the one under way too, because its deadline is moved to the past.
func (p *patience) Abort() {
	p.aborted.Store(true)
	_ = p.of.SetWriteDeadline(time.Unix(1, 0)) // fails where there are no deadlines: then Write sees aborted in time
}

// begin sets the next write's deadline. The order matters: either it sees aborted, or Abort's deadline comes after its own.
func (p *patience) begin() error {
	if err := p.of.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if p.aborted.Load() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// all writes p, as long as there is progress.
func (p *patience) all(w io.Writer, b []byte) error {
	for len(b) > 0 {
		if err := p.begin(); err != nil {
			return err
		}
		n, err := w.Write(b[:min(len(b), progress)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// plain writes a part in the stream's dialect. Every part ends with [trailer].
func (v *stream) plain(p *patience, w io.Writer, part []byte) error {
	if v.tail == nil {
		return p.all(w, part)
	}
	if err := p.all(w, part[v.skipped(part):len(part)-len(trailer)]); err != nil {
		return err
	}
	return p.all(w, v.tail)
}

// connSink is a stream over a connection that cannot be written to without waiting: TLS, or a pipe. Each part is written
// by a goroutine.
type connSink struct {
	*stream
	patience
	scope *scope
	conn  net.Conn
}

// TryWrite takes nothing.
func (k *connSink) TryWrite([]byte) (int, error) { return 0, nil }

// Write is part of [fanout.Sink].
func (k *connSink) Write(part []byte) error { return k.plain(&k.patience, k.conn, part) }

// Ended is part of [fanout.Sink]. Closing may wait, in TLS.
func (k *connSink) Ended(why error, account fanout.Account) {
	k.left(why, account)
	go func() {
		if err := k.conn.Close(); err != nil {
			k.log.Debug("close", "error", err)
		}
		k.scope.release(k.stream)
	}()
}

// listen notices that the viewer hangs up. What it says is thrown away.
func (k *connSink) listen(viewer *fanout.Viewer) {
	_, _ = io.Copy(io.Discard, k.conn) // whatever the error, there is nobody any more
	viewer.End(errGone)
}

// tcpSink is a stream over TCP: the pump itself writes to it, as far as the kernel takes it.
type tcpSink struct {
	*stream
	patience
	scope *scope
	conn  *net.TCPConn
	raw   syscall.RawConn
	stage *stage
	id    int32 // at the watcher; under scope.mu

	// Of whoever calls the Sink. try is attempt, made once, so that a write allocates nothing.
	try  func(fd uintptr) bool
	part []byte
	n    int
	err  error
	done int // bytes of tail written
}

// TryWrite is part of [fanout.Sink].
func (k *tcpSink) TryWrite(part []byte) (int, error) {
	k.part = part
	err := k.raw.Write(k.try)
	k.part = nil
	if err != nil {
		return 0, err
	}
	return k.n, k.err
}

// attempt makes one system call and never asks to be called again.
func (k *tcpSink) attempt(fd uintptr) bool {
	if k.tail == nil {
		k.n, k.err = k.stage.write(int(fd), k.part)
		return true
	}
	skipped := k.skipped(k.part)
	body := k.part[:len(k.part)-len(trailer)]
	k.n, k.err = writeBoth(int(fd), body[skipped:], k.tail)
	k.n += skipped
	if k.n > len(body) {
		// A boundary that is half written is still the whole of the rest.
		if k.done = k.n - len(body); k.done == len(k.tail) {
			k.n, k.done = len(k.part), 0
		} else {
			k.n = len(body)
		}
	}
	return true
}

// Write is part of [fanout.Sink]. It leaves no deadline behind, which TryWrite would fall over.
func (k *tcpSink) Write(part []byte) error {
	var err error
	if k.tail == nil {
		err = k.all(k.conn, part)
	} else if err = k.all(k.conn, part[:len(part)-len(trailer)]); err == nil {
		err = k.all(k.conn, k.tail[k.done:])
		k.done = 0
	}
	if err != nil {
		return err
	}
	err = k.conn.SetWriteDeadline(time.Time{})
	if k.aborted.Load() {
		return os.ErrDeadlineExceeded
	}
	return err
}

// Ended is part of [fanout.Sink].
func (k *tcpSink) Ended(why error, account fanout.Account) {
	k.left(why, account)
	k.scope.forget(k)
	// With something unread the kernel would reset the connection, and the viewer might lose the end of its last part.
	if err := k.raw.Read(discardUnread); err != nil {
		k.log.Debug("discard", "error", err)
	}
	if err := k.conn.Close(); err != nil {
		k.log.Debug("close", "error", err)
	}
	k.scope.release(k.stream)
}

// answerSink is a stream whose connection stays net/http's.
type answerSink struct {
	*stream
	patience
	w       http.ResponseWriter
	control *http.ResponseController
	ended   chan struct{}
}

// TryWrite takes nothing.
func (k *answerSink) TryWrite([]byte) (int, error) { return 0, nil }

// Write is part of [fanout.Sink].
func (k *answerSink) Write(part []byte) error {
	if err := k.plain(&k.patience, k.w, part); err != nil {
		return err
	}
	return k.control.Flush()
}

// Ended is part of [fanout.Sink].
func (k *answerSink) Ended(why error, account fanout.Account) {
	k.left(why, account)
	close(k.ended)
}

// answer streams through an http.ResponseWriter until the stream ends; the handler's goroutine waits meanwhile.
func (v *stream) answer(ctx context.Context, w http.ResponseWriter, control *http.ResponseController, terms fanout.Terms) {
	k := &answerSink{stream: v, w: w, control: control, ended: make(chan struct{})}
	k.of, k.timeout = control, v.server.options.WriteTimeout
	viewer := v.camera.Hub.Attach(terms, k)
	stop := context.AfterFunc(ctx, func() { viewer.End(context.Cause(ctx)) })
	defer stop()
	<-k.ended
}
