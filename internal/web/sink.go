package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
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
	fd    int // conn's; only Ended closes it, as the last call of all
	stage *stage
	id    int32 // at the watcher; under scope.mu

	done int // bytes of tail written; of whoever calls the Sink
}

// TryWrite is part of [fanout.Sink]. It goes past net.Conn, whose locks and timers cost a tenth of a small write.
func (k *tcpSink) TryWrite(part []byte) (int, error) {
	if k.aborted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	if k.tail == nil {
		return k.stage.write(k.fd, part)
	}
	skipped, body := k.skipped(part), part[:len(part)-len(trailer)]
	n, err := writeBoth(k.fd, body[skipped:], k.tail)
	if n += skipped; n <= len(body) {
		return n, err
	}
	if k.done = n - len(body); k.done < len(k.tail) {
		return len(body), err // a boundary that is half written is still the whole of the rest
	}
	k.done = 0
	return len(part), err
}

// Write is part of [fanout.Sink].
func (k *tcpSink) Write(part []byte) error {
	var err error
	if k.tail == nil {
		err = k.all(k.conn, part)
	} else if err = k.all(k.conn, part[:len(part)-len(trailer)]); err == nil {
		err = k.all(k.conn, k.tail[k.done:])
		k.done = 0
	}
	return err
}

// Ended is part of [fanout.Sink].
func (k *tcpSink) Ended(why error, account fanout.Account) {
	k.left(why, account)
	k.scope.forget(k)
	// With something unread the kernel would reset the connection, and the viewer might lose the end of its last part.
	discardUnread(k.fd)
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
	viewer := v.attach(terms, k)
	stop := context.AfterFunc(ctx, func() { viewer.End(context.Cause(ctx)) })
	defer stop()
	<-k.ended
}
