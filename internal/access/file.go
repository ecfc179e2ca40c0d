package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxFile bounds a file of users: a thousand of each kind fit.
const maxFile = 1 << 20

// forbidden are the permissions that a file of secrets must not have: others none, its group no writing.
const forbidden = 0o027

// FileError is why a file of secrets was not taken, or not written.
type FileError struct {
	Path string
	Why  string
	Try  string // the next step; may be empty
	Err  error  // what the system said; may be nil
}

func (e *FileError) Error() string {
	s := e.Path + ": " + e.Why
	if e.Try != "" {
		s += "; try: " + e.Try
	}
	return s
}

func (e *FileError) Unwrap() error { return e.Err }

// ReadFile reads a file of secrets, unless others than its owner and its group may read it, or others than its owner write it. The
// error is a *FileError.
func ReadFile(path string) ([]byte, error) {
	// Without waiting: it may be a pipe.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fileError(path, err)
	}
	if !st.Mode().IsRegular() {
		return nil, &FileError{Path: path, Why: "it is no file", Try: "the path of one"}
	}
	if bad := st.Mode().Perm() & forbidden; bad != 0 {
		who := "others can read it"
		if bad&0o007 == 0 {
			who = "its group can change it"
		}
		return nil, &FileError{Path: path, Why: fmt.Sprintf("its mode is %04o: %s, and passwords could be guessed or made", st.Mode().Perm(), who),
			Try: fmt.Sprintf("chmod %04o %s", st.Mode().Perm()&^forbidden, path)}
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(content) > maxFile {
		return nil, &FileError{Path: path, Why: "larger than 1 MiB; this cannot be it"}
	}
	return content, nil
}

// fileError is what the system said, with the next step.
func fileError(path string, err error) error {
	e := &FileError{Path: path, Why: err.Error(), Err: err}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		e.Why = p.Err.Error()
	} else if l, ok := errors.AsType[*os.LinkError](err); ok {
		e.Why = l.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Try = "camgw user add NAME --role admin"
	case errors.Is(err, fs.ErrPermission):
		e.Try = "the user it belongs to, or root through sudo; a service reads it by its group: chgrp camgw " + path
	}
	return e
}

// writeError is the same for who wants to change it.
func writeError(path string, err error) error {
	e := fileError(path, err).(*FileError)
	if e.Try = ""; errors.Is(err, fs.ErrPermission) {
		e.Try = "the same with sudo, or a file of your own: --users FILE"
	}
	return e
}

// Group is the group of the service, which may read what root writes for it.
const Group = "camgw"

// UpdateFile replaces a file of secrets by what change makes of its content, for one caller at a time; change gets nil when there is
// no file yet, and its own errors are returned as they are. A new file is its owner's alone, its directory is made if it is missing,
// and in all else this is [ReplaceFile].
func UpdateFile(path string, change func(old []byte) ([]byte, error)) error {
	path = target(path)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return writeError(dir, err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return writeError(dir, err)
	}
	defer unlock()

	old, err := ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = nil, nil
	}
	if err != nil {
		return err
	}
	content, err := change(old)
	if err != nil {
		return err
	}
	return ReplaceFile(path, content, 0o600)
}

// ReplaceFile replaces a file, as a whole or not at all. Owner, group and mode stay. One that is new has this mode; but root's may be
// read by [Group] too, if there is such a group. The error is a *FileError.
func ReplaceFile(path string, content []byte, mode fs.FileMode) error {
	path = target(path)
	uid, gid := -1, -1
	st, err := os.Stat(path)
	switch {
	case err == nil:
		mode = st.Mode().Perm()
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(sys.Uid), int(sys.Gid)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return writeError(path, err)
	case os.Geteuid() == 0:
		if g, err := user.LookupGroup(Group); err == nil {
			if n, err := strconv.Atoi(g.Gid); err == nil {
				mode, uid, gid = mode|0o040, 0, n
			}
		}
	}
	if err := replace(path, content, mode, uid, gid); err != nil {
		return writeError(path, err)
	}
	return nil
}

// target is the file behind a link, which is to stay one.
func target(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// lock keeps out others who change files of this directory. It holds the directory itself, so that nothing stays behind.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		switch err = unix.Flock(int(d.Fd()), unix.LOCK_EX); err {
		case nil:
			return func() { _ = d.Close() }, nil // which gives it back
		case unix.EINTR:
		default:
			_ = d.Close()
			return nil, &fs.PathError{Op: "lock", Path: dir, Err: err}
		}
	}
}

// replace puts a file into another's place, so that whoever looks finds the one or the other, whole, also after a loss of power.
func replace(path string, content []byte, mode fs.FileMode, uid, gid int) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if uid != -1 && (uid != os.Geteuid() || gid != os.Getegid()) {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
