package linkmodel

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/fanout"
)

// run lets a scenario happen with some faults.
func run(t *testing.T, s *scenario, faults []fault, step *stepper, tables *tables) (w *world) {
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(s, faults, step, tables)
		tables.runs++
		for !w.over {
			w.hostLives(t)
			if !w.over {
				time.Sleep(restart * time.Microsecond)
			}
		}
		w.places = len(w.sent)
		if w.wrong == "" {
			w.afterwards()
		}
		tables.steps += w.steps
		tables.packets += len(w.sent)
		tables.virtual += time.Duration(w.now) * time.Microsecond
	})
	return w
}

// hostLives is one life of the daemon's camera.
func (w *world) hostLives(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.cancel = cancel
	hub := fanout.NewHub(nil)
	cam := camera.New(camera.Options{
		ID: "model", Port: "model:", Hub: hub, Settings: w.scenario.settings, Published: w.published,
		Open: func(context.Context) (camera.Port, error) { return w.openPort(), nil },
	})
	ended := make(chan error)
	go func() { ended <- cam.Run(ctx) }()
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		w.watch(ctx, hub)
	}()
	var err error
	select {
	case err = <-ended:
	case <-w.finished:
		cancel()
		err = <-ended
	}
	cancel()
	<-seen
	if err != nil {
		w.fail("Run: %v", err)
	}
	w.dead = true
	st := cam.Stats()
	var rejected uint64
	for _, n := range st.Rejected {
		rejected += n
	}
	if st.Received != st.Published+rejected {
		w.fail("received %d, published %d, rejected %v", st.Received, st.Published, st.Rejected)
	}
}

// watch is the viewers of a scenario.
func (w *world) watch(ctx context.Context, hub *fanout.Hub) {
	for _, v := range w.scenario.views {
		if wait := time.Duration(v[0]-w.clock()) * time.Microsecond; wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
		sub := hub.Subscribe(fanout.Terms{Transport: fanout.MJPEG})
		for {
			left := time.Duration(v[1]-w.clock()) * time.Microsecond
			if left <= 0 || ctx.Err() != nil {
				break
			}
			if _, err := sub.Next(ctx, left); err == nil {
				sub.Sent()
			}
		}
		sub.Close()
	}
}

// afterwards: a device whose host has gone returns to its beacon, at once if it heard the good-bye.
func (w *world) afterwards() {
	ended, clean := w.now, len(w.faults) == 0
	w.faults = nil
	w.until(ended + drainAtMost/4)
	if clean && !w.scenario.oneWay && w.dev.state != beacon {
		w.fail("the host said good-bye, and the device is %s", w.dev.state)
	}
	w.until(ended + firstLease + drainAtMost + muteTime)
	want := beacon
	if w.scenario.oneWay {
		want = free
	}
	if w.dev.state != want {
		w.fail("the host has gone, and the device is %s", w.dev.state)
	}
}
