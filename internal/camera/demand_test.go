package camera_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/simcam"
)

// credits are what the device has been told by CREDIT.
type credits struct {
	mu   sync.Mutex
	last camlink.Credit
}

// see is for [simcam.Options.Lose]; nothing gets lost.
func (c *credits) see(p camlink.Packet) bool {
	if p.Type == camlink.TypeCredit {
		if m, err := camlink.ParseCredit(p.Payload); err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.last = m
		}
	}
	return false
}

func (c *credits) get() camlink.Credit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// gate is a viewer's connection that takes everything at once while it is open, and nothing while it is shut.
type gate struct {
	mu      sync.Mutex
	shut    chan struct{} // closed when the gate opens; nil: it is open
	abort   sync.Once
	aborted chan struct{}
	ended   chan struct{}
	got     int
}

func newGate() *gate { return &gate{aborted: make(chan struct{}), ended: make(chan struct{})} }

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

func (g *gate) TryWrite(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		return 0, nil
	}
	g.got++
	return len(p), nil
}

func (g *gate) Write([]byte) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-g.aborted:
			return fanout.ErrBehind
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got++
	return nil
}

func (g *gate) Abort() { g.abort.Do(func() { close(g.aborted) }) }

func (g *gate) Fill(*fanout.Frame, time.Time) ([]byte, bool) { return nil, false }
func (g *gate) Filled()                                      {}
func (g *gate) Ended(error, fanout.Account)                  { close(g.ended) }

// TestCreditFollowsTheAllowance: while as much waits for a viewer of all frames as it bears, the device has no credit, and
// sends nothing; when the viewer takes frames again, or is gone, it sends again.
func TestCreditFollowsTheAllowance(t *testing.T) {
	for _, returns := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var seen credits
			r := start(t, simcam.Options{FPS: 25, USB: true, Lose: seen.see}, nil)
			r.until(2*time.Second, "link", r.linked)
			sink := newGate()
			const patience = 10 * time.Second
			v := r.hub.Attach(fanout.Terms{Mode: fanout.All, Patience: patience, Buffer: 8 << 20}, sink)
			defer func() { // also of a test that has failed
				v.End(fanout.ErrBehind)
				sink.Abort()
				<-sink.ended
			}()
			time.Sleep(2 * time.Second)
			if c := seen.get(); c.Limit != r.hub.Latest().Number+2 {
				t.Errorf("credit up to %d, when frame %d was the newest", c.Limit, r.hub.Latest().Number)
			}

			sink.close()
			r.until(patience/2, "an allowance of nothing", func() bool { return r.hub.Allowance() == 0 })
			time.Sleep(time.Second) // the frame on the wire, and one whose credit was given before
			sent := r.device.Stats().Sent
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				if c := seen.get(); c.Limit != r.hub.Latest().Number || r.device.Stats().Sent != sent {
					t.Fatalf("with no allowance: credit up to %d, the newest frame is %d; %d frames came",
						c.Limit, r.hub.Latest().Number, r.device.Stats().Sent-sent)
				}
			}
			if st := r.cam.Status(); st.Cause != camera.CauseNone {
				t.Errorf("a camera that is held back is called %q: %s", st.Cause, st.Reason)
			}

			if returns {
				sink.open()
			} else {
				<-sink.ended
			}
			sub := r.viewer() // somebody must want pictures
			r.watch(sub, 25, time.Second)
			if c := seen.get(); int32(c.Limit-r.hub.Latest().Number) < 1 {
				t.Errorf("credit up to %d, when frame %d is the newest", c.Limit, r.hub.Latest().Number)
			}
			if returns {
				v.End(fanout.ErrBehind)
				<-sink.ended
				if got, published := sink.got, int(r.hub.Stats().Published); got < published-1 {
					t.Errorf("the viewer of all got %d frames of %d", got, published)
				}
			}
		})
	}
}

// TestIntervalFollowsTheRate: the device is told the shortest interval that anybody wants, and keeps to it.
func TestIntervalFollowsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen credits
		r := start(t, simcam.Options{FPS: 25, USB: true, Lose: seen.see}, nil)
		r.until(2*time.Second, "link", r.linked)
		var viewers []*fanout.Viewer
		var sinks []*gate
		attach := func(interval time.Duration) {
			sinks = append(sinks, newGate())
			viewers = append(viewers, r.hub.Attach(fanout.Terms{Interval: interval}, sinks[len(sinks)-1]))
		}
		leave := func(i int) {
			viewers[i].End(fanout.ErrIdle)
			<-sinks[i].ended
		}
		for _, step := range []struct {
			what   string
			change func()
			millis uint16
			fps    uint32
		}{
			{"one at 4 fps", func() { attach(250 * time.Millisecond) }, 250, 4},
			{"another at 10", func() { attach(100 * time.Millisecond) }, 100, 10},
			{"another without a cap", func() { attach(0) }, 0, 25},
			{"that one gone", func() { leave(2) }, 100, 10},
			{"the second gone", func() { leave(1) }, 250, 4},
			{"one at a frame in two minutes", func() { leave(0); attach(2 * time.Minute) }, 65535, 0},
		} {
			step.change()
			r.until(time.Second, step.what, func() bool { return seen.get().MinIntervalMillis == step.millis })
			time.Sleep(time.Second) // frames that were under way
			sent := r.device.Stats().Sent
			time.Sleep(10 * time.Second)
			if n := r.device.Stats().Sent - sent; n+1 < step.fps*10 || n > step.fps*10+1 {
				t.Errorf("%s: %d frames in ten seconds, want %d", step.what, n, step.fps*10)
			}
		}
		leave(3)
		r.until(time.Second, "no interval for nobody", func() bool { return seen.get().MinIntervalMillis == 0 })
	})
}
