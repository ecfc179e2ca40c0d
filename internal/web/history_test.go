package web

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// record is the answer of /history.
type record struct {
	Interval float64
	End      *float64
	Columns  map[string][]*float64
}

func (r *rig) history(id string) record {
	r.t.Helper()
	res, body := r.ask(get("/api/v1/cameras/" + id + "/history")).answer("GET")
	var got record
	if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 200 {
		r.t.Fatalf("%d %s: %v", res.StatusCode, body, err)
	}
	return got
}

func (r *rig) status(id string) Status {
	r.t.Helper()
	res, body := r.ask(get("/api/v1/cameras/" + id)).answer("GET")
	var got Status
	if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 200 {
		r.t.Fatalf("%d %s: %v", res.StatusCode, body, err)
	}
	return got
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door", "yard")
		quality := 12
		st := Status{State: Streaming, Quality: &quality, Baud: 1e6}
		r.cameras[0].set(st)
		size := 0
		time.Sleep(50 * time.Millisecond) // not at the instants of the samples
		for range 60 {
			f := newFrame(testJPEG(32, 24, 7), 32, 24)
			f.Received = time.Now()
			f.Captured = f.Received.Add(-30 * time.Millisecond)
			r.cameras[0].hub.Publish(f)
			size = len(f.JPEG())
			st.LinkBytes += 10000
			st.Errors.Checksum++
			r.cameras[0].set(st)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		h := r.history("door")
		n := len(h.Columns["fps"])
		if h.Interval != 1 || n < 6 || n > 7 || h.End == nil || time.Since(time.UnixMilli(int64(*h.End*1000))) > time.Second {
			t.Fatalf("%d samples each %v s until %v", n, h.Interval, h.End)
		}
		for name, want := range map[string]float64{
			"fps": 10, "frame_age": 0.03, "bytes_per_second": float64(10 * size), "link_use": 1, "quality": 12, "viewers": 0, "errors": 10,
		} {
			column := h.Columns[name]
			if len(column) != n || column[5] == nil || *column[5] < want*0.98 || *column[5] > want*1.02 {
				t.Errorf("%s: %v of %d values, want %v", name, column[5], len(column), want)
			}
		}
		if h.Columns["link_use"][0] != nil || h.Columns["frame_age"][0] != nil {
			t.Error("what is unknown at first is told")
		}
		now := r.status("door")
		if now.BytesPerSecond < float64(10*size)*0.98 || now.BytesPerSecond > float64(10*size)*1.02 || now.Link.Use == nil || *now.Link.Use < 0.98 ||
			now.Link.BitsPerSecond == nil || *now.Link.BitsPerSecond != 1e6 || now.Link.CarriedFPS == nil || math.Abs(*now.Link.CarriedFPS-10) > 0.2 {
			t.Errorf("%+v %v", now.Link, now.BytesPerSecond)
		}
		time.Sleep(11 * time.Minute)
		h = r.history("door")
		if len(h.Columns["viewers"]) != samplesKept || h.Columns["frame_age"][599] != nil || *h.Columns["fps"][599] != 0 {
			t.Errorf("%d samples", len(h.Columns["viewers"]))
		}
		if yard := r.history("yard"); yard.Columns["link_use"][599] != nil || yard.Columns["quality"][599] != nil {
			t.Error("no baud, and yet a use")
		}
	})
}

// TestCountersThatBeginAnew: a camera that was exchanged for another counts from 0, and nobody takes that for eighteen trillion.
func TestCountersThatBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		st := Status{State: Streaming, Baud: 1e6}
		time.Sleep(50 * time.Millisecond) // not at the instants of the samples
		for i := range 16 {
			if i == 8 {
				st.LinkBytes, st.Errors.Checksum = 0, 0
			}
			st.LinkBytes += 10000
			st.Errors.Checksum += 5
			r.cameras[0].set(st)
			time.Sleep(900 * time.Millisecond)
			if now := r.status("door"); now.Link.Use != nil && *now.Link.Use > 0.11 {
				t.Errorf("second %d: use %v", i, *now.Link.Use)
			}
			time.Sleep(100 * time.Millisecond)
		}
		for i, n := range r.history("door").Columns["errors"] {
			if n != nil && *n != 5 || n == nil && i != 0 && i != 9 {
				t.Errorf("sample %d has errors %v", i, n)
			}
		}
		if now := r.status("door"); now.Link.Use == nil || *now.Link.Use < 0.09 {
			t.Errorf("%+v", now.Link)
		}
	})
}

func TestHealth(t *testing.T) {
	full, half := 0.9, 0.3
	for name, tt := range map[string]struct {
		p     performance
		level Level
		words string
	}{
		"all that was asked":  {performance{asked: 15, carried: 14.5, whole: 100, use: &full}, Good, ""},
		"as many as there be": {performance{carried: 8, skipped: 4, whole: 80, use: &full}, Good, ""},
		"slow wire":           {performance{asked: 15, carried: 8.2, whole: 80, use: &full}, Strained, "the wire carries 8.2 of the 15 fps asked; lower the size or raise the baud"},
		"slow USB":            {performance{asked: 15, carried: 8.2, skipped: 7, whole: 80}, Strained, "the wire carries 8.2 of the 15 fps asked; lower the size or raise the baud"},
		"very slow wire":      {performance{asked: 30, carried: 8, whole: 80, use: &full}, Bad, "the wire carries 8.0 of the 30 fps asked; lower the size or raise the baud"},
		"slow sensor":         {performance{asked: 30, carried: 15, whole: 80, use: &half}, Strained, "the camera gives 15 of the 30 fps asked; its sensor may be no faster at this size or in this light"},
		"fast sensor":         {performance{carried: 5, skipped: 20, whole: 50, use: &full}, Strained, "the wire carries 5.0 of the 25 fps that the sensor takes; lower the size or quality, or raise the baud"},
		"one damaged":         {performance{carried: 5, whole: 20, damaged: 1}, Good, ""},
		"some damaged":        {performance{carried: 5, whole: 47, damaged: 3}, Strained, "3 of the last 50 pictures were damaged on the wire; check cable, ground and power, or lower the baud"},
		"many damaged":        {performance{carried: 5, whole: 30, damaged: 20}, Bad, "20 of the last 50 pictures were damaged on the wire; check cable, ground and power, or lower the baud"},
		"one a second":        {performance{asked: 1, carried: 0.8, whole: 10, use: &full}, Good, ""},
	} {
		if got := tt.p.judge(); got.Level != tt.level || got.Words != tt.words {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A camera that has rested is not slow because it did.
func TestRateAfterRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		r.cameras[0].set(Status{State: Idle})
		time.Sleep(20*time.Second + 50*time.Millisecond)
		r.cameras[0].set(Status{State: Streaming})
		size := 0
		for range 25 {
			size = len(r.cameras[0].publish().JPEG())
			time.Sleep(100 * time.Millisecond)
		}
		if got, want := r.status("door").BytesPerSecond, float64(10*size); got < want*0.9 || got > want*1.1 {
			t.Errorf("%v bytes per second, want %v", got, want)
		}
		r.cameras[0].set(Status{State: Idle})
		time.Sleep(3 * time.Second)
		if got := r.status("door").BytesPerSecond; got != 0 {
			t.Errorf("%v bytes per second at rest", got)
		}
	})
}

// The link is judged under the present conditions alone, and not before there is something to judge by.
func TestHealthOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		st := Status{State: Streaming, Baud: 115200, Auto: &AutoQuality{TargetFPS: 10}}
		publish := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
				r.cameras[0].publish()
				st.LinkBytes += 5700
				r.cameras[0].set(st)
			}
		}
		time.Sleep(50 * time.Millisecond) // not at the instants of the samples
		publish(2 * time.Second)
		if got := r.status("door"); got.Health.Level != Good || got.Link.CarriedFPS != nil || *got.Link.AskedFPS != 10 {
			t.Errorf("judged too early: %+v %+v", got.Health, got.Link)
		}
		publish(6 * time.Second)
		if got := r.status("door"); got.Health.Level != Bad || !strings.HasPrefix(got.Health.Words, "the wire carries 2.0 of the 10 fps") {
			t.Errorf("%+v", got.Health)
		}
		st.Auto = &AutoQuality{TargetFPS: 2}
		publish(time.Second)
		if got := r.status("door"); got.Health.Level != Good || got.Health.Words != "" {
			t.Errorf("judged by what was asked before: %+v", got.Health)
		}
		publish(10 * time.Second)
		if got := r.status("door"); got.Health.Level != Good || math.Abs(*got.Link.CarriedFPS-2) > 0.1 {
			t.Errorf("%+v %+v", got.Health, got.Link)
		}
		st.State, st.Cause, st.Reason = Offline, CauseUnplugged, ""
		r.cameras[0].set(st)
		if got := r.status("door"); got.Health.Level != Bad || got.Health.Words != "Unplugged: Plug the camera in again; it comes back by itself." ||
			got.CauseTitle != "Unplugged" || got.CauseAdvice == "" {
			t.Errorf("%+v", got)
		}
		for _, tt := range []struct {
			cause    Cause
			recovery Recovery
			words    string
		}{
			{CauseUnplugged, Recovery{Step: "hook", Reason: "no_port"}, "Unplugged: Plug the camera in again; it comes back by itself; last tried: the recovery hook"},
			{CauseNoAnswer, Recovery{Step: "line", Reason: "no_answer"}, "No answer: Check power, wiring (TX to RX) and firmware of the camera; last tried: a pulse on its reset line"},
			{CauseSilent, Recovery{Step: "reset", Reason: "silent"}, "No pictures: The camera answers but sends no pictures: check its sensor and ribbon cable; last tried: restarting the device"},
			{CauseNoAnswer, Recovery{Step: "line", Reason: "no_answer", OK: true}, "No answer: Check power, wiring (TX to RX) and firmware of the camera."}, // that was another time
			{CauseUnplugged, Recovery{Step: "reopen", Reason: "silent"}, "Unplugged: Plug the camera in again; it comes back by itself."},                   // that was for something else
		} {
			r.cameras[0].set(Status{State: Offline, Cause: tt.cause, Recovery: &tt.recovery})
			if got := r.status("door"); got.Health.Words != tt.words || *got.Recovery != tt.recovery {
				t.Errorf("%+v %+v\nwant %s", got.Health, got.Recovery, tt.words)
			}
		}
		r.cameras[0].set(Status{State: Connecting})
		if got := r.status("door"); got.Recovery != nil || got.Health.Level != Strained || got.CauseTitle != "Connecting" {
			t.Errorf("%+v", got)
		}
		r.cameras[0].set(Status{State: Idle, LastError: &Trouble{Time: 12.5, Cause: CauseSilent, Detail: "x"}})
		if got := r.status("door"); got.Health.Level != Good || got.CauseTitle != "" || got.LastError.Title != "No pictures" || got.LastError.Detail != "x" {
			t.Errorf("%+v", got)
		}
	})
}

func TestCamerasByMAC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam1", "240ac4000002")
		r.cameras[0].set(Status{State: Streaming, Device: &Device{MAC: "24:0a:c4:00:00:01"}})
		r.cameras[1].set(Status{State: Streaming, Device: &Device{MAC: "24:0a:c4:00:00:03"}})
		for id, want := range map[string]string{
			"240ac4000001": "cam1", "240ac4000002": "240ac4000002", "240ac4000003": "240ac4000002", "cam1": "cam1",
			"240ac4000004": "", "240AC4000001": "", "24:0a:c4:00:00:01": "", "000000000000": "",
		} {
			res, body := r.ask(get("/api/v1/cameras/" + id)).answer("GET")
			if want == "" {
				if res.StatusCode != 404 {
					t.Errorf("%s: %d", id, res.StatusCode)
				}
				continue
			}
			if !strings.Contains(body, `"id":"`+want+`"`) {
				t.Errorf("%s: %d %s", id, res.StatusCode, body)
			}
		}
		p := r.socket()
		p.say(`{"type":"subscribe","channel":1,"camera":"240ac4000001"}`)
		if a := p.text("subscribed"); a.Camera != "cam1" {
			t.Errorf("%+v", a)
		}
		r.ask(get("/cam/240ac4000003/stream.mjpg")).stream()
		synctest.Wait()
		if n := r.cameras[1].hub.Viewers(); n != 1 {
			t.Errorf("%d viewers", n)
		}
		st := r.status("240ac4000001")
		if st.URLs != (URLs{"cam/cam1/stream.mjpg", "cam/cam1/snapshot.jpg", "api/v1/cameras/cam1", "api/v1/cameras/cam1/config", "api/v1/cameras/cam1/history"}) {
			t.Errorf("%+v", st.URLs)
		}
	})
}

func TestStreamerState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam1")
		best, worst := 0, 63
		r.cameras[0].set(Status{State: Streaming, Quality: &best, Auto: &AutoQuality{TargetFPS: 12}})
		for range 5 {
			r.cameras[0].publish()
			time.Sleep(200 * time.Millisecond)
		}
		r.ask(get("/stream")).stream()
		synctest.Wait()
		_, body := r.ask(get("/state")).answer("GET")
		want := `{"ok":true,"result":{"instance_id":"cam1","encoder":{"type":"HW","quality":100},` +
			`"source":{"resolution":{"width":32,"height":24},"online":true,"desired_fps":12,"captured_fps":5},` +
			`"stream":{"queued_fps":5,"clients":1,"clients_stat":{}}}}` + "\n"
		if body != want {
			t.Errorf("got  %swant %s", body, want)
		}
		r.cameras[0].set(Status{State: Offline, Cause: CauseAbsent, Quality: &worst})
		if _, body := r.ask(get("/state")).answer("GET"); !strings.Contains(body, `"online":false`) || !strings.Contains(body, `"quality":1}`) {
			t.Error(body)
		}
		f := r.cameras[0].publish()
		if res, body := r.ask(get("/snapshot")).answer("GET"); res.StatusCode != 200 || body != string(f.JPEG()) || res.Header.Get("X-Frame-Sequence") != "6" {
			t.Errorf("/snapshot: %d %v", res.StatusCode, res.Header)
		}
	})
}

func TestServeStreamOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam1")
		r.lines = newPipeListener()
		stop := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { stop <- r.server.ServeStreamOnly(ctx, r.lines) }()
		c := r.ask(get("/stream?fps=5"))
		c.stream()
		synctest.Wait()
		c.want(r.cameras[0].publish())
		for _, target := range []string{"/", "/api/v1/cameras", "/snapshot.jpg", "/metrics", "/healthz", "/cam/cam1/stream.mjpg"} {
			if res, body := r.ask(get(target)).answer("GET"); res.StatusCode != 404 || !strings.Contains(body, `"status":404`) {
				t.Errorf("%s: %d %s", target, res.StatusCode, body)
			}
		}
		if res, _ := r.ask("POST /stream HTTP/1.0\r\n\r\n").answer("POST"); res.StatusCode != 405 {
			t.Error(res.StatusCode)
		}
		cancel()
		if err := <-stop; err != nil {
			t.Error(err)
		}
		if n := r.cameras[0].hub.Stats().Transports[fanout.MJPEG].Viewers; n != 0 {
			t.Errorf("%d viewers", n)
		}
	})
}
