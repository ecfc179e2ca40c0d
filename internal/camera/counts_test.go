package camera_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/simcam"
)

// countingPort is a line whose driver has counted framing errors.
type countingPort struct {
	camera.Port
	framing *atomic.Uint32
}

func (p countingPort) LineCounts() (camera.LineCounts, bool) {
	return camera.LineCounts{camera.LineFraming: p.framing.Load()}, true
}

// TestLineErrors: what the driver counts while the port is open counts, over its wrap and over a reopening; what it had
// counted before does not.
func TestLineErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var framing atomic.Uint32
		framing.Store(1<<32 - 3)
		r := start(t, simcam.Options{USB: true}, func(o *camera.Options) {
			open := o.Open
			o.Open = func(ctx context.Context) (camera.Port, error) {
				p, err := open(ctx)
				if err != nil {
					return nil, err
				}
				return countingPort{p, &framing}, nil
			}
		})
		want := func(n uint64) {
			t.Helper()
			time.Sleep(1100 * time.Millisecond)
			if got := r.cam.Stats().LineErrors; got != [camera.NumLineErrors]uint64{camera.LineFraming: n} {
				t.Errorf("%v, want %d framing errors", got, n)
			}
		}
		r.until(2*time.Second, "a link", r.linked)
		want(0)
		framing.Add(10)
		want(10)
		r.device.Unplug()
		r.until(2*time.Second, "the unplugging", func() bool { return r.cam.Status().Cause == camera.CauseUnplugged })
		framing.Store(500) // another driver, or the same one after others have used the port
		r.device.Plug()
		r.until(4*time.Second, "a link", r.linked)
		want(10)
		framing.Add(1)
		want(11)
	})
}

// TestPacketsByType: every packet accepted counts under its type.
func TestPacketsByType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true}, nil)
		r.watch(r.viewer(), 20, 2*time.Second)
		r.stop()
		s := r.cam.Stats()
		var sum uint64
		by := map[string]uint64{}
		for i, name := range camera.PacketTypes() {
			by[name] = s.Packets[i]
			sum += s.Packets[i]
		}
		if sum != s.Link.Packets {
			t.Errorf("%d packets by type, %d accepted", sum, s.Link.Packets)
		}
		if by["frame_begin"] < 20 || by["frame_chunk"] < by["frame_begin"] || by["hello"] == 0 || by["pong"] == 0 || by["other"] != 0 {
			t.Errorf("%v", by)
		}
	})
}

// TestDeviceCountsOutliveReboots: the device's own counters start anew when it boots, ours go on.
func TestDeviceCountsOutliveReboots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures atomic.Uint32
		r := start(t, simcam.Options{USB: true, Mangle: func(h *camlink.Header, payload []byte) {
			if h.Type != camlink.TypeStats {
				return
			}
			s, err := camlink.ParseStats(payload)
			if err != nil {
				panic(err)
			}
			s.CameraErrors = failures.Load()
			copy(payload, s.Append(nil))
		}}, nil)
		reported := func(n uint64) {
			t.Helper()
			time.Sleep(12 * time.Second)
			if got := r.cam.Stats(); got.CaptureFailures != n || got.DeviceStats.CameraErrors != failures.Load() {
				t.Errorf("%d failures and %d of this boot, want %d and %d", got.CaptureFailures, got.DeviceStats.CameraErrors, n, failures.Load())
			}
		}
		failures.Store(7)
		reported(7)
		failures.Store(9)
		reported(9)
		failures.Store(4)
		r.device.Reboot()
		reported(13)
		failures.Store(20) // more than before the reboot, in a boot that has lasted for longer
		r.device.Reboot()
		reported(33)
	})
}
