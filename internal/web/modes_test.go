package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

func TestModeAndRateAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		for query, want := range map[string]string{
			"mode=newest": "newest", "mode=latest,all": "latest,all", "fps=0": "fps", "fps=-1": "fps", "fps=NaN": "NaN",
			"fps=1001": "1001", "fps=0.09": "0.09", "fps=fast": "fast", "mode=all&fps=": "",
		} {
			c := r.ask(get("/stream?" + query))
			if want == "" {
				c.stream()
				continue
			}
			res, body := c.answer("GET")
			if res.StatusCode != 400 || res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, want) {
				t.Errorf("%s: %d %s", query, res.StatusCode, body)
			}
		}
		for _, query := range []string{"mode=lockstep", "mode=all&fps=0.1", "fps=29.97", "mode=latest&fps=1000&x=y"} {
			r.ask(get("/stream?" + query)).stream()
		}
	})
}

func TestFewerPicturesOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxFPS: 10}}, "cam")
		for query, want := range map[string]int{"": 10, "?fps=2": 2, "?fps=50": 10, "?fps=0.5": 1} {
			c := r.ask(get("/stream" + query))
			c.stream()
			n := make(chan int)
			go func() {
				parts := 0
				for {
					if _, _, err := c.part(); err != nil {
						n <- parts
						return
					}
					parts++
				}
			}()
			synctest.Wait()
			for range 60 {
				r.cameras[0].publish()
				time.Sleep(time.Second / 30)
			}
			c.conn.Close()
			if got := <-n; got < 2*want-1 || got > 2*want+1 {
				t.Errorf("%q: %d pictures in two seconds", query, got)
			}
			synctest.Wait()
		}
	})
}

func TestFrameAgeIsTold(t *testing.T) {
	f := newFrame([]byte("x"), 1, 1)
	f.Received = time.Now()
	f.Captured = f.Received.Add(-42 * time.Millisecond)
	f.Seq, f.Rate = 812, 9.96
	header, _ := Envelope(f)
	if !bytes.HasSuffix(header, []byte("\r\nX-Frame-Age: 42\r\nX-Frame-Sequence: 812\r\nX-Frame-Rate: 10.0\r\n\r\n")) ||
		!bytes.HasPrefix(header, []byte("Content-Type: image/jpeg\r\nContent-Length: 1\r\n")) || bytes.Count(header, []byte("\r\n\r\n")) != 1 {
		t.Errorf("%q", header)
	}
	f.Seq, f.Rate, f.Captured = math.MaxUint64, 1e9, time.Unix(1<<40, 0)
	f.Received = f.Captured.Add(1 << 62)
	if header, _ := Envelope(f); len(header) > fanout.Headroom {
		t.Errorf("a header of %d bytes: %q", len(header), header)
	}
	f.Captured = time.Time{}
	if header, _ := Envelope(f); bytes.Contains(header, []byte("Age")) {
		t.Errorf("the age is unknown: %q", header)
	}
}

// The rate is that of the camera's pictures lately, told from the second on.
func TestFrameRateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		for i := range 30 {
			f := r.cameras[0].publish()
			want := "X-Frame-Rate: 4.0\r\n"
			if i == 0 {
				want = "X-Frame-Rate: 0.0\r\n"
			}
			if !bytes.Contains(f.Part(), []byte(want)) || !bytes.Contains(f.Part(), fmt.Appendf(nil, "X-Frame-Sequence: %d\r\n", i+1)) {
				t.Fatalf("picture %d: %q", i, f.Part()[:200])
			}
			time.Sleep(250 * time.Millisecond)
		}
	})
}

// advancedPart reads a picture of a stream whose next header is sent with it.
func (c *client) advancedPart(f *fanout.Frame) {
	c.t.Helper()
	want := append(slices.Clone(f.JPEG()), "\r\n--camgw\r\nContent-Type: image/jpeg\r\n\r\n"...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.in, got); err != nil || !bytes.Equal(got, want) {
		c.t.Fatalf("not picture %d and the next header: %v", f.Seq, err)
	}
}

func TestAdvancedHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		c := r.ask(get("/stream?advance_headers=1"))
		c.stream()
		if line, empty := c.line(), c.line(); line != "Content-Type: image/jpeg" || empty != "" {
			t.Errorf("first header %q, %q", line, empty)
		}
		synctest.Wait()
		for range 3 {
			c.advancedPart(r.cameras[0].publish())
			synctest.Wait()
		}
		// Only who asks gets it, and mjpg-streamer's dialect knows nothing of it.
		for _, target := range []string{"/stream?advance_headers=0", "/stream?advance_headers=yes", "/?action=stream&advance_headers=1"} {
			d := r.ask(get(target))
			if strings.Contains(target, "action") {
				d.boundary = streamerBoundary
			}
			d.stream()
			f := r.cameras[0].hub.Latest()
			if picture, _, err := d.part(); err != nil || !bytes.Equal(picture, f.JPEG()) {
				t.Errorf("%s: %v", target, err)
			}
			d.conn.Close()
		}
	})
}

// Over TCP the pump writes, and may have to stop anywhere.
func TestAdvancedHeadersOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hub := fanout.NewHub(Envelope)
	s := New(Options{Perimeter: testPerimeter, SendBuffer: 64 << 10, Cameras: []Camera{{ID: "cam", Hub: hub, Status: func() Status { return Status{State: Streaming} }}}})
	serve(t, s, l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn, get("/stream?advance_headers=1"))
	c.stream()
	c.line()
	c.line()
	for hub.Viewers() < 1 {
		time.Sleep(time.Millisecond)
	}
	for i := range 20 {
		f := newFrame(bytes.Repeat([]byte{byte(i)}, 100+i*23917), 32, 24)
		hub.Publish(f)
		c.advancedPart(f)
	}
}

func TestBoundsPerCameraAndAddress(t *testing.T) {
	for name, o := range map[string]Options{"camera": {Limits: Limits{MaxViewersPerCamera: 1}}, "address": {Limits: Limits{MaxViewersPerAddress: 1}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, o, "a", "b")
				first := r.ask(get("/cam/a/stream.mjpg"))
				first.stream()
				res, body := r.ask(get("/cam/a/stream.mjpg")).answer("GET")
				if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, name) {
					t.Errorf("%d %s", res.StatusCode, body)
				}
				if name == "camera" {
					r.ask(get("/cam/b/stream.mjpg")).stream()
				}
				first.conn.Close()
				synctest.Wait()
				r.ask(get("/cam/a/stream.mjpg")).stream()
			})
		})
	}
}

// numbered is a picture that carries its number and the time it was made.
func numbered(n uint64, size int) *fanout.Frame {
	picture := make([]byte, size)
	binary.LittleEndian.PutUint64(picture, n)
	return newFrame(picture, 1, 1)
}

// dialTCP opens a stream of a server on a real socket, with a bounded receive buffer.
func dialTCP(t *testing.T, address, target string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).SetReadBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, get(target)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: conn, in: bufio.NewReader(conn), boundary: boundary}
}

// With a viewer of all frames at half the camera's speed the camera slows to it: 10,000 frames arrive without a gap, and
// a latest viewer beside it is not behind.
func TestAllOverTCP(t *testing.T) {
	const frames, size, burst = 10000, 8000, 4 // in a turn of a millisecond: no timer is finer, and a busy machine's is coarser
	hub := fanout.NewHub(Envelope)
	s := New(Options{Perimeter: testPerimeter,
		RepeatAfter: time.Hour, Limits: Limits{AllBuffer: 1 << 20, AllPatience: time.Minute}, SendBuffer: 256 << 10,
		Cameras: []Camera{{ID: "cam", Hub: hub, Status: func() Status { return Status{State: Streaming} }}},
	})
	address := newLoopback(t, s)
	all, latest := dialTCP(t, address, "/stream?mode=all"), dialTCP(t, address, "/stream")
	all.stream()
	latest.stream()
	for hub.Viewers() < 2 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var held, bursts int
	ticks := make(chan struct{}, frames) // one for each turn, closed with the last frame
	var turns []time.Duration            // how long each took
	wg.Go(func() {
		defer close(ticks)
		for n := uint64(1); n <= frames && ctx.Err() == nil; {
			begin := time.Now()
			if hub.Allowance() > 0 {
				bursts++
			}
			for range burst {
				if n > frames || hub.Allowance() == 0 {
					held++
					break
				}
				hub.Publish(numbered(n, size))
				n++
			}
			time.Sleep(time.Millisecond)
			turns = append(turns, time.Since(begin))
			select {
			case ticks <- struct{}{}:
			default:
			}
		}
	})
	var ages []time.Duration
	wg.Go(func() {
		for ctx.Err() == nil {
			picture, stamp, err := latest.part()
			if err != nil {
				return
			}
			ages = append(ages, time.Since(stamp))
			if binary.LittleEndian.Uint64(picture) == frames {
				return
			}
		}
	})
	for n, waited := uint64(1), uint64(0); n <= frames; n++ {
		picture, _, err := all.part()
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		if got := binary.LittleEndian.Uint64(picture); got != n {
			t.Fatalf("frame %d came after frame %d", got, n-1)
		}
		for ; waited < 2*n/burst; waited++ {
			<-ticks
		}
	}
	wg.Wait()
	slices.Sort(ages)
	slices.Sort(turns)
	t.Logf("the camera was held back %d times in %d turns, of %v; the latest viewer got %d frames of %d, aged p50 %v, p95 %v, p99 %v, at most %v",
		held, len(turns), turns[len(turns)/2], len(ages), frames, ages[len(ages)/2], ages[len(ages)*95/100], ages[len(ages)*99/100], ages[len(ages)-1])
	if held == 0 || len(ages) < bursts*9/10 {
		t.Errorf("the camera was held back %d times; of %d bursts the latest viewer saw %d frames", held, bursts, len(ages))
	}
	// A scheduler that runs somebody else for a while ages the frames of that while, and no others.
	if p95, limit := ages[len(ages)*95/100], 2*turns[len(turns)/2]; p95 > limit {
		t.Errorf("one in twenty of the latest viewer's frames was older than %v; two turns of the camera are %v", p95, limit)
	}
}

// The end of each stalled viewer is counted by its mode, and takes its patience.
func TestStalledViewersOverTCP(t *testing.T) {
	hub := fanout.NewHub(Envelope)
	const patience = 400 * time.Millisecond
	s := New(Options{Perimeter: testPerimeter,
		RepeatAfter: time.Hour, WriteTimeout: 3 * patience, Limits: Limits{LockstepTimeout: patience, AllPatience: patience}, SendBuffer: 256 << 10,
		Cameras: []Camera{{ID: "cam", Hub: hub, Status: func() Status { return Status{State: Streaming} }}},
	})
	address := newLoopback(t, s)
	for _, target := range []string{"/stream", "/?action=stream", "/stream?mode=lockstep", "/stream?mode=all"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprint(conn, get(target)); err != nil {
			t.Fatal(err)
		}
	}
	good := dialTCP(t, address, "/?action=stream")
	good.boundary = streamerBoundary
	good.stream()
	for hub.Viewers() < 5 {
		time.Sleep(time.Millisecond)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, _, err := good.part(); err != nil {
				return
			}
		}
	})
	deadline := time.Now().Add(20 * time.Second)
	for n := uint64(0); hub.Viewers() > 1; n++ {
		if time.Now().After(deadline) {
			t.Fatalf("still there: %+v", s.Stats())
		}
		hub.Publish(numbered(n, 150000))
		time.Sleep(2 * time.Millisecond)
	}
	ends := s.Stats().Cameras[0].Ends
	if ends != [len(ends)]uint64{EndSlow: 2, EndLockstep: 1, EndBehind: 1} {
		t.Errorf("streams ended by %v", ends)
	}
	good.conn.Close()
	wg.Wait()
}
