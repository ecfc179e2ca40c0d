package web

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/camgw/camgw/internal/access"
)

// openAPIDocument is what is served, strict where the document leaves room: an answer may have no member that is not in it.
func openAPIDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPIText)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range doc.Components.Schemas {
		seal(s)
	}
	return doc
}

func seal(ref *openapi3.SchemaRef) {
	s := ref.Value
	if s.Items != nil {
		seal(s.Items)
	}
	if s.AdditionalProperties.Schema != nil {
		seal(s.AdditionalProperties.Schema)
		return
	}
	if s.Properties != nil && s.AdditionalProperties.Has == nil {
		no := false
		s.AdditionalProperties.Has = &no
	}
	for _, p := range s.Properties {
		seal(p)
	}
}

// The document and the table of routes agree about where credentials are needed.
func TestOpenAPITellsWhoIsAsked(t *testing.T) {
	doc := openAPIDocument(t)
	s := New(Options{Perimeter: testPerimeter, AllowGetControl: true, Metrics: http.NotFoundHandler()})
	for pattern, rt := range s.routes {
		for method, role := range rt.roles {
			if method == http.MethodHead {
				continue
			}
			operation := doc.Paths.Value(strings.TrimSuffix(pattern, "{$}")).GetOperation(method)
			security := doc.Security
			if operation.Security != nil {
				security = *operation.Security
			}
			if asked := len(security) > 0; asked != (role != access.None) {
				t.Errorf("%s %s: documented as asking: %v, needs the role %v", method, pattern, asked, role)
			}
			links := slices.ContainsFunc(security, func(one openapi3.SecurityRequirement) bool { return one["link"] != nil })
			if links != rt.link {
				t.Errorf("%s %s: documented as taking links: %v, it does: %v", method, pattern, links, rt.link)
			}
		}
	}
}

// The document and the mux have the same addresses and methods.
func TestOpenAPICoversEveryRoute(t *testing.T) {
	doc := openAPIDocument(t)
	s := New(Options{Perimeter: testPerimeter, AllowGetControl: true, Metrics: http.NotFoundHandler()})
	routes := map[string][]string{}
	for pattern, rt := range s.routes {
		pattern = strings.TrimSuffix(pattern, "{$}")
		for m := range rt.roles {
			if m != http.MethodHead {
				routes[pattern] = append(routes[pattern], m)
			}
		}
	}
	for path, item := range doc.Paths.Map() {
		documented := slices.Sorted(maps.Keys(item.Operations()))
		there := slices.Sorted(slices.Values(routes[path]))
		if !slices.Equal(documented, there) {
			t.Errorf("%s: documented are %v, there are %v", path, documented, there)
		}
		delete(routes, path)
	}
	for path, methods := range routes {
		t.Errorf("%s: %v is not documented", path, methods)
	}
}

// Answers are what the document says: status, type, and for JSON every member.
func TestOpenAPIDescribesAnswers(t *testing.T) {
	doc := openAPIDocument(t)
	synctest.Test(t, func(t *testing.T) {
		r, fakes := controlRig(t, Options{Metrics: http.NotFoundHandler(), Version: "1"})
		quality := 12
		full := Status{
			Port: "/dev/x", State: Streaming, Baud: 1e6, Quality: &quality, Auto: &AutoQuality{TargetFPS: 10, Best: 8, Worst: 40},
			Device: &Device{Board: "x", MAC: "24:0a:c4:00:00:01"}, Frames: FrameCounts{Rejected: map[string]uint64{"bad_jpeg": 1}},
			LastError: &Trouble{Time: 1.5, Cause: CauseSilent, Detail: "x"},
			Recovery:  &Recovery{Step: "hook", Reason: "no_answer", Time: 1.5, OK: true},
		}
		r.cameras[1].set(full)
		for range 50 {
			r.cameras[1].publish()
			time.Sleep(100 * time.Millisecond)
		}
		check := func(path, request string, want int) {
			t.Helper()
			method, _, _ := strings.Cut(request, " ")
			res, body := r.ask(request).answer(method)
			if res.StatusCode != want {
				t.Errorf("%.70q: %d %s", request, res.StatusCode, body)
				return
			}
			operation := doc.Paths.Value(path).GetOperation(method)
			response := operation.Responses.Value(strconv.Itoa(want))
			if response == nil {
				t.Errorf("%s %s: %d is not documented", method, path, want)
				return
			}
			content := response.Value.Content[res.Header.Get("Content-Type")]
			if content == nil {
				if len(response.Value.Content) > 0 || len(body) > 0 {
					t.Errorf("%s %s: %d of type %q is not documented", method, path, want, res.Header.Get("Content-Type"))
				}
				return
			}
			if !strings.Contains(res.Header.Get("Content-Type"), "json") {
				return
			}
			var value any
			if err := json.Unmarshal([]byte(body), &value); err != nil {
				t.Error(err)
			}
			if err := content.Schema.Value.VisitJSON(value, openapi3.MultiErrors()); err != nil {
				t.Errorf("%s %s: %v\n%s", method, path, err, body)
			}
		}
		for path, targets := range map[string][]string{
			"/api/v1/cameras": {"/api/v1/cameras"}, "/api/v1/cameras/{id}": {"/api/v1/cameras/a", "/api/v1/cameras/b"},
			"/api/v1/cameras/{id}/history": {"/api/v1/cameras/a/history", "/api/v1/cameras/b/history"},
			"/api/v1/cameras/{id}/config":  {"/api/v1/cameras/b/config"}, "/healthz": {"/healthz"}, "/readyz": {"/readyz"},
			"/state": {"/state"}, "/status": {"/cam/b/status"}, "/cam/{id}/status": {"/cam/b/status"}, "/openapi.yaml": {"/openapi.yaml"},
			"/cam/{id}/snapshot.jpg": {"/cam/b/snapshot.jpg"},
		} {
			for _, target := range targets {
				r.cameras[1].publish()
				check(path, get(target), 200)
			}
		}
		config := "/api/v1/cameras/{id}/config"
		patch := func(query, body string) string { return send("PATCH", "/api/v1/cameras/b/config"+query, asJSON, body) }
		check(config, patch("", `{"quality":12}`), 200)
		check(config, patch("?clamp=1", `{"quality":99}`), 200)
		check(config, patch("?x=1", `{}`), 400)
		check(config, patch("", `[]`), 400)
		check(config, send("PATCH", "/api/v1/cameras/b/config", "", `{}`), 415)
		check(config, send("PATCH", "/api/v1/cameras/b/config", asJSON+"Origin: http://evil.example\r\n", `{}`), 403)
		check(config, send("PATCH", "/api/v1/cameras/nobody/config", asJSON, `{}`), 404)
		for _, failure := range []struct {
			err  error
			code int
		}{
			{Mistakes{{Name: "x", Value: "1", Reason: "unknown", Detail: "d"}, {Name: "quality", Value: "99", Reason: "out_of_range", Detail: "d", Min: 0, Max: 63}}, 422},
			{ErrNoPersist, 422}, {ErrOneWay, 409}, {ErrRefused, 502}, {ErrNoAnswer, 504}, {ErrBusy, 503}, {errors.New("x"), 503},
		} {
			fakes[1].fail(failure.err)
			check(config, patch("", `{"quality":12}`), failure.code)
			check("/cam/{id}/control", send("POST", "/cam/b/control?var=quality&val=1", "", ""), failure.code)
		}
		fakes[1].fail(nil)
		r.cameras[0].set(Status{State: Offline, Cause: CauseAbsent})
		check("/cam/{id}/snapshot.jpg", get("/cam/a/snapshot.jpg"), 503)
		check("/api/v1/cameras/{id}", get("/api/v1/cameras/a"), 200)
		check("/api/v1/cameras", get("/api/v1/cameras?x"), 400)
		check("/api/v1/cameras/{id}", get("/api/v1/cameras/nobody"), 404)
		check("/api/v1/events", get("/api/v1/events?interval=0"), 400)
		check("/api/v1/ws", get("/api/v1/ws"), 426)
		check("/stream", get("/stream?fps=0"), 400)
		check("/control", get("/control?var=quality&val=1"), 405)
		check("/mjpeg/{n}", get("/mjpeg/3"), 404)

		bulletin, _ := r.server.news.current()
		var value any
		if err := json.Unmarshal(bulletin.message(), &value); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas["Bulletin"].Value.VisitJSON(value); err != nil {
			t.Error(err)
		}
	})
}
