package web

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

func TestSocketWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Version: "1.2"}, "door", "yard")
		p := r.socket()
		p.say(`{"type":"watch","interval":5}`)
		p.text("cameras")
		if len(p.news) != 2 || p.news[0].ID != "door" || p.news[1].URLs.Stream != "cam/yard/stream.mjpg" {
			t.Errorf("%+v", p.news)
		}
		began := time.Now()
		p.text("cameras")
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("figures after %v", took)
		}
		time.Sleep(1234 * time.Millisecond)
		r.cameras[1].set(Status{State: Offline, Cause: CauseUnplugged})
		changed := time.Now()
		p.text("cameras")
		if took := time.Since(changed); took > 200*time.Millisecond {
			t.Errorf("a change was told after %v", took)
		}
		if st := p.news[1]; st.Cause != CauseUnplugged || st.CauseTitle != "Unplugged" || st.CauseAdvice == "" || st.Health.Level != Bad {
			t.Errorf("%+v", st)
		}
		p.say(`{"type":"watch","interval":0.2}`)
		p.text("cameras")
		p.text("cameras")
		p.say(`{"type":"watch","interval":0}`)
		p.say(`{"type":"fly"}`)
		for {
			a, _, err := p.read()
			if err != nil {
				t.Fatal(err)
			}
			if a.Type == "error" {
				break
			}
		}
		r.cameras[1].set(Status{State: Streaming})
		time.Sleep(5 * time.Second)
		p.say(`{"type":"fly"}`)
		p.text("error") // and no news before it
		p.conn.Close(websocket.StatusNormalClosure, "")
	})
}

// event reads one event, or a comment.
func (c *client) event() (kind, data string) {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "":
			return kind, data
		case strings.HasPrefix(line, ":"):
			kind = "comment"
		case strings.HasPrefix(line, "event: "):
			kind = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		default:
			c.t.Fatalf("line %q", line)
		}
	}
}

// plain asks by HTTP/1.0, so that the answer is not chunked.
func plain(target string) string { return "GET " + target + " HTTP/1.0\r\nHost: gateway\r\n\r\n" }

func (c *client) head() []string {
	c.t.Helper()
	var lines []string
	for {
		line := c.line()
		if line == "" {
			return lines
		}
		lines = append(lines, line)
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		c := r.ask(plain("/api/v1/events"))
		head := strings.Join(c.head(), "\n")
		for _, want := range []string{"200 OK", "Content-Type: text/event-stream", "Cache-Control: no-store", "X-Accel-Buffering: no"} {
			if !strings.Contains(head, want) {
				t.Errorf("%q lacks %q", head, want)
			}
		}
		var news struct {
			Type    string
			Cameras []Status
		}
		read := func(want string) {
			t.Helper()
			kind, data := c.event()
			if kind != want {
				t.Fatalf("event %q, want %q", kind, want)
			}
			if want == "cameras" {
				if err := json.Unmarshal([]byte(data), &news); err != nil {
					t.Fatal(err)
				}
			}
		}
		read("cameras")
		began := time.Now()
		read("comment")
		if took := time.Since(began); took != eventsAlive {
			t.Errorf("alive after %v", took)
		}
		r.cameras[0].set(Status{State: Offline, Cause: CauseAbsent, Reason: "no such port"})
		changed := time.Now()
		read("cameras")
		if took := time.Since(changed); took > 200*time.Millisecond || news.Cameras[0].Reason != "no such port" {
			t.Errorf("after %v: %+v", took, news)
		}
		r.cameras[0].set(Status{State: Offline, Cause: CauseAbsent, Reason: "no such port", Recovery: &Recovery{Step: "hook", Reason: "no_port", Time: 1}})
		changed = time.Now()
		read("cameras")
		if took := time.Since(changed); took > 200*time.Millisecond || news.Cameras[0].Recovery == nil {
			t.Errorf("of a recovery after %v: %+v", took, news)
		}

		figures := r.ask(plain("/api/v1/events?interval=2"))
		figures.head()
		began = time.Now()
		for range 4 {
			figures.event()
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("4 events in %v", took)
		}
		for _, bad := range []string{"x", "0", "0.1", "61", "NaN", "-1"} {
			if res, body := r.ask(get("/api/v1/events?interval=" + bad)).answer("GET"); res.StatusCode != 400 {
				t.Errorf("%s: %d %s", bad, res.StatusCode, body)
			}
		}
		if st := r.server.Stats(); st.Listeners != 2 || st.Listened != 2 {
			t.Errorf("%+v", st)
		}
		figures.conn.Close()
		synctest.Wait()
		if st := r.server.Stats(); st.Listeners != 1 {
			t.Errorf("%+v", st)
		}
		stopped := make(chan error)
		go func() { stopped <- r.stop() }()
		began = time.Now()
		if _, err := c.in.ReadString(0); err == nil {
			t.Error("it goes on")
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("shutdown took %v", took)
		}
	})
}

func TestEventsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxViewers: 2}}, "door")
		r.ask(plain("/api/v1/events")).head()
		r.socket()
		res, body := r.ask(get("/api/v1/events")).answer("GET")
		if res.StatusCode != 503 || !strings.Contains(body, "taken") {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		if res, _ := r.ask("HEAD /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n").answer("HEAD"); res.StatusCode != 200 {
			t.Error(res.StatusCode)
		}
	})
}

// However many follow the news, the cameras are asked once per tick.
func TestNewsAreMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		for range 20 {
			c := r.ask(plain("/api/v1/events?interval=1"))
			c.head()
			go func() {
				in := bufio.NewScanner(c.in)
				for in.Scan() {
				}
			}()
		}
		synctest.Wait()
		before := r.cameras[0].asked.Load()
		time.Sleep(10 * time.Second)
		if n := r.cameras[0].asked.Load() - before; n > 10*(10+1)+20 {
			t.Errorf("asked %d times in 10 s", n)
		}
	})
}
