package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSecondDaemon: the second says who holds the port, and takes over when it is free.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 5, 160, 120, 3000)
	cam := startHostcam(t, "--frames", album.dir)
	first := startDaemon(t, "--port", cam.link)
	first.awaitState(t, 5*time.Second, "idle")
	second := startDaemon(t, "--port", cam.link)
	s := second.awaitState(t, 3*time.Second, "offline")
	if s.Cause != "busy" || !strings.Contains(s.Reason, "camgw") || !strings.Contains(s.Reason, "pid") {
		t.Errorf("cause %q, reason %q", s.Cause, s.Reason)
	}
	t.Log(s.Reason)
	if s := first.status(t); s.State != "idle" {
		t.Errorf("the first daemon was disturbed: %+v", s)
	}
	first.kill(os.Interrupt)
	second.awaitState(t, 8*time.Second, "idle")
}

// TestPortsThatCannotBeOpened: a clear line with the next step, and the daemon keeps trying.
func TestPortsThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	album := newAlbum(t, 5, 160, 120, 3000)
	for _, tt := range []struct {
		name, port, cause string
		says              []string
	}{
		{"missing", filepath.Join(dir, "ttyUSB7"), "absent", []string{"ttyUSB7", "no such file", "try:"}},
		{"file", file, "not_a_tty", []string{"file", "not a serial port"}},
		{"folder", dir, "not_a_tty", []string{"directory"}},
		{"not a tty", "/dev/null", "not_a_tty", []string{"/dev/null"}},
		{"no server", "tcp://127.0.0.1:1", "absent", []string{"127.0.0.1:1", "refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, "--port", tt.port)
			s := d.awaitState(t, 3*time.Second, "offline")
			if s.Cause != tt.cause {
				t.Errorf("cause %q, want %q", s.Cause, tt.cause)
			}
			t.Log(s.Reason)
			for _, want := range tt.says {
				if !strings.Contains(s.Reason, want) {
					t.Errorf("%q does not say %q", s.Reason, want)
				}
			}
			if tt.name == "missing" {
				cam := startHostcam(t, "--frames", album.dir)
				if err := os.Symlink(cam.link, tt.port); err != nil {
					t.Fatal(err)
				}
				d.awaitState(t, 5*time.Second, "idle")
			}
		})
	}
}

// TestForbiddenPort runs the daemon as somebody who may not open the port.
func TestForbiddenPort(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		// Only root can become somebody else; as anybody else the port of another user will do.
		d := startDaemon(t, "--port", "/dev/tty0")
		s := d.awaitState(t, 3*time.Second, "offline")
		if s.Cause != "permission" || !strings.Contains(s.Reason, "permission denied") || !strings.Contains(s.Reason, "try:") {
			t.Errorf("cause %q, reason %q", s.Cause, s.Reason)
		}
		return
	}
	dir, err := os.MkdirTemp("/tmp", "camgw-forbidden")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	bin := filepath.Join(dir, "camgw")
	b, err := os.ReadFile(programs.camgw)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cam := startHostcam(t)
	tty, err := filepath.EvalSymlinks(cam.link)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tty, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", bin, "serve", "--listen", "127.0.0.1:0", "--port", tty)
	within(t, 5*time.Second, "the reason in the log", func() bool {
		s := p.log.String()
		return strings.Contains(s, tty) && strings.Contains(s, "permission denied") && strings.Contains(s, "try:")
	})
}

// TestCommandLine: mistakes end at once, with a line that names the thing.
func TestCommandLine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no port", []string{"serve"}, 2, "camgw: --port: no camera given; try: camgw serve --port /dev/ttyUSB0"},
		{"unknown flag", []string{"serve", "--prot", "x"}, 2, "unknown flag: --prot"},
		{"flag value", []string{"serve", "--port", "sim:", "--baud", "fast"}, 2, `invalid argument "fast" for "--baud"`},
		{"unknown command", []string{"sevre"}, 2, `unknown command "sevre"`},
		{"extra argument", []string{"serve", "/dev/ttyUSB0"}, 2, `"/dev/ttyUSB0"`},
		{"open to all", []string{"serve", "--port", "sim:", "--listen", "0.0.0.0:0"}, 2, "--insecure-no-auth"},
		{"simulator", []string{"serve", "--port", "sim:fsp=10"}, 2, "fsp"},
		{"busy address", []string{"serve", "--port", "sim:", "--listen", busy.Addr().String()}, 1, "address already in use; try:"},
		{"version", []string{"version"}, 0, "camgw "},
		{"help", []string{"--help"}, 0, "serve"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			cmd := exec.Command(programs.camgw, tt.args...)
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(string(out), tt.says) {
				t.Errorf("%q is not in:\n%s", tt.says, out)
			}
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
