package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/camgw/camgw/internal/fanout"
)

// FuzzTerms: whatever stands in a query, the terms of a stream are within what the limits allow, or there are none.
func FuzzTerms(f *testing.F) {
	for _, seed := range []string{"", "mode=latest&fps=5", "mode=lockstep", "mode=all&fps=0.1", "fps=1000", "fps=NaN", "fps=Inf", "fps=-1", "fps=1e309", "fps=0x1p-2", "mode=%00", "mode=ALL", "fps=5&fps=7", "fps=;", "%zz", "mode=all?x"} {
		f.Add(seed)
	}
	s := New(Options{Limits: Limits{MaxFPS: 25}})
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/stream", nil)
		r.URL.RawQuery = query
		terms, err := s.terms(r)
		asked := r.URL.Query()
		mode := asked.Get("mode")
		if err != nil {
			if mode == "" && asked.Get("fps") == "" {
				t.Errorf("%q asks for nothing: %v", query, err)
			}
			return
		}
		if mode != "" && terms.Mode.String() != mode || mode == "" && terms.Mode != fanout.Latest {
			t.Errorf("%q: mode %v", query, terms.Mode)
		}
		if fps := 1 / terms.Interval.Seconds(); fps < MinFPS*0.999 || fps > 25*1.001 || terms.Interval <= 0 {
			t.Errorf("%q: an interval of %v", query, terms.Interval)
		}
		if (terms.Mode == fanout.Latest) != (terms.Patience == 0) || terms.Buffer <= 0 {
			t.Errorf("%q: %+v", query, terms)
		}
	})
}

// FuzzSocketMessage: whatever a client of the WebSocket says, it is answered with JSON that names no camera out of its sight, it has
// no more subscriptions than it may, and when it is gone nothing of it is left.
func FuzzSocketMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"subscribe","channel":1,"camera":"a"}`, `{"type":"subscribe","channel":1,"camera":"b"}`, `{"type":"subscribe","channel":65535,"camera":"a","mode":"all","fps":5,"window":16}`,
		`{"type":"subscribe","channel":1,"camera":"a","mode":"lockstep"}` + "\n" + `{"type":"subscribe","channel":1,"camera":"a"}` + "\n" + `{"type":"unsubscribe","channel":1}`,
		`{"type":"ack","channel":1,"sequence":18446744073709551615}`, `{"type":"watch","interval":0.2}` + "\n" + `{"type":"watch","interval":0}`, `{"type":"watch","interval":1e300}`,
		`{"type":"subscribe","channel":-1}`, `{"type":"subscribe","channel":1.5}`, `{"type":null}`, `{}`, `[]`, `{"type":"x","type":"ack"}`, `{"Type":"ACK"}`, `{"type":"subscribe","channel":1,"camera":"\u0000"}`, "{\"type\":\"\xff\"}",
		`{"type":"subscribe","channel":1,"camera":"240ac4000002"}`, strings.Repeat(`{"type":"subscribe","channel":1,"camera":"a","fps":2}`+"\n", 5),
	} {
		f.Add([]byte(seed))
	}
	w := newTown(f, Options{})
	address := newLoopback(f, w.server)
	f.Fuzz(func(t *testing.T, said []byte) {
		said = said[:min(len(said), 8<<10)]
		c := dialSocket(t, "ws://"+address+"/api/v1/ws", w.token["viewer-a"])
		defer c.CloseNow()
		messages := bytes.Split(said, []byte("\n"))
		messages = messages[:min(len(messages), 40)]
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				kind, text, err := c.Read(ctx)
				if err != nil {
					return
				}
				if kind != socketText {
					continue
				}
				var a socketAnswer
				if err := json.Unmarshal(text, &a); err != nil {
					t.Errorf("%q is answered with %q: %v", said, text, err)
				}
				if a.Camera == "b" || bytes.Contains(text, []byte("ttyb")) {
					t.Errorf("%q is answered with %q", said, text)
				}
			}
		}()
		for _, m := range messages {
			if c.Write(ctx, socketText, m) != nil {
				break
			}
		}
		// An end that is agreed upon comes behind everything that was said before.
		_ = c.Close(1000, "") // it may have ended already
		cancel()
		<-done
		for w.server.sockets.Load() > 0 {
			time.Sleep(100 * time.Microsecond) // there is nothing to wait for
		}
		if n := w.hubs[1].Viewers(); n != 0 {
			t.Errorf("%q: %d viewers of a camera that is out of sight", said, n)
		}
		if n := w.server.places.count() + len(w.server.guests()); n != 0 {
			t.Errorf("%q: %d places and guests are left", said, n)
		}
		if p := w.server.panics.Load(); p != 0 {
			t.Fatalf("%q: a panic", said)
		}
	})
}

// FuzzHost: no name that is not ours is taken for one, whatever its form, and none of ours is refused.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"", "pi", "pi:80", "PI.", "[::1]:80", "[::1%25eth0]", "127.0.0.1", "evil.example", "pi.evil.example", "[pi]", "pi:", "::1", "\x00", "pi\x00", "pi..", "1.2.3.4.5", "localhost.:1"} {
		f.Add(seed)
	}
	p := New(Options{Perimeter: Perimeter{Hosts: []string{"pi"}}}).perimeter.Load()
	f.Fuzz(func(t *testing.T, host string) {
		if !p.answersTo(host) || host == "" {
			return
		}
		u, err := url.Parse("http://" + host + "/")
		if err != nil {
			return // no browser comes from there
		}
		name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		ours := slices.Contains([]string{"pi", "localhost"}, name) || strings.ContainsAny(name, ":") || strings.Trim(name, "0123456789.") == ""
		if !ours && !strings.Contains(name, "%") {
			t.Errorf("%q is taken for ours: %q", host, name)
		}
	})
}

// FuzzClean: what is shown of a text from outside is short, whole, and of characters that can be seen.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "OV2640", "<img src=x onerror=alert(1)>", "\u202egnp.exe", "a\x00b\r\nc\x1b[31m", "\xff\xfe", "é漢字🎥", "\u200b\u2066\ufeff", strings.Repeat("\u0301", 99), strings.Repeat("x", 70000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := clean(s, nameLimit)
		if len(c) > nameLimit || clean(c, nameLimit) != c {
			t.Errorf("%q becomes %q, and that %q", s, c, clean(c, nameLimit))
		}
		for _, r := range c {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff {
				t.Errorf("%q keeps %U", s, r)
			}
		}
	})
}

const socketText = websocket.MessageText

// dialSocket opens a WebSocket with a token and skips its greeting.
func dialSocket(t testing.TB, address, token string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(context.Background(), address, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	if _, _, err := c.Read(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c
}
