package main

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager as far as it is told things.
type manager struct {
	path string

	mu       sync.Mutex
	messages []string
	at       []time.Time
}

func startManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(t.TempDir(), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.messages, m.at = append(m.messages, string(b[:n])), append(m.at, time.Now())
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return m
}

func (m *manager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

func (m *manager) count(message string) (n int) {
	for _, one := range m.all() {
		if one == message {
			n++
		}
	}
	return n
}

// last is when a message came last.
func (m *manager) last(message string) (at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, one := range m.messages {
		if one == message {
			at = m.at[i]
		}
	}
	return at
}

// startService runs the daemon with variables, as env(1) sets them.
func startService(t *testing.T, variables []string, args ...string) *daemon {
	t.Helper()
	all := slices.Concat(variables, []string{programs.camgw, "serve", "--listen", "127.0.0.1:0"}, args)
	d := &daemon{process: startProcess(t, "/usr/bin/env", all...)}
	d.awaitAddress(t)
	return d
}

// TestServiceManagerIsTold: readiness, who is there, the watchdog, and the end, in this order.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	d := startService(t, []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=4000000"}, "--port", "door=sim:size=96x96", "--port", "yard=/nonexistent/tty")
	within(t, ample, "a status", func() bool { return m.count("STATUS=1 of 2 cameras linked, 0 viewers") == 1 })
	v, err := d.watch(t.Context(), "/cam/door/stream.mjpg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.next(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	within(t, ample, "a status with a viewer", func() bool { return m.count("STATUS=1 of 2 cameras linked, 1 viewer") == 1 })
	fed := m.count("WATCHDOG=1")
	within(t, ample, "feeds while somebody watches", func() bool { return m.count("WATCHDOG=1") >= fed+2 })
	d.kill(syscall.SIGTERM)
	within(t, ample, "the last message", func() bool { return m.count("STOPPING=1") == 1 }) // it may still be unread
	all := m.all()
	if all[0] != "READY=1" || all[len(all)-1] != "STOPPING=1" || m.count("READY=1") != 1 || m.count("STOPPING=1") != 1 {
		t.Errorf("messages: %q", all)
	}
	if strings.Contains(d.log.String(), "no progress") {
		t.Error("a camera that is absent counts as one that hangs")
	}
}

// TestFrozenReaderStarvesTheWatchdog: one port's driver hangs. The watchdog is not fed from then on, the status says why, and
// nobody else suffers.
func TestFrozenReaderStarvesTheWatchdog(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	const limit = 2 * time.Second
	d := startService(t, []string{"NOTIFY_SOCKET=" + m.path, fmt.Sprintf("WATCHDOG_USEC=%d", limit.Microseconds())},
		"--port", "door=sim:size=96x96,hang=2s", "--port", "yard=sim:size=96x96")
	v, err := d.watch(t.Context(), "/cam/yard/stream.mjpg")
	if err != nil {
		t.Fatal(err)
	}
	within(t, ample, "a status that names the camera", func() bool {
		return m.count("STATUS=2 of 2 cameras linked, 1 viewer; no progress: camera door") == 1
	})
	fed := m.count("WATCHDOG=1")
	if fed == 0 {
		t.Error("the watchdog was not fed before")
	}
	// systemd's clock runs from the last feed.
	within(t, 2*limit, "the end of the watchdog's time", func() bool { return time.Since(m.last("WATCHDOG=1")) > limit })
	if got := m.count("WATCHDOG=1"); got != fed {
		t.Errorf("the watchdog was fed %d times more", got-fed)
	}
	if _, err := v.next(5 * time.Second); err != nil {
		t.Errorf("the other camera's viewer: %v", err)
	}
	if s := d.log.String(); !strings.Contains(s, "level=ERROR") || !strings.Contains(s, `waiting_for="camera door"`) {
		t.Error("the log does not say what hangs")
	}
	d.kill(syscall.SIGABRT) // as systemd does
	if s := d.log.String(); !strings.Contains(s, "SIGABRT") || !strings.Contains(s, "simcam.(*Line).Read") {
		t.Error("the end does not tell where the reader hangs")
	}
}

// TestSocketActivation: two inherited sockets stand in place of --listen and of nothing, and the first request is what starts the daemon.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	http1, stream := freeAddress(t, "127.0.0.1"), freeAddress(t, "127.0.0.1")
	p := startProcess(t, "systemd-socket-activate", "-l", http1, "-l", stream, "--fdname=http:stream",
		programs.camgw, "serve", "--listen", http1, "--port", "door=sim:size=96x96") // --listen is in use: it is not opened again
	d := &daemon{process: p, url: "http://" + http1}
	within(t, ample, "the activator's sockets", func() bool { return strings.Contains(p.log.String(), "Listening on "+stream) })
	if b := d.get(t, "/cam/door/snapshot.jpg"); len(b) < 100 {
		t.Errorf("a snapshot of %d bytes", len(b))
	}
	res, err := http.Get("http://" + stream + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/x-mixed-replace") {
		t.Errorf("the stream's socket answers %s %v", res.Status, res.Header)
	}
	res, err = http.Get("http://" + stream + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("the stream's socket has a page: %s", res.Status)
	}
	p.kill(syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSocketActivationAsksForAuthentication: what --listen refuses, no socket unit sneaks in.
func TestSocketActivationAsksForAuthentication(t *testing.T) {
	_, port, err := net.SplitHostPort(freeAddress(t, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, allowed := range []bool{false, true} {
		args := []string{"-l", "0.0.0.0:" + port, programs.camgw, "serve", "--port", "sim:size=96x96"}
		if allowed {
			args = append(args, "--insecure-no-auth")
		}
		p := startProcess(t, "systemd-socket-activate", args...)
		within(t, ample, "the activator's socket", func() bool { return strings.Contains(p.log.String(), "Listening on") })
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if allowed {
			within(t, ample, "service", func() bool { return servingOn.MatchString(p.log.String()) })
			p.kill(syscall.SIGTERM)
		} else {
			<-p.done
			if p.cmd.ProcessState.Success() || !strings.Contains(p.log.String(), "there are no users") {
				t.Errorf("exit code %d", p.cmd.ProcessState.ExitCode())
			}
		}
		conn.Close()
	}
}

// TestJournal: lines carry priorities when standard error is the journal, and only then.
func TestJournal(t *testing.T) {
	for _, stream := range []string{"$(stat -L -c %d:%i /proc/self/fd/2)", "1:1"} {
		p := startProcess(t, "sh", "-c", `export JOURNAL_STREAM="`+stream+`"; exec "$0" serve --listen 127.0.0.1:0 --port door=/nonexistent/tty`, programs.camgw)
		within(t, ample, "a warning", func() bool { return strings.Contains(p.log.String(), "cause=absent") })
		p.kill(syscall.SIGTERM)
		journal := stream != "1:1"
		for line := range strings.Lines(p.log.String()) {
			if !journal && strings.HasPrefix(line, "<") {
				t.Errorf("a priority outside the journal: %s", line)
			}
			if journal && (!strings.HasPrefix(line, "<") || strings.Contains(line, "level=") || strings.Contains(line, "time=")) {
				t.Errorf("no line of the journal: %s", line)
			}
		}
		if want := "<4>msg=offline camera=door cause=absent"; strings.Contains(p.log.String(), want) != journal {
			t.Errorf("with the journal %v, %q is there or not:\n%s", journal, want, p.log)
		}
	}
	// Mistakes are errors there too.
	p := startProcess(t, "sh", "-c", `export JOURNAL_STREAM="$(stat -L -c %d:%i /proc/self/fd/2)"; exec "$0" serve`, programs.camgw)
	<-p.done
	if !strings.HasPrefix(p.log.String(), "<3>camgw: ") {
		t.Errorf("a mistake in the journal: %s", p.log)
	}
}

// TestNoServiceManager: nothing of it is needed.
func TestNoServiceManager(t *testing.T) {
	d := startService(t, []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "gone")}, "--port", "sim:size=96x96")
	d.kill(syscall.SIGTERM)
	if n := strings.Count(d.log.String(), "could not be told"); n != 1 {
		t.Errorf("a service manager that is gone is complained about %d times", n)
	}
}
