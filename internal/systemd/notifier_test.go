package systemd

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// manager returns what one call at a time tells the service manager.
func manager(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		b := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(b)
		if err != nil {
			return ""
		}
		return string(b[:n])
	}
}

func TestNotifier(t *testing.T) {
	next := manager(t)
	t.Setenv("WATCHDOG_USEC", "30000000")
	n := NewNotifier(slog.New(slog.DiscardHandler))
	if n.Watchdog() != 30*time.Second {
		t.Errorf("the watchdog waits for %v", n.Watchdog())
	}
	for _, step := range []struct {
		do   func()
		want string
	}{
		{n.Ready, "READY=1"},
		{n.Feed, "WATCHDOG=1"},
		{func() { n.Status("1 of 2") }, "STATUS=1 of 2"},
		{func() { n.Status("1 of 2") }, ""},
		{func() { n.Status("2 of\n2") }, "STATUS=2 of 2"},
		{n.Stopping, "STOPPING=1"},
	} {
		step.do()
		if got := next(); got != step.want {
			t.Errorf("told %q, want %q", got, step.want)
		}
	}
	refused := errors.New("line 3")
	var during string
	if err := n.Reload(func() error { during = next(); return refused }); err != refused {
		t.Errorf("error %v", err)
	}
	if !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=\d+$`).MatchString(during) {
		t.Errorf("while reloading: %q", during)
	}
	if got := next(); got != "READY=1" {
		t.Errorf("after reloading: %q", got)
	}
}

func TestNoNotifier(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := NewNotifier(nil)
	if n != nil || n.Watchdog() != 0 {
		t.Fatal("somebody to notify")
	}
	n.Ready()
	n.Feed()
	n.Status("x")
	n.Stopping()
	ran := false
	if err := n.Reload(func() error { ran = true; return nil }); err != nil || !ran {
		t.Error("a reload needs a service manager")
	}
}

// TestWatchdogOfAnother: a shell around the service keeps the variables of its own watchdog.
func TestWatchdogOfAnother(t *testing.T) {
	manager(t)
	for _, tt := range []struct{ usec, pid string }{{"30000000", "1"}, {"0", ""}, {"soon", ""}} {
		t.Setenv("WATCHDOG_USEC", tt.usec)
		t.Setenv("WATCHDOG_PID", tt.pid)
		var log bytes.Buffer
		n := NewNotifier(slog.New(slog.NewTextHandler(&log, nil)))
		if n.Watchdog() != 0 {
			t.Errorf("%+v: the watchdog waits for %v", tt, n.Watchdog())
		}
		if bad := tt.pid == ""; strings.Contains(log.String(), "watchdog is not fed") != bad {
			t.Errorf("%+v: log %q", tt, &log)
		}
	}
}

func TestFailuresAreLoggedOnce(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	var log bytes.Buffer
	n := NewNotifier(slog.New(slog.NewTextHandler(&log, nil)))
	n.Ready()
	n.Feed()
	n.Status("x")
	if got := strings.Count(log.String(), "could not be told"); got != 1 {
		t.Errorf("%d lines:\n%s", got, &log)
	}
}
