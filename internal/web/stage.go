package web

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stage holds the part being delivered in a file in memory, from which sendfile(2) gives pages to a socket where
// write(2) copies them. It belongs to the goroutine that delivers a camera's parts. Each part gets pages of its own: those
// before are cut off the file, and live on as long as a socket has them.
type stage struct {
	file   *os.File // closes fd with the camera, by way of the garbage collector
	fd     int
	part   *byte // first byte of the part last written; it keeps the part, so that it stays unique
	size   int
	uses   int
	staged bool // the file holds it
	broken bool // there are no such files here
}

const (
	// stageFrom is how many viewers get a part by write(2) before it is copied into the file. The copy costs about as much as so
	// many viewers save by it; who cannot know how many will come loses least by paying once the same has been spent. What
	// a large part saves grows faster than its copy.
	stageFrom      = 16
	stageLarge     = 64 << 10
	stageLargeFrom = 4

	// stageLeast is the size of part below which pages save nothing: at 6 kB both ways cost the same.
	stageLeast = 8 << 10
)

// write gives as much of a part to a socket as goes without waiting. All system calls here are raw: they never wait, so that
// the scheduler need not be told that they might. Told, it would start its monitor, which then looks in thousands of times a second.
func (g *stage) write(fd int, part []byte) (int, error) {
	if first := unsafe.SliceData(part); first != g.part || len(part) != g.size {
		g.part, g.size, g.uses, g.staged = first, len(part), 0, false
	}
	if g.uses++; !g.staged && !g.broken && g.pays() {
		g.put(part)
	}
	for {
		var n uintptr
		var errno syscall.Errno
		if g.staged {
			var offset int64
			n, _, errno = syscall.RawSyscall6(unix.SYS_SENDFILE, uintptr(fd), uintptr(g.fd), uintptr(unsafe.Pointer(&offset)), uintptr(len(part)), 0, 0)
		} else {
			n, _, errno = syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(len(part)))
		}
		if errno != syscall.EINTR {
			return outcome(n, errno)
		}
	}
}

// pays tells whether it is time to copy the part into the file.
func (g *stage) pays() bool {
	if g.size >= stageLarge {
		return g.uses > stageLargeFrom
	}
	return g.size >= stageLeast && g.uses > stageFrom
}

// outcome is what a system call on a socket came to; a full one is none.
func outcome(n uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN:
		return 0, nil
	}
	return 0, errno
}

// put copies the part into the file, or gives files up.
func (g *stage) put(part []byte) {
	if err := g.fill(part); err != nil {
		g.broken = true
		return
	}
	g.staged = true
}

func (g *stage) fill(part []byte) error {
	if g.file == nil {
		fd, err := unix.MemfdCreate("camgw-part", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		g.fd = fd
		g.file = os.NewFile(uintptr(fd), "camgw-part")
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_FTRUNCATE, uintptr(g.fd), 0, 0); errno != 0 {
		return errno
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_PWRITE64, uintptr(g.fd), uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(len(part)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if int(n) < len(part) {
		return errors.ErrUnsupported
	}
	return nil
}

// writeBoth gives as much of two slices to a socket as goes without waiting.
func writeBoth(fd int, a, b []byte) (int, error) {
	both := [2]unix.Iovec{{Base: unsafe.SliceData(a)}, {Base: unsafe.SliceData(b)}}
	both[0].SetLen(len(a))
	both[1].SetLen(len(b))
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&both)), 2)
		if errno != syscall.EINTR {
			runtime.KeepAlive(a)
			runtime.KeepAlive(b)
			return outcome(n, errno)
		}
	}
}

// discardUnread throws away what a viewer has said and nobody has read, as far as it is there.
func discardUnread(fd int) {
	var waste [4096]byte
	for range 16 {
		if n, err := unix.Read(fd, waste[:]); n <= 0 || err != nil {
			break
		}
	}
}
