package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// person sits at a terminal that a command runs in.
type person struct {
	t    *testing.T
	tty  *os.File // the other end of it
	cmd  *exec.Cmd
	done chan struct{} // closed when nothing more is shown

	mu    sync.Mutex
	shown bytes.Buffer
	read  int // up to where expect has looked
}

func sitDown(t *testing.T, dir string, args ...string) *person {
	t.Helper()
	p := &person{t: t, cmd: exec.Command(programs.camgw, args...), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "CAMGW_CONFIG=", "CAMGW_AUTH_USERS=")
	tty, err := pty.Start(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	p.tty = tty
	go func() {
		defer close(p.done)
		b := make([]byte, 4096)
		for {
			n, err := tty.Read(b)
			p.mu.Lock()
			p.shown.Write(b[:n])
			p.mu.Unlock()
			if err != nil { // EIO, when the last process has gone
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		<-p.done
		_ = tty.Close()
	})
	return p
}

func (p *person) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown.String()
}

// expect waits for words that have not been read yet, and answers.
func (p *person) expect(words, answer string) {
	p.t.Helper()
	within(p.t, 20*time.Second, words+" on the screen:\n"+p.screen(), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := strings.Index(p.shown.String()[p.read:], words)
		if i >= 0 {
			p.read += i + len(words)
		}
		return i >= 0
	})
	if strings.HasPrefix(words, "Password for") || words == "The same again: " {
		within(p.t, 5*time.Second, "a terminal that shows nothing", func() bool { return !p.echoes() })
	}
	if _, err := io.WriteString(p.tty, answer); err != nil {
		p.t.Fatal(err)
	}
}

// echoes reports whether what is typed is shown.
func (p *person) echoes() bool {
	s, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

// leaves waits for the command to end.
func (p *person) leaves(code int) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("it does not end:\n%s", p.screen())
	}
	_ = p.cmd.Wait()
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d:\n%s", got, code, p.screen())
	}
}

// TestPasswordsAreNotShown: nor are they when the person gives up, whose terminal is then as it was.
func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := sitDown(t, dir, "user", "add", "ann", "--role", "admin", "--users", "users.toml", "--config=")
	p.expect("Password for ann: ", "correct horse\n")
	p.expect("The same again: ", "correct horse\n")
	p.expect("user ann added", "")
	p.leaves(0)
	if s := p.screen(); strings.Contains(s, "correct") || strings.Contains(s, "horse") {
		t.Errorf("the password is on the screen:\n%s", s)
	}

	before, err := os.ReadFile(filepath.Join(dir, "users.toml"))
	if err != nil {
		t.Fatal(err)
	}
	// A terminal of our own, which is still there when the command has gone.
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	cmd := exec.Command(programs.camgw, "user", "passwd", "ann", "--users", "users.toml", "--config=")
	cmd.Dir, cmd.Stdin = dir, theirs
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	echoes := func() bool {
		s, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return s.Lflag&unix.ECHO != 0
	}
	within(t, 20*time.Second, "a terminal that shows nothing", func() bool { return !echoes() })
	if _, err := io.WriteString(ours, "half of it\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	err = cmd.Wait()
	if err == nil || cmd.ProcessState.ExitCode() != 1 || !echoes() {
		t.Errorf("%v, shows what is typed: %v\n%s", err, echoes(), said.String())
	}
	if after, err := os.ReadFile(filepath.Join(dir, "users.toml")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed: %v", err)
	}
}

// TestSetupWithAPerson: what was asked and answered is what is served with, and giving up leaves nothing behind.
func TestSetupWithAPerson(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"setup", "--config", "camgw.toml", "--port", "door=sim:"}
	p := sitDown(t, dir, args...)
	p.expect("May others on the network watch, with a password? [Y/n]", "\x03")
	p.leaves(1)
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Fatalf("%v, %v", names, err)
	}

	p = sitDown(t, dir, args...)
	p.expect("with a password? [Y/n]", "what\n")
	p.expect("with a password? [Y/n]", "n\n")
	p.expect("Name of the admin [admin]: ", "ann\n")
	p.expect("Make a password for ann?", "n\n")
	p.expect("Password for ann: ", "correct horse\n")
	p.expect("The same again: ", "correct horse\n")
	p.expect("users.toml written.", "")
	p.expect("camgw.toml written.", "")
	p.expect("http://127.0.0.1:8080", "")
	p.leaves(0)
	if strings.Contains(p.screen(), "correct") {
		t.Errorf("the password is on the screen:\n%s", p.screen())
	}
	first, err := os.ReadFile(filepath.Join(dir, "camgw.toml"))
	if err != nil {
		t.Fatal(err)
	}

	p = sitDown(t, dir, args...)
	p.expect("camgw.toml is there already. Replace it? The old one is kept beside it. [y/N]", "\n")
	p.expect("nothing was changed; try: --force", "")
	p.leaves(1)

	p = sitDown(t, dir, args...)
	p.expect("[y/N]", "yes\n")
	p.expect("[Y/n]", "\n")
	p.expect("has an admin already, ann", "")
	p.leaves(0)
	second, err := os.ReadFile(filepath.Join(dir, "camgw.toml"))
	if err != nil || !regexp.MustCompile(`(?m)^listen = ":8080"$`).Match(second) {
		t.Errorf("%v\n%s", err, second)
	}
	if old, err := os.ReadFile(filepath.Join(dir, "camgw.toml.old")); err != nil || !bytes.Equal(old, first) {
		t.Errorf("the old file is not what it was: %v", err)
	}
}
