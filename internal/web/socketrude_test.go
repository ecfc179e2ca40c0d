package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/camgw/camgw/internal/fanout"
)

func TestSocketMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		p := r.socket()
		for message, want := range map[string]string{
			`{"type":"subscribe","camera":"door"}`:                             `channel must be`,
			`{"type":"subscribe","channel":65536,"camera":"door"}`:             `channel must be`,
			`{"type":"subscribe","channel":"one","camera":"door"}`:             `channel cannot be a JSON string`,
			`{"type":"subscribe","channel":1.5,"camera":"door"}`:               `channel cannot be`,
			`{"type":"subscribe","channel":1,"camera":"door","mode":"newest"}`: `unknown mode`,
			`{"type":"subscribe","channel":1,"camera":"door","fps":-1}`:        `bad fps`,
			`{"type":"subscribe","channel":1,"camera":"door","fps":2000}`:      `bad fps`,
			`{"type":"subscribe","channel":1,"camera":"door","window":17}`:     `bad window`,
			`{"type":"subscribe","channel":1,"camera":"door","window":-1}`:     `bad window`,
			`{"type":"unsubscribe","channel":1}`:                               `nothing is subscribed`,
			`{"type":"watch","interval":0.1}`:                                  `bad interval`,
			`{"type":"watch","interval":61}`:                                   `bad interval`,
			`{"type":"fly"}`:                                                   `unknown type "fly"`,
			`{}`:                                                               `unknown type ""`,
			` {"type": "ack", "channel": 0, "sequence": 1}`:                    `channel must be`,
			`{"type":"ack","channel":1,"sequence":-1}`:                         `sequence cannot be`,
		} {
			p.say("%s", message)
			if a := p.text("error"); !strings.Contains(a.Detail, want) {
				t.Errorf("%s: %+v, want %q", message, a, want)
			}
		}
		p.say(`{"type":"ack","channel":1,"sequence":1}`) // of a channel that is gone: not worth a word
		p.say(`{"type":"unsubscribe","channel":3}`)
		if a := p.text("error"); a.Channel != 3 {
			t.Errorf("%+v", a)
		}
		if n := r.server.Stats().Sockets.Refusals[SocketBadRequest]; n != 17 {
			t.Errorf("%d refused", n)
		}
		for i := range socketChannels {
			p.say(`{"type":"subscribe","channel":%d,"camera":"door"}`, i+1)
			p.text("subscribed")
		}
		p.say(`{"type":"subscribe","channel":100,"camera":"door"}`)
		if a := p.text("error"); a.Channel != 100 || !strings.Contains(a.Detail, "channels") {
			t.Errorf("%+v", a)
		}
	})
}

func TestSocketEndsRudeClients(t *testing.T) {
	for name, rude := range map[string]struct {
		code    websocket.StatusCode
		counted SocketRefusal
		do      func(p *peer) error
	}{
		"no JSON":   {websocket.StatusPolicyViolation, SocketNoJSON, func(p *peer) error { return p.write(websocket.MessageText, "hello") }},
		"a list":    {websocket.StatusPolicyViolation, SocketNoJSON, func(p *peer) error { return p.write(websocket.MessageText, `["type"]`) }},
		"half":      {websocket.StatusPolicyViolation, SocketNoJSON, func(p *peer) error { return p.write(websocket.MessageText, `{"type":`) }},
		"binary":    {websocket.StatusPolicyViolation, SocketNoJSON, func(p *peer) error { return p.write(websocket.MessageBinary, `{}`) }},
		"too large": {websocket.StatusMessageTooBig, SocketTooLarge, func(p *peer) error { return p.write(websocket.MessageText, `{"type":"`+strings.Repeat("x", 5000)+`"}`) }},
		"flood": {websocket.StatusPolicyViolation, SocketFlood, func(p *peer) error {
			for range socketBurst + socketBurst/2 { // fewer than would be too many frames: those end it without a word
				if err := p.write(websocket.MessageText, `{"type":"ack","channel":1,"sequence":1}`); err != nil {
					return nil // it was ended
				}
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, "door")
				p := r.socket()
				p.say(`{"type":"subscribe","channel":1,"camera":"door"}`)
				p.text("subscribed")
				synctest.Wait()
				done := make(chan error, 1)
				go func() { done <- rude.do(p) }()
				p.closed(rude.code)
				if err := <-done; err != nil {
					t.Error(err)
				}
				p.conn.CloseNow()
				synctest.Wait()
				st := r.server.Stats()
				if st.Sockets.Open != 0 || st.Viewers != 0 || st.Sockets.Refusals[rude.counted] != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// A page of 9 cameras at 30 pictures per second acknowledges each.
func TestSocketBearsManyAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		p := r.socket()
		for range 10 * 270 {
			p.say(`{"type":"ack","channel":1,"sequence":1}`)
			time.Sleep(time.Second / 270)
		}
		p.say(`{"type":"unsubscribe","channel":1}`)
		p.text("error")
	})
}

func TestSocketHandshakeIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxViewers: 1}}, "door")
		handshake := "GET /api/v1/ws HTTP/1.1\r\nHost: gateway:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
		for header, want := range map[string]int{
			"Origin: http://evil.example\r\n": 403,
			"Origin: http://gateway\r\n":      403, // another port
			"Origin: null\r\n":                403,
			"Origin: http://gateway:8080\r\nSec-Fetch-Site: same-origin\r\n":  101,
			"Origin: https://cams.example\r\nSec-Fetch-Site: same-origin\r\n": 101, // a proxy has changed Host
			"Origin: http://gateway:8080\r\n":                                 101,
			"":                                                                101,
			"Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n": 101,
		} {
			c := r.ask(handshake + header + "\r\n")
			res, err := http.ReadResponse(c.in, &http.Request{Method: "GET"})
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != want {
				t.Errorf("%q: %d, want %d", header, res.StatusCode, want)
			}
			if want != 101 && res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%q: %v", header, res.Header)
			}
			if want == 101 && res.Header.Get("Sec-WebSocket-Extensions") != "" {
				t.Errorf("%q: pictures would be compressed again", header)
			}
			c.conn.Close()
			synctest.Wait()
		}
		for request, want := range map[string]int{
			get("/api/v1/ws"): 426,
			strings.Replace(handshake, "13", "7", 1) + "\r\n":                  400,
			strings.Replace(handshake, "MDEy", "", 1) + "\r\n":                 400,
			"HEAD /api/v1/ws HTTP/1.1\r\nHost: x\r\n\r\n":                      405,
			"POST /api/v1/ws HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n": 405,
		} {
			res, body := r.ask(request).answer(strings.Fields(request)[0])
			if res.StatusCode != want || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%q: %d %s", request, res.StatusCode, body)
			}
			if want == 426 && res.Header.Get("Upgrade") != "websocket" {
				t.Errorf("%v", res.Header)
			}
		}
		r.socket()
		res, body := r.ask(handshake + "\r\n").answer("GET")
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "taken") {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		st := r.server.Stats().Sockets
		if st.Refusals[SocketOrigin] != 3 || st.Refusals[SocketHandshake] != 3 || st.Refusals[SocketFull] != 1 || st.Opened != 6 {
			t.Errorf("%+v", st)
		}
	})
}

// Its page may be gone without a word; pings find out.
func TestSocketPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		p := r.socket()
		p.say(`{"type":"subscribe","channel":1,"camera":"door"}`)
		p.text("subscribed")
		ctx := p.conn.CloseRead(context.Background()) // answers pings
		time.Sleep(5 * time.Minute)
		if r.server.Stats().Sockets.Open != 1 || ctx.Err() != nil {
			t.Error("a client that answers pings was ended")
		}
		p.conn.CloseNow()
		dead := r.ask("GET /api/v1/ws HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
		go io.Copy(io.Discard, dead.in)
		synctest.Wait()
		if r.server.Stats().Sockets.Open != 1 {
			t.Error("not open")
		}
		time.Sleep(socketPing + 10*time.Second + socketLinger + time.Millisecond)
		synctest.Wait()
		if r.server.Stats().Sockets.Open != 0 {
			t.Error("a client that answers no ping is still there")
		}
	})
}

// A client that stops reading ends within the write timeout, and delays nobody else.
func TestSocketFrozenClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hub := fanout.NewHub(Envelope)
	s := New(Options{Perimeter: testPerimeter, WriteTimeout: 300 * time.Millisecond, SendBuffer: 32 << 10,
		Cameras: []Camera{{ID: "door", Hub: hub, Status: func() Status { return Status{State: Streaming} }}}})
	serve(t, s, l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	subscribe := `{"type":"subscribe","channel":1,"camera":"door"}`
	frame := append([]byte{0x81, 0x80 | byte(len(subscribe)), 0, 0, 0, 0}, subscribe...) // masked with zeros
	if _, err := fmt.Fprintf(conn, "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n%s", frame); err != nil {
		t.Fatal(err)
	}
	c, _, err := websocket.Dial(t.Context(), "ws://"+l.Addr().String()+"/api/v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	p := &peer{t: t, conn: c}
	p.text("hello")
	p.say(`{"type":"subscribe","channel":2,"camera":"door"}`)
	p.text("subscribed")
	for hub.Viewers() < 2 {
		time.Sleep(time.Millisecond)
	}
	for i := 0; hub.Viewers() == 2; i++ {
		f := newFrame(bytes.Repeat([]byte{byte(i)}, 100<<10), 32, 24)
		hub.Publish(f)
		p.want(2, f)
		if i > 10000 {
			t.Fatal("the frozen client is still a viewer")
		}
	}
	for s.Stats().Sockets.Open > 1 {
		time.Sleep(time.Millisecond)
	}
	if ends := s.Stats().Cameras[0].Ends; ends[EndSlow] != 1 {
		t.Errorf("ends: %v", ends)
	}
	f := newFrame([]byte("x"), 32, 24)
	hub.Publish(f)
	p.want(2, f)
}
