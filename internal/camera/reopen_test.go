package camera_test

import (
	"context"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/simcam"
)

// pulled is a port whose cable comes off when asked, while the device behind it keeps its power.
type pulled struct {
	camera.Port
	off    *atomic.Bool
	before int
}

func (p pulled) Read(b []byte) (int, error) {
	if p.off.CompareAndSwap(true, false) {
		return 0, io.EOF
	}
	return p.Port.Read(b)
}

func (p pulled) RateBefore() int { return p.before }

// TestKeepsTheAgreedRate: a device with power of its own keeps its rate for as long as its lease. The daemon that opens
// the port again goes there first.
func TestKeepsTheAgreedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Bool
		r := start(t, simcam.Options{}, func(o *camera.Options) {
			open := o.Open
			o.Open = func(ctx context.Context) (camera.Port, error) {
				p, err := open(ctx)
				if err != nil {
					return nil, err
				}
				return pulled{p, &off, 0}, nil
			}
		})
		sub := r.viewer()
		r.watch(sub, 5, 2*time.Second)
		for range 5 {
			off.Store(true)
			r.until(time.Second, "offline", func() bool { return r.cam.Status().State == camera.Offline })
			began := time.Now()
			r.watch(sub, 3, time.Second)
			t.Logf("pictures after %v", time.Since(began))
			if st := r.cam.Status(); st.Baud != 3000000 {
				t.Errorf("at %d baud", st.Baud)
			}
		}
		if s := r.device.Stats(); s.Boots != 1 {
			t.Errorf("%d boots", s.Boots)
		}
	})
}

// TestFindsTheRateOfAKilledDaemon: the next daemon knows nothing but what the tty was left at.
func TestFindsTheRateOfAKilledDaemon(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before int
		limit  time.Duration
	}{
		{"the tty tells", 3000000, time.Second},
		{"the tty was reset", 9600, 5 * time.Second},
		{"the tty tells wrong", 2000000, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				device := simcam.New(simcam.Options{Frames: pictures(5, 6000)})
				silent := &silencer{}
				first := start(t, simcam.Options{}, func(o *camera.Options) {
					o.Open = func(ctx context.Context) (camera.Port, error) {
						p, err := device.Open(ctx)
						return &silencer{Port: p, dead: &silent.flag}, err
					}
				})
				first.watch(first.viewer(), 5, 2*time.Second)
				silent.flag.Store(true) // no farewell
				first.stop()
				second := start(t, simcam.Options{}, func(o *camera.Options) {
					o.Open = func(ctx context.Context) (camera.Port, error) {
						p, err := device.Open(ctx)
						return pulled{p, new(atomic.Bool), tt.before}, err
					}
				})
				began := time.Now()
				second.watch(second.viewer(), 3, 6*time.Second)
				if took := time.Since(began); took > tt.limit {
					t.Errorf("pictures after %v", took)
				}
				if st := second.cam.Status(); st.Baud != 3000000 {
					t.Errorf("at %d baud", st.Baud)
				}
			})
		})
	}
}

// silencer is a port of a daemon that gets no last word.
type silencer struct {
	camera.Port
	dead *atomic.Bool
	flag atomic.Bool
}

func (s *silencer) Write(b []byte) (int, error) {
	if s.dead.Load() {
		return 0, os.ErrClosed
	}
	return s.Port.Write(b)
}

// TestRebootIsNoSilence: from the reset to the next picture the camera is never said not to answer.
func TestRebootIsNoSilence(t *testing.T) {
	const boot = "ets Jul 29 2019 12:21:46\r\nrst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\nI (29) boot: ESP-IDF v5.1\r\n"
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{BootText: boot}, nil)
		sub := r.viewer()
		r.watch(sub, 5, 3*time.Second)
		reboots := r.cam.Stats().Reboots
		r.device.Reboot()
		var causes []camera.Cause
		r.until(4*time.Second, "the reboot", func() bool {
			if c := r.cam.Status().Cause; c != camera.CauseNone && !slices.Contains(causes, c) {
				causes = append(causes, c)
			}
			return r.cam.Stats().Reboots != reboots
		})
		if !slices.Equal(causes, []camera.Cause{camera.CauseRebooting}) {
			t.Errorf("causes %q", causes)
		}
		r.watch(sub, 5, 2*time.Second)
	})
}
