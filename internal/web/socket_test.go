package web

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/camgw/camgw/internal/fanout"
)

// peer is a client of the WebSocket.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	news []Status // of the last "cameras" that was skipped over
}

// picture is a binary message, taken apart.
type picture struct {
	flags                    byte
	channel                  uint32
	seq                      uint64
	captured, received, sent uint64
	width, height            uint16
	skipped                  uint32
	jpeg                     []byte
}

func (r *rig) transport() *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return r.lines.dial(), nil }}
}

// socket opens a WebSocket and reads its greeting.
func (r *rig) socket() *peer {
	r.t.Helper()
	conn, _, err := websocket.Dial(r.t.Context(), "ws://gateway/api/v1/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: r.transport()}})
	if err != nil {
		r.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	p := &peer{t: r.t, conn: conn}
	r.t.Cleanup(func() { conn.CloseNow() })
	if hello := p.text("hello"); hello.Version != 1 || !strings.HasPrefix(hello.Server, "camgw") {
		r.t.Errorf("hello is %+v", hello)
	}
	return p
}

func (p *peer) say(format string, args ...any) {
	p.t.Helper()
	if err := p.conn.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatal(err)
	}
}

// read reads one message; one of the two is nil.
func (p *peer) read() (*socketAnswer, *picture, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	kind, message, err := p.conn.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	if kind == websocket.MessageText {
		var a struct {
			socketAnswer
			Cameras []Status
		}
		if err := json.Unmarshal(message, &a); err != nil {
			return nil, nil, err
		}
		if a.Type == "cameras" {
			p.news = a.Cameras
		}
		return &a.socketAnswer, nil, nil
	}
	if len(message) < pictureHeader || message[0] != 1 || binary.LittleEndian.Uint16(message[2:]) != pictureHeader {
		return nil, nil, fmt.Errorf("binary message begins with % x", message[:min(len(message), 8)])
	}
	le := binary.LittleEndian
	return nil, &picture{
		flags: message[1], channel: le.Uint32(message[4:]), seq: le.Uint64(message[8:]),
		captured: le.Uint64(message[16:]), received: le.Uint64(message[24:]), sent: le.Uint64(message[32:]),
		width: le.Uint16(message[40:]), height: le.Uint16(message[42:]), skipped: le.Uint32(message[44:]), jpeg: message[pictureHeader:],
	}, nil
}

// text wants a text of this type.
func (p *peer) text(kind string) socketAnswer {
	p.t.Helper()
	a, f, err := p.read()
	if err != nil || a == nil || a.Type != kind {
		p.t.Fatalf("want a message %q: %+v, picture %v, %v", kind, a, f != nil, err)
	}
	return *a
}

// want wants this picture on a channel.
func (p *peer) want(channel int, f *fanout.Frame) *picture {
	p.t.Helper()
	a, got, err := p.read()
	if err != nil || got == nil {
		p.t.Fatalf("want picture %d on %d: %+v, %v", f.Seq, channel, a, err)
	}
	if int(got.channel) != channel || got.seq != f.Seq || !bytes.Equal(got.jpeg, f.JPEG()) {
		p.t.Fatalf("want picture %d on %d, %d bytes: got %d on %d, %d bytes, %.20x", f.Seq, channel, len(f.JPEG()), got.seq, got.channel, len(got.jpeg), got.jpeg)
	}
	return got
}

// closed wants the end, with this code.
func (p *peer) closed(code websocket.StatusCode) {
	p.t.Helper()
	for {
		_, _, err := p.read()
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != code {
			p.t.Fatalf("closed with %v, want %v", err, code)
		}
		return
	}
}

func TestSocketPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door", "yard")
		p := r.socket()
		p.say(`{"type":"subscribe","channel":7,"camera":"door","later":[1,{"x":2}]}`)
		if a := p.text("subscribed"); a.Channel != 7 || a.Camera != "door" || a.Mode != "latest" || a.FPS == nil || *a.FPS != 0 {
			t.Errorf("%+v", a)
		}
		p.say(`{"type":"subscribe","channel":65535,"camera":"yard","mode":"all","fps":5}`)
		if a := p.text("subscribed"); a.Channel != 65535 || a.Camera != "yard" || a.Mode != "all" || *a.FPS != 5 {
			t.Errorf("%+v", a)
		}
		synctest.Wait()
		for range 3 {
			f := newFrame(testJPEG(32, 24, 1), 32, 24)
			f.Received = time.Now()
			f.Captured = f.Received.Add(-40 * time.Millisecond)
			time.Sleep(10 * time.Millisecond)
			r.cameras[0].hub.Publish(f)
			got := p.want(7, f)
			if got.flags != 0 || got.width != 32 || got.height != 24 || got.skipped != 0 {
				t.Errorf("%+v", got)
			}
			if got.received-got.captured != 40000 || got.sent-got.received != 10000 || got.captured != uint64(f.Captured.UnixMicro()) {
				t.Errorf("captured %d, received %d, sent %d", got.captured, got.received, got.sent)
			}
			p.want(65535, r.cameras[1].publish())
			time.Sleep(time.Second)
		}
		st := r.cameras[0].hub.Stats().Transports[fanout.WebSocket]
		if st.Viewers != 1 || st.Sent != 3 || st.Offered != 3 {
			t.Errorf("%+v", st)
		}
		p.say(`{"type":"unsubscribe","channel":7}`)
		if a := p.text("ended"); a.Channel != 7 || a.Reason != "unsubscribed" {
			t.Errorf("%+v", a)
		}
		if n := r.cameras[0].hub.Viewers(); n != 0 {
			t.Errorf("%d viewers after it", n)
		}
		r.cameras[0].publish()
		p.want(65535, r.cameras[1].publish())
		p.conn.Close(websocket.StatusNormalClosure, "")
		synctest.Wait()
		stats := r.server.Stats()
		if stats.Viewers != 0 || stats.Sockets.Open != 0 || stats.Sockets.Opened != 1 || stats.Sockets.Messages != 3 || r.cameras[1].hub.Viewers() != 0 {
			t.Errorf("%+v", stats)
		}
		if stats.Cameras[0].Ends[EndClient] != 1 || stats.Cameras[1].Ends[EndClient] != 1 {
			t.Errorf("ends: %+v", stats.Cameras)
		}
		if stats.Requests[Request{"/api/v1/ws", "GET", 101}] != 1 {
			t.Errorf("requests: %v", stats.Requests)
		}
		r.accounted(t)
	})
}

// accounted checks that every picture offered was sent or skipped.
func (r *rig) accounted(t *testing.T) {
	t.Helper()
	for i, c := range r.cameras {
		for transport, st := range c.hub.Stats().Transports {
			skipped := uint64(0)
			for _, n := range st.Skipped {
				skipped += n
			}
			if st.Offered != st.Sent+skipped {
				t.Errorf("camera %d, %v: offered %d, sent %d, skipped %v", i, fanout.Transport(transport), st.Offered, st.Sent, st.Skipped)
			}
		}
	}
}

func TestSocketWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door")
		p := r.socket()
		p.say(`{"type":"subscribe","channel":1,"camera":"door","window":2}`)
		if a := p.text("subscribed"); a.Window == nil || *a.Window != 2 {
			t.Errorf("%+v", a)
		}
		synctest.Wait()
		a := r.cameras[0].publish()
		p.want(1, a)
		synctest.Wait()
		b := r.cameras[0].publish()
		p.want(1, b)
		synctest.Wait()
		var last *fanout.Frame
		for range 5 { // nobody has acknowledged: these wait, and only the newest survives
			last = r.cameras[0].publish()
			synctest.Wait()
		}
		p.say(`{"type":"ack","channel":1,"sequence":%d}`, a.Seq)
		if got := p.want(1, last); got.skipped != 4 {
			t.Errorf("%d skipped, want 4", got.skipped)
		}
		synctest.Wait()
		r.cameras[0].publish()
		synctest.Wait()
		newest := r.cameras[0].publish()
		p.say(`{"type":"ack","channel":1,"sequence":%d}`, last.Seq) // and all before
		p.want(1, newest)
		synctest.Wait()
		next := r.cameras[0].publish()
		p.want(1, next) // one more, because all before newest were acknowledged
		p.say(`{"type":"ack","channel":1,"sequence":18446744073709551615}`)
		synctest.Wait()
		p.want(1, r.cameras[0].publish())

		// A full window is no obstacle to unsubscribing.
		synctest.Wait()
		p.want(1, r.cameras[0].publish())
		synctest.Wait()
		p.say(`{"type":"unsubscribe","channel":1}`)
		if a := p.text("ended"); a.Reason != "unsubscribed" {
			t.Errorf("%+v", a)
		}
		r.accounted(t)
	})
}

func TestSocketStalledWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{WriteTimeout: 3 * time.Second}, "door", "yard")
		p := r.socket()
		p.say(`{"type":"subscribe","channel":1,"camera":"door","window":1}`)
		p.text("subscribed")
		p.say(`{"type":"subscribe","channel":2,"camera":"yard"}`)
		p.text("subscribed")
		synctest.Wait()
		p.want(1, r.cameras[0].publish())
		began := time.Now()
		if a := p.text("ended"); a.Channel != 1 || a.Reason != "stalled" || a.Detail == "" {
			t.Errorf("%+v", a)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("after %v", took)
		}
		p.want(2, r.cameras[1].publish()) // the connection goes on
		synctest.Wait()
		if st := r.server.Stats(); st.Viewers != 1 || st.Cameras[0].Ends[EndSlow] != 1 {
			t.Errorf("%+v", st)
		}
		p.say(`{"type":"subscribe","channel":1,"camera":"door","window":1}`)
		p.text("subscribed")
	})
}

func TestSocketResubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxViewers: 1, MaxFPS: 20}}, "door", "yard")
		p := r.socket()
		p.say(`{"type":"subscribe","channel":1,"camera":"door","window":1}`)
		p.text("subscribed")
		synctest.Wait()
		p.want(1, r.cameras[0].publish())
		synctest.Wait()
		// The window is full; the one place is passed on; the camera never loses its viewer.
		p.say(`{"type":"subscribe","channel":1,"camera":"door","mode":"lockstep","fps":2}`)
		if a := p.text("subscribed"); a.Mode != "lockstep" || *a.FPS != 2 {
			t.Errorf("%+v", a)
		}
		synctest.Wait()
		if n, rate := r.cameras[0].hub.Viewers(), r.cameras[0].hub.Rate(); n != 1 || rate != 2 {
			t.Errorf("%d viewers at %v fps", n, rate)
		}
		time.Sleep(time.Second) // what the group has begun with counts for its cap
		p.want(1, r.cameras[0].publish())
		// To another camera.
		p.say(`{"type":"subscribe","channel":1,"camera":"yard","fps":90}`)
		if a := p.text("subscribed"); a.Camera != "yard" || *a.FPS != 20 {
			t.Errorf("%+v", a)
		}
		synctest.Wait()
		r.cameras[0].publish()
		p.want(1, r.cameras[1].publish())
		if n := r.cameras[0].hub.Viewers(); n != 0 {
			t.Errorf("%d viewers", n)
		}
		// A second channel finds no place; a camera that is not there ends the first.
		p.say(`{"type":"subscribe","channel":2,"camera":"door"}`)
		if a := p.text("ended"); a.Channel != 2 || a.Reason != "viewers" || !strings.Contains(a.Detail, "1 viewers") {
			t.Errorf("%+v", a)
		}
		p.say(`{"type":"subscribe","channel":1,"camera":"attic"}`)
		if a := p.text("ended"); a.Channel != 1 || a.Reason != "unknown_camera" {
			t.Errorf("%+v", a)
		}
		synctest.Wait()
		if st := r.server.Stats(); st.Viewers != 0 || st.Rejections[RejectLimit] != 1 || st.Rejections[RejectNotFound] != 1 {
			t.Errorf("%+v", st)
		}
		r.accounted(t)
	})
}

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
			for range 2 * socketBurst {
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

func (p *peer) write(kind websocket.MessageType, text string) error {
	return p.conn.Write(context.Background(), kind, []byte(text))
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

func TestSocketShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "door", "yard")
		p := r.socket()
		for i, name := range []string{"door", "yard"} {
			p.say(`{"type":"subscribe","channel":%d,"camera":%q,"window":1}`, i+1, name)
			p.text("subscribed")
		}
		p.say(`{"type":"watch","interval":1}`)
		p.text("cameras")
		synctest.Wait()
		p.want(1, r.cameras[0].publish())
		began := time.Now()
		stopped := make(chan error)
		go func() { stopped <- r.stop() }()
		var ended []int
		for {
			a, _, err := p.read()
			if err != nil {
				if websocket.CloseStatus(err) != websocket.StatusGoingAway {
					t.Errorf("closed with %v", err)
				}
				break
			}
			if a != nil && a.Type == "ended" && a.Reason == "shutdown" {
				ended = append(ended, a.Channel)
			}
		}
		if slices.Sort(ended); !slices.Equal(ended, []int{1, 2}) {
			t.Errorf("told of the end of %v", ended)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if st := r.server.Stats(); st.Cameras[0].Ends[EndShutdown] != 1 || st.Cameras[1].Ends[EndShutdown] != 1 || st.Sockets.Open != 0 {
			t.Errorf("%+v", st)
		}
		r.accounted(t)
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

func TestSocketModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{AllPatience: time.Second, LockstepTimeout: time.Second}}, "door")
		p := r.socket()
		p.say(`{"type":"subscribe","channel":1,"camera":"door","mode":"all","window":1}`)
		p.text("subscribed")
		synctest.Wait()
		var frames []*fanout.Frame
		for range 4 {
			frames = append(frames, r.cameras[0].publish())
			synctest.Wait()
		}
		for _, f := range frames { // every one, in order, at the client's own pace
			p.want(1, f)
			synctest.Wait()
			p.say(`{"type":"ack","channel":1,"sequence":%d}`, f.Seq)
		}
		synctest.Wait()
		r.cameras[0].publish()
		synctest.Wait()
		p.read()
		r.cameras[0].publish() // waits behind one that is not acknowledged
		if a := p.text("ended"); a.Reason != "behind" {
			t.Errorf("%+v", a)
		}

		p.say(`{"type":"subscribe","channel":2,"camera":"door","mode":"lockstep","window":1}`)
		p.text("subscribed")
		p.say(`{"type":"subscribe","channel":3,"camera":"door","mode":"lockstep"}`)
		p.text("subscribed")
		synctest.Wait()
		r.cameras[0].publish()
		p.read()
		p.read()
		r.cameras[0].publish() // channel 3 has to wait for 2
		var told socketAnswer
		var got uint32
		for range 2 { // in whichever order
			a, f, err := p.read()
			switch {
			case err != nil:
				t.Fatal(err)
			case a != nil:
				told = *a
			default:
				got = f.channel
			}
		}
		if told.Type != "ended" || told.Channel != 2 || told.Reason != "lockstep" || got != 3 {
			t.Errorf("%+v, and a picture on %d", told, got)
		}
		synctest.Wait()
		if ends := r.server.Stats().Cameras[0].Ends; ends[EndBehind] != 1 || ends[EndLockstep] != 1 {
			t.Errorf("ends: %v", ends)
		}
	})
}

func TestSocketWithoutServe(t *testing.T) {
	hub := fanout.NewHub(Envelope)
	s := New(Options{Perimeter: testPerimeter, Cameras: []Camera{{ID: "door", Hub: hub, Status: func() Status { return Status{State: Streaming} }}}})
	near, far := net.Pipe()
	server := &http.Server{Handler: s.Handler()}
	lines := pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{}), once: new(sync.Once)}
	lines.conns <- far
	go server.Serve(lines)
	c, _, err := websocket.Dial(t.Context(), "ws://x/api/v1/ws", &websocket.DialOptions{HTTPClient: &http.Client{
		Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: c}
	p.text("hello")
	p.say(`{"type":"watch","interval":0.2}`)
	p.text("cameras")
	p.text("cameras")
	c.Close(websocket.StatusNormalClosure, "")
	for s.Stats().Sockets.Open > 0 {
		time.Sleep(time.Millisecond)
	}
	if err := server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
