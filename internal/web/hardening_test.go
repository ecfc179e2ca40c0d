package web

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/access"
)

// Each test here is of a class of fault that another program of this kind has had.

// TestCraftedURLs (CVE-2020-26566, motion; CVE-2008-2654): whatever stands in a request line is answered with a whole answer, and a
// wrong one is a 4xx.
func TestCraftedURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := controlRig(t, Options{AllowGetControl: true, Metrics: http.NotFoundHandler()})
		r.cameras[0].publish()
		pieces := []string{
			"%", "%0", "%00", "%zz", "%0a", "%0d%0a", "%2e%2e", "%2f", "%5c", "%25", "%252e%252e%252f", "%c0%ae%c0%ae", "%e2%80%ae", "%ff", "%u002f", "..", "...", "//", "\\", ";", ";a=b",
			"?", "??", "#", "&", "=", "?=", "?&&&", "?%", "?%00=%00", "?a[]=b", "?;", "*", "~", "'", "\"", "<img>", "{id}", "$", "{$}", "+", ":", "@", "a:b@c", "[", "]", "[::1]", "|", "`", "\x01", "\x7f", "\x80", "é",
			strings.Repeat("/", 300), strings.Repeat("../", 300), strings.Repeat("%2e", 300), strings.Repeat("a", 9000), strings.Repeat("?", 300), strings.Repeat("&a", 3000),
		}
		bases := []string{"/", "/cam/", "/cam/a/", "/cam/a/stream.mjpg", "/mjpeg/", "/assets/", "/api/v1/cameras/", "/api/v1/cameras/a/config", "/api/v1/viewers/", "/?action=", "/?action=stream_", "/control?var=", "http://gateway/", "http://gateway", "//gateway/"}
		codes := map[int]int{}
		for _, base := range bases {
			for _, piece := range pieces {
				for _, target := range []string{base + piece, base + piece + "/x", piece + base} {
					near := r.lines.dial()
					go func() {
						_, _ = io.WriteString(near, "HEAD "+target+" HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
					}() // may be refused in the middle
					res, err := http.ReadResponse(bufio.NewReader(near), &http.Request{Method: "HEAD"})
					if err != nil {
						t.Errorf("%.60q: %v", target, err)
						near.Close()
						continue
					}
					near.Close()
					codes[res.StatusCode]++
					if to := res.Header.Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "\\") || strings.Contains(to, "://") {
						t.Errorf("%.60q redirects to %q", target, to)
					}
					if res.StatusCode >= 500 {
						t.Errorf("%.60q: %d", target, res.StatusCode)
					}
				}
			}
		}
		t.Logf("answers by status: %v", codes)
	})
}

// TestCredentialCompare (CVE-2025-57808, ESPHome; motionEye's empty password): nothing but the whole of the right credential is
// right, by whatever way it comes.
func TestCredentialCompare(t *testing.T) {
	w := newTown(t, Options{})
	sig, session := w.link("a", time.Hour), w.session("ann")
	near := func(good string) map[string]string {
		last, half := len(good)-1, len(good)/2
		return map[string]string{
			"empty": "", "space": " ", "first": good[:1], "prefix": good[:last], "suffix": good[1:], "longer": good + "a", "before": "a" + good, "twice": good + good,
			"upper": strings.ToUpper(good), "lower": strings.ToLower(good), "swapped": good[:last-1] + good[last:] + good[last-1:last],
			"NUL behind": good + "\x00", "NUL before": "\x00" + good, "NUL within": good[:half] + "\x00" + good[half:], "cut by NUL": good[:half] + "\x00",
			"newline": good + "\n", "star": "*", "percent": "%", "long": strings.Repeat(good, 40), "null": "null", "true": "true", "quoted": `"` + good + `"`,
		}
	}
	check := func(how, good string, headers func(value string) []string, target func(value string) string) {
		t.Helper()
		if rec := w.ask("GET", target(good), headers(good)...); rec.Code != 200 {
			t.Errorf("%s: the right one: %d %s", how, rec.Code, rec.Body)
		}
		for name, value := range near(good) {
			if value == good || how == "session" && (name == "newline" || name == "quoted") {
				continue // which are no part of a cookie's value
			}
			if how == "user" && !slices.Contains([]string{"empty", "prefix", "longer", "upper", "NUL behind"}, name) {
				continue // a name that nobody has costs a bcrypt too
			}
			if rec := w.ask("GET", target(value), headers(value)...); rec.Code != 401 {
				t.Errorf("%s, %s: %d", how, name, rec.Code)
			}
		}
	}
	snapshot := func(string) string { return "/cam/a/snapshot.jpg" }
	check("token", w.token["viewer"], func(v string) []string { return []string{"Authorization: Bearer " + v} }, snapshot)
	check("session", session, func(v string) []string { return []string{"Cookie: camgw_session=" + v} }, snapshot)
	check("link", sig, func(string) []string { return nil }, func(v string) string { return "/cam/a/snapshot.jpg?sig=" + url.QueryEscape(v) })
	check("user", "ann", func(v string) []string { return []string{basic(v, townPassword)} }, snapshot)
	// bcrypt looks at 72 bytes and stops at nothing: each of these costs one.
	for name, value := range map[string]string{
		"empty": "", "prefix": townPassword[:len(townPassword)-1], "longer": townPassword + "a", "upper": strings.ToUpper(townPassword), "NUL behind": townPassword + "\x00", "cut by NUL": townPassword[:7] + "\x00",
	} {
		if rec := w.ask("GET", "/cam/a/snapshot.jpg", basic("ann", value)); rec.Code != 401 {
			t.Errorf("password, %s: %d", name, rec.Code)
		}
	}
	// A credential of one kind is none of another, and none is taken from where it does not belong.
	for name, headers := range map[string][]string{
		"token as password": {basic("viewer", w.token["viewer"])}, "session as token": {bearer(session)}, "link as token": {bearer(sig)},
		"link as session": {"Cookie: camgw_session=" + sig}, "token as session": {"Cookie: camgw_session=" + w.token["viewer"]},
		"no scheme": {"Authorization: " + w.token["viewer"]}, "header of a proxy": {"X-Forwarded-User: ann", "Remote-User: ann", "X-Real-IP: 127.0.0.1"},
		"bare Basic": {"Authorization: Basic"}, "Basic without colon": {"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann"))},
	} {
		if rec := w.ask("GET", "/cam/a/snapshot.jpg", headers...); rec.Code != 401 {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	for _, target := range []string{
		"/cam/a/snapshot.jpg?token=" + w.token["viewer"], "/cam/a/snapshot.jpg?sig=" + w.token["viewer"], "/cam/a/snapshot.jpg?access_token=" + w.token["viewer"],
		"/cam/b/snapshot.jpg?sig=" + url.QueryEscape(sig), "/api/v1/cameras/a?sig=" + url.QueryEscape(sig), "/stream?sig=" + url.QueryEscape(sig), "/cam/a/snapshot.jpg?sig=" + url.QueryEscape(session),
	} {
		if rec := w.ask("GET", target); rec.Code != 401 {
			t.Errorf("%.40s: %d", target, rec.Code)
		}
	}
}

// TestPathTraversal (CVE-2026-55488, motionEye; mediamtx 5602): the page's files are those of the page.
func TestPathTraversal(t *testing.T) {
	w := newTown(t, Options{})
	for _, file := range []string{
		"../server.go", "..%2fserver.go", "%2e%2e/server.go", "%2e%2e%2fserver.go", "..%5cserver.go", "%2fetc%2fpasswd", "/etc/passwd", "....//server.go", "page%2findex.html", "./index.html", "index.html%00.css",
		"index.html/", "base.css%20", "base.css.", "BASE.CSS", "base.css::$DATA", "C:%5cboot.ini", "%c0%ae%c0%ae%2fserver.go", "", ".", "..", "%00", "~root", "index.html%2f..%2f..%2fserver.go",
	} {
		rec := w.ask("GET", "/assets/"+file)
		if rec.Code == 200 || strings.Contains(rec.Body.String(), "package web") || strings.Contains(rec.Body.String(), "root:") {
			t.Errorf("%s: %d %.60s", file, rec.Code, rec.Body)
		}
	}
	if rec := w.ask("GET", "/assets/base.css"); rec.Code != 200 {
		t.Errorf("base.css: %d", rec.Code)
	}
}

// TestTrustedProxyHeader (CVE-2021-25827, Emby): who a request is from is the connection's other end, unless a trusted proxy says
// otherwise; and nobody is let in for where he comes from.
func TestTrustedProxyHeader(t *testing.T) {
	p := newPerimeter(t, Perimeter{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	unix := newPerimeter(t, Perimeter{TrustUnix: true})
	none := newPerimeter(t, Perimeter{})
	for _, c := range []struct {
		of     *perimeter
		remote string
		header []string
		want   string
	}{
		{p, "127.0.0.1:1", []string{"1.2.3.4"}, "1.2.3.4"},
		{p, "127.0.0.1:1", nil, "127.0.0.1"},
		{p, "127.0.0.1:1", []string{""}, "127.0.0.1"},
		{p, "127.0.0.1:1", []string{"6.6.6.6, 1.2.3.4"}, "1.2.3.4"},
		{p, "127.0.0.1:1", []string{"6.6.6.6", "1.2.3.4"}, "1.2.3.4"},
		{p, "127.0.0.1:1", []string{"6.6.6.6, 1.2.3.4, 10.0.0.2"}, "1.2.3.4"},
		{p, "127.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{p, "127.0.0.1:1", []string{"1.2.3.4:5678"}, "1.2.3.4"},
		{p, "127.0.0.1:1", []string{"[2001:db8::1]:5678"}, "2001:db8::1"},
		{p, "127.0.0.1:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{p, "127.0.0.1:1", []string{"::ffff:1.2.3.4"}, "1.2.3.4"},
		{p, "127.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1"},
		{p, "127.0.0.1:1", []string{"nonsense"}, "127.0.0.1"},
		{p, "127.0.0.1:1", []string{"1.2.3.4, nonsense"}, "127.0.0.1"},
		{p, "127.0.0.1:1", []string{"nonsense, 1.2.3.4"}, "1.2.3.4"},
		{p, "127.0.0.1:1", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		{p, "[::ffff:127.0.0.1]:1", []string{"1.2.3.4"}, "1.2.3.4"},
		{p, "[fd00::2]:1", []string{"1.2.3.4"}, "1.2.3.4"},
		{p, "127.0.0.2:1", []string{"1.2.3.4"}, "127.0.0.2"},
		{p, "6.6.6.6:1", []string{"127.0.0.1"}, "6.6.6.6"},
		{p, "@", []string{"1.2.3.4"}, "invalid IP"},
		{unix, "@", []string{"1.2.3.4"}, "1.2.3.4"},
		{unix, "", []string{"1.2.3.4"}, "1.2.3.4"},
		{unix, "127.0.0.1:1", []string{"1.2.3.4"}, "127.0.0.1"},
		{none, "127.0.0.1:1", []string{"1.2.3.4"}, "127.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.header
		if from, shown := c.of.client(r); from.String() != c.want || from.IsValid() && !strings.Contains(shown, from.String()) && !strings.HasPrefix(shown, "[::ffff:") {
			t.Errorf("%s, %q: %v (%s), want %s", c.remote, c.header, from, shown, c.want)
		}
	}
	for _, c := range []struct {
		remote, proto string
		want          bool
	}{
		{"127.0.0.1:1", "https", true}, {"127.0.0.1:1", "HTTPS", true}, {"127.0.0.1:1", "http, https", true}, {"127.0.0.1:1", "https, http", false},
		{"127.0.0.1:1", "", false}, {"127.0.0.1:1", "httpsx", false}, {"6.6.6.6:1", "https", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-Proto", c.proto)
		if got := p.encrypted(r); got != c.want {
			t.Errorf("%s, proto %q: %v", c.remote, c.proto, got)
		}
	}
	w := newTown(t, Options{Perimeter: Perimeter{Hosts: testPerimeter.Hosts, TrustedProxies: p.TrustedProxies}})
	for _, from := range []string{"127.0.0.1:1", "[::1]:1", "6.6.6.6:1", "@"} {
		w.from = from
		for _, h := range []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: ::1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Forwarded-Host: localhost", "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz"} {
			if rec := w.ask("GET", "/cam/a/snapshot.jpg", h); rec.Code != 401 {
				t.Errorf("%s from %s: %d", h, from, rec.Code)
			}
		}
	}
}

func newPerimeter(t *testing.T, of Perimeter) *perimeter {
	t.Helper()
	return New(Options{Perimeter: of}).perimeter.Load()
}

// TestMetricCardinality (CVE-2022-21698, client_golang): whatever is asked, by whatever method and credentials, the counters stay few.
func TestMetricCardinality(t *testing.T) {
	w := newTown(t, Options{})
	before := 0
	for i := range 10000 {
		if i == 2000 { // by then there is everything there can be
			before = len(w.server.Stats().Requests)
		}
		headers := []string{bearer(fmt.Sprint(i)), "Host: gateway"}
		switch i % 4 {
		case 1:
			headers = []string{bearer(w.token["admin"])}
		case 2:
			headers = []string{fmt.Sprintf("Host: h%d", i)}
		}
		target := fmt.Sprintf("/x%d/../y%d?z%d", i, i, i)
		if i%3 > 0 {
			target = fmt.Sprintf("/cam/%d/snapshot.jpg", i)
		}
		r := httptest.NewRequest(fmt.Sprintf("M%d", i), target, nil)
		if i%5 > 1 {
			r.Method = "GET"
		}
		r.RemoteAddr = fmt.Sprintf("10.0.%d.%d:1", i>>8, i&255)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
			if name == "Host" {
				r.Host = value
			}
		}
		w.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	st := w.server.Stats()
	if len(st.Requests) != before || before > 20 || len(st.Durations) > 4 {
		t.Errorf("%d series at first, then %d: %v", before, len(st.Requests), st.Requests)
	}
}

// TestSecretsAreNeverShown (CVE-2022-25568, motionEye; go2rtc 2298): what lets somebody in stands in no answer, log line or counter.
func TestSecretsAreNeverShown(t *testing.T) {
	var log bytes.Buffer
	w := newTown(t, Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	w.server.options.Metrics = nil
	session, sig := w.session("ann"), w.link("a", time.Hour)
	secrets := []string{townPassword, url.QueryEscape(townPassword), townHash, session, sig, string(w.book.Key), "planted-wrong-secret"}
	for _, token := range w.token {
		secrets = append(secrets, token, access.TokenDigest(token))
	}
	var said strings.Builder
	asked := 0
	note := func(rec *httptest.ResponseRecorder) {
		asked++
		fmt.Fprintln(&said, rec.Code, rec.Body)
		for name, values := range rec.Header() {
			if name != "Set-Cookie" {
				fmt.Fprintln(&said, name, values)
			}
		}
	}
	credentials := [][]string{
		{}, {bearer(w.token["admin"])}, {bearer(w.token["viewer-a"])}, {basic("ann", townPassword)}, {"Cookie: camgw_session=" + session, "Origin: http://example.com"},
		{bearer("planted-wrong-secret")}, {"Cookie: camgw_session=planted-wrong-secret", "Origin: http://example.com"},
	}
	for pattern, rt := range w.server.routes {
		for method := range rt.roles {
			for target := range targetsOf(pattern) {
				for _, headers := range credentials {
					note(w.ask(method, target, headers...))
				}
				note(w.ask(method, target+"?sig="+url.QueryEscape(sig)))
				note(w.ask(method, target+"?sig=planted-wrong-secret"))
			}
		}
	}
	for _, body := range []string{"user=ann&password=" + url.QueryEscape(townPassword), "user=ann&password=planted-wrong-secret", "user=planted-wrong-secret&password=x"} {
		note(w.send("POST", "/api/v1/session", body, "Content-Type: application/x-www-form-urlencoded"))
	}
	note(w.send("POST", "/api/v1/session", `{"user":"ann","password":"planted-wrong-secret"}`, "Content-Type: application/json"))
	note(w.send("POST", "/api/v1/session?password=planted-wrong-secret", `{}`, "Content-Type: application/json"))
	fmt.Fprintf(&said, "%+v %+v", w.server.Stats(), w.keeper.Stats())
	for where, text := range map[string]string{"an answer": said.String(), "the log": log.String()} {
		for i, secret := range secrets {
			if strings.Contains(text, secret) {
				at := strings.Index(text, secret)
				t.Errorf("secret %d is in %s: ...%.80q", i, where, text[max(0, at-40):])
			}
		}
	}
	if asked < 100 || log.Len() < 1000 {
		t.Errorf("%d answers and %d bytes of log were looked at", asked, log.Len())
	}
}

// TestAuthenticationComesFirst (nats GHSA-qrvq-68c2-7grw): nothing of a body is read, and nothing upgraded, for who is not let in.
func TestAuthenticationComesFirst(t *testing.T) {
	w := newTown(t, Options{})
	for _, c := range []struct{ method, target string }{
		{"PATCH", "/api/v1/cameras/a/config"}, {"POST", "/control"}, {"POST", "/cam/a/control"}, {"POST", "/api/v1/cameras/a/links"}, {"GET", "/api/v1/ws"},
	} {
		body := &untouched{t: t, what: c.method + " " + c.target}
		r := httptest.NewRequest(c.method, c.target, body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg==")
		rec := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(rec, r)
		if rec.Code != 401 {
			t.Errorf("%s: %d", body.what, rec.Code)
		}
	}
	if st := w.server.Stats().Sockets; st.Opened != 0 {
		t.Errorf("%+v", st)
	}
}

// untouched is a body that nobody may read.
type untouched struct {
	t    *testing.T
	what string
}

func (u *untouched) Read([]byte) (int, error) {
	u.t.Errorf("%s: the body is read", u.what)
	return 0, io.EOF
}

// TestOversized: too much of anything is refused with its own status.
func TestOversized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		long := strings.Repeat("a", maxHeaderBytes+8<<10)
		body := strings.Repeat(" ", bodyLimit+1)
		for name, c := range map[string]struct {
			request string
			want    int
		}{
			"header":       {"GET / HTTP/1.1\r\nHost: gateway\r\nX: " + long + "\r\n\r\n", 431},
			"many headers": {"GET / HTTP/1.1\r\nHost: gateway\r\n" + strings.Repeat("X: a\r\n", 6000) + "\r\n", 431},
			"credential":   {"GET / HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " + long + "\r\n\r\n", 431},
			"query":        {"GET /?" + long + " HTTP/1.1\r\nHost: gateway\r\n\r\n", 431},
			"path":         {"GET /" + long + " HTTP/1.1\r\nHost: gateway\r\n\r\n", 431},
			"settings":     {send("PATCH", "/api/v1/cameras/a/config", asJSON, "{"+body), 413},
			"control":      {send("POST", "/control", "Content-Type: application/x-www-form-urlencoded\r\n", "var="+strings.Repeat("a", bodyLimit)), 400},
			"link":         {send("POST", "/api/v1/cameras/a/links", asJSON, "{"+body), 413},
			"sign-in":      {send("POST", "/api/v1/session", asJSON, "{"+body), 413},
			"sign-in form": {send("POST", "/api/v1/session", "Content-Type: application/x-www-form-urlencoded\r\n", "user="+strings.Repeat("a", bodyLimit)), 413},
		} {
			near := r.lines.dial()
			go func() { _, _ = io.WriteString(near, c.request) }() // may be refused before it is read whole
			res, err := http.ReadResponse(bufio.NewReader(near), nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if res.StatusCode != c.want {
				t.Errorf("%s: %d, want %d", name, res.StatusCode, c.want)
			}
			near.Close()
		}
	})
}
