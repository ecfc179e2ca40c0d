package web

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// told waits until the news are of these cameras, and returns how long that took.
func (p *peer) told(want string) time.Duration {
	p.t.Helper()
	for begin := time.Now(); ; {
		p.text("cameras")
		var ids []string
		for _, st := range p.news {
			ids = append(ids, st.ID)
		}
		if strings.Join(ids, " ") == want {
			return time.Since(begin)
		}
		if time.Since(begin) > time.Minute {
			p.t.Fatalf("news of %v, want %s", ids, want)
		}
	}
}

// TestSetCameras: streams, subscriptions, numbers, news and counters follow the set of cameras.
func TestSetCameras(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door", "yard")
		all := make([]Camera, 2, 3)
		for i, c := range r.server.cameras() {
			all[i] = c.Camera
		}
		shed := &testCamera{hub: fanout.NewHub(Envelope), status: Status{State: Idle, Cause: CauseNone}}
		all = append(all, Camera{ID: "shed", Hub: shed.hub, Status: shed.get})

		p, w := r.socket(), r.socket()
		w.say(`{"type":"watch","interval":60}`)
		w.told("door yard")
		p.say(`{"type":"subscribe","channel":1,"camera":"door"}`)
		p.text("subscribed")
		p.say(`{"type":"subscribe","channel":2,"camera":"yard"}`)
		p.text("subscribed")
		synctest.Wait()
		p.want(1, r.cameras[0].publish())
		p.want(2, r.cameras[1].publish())

		r.server.SetCameras([]Camera{all[2], all[0]})
		if a := p.text("ended"); a.Channel != 2 || a.Reason != "removed" || !strings.Contains(a.Detail, "configuration") {
			t.Errorf("%+v", a)
		}
		if took := w.told("shed door"); took > 200*time.Millisecond {
			t.Errorf("told after %v", took)
		}
		synctest.Wait()
		p.want(1, r.cameras[0].publish()) // who stays notices nothing
		st := r.server.Stats()
		if st.Removals != 1 || st.Viewers != 1 || len(st.Cameras) != 2 || st.Cameras[0].ID != "shed" || st.Cameras[1].ID != "door" {
			t.Errorf("%+v", st)
		}
		p.say(`{"type":"subscribe","channel":2,"camera":"yard"}`)
		if a := p.text("ended"); a.Reason != "unknown_camera" {
			t.Errorf("%+v", a)
		}
		if find(r.server.cameras(), "yard") != nil {
			t.Error("the removed camera is found")
		}
		if len(r.server.places.byCamera) != 1 {
			t.Errorf("places of %d cameras are kept", len(r.server.places.byCamera))
		}

		// One of the same name with another hub is another camera.
		again := &testCamera{hub: fanout.NewHub(Envelope), status: Status{State: Idle, Cause: CauseNone}}
		r.server.SetCameras([]Camera{{ID: "door", Hub: again.hub, Status: again.get}})
		if a := p.text("ended"); a.Channel != 1 || a.Reason != "removed" {
			t.Errorf("%+v", a)
		}
	})
}

// TestLimit: who is there stays; who comes is held to the new limits.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		p := r.socket()
		for channel := range 2 {
			p.say(`{"type":"subscribe","channel":%d,"camera":"door"}`, channel+1)
			p.text("subscribed")
		}
		r.server.Limit(Limits{MaxViewers: 1, MaxFPS: 7, Mode: fanout.Lockstep})
		synctest.Wait()
		if st := r.server.Stats(); st.Viewers != 2 || st.ViewerLimit != 1 {
			t.Errorf("%+v", st)
		}
		p.say(`{"type":"subscribe","channel":3,"camera":"door"}`)
		if a := p.text("ended"); a.Reason != "viewers" {
			t.Errorf("%+v", a)
		}
		for channel := range 2 {
			p.say(`{"type":"unsubscribe","channel":%d}`, channel+1)
			p.text("ended")
		}
		p.say(`{"type":"subscribe","channel":3,"camera":"door"}`)
		if a := p.text("subscribed"); *a.FPS != 7 || a.Mode != "lockstep" {
			t.Errorf("%+v", a)
		}
	})
}
