package serialport

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Cause is why a line could not be opened, for a program to tell apart.
type Cause int

// The closed list of causes.
const (
	CauseOther      Cause = iota // none of the others; retrying may help
	CauseAbsent                  // nothing there: unplugged, no such path, no server
	CauseBusy                    // somebody holds the line
	CausePermission              // we may not
	CauseNotTTY                  // the path is something else
	CauseInvalid                 // the options or the address make no sense; retrying does not help
)

// String returns the cause in the form used for labels and in the API.
func (c Cause) String() string {
	switch c {
	case CauseAbsent:
		return "absent"
	case CauseBusy:
		return "busy"
	case CausePermission:
		return "permission"
	case CauseNotTTY:
		return "not_a_tty"
	case CauseInvalid:
		return "invalid"
	default:
		return "other"
	}
}

// OpenError is every error of [Open] and [DialTCP]. Its text names the line, what is wrong and the next step.
type OpenError struct {
	Path  string
	Cause Cause
	Err   error  // what is wrong; wraps the errno where there is one
	Hint  string // the next step; may be empty
}

func (e *OpenError) Error() string {
	s := "open " + e.Path + ": " + e.Err.Error()
	if e.Hint != "" {
		s += "; try: " + e.Hint
	}
	return s
}

func (e *OpenError) Unwrap() error { return e.Err }

// worded is err in better words.
type worded struct {
	text string
	err  error
}

func (w *worded) Error() string { return w.text }
func (w *worded) Unwrap() error { return w.err }

const (
	hintPlugIn = "plug the camera in, or list the ports with: camgw ports"
	hintPorts  = "a port listed by: camgw ports"
	hintReplug = "unplug the camera and plug it in again"
	hintFiles  = "a higher open file limit (LimitNOFILE= of the service, ulimit -n), or fewer viewers"
)

// absent explains why there is nothing at path.
func absent(path string, err error) *OpenError {
	e := &OpenError{Path: path, Cause: CauseAbsent, Err: err, Hint: hintPlugIn}
	if target, lerr := os.Readlink(path); lerr == nil && errors.Is(err, unix.ENOENT) {
		e.Err = &worded{fmt.Sprintf("it is a link to %s, which does not exist", target), err}
	} else if !errors.Is(err, unix.ENOENT) {
		e.Err = &worded{fmt.Sprintf("there is no device behind it (%v)", err), err}
	}
	return e
}

// notTTY explains what path is instead.
func notTTY(path, kind string) *OpenError {
	return &OpenError{
		Path:  path,
		Cause: CauseNotTTY,
		Err:   &worded{fmt.Sprintf("not a serial port (it is a %s)", kind), unix.ENOTTY},
		Hint:  hintPorts,
	}
}

// held explains who has the line; known is false if we cannot see that.
func held(path string, by holder, known bool, err error) *OpenError {
	e := &OpenError{Path: path, Cause: CauseBusy}
	switch {
	case !known:
		e.Err = &worded{"held by another program", err}
		e.Hint = "sudo fuser -v " + path
	case int(by) == os.Getpid():
		e.Err = &worded{"held by this process already", err}
		e.Hint = "name each port once"
	default:
		e.Err = &worded{fmt.Sprintf("held by %v", by), err}
		e.Hint = fmt.Sprintf("stop it (kill %d), or use another port", int(by))
	}
	return e
}

// forbidden explains how to get at a device node that we may not open.
func forbidden(path string, st *unix.Stat_t, err error) *OpenError {
	e := &OpenError{Path: path, Cause: CausePermission, Err: err}
	switch {
	case errors.Is(err, unix.EPERM):
		// The file mode answers EACCES; EPERM is how a device cgroup answers.
		e.Hint = "a DeviceAllow= line for it in the systemd service, then restart the service after the device was plugged in"
	case st == nil:
		e.Hint = "ls -l " + path + " and the folders above it"
	case st.Mode&0o060 != 0o060 || st.Gid == 0:
		e.Hint = fmt.Sprintf(`a udev rule with GROUP="dialout", MODE="0660"; until the next replug: sudo chown $USER %s`, path)
	default:
		e.Hint = groupHint(int(st.Gid))
	}
	return e
}

// groupHint tells how to become a member of the group that owns a device node.
func groupHint(gid int) string {
	name := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(name); err == nil {
		name = g.Name
	}
	// A membership counts from the next login on; forgetting that is as common as lacking the membership.
	if me, err := user.Current(); err == nil {
		if gids, err := me.GroupIds(); err == nil && slices.Contains(gids, strconv.Itoa(gid)) {
			if own, err := os.Getgroups(); err == nil && !slices.Contains(own, gid) && os.Getegid() != gid {
				return fmt.Sprintf("log out and in again, or restart the service: %s joined the group %s after it started", me.Username, name)
			}
		}
	}
	return fmt.Sprintf("sudo usermod -aG %s $USER, then log out and in", name)
}

// kindOf names what a path is if it is not a character device.
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "regular file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFIFO:
		return "named pipe"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFBLK:
		return "block device"
	default:
		return "character device of another kind"
	}
}

// classify makes an OpenError of what a system call on path said. st is nil if not even stat worked.
func classify(path string, st *unix.Stat_t, err error) *OpenError {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), isGone(err):
		return absent(path, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return forbidden(path, st, err)
	case errors.Is(err, unix.EBUSY):
		by, known := openHolder(path)
		return held(path, by, known, err)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL):
		return notTTY(path, "character device of another kind")
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return &OpenError{Path: path, Cause: CauseOther, Err: err, Hint: hintFiles}
	}
	return &OpenError{Path: path, Cause: CauseOther, Err: err, Hint: hintReplug}
}
