// Package unixsocket opens Unix sockets in the file system to be listened on. What it hides: a socket outlives its program, so
// that one that nobody listens on any more is in the way of the next, and must be told from one that somebody does.
package unixsocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxPath is how many bytes the path of a Unix socket may have.
const MaxPath = 107

// Listener is an open socket. Its connections are *net.UnixConn.
type Listener struct {
	*net.UnixListener
	path string
	is   os.FileInfo
	once sync.Once
}

// Listen opens the socket at path, which must be absolute, with these permissions. Group is a name or a number; "": the
// process's own. A socket that nobody listens on is taken away first. Errors tell the next step.
func Listen(path string, mode fs.FileMode, group string) (*Listener, error) {
	gid := -1
	if group != "" {
		var err error
		if gid, err = groupID(group); err != nil {
			return nil, err
		}
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%w; try: a folder that exists, such as /run/camgw", bare(err))
	}
	defer dir.Close()
	// Of two that begin at once, one has to see the other's socket.
	if err := lock(dir); err != nil {
		return nil, err
	}
	if err := vacate(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		// On Linux the socket in the file system gets the mode of the socket: nobody else can connect before chmod.
		failed := raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), uint32(mode.Perm()&0o600)) })
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return nil, fmt.Errorf("%w; try: a folder that the daemon may write to, such as /run/camgw", bare(err))
	}
	socket := &Listener{UnixListener: l.(*net.UnixListener), path: path}
	socket.SetUnlinkOnClose(false) // it may be another's by then
	socket.is, err = os.Lstat(path)
	if err == nil && gid >= 0 {
		if err = os.Lchown(path, -1, gid); err != nil {
			err = fmt.Errorf("give it to group %s: %w; try: usermod -aG %s with the user of the daemon", group, bare(err), group)
		}
	}
	if err == nil {
		err = os.Chmod(path, mode.Perm())
	}
	if err != nil {
		_ = socket.Close()
		return nil, bare(err)
	}
	return socket, nil
}

// Close closes the socket and takes it out of the file system, if it is still the one there.
func (l *Listener) Close() error {
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.is) {
			_ = os.Remove(l.path) // else the next one finds out that nobody listens
		}
	})
	return l.UnixListener.Close()
}

// lockPatience is how long another that begins is waited for.
const lockPatience = 2 * time.Second

// lock lets one at a time look at the folder and change it; closing it lets the next.
func lock(dir *os.File) error {
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", dir.Name(), err)
		case time.Since(begin) > lockPatience:
			return fmt.Errorf("another program holds a lock on %s; try: lsof %s", dir.Name(), dir.Name())
		}
	}
}

// vacate takes away a socket that nobody listens on. Anything else in the way is an error.
func vacate(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return bare(err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("there is something that is no socket; try: another path, or ls -l %s", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		defer conn.Close()
		return fmt.Errorf("%s listens there already; try: another path, or end it", holder(conn.(*net.UnixConn)))
	case errors.Is(err, syscall.EAGAIN):
		return errors.New("somebody listens there already, and does not keep up; try: another path, or ss -lxp")
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove the socket that nobody listens on: %w; try: a folder that the daemon may write to, such as /run/camgw", bare(err))
		}
		return nil
	}
	return fmt.Errorf("there is a socket, and whether somebody listens on it cannot be told: %w; try: ss -lxp, and rm %s if nobody does", bare(err), path)
}

// holder names the process that listens at the other end.
func holder(conn *net.UnixConn) string {
	var cred *unix.Ucred
	raw, err := conn.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	}
	if err != nil || cred == nil || cred.Pid <= 0 {
		return "another program"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cred.Pid))
	if err != nil { // ProtectProc= hides others
		return fmt.Sprintf("process %d", cred.Pid)
	}
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), cred.Pid)
}

func groupID(name string) (int, error) {
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q; try: getent group", name)
	}
	return strconv.Atoi(g.Gid)
}

// bare is an error without the path, which is told anyway.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return bare(e.Err)
	}
	return err
}
