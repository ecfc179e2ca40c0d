package serialport

import (
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
type input struct {
	file *os.File
	raw  syscall.RawConn
	try  func(fd uintptr) bool // attempt, made once, so that a read allocates nothing

	deadline time.Time // of the poller

	// Of the read under way.
	room  []byte
	got   int
	errno syscall.Errno
}

// newInput takes over ctl.
func newInput(ctl control, path string) (*input, error) {
	in := &input{file: os.NewFile(uintptr(ctl), path)} // the descriptor does not block, so the poller has it
	in.try = in.attempt
	raw, err := in.file.SyscallConn()
	if err == nil {
		err = in.file.SetReadDeadline(time.Time{}) // fails if the poller does not have it
	}
	if err != nil {
		in.file.Close()
		return nil, fmt.Errorf("wait for input: %w", err)
	}
	in.raw = raw
	return in, nil
}

// read waits for at least one byte, for at least half of limit and at most all of it. The error is os.ErrDeadlineExceeded,
// io.EOF after a hang-up, or an errno.
func (in *input) read(b []byte, limit time.Duration) (int, error) {
	// To move the deadline is to move a timer, and a timer that is moved again and again still wakes the runtime's monitor when it
	// would have been due. So it stays where it is for as long as it serves.
	now := time.Now()
	if left := in.deadline.Sub(now); left < limit/2 || left > limit {
		in.deadline = now.Add(limit)
		if err := in.file.SetReadDeadline(in.deadline); err != nil {
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
func (in *input) attempt(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(in.room))), uintptr(len(in.room)))
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN:
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

func (in *input) close() error { return in.file.Close() }
