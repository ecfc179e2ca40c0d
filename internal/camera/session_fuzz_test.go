package camera_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/simcam"
)

// counted is a log that is only counted.
type counted struct {
	mu    sync.Mutex
	lines int
}

func (c *counted) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (c *counted) WithAttrs([]slog.Attr) slog.Handler           { return c }
func (c *counted) WithGroup(string) slog.Handler                { return c }
func (c *counted) Handle(context.Context, slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines++
	return nil
}

// ordeal is a camera that had to do with a hostile device, and then with a good one.
type ordeal struct {
	t      *testing.T
	cam    *camera.Camera
	hub    *fanout.Hub
	log    counted
	calls  sync.WaitGroup // of Configure
	viewer *fanout.Subscription
	begun  time.Time
}

// check holds what must be so at every moment.
func (o *ordeal) check() {
	s, st := o.cam.Stats(), o.cam.Status()
	sum := s.Published
	for _, n := range s.Rejected {
		sum += n
	}
	if s.Received != sum {
		o.t.Fatalf("received %d, published %d, rejected %v", s.Received, s.Published, s.Rejected)
	}
	if !slices.Contains(knownStates[st.State], st.Cause) {
		o.t.Fatalf("state %q, cause %q", st.State, st.Cause)
	}
	if d := st.Device; d != nil {
		for _, text := range []string{d.Board, d.Sensor, d.Firmware, d.SDK, d.Name, d.MAC, d.Transport, d.ResetReason} {
			if !plain(text) {
				o.t.Fatalf("a string of the device: %q", text)
			}
		}
	}
	if s.RoundTrip < 0 || s.RoundTrip > time.Since(o.begun).Seconds() {
		o.t.Fatalf("a round trip of %v s after %v", s.RoundTrip, time.Since(o.begun))
	}
	// A camera may not fill a disk: a person could read all of it.
	if limit := 60 + 12*int(time.Since(o.begun)/time.Second); o.log.lines > limit {
		o.t.Fatalf("%d lines of log after %v", o.log.lines, time.Since(o.begun))
	}
}

func plain(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7E {
			return false
		}
	}
	return len(text) <= 255
}

// moves are what happens beside the device: viewers come and go, somebody changes settings.
func (o *ordeal) moves(_ *hostile, op byte) {
	switch {
	case op < 100 && o.viewer == nil:
		o.viewer = o.hub.Subscribe(fanout.Terms{Transport: fanout.MJPEG})
	case op < 100:
		o.viewer.Close()
		o.viewer = nil
	default:
		key := camlink.ConfigKey(op % 40)
		o.calls.Go(func() {
			items, err := o.cam.Configure(context.Background(), []camera.Setting{{Key: key, Value: int32(op) / 4, Clamp: op&1 != 0}}, op&2 != 0)
			if (err == nil) != (len(items) == 1) {
				o.t.Errorf("Configure: %v, %v", items, err)
			}
		})
	}
}

// FuzzSession: a device may do what it likes. The camera stays in a state that is known, every frame is accounted for, what it writes
// and logs is bounded by reads and time, and when a good device follows on the same port there are pictures within seconds.
func FuzzSession(f *testing.F) {
	for _, seed := range sessionSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			p := &program{data}
			kind := p.byte()
			begun := time.Now()
			undergo(t, kind&2 != 0, func(o *ordeal) *hostile {
				if len(p.b) == 0 || time.Since(begun) >= hostileTime {
					return nil
				}
				h := newHostile(t, p)
				h.rateful = kind&1 != 0
				h.ends = begun.Add(hostileTime)
				return h
			})
		})
	})
}

// undergo runs a camera on one hostile device after the other until there are no more, and then on a good one, which has two pictures
// to get through.
func undergo(t *testing.T, usb bool, hostiles func(*ordeal) *hostile) *ordeal {
	o := &ordeal{t: t, hub: fanout.NewHub(nil), begun: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	var good *simcam.Device
	var since time.Time
	pictures := 0
	o.cam = camera.New(camera.Options{
		ID: "test", Port: "sim:", Hub: o.hub, Logger: slog.New(&o.log),
		Settings: []camera.Setting{{Key: camlink.KeyBrightness, Value: 1}},
		Open: func(ctx context.Context) (camera.Port, error) {
			if h := hostiles(o); h != nil {
				h.move = o.moves
				h.look = func() {
					o.check()
					// What a session says between two reads: CREDIT, PING, STATS_REQ, and a request.
					if h.packets > 6 {
						t.Fatalf("%d packets between two reads", h.packets)
					}
				}
				return h, nil
			}
			if good == nil {
				good = simcam.New(simcam.Options{USB: usb, Seed: 1, Frames: [][]byte{tiny}})
				since = time.Now()
				time.AfterFunc(20*time.Second, cancel)
				if o.viewer == nil {
					o.viewer = o.hub.Subscribe(fanout.Terms{Transport: fanout.MJPEG})
				}
			}
			line, err := good.Open(ctx)
			if err != nil {
				return nil, err
			}
			return line, nil
		},
		Published: func(*fanout.Frame) {
			if good != nil {
				if pictures++; pictures == 2 {
					cancel()
				}
			}
		},
	})
	if err := o.cam.Run(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	o.calls.Wait()
	o.viewer.Close()
	o.check()
	if pictures < 2 {
		t.Fatalf("%d pictures of a good device, %v after it was plugged in", pictures, time.Since(since))
	}
	if n := o.hub.Stats().Published; n != o.cam.Stats().Published {
		t.Fatalf("the hub has %d frames, the camera published %d", n, o.cam.Stats().Published)
	}
	return o
}

// sessionSeeds are programs that get far, and the bytes of the golden vectors.
func sessionSeeds(tb testing.TB) [][]byte {
	tb.Helper()
	const all = autoHello | autoPong | autoConfig | autoRate | autoResult
	wait := []byte{5, 50}
	frames := []byte{19, 0, 4, all | autoFrames, 5, 100, 6, 0, 255, 5, 100, 6, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 5, 50}
	seeds := [][]byte{
		slices.Concat([]byte{0, 4, all}, wait, frames),
		slices.Concat([]byte{1, 4, all}, wait, wait, frames, []byte{17}, frames, []byte{16}, frames),
		slices.Concat([]byte{2, 4, all}, wait, []byte{19, 130, 5, 30, 13, 3, 2, 0, 255, 255, 255, 255, 0, 0, 0, 0, 1, 1, 1, 1}, wait),
		{3, 4, all, 5, 20, 11, 0, 15, 200, 5, 20, 11, 0, 15, 200, 5, 20},                                                // HELLO, HELLO, HELLO
		slices.Concat([]byte{0, 4, all, 19, 0}, wait, []byte{8, 129, 0, 0, 16, 0, 0, 15, 250}, wait, wait),              // frames that begin
		slices.Concat([]byte{0, 4, all}, wait, []byte{12, 40, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0, 9}, wait),     // PONGs
		slices.Concat([]byte{0, 4, all}, wait, []byte{14, 1, 3, 't', 'a', 'g', 5, 27, '[', '2', 'J', 7, 15, 250}, wait), // LOGs
		slices.Concat([]byte{0, 10, 1, 1, 1, 0, 1, 0}, make([]byte, 9), []byte{11, 0}, wait, wait, frames),              // one way
	}
	paths, err := filepath.Glob("../../firmware/test/corpus/decoder/*")
	if err != nil || len(paths) == 0 {
		tb.Fatal(paths, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		seed := []byte{0, 4, all, 5, 50, 19, 0}
		for piece := range slices.Chunk(b, 255) {
			seed = append(append(seed, 0, byte(len(piece))), piece...)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}
