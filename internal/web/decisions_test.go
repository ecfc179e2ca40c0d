package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/access"
)

// decisions is who may do what where, written down a second time: what is about (camera, sight, all, open), the methods with their
// least roles, and whether signed links open it. A new address needs its line here, and a changed one its change.
var decisions = map[string]struct {
	about string
	roles string
	link  bool
}{
	"/cam/{id}/stream.mjpg":        {"camera", "GET:viewer HEAD:viewer", true},
	"/cam/{id}/snapshot.jpg":       {"camera", "GET:viewer HEAD:viewer", true},
	"/cam/{id}/capture":            {"camera", "GET:viewer HEAD:viewer", true},
	"/stream":                      {"camera", "GET:viewer HEAD:viewer", false},
	"/mjpeg/{n}":                   {"camera", "GET:viewer HEAD:viewer", false},
	"/snapshot.jpg":                {"camera", "GET:viewer HEAD:viewer", false},
	"/snapshot":                    {"camera", "GET:viewer HEAD:viewer", false},
	"/jpg":                         {"camera", "GET:viewer HEAD:viewer", false},
	"/capture":                     {"camera", "GET:viewer HEAD:viewer", false},
	"/{$}":                         {"sight", "GET:viewer HEAD:viewer", false},
	"/webcam/{$}":                  {"sight", "GET:viewer HEAD:viewer", false},
	"/state":                       {"camera", "GET:viewer HEAD:viewer", false},
	"/status":                      {"camera", "GET:viewer HEAD:viewer", false},
	"/cam/{id}/status":             {"camera", "GET:viewer HEAD:viewer", false},
	"/api/v1/cameras":              {"sight", "GET:viewer HEAD:viewer", false},
	"/api/v1/cameras/{id}":         {"camera", "GET:viewer HEAD:viewer", false},
	"/api/v1/cameras/{id}/history": {"camera", "GET:viewer HEAD:viewer", false},
	"/api/v1/cameras/{id}/config":  {"camera", "GET:viewer HEAD:viewer PATCH:operator", false},
	"/api/v1/cameras/{id}/links":   {"camera", "POST:operator", false},
	"/api/v1/events":               {"sight", "GET:viewer HEAD:viewer", false},
	"/api/v1/ws":                   {"sight", "GET:viewer", false},
	"/api/v1/viewers":              {"all", "GET:admin HEAD:admin", false},
	"/api/v1/viewers/{viewer}":     {"all", "DELETE:admin", false},
	"/api/v1/session":              {"sight", "DELETE:none GET:viewer HEAD:viewer POST:none", false},
	"/control":                     {"camera", "GET:operator POST:operator", false},
	"/cam/{id}/control":            {"camera", "GET:operator POST:operator", false},
	"/openapi.yaml":                {"sight", "GET:viewer HEAD:viewer", false},
	"/metrics":                     {"all", "GET:viewer HEAD:viewer", false},
	"/assets/{file}":               {"open", "GET:none HEAD:none", false},
	"/healthz":                     {"open", "GET:none HEAD:none", false},
	"/readyz":                      {"open", "GET:none HEAD:none", false},
}

var reaches = map[reach]string{toAll: "open", toCamera: "camera", inSight: "sight", everything: "all"}

// who is somebody who asks.
type who struct {
	name   string
	role   access.Role // None: he is not let in
	scope  string      // the one camera he sees; "": all
	header string
	query  string
	link   bool

	session func() string // a header anew each time: a request may have signed out
}

// cameTo is how far a request came.
func cameTo(rec *httptest.ResponseRecorder) string {
	var p problem
	_ = json.Unmarshal(rec.Body.Bytes(), &p) // a page or a picture is no problem
	switch {
	case rec.Code == 401, rec.Code == 403, rec.Code == 405, rec.Code == 429:
		return fmt.Sprint(rec.Code)
	case rec.Code == 404 && (p.Detail == noSuchName || p.Detail == noSuchNumber):
		return "404"
	}
	return "in"
}

// TestEveryRouteByEverybody: every route the mux has, by every method, for everybody, at every camera, comes out as it was declared, and
// as it is written down above.
func TestEveryRouteByEverybody(t *testing.T) {
	w := newTown(t, Options{AllowGetControl: true})
	people := []who{
		{name: "nobody"},
		{name: "wrong token", header: bearer(access.NewToken())},
		{name: "wrong scheme", header: "Authorization: Digest username=ann"},
		{name: "broken Basic", header: "Authorization: Basic !"},
		{name: "two", header: bearer(w.token["admin"]) + "\n" + bearer(w.token["viewer"])},
		{name: "wrong session", header: "Cookie: camgw_session=AAAA\nOrigin: http://example.com"},
		{name: "session of ann", role: access.Operator, session: func() string { return "Cookie: camgw_session=" + w.session("ann") + "\nOrigin: http://example.com" }},
		{name: "bob by password", role: access.Viewer, scope: "a", header: basic("bob", townPassword)},
		{name: "link to a", role: access.Viewer, scope: "a", query: "sig=" + w.link("a", time.Hour), link: true},
		{name: "link to b", role: access.Viewer, scope: "b", query: "sig=" + w.link("b", time.Hour), link: true},
		{name: "expired link", query: "sig=" + w.expiredLink("a"), link: true},
	}
	for name, token := range w.token {
		role, scope, _ := strings.Cut(name, "-")
		r, err := access.ParseRole(role)
		if err != nil {
			t.Fatal(err)
		}
		people = append(people, who{name: name, role: r, scope: scope, header: bearer(token)})
	}
	for pattern := range decisions {
		if w.server.routes[pattern] == nil {
			t.Errorf("%s is written down, and there is no such route", pattern)
		}
	}
	asked := 0
	for pattern, rt := range w.server.routes {
		d, ok := decisions[pattern]
		if !ok {
			t.Errorf("%s: nobody has written down who may use it", pattern)
			continue
		}
		needs := map[string]access.Role{}
		for one := range strings.FieldsSeq(d.roles) {
			method, name, _ := strings.Cut(one, ":")
			var role access.Role
			if err := role.UnmarshalText([]byte(name)); err != nil {
				t.Fatal(err)
			}
			needs[method] = role
		}
		if !maps.Equal(needs, rt.roles) || reaches[rt.reach] != d.about || rt.link != d.link {
			t.Errorf("%s: declared as %v %s, link %v; written down as %v %s, link %v", pattern, rt.roles, reaches[rt.reach], rt.link, needs, d.about, d.link)
		}
		least := access.Admin
		for _, role := range needs {
			least = min(least, role)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
			need, there := needs[method]
			if method == "OPTIONS" {
				if need, there = needs["GET"]; !there {
					need, there = least, true
				}
			}
			for target, camera := range targetsOf(pattern) {
				for _, p := range people {
					want := "in"
					letIn := p.role > access.None && (!p.link || d.link && p.scope == camera)
					switch {
					case !there:
						want = "405"
					case d.about == "open" || need == access.None:
					case !letIn:
						want = "401"
					case p.role < need:
						want = "403"
					case d.about == "all" && p.scope != "":
						want = "403"
					case camera == "nobody" || d.about == "camera" && p.scope != "" && p.scope != camera:
						want = "404"
					}
					to := target
					if p.query != "" {
						to += "?" + p.query
					}
					header := p.header
					if p.session != nil {
						header = p.session()
					}
					rec := w.ask(method, to, strings.Split(header, "\n")...)
					asked++
					if got := cameTo(rec); got != want {
						t.Errorf("%s %s by %s: %s (%d %.100s), want %s", method, target, p.name, got, rec.Code, rec.Body, want)
					}
				}
			}
		}
	}
	if changes, _ := w.control.taken(); len(changes) != 0 {
		t.Errorf("requests without a setting have set %v", changes)
	}
	t.Logf("%d requests to %d routes", asked, len(w.server.routes))
}

// targetsOf are addresses of a pattern, by each name that the cameras have, with the camera they lead to.
func targetsOf(pattern string) map[string]string {
	switch {
	case strings.Contains(pattern, "{id}"):
		in := func(id string) string { return strings.Replace(pattern, "{id}", id, 1) }
		return map[string]string{in("a"): "a", in("b"): "b", in(macOfB): "b", in("nobody"): "nobody"}
	case strings.Contains(pattern, "{n}"):
		return map[string]string{"/mjpeg/1": "a", "/mjpeg/2": "b", "/mjpeg/3": "nobody"}
	case strings.Contains(pattern, "{file}"):
		return map[string]string{"/assets/base.css": ""}
	case strings.Contains(pattern, "{viewer}"):
		return map[string]string{"/api/v1/viewers/999": ""}
	case strings.HasSuffix(pattern, "{$}"):
		return map[string]string{strings.TrimSuffix(pattern, "{$}"): ""}
	}
	return map[string]string{pattern: "a"} // the first in sight
}

// TestHandlerWithoutDecision (CVE-2026-55863, motionEye): a route for which something was not decided cannot even be made.
func TestHandlerWithoutDecision(t *testing.T) {
	s := New(Options{})
	here := func(http.ResponseWriter, *http.Request) {}
	at := func(http.ResponseWriter, *http.Request, *camera) {}
	watch := showing(access.Viewer)
	for name, rt := range map[string]route{
		"nothing":         {pattern: "/x"},
		"no reach":        {pattern: "/x", roles: watch, answer: here},
		"no roles":        {pattern: "/x", reach: inSight, answer: here},
		"no role":         {pattern: "/x", reach: inSight, roles: showing(access.None), answer: here},
		"role for nobody": {pattern: "/x", reach: toAll, roles: watch, answer: here},
		"no camera":       {pattern: "/x", reach: toCamera, roles: watch, camera: at},
		"no answer":       {pattern: "/x", reach: toCamera, roles: watch, find: byID},
		"both":            {pattern: "/x", reach: toCamera, roles: watch, find: byID, camera: at, answer: here},
		"camera in sight": {pattern: "/x", reach: inSight, roles: watch, find: byID, camera: at},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the route was taken", name)
				}
			}()
			s.muxOf([]route{rt})
		}()
	}
	s.muxOf([]route{{pattern: "/x", reach: inSight, roles: watch, answer: here}})
}

// TestObjectLevelAuthorisation (CVE-2026-33470, Frigate): who is let in for one camera finds no other at any address, is answered the
// same as for one that does not exist, and is told of no other in any list.
func TestObjectLevelAuthorisation(t *testing.T) {
	w := newTown(t, Options{})
	as := bearer(w.token["admin-a"])
	for pattern, rt := range w.server.routes {
		if rt.reach != toCamera || !strings.Contains(pattern, "{id}") {
			continue
		}
		for method := range rt.roles {
			body := func(id string) string {
				rec := w.ask(method, strings.Replace(pattern, "{id}", id, 1), as)
				head := rec.Header()
				return fmt.Sprint(rec.Code, head, rec.Body)
			}
			nobody := body("nobody")
			for _, other := range []string{"b", macOfB, "B", "%62", "a%2f..%2fb", "240ac4000009"} {
				if got := body(other); got != nobody {
					t.Errorf("%s %s of %s: %s\nbut of nobody: %s", method, pattern, other, got, nobody)
				}
			}
		}
	}
	for _, target := range []string{"/mjpeg/2", "/?action=stream_1", "/?action=snapshot_1", "/webcam/?action=stream_1"} {
		if rec := w.ask("GET", target, as); rec.Code != 404 {
			t.Errorf("%s: %d", target, rec.Code)
		}
	}
	for _, target := range []string{"/api/v1/cameras", "/api/v1/events", "/api/v1/cameras/a", "/api/v1/session"} {
		rec := w.ask("GET", target, as)
		if body := rec.Body.String(); rec.Code != 200 || !strings.Contains(body, `"a"`) || strings.Contains(body, `ttyb`) || strings.Contains(body, `"b"`) || strings.Contains(body, "24:0a:c4:00:00:02") {
			t.Errorf("%s: %d %s", target, rec.Code, body)
		}
	}
	// Numbers count what is in sight: the first camera of who sees b alone is b.
	token := access.NewToken()
	w.book.Tokens = append(w.book.Tokens, access.Account{Name: "only-b", Secret: access.TokenDigest(token), Role: access.Viewer, Cameras: []string{"b"}})
	w.keeper.Replace(w.book)
	if rec := w.ask("GET", "/state", bearer(token)); !strings.Contains(rec.Body.String(), `"instance_id":"b"`) {
		t.Errorf("the first camera: %s", rec.Body)
	}
}

// TestStreamListenerAsksToo: the second listener, with nothing but /stream, is no way around.
func TestStreamListenerAsksToo(t *testing.T) {
	w := newTown(t, Options{})
	h := w.server.near(w.server.streamMux())
	for _, header := range []string{"", bearer(access.NewToken())} {
		r := httptest.NewRequest("GET", "/stream", nil)
		if name, value, ok := strings.Cut(header, ": "); ok {
			r.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 401 {
			t.Errorf("%q: %d", header, rec.Code)
		}
	}
}

// TestNobodyIsAsked: without users everybody may do everything, and is told so.
func TestNobodyIsAsked(t *testing.T) {
	for _, s := range []*Server{
		New(Options{Perimeter: testPerimeter}), New(Options{Perimeter: testPerimeter, Access: access.New(access.Options{})}),
	} {
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/api/v1/session", nil))
		if want := `{"user":"","kind":"anonymous","role":"admin","cameras":null,"until":null}` + "\n"; rec.Body.String() != want {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		rec = httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/api/v1/viewers", nil))
		if rec.Code != 200 {
			t.Errorf("viewers: %d", rec.Code)
		}
	}
}
