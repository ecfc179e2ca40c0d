package web

import (
	"context"
	"errors"
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
