package main

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestLeaseOutlivesTheLine: a device with power of its own keeps its rate for three seconds. A cable that is back, or a daemon
// that was killed and started again, within that time has pictures again at once.
func TestLeaseOutlivesTheLine(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 320, 240, 8000)
	t.Run("replugged", func(t *testing.T) {
		t.Parallel()
		cam := startHostcam(t, "--frames", album.dir, "--fps", "20")
		d := startDaemon(t, "--port", cam.link)
		ctx, cancel := context.WithCancel(t.Context())
		au := watchAll(t, ctx, d, album, 2)
		au.fresh(t, 5, 5*time.Second)
		for range 3 {
			if err := cam.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			d.awaitState(t, 3*time.Second, "offline")
			if err := cam.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			within(t, 2*time.Second, "the node", func() bool { _, err := os.Stat(cam.link); return err == nil })
			if took := au.fresh(t, 2, 5*time.Second); took > 2*time.Second {
				t.Errorf("pictures after %v", took)
			}
			au.fresh(t, 5, 3*time.Second)
		}
		if n := d.metric(t, "camgw_device_reboots_total"); n != 0 {
			t.Errorf("%.0f reboots: this was no test of the lease", n)
		}
		cancel()
		au.wg.Wait()
	})
	t.Run("daemon killed", func(t *testing.T) {
		t.Parallel()
		cam := startHostcam(t, "--frames", album.dir, "--fps", "20")
		d := startDaemon(t, "--port", cam.link)
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			au := watchAll(t, ctx, d, album, 1)
			if took := au.fresh(t, 2, 5*time.Second); took > 2*time.Second {
				t.Errorf("pictures after %v", took)
			}
			au.fresh(t, 5, 3*time.Second)
			cancel()
			au.wg.Wait()
			d.kill(syscall.SIGKILL)
			d = startDaemon(t, "--port", cam.link)
		}
	})
}
