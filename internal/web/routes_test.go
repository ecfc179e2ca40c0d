package web

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

var streamTargets = []struct {
	target string
	camera int
}{
	{"/cam/a/stream.mjpg", 0}, {"/cam/b/stream.mjpg", 1}, {"/stream", 0}, {"/stream?timestamp=1&moed=?&%zz", 0},
	{"/mjpeg/1", 0}, {"/mjpeg/2", 1},
	{"/?action=stream", 0}, {"/?action=stream_0", 0}, {"/?action=stream_1", 1}, {"/webcam/?action=stream_1", 1},
	{"/?action=stream?dummy=param.mjpg", 0}, {"/?x=1&action=stream", 0},
}

var snapshotTargets = []struct {
	target string
	camera int
}{
	{"/cam/a/snapshot.jpg", 0}, {"/cam/b/snapshot.jpg", 1}, {"/snapshot.jpg", 0}, {"/snapshot.jpg?cacheBust=7", 0},
	{"/jpg", 0}, {"/?action=snapshot", 0}, {"/?action=snapshot_1", 1}, {"/webcam/?action=snapshot", 0},
	{"/?action=snapshot?x=y", 0}, {"/capture", 0}, {"/capture?_cb=1", 0}, {"/cam/b/capture", 1},
}

func TestEveryAddressOfAStream(t *testing.T) {
	for _, test := range streamTargets {
		t.Run(test.target, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, "a", "b")
				c := r.ask(get(test.target))
				if strings.Contains(test.target, "action=") {
					c.boundary = streamerBoundary
				}
				c.stream()
				synctest.Wait()
				r.cameras[1-test.camera].publish()
				c.want(r.cameras[test.camera].publish())
			})
		})
	}
}

func TestEveryAddressOfASnapshot(t *testing.T) {
	for _, test := range snapshotTargets {
		t.Run(test.target, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, "a", "b")
				r.cameras[1-test.camera].publish()
				f := r.cameras[test.camera].publish()
				if res, body := r.ask(get(test.target)).answer("GET"); res.StatusCode != 200 || body != string(f.JPEG()) {
					t.Errorf("%d, %d bytes", res.StatusCode, len(body))
				}
			})
		})
	}
}

func TestHeadIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxViewers: 1}, Metrics: http.NotFoundHandler()}, "a", "b")
		for _, test := range streamTargets {
			res, _ := r.ask("HEAD " + test.target + " HTTP/1.1\r\nHost: gateway\r\n\r\n").answer("HEAD")
			if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/x-mixed-replace; boundary=") {
				t.Errorf("HEAD %s: %d %v", test.target, res.StatusCode, res.Header)
			}
		}
		for _, test := range snapshotTargets {
			f := r.cameras[test.camera].publish()
			res, _ := r.ask("HEAD " + test.target + " HTTP/1.1\r\nHost: gateway\r\n\r\n").answer("HEAD")
			if res.StatusCode != 200 || res.ContentLength != int64(len(f.JPEG())) {
				t.Errorf("HEAD %s: %d %v", test.target, res.StatusCode, res.Header)
			}
		}
		for _, c := range r.cameras {
			for tr, ts := range c.hub.Stats().Transports {
				if ts.Joined != 0 {
					t.Errorf("HEAD made a viewer: %v %+v", fanout.Transport(tr), ts)
				}
			}
		}
	})
}

func TestOtherMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Metrics: http.NotFoundHandler()}, "a")
		for _, target := range []string{"/stream", "/snapshot.jpg", "/", "/?action=stream", "/api/v1/cameras", "/metrics", "/healthz", "/openapi.yaml"} {
			for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "BREW"} {
				request := method + " " + target + " HTTP/1.1\r\nHost: gateway\r\nContent-Length: 3\r\n\r\na=b"
				res, body := r.ask(request).answer(method)
				if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD, OPTIONS" || !strings.Contains(body, `"status":405`) {
					t.Errorf("%s %s: %d %v %q", method, target, res.StatusCode, res.Header, body)
				}
			}
			res, _ := r.ask("OPTIONS " + target + " HTTP/1.1\r\nHost: gateway\r\n\r\n").answer("OPTIONS")
			if res.StatusCode != 204 || res.Header.Get("Allow") != "GET, HEAD, OPTIONS" || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("OPTIONS %s: %d %v", target, res.StatusCode, res.Header)
			}
		}
	})
}

func TestUnknownIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"} {
			res, body := r.ask(method + " /nowhere HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n").answer(method)
			if res.StatusCode != 404 || method != "HEAD" && !strings.Contains(body, `"status":404`) {
				t.Errorf("%s: %d %s", method, res.StatusCode, body)
			}
		}
		for target, want := range map[string]int{
			"/api/v1/cameras?x": 400, "/api/v1/cameras/a?fps=3": 400, "/api/v1/cameras/a/history?since=1": 400, "/api/v1/cameras/a/config?presist=1": 400,
			"/api/v1/events?interval=1&x=2": 400, "/api/v1/cameras?%zz": 400, "/api/v1/cameras?": 200, "/healthz?x=1": 200, "/state?x=1": 200,
		} {
			res, body := r.ask(get(target)).answer("GET")
			if res.StatusCode != want || want == 400 && (res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "query")) {
				t.Errorf("%s: %d %s", target, res.StatusCode, body)
			}
		}
	})
}

// Addresses as attackers and broken clients write them. Each must be answered, and none with a picture, a file or a redirect
// to another host.
func TestOddAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		for _, target := range []string{
			"/cam/nobody/stream.mjpg", "/cam//stream.mjpg", "/cam/a/", "/cam/a", "/cam/a/stream.mjpg/", "/cam/%00/stream.mjpg",
			"/cam/..%2fa/stream.mjpg", "/cam/a%2fstream.mjpg", "/cam/../../etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
			"/assets/../rig_test.go", "/assets/..%2fserver.go", "/assets/", "/assets/index.html/x", "//evil.example/", "//evil.example/%2f..",
			"/mjpeg/0", "/mjpeg/2", "/mjpeg/-1", "/mjpeg/+1", "/mjpeg/99999999999999999999", "/mjpeg/", "/mjpeg/1x",
			"/?action=stream_1", "/?action=stream_-1", "/?action=stream_x", "/?action=stream_", "/?action=command&id=1", "/?action=%00",
			"/webcam/", "/webcam", "/api/v1/cameras/nobody", "/api/v1/", "/metrics", "/favicon.ico", "/STREAM", "/stream/", "/stream%20",
			"/" + strings.Repeat("a", 7900), "/?action=" + strings.Repeat("a", 7900), "http://gateway/nowhere", "/%ff%fe",
		} {
			res, _ := r.ask(get(target)).answer("GET")
			switch res.StatusCode {
			case 404:
				if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
					t.Errorf("%.60s: a 404 of type %q", target, got)
				}
			case 301, 307, 308:
				to := res.Header.Get("Location")
				if strings.HasPrefix(to, "//") || strings.Contains(to, "://") {
					t.Errorf("%.60s redirects to %s", target, to)
				}
			default:
				t.Errorf("%.60s: %d", target, res.StatusCode)
			}
		}
		for _, request := range []string{
			"GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
			"CONNECT /stream HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
		} {
			near := r.lines.dial()
			go func() { _, _ = io.WriteString(near, request) }() // may be refused before it is read whole
			head := make([]byte, 12)
			if _, err := io.ReadFull(near, head); err != nil || !strings.HasPrefix(string(head), "HTTP/1.1 4") {
				t.Errorf("%.40q: %q, %v", request, head, err)
			}
			near.Close()
		}
		if n := r.cameras[0].hub.Stats().Transports[fanout.MJPEG].Joined; n != 0 {
			t.Errorf("%d streams were opened", n)
		}
	})
}

func TestRequestsAreCountedByClosedLists(t *testing.T) {
	s := New(Options{Perimeter: testPerimeter, Cameras: []Camera{{ID: "a", Hub: fanout.NewHub(Envelope), Status: func() Status { return Status{} }}}})
	for i := range 10000 {
		r := httptest.NewRequest(fmt.Sprintf("M%d", i), fmt.Sprintf("/cam/%d/stream.mjpg", i), nil)
		if i%2 == 0 {
			r = httptest.NewRequest("GET", fmt.Sprintf("/x%d/../y%d", i, i), nil)
		}
		s.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("HEAD", "/cam/a/stream.mjpg", nil))
	s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/healthz", nil))
	counts := s.Stats().Requests
	var total uint64
	for _, n := range counts {
		total += n
	}
	if len(counts) > 5 || total != 10002 {
		t.Errorf("%d requests in %d series: %v", total, len(counts), counts)
	}
	for _, want := range []Request{
		{"/cam/{id}/stream.mjpg", "other", 405}, {"/cam/{id}/stream.mjpg", "HEAD", 200}, {"/healthz", "GET", 200},
	} {
		if counts[want] == 0 {
			t.Errorf("%v was not counted: %v", want, counts)
		}
	}
}

// TestDurations: what is answered once is timed, by its route; what lasts as long as its client wants is not.
func TestDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		r.ask(get("/healthz")).answer("GET")
		r.ask(get("/nowhere")).answer("GET")
		viewer := r.ask(get("/cam/a/stream.mjpg"))
		viewer.stream()
		time.Sleep(time.Second)
		r.server.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/cam/a/snapshot.jpg", nil)) // waits for a picture
		counts := r.server.Stats().Durations
		if len(counts) != 3 {
			t.Errorf("%d routes are timed: %v", len(counts), slices.Collect(maps.Keys(counts)))
		}
		for route, want := range map[string]time.Duration{"/healthz": 0, "/": 0, "/cam/{id}/snapshot.jpg": snapshotWait} {
			h := counts[route]
			if h.Count() != 1 || h.Sum < want.Seconds() || h.Sum > want.Seconds()+.1 {
				t.Errorf("%s: %d answers in %v s, want one in %v", route, h.Count(), h.Sum, want)
			}
		}
	})
}

func TestPanicIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := fanout.NewHub(Envelope)
		s := New(Options{Perimeter: testPerimeter, Cameras: []Camera{{ID: "a", Hub: hub, Status: func() Status { panic("status") }}}})
		rec := httptest.NewRecorder()
		func() {
			defer func() {
				if fault := recover(); fault != http.ErrAbortHandler {
					t.Errorf("net/http sees %v", fault)
				}
			}()
			s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/stream", nil))
		}()
		st := s.Stats()
		if st.Panics != 1 || st.Viewers != 0 || hub.Viewers() != 0 {
			t.Errorf("%+v, %d viewers at the hub", st, hub.Viewers())
		}
	})
}

func TestHealthAndReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		r.cameras[0].set(Status{State: Offline, Cause: CauseAbsent})
		synctest.Wait()
		if res, _ := r.ask(get("/healthz")).answer("GET"); res.StatusCode != 200 {
			t.Errorf("health %d", res.StatusCode)
		}
		res, body := r.ask(get("/readyz")).answer("GET")
		if want := `{"ready":true,"viewers":0,"cameras":[{"id":"a","state":"offline","cause":"absent"}]}` + "\n"; res.StatusCode != 200 || body != want {
			t.Errorf("readiness %d %s", res.StatusCode, body)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		rec := httptest.NewRecorder()
		r.server.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/readyz", nil))
		if rec.Code != 503 || !strings.Contains(rec.Body.String(), `"ready":false`) {
			t.Errorf("readiness after the end: %d %s", rec.Code, rec.Body)
		}
	})
}

func TestAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Version: "1.2.3"}, "a", "b")
		r.cameras[0].set(Status{
			Port: "/dev/ttyUSB0", State: Streaming, Baud: 3000000,
			Device: &Device{Board: "ai-thinker", Sensor: "OV2640", MAC: "24:0a:c4:00:00:01", BootID: "0badcafe"},
			Frames: FrameCounts{Received: 12, Published: 10, Rejected: map[string]uint64{"incomplete": 2}, Lost: 3, Skipped: 4},
		})
		r.cameras[1].set(Status{Port: "/dev/ttyUSB1", State: Offline, Cause: CausePermission, Reason: "no permission; try: usermod"})
		c := r.ask(get("/cam/a/stream.mjpg"))
		c.stream()
		synctest.Wait()
		c.want(r.cameras[0].publish())

		res, body := r.ask(get("/api/v1/cameras")).answer("GET")
		var list struct {
			Version string
			Cameras []Status
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil || res.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%v %s", err, body)
		}
		if list.Version != "1.2.3" || len(list.Cameras) != 2 {
			t.Fatalf("%s", body)
		}
		a, b := list.Cameras[0], list.Cameras[1]
		if a.ID != "a" || a.Cause != CauseNone || a.Width != 32 || a.Height != 24 || a.Viewers != 1 || a.LastFrameAge == nil ||
			*a.LastFrameAge != 0 || a.Device.Board != "ai-thinker" || a.Frames.Rejected["incomplete"] != 2 || a.Baud != 3000000 {
			t.Errorf("a: %s", body)
		}
		if b.ID != "b" || b.Cause != CausePermission || b.Device != nil || b.LastFrameAge != nil || b.Reason == "" {
			t.Errorf("b: %s", body)
		}
		for _, key := range []string{`"device":null`, `"rejected":{}`, `"last_frame_age_seconds":null`, `"skipped_by_device":4`, `"boot_id":"0badcafe"`} {
			if !strings.Contains(body, key) {
				t.Errorf("no %s in %s", key, body)
			}
		}

		_, one := r.ask(get("/api/v1/cameras/b")).answer("GET")
		var single Status
		if err := json.Unmarshal([]byte(one), &single); err != nil || single.Port != "/dev/ttyUSB1" {
			t.Errorf("%v %s", err, one)
		}
	})
}

func TestNoCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		for target, want := range map[string]int{"/": 200, "/stream": 404, "/snapshot.jpg": 404, "/mjpeg/1": 404, "/?action=stream": 404, "/api/v1/cameras": 200} {
			if res, _ := r.ask(get(target)).answer("GET"); res.StatusCode != want {
				t.Errorf("%s: %d, want %d", target, res.StatusCode, want)
			}
		}
	})
}

func TestSameIDTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(Options{Perimeter: testPerimeter, Cameras: []Camera{{ID: "a"}, {ID: "a"}}})
}

// A body nobody asked for must not hold a connection for ever.
func TestEndlessBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		c := r.ask("GET /healthz HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100000\r\n\r\nabc")
		start := time.Now()
		if res, _ := c.answer("GET"); res.StatusCode != 200 || time.Since(start) != 0 {
			t.Errorf("status %d after %v", res.StatusCode, time.Since(start))
		}
		if _, err := c.in.ReadByte(); err != io.EOF {
			t.Errorf("the connection stays: %v", err)
		}
	})
}

func TestRequestThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		c := r.ask("GET / HTTP/1.1\r\nHost: ")
		if _, err := io.ReadAll(c.in); err != nil {
			t.Error(err)
		}
		synctest.Wait() // the client sees the end before the server has counted it
		if n := r.server.Stats().Connections.Open; n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}
