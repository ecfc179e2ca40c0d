package main

import (
	"context"
	"crypto/sha256"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// audience is viewers that stay, whatever happens to the camera.
type audience struct {
	wg       sync.WaitGroup
	pictures []atomic.Int64 // of the camera's, per viewer
	others   atomic.Int64   // no-signal pictures
}

func watchAll(t *testing.T, ctx context.Context, d *daemon, a *album, n int) *audience {
	t.Helper()
	au := &audience{pictures: make([]atomic.Int64, n)}
	for i := range n {
		v, err := d.watch(ctx, "/stream")
		if err != nil {
			t.Fatal(err)
		}
		au.wg.Go(func() {
			for {
				p, err := v.next(10 * time.Second)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("viewer %d was dropped: %v", i, err)
					return
				}
				if a.known[sha256.Sum256(p.jpeg)] {
					au.pictures[i].Add(1)
				} else {
					au.others.Add(1)
				}
			}
		})
	}
	return au
}

// fresh waits until every viewer has got n more pictures of the camera.
func (au *audience) fresh(t *testing.T, n int64, limit time.Duration) time.Duration {
	t.Helper()
	before := make([]int64, len(au.pictures))
	for i := range before {
		before[i] = au.pictures[i].Load()
	}
	return within(t, limit, "pictures for every viewer", func() bool {
		for i := range before {
			if au.pictures[i].Load() < before[i]+n {
				return false
			}
		}
		return true
	})
}

// TestCameraRestarts: the device dies and returns under five viewers, twenty
// times. Nobody is disconnected, all see that it is gone and see it again within two seconds each, and nothing grows.
func TestCameraRestarts(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 320, 240, 8000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "20")
	d := startDaemon(t, "--port", cam.link)
	ctx, cancel := context.WithCancel(t.Context())
	au := watchAll(t, ctx, d, album, 5)
	au.fresh(t, 10, 5*time.Second)

	var first usage
	var slowest time.Duration
	for round := range 20 {
		old, pulled := au.others.Load(), time.Now()
		cam.kill(syscall.SIGKILL)
		os.Remove(cam.link) // a killed process leaves it, udev would not
		d.awaitState(t, 3*time.Second, "offline")
		if round%5 == 0 {
			// Two each, because Chrome shows a picture when the next one comes.
			within(t, 2*time.Second-time.Since(pulled), "no-signal pictures", func() bool { return au.others.Load() >= old+2*5 })
		}
		cam.start(t)
		slowest = max(slowest, au.fresh(t, 2, 5*time.Second))
		au.fresh(t, 5, 3*time.Second)
		if round == 2 {
			first = d.usage(t)
		}
	}
	last := d.usage(t)
	t.Logf("pictures back after %v at the slowest; at first %+v, at last %+v", slowest, first, last)
	if slowest > 2*time.Second {
		t.Errorf("pictures came back after %v", slowest)
	}
	if last.descriptors > first.descriptors+2 || last.threads > first.threads+4 {
		t.Errorf("descriptors or threads grow: %+v, then %+v", first, last)
	}
	if last.rssKB > first.rssKB+20000 {
		t.Errorf("memory grows from %d to %d kB", first.rssKB, last.rssKB)
	}
	goroutines := d.metric(t, "go_goroutines")
	cancel()
	au.wg.Wait()
	if goroutines > 40 {
		t.Errorf("%.0f goroutines for 5 viewers", goroutines)
	}
	d.balance(t)
}

// TestReboots: the firmware resets itself while the port stays open.
func TestReboots(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 320, 240, 8000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "20")
	d := startDaemon(t, "--port", cam.link)
	ctx, cancel := context.WithCancel(t.Context())
	au := watchAll(t, ctx, d, album, 2)
	au.fresh(t, 5, 5*time.Second)
	for range 5 {
		links := d.metric(t, "camgw_link_handshakes_total")
		if err := cam.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		within(t, 5*time.Second, "a new link", func() bool { return d.metric(t, "camgw_link_handshakes_total") > links })
		au.fresh(t, 2, 3*time.Second)
	}
	if n := d.metric(t, "camgw_device_reboots_total"); n != 5 {
		t.Errorf("%.0f reboots counted, want 5", n)
	}
	cancel()
	au.wg.Wait()
	d.balance(t)
}

// TestReplugBehindManyViewers: with 1,500 viewers connected the descriptors of a
// replugged port would be far above what select(2) takes.
func TestReplugBehindManyViewers(t *testing.T) {
	t.Parallel()
	const viewers = 1500
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur = limit.Max; limit.Cur < viewers+200 {
		t.Fatalf("this test needs %d descriptors; the hard limit is %d: raise it with ulimit -Hn", viewers+200, limit.Max)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	album := newAlbum(t, 5, 96, 96, 1500)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "1")
	d := startDaemon(t, "--port", cam.link, "--max-viewers", "2000")
	ctx, cancel := context.WithCancel(t.Context())
	au := watchAll(t, ctx, d, album, viewers)
	within(t, 30*time.Second, "all viewers counted", func() bool { return d.status(t).Viewers == viewers })
	if n := d.usage(t).descriptors; n < viewers {
		t.Fatalf("only %d descriptors in use", n)
	}
	for range 3 {
		cam.kill(os.Interrupt)
		d.awaitState(t, 5*time.Second, "offline")
		cam.start(t)
		d.awaitState(t, 10*time.Second, "streaming")
		au.fresh(t, 1, 30*time.Second)
	}
	cancel()
	au.wg.Wait()
	d.balance(t)
}

// TestTermination: streams end after whole parts, the device is told, and the
// process is gone in time, even with a viewer that reads nothing.
func TestTermination(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 640, 480, 20000)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cam := startHostcam(t, "--frames", album.dir, "--fps", "10")
			d := startDaemon(t, "--port", cam.link)
			v, err := d.watch(t.Context(), "/stream")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.watch(t.Context(), "/stream"); err != nil { // reads no further
				t.Fatal(err)
			}
			for range 20 {
				if _, err := v.next(5 * time.Second); err != nil {
					t.Fatal(err)
				}
			}
			ended := make(chan error, 1)
			go func() {
				for {
					if _, err := v.next(5 * time.Second); err != nil {
						ended <- err
						return
					}
				}
			}()
			if took := d.kill(sig); took > 5*time.Second {
				t.Errorf("gone only after %v", took)
			}
			if code := d.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if err := <-ended; err.Error() != "EOF" {
				t.Errorf("the stream ended with %v, not between two parts", err)
			}
			// A device that was not told stays linked until its lease ends, after 3 s.
			within(t, 2*time.Second, "the device told", func() bool { return strings.Contains(cam.log.String(), "unlinked") || !cam.read(t).Linked })
		})
	}
}
