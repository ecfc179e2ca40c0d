// Package ptytest hides how a pseudo-terminal is made into a stand-in for a serial line: the test has the device's end,
// the code under test opens the other by its path. It is for tests only.
package ptytest

import (
	"fmt"
	"os"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Line is a pseudo-terminal in raw mode.
type Line struct {
	// Master is the device's end. Deadlines work on it, and closing it ends a Read or Write under way.
	Master *os.File
	// Path is the host's end, /dev/pts/N.
	Path string

	slave *os.File
}

// New returns a line that is closed when the test ends. The host's end is kept open by the test too, so that the master
// neither fails nor forgets while the code under test has it closed.
func New(tb testing.TB) *Line {
	tb.Helper()
	blocking, slave, err := pty.Open()
	if err != nil {
		tb.Fatalf("open a pty: %v", err)
	}
	defer blocking.Close()
	tb.Cleanup(func() { slave.Close() })
	if err := makeRaw(slave); err != nil {
		tb.Fatalf("set %s raw: %v", slave.Name(), err)
	}
	// The library leaves the master in blocking mode, where deadlines and Close do not reach a Read.
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		tb.Fatalf("pty master: %v", err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	tb.Cleanup(func() { master.Close() })
	return &Line{Master: master, Path: slave.Name(), slave: slave}
}

// Baud returns the rate that the host's end is set to now, as the device would have to guess it.
func (l *Line) Baud() (int, error) {
	raw, err := l.Master.SyscallConn()
	if err != nil {
		return 0, err
	}
	var t *unix.Termios
	var ioctlErr error
	// On a master this asks for the slave's settings.
	if err := raw.Control(func(fd uintptr) { t, ioctlErr = unix.IoctlGetTermios(int(fd), unix.TCGETS2) }); err != nil {
		return 0, err
	}
	if ioctlErr != nil {
		return 0, fmt.Errorf("read the rate of %s: %w", l.Path, ioctlErr)
	}
	return int(t.Ospeed), nil
}

// HangUp ends the line as unplugging does: the host reads what is left and then the end, and the path is gone.
func (l *Line) HangUp() error { return l.Master.Close() }

func makeRaw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}
