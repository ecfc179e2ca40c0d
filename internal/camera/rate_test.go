package camera_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/simcam"
)

func TestClimbsToTheTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{Board: "AI-Thinker\x1b[31m", Sensor: "OV2640"}, nil)
		took := r.until(2*time.Second, "link", func() bool { return r.linked() && r.cam.Status().Baud == 3000000 })
		t.Logf("at 3 Mbaud after %v", took)
		r.watch(r.viewer(), 20, time.Second)
		d := r.cam.Status().Device
		if d == nil || d.Board != "AI-Thinker?[31m" || d.Sensor != "OV2640" || d.Transport != "UART" {
			t.Errorf("device %+v", d)
		}
		if s := r.cam.Stats(); s.Link.Lost != 0 || s.Link.Errors != [camlink.NumErrors]uint64{} {
			t.Errorf("damage on a clean wire: %+v", s.Link)
		}
	})
}

func TestUSBNeedsNoRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true}, nil)
		r.until(time.Second, "link", r.linked)
		if b := r.cam.Status().Baud; b != 0 {
			t.Errorf("baud %d on USB", b)
		}
		r.watch(r.viewer(), 20, time.Second)
	})
}

func TestRatesThatFail(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts simcam.Options
		baud int
	}{
		{"wire garbles above 1 M", simcam.Options{GarbleAbove: 1000000}, 1000000},
		{"wire garbles above 115200", simcam.Options{GarbleAbove: 115200}, 115200},
		{"device stops at 2 M", simcam.Options{MaxBaud: 2000000}, 2000000},
		{"adapter stops at 1.5 M", simcam.Options{AdapterMax: 1500000}, 1500000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, tt.opts, nil)
				sub := r.viewer()
				begin := time.Now()
				r.watch(sub, 3, 10*time.Second)
				if got := r.cam.Status().Baud; got != tt.baud {
					t.Errorf("at %d baud, want %d", got, tt.baud)
				}
				t.Logf("first three frames after %v", time.Since(begin))
			})
		})
	}
}

func TestForcedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{}, func(o *camera.Options) { o.Baud = 921600 })
		r.watch(r.viewer(), 3, 3*time.Second)
		if got := r.cam.Status().Baud; got != 921600 {
			t.Errorf("at %d baud, want 921600", got)
		}
	})
}

// TestForcedRateOfFixedFirmware: a device that beacons at the forced rate is found there.
func TestForcedRateOfFixedFirmware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{BaseBaud: 921600}, func(o *camera.Options) { o.Baud = 921600 })
		r.watch(r.viewer(), 3, 4*time.Second)
		if got := r.cam.Status().Baud; got != 921600 {
			t.Errorf("at %d baud, want 921600", got)
		}
	})
}

// TestLostNegotiation loses each packet of a climb once.
func TestLostNegotiation(t *testing.T) {
	for _, typ := range []camlink.Type{camlink.TypeHelloReq, camlink.TypeHello, camlink.TypeBaudSet, camlink.TypeBaudProbe,
		camlink.TypeBaudPattern, camlink.TypeBaudCommit, camlink.TypeResult, camlink.TypeConfigGet, camlink.TypeConfig} {
		t.Run(typ.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lost atomic.Bool
				r := start(t, simcam.Options{Lose: func(p camlink.Packet) bool {
					return p.Type == typ && lost.CompareAndSwap(false, true)
				}}, nil)
				r.watch(r.viewer(), 5, 6*time.Second)
				if !lost.Load() {
					t.Error("the packet to lose never came")
				}
				if r.cam.Status().Baud < 2000000 {
					t.Errorf("only %d baud", r.cam.Status().Baud)
				}
			})
		})
	}
}

// TestRefusalIsNotHammered: a device that refuses the version answers at once, and is asked again after a while only.
func TestRefusalIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		r := start(t, simcam.Options{ProtoMin: 2, ProtoMax: 2, Lose: func(p camlink.Packet) bool {
			if p.Type == camlink.TypeHelloReq {
				asked.Add(1)
			}
			return false
		}}, nil)
		r.until(3*time.Second, "verdict", func() bool { return r.cam.Status().Cause == camera.CauseVersion })
		time.Sleep(10 * time.Second)
		if n := asked.Load(); n < 5 || n > 15 {
			t.Errorf("asked %d times in ten seconds", n)
		}
	})
}

// TestGivesUpARateThatDamages: the rate proves fine and turns bad later.
func TestGivesUpARateThatDamages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		chunk := 0
		r := start(t, simcam.Options{Lose: func(p camlink.Packet) bool {
			if p.Type != camlink.TypeFrameChunk || !bad.Load() {
				return false
			}
			chunk++
			return chunk%4 == 0
		}}, nil)
		sub := r.viewer()
		r.watch(sub, 5, 2*time.Second)
		bad.Store(true)
		r.until(15*time.Second, "step down", func() bool { return r.cam.Stats().BaudFallbacks == 1 })
		bad.Store(false)
		r.watch(sub, 10, 5*time.Second)
		if got := r.cam.Status().Baud; got != 2000000 {
			t.Errorf("at %d baud, want 2000000", got)
		}
	})
}
