package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// fakeControls is a camera with some settings, which takes every value or fails as told.
type fakeControls struct {
	mu      sync.Mutex
	failure error
	changes []Change
	how     How
}

func (f *fakeControls) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

// taken returns what was asked for since the last call.
func (f *fakeControls) taken() ([]Change, How) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := f.changes
	f.changes = nil
	return changes, f.how
}

func (f *fakeControls) Controls() ([]Control, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, wrong := errors.AsType[Mistakes](f.failure); f.failure != nil && !wrong {
		return nil, f.failure
	}
	return []Control{
		{Name: "size", Value: "640x480", Min: "96x96", Max: "1600x1200", Label: "VGA"},
		{Name: "quality", Value: 12, Min: 0, Max: 63, Auto: true},
		{Name: "brightness", Value: -1, Min: -2, Max: 2},
		{Name: "target_fps", Value: 12.5, Min: 0.0, Max: 120.0},
		{Name: "effect", Value: 3, Min: 0, Max: 6},
		{Name: "xclk_hz", Value: 20000000, Min: 20000000, Max: 20000000, ReadOnly: true},
		{Name: "denoise", Unsupported: true},
	}, nil
}

func (f *fakeControls) Change(_ context.Context, changes []Change, how How) ([]Control, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return nil, f.failure
	}
	f.changes, f.how = append(f.changes, changes...), how
	var set []Control
	for _, c := range changes {
		set = append(set, Control{Name: c.Name, Value: c.Value, Min: 0, Max: 9, Clamped: how.Clamp})
	}
	return set, nil
}

// controlRig is a server whose cameras have settings.
func controlRig(t *testing.T, o Options) (*rig, []*fakeControls) {
	fakes := []*fakeControls{{}, {}}
	r := newRig(t, o, "a", "b")
	for i, c := range r.server.cameras() {
		c.Controls = fakes[i]
	}
	return r, fakes
}

// send makes a request with a body.
func send(method, target, headers, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: gateway\r\n%sContent-Length: %d\r\n\r\n%s", method, target, headers, len(body), body)
}

const asJSON = "Content-Type: application/json\r\n"

func TestConfigIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fakes := controlRig(t, Options{})
		res, body := r.ask(get("/api/v1/cameras/a/config")).answer("GET")
		want := `{"brightness":{"value":-1,"min":-2,"max":2,"supported":true,"read_only":false},` +
			`"denoise":{"value":null,"min":null,"max":null,"supported":false,"read_only":false},` +
			`"effect":{"value":3,"min":0,"max":6,"supported":true,"read_only":false},` +
			`"quality":{"value":12,"min":0,"max":63,"supported":true,"read_only":false,"auto":true},` +
			`"size":{"value":"640x480","min":"96x96","max":"1600x1200","supported":true,"read_only":false,"name":"VGA"},` +
			`"target_fps":{"value":12.5,"min":0,"max":120,"supported":true,"read_only":false},` +
			`"xclk_hz":{"value":20000000,"min":20000000,"max":20000000,"supported":true,"read_only":true}}` + "\n"
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || body != want {
			t.Errorf("%d %s\nwant %s", res.StatusCode, body, want)
		}
		res, body = r.ask("HEAD /api/v1/cameras/a/config HTTP/1.1\r\nHost: gateway\r\n\r\n").answer("HEAD")
		if res.StatusCode != 200 || res.ContentLength != int64(len(want)) || body != "" {
			t.Errorf("HEAD: %d %v", res.StatusCode, res.Header)
		}
		fakes[1].fail(ErrNotLinked)
		r.cameras[1].set(Status{State: Offline, Cause: CauseAbsent})
		if res, body := r.ask(get("/api/v1/cameras/b/config")).answer("GET"); res.StatusCode != 503 || !strings.Contains(body, `"cause":"absent"`) {
			t.Errorf("offline: %d %s", res.StatusCode, body)
		}
		if res, _ := r.ask(get("/api/v1/cameras/c/config")).answer("GET"); res.StatusCode != 404 {
			t.Errorf("no such camera: %d", res.StatusCode)
		}
	})
}

func TestPatch(t *testing.T) {
	long := strings.Repeat("x", bodyLimit)
	for _, tt := range []struct {
		name, target, headers, body string

		status  int
		changes []Change
		how     How
		answer  string
	}{
		{"kinds of values", "", asJSON, `{"quality":12,"size":"VGA","vflip":true,"target_fps":12.5,"brightness":-2}`, 200,
			[]Change{{"quality", "12"}, {"size", "VGA"}, {"vflip", "true"}, {"target_fps", "12.5"}, {"brightness", "-2"}}, How{}, `"quality":{"value":"12",`},
		{"half a wish", "?clamp=maybe", asJSON, `{"quality":99}`, 400, nil, How{}, `bad clamp`},
		{"misspelt", "?presist=1", asJSON, `{"quality":9}`, 400, nil, How{}, `presist`},
		{"clamp", "?clamp=1", asJSON, `{"quality":99}`, 200, []Change{{"quality", "99"}}, How{Clamp: true}, `"clamped":true`},
		{"persist", "?persist=true&clamp=0", asJSON, `{"quality":9}`, 200, []Change{{"quality", "9"}}, How{Persist: true}, ``},
		{"charset", "", "Content-Type: application/json; charset=utf-8\r\n", ` {"quality":9} `, 200, []Change{{"quality", "9"}}, How{}, ``},
		{"nothing", "", asJSON, `{}`, 200, nil, How{}, `{}`},
		{"no type", "", "", `{"quality":9}`, 415, nil, How{}, `application/json`},
		{"form", "", "Content-Type: application/x-www-form-urlencoded\r\n", `quality=9`, 415, nil, How{}, ``},
		{"text", "", "Content-Type: text/plain\r\n", `{"quality":9}`, 415, nil, How{}, ``},
		{"empty", "", asJSON, ``, 400, nil, How{}, `unexpected EOF`},
		{"cut", "", asJSON, `{"quality":9`, 400, nil, How{}, ``},
		{"list", "", asJSON, `["quality"]`, 400, nil, How{}, `it is no object`},
		{"two objects", "", asJSON, `{"quality":9}{"quality":10}`, 400, nil, How{}, `something follows it`},
		{"null", "", asJSON, `{"quality":null}`, 400, nil, How{}, `no number, text, true or false`},
		{"nested", "", asJSON, `{"quality":{"value":9}}`, 400, nil, How{}, `\"quality\"`},
		{"twice", "", asJSON, `{"quality":9,"quality":10}`, 400, nil, How{}, `is given twice`},
		{"rubbish", "", asJSON, `quality=9`, 400, nil, How{}, ``},
		{"too long", "", asJSON, `{"quality":"` + long + `"}`, 413, nil, How{}, `16384`},
		{"too long behind", "", asJSON, `{"quality":9}` + strings.Repeat(" ", bodyLimit), 413, nil, How{}, `16384`},
		{"other site", "", asJSON + "Sec-Fetch-Site: cross-site\r\n", `{"quality":9}`, 403, nil, How{}, `another site`},
		{"other origin", "", asJSON + "Origin: http://evil.example\r\n", `{"quality":9}`, 403, nil, How{}, ``},
		{"own page", "", asJSON + "Origin: http://gateway\r\nSec-Fetch-Site: same-origin\r\n", `{"quality":9}`, 200, []Change{{"quality", "9"}}, How{}, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, fakes := controlRig(t, Options{})
				near := r.lines.dial()
				// A body that is too long is not read to its end.
				go func() {
					_, _ = near.Write([]byte(send("PATCH", "/api/v1/cameras/b/config"+tt.target, tt.headers, tt.body)))
				}()
				c := newClient(t, near, "")
				res, body := c.answer("PATCH")
				if res.StatusCode != tt.status || !strings.Contains(body, tt.answer) {
					t.Errorf("%d %s", res.StatusCode, body)
				}
				if tt.status != 200 && res.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("an error of type %s", res.Header.Get("Content-Type"))
				}
				changes, how := fakes[1].taken()
				if !slices.Equal(changes, tt.changes) || how != tt.how {
					t.Errorf("asked for %v %+v, want %v %+v", changes, how, tt.changes, tt.how)
				}
				if changes, _ := fakes[0].taken(); changes != nil {
					t.Errorf("another camera was asked for %v", changes)
				}
			})
		})
	}
}

func TestWhyNothingWasChanged(t *testing.T) {
	for _, tt := range []struct {
		failure error
		status  int
		want    []string
	}{
		{ErrNotLinked, 503, []string{"not linked"}},
		{ErrBusy, 503, []string{"too many requests"}},
		{ErrOneWay, 409, []string{"transmit wire"}},
		{ErrNoAnswer, 504, []string{"does not answer"}},
		{ErrRefused, 502, []string{"refuses"}},
		{ErrNoPersist, 422, []string{"cannot keep", "nothing was set"}},
		{context.Canceled, 503, nil},
		{Mistakes{{Name: "quality", Value: "99", Reason: "out_of_range", Detail: "quality=99: out of range: 0 to 63", Min: 0, Max: 63}}, 422,
			[]string{`"name":"quality","value":"99","reason":"out_of_range"`, `"min":0,"max":63`, "nothing was set"}},
		{Mistakes{{Name: "qualty", Value: "9", Reason: "unknown", Detail: "qualty=9: there is no such setting"}}, 422,
			[]string{`"name":"qualty"`, `"known":["size","quality","brightness","target_fps","effect"]`}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, fakes := controlRig(t, Options{AllowGetControl: true})
			fakes[0].fail(tt.failure)
			for _, request := range []string{
				send("PATCH", "/api/v1/cameras/a/config", asJSON, `{"quality":99}`), send("POST", "/control?var=quality&val=99", "", ""),
				get("/control?var=quality&val=99"),
			} {
				res, body := r.ask(request).answer("PATCH")
				if res.StatusCode != tt.status || res.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%v: %d %s", tt.failure, res.StatusCode, body)
				}
				for _, want := range tt.want {
					if !strings.Contains(body, want) {
						t.Errorf("%v: no %s in %s", tt.failure, want, body)
					}
				}
			}
		})
	}
}

func TestCameraWithoutControls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		for _, request := range []string{get("/api/v1/cameras/a/config"), get("/status"), send("PATCH", "/api/v1/cameras/a/config", asJSON, `{"quality":9}`),
			send("POST", "/control?var=quality&val=9", "", "")} {
			if res, _ := r.ask(request).answer("GET"); res.StatusCode != 503 {
				t.Errorf("%.30q: %d", request, res.StatusCode)
			}
		}
	})
}

func TestConfigMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fakes := controlRig(t, Options{})
		for _, method := range []string{"POST", "PUT", "DELETE", "BREW"} {
			res, _ := r.ask(send(method, "/api/v1/cameras/a/config", asJSON, `{"quality":9}`)).answer(method)
			if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD, PATCH, OPTIONS" {
				t.Errorf("%s: %d %v", method, res.StatusCode, res.Header)
			}
		}
		if changes, _ := fakes[0].taken(); changes != nil {
			t.Errorf("changed %v", changes)
		}
		r.ask(send("PATCH", "/api/v1/cameras/a/config", asJSON, `{"quality":9}`)).answer("PATCH")
		if n := r.server.Stats().Requests[Request{"/api/v1/cameras/{id}/config", "PATCH", 200}]; n != 1 {
			t.Errorf("%d requests counted", n)
		}
	})
}

func TestControl(t *testing.T) {
	form := "Content-Type: application/x-www-form-urlencoded\r\n"
	for _, tt := range []struct {
		name, method, target, headers, body string

		status  int
		changes []Change
		how     How
	}{
		{"quality", "POST", "/control?var=quality&val=12", "", "", 200, []Change{{"quality", "12"}}, How{}},
		{"by name", "POST", "/cam/a/control?var=quality&val=12", "", "", 200, []Change{{"quality", "12"}}, How{}},
		{"framesize", "POST", "/control?var=framesize&val=10", "", "", 200, []Change{{"size", "VGA"}}, How{}},
		{"smallest", "POST", "/control?var=framesize&val=0", "", "", 200, []Change{{"size", "96X96"}}, How{}},
		{"largest", "POST", "/control?var=framesize&val=24", "", "", 200, []Change{{"size", "5MP"}}, How{}},
		{"framesize by name", "POST", "/control?var=framesize&val=QVGA", "", "", 200, []Change{{"size", "QVGA"}}, How{}},
		{"no such framesize", "POST", "/control?var=framesize&val=25", "", "", 422, nil, How{}},
		{"negative framesize", "POST", "/control?var=framesize&val=-1&clamp=1", "", "", 422, nil, How{}},
		{"effect", "POST", "/control?var=special_effect&val=2", "", "", 200, []Change{{"effect", "2"}}, How{}},
		{"lamp", "POST", "/control?var=led_intensity&val=200", "", "", 200, []Change{{"lamp", "200"}}, How{}},
		{"form", "POST", "/control", form, "var=awb_gain&val=1&persist=1&clamp=1", 200, []Change{{"awb_gain", "1"}}, How{true, true}},
		{"no value", "POST", "/control?var=quality", "", "", 400, nil, How{}},
		{"no name", "POST", "/control?val=3", "", "", 400, nil, How{}},
		{"bad query", "POST", "/control?var=%zz&val=3", "", "", 400, nil, How{}},
		{"long form", "POST", "/control", form, "var=quality&val=1" + strings.Repeat("x", bodyLimit), 400, nil, How{}},
		{"other site", "POST", "/control?var=quality&val=12", "Sec-Fetch-Site: cross-site\r\n", "", 403, nil, How{}},
		{"other origin", "POST", "/control?var=quality&val=12", "Origin: http://evil.example\r\n", "", 403, nil, How{}},
		{"get", "GET", "/control?var=quality&val=12", "", "", 405, nil, How{}},
		{"get by name", "GET", "/cam/a/control?var=quality&val=12", "", "", 405, nil, How{}},
		{"head", "HEAD", "/control?var=quality&val=12", "", "", 405, nil, How{}},
		{"no such camera", "POST", "/cam/c/control?var=quality&val=12", "", "", 404, nil, How{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, fakes := controlRig(t, Options{})
				near := r.lines.dial()
				go func() { _, _ = near.Write([]byte(send(tt.method, tt.target, tt.headers, tt.body))) }()
				res, body := newClient(t, near, "").answer(tt.method)
				if res.StatusCode != tt.status {
					t.Errorf("%d %s", res.StatusCode, body)
				}
				if tt.status == 200 && body != "" {
					t.Errorf("body %q", body)
				}
				if tt.status == 405 && (res.Header.Get("Allow") != "POST, OPTIONS" || tt.method == "GET" && !strings.Contains(body, "--allow-get-control")) {
					t.Errorf("%v %s", res.Header, body)
				}
				if changes, how := fakes[0].taken(); !slices.Equal(changes, tt.changes) || how != tt.how {
					t.Errorf("asked for %v %+v, want %v %+v", changes, how, tt.changes, tt.how)
				}
			})
		})
	}
}

func TestControlByGet(t *testing.T) {
	for _, tt := range []struct {
		method, headers string
		status          int
	}{
		{"GET", "", 200},
		{"GET", "Sec-Fetch-Site: same-origin\r\n", 200},
		{"GET", "Sec-Fetch-Site: none\r\n", 200}, // typed by a person
		{"GET", "Sec-Fetch-Site: cross-site\r\n", 403},
		{"GET", "Sec-Fetch-Site: same-site\r\n", 403},
		{"GET", "Origin: http://evil.example\r\n", 403},
		{"POST", "", 200},
		{"HEAD", "", 405},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, fakes := controlRig(t, Options{AllowGetControl: true})
			res, body := r.ask(send(tt.method, "/control?var=quality&val=12", tt.headers, "")).answer(tt.method)
			if res.StatusCode != tt.status {
				t.Errorf("%s %s: %d %s", tt.method, tt.headers, res.StatusCode, body)
			}
			if changes, _ := fakes[0].taken(); (len(changes) == 1) != (tt.status == 200) {
				t.Errorf("%s %s: asked for %v", tt.method, tt.headers, changes)
			}
		})
	}
}

func TestStatusOfCameraWebServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fakes := controlRig(t, Options{})
		for _, target := range []string{"/status", "/cam/b/status"} {
			res, body := r.ask(get(target)).answer("GET")
			var state map[string]int
			if err := json.Unmarshal([]byte(body), &state); err != nil || res.StatusCode != 200 {
				t.Fatalf("%s: %d %v %s", target, res.StatusCode, err, body)
			}
			// The names of its status_handler, and vflip.
			for _, name := range strings.Fields("xclk pixformat framesize quality brightness contrast saturation sharpness special_effect " +
				"wb_mode awb awb_gain aec aec2 ae_level aec_value agc agc_gain gainceiling bpc wpc raw_gma lenc hmirror dcw colorbar " +
				"led_intensity vflip") {
				if _, ok := state[name]; !ok {
					t.Errorf("%s: no %s", target, name)
				}
			}
			for name, want := range map[string]int{"framesize": 10, "quality": 12, "brightness": -1, "special_effect": 3, "xclk": 20,
				"pixformat": 4, "led_intensity": -1, "denoise": 0} {
				if state[name] != want {
					t.Errorf("%s: %s is %d, want %d", target, name, state[name], want)
				}
			}
		}
		fakes[0].fail(ErrNotLinked)
		if res, _ := r.ask(get("/status")).answer("GET"); res.StatusCode != 503 {
			t.Errorf("offline: %d", res.StatusCode)
		}
	})
}
