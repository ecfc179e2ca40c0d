package serialport

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/serialport/ptytest"
)

// openFails opens path and returns the error it must get.
func openFails(t *testing.T, path string, opts Options) *OpenError {
	t.Helper()
	p, err := Open(path, opts)
	if err == nil {
		p.Close()
		t.Fatalf("%q opened", path)
	}
	oerr, ok := errors.AsType[*OpenError](err)
	if !ok || oerr.Path != path {
		t.Fatalf("not an OpenError of %q: %#v", path, err)
	}
	return oerr
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/pts/none", at("cam.tty")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("loop"), at("loop")); err != nil {
		t.Fatal(err)
	}
	line := ptytest.New(t)

	for _, c := range []struct {
		path  string
		opts  Options
		cause Cause
		is    error
		text  string
	}{
		{at("none"), Options{}, CauseAbsent, fs.ErrNotExist, "no such file or directory; try: plug the camera in, or list the ports with: camgw ports"},
		{at("file") + "/none", Options{}, CauseAbsent, unix.ENOTDIR, "there is no device behind it (not a directory); try: " + hintPlugIn},
		{at("cam.tty"), Options{}, CauseAbsent, fs.ErrNotExist, "it is a link to /dev/pts/none, which does not exist; try: " + hintPlugIn},
		{at("loop"), Options{}, CauseOther, unix.ELOOP, "too many levels of symbolic links; try: " + hintReplug},
		{at("file"), Options{}, CauseNotTTY, unix.ENOTTY, "not a serial port (it is a regular file); try: a port listed by: camgw ports"},
		{dir, Options{}, CauseNotTTY, unix.ENOTTY, "not a serial port (it is a directory); try: "},
		{at("fifo"), Options{}, CauseNotTTY, unix.ENOTTY, "not a serial port (it is a named pipe); try: "},
		{"/dev/null", Options{}, CauseNotTTY, unix.ENOTTY, "not a serial port (it is a mem device); try: "},
		{"", Options{}, CauseInvalid, nil, "the path is empty"},
		{line.Path, Options{Baud: -1}, CauseInvalid, nil, "baud -1 is below 0"},
		{line.Path, Options{ReadTimeout: -1}, CauseInvalid, nil, "read timeout -1ns is below 0"},
	} {
		err := openFails(t, c.path, c.opts)
		if err.Cause != c.cause {
			t.Errorf("%q: cause %v, want %v", c.path, err.Cause, c.cause)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%q: %v is not %v", c.path, err, c.is)
		}
		if !strings.HasPrefix(err.Error(), "open "+c.path+": "+c.text) {
			t.Errorf("%q:\n got %v\nwant open %s: %s", c.path, err, c.path, c.text)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err   error
		cause Cause
		text  string
	}{
		{unix.ENXIO, CauseAbsent, "open /p: there is no device behind it (no such device or address); try: " + hintPlugIn},
		{unix.EIO, CauseAbsent, "open /p: there is no device behind it (input/output error); try: " + hintPlugIn},
		{unix.EPERM, CausePermission, "open /p: operation not permitted; try: a DeviceAllow= line for it in the systemd service, then restart the service after the device was plugged in"},
		{unix.EACCES, CausePermission, "open /p: permission denied; try: ls -l /p and the folders above it"},
		{unix.EBUSY, CauseBusy, "open /p: held by another program; try: sudo fuser -v /p"},
		{unix.ENOTTY, CauseNotTTY, "open /p: not a serial port (it is a character device of another kind); try: "},
		{unix.EMFILE, CauseOther, "open /p: too many open files; try: " + hintFiles},
		{unix.EPROTO, CauseOther, "open /p: protocol error; try: " + hintReplug},
	} {
		got := classify("/p", nil, c.err)
		if got.Cause != c.cause || !errors.Is(got, c.err) || !strings.HasPrefix(got.Error(), c.text) {
			t.Errorf("%v:\n got %v: %v\nwant %v: %s", c.err, got.Cause, got, c.cause, c.text)
		}
	}
}

func TestCauseNames(t *testing.T) {
	var got []string
	for c := CauseOther; c <= CauseInvalid; c++ {
		got = append(got, c.String())
	}
	if want := "other absent busy permission not_a_tty invalid"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// asNobody runs f on a thread without root's rights over files and devices. The thread ends with it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		var err error
		defer func() { done <- err }()
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			err = dropRights()
		}
		if err == nil {
			f()
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// dropRights takes all effective capabilities from this thread; as root it then has those of root's files only.
func dropRights() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	data[0].Effective, data[1].Effective = 0, 0
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}

func TestPermissionNamesTheGroupThatOwnsTheDevice(t *testing.T) {
	line := ptytest.New(t)
	if os.Geteuid() == 0 {
		const someGroup = 20 // of nobody here, and not root's
		if err := os.Chown(line.Path, -1, someGroup); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		mode os.FileMode
		hint func(group string) string
	}{
		// The owner has no rights, so we have none, whoever we are.
		{0o060, func(group string) string { return "sudo usermod -aG " + group + " $USER, then log out and in" }},
		{0o000, func(string) string {
			return `a udev rule with GROUP="dialout", MODE="0660"; until the next replug: sudo chown $USER ` + line.Path
		}},
	} {
		if err := os.Chmod(line.Path, c.mode); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(line.Path, &st); err != nil {
			t.Fatal(err)
		}
		group := strconv.Itoa(int(st.Gid))
		if g, err := user.LookupGroupId(group); err == nil {
			group = g.Name
		}
		asNobody(t, func() {
			p, err := Open(line.Path, Options{})
			if err == nil {
				p.Close()
				t.Error("opened")
				return
			}
			oerr, ok := errors.AsType[*OpenError](err)
			if !ok || oerr.Cause != CausePermission || !errors.Is(err, fs.ErrPermission) {
				t.Errorf("got %v", err)
			}
			want := "open " + line.Path + ": permission denied; try: " + c.hint(group)
			if err.Error() != want {
				t.Errorf("\n got %v\nwant %s", err, want)
			}
		})
	}
}

func TestExclusive(t *testing.T) {
	t.Run("within the process", func(t *testing.T) {
		line := ptytest.New(t)
		link := filepath.Join(t.TempDir(), "cam.tty")
		if err := os.Symlink(line.Path, link); err != nil {
			t.Fatal(err)
		}
		p := mustOpen(t, line.Path, Options{})
		err := openFails(t, link, Options{}) // the same device by another name
		if want := "open " + link + ": held by this process already; try: name each port once"; err.Error() != want || err.Cause != CauseBusy {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, link, Options{})
	})

	t.Run("against another daemon, also as root", func(t *testing.T) {
		line := ptytest.New(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), holdEnv+"="+line.Path)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if said, err := bufio.NewReader(stdout).ReadString('\n'); said != "held\n" {
			t.Fatalf("the other daemon said %q, %v", said, err)
		}
		oerr := openFails(t, line.Path, Options{})
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("open %s: held by %s (pid %d); try: stop it (kill %[3]d), or use another port", line.Path, strings.TrimSpace(string(name)), cmd.Process.Pid)
		if oerr.Error() != want || oerr.Cause != CauseBusy || !errors.Is(oerr, unix.EBUSY) {
			t.Errorf("\n got %v: %v\nwant %s", oerr.Cause, oerr, want)
		}

		// A daemon that is killed leaves nothing behind, though this test holds the pty open.
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		stdin.Close()
		asNobody(t, func() {
			p, err := Open(line.Path, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			p.Close()
		})
	})

	t.Run("against a program that knows no flock", func(t *testing.T) {
		line := ptytest.New(t)
		other, err := openControl(line.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(int(other))
		if err := unix.IoctlSetInt(int(other), unix.TIOCEXCL, 0); err != nil {
			t.Fatal(err)
		}
		asNobody(t, func() { // root passes through TIOCEXCL
			p, err := Open(line.Path, Options{})
			if err == nil {
				p.Close()
				t.Error("opened")
				return
			}
			if oerr, ok := errors.AsType[*OpenError](err); !ok || oerr.Cause != CauseBusy || !strings.Contains(err.Error(), "held by this process") {
				t.Errorf("got %v", err)
			}
		})
	})
}

// opens watches a device. What it returns tells whether somebody has opened it since it was last asked.
func opens(t *testing.T, path string) func() bool {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(watch) })
	if _, err := unix.InotifyAddWatch(watch, path, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		t.Helper()
		n, err := unix.Read(watch, make([]byte, 4096))
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		return n > 0
	}
}

// Opening raises DTR and RTS, which would reset the camera of the daemon that has it.
func TestARefusedOpenDoesNotTouchTheDevice(t *testing.T) {
	line := ptytest.New(t)
	mustOpen(t, line.Path, Options{})
	opened := opens(t, line.Path)
	openFails(t, line.Path, Options{})
	if opened() {
		t.Error("the refused Open opened the device")
	}

	// The watch sees what it is there for.
	ctl, err := openControl(line.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(int(ctl))
	if !opened() {
		t.Error("the watch is blind")
	}
}

// The library's descriptors must not reach child processes.
func TestLibraryDescriptorsAreTamed(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	tty, pipe, err := descriptors(p.lib)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", tty)); name != line.Path {
		t.Errorf("descriptor %d is %s, %v", tty, name, err)
	}
	for _, fd := range append(pipe[:], tty, int(p.ctl)) {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d passes to children: %x, %v", fd, flags, err)
		}
	}
}

func TestOpenLeavesLinesAloneOnClose(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	if _, err := p.SetBaud(2000000); err != nil {
		t.Fatal(err)
	}
	tio, err := unix.IoctlGetTermios(int(p.ctl), unix.TCGETS2)
	if err != nil {
		t.Fatal(err)
	}
	if tio.Cflag&unix.HUPCL != 0 {
		t.Error("HUPCL is set: closing would drop DTR and RTS")
	}
	if tio.Cflag&unix.CRTSCTS != 0 || tio.Iflag&(unix.IXON|unix.IXOFF) != 0 {
		t.Error("flow control is on")
	}
}
