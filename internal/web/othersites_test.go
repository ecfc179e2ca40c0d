package web

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestCSRF (CVE-2024-29192, go2rtc): no page of another site changes anything, in whatever way a page can send a request: with the
// cookie, or a browser's remembered password, and without users at all.
func TestCSRF(t *testing.T) {
	w := newTown(t, Options{AllowGetControl: true})
	open := newTown(t, Options{AllowGetControl: true})
	open.server.options.Access = nil
	cookie := "Cookie: camgw_session=" + w.session("ann")
	changes := []struct{ method, target, kind, body string }{
		{"POST", "/control?var=quality&val=12", "application/x-www-form-urlencoded", ""},
		{"POST", "/control", "application/x-www-form-urlencoded", "var=quality&val=12"},
		{"POST", "/control?var=quality&val=12", "multipart/form-data; boundary=x", "--x--\r\n"},
		{"POST", "/cam/a/control?var=quality&val=12", "text/plain", "a=b"},
		{"GET", "/control?var=quality&val=12", "", ""},
		{"GET", "/cam/b/control?var=quality&val=12", "", ""},
		{"PATCH", "/api/v1/cameras/a/config", "application/json", `{"quality":12}`},
		{"PATCH", "/api/v1/cameras/a/config", "text/plain", `{"quality":12}`},
		{"POST", "/api/v1/cameras/a/config", "text/plain", `{"quality":12}`},
		{"POST", "/api/v1/cameras/a/links", "application/json", `{"for":"1h"}`},
		{"POST", "/api/v1/session", "application/x-www-form-urlencoded", "user=ann&password=" + url.QueryEscape(townPassword)},
		{"DELETE", "/api/v1/session", "", ""},
		{"DELETE", "/api/v1/viewers/1", "", ""},
	}
	from := map[string][]string{
		"another site":                 {"Origin: http://evil.example", "Sec-Fetch-Site: cross-site"},
		"another site over plain HTTP": {"Origin: http://evil.example"},
		"another port":                 {"Origin: http://example.com:81", "Sec-Fetch-Site: same-site"},
		"a sandbox":                    {"Origin: null"},
		"a sandbox with its site":      {"Origin: null", "Sec-Fetch-Site: cross-site"},
		"a name that begins like ours": {"Origin: http://example.com.evil.example"},
		"a user called like us":        {"Origin: http://example.com@evil.example"},
		"two origins":                  {"Origin: http://evil.example", "Origin: http://example.com"},
		"a picture's address":          {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"},
		"a link":                       {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"},
		"a picture over plain HTTP":    {"Referer: http://evil.example/x"},
	}
	for name, headers := range from {
		for _, c := range changes {
			if c.method != "GET" && (name == "a picture over plain HTTP") {
				continue // only GET comes without an origin
			}
			for who, credential := range map[string]string{"cookie": cookie, "password": basic("ann", townPassword), "token": bearer(w.token["admin"])} {
				if rec := w.send(c.method, c.target, c.body, append([]string{"Content-Type: " + c.kind, credential}, headers...)...); rec.Code != 403 && rec.Code != 405 {
					t.Errorf("%s, %s %s (%s) with %s: %d", name, c.method, c.target, c.kind, who, rec.Code)
				}
			}
			if rec := open.send(c.method, c.target, c.body, append([]string{"Content-Type: " + c.kind}, headers...)...); rec.Code != 403 && rec.Code != 405 {
				t.Errorf("%s, %s %s (%s) with nobody asked: %d", name, c.method, c.target, c.kind, rec.Code)
			}
		}
	}
	// A cookie alone is no wish: a browser would have said where the request was made.
	for _, c := range changes {
		if rec := w.send(c.method, c.target, c.body, "Content-Type: "+c.kind, cookie); rec.Code != 403 && rec.Code != 405 {
			t.Errorf("no origin, %s %s: %d", c.method, c.target, rec.Code)
		}
	}
	for _, one := range []*fakeControls{w.control, open.control} {
		if changes, _ := one.taken(); len(changes) != 0 {
			t.Errorf("set: %v", changes)
		}
	}
	// Our own page and programs may.
	for name, headers := range map[string][]string{
		"our page": {cookie, "Origin: http://example.com", "Sec-Fetch-Site: same-origin"}, "our page over plain HTTP": {cookie, "Origin: http://example.com"}, "a program": {bearer(w.token["operator"])},
	} {
		if rec := w.send("PATCH", "/api/v1/cameras/a/config", `{"quality":12}`, append(headers, "Content-Type: application/json")...); rec.Code != 200 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestDNSRebinding (CVE-2026-34742's class): the server answers to its own names, and to no other that is made to point at it.
func TestDNSRebinding(t *testing.T) {
	w := newTown(t, Options{Perimeter: Perimeter{Hosts: []string{"pi", "pi.local", "cams.example.net"}}})
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8080": 200, "192.168.1.9:8080": 200, "[::1]": 200, "[::1]:8080": 200, "[fe80::1%25eth0]:8080": 200, "localhost": 200, "localhost:8080": 200, "LOCALHOST": 200, "localhost.": 200,
		"pi": 200, "PI:80": 200, "pi.local": 200, "pi.local.:8080": 200, "cams.example.net": 200, "Cams.Example.Net:443": 200, "": 200,
		"evil.example": 421, "evil.example:8080": 421, "pi.evil.example": 421, "cams.example.net.evil.example": 421, "xcams.example.net": 421, "example.net": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
		"127.0.0.1.nip.io": 421, "2130706433": 421, "0x7f000001": 421, "127.1": 421, "pi.lan": 421, "pi.local.evil": 421, "pi:80:80": 421, "pi@evil.example": 421, "evil.example#pi": 421, "[pi]": 421, "pi..": 421, "localhost:": 200, "*": 421, "..": 421,
		strings.Repeat("a", 4000): 421, "\u202epi": 421,
	} {
		for _, target := range []string{"/healthz", "/", "/cam/a/snapshot.jpg", "/api/v1/ws", "/api/v1/session", "/assets/base.css", "/nowhere", "/metrics"} {
			rec := w.ask("GET", target, "Host: "+host, bearer(w.token["admin"]))
			if (rec.Code == 421) != (want == 421) {
				t.Errorf("Host: %.40s, %s: %d", host, target, rec.Code)
			}
			if rec.Code == 421 && (rec.Body.Len() > 600 || strings.Contains(rec.Body.String(), "\u202e")) {
				t.Errorf("Host: %.40s: the answer is %s", host, rec.Body)
			}
		}
	}
	if w.server.Stats().Rejections[RejectHost] == 0 {
		t.Error("nothing is counted")
	}
}

// TestCrossSiteWebSocket (moonfire-nvr): another site's page cannot open the socket with its visitor's cookie.
func TestCrossSiteWebSocket(t *testing.T) {
	w := newTown(t, Options{Perimeter: Perimeter{Hosts: testPerimeter.Hosts, Origins: []string{"https://mainsail.lan"}}})
	cookie, token := "Cookie: camgw_session="+w.session("ann"), bearer(w.token["viewer"])
	for _, c := range []struct {
		name    string
		headers []string
		want    int // 426: let in; the handshake itself is not one
	}{
		{"a program", []string{token}, 426},
		{"our page", []string{cookie, "Origin: http://example.com", "Sec-Fetch-Site: same-origin"}, 426},
		{"our page over plain HTTP", []string{cookie, "Origin: http://example.com"}, 426},
		{"a listed site", []string{token, "Origin: https://mainsail.lan", "Sec-Fetch-Site: cross-site"}, 426},
		{"another site", []string{cookie, "Origin: http://evil.example"}, 403},
		{"another site with a token", []string{token, "Origin: http://evil.example"}, 403},
		{"another site that says so", []string{cookie, "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"another scheme of a listed site", []string{cookie, "Origin: http://mainsail.lan"}, 403},
		{"another port", []string{cookie, "Origin: http://example.com:81"}, 403},
		{"another port that says so", []string{cookie, "Origin: http://example.com:81", "Sec-Fetch-Site: same-site"}, 403},
		{"a sandbox", []string{cookie, "Origin: null"}, 403},
		{"a longer name", []string{cookie, "Origin: http://example.com.evil.example"}, 403},
		{"two origins", []string{cookie, "Origin: http://example.com", "Origin: http://evil.example"}, 403},
		{"no origin, but a browser's cookie", []string{cookie}, 403},
		{"nobody", nil, 401},
		{"nobody from our page", []string{"Origin: http://example.com"}, 401},
	} {
		rec := w.ask("GET", "/api/v1/ws", c.headers...)
		if rec.Code != c.want {
			t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
		}
		if c.want == 401 && strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Basic") && len(c.headers) > 0 && rec.Header().Get("Upgrade") != "" {
			t.Errorf("%s: the browser would ask for a password", c.name)
		}
	}
}

// TestFetchMetadata: what a page of another site can have a browser ask for shows it nothing.
func TestFetchMetadata(t *testing.T) {
	w := newTown(t, Options{Perimeter: Perimeter{Hosts: testPerimeter.Hosts, Origins: []string{"https://mainsail.lan"}}})
	frames := newTown(t, Options{Perimeter: Perimeter{Hosts: testPerimeter.Hosts, FrameAncestors: []string{"https://ha.lan"}}})
	as := func(w *town) string { return basic("ann", townPassword) } // which a browser sends along by itself
	sent := func(site, mode, dest string, more ...string) []string {
		return append([]string{"Sec-Fetch-Site: " + site, "Sec-Fetch-Mode: " + mode, "Sec-Fetch-Dest: " + dest}, more...)
	}
	for _, c := range []struct {
		name                         string
		headers                      []string
		page, picture, list, metrics int
	}{
		{"typed", sent("none", "navigate", "document"), 200, 200, 200, 200},
		{"our page", sent("same-origin", "cors", "empty"), 200, 200, 200, 200},
		{"a link elsewhere", sent("cross-site", "navigate", "document"), 200, 403, 403, 403},
		{"a frame elsewhere", sent("cross-site", "navigate", "iframe"), 403, 403, 403, 403},
		{"a picture elsewhere", sent("cross-site", "no-cors", "image"), 403, 403, 403, 403},
		{"a script elsewhere", sent("cross-site", "cors", "empty", "Origin: http://evil.example"), 403, 403, 403, 403},
		{"a script elsewhere, plain HTTP", []string{"Origin: http://evil.example"}, 403, 403, 403, 403},
		{"a site we do not know of", sent("elsewhere", "no-cors", "image"), 403, 403, 403, 403},
		{"a picture at another port", sent("same-site", "no-cors", "image"), 200, 200, 403, 403},
		{"a script at another port", sent("same-site", "cors", "empty", "Origin: http://example.com:81"), 403, 403, 403, 403},
		{"a listed site's script", sent("cross-site", "cors", "empty", "Origin: https://mainsail.lan"), 200, 200, 200, 200},
		{"a listed site's picture", sent("cross-site", "no-cors", "image", "Referer: https://mainsail.lan/"), 200, 200, 200, 200},
		{"another's with its name in it", sent("cross-site", "no-cors", "image", "Referer: https://evil.example/https://mainsail.lan/"), 403, 403, 403, 403},
		{"a program", nil, 200, 200, 200, 200},
	} {
		for target, want := range map[string]int{"/": c.page, "/cam/a/snapshot.jpg": c.picture, "/cam/a/stream.mjpg": c.picture, "/api/v1/cameras": c.list, "/metrics": c.metrics, "/cam/a/status": c.list} {
			rec := w.ask("GET", target, append(c.headers, as(w))...)
			if rec.Code != want {
				t.Errorf("%s, %s: %d, want %d", c.name, target, rec.Code, want)
			}
		}
	}
	if rec := frames.ask("GET", "/", append(sent("cross-site", "navigate", "iframe"), as(frames))...); rec.Code != 200 ||
		!strings.Contains(rec.Header().Get("Content-Security-Policy"), "frame-ancestors 'self' https://ha.lan") {
		t.Errorf("a frame at a listed site: %d %v", rec.Code, rec.Header())
	}
}

// TestAnswersSayWhatBrowsersMay: every answer has the headers, whatever it is, and CORS is for listed origins alone.
func TestAnswersSayWhatBrowsersMay(t *testing.T) {
	w := newTown(t, Options{Perimeter: Perimeter{Hosts: testPerimeter.Hosts, Origins: []string{"https://mainsail.lan"}}})
	as := bearer(w.token["admin"])
	for _, target := range []string{"/", "/nowhere", "/cam/a/stream.mjpg", "/cam/a/snapshot.jpg", "/cam/x/snapshot.jpg", "/api/v1/cameras", "/api/v1/events", "/api/v1/ws", "/assets/base.css", "/metrics", "/healthz", "/openapi.yaml"} {
		for _, headers := range [][]string{{as}, {}, {as, "Host: evil.example"}, {as, "Origin: http://evil.example"}, {as, "Origin: https://mainsail.lan"}} {
			rec := w.ask("GET", target, headers...)
			h := rec.Header()
			listed := len(headers) == 2 && strings.HasSuffix(headers[1], "mainsail.lan")
			corp, cors := "same-site", ""
			if listed {
				corp, cors = "cross-origin", "https://mainsail.lan"
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") ||
				!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'self'") || h.Get("Cross-Origin-Resource-Policy") != corp || h.Get("Access-Control-Allow-Origin") != cors ||
				h.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
				t.Errorf("%s %v: %d %v", target, headers[min(1, len(headers)):], rec.Code, h)
			}
		}
	}
	for header, want := range map[string]string{
		"Sec-Fetch-Site: same-site":             "cross-origin",
		"Referer: http://example.com:5000/page": "cross-origin", // over plain HTTP a browser says no more
		"Referer: http://evil.example/":         "same-site",
		"Referer: http://example.com.evil/":     "same-site",
		"Referer: http://evil/example.com":      "same-site",
		"Referer: ":                             "same-site",
	} {
		if got := w.ask("GET", "/cam/a/snapshot.jpg", as, header).Header().Get("Cross-Origin-Resource-Policy"); got != want {
			t.Errorf("%s: pictures may be shown %s, want %s", header, got, want)
		}
	}
	preflight := func(origin, method string) *httptest.ResponseRecorder {
		return w.ask("OPTIONS", "/api/v1/cameras/a/config", "Origin: "+origin, "Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: authorization", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors")
	}
	if rec := preflight("https://mainsail.lan", "PATCH"); rec.Code != 204 || rec.Header().Get("Access-Control-Allow-Methods") != "GET, HEAD, PATCH, OPTIONS" ||
		!strings.Contains(rec.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", rec.Code, rec.Header())
	}
	if rec := preflight("http://evil.example", "PATCH"); rec.Code != 403 || rec.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("preflight of another: %d %v", rec.Code, rec.Header())
	}
}

// TestOpenRedirect (mediamtx 2766): no answer leads to another site.
func TestOpenRedirect(t *testing.T) {
	w := newTown(t, Options{})
	for _, target := range []string{"//evil.example", "//evil.example/", "//evil.example/%2f..", "/\\evil.example", "/%5cevil.example", "/%2f%2fevil.example", "/cam//evil.example", "/webcam/..//evil.example", "///evil.example/..", "/.//evil.example",
		"/?next=//evil.example", "/?signin=//evil.example", "/?signin=%0d%0aLocation:%20//evil.example"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = target
		if u, err := url.ParseRequestURI(target); err == nil {
			r.URL = u
		}
		rec := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(rec, r)
		if to := rec.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\")) {
			t.Errorf("%s: %d to %s", target, rec.Code, to)
		}
	}
	for _, target := range []string{"/api/v1/session", "//evil.example/api/v1/session"} {
		for _, password := range []string{townPassword, "wrong"} {
			rec := w.send("POST", target, "user=ann&password="+url.QueryEscape(password)+"&next=//evil.example", "Content-Type: application/x-www-form-urlencoded", "X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: //evil.example", "Referer: http://evil.example/")
			if to := rec.Header().Get("Location"); to != "" && to != "../../" && to != "../../?signin=wrong" && to != "/evil.example/api/v1/session" {
				t.Errorf("%s: %d to %s", target, rec.Code, to)
			}
		}
	}
}
