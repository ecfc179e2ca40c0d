package serialport

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// input reads the tty through our own descriptor, which it owns. A goroutine that waits here is parked with the runtime's
// poller, so that it holds up neither a thread nor the scheduler. The library's Read would wait in select(2), where each wait makes
// the runtime's monitor take the processor away from it and give it back: a third of what a picture cost.
//
// What the poller watches is an epoll of our own with the tty in it, which can be told to keep still: the poller itself takes a wake-up
// for each piece that arrives, whether or not anybody waits for it.
type input struct {
	tty   control
	epoll *os.File
	raw   syscall.RawConn
	try   func(fd uintptr) bool // attempt, made once, so that a read allocates nothing
	armed bool                  // the epoll tells of input

	deadline time.Time // of the poller

	// Of the read under way.
	room  []byte
	got   int
	errno syscall.Errno
}

// newInput takes over ctl, whether or not it fails.
func newInput(ctl control, path string) (_ *input, err error) {
	in := &input{tty: ctl, armed: true}
	in.try = in.attempt
	defer func() {
		if err != nil {
			err = fmt.Errorf("wait for input: %w", errors.Join(err, in.close()))
		}
	}()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the poller would not have it
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	in.epoll = os.NewFile(uintptr(fd), path)
	if in.raw, err = in.epoll.SyscallConn(); err != nil {
		return nil, err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(ctl), &event); err != nil {
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return in, in.epoll.SetReadDeadline(time.Time{}) // fails if the poller does not have it
}

// read waits for at least one byte, for at least half of limit and at most all of it. The error is os.ErrDeadlineExceeded,
// io.EOF after a hang-up, or an errno.
func (in *input) read(b []byte, limit time.Duration) (int, error) {
	// To move the deadline is to move a timer, and a timer that is moved again and again still wakes the runtime's monitor when it
	// would have been due. So it stays where it is for as long as it serves.
	now := time.Now()
	if left := in.deadline.Sub(now); left < limit/2 || left > limit {
		in.deadline = now.Add(limit)
		if err := in.epoll.SetReadDeadline(in.deadline); err != nil {
			return 0, err
		}
	}
	in.room = b
	err := in.raw.Read(in.try)
	in.room = nil
	switch {
	case err != nil:
		return 0, err
	case in.errno != 0:
		return 0, in.errno
	case in.got == 0:
		return 0, io.EOF
	}
	return in.got, nil
}

// attempt makes one read; false if there is nothing yet. It is a raw system call: on this descriptor it never waits, so that the
// scheduler need not be told that it might.
func (in *input) attempt(epoll uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(in.tty), uintptr(unsafe.Pointer(unsafe.SliceData(in.room))), uintptr(len(in.room)))
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN:
			if in.armed {
				return false
			}
			if in.errno = in.arm(epoll, unix.EPOLLIN); in.errno != 0 { // it tells at once of what came meanwhile
				in.got = 0
				return true
			}
			in.armed = true
			return false
		case 0:
			in.got, in.errno = int(n), 0
			return true
		default:
			in.got, in.errno = 0, errno
			return true
		}
	}
}

// rest sleeps, whatever arrives.
func (in *input) rest(d time.Duration) {
	if in.armed {
		// If it fails there are more wake-ups, and nothing else.
		err := in.raw.Control(func(epoll uintptr) { in.armed = in.arm(epoll, 0) != 0 })
		in.armed = in.armed || err != nil
	}
	time.Sleep(d)
}

// arm says of what the epoll tells; of a hang-up it does in any case.
func (in *input) arm(epoll uintptr, events uint32) syscall.Errno {
	event := unix.EpollEvent{Events: events}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, epoll, unix.EPOLL_CTL_MOD, uintptr(in.tty), uintptr(unsafe.Pointer(&event)), 0, 0)
	return errno
}

func (in *input) close() error {
	var err error
	if in.epoll != nil {
		err = in.epoll.Close()
	}
	return errors.Join(err, unix.Close(int(in.tty)))
}
