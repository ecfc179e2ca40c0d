package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var replugs = flag.Int("replugs", 40, "cycles of TestReplugStorm")

// TestReplugStorm: the camera is pulled and comes back under another name, again and again, under viewers. The link by its
// identity leads to it each time; nobody is disconnected, and nothing grows.
func TestReplugStorm(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 320, 240, 6000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "25")
	dev := t.TempDir()
	byID := filepath.Join(dev, "serial", "by-id", "usb-camera-if00-port0")
	if err := os.MkdirAll(filepath.Dir(byID), 0o755); err != nil {
		t.Fatal(err)
	}
	node := ""
	appear := func(n int) {
		t.Helper()
		tty, err := os.Readlink(cam.link)
		if err != nil {
			t.Fatal(err)
		}
		node = filepath.Join(dev, fmt.Sprintf("ttyUSB%d", n%7))
		for link, target := range map[string]string{node: tty, byID: filepath.Join("..", "..", filepath.Base(node))} {
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
		}
	}
	appear(0)
	d := startDaemon(t, "--port", byID)
	ctx, cancel := context.WithCancel(t.Context())
	au := watchAll(t, ctx, d, album, 3)
	au.fresh(t, 5, 5*time.Second)
	var early usage
	var slowest time.Duration
	for n := 1; n <= *replugs; n++ {
		if err := cam.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		os.Remove(node)
		os.Remove(byID)
		d.awaitState(t, 3*time.Second, "offline")
		if err := cam.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		within(t, 2*time.Second, "the terminal", func() bool { _, err := os.Stat(cam.link); return err == nil })
		appear(n)
		slowest = max(slowest, au.fresh(t, 1, 5*time.Second))
		if n == 5 {
			early = d.usage(t)
		}
	}
	last := d.usage(t)
	t.Logf("%d times; pictures back after %v at the slowest; at first %+v, at last %+v", *replugs, slowest, early, last)
	if slowest > 2*time.Second {
		t.Errorf("pictures came back after %v", slowest)
	}
	if last.descriptors > early.descriptors+2 || last.threads > early.threads+4 || last.rssKB > early.rssKB+20000 {
		t.Errorf("it grows: %+v, then %+v", early, last)
	}
	cancel()
	au.wg.Wait()
	d.balance(t)
}
