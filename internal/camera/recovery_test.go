package camera_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/simcam"
)

// treatment notes what was done to a camera, and when.
type treatment struct {
	mu    sync.Mutex
	begin time.Time
	steps []string
	at    []time.Duration

	lineError error
	hookTakes time.Duration
	hookError error
	hooks     atomic.Int32 // running
}

func (tr *treatment) note(what string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.steps = append(tr.steps, what)
	tr.at = append(tr.at, time.Since(tr.begin).Round(100*time.Millisecond))
}

func (tr *treatment) all() ([]string, []time.Duration) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.steps), slices.Clone(tr.at)
}

// resettable is a port with modem lines.
type resettable struct {
	camera.Port
	*treatment
}

func (p resettable) ResetLine() error {
	if p.lineError == nil {
		p.note("line")
	}
	return p.lineError
}

// startTreated is start for a camera whose treatment is noted. RESET is seen on the wire.
func startTreated(t *testing.T, o simcam.Options, tr *treatment) *rig {
	tr.begin = time.Now()
	lose := o.Lose
	o.Lose = func(p camlink.Packet) bool {
		if p.Type == camlink.TypeReset {
			tr.note("reset")
		}
		return lose != nil && lose(p)
	}
	return start(t, o, func(c *camera.Options) {
		open := c.Open
		first := true
		c.Open = func(ctx context.Context) (camera.Port, error) {
			if !first {
				tr.note("open")
			}
			first = false
			p, err := open(ctx)
			if err != nil {
				return nil, err
			}
			return resettable{p, tr}, nil
		}
		c.Hook = func(ctx context.Context, r camera.Recovery) error {
			if tr.hooks.Add(1) != 1 {
				t.Error("two hooks at once")
			}
			defer tr.hooks.Add(-1)
			tr.note("hook")
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(tr.hookTakes):
			}
			return tr.hookError
		}
	})
}

func picturePart(p camlink.Packet) bool {
	return p.Type == camlink.TypeFrameBegin || p.Type == camlink.TypeFrameChunk
}

func total(s camera.Stats) (n uint64) {
	for _, why := range s.Recoveries {
		for _, count := range why {
			n += count
		}
	}
	return n
}

// TestLadder: a camera that is linked and sends nothing is treated gently, then roughly, then seldom.
func TestLadder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &treatment{}
		var sick atomic.Bool
		sick.Store(true)
		r := startTreated(t, simcam.Options{Lose: func(p camlink.Packet) bool { return sick.Load() && picturePart(p) }}, tr)
		r.viewer()
		r.until(10*time.Minute, "the whole ladder", func() bool { return total(r.cam.Stats()) == 4 })
		synctest.Wait()
		steps, at := tr.all()
		if want := []string{"reset", "line", "open", "hook"}; !slices.Equal(steps, want) {
			t.Fatalf("steps %v, want %v", steps, want)
		}
		t.Log(steps, at)
		if at[0] < 9*time.Second || at[0] > 15*time.Second {
			t.Errorf("first step after %v", at[0])
		}
		wait := 10 * time.Second
		for i := 1; i < len(at); i++ {
			// From the ailment's return after a step it also takes a while: 12 s at most.
			if gap := at[i] - at[i-1]; gap < wait*4/5 || gap > wait*6/5+12*time.Second {
				t.Errorf("step %d came %v after the one before, want about %v", i+1, gap, wait)
			}
			wait *= 2
		}
		s := r.cam.Stats()
		for rung := range camera.NumRungs {
			if n := s.Recoveries[rung][camera.AilmentSilent]; n != 1 {
				t.Errorf("%v was counted %d times", rung, n)
			}
		}
		if rec := r.cam.Status().Recovery; rec == nil || rec.Step != camera.RungHook || rec.Why != camera.AilmentSilent || rec.Attempt != 4 || rec.Reason == "" {
			t.Errorf("status tells %+v", rec)
		}
		if b := r.device.Stats().Boots; b != 2 {
			t.Errorf("%d boots, want 2: RESET was to restart it", b)
		}
		// In the long run it is treated every five minutes, and no more often.
		time.Sleep(20 * time.Minute)
		if n := total(r.cam.Stats()); n < 4+20/7 || n > 20/4+6 {
			t.Errorf("%d steps in twenty minutes", n)
		}
		// Well again, it is left alone, and what was is forgotten.
		sick.Store(false)
		sub := r.viewer()
		r.until(time.Minute, "pictures", func() bool { _, err := sub.Next(t.Context(), time.Second); sub.Sent(); return err == nil })
		time.Sleep(time.Minute)
		n := total(r.cam.Stats())
		time.Sleep(2 * time.Minute)
		if more := total(r.cam.Stats()) - n; more != 0 {
			t.Errorf("%d steps for a camera that is well", more)
		}
		sick.Store(true)
		r.until(20*time.Second, "the first step again", func() bool { return total(r.cam.Stats()) == n+1 })
		if rec := r.cam.Status().Recovery; rec.Step != camera.RungReset || rec.Attempt != 1 {
			t.Errorf("it began with %+v", rec)
		}
	})
}

// TestResetIsAskedAgain: RESET that gets lost, or its answer, is sent again like any request, and not half a minute later.
func TestResetIsAskedAgain(t *testing.T) {
	for _, lost := range []camlink.Type{camlink.TypeReset, camlink.TypeResult} {
		t.Run(lost.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &treatment{}
				var asked, dropped atomic.Bool
				r := startTreated(t, simcam.Options{Lose: func(p camlink.Packet) bool {
					asked.CompareAndSwap(false, p.Type == camlink.TypeReset)
					return picturePart(p) || asked.Load() && p.Type == lost && dropped.CompareAndSwap(false, true)
				}}, tr)
				r.viewer()
				r.until(20*time.Second, "reboot", func() bool { return r.device.Stats().Boots == 2 })
				time.Sleep(2 * time.Second)
				if n := total(r.cam.Stats()); n != 1 || !dropped.Load() {
					t.Errorf("%d steps, packet lost: %v", n, dropped.Load())
				}
			})
		})
	}
}

// TestFrozenDevice answers nothing, so that RESET would be lost on it.
func TestFrozenDevice(t *testing.T) {
	for _, tt := range []struct {
		name  string
		line  error
		steps []string
	}{
		{"with modem lines", nil, []string{"line", "open", "hook", "line"}},
		{"without", fmt.Errorf("a pty: %w", errors.ErrUnsupported), []string{"open", "hook", "open", "hook"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &treatment{lineError: tt.line}
				r := startTreated(t, simcam.Options{}, tr)
				sub := r.viewer()
				r.watch(sub, 3, 3*time.Second)
				r.device.Mute(true)
				r.until(10*time.Minute, "four steps", func() bool { steps, _ := tr.all(); return len(steps) >= 4 })
				steps, at := tr.all()
				t.Log(steps, at)
				if !slices.Equal(steps, tt.steps) {
					t.Errorf("steps %v, want %v", steps, tt.steps)
				}
				r.device.Mute(false)
				r.watch(sub, 3, 5*time.Second)
				last := r.cam.Status().Recovery
				if last.OK {
					t.Error("the last step is a success at once")
				}
				took := r.until(2*time.Minute, "the success of the last step", func() bool { return r.cam.Status().Recovery.OK })
				if took < 30*time.Second || took > 45*time.Second {
					t.Errorf("the last step is a success after %v", took)
				}
				if now := r.cam.Status().Recovery; last.OK || now.At != last.At || now.Step != last.Step {
					t.Errorf("%+v has become %+v", last, now)
				}
				r.device.Mute(true)
				r.until(2*time.Minute, "another step", func() bool { now := r.cam.Status().Recovery; return now.At != last.At && !now.OK })
				s := r.cam.Stats()
				if s.Recoveries[camera.RungReset] != [camera.NumAilments]uint64{} {
					t.Errorf("RESET for a device that does not listen: %v", s.Recoveries)
				}
			})
		})
	}
}

// TestWellIsLeftAlone: what happens to every camera is no ailment.
func TestWellIsLeftAlone(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts simcam.Options
		live func(r *rig)
	}{
		{"watched", simcam.Options{}, func(r *rig) { r.watch(r.viewer(), 1000, 2*time.Second) }},
		{"watched now and then", simcam.Options{}, func(r *rig) {
			for range 20 {
				sub := r.viewer()
				r.watch(sub, 5, 2*time.Second)
				sub.Close()
				time.Sleep(20 * time.Second)
			}
		}},
		{"rebooted by hand", simcam.Options{}, func(r *rig) {
			r.viewer()
			for range 8 {
				time.Sleep(15 * time.Second)
				r.device.Reboot()
			}
		}},
		{"rebooted in haste", simcam.Options{}, func(r *rig) {
			for range 4 {
				r.until(5*time.Second, "link", r.linked)
				r.device.Reboot()
				time.Sleep(2 * time.Second)
			}
			time.Sleep(time.Minute)
		}},
		{"on a bad wire", simcam.Options{Flip: 1e-5, FPS: 20}, func(r *rig) { r.watch(r.viewer(), 1000, 3*time.Second) }},
		{"slow by wish", simcam.Options{}, func(r *rig) {
			r.until(5*time.Second, "link", r.linked)
			if _, err := r.cam.Configure(r.Context(), []camera.Setting{{Key: camlink.KeyMinIntervalMS, Value: 30000}}, false); err != nil {
				r.Fatal(err)
			}
			r.watch(r.viewer(), 12, 40*time.Second)
		}},
		{"replugged", simcam.Options{}, func(r *rig) {
			for range 10 {
				r.device.Unplug()
				time.Sleep(10 * time.Second)
				r.device.Plug()
				time.Sleep(10 * time.Second)
			}
		}},
		{"of another version", simcam.Options{ProtoMin: 2, ProtoMax: 3}, func(*rig) { time.Sleep(time.Minute) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &treatment{}
				r := startTreated(t, tt.opts, tr)
				tt.live(r)
				if s := r.cam.Stats(); total(s) != 0 {
					t.Errorf("it was treated: %v", s.Recoveries)
				}
			})
		})
	}
}

// TestUnsteadyLink: a device that crashes as soon as it is asked for pictures.
func TestUnsteadyLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &treatment{}
		r := startTreated(t, simcam.Options{}, tr)
		r.viewer()
		for range 40 {
			r.until(10*time.Second, "link", r.linked)
			time.Sleep(time.Second)
			r.device.Reboot()
			time.Sleep(1500 * time.Millisecond)
		}
		s := r.cam.Stats()
		if s.Recoveries[camera.RungLine][camera.AilmentUnsteady] == 0 || s.Recoveries[camera.RungHook][camera.AilmentUnsteady] == 0 {
			t.Errorf("not treated: %v", s.Recoveries)
		}
		if n := total(s); n > 6 {
			t.Errorf("%d steps in two minutes", n)
		}
	})
}

// TestPortThatStaysAway: the hook may give a hub its power back. Somebody who merely unplugs a camera has time to put it back.
func TestPortThatStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &treatment{hookTakes: 3 * time.Minute, hookError: errors.New("no hub")}
		var gone atomic.Bool
		r := startTreated(t, simcam.Options{}, tr)
		r.until(3*time.Second, "link", r.linked)
		gone.Store(true)
		tr.begin = time.Now()
		r.device.Unplug()
		steps := func() []string {
			all, _ := tr.all()
			return slices.DeleteFunc(all, func(s string) bool { return s != "hook" })
		}
		took := r.until(time.Minute, "the hook", func() bool { return len(steps()) == 1 })
		if took < 23*time.Second || took > 38*time.Second {
			t.Errorf("the hook ran after %v", took)
		}
		time.Sleep(2 * time.Minute)
		if n := len(steps()); n != 1 {
			t.Errorf("%d hooks beside a running one", n)
		}
		r.until(8*time.Minute, "the next", func() bool { return len(steps()) == 2 })
		if n := r.cam.Stats().HookFailures; n != 1 {
			t.Errorf("%d failures counted", n)
		}
		begin := time.Now()
		r.stop() // and the hook that runs is told
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

// TestPortThatIsRefused: what only the operator can mend is not treated.
func TestPortThatIsRefused(t *testing.T) {
	for _, cause := range []camera.Cause{camera.CauseBusy, camera.CausePermission, camera.CauseNotATTY} {
		synctest.Test(t, func(t *testing.T) {
			hooks := 0
			r := start(t, simcam.Options{}, func(o *camera.Options) {
				o.Open = func(context.Context) (camera.Port, error) { return nil, brokenPort{cause} }
				o.Hook = func(context.Context, camera.Recovery) error { hooks++; return fs.ErrInvalid }
			})
			time.Sleep(10 * time.Minute)
			r.stop()
			if hooks != 0 {
				t.Errorf("%s: %d hooks", cause, hooks)
			}
		})
	}
}
