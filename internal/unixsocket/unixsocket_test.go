package unixsocket

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	for _, mode := range []os.FileMode{0o600, 0o660, 0o666} {
		l, err := Listen(path, mode, fmt.Sprint(os.Getgid()))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v, %v, want %v", info.Mode(), err, mode)
		}
		client, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if _, ok := conn.(*net.UnixConn); !ok || err != nil {
			t.Errorf("%T, %v", conn, err)
		}
		client.Close()
		conn.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the socket stays: %v", err)
		}
	}
}

// TestStaleSocket: one that nobody listens on is taken away; one that somebody does is not, and the error names who.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	live, err := Listen(path, 0o660, "")
	if err != nil {
		t.Fatalf("a stale socket is in the way: %v", err)
	}
	defer live.Close()
	_, err = Listen(path, 0o660, "")
	if want := fmt.Sprintf("(process %d) listens there already", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a live socket: %v", err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the live socket was harmed: %v", err)
	} else {
		conn.Close()
	}
}

// TestCloseLeavesAnothersSocket: what was put in place of ours is not ours to remove.
func TestCloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	mine, err := Listen(path, 0o660, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := Listen(path, 0o660, "")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	mine.Close()
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the other's socket is gone: %v", err)
	} else {
		conn.Close()
	}
}

// TestTwoBeginAtOnce: over a stale socket, one of many gets it, and everybody else is told so.
func TestTwoBeginAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	var wg sync.WaitGroup
	won := make(chan *Listener, 8)
	for range cap(won) {
		wg.Go(func() {
			if l, err := Listen(path, 0o660, ""); err == nil {
				won <- l
			} else if !strings.Contains(err.Error(), "listens there already") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(won)
	n := 0
	for l := range won {
		n++
		l.Close()
	}
	if n != 1 {
		t.Errorf("%d listen", n)
	}
}

// TestWhatIsInTheWay: each error tells the next step, and nothing is removed.
func TestWhatIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	datagrams := filepath.Join(dir, "datagrams")
	d, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagrams, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, tt := range []struct{ path, group, want string }{
		{file, "", "there is something that is no socket; try: another path"},
		{link, "", "there is something that is no socket; try: another path"},
		{datagrams, "", "try: ss -lxp"},
		{filepath.Join(dir, "missing", "http.sock"), "", "no such file or directory; try: a folder that exists"},
		{filepath.Join(dir, "a"), "no-such-group-here", `there is no group "no-such-group-here"; try: getent group`},
		{filepath.Join(dir, strings.Repeat("x", MaxPath)), "", "try:"},
	} {
		l, err := Listen(tt.path, 0o660, tt.group)
		if err == nil {
			l.Close()
			t.Errorf("%s was opened", tt.path)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestLockIsWaitedFor, and not for ever.
func TestLockIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	held, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock(held); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err = Listen(filepath.Join(dir, "http.sock"), 0o660, "")
	if err == nil || !strings.Contains(err.Error(), "holds a lock") || time.Since(begin) < lockPatience {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	time.AfterFunc(lockPatience/4, func() { held.Close() })
	l, err := Listen(filepath.Join(dir, "http.sock"), 0o660, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
