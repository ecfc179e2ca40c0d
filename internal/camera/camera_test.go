package camera_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/simcam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pictures returns n different JPEGs of about size bytes.
func pictures(n, size int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		img := image.NewGray(image.Rect(0, 0, 64, 48))
		for y := range 48 {
			for x := range 64 {
				img.SetGray(x, y, color.Gray{uint8(x*(i+3) + y*7)})
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			panic(err)
		}
		// A comment segment brings it to size.
		if pad := size - b.Len() - 4; pad > 0 {
			whole := b.Bytes()
			comment := make([]byte, pad)
			for k := range comment {
				comment[k] = byte(i + k*k>>3)
			}
			segment := []byte{0xFF, 0xFE, byte((pad + 2) >> 8), byte(pad + 2)}
			all[i] = slices.Concat(whole[:2], segment, comment, whole[2:])
			continue
		}
		all[i] = b.Bytes()
	}
	return all
}

// rig is a camera on a simulated device, inside a synctest bubble.
type rig struct {
	*testing.T
	device *simcam.Device
	hub    *fanout.Hub
	cam    *camera.Camera
	stop   func()
	known  [][]byte // the pictures the device sends
}

// start runs a camera until the test ends, and checks its account then.
func start(t *testing.T, o simcam.Options, change func(*camera.Options)) *rig {
	if o.Frames == nil && o.Source == nil {
		o.Frames = pictures(5, 6000)
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	r := &rig{T: t, device: simcam.New(o), hub: fanout.NewHub(nil), known: o.Frames}
	opts := camera.Options{
		ID: "test", Port: "sim:", Hub: r.hub,
		Open: func(ctx context.Context) (camera.Port, error) {
			line, err := r.device.Open(ctx)
			if err != nil {
				return nil, err
			}
			return line, nil
		},
	}
	if change != nil {
		change(&opts)
	}
	r.cam = camera.New(opts)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.cam.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		ended <- nil // stop may be called again
		r.balance()
	}
	t.Cleanup(r.stop)
	return r
}

// balance checks the equation that every frame is accounted for by.
func (r *rig) balance() {
	r.Helper()
	s := r.cam.Stats()
	var rejected uint64
	for _, n := range s.Rejected {
		rejected += n
	}
	if s.Received != s.Published+rejected {
		r.Errorf("received %d, but published %d and rejected %v", s.Received, s.Published, s.Rejected)
	}
	if published := r.hub.Stats().Published; published != s.Published {
		r.Errorf("the hub has %d frames, the camera published %d", published, s.Published)
	}
}

// until waits, in fake time, for a condition; it returns how long that took.
func (r *rig) until(limit time.Duration, what string, ok func() bool) time.Duration {
	r.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > limit {
			r.Fatalf("%s: not within %v; status %+v", what, limit, r.cam.Status())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}

func (r *rig) linked() bool {
	s := r.cam.Status().State
	return s == camera.Idle || s == camera.Streaming
}

// watch takes n frames as a viewer and checks each against what the device sends.
func (r *rig) watch(sub *fanout.Subscription, n int, patience time.Duration) {
	r.Helper()
	for i := range n {
		f, err := sub.Next(r.Context(), patience)
		if err != nil {
			r.Fatalf("frame %d of %d: %v; status %+v", i+1, n, err, r.cam.Status())
		}
		if r.known != nil && !slices.ContainsFunc(r.known, func(k []byte) bool { return bytes.Equal(k, f.JPEG()) }) {
			r.Fatalf("a frame of %d bytes that the device never had", len(f.JPEG()))
		}
		sub.Sent()
	}
}

func (r *rig) viewer() *fanout.Subscription {
	sub := r.hub.Subscribe(fanout.Terms{Transport: fanout.MJPEG})
	r.Cleanup(sub.Close)
	return sub
}

func TestSensorRestsWithoutViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{}, nil)
		r.until(2*time.Second, "link", r.linked)
		time.Sleep(30 * time.Second)
		if s := r.device.Stats(); s.Sent != 0 || s.Captured != 0 {
			t.Fatalf("nobody watched, but %+v", s)
		}
		if st := r.cam.Status(); st.State != camera.Idle {
			t.Fatalf("state %s, want idle", st.State)
		}
		for range 3 {
			sub := r.viewer()
			begin := time.Now()
			f, err := sub.Next(t.Context(), time.Second)
			if err != nil {
				t.Fatalf("first frame after idle: %v", err)
			}
			if f.Captured.Before(begin) {
				t.Errorf("the first frame was taken %v before anybody asked", begin.Sub(f.Captured))
			}
			sub.Sent()
			r.watch(sub, 5, time.Second)
			sub.Close()
			time.Sleep(3 * time.Second)
			sent := r.device.Stats().Sent
			time.Sleep(10 * time.Second)
			if more := r.device.Stats().Sent - sent; more != 0 {
				t.Errorf("%d frames sent to nobody", more)
			}
		}
	})
}

func TestUnplugAndReplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{}, nil)
		sub := r.viewer()
		r.watch(sub, 5, 2*time.Second)
		for range 10 {
			r.device.Unplug()
			r.until(time.Second, "offline", func() bool { return r.cam.Status().State == camera.Offline })
			if st := r.cam.Status(); st.Cause != camera.CauseUnplugged || !strings.Contains(st.Reason, "plug") {
				t.Fatalf("cause %q, reason %q", st.Cause, st.Reason)
			}
			time.Sleep(5 * time.Second)
			r.device.Plug()
			r.watch(sub, 5, 2*time.Second)
		}
		if n := r.cam.Stats().Disconnects[camera.DisconnectUnplugged]; n != 10 {
			t.Errorf("%d disconnects counted, want 10", n)
		}
	})
}

func TestReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{BootText: "ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\n"}, nil)
		sub := r.viewer()
		r.watch(sub, 5, 2*time.Second)
		for range 5 {
			old := r.cam.Status().Device.BootID
			r.device.Reboot()
			r.until(4*time.Second, "new boot id", func() bool { return r.cam.Status().Device.BootID != old })
			r.watch(sub, 5, 2*time.Second)
			if got := r.cam.Status().Baud; got != 3000000 {
				t.Errorf("at %d baud after a reboot", got)
			}
		}
		if n := r.cam.Stats().Reboots[camlink.ResetSoftware]; n != 5 {
			t.Errorf("%d reboots counted, want 5", n)
		}
	})
}

func TestDamage(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts simcam.Options
	}{
		{"flip", simcam.Options{Flip: 1e-5}},
		{"drop", simcam.Options{Drop: 1e-5}},
		{"insert", simcam.Options{Insert: 1e-5}},
		{"stall", simcam.Options{Stall: 300 * time.Millisecond, StallEvery: time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.opts.FPS = 25
				r := start(t, tt.opts, nil)
				r.watch(r.viewer(), 1000, 3*time.Second)
				s := r.cam.Stats()
				faults := s.Link.Errors[camlink.ErrorHeader] + s.Link.Errors[camlink.ErrorPayload]
				if tt.name == "stall" {
					if s.Received != s.Published {
						t.Errorf("pauses cost frames: %+v", s.Rejected)
					}
					return
				}
				if faults == 0 || s.Rejected[camera.RejectedIncomplete]+s.Lost == 0 {
					t.Errorf("no damage was noticed: %+v", s)
				}
				t.Logf("published %d, rejected %v, lost %d, link %+v", s.Published, s.Rejected, s.Lost, s.Link)
			})
		})
	}
}

// TestCreditLostWhole loses whole frames, so that the host hears of none of
// the frames its credit was for.
func TestCreditLostWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lose atomic.Bool
		r := start(t, simcam.Options{USB: true, Lose: func(p camlink.Packet) bool {
			return lose.Load() && p.Type >= camlink.TypeFrameBegin && p.Type <= camlink.TypeFrameAbort
		}}, nil)
		sub := r.viewer()
		r.watch(sub, 5, time.Second)
		sent := r.device.Stats().Sent
		lose.Store(true)
		r.until(5*time.Second, "credit used up", func() bool { return r.device.Stats().Sent >= sent+2 })
		lose.Store(false)
		r.watch(sub, 5, 2*time.Second)
		r.until(time.Second, "losses counted", func() bool { return r.cam.Stats().Lost >= 2 })
	})
}

func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{OneWay: true, BaseBaud: 921600}, func(o *camera.Options) { o.Baud = 921600 })
		r.watch(r.viewer(), 10, 5*time.Second)
		r.device.Mute(true)
		r.until(6*time.Second, "lost", func() bool { return !r.linked() })
	})
}

func TestWhyThereIsNoLink(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opts   simcam.Options
		cause  camera.Cause
		reason string
	}{
		{"mute", simcam.Options{Mute: true}, camera.CauseNoAnswer, "no answer on sim:"},
		{"other rate", simcam.Options{BaseBaud: 74880}, camera.CauseWrongBaud, "115200 baud"},
		{"other version", simcam.Options{ProtoMin: 2, ProtoMax: 3}, camera.CauseVersion, "speaks camlink 2 to 3, this gateway 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, tt.opts, nil)
				r.until(8*time.Second, "cause", func() bool { return r.cam.Status().Cause == tt.cause })
				st := r.cam.Status()
				if st.State != camera.Offline && tt.cause != camera.CauseNoAnswer || !strings.Contains(st.Reason, tt.reason) && st.State == camera.Offline {
					t.Errorf("status %+v", st)
				}
				r.until(8*time.Second, "offline", func() bool { return r.cam.Status().State == camera.Offline })
				if st := r.cam.Status(); !strings.Contains(st.Reason, tt.reason) {
					t.Errorf("reason %q does not say %q", st.Reason, tt.reason)
				}
			})
		})
	}
}

// brokenPort is an error of an OpenFunc that knows its cause.
type brokenPort struct{ cause camera.Cause }

func (e brokenPort) Error() string       { return "open /dev/ttyUSB9: " + string(e.cause) }
func (e brokenPort) Fault() camera.Cause { return e.cause }

func TestOpenFailures(t *testing.T) {
	for i, cause := range camera.OpenCauses() {
		t.Run(string(cause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				broken.Store(true)
				device := simcam.New(simcam.Options{USB: true, Frames: pictures(1, 3000)})
				r := start(t, simcam.Options{USB: true}, func(o *camera.Options) {
					o.Open = func(ctx context.Context) (camera.Port, error) {
						if broken.Load() {
							return nil, fmt.Errorf("wrapped: %w", brokenPort{cause})
						}
						return device.Open(ctx)
					}
				})
				r.until(time.Second, "offline", func() bool { return r.cam.Status().State == camera.Offline })
				if st := r.cam.Status(); st.Cause != cause || !strings.Contains(st.Reason, "/dev/ttyUSB9") {
					t.Errorf("cause %q, reason %q", st.Cause, st.Reason)
				}
				time.Sleep(10 * time.Second)
				if n := r.cam.Stats().OpenFailures[i]; n < 8 || n > 20 {
					t.Errorf("%d attempts in 10 s", n)
				}
				broken.Store(false)
				r.until(2*time.Second, "link", r.linked)
			})
		})
	}
}

func TestBadPictures(t *testing.T) {
	good := pictures(1, 5000)[0]
	bad := [][]byte{
		good,
		good[:len(good)-2],                     // no EOI
		slices.Concat(good, make([]byte, 500)), // padding
		good[:len(good)/2],                     // cut scan or segment
		good[2:],                               // no SOI
	}
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true, Frames: bad, FPS: 20}, nil)
		r.known = [][]byte{good}
		r.watch(r.viewer(), 40, time.Second)
		s := r.cam.Stats()
		if s.Rejected[camera.RejectedBadJPEG] < 55 || s.Repaired < 18 {
			t.Errorf("bad_jpeg %d, repaired %d", s.Rejected[camera.RejectedBadJPEG], s.Repaired)
		}
	})
}

func TestTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := pictures(2, 3000)
		r := start(t, simcam.Options{USB: true, Frames: append(frames, pictures(1, 9000)...)},
			func(o *camera.Options) { o.MaxFrame = 4000 })
		r.known = frames
		r.watch(r.viewer(), 20, time.Second)
		if s := r.cam.Stats(); s.Rejected[camera.RejectedTooLarge] < 9 {
			t.Errorf("too_large %d", s.Rejected[camera.RejectedTooLarge])
		}
	})
}

func TestSilentSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true, Lose: func(p camlink.Packet) bool {
			return p.Type == camlink.TypeFrameBegin || p.Type == camlink.TypeFrameChunk
		}}, nil)
		r.viewer()
		r.until(7*time.Second, "silent", func() bool { return r.cam.Status().Cause == camera.CauseSilent })
	})
}

// TestFarewell: the device is told, and does not wait for its lease to end.
func TestFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var goodbyes atomic.Int32
		r := start(t, simcam.Options{Lose: func(p camlink.Packet) bool {
			if c, err := camlink.ParseCredit(p.Payload); p.Type == camlink.TypeCredit && err == nil && c.LeaseMillis == 0 {
				goodbyes.Add(1)
			}
			return false
		}}, nil)
		r.watch(r.viewer(), 5, 2*time.Second)
		r.stop()
		if goodbyes.Load() == 0 {
			t.Error("the device was not told")
		}
		if st := r.cam.Status(); st.State != camera.Offline || st.Cause != camera.CauseStopped {
			t.Errorf("status %+v", st)
		}
	})
}

func TestPortThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true}, func(o *camera.Options) {
			open := o.Open
			first := true
			o.Open = func(ctx context.Context) (camera.Port, error) {
				p, err := open(ctx)
				if first && err == nil {
					first = false
					return failingPort{p}, nil
				}
				return p, err
			}
		})
		r.watch(r.viewer(), 3, 2*time.Second)
		if n := r.cam.Stats().Disconnects[camera.DisconnectError]; n != 1 {
			t.Errorf("%d io errors counted, want 1", n)
		}
	})
}

type failingPort struct{ camera.Port }

func (failingPort) Read([]byte) (int, error) { return 0, errors.New("input/output error") }
