package web

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/fanout"
)

// watcher notices that viewers hang up, for all connections with one goroutine and without reading from them:
// what a viewer says is nobody's business, and stays in the kernel's bounded buffer.
type watcher struct {
	file *os.File // an epoll of its own, which the runtime's poller watches in turn
	raw  syscall.RawConn
	done chan struct{}

	mu      sync.Mutex
	viewers map[int32]*fanout.Viewer
	last    int32
}

func newWatcher() (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not poll it
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), viewers: make(map[int32]*fanout.Viewer)}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	go w.run()
	return w, nil
}

// watch ends the viewer when the peer of its connection hangs up. The id is for forget.
func (w *watcher) watch(fd int, viewer *fanout.Viewer) (id int32, err error) {
	w.mu.Lock()
	for w.last++; w.viewers[w.last] != nil || w.last <= 0; w.last++ {
		w.last = max(w.last, 0) // ids serve again after two thousand million viewers
	}
	id = w.last
	w.viewers[id] = viewer
	w.mu.Unlock()
	var failed error
	event := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: id}
	err = w.raw.Control(func(epoll uintptr) {
		failed = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, fd, &event)
	})
	return id, errors.Join(err, failed)
}

// forget is for a connection that is about to be closed, which takes it out of the epoll.
func (w *watcher) forget(id int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.viewers, id)
}

func (w *watcher) run() {
	defer close(w.done)
	events := make([]unix.EpollEvent, 64)
	for {
		n := 0
		err := w.raw.Read(func(epoll uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(epoll), events, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err != nil || n < 0 {
			return
		}
		for _, e := range events[:n] {
			w.mu.Lock()
			viewer := w.viewers[e.Fd]
			w.mu.Unlock()
			if viewer != nil {
				viewer.End(errGone)
			}
		}
	}
}

// close ends the watcher.
func (w *watcher) close() {
	_ = w.file.Close() // nothing was written to it
	<-w.done
}
