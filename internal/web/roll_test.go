package web

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/camgw/camgw/internal/access"
)

// guardedRig is a rig whose people are those of the book.
func guardedRig(t *testing.T, book access.Book, names ...string) (*rig, *access.Keeper) {
	keeper := access.New(access.Options{})
	keeper.Replace(book)
	return newRig(t, Options{Access: keeper}, names...), keeper
}

func getAs(target, token string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " + token + "\r\n\r\n"
}

// socketAs opens a WebSocket with a token, and reads its greeting.
func (r *rig) socketAs(token string) *peer {
	r.t.Helper()
	conn, _, err := websocket.Dial(r.t.Context(), "ws://gateway/api/v1/ws", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: r.transport()}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	r.t.Cleanup(func() { conn.CloseNow() })
	p := &peer{t: r.t, conn: conn}
	p.text("hello")
	return p
}

func tokenOf(book *access.Book, name string, role access.Role, until time.Time, cameras ...string) (token string) {
	token = access.NewToken()
	book.Tokens = append(book.Tokens, access.Account{Name: name, Secret: access.TokenDigest(token), Role: role, Until: until, Cameras: cameras})
	return token
}

// audienceAs opens one of each that lasts.
func audienceAs(r *rig, token string) (stream *client, p *peer, events *client) {
	stream = r.ask(getAs("/cam/door/stream.mjpg", token))
	stream.stream()
	synctest.Wait() // each has entered before the next
	p = r.socketAs(token)
	p.say(`{"type":"subscribe","channel":1,"camera":"door"}`)
	p.text("subscribed")
	synctest.Wait()
	events = r.ask(getAs("/api/v1/events", token))
	synctest.Wait()
	return stream, p, events
}

// over waits for the end of all three, and says how the WebSocket's client was told.
func over(t *testing.T, stream *client, p *peer, events *client) (why string) {
	t.Helper()
	var others sync.WaitGroup
	for name, c := range map[string]*client{"stream": stream, "events": events} {
		others.Go(func() { // a viewer that does not read would be ended for that
			if _, err := io.Copy(io.Discard, c.in); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	defer others.Wait()
	for {
		if _, _, err := p.read(); err != nil {
			return err.Error()
		}
	}
}

// TestAccessEndsWhileWatching: whatever lasts ends when its access does, by time or because somebody was removed; for nobody else.
func TestAccessEndsWhileWatching(t *testing.T) {
	for name, expires := range map[string]bool{"expired": true, "removed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var book access.Book
				until := time.Time{}
				if expires {
					until = time.Now().Add(9 * time.Second) // not when something else ends
				}
				stays := tokenOf(&book, "stays", access.Viewer, time.Time{})
				goes := tokenOf(&book, "goes", access.Viewer, until)
				r, keeper := guardedRig(t, book, "door")
				other := r.socketAs(stays)
				other.say(`{"type":"subscribe","channel":7,"camera":"door"}`)
				other.text("subscribed")
				begin := time.Now()
				stream, p, events := audienceAs(r, goes)
				if !expires {
					time.AfterFunc(9*time.Second, func() {
						keeper.Replace(access.Book{Tokens: book.Tokens[:1]})
						r.server.Recheck()
					})
				}
				why := over(t, stream, p, events)
				if took := time.Since(begin); took < 9*time.Second || took > 12*time.Second {
					t.Errorf("over after %v", took)
				}
				if !strings.Contains(why, "StatusPolicyViolation") || !strings.Contains(why, "revoked, or has expired") {
					t.Errorf("the client is told %q", why)
				}
				synctest.Wait()
				st := r.server.Stats()
				if st.Revocations != 3 || st.Cameras[0].Ends[EndRevoked] != 2 || st.Viewers != 1 || len(r.server.guests()) != 2 {
					t.Errorf("%+v, %d guests", st, len(r.server.guests()))
				}
				other.want(7, r.cameras[0].publish())
				if res, _ := r.ask(getAs("/cam/door/stream.mjpg", goes)).answer("GET"); res.StatusCode != 401 {
					t.Errorf("again: %d", res.StatusCode)
				}
			})
		})
	}
}

// TestRemovedWhileBeingLetIn: whoever is removed between being let in and being on the roll is not forgotten.
func TestRemovedWhileBeingLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book access.Book
		token := tokenOf(&book, "goes", access.Viewer, time.Time{})
		r, keeper := guardedRig(t, book, "door")
		g, err := keeper.Token(peerOf(&http.Request{}), token)
		if err != nil {
			t.Fatal(err)
		}
		keeper.Replace(access.Book{})
		ended := make(chan error, 1)
		one := &guest{grant: g, quit: func(why error) { ended <- why }}
		r.server.enter(one)
		if why := <-ended; why != errRevoked {
			t.Error(why)
		}
		r.server.leave(one)
	})
}

// TestViewers: an administrator sees who is connected, with what he was sent, and ends it.
func TestViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book access.Book
		admin, ann := tokenOf(&book, "root", access.Admin, time.Time{}), tokenOf(&book, "ann", access.Viewer, time.Now().Add(time.Hour))
		r, _ := guardedRig(t, book, "door")
		stream, p, events := audienceAs(r, ann)
		for range 3 {
			f := r.cameras[0].publish()
			stream.want(f)
			p.want(1, f)
		}
		synctest.Wait()
		list := func() []shownViewer {
			t.Helper()
			var answer struct{ Viewers []shownViewer }
			_, body := r.ask(getAs("/api/v1/viewers", admin)).answer("GET")
			var raw struct {
				Viewers []struct{ Kind, Role, User string }
			}
			if err := json.Unmarshal([]byte(body), &raw); err != nil {
				t.Fatal(err, body)
			}
			body = strings.NewReplacer(`"kind":"token",`, "", `"role":"viewer",`, "").Replace(body)
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatal(err, body)
			}
			for _, one := range raw.Viewers {
				if one.User != "ann" || one.Kind != "token" || one.Role != "viewer" {
					t.Errorf("%+v", one)
				}
			}
			return answer.Viewers
		}
		all := list()
		if len(all) != 4 {
			t.Fatalf("%+v", all)
		}
		for i, want := range []shownViewer{
			{Camera: "door", Transport: "mjpeg", Mode: "latest", Sent: 3}, {Transport: "ws"}, {Camera: "door", Transport: "ws", Mode: "latest", Sent: 3}, {Transport: "events"},
		} {
			got := all[i]
			if got.Camera != want.Camera || got.Transport != want.Transport || got.Mode != want.Mode || got.Sent != want.Sent || got.Address != "pipe" || got.Until == nil || got.Since <= 0 {
				t.Errorf("%d: %+v, want %+v", i, got, want)
			}
		}
		end := func(id string, want int) {
			t.Helper()
			request := strings.Replace(getAs("/api/v1/viewers/"+id, admin), "GET", "DELETE", 1)
			if res, body := r.ask(request).answer("DELETE"); res.StatusCode != want {
				t.Errorf("end %s: %d %s", id, res.StatusCode, body)
			}
			synctest.Wait()
		}
		end(all[2].ID, 204)
		if a := p.text("ended"); a.Reason != "dismissed" {
			t.Errorf("%+v", a)
		}
		end(all[0].ID, 204)
		end(all[1].ID, 204)
		end(all[3].ID, 204)
		over(t, stream, p, events)
		end(all[0].ID, 404)
		end("x", 404)
		if st := r.server.Stats(); st.Cameras[0].Ends[EndDismissed] != 2 || st.Revocations != 0 || st.Viewers != 0 || len(list()) != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestScopedNews: who sees one camera is told of its changes alone, and of others not even when.
func TestScopedNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book access.Book
		token := tokenOf(&book, "one", access.Viewer, time.Time{}, "door")
		r, _ := guardedRig(t, book, "door", "yard")
		p := r.socketAs(token)
		p.say(`{"type":"watch","interval":60}`)
		p.text("cameras")
		begin := time.Now()
		change := func(camera *testCamera) {
			camera.set(Status{State: Offline, Cause: CauseAbsent, Reason: time.Now().String()})
		}
		go func() {
			time.Sleep(5 * time.Second)
			change(r.cameras[1])
			time.Sleep(5 * time.Second)
			change(r.cameras[0])
		}()
		p.text("cameras")
		if took := time.Since(begin); took < 10*time.Second || took > 11*time.Second || len(p.news) != 1 || p.news[0].ID != "door" {
			t.Errorf("after %v: %+v", took, p.news)
		}
		for _, camera := range []string{"yard", "nobody"} {
			p.say(`{"type":"subscribe","channel":1,"camera":%q}`, camera)
			if a := p.text("ended"); a.Reason != "unknown_camera" || a.Detail != noSuchName {
				t.Errorf("%s: %+v", camera, a)
			}
		}
	})
}

// TestSignIn: a form leads back to the page, JSON is answered as such, and the cookie is as it should be.
func TestSignIn(t *testing.T) {
	w := newTown(t, Options{Perimeter: Perimeter{Hosts: testPerimeter.Hosts, TrustUnix: true}})
	form := "Content-Type: application/x-www-form-urlencoded"
	rec := w.send("POST", "/api/v1/session", "user=ann&password=correct+horse+battery", form)
	if rec.Code != 303 || rec.Header().Get("Location") != "../../" {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	cookie := rec.Result().Cookies()[0]
	if cookie.Name != sessionCookie || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure || time.Until(cookie.Expires) < time.Hour || cookie.Domain != "" {
		t.Errorf("%+v", cookie)
	}
	if rec := w.ask("GET", "/", "Cookie: "+cookie.Name+"="+cookie.Value, "Accept: text/html"); rec.Code != 200 {
		t.Errorf("the page: %d", rec.Code)
	}
	w.from = "@"
	rec = w.send("POST", "/api/v1/session", `{"user":"ann","password":"`+townPassword+`"}`, "Content-Type: application/json", "X-Forwarded-Proto: https", "X-Forwarded-For: 1.2.3.4")
	if rec.Code != 204 || !rec.Result().Cookies()[0].Secure {
		t.Errorf("behind TLS: %d %v", rec.Code, rec.Header())
	}
	w.from = ""
	rec = w.send("DELETE", "/api/v1/session", "", "Cookie: "+cookie.Name+"="+cookie.Value, "Origin: http://example.com")
	if gone := rec.Result().Cookies(); rec.Code != 204 || len(gone) != 1 || gone[0].Value != "" || gone[0].Expires.After(time.Now()) {
		t.Errorf("out: %d %v", rec.Code, rec.Header())
	}
	if rec := w.ask("GET", "/api/v1/cameras", "Cookie: "+cookie.Name+"="+cookie.Value); rec.Code != 401 {
		t.Errorf("with a copy of the cookie, afterwards: %d", rec.Code)
	}
	for _, c := range []struct {
		kind, body string
		want       int
		location   string
	}{
		{form, "user=ann&password=wrong-one", 303, "../../?signin=wrong"}, {form, "", 303, "../../?signin=wrong"}, {"Content-Type: application/json", `{"user":"ann","password":"wrong-one"}`, 401, ""},
		{"Content-Type: application/json", `{`, 400, ""}, {"Content-Type: text/plain", "user=ann", 415, ""}, {form, "user=%zz", 400, ""},
	} {
		if rec := w.send("POST", "/api/v1/session", c.body, c.kind); rec.Code != c.want || rec.Header().Get("Location") != c.location || len(rec.Result().Cookies()) != 0 {
			t.Errorf("%s %q: %d %v", c.kind, c.body, rec.Code, rec.Header())
		}
	}
	// What is asked for in a browser's window is answered with the form, and all else so that programs know what to do.
	for _, c := range []struct {
		target    string
		headers   []string
		challenge string
		form      bool
	}{
		{"/", []string{"Accept: text/html,*/*"}, "Bearer", true}, {"/", []string{"Accept: text/html", "Cookie: camgw_session=old"}, "Bearer", true}, {"/?signin=wrong", []string{"Accept: text/html"}, "Bearer", true},
		{"/", []string{"Accept: */*"}, "Basic", false}, {"/", nil, "Basic", false}, {"/", []string{"Accept: text/html", basic("ann", "")}, "Basic", false}, {"/stream", []string{"Accept: text/html"}, "Basic", false}, {"/webcam/", []string{"Accept: text/html"}, "Basic", false},
		{"/api/v1/cameras", []string{"X-Camgw-Page: 1"}, "Bearer", false}, {"/api/v1/cameras", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"}, "Bearer", false}, {"/api/v1/cameras", nil, "Basic", false},
		{"/api/v1/ws", []string{"Upgrade: websocket", "Origin: http://example.com"}, "Bearer", false}, {"/api/v1/ws", []string{"Upgrade: websocket"}, "Basic", false},
	} {
		rec := w.ask("GET", c.target, c.headers...)
		challenge, _, _ := strings.Cut(rec.Header().Get("WWW-Authenticate"), " ")
		isForm := strings.Contains(rec.Body.String(), `action="api/v1/session"`)
		if rec.Code != 401 || challenge != c.challenge || isForm != c.form || c.form && rec.Header().Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s %v: %d, %s, form %v", c.target, c.headers, rec.Code, challenge, isForm)
		}
	}
}

// TestTooManyAttempts: who guesses is told to wait, in a way that programs and people understand, and is counted.
func TestTooManyAttempts(t *testing.T) {
	w := newTown(t, Options{})
	w.from = "192.0.2.7:1"
	limited := false
	for range 200 {
		rec := w.ask("GET", "/cam/a/snapshot.jpg", bearer(access.NewToken()))
		if rec.Code == 429 {
			limited = rec.Header().Get("Retry-After") != "" && rec.Header().Get("Retry-After") != "0"
			break
		}
	}
	if !limited || w.server.Stats().Rejections[RejectRate] != 1 {
		t.Errorf("never told to wait, or not counted: %+v", w.server.Stats().Rejections)
	}
	if rec := w.ask("GET", "/", "Accept: text/html", "Cookie: camgw_session=old"); rec.Code != 401 || !strings.Contains(rec.Body.String(), "<form") {
		t.Errorf("the form for a browser with an old session: %d", rec.Code)
	}
	if rec := w.ask("GET", "/cam/a/snapshot.jpg", bearer(w.token["viewer"])); rec.Code != 200 {
		t.Errorf("who is right all the same: %d", rec.Code)
	}
	w.from = "192.0.2.8:1"
	if rec := w.ask("GET", "/cam/a/snapshot.jpg", bearer(access.NewToken())); rec.Code != 401 {
		t.Errorf("from elsewhere: %d", rec.Code)
	}
}
