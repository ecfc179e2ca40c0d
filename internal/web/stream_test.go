package web

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

func TestStreamLayout(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, "cam")
				c := r.ask("GET /stream HTTP/" + version + "\r\nHost: gateway\r\n\r\n")
				header := c.stream()
				for _, want := range []string{
					"HTTP/" + version + " 200 OK",
					"Content-Type: multipart/x-mixed-replace; boundary=camgw",
					"Cache-Control: no-store",
					"Pragma: no-cache",
					"X-Accel-Buffering: no",
					"X-Content-Type-Options: nosniff",
					"Connection: close",
				} {
					if !slices.Contains(header, want) {
						t.Errorf("header %q lacks %q", header, want)
					}
				}
				for _, line := range header {
					if strings.HasPrefix(line, "Transfer-Encoding") || strings.HasPrefix(line, "Content-Length") {
						t.Errorf("header has %q", line)
					}
				}
				synctest.Wait()
				for range 3 {
					c.want(r.cameras[0].publish())
				}
			})
		})
	}
}

// The whole part, the next boundary included, must leave in one write: Mainsail fails when the picture's first
// bytes straddle two reads, and browsers show the picture only when they see the boundary.
func TestPartIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		conn := r.lines.dial()
		defer conn.Close()
		if _, err := io.WriteString(conn, get("/stream")); err != nil {
			t.Fatal(err)
		}
		chunk := make([]byte, 1<<20) // a pipe's Read returns at most what one Write wrote
		n, err := conn.Read(chunk)
		if err != nil || !bytes.HasSuffix(chunk[:n], []byte("\r\n\r\n--camgw\r\n")) {
			t.Fatalf("first write is %q, %v", chunk[:n], err)
		}
		synctest.Wait()
		for _, size := range []int{10, 3000, 40000, progress - 200} {
			f := newFrame(bytes.Repeat([]byte("x"), size), 32, 24)
			r.cameras[0].hub.Publish(f)
			n, err := conn.Read(chunk)
			if err != nil || !bytes.Equal(chunk[:n], f.Part()) {
				t.Errorf("a write of %d bytes (%v) for a part of %d", n, err, len(f.Part()))
			}
		}
	})
}

func TestMultipartReaderReadsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		c := r.ask(get("/cam/cam/stream.mjpg?bypassCache=1&dummy=param.mjpg"))
		res, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		mediaType, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
		if err != nil || mediaType != "multipart/x-mixed-replace" {
			t.Fatalf("media type %q: %v", mediaType, err)
		}
		reader := multipart.NewReader(res.Body, params["boundary"])
		for range 3 {
			synctest.Wait()
			f := r.cameras[0].publish()
			part, err := reader.NextPart()
			if err != nil {
				t.Fatal(err)
			}
			picture, err := io.ReadAll(part)
			if err != nil || !bytes.Equal(picture, f.JPEG()) {
				t.Errorf("picture of %d bytes, %v; want %d", len(picture), err, len(f.JPEG()))
			}
		}
	})
}

func TestEnvelopeFits(t *testing.T) {
	for name, taken := range map[string]time.Time{
		"now": time.Now(), "1970": time.Unix(0, 0), "before": time.Unix(-5, 0), "far": time.Unix(1<<40, 999999999),
	} {
		header := appendPartHeader(nil, math.MaxInt, taken)
		if len(header) > fanout.Headroom || len(trailer) > fanout.Tailroom {
			t.Errorf("%s: envelope of %d and %d bytes", name, len(header), len(trailer))
		}
		if lines := strings.Split(string(header), "\r\n"); len(lines) != 5 || !timestamp.MatchString(lines[2]) {
			t.Errorf("%s: %q", name, lines)
		}
	}
	if got := string(appendTimestamp(nil, time.UnixMicro(1763832452000042))); got != "1763832452.000042" {
		t.Errorf("timestamp %q", got)
	}
}

// The product's promise: of 100 viewers one never reads, and nobody else notices.
func TestFrozenViewerHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const viewers, frames = 100, 450
		r := newRig(t, Options{}, "cam")
		frozen := r.ask(get("/stream"))
		frozen.stream()
		var wg sync.WaitGroup
		for i := range viewers - 1 {
			c := r.ask(get("/stream"))
			c.stream()
			wg.Go(func() {
				for n := range frames {
					_, stamp, err := c.part()
					if err != nil || time.Since(stamp) > time.Microsecond {
						t.Errorf("viewer %d, part %d: %v, aged %v", i, n, err, time.Since(stamp))
						break
					}
				}
				c.conn.Close()
			})
		}
		synctest.Wait()
		start := time.Now()
		for range frames {
			r.cameras[0].publish()
			time.Sleep(time.Second / 30)
		}
		wg.Wait()
		synctest.Wait()
		if ran := time.Since(start); ran > frames*time.Second/30+time.Millisecond {
			t.Errorf("%d frames took %v", frames, ran)
		}
		st := r.server.Stats()
		if ends := st.Cameras[0].Ends; ends[EndSlow] != 1 || ends[EndClient] != viewers-1 || ends[EndWriteError] != 0 {
			t.Errorf("streams ended by %v", ends)
		}
		if st.Viewers != 0 || r.cameras[0].hub.Viewers() != 0 {
			t.Errorf("%d viewers left", st.Viewers)
		}
		account := r.cameras[0].hub.Stats().Transports[fanout.MJPEG]
		if account.Offered != account.Sent+account.Skipped[fanout.Slow]+account.Skipped[fanout.Left]+account.Skipped[fanout.Error] ||
			account.Sent != (viewers-1)*frames || account.Skipped[fanout.Error] != 1 {
			t.Errorf("account %+v", account)
		}
	})
}

// A viewer is slow only if it takes nothing: one that trickles stays, and gets whole parts.
func TestSlowButReadingViewerStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{WriteTimeout: 3 * time.Second, RepeatAfter: time.Hour}, "cam")
		c := r.ask(get("/stream"))
		c.stream()
		synctest.Wait()
		f := newFrame(bytes.Repeat([]byte("x"), 5*progress), 32, 24)
		r.cameras[0].hub.Publish(f)
		start := time.Now()
		c.in = bufio.NewReaderSize(slowly{c.conn}, progress)
		c.want(f)
		if took := time.Since(start); took < 5*time.Second {
			t.Errorf("took %v: the test was not slow", took)
		}
		if ends := r.server.Stats().Cameras[0].Ends[EndSlow]; ends != 0 {
			t.Error("the viewer was disconnected as slow")
		}
	})
}

// slowly reads half a progress unit a second.
type slowly struct{ net.Conn }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.Conn.Read(p[:min(len(p), progress/2)])
}

func TestStillPictureIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		c := r.ask(get("/stream"))
		c.stream()
		synctest.Wait()
		f := r.cameras[0].publish()
		c.want(f)
		for range 60 { // a camera that is well may be slow for ever
			start := time.Now()
			c.want(f)
			if waited := time.Since(start); waited != 800*time.Millisecond {
				t.Fatalf("repeated after %v", waited)
			}
		}
		c.want(r.cameras[0].publish())
		c.conn.Close()
		synctest.Wait()
		hub := r.cameras[0].hub.Stats().Transports[fanout.MJPEG]
		if st := r.server.Stats().Cameras[0]; st.Repeats != 60 || st.Placeholders != 0 || st.FillerBytes != 60*uint64(len(f.Part())) {
			t.Errorf("%+v", st)
		}
		if hub.Sent != 2 || hub.Offered != 2 {
			t.Errorf("repeats were counted as frames: %+v", hub)
		}
	})
}

func TestNoSignalAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		c, cam := r.ask(get("/stream")), r.cameras[0]
		c.stream()
		synctest.Wait()
		f := cam.publish()
		c.want(f)

		cam.set(Status{State: Offline, Cause: CauseUnplugged})
		config, unplugged := c.other()
		if gone := time.Since(f.Received); gone != 800*time.Millisecond {
			t.Errorf("the no-signal picture came after %v", gone)
		}
		if config.Width != 32 || config.Height != 24 {
			t.Errorf("the no-signal picture is %dx%d", config.Width, config.Height)
		}
		start := time.Now()
		_, again := c.other()
		if waited := time.Since(start); waited != 800*time.Millisecond || !bytes.Equal(unplugged, again) {
			t.Errorf("repeated after %v; the same: %v", waited, bytes.Equal(unplugged, again))
		}

		// Linked again, no picture yet: what was before the interruption is not shown.
		cam.set(Status{State: Streaming, Cause: CauseNone})
		c.other()
		returned := cam.publish()
		c.want(returned)
		c.want(returned)
		c.conn.Close()
		synctest.Wait()
		if st := r.server.Stats().Cameras[0]; st.Repeats != 1 || st.Placeholders != 3 {
			t.Errorf("%+v", st)
		}
		account := cam.hub.Stats().Transports[fanout.MJPEG]
		if account.Offered != 2 || account.Sent != 2 {
			t.Errorf("account %+v", account)
		}
	})
}

func TestNoSignalFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		r.cameras[0].set(Status{State: Offline, Cause: CauseAbsent, Reason: "no /dev/ttyUSB0"})
		c := r.ask(get("/stream"))
		start := time.Now()
		c.stream()
		config, absent := c.other()
		if waited := time.Since(start); waited != 0 || config.Width != 640 || config.Height != 480 {
			t.Errorf("%dx%d after %v", config.Width, config.Height, waited)
		}
		r.cameras[0].set(Status{State: Offline, Cause: CausePermission})
		_, permission := c.other()
		if bytes.Equal(absent, permission) {
			t.Error("another cause, the same picture")
		}
		c.want(r.cameras[0].publish())
	})
}

// A camera that says it is well but sends nothing must not leave its viewers with nothing.
func TestSilentCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		c := r.ask(get("/stream"))
		start := time.Now()
		c.stream()
		c.other()
		if waited := time.Since(start); waited != 800*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}

// What was published before a viewer came is shown only if others are watching it: else it is from before the
// camera rested, however short the rest was.
func TestViewerAfterIdleSeesNoOldPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		cam := r.cameras[0]
		cam.publish()
		first := r.ask(get("/stream"))
		first.stream()
		synctest.Wait()
		f := cam.publish()
		first.want(f)
		second := r.ask(get("/stream"))
		second.stream()
		second.want(f)

		first.conn.Close()
		second.conn.Close()
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		third := r.ask(get("/stream"))
		third.stream()
		synctest.Wait()
		third.want(cam.publish())
	})
}

func TestViewerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxViewers: 2}}, "cam")
		first, second := r.ask(get("/stream")), r.ask(get("/stream"))
		first.stream()
		second.stream()
		for _, target := range []string{"/stream", "/snapshot.jpg"} {
			res, body := r.ask(get(target)).answer("GET")
			if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" ||
				res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "all 2 viewers") {
				t.Errorf("%s: %v %q", target, res.Header, body)
			}
		}
		first.conn.Close()
		synctest.Wait()
		r.ask(get("/stream")).stream() // the place is free at once
		if st := r.server.Stats(); st.Rejections[RejectLimit] != 2 || st.Viewers != 2 || st.ViewerLimit != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestStreamerDialect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a", "b")
		for target, index := range map[string]int{
			"/?action=stream": 0, "/?action=stream_0": 0, "/?action=stream_1": 1, "/webcam/?action=stream": 0,
			"/?action=stream?dummy=param.mjpg": 0, "/?action=stream_1?dummy=param.mjpg": 1, "/?action=stream&x=y": 0,
		} {
			c := r.ask(get(target))
			c.boundary = "boundarydonotcross"
			header := c.stream()
			if !slices.Contains(header, "Content-Type: multipart/x-mixed-replace; boundary=boundarydonotcross") {
				t.Errorf("%s: header %q", target, header)
			}
			synctest.Wait()
			c.want(r.cameras[index].publish())
			r.cameras[index].set(Status{State: Offline, Cause: CauseUnplugged})
			for range 2 { // repeats of the picture
				if _, _, err := c.part(); err != nil {
					t.Errorf("%s: %v", target, err)
				}
			}
			c.other()
			r.cameras[index].set(Status{State: Streaming})
			c.conn.Close()
			time.Sleep(time.Minute)
		}
	})
}

func TestShutdownEndsAfterAWholePart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		waiting, reading := r.ask(get("/stream")), r.ask(get("/stream"))
		waiting.stream()
		reading.stream()
		synctest.Wait()
		f := r.cameras[0].publish()
		waiting.want(f)
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- r.stop() }()
		synctest.Wait()
		// The server ends while this viewer's part is half written. It reads on.
		time.Sleep(time.Second)
		reading.want(f)
		for name, c := range map[string]*client{"waiting": waiting, "reading": reading} {
			if _, _, err := c.part(); !errors.Is(err, errEnd) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		if took := time.Since(start); took > 1600*time.Millisecond {
			t.Errorf("shutdown took %v", took)
		}
		if ends := r.server.Stats().Cameras[0].Ends; ends[EndShutdown] != 2 {
			t.Errorf("streams ended by %v", ends)
		}
		if n := r.server.Stats().Connections.Open; n != 0 {
			t.Errorf("%d connections left", n)
		}
	})
}

func TestShutdownDoesNotWaitForAFrozenViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		c := r.ask(get("/stream"))
		c.stream()
		synctest.Wait()
		r.cameras[0].publish()
		synctest.Wait()
		start := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
		if took := time.Since(start); took > 3*time.Second+100*time.Millisecond {
			t.Errorf("shutdown took %v", took)
		}
		if _, _, err := c.part(); err == nil {
			t.Error("the frozen viewer got its part after all; the test is too tame")
		}
	})
}

// On a real network: a viewer that never reads is found out in spite of the kernel's buffers, and hangs up on
// its own are noticed while nothing is being sent.
func TestDisconnectionsOverTCP(t *testing.T) {
	hub := fanout.NewHub(Envelope)
	s := New(Options{Perimeter: testPerimeter,
		WriteTimeout: 300 * time.Millisecond,
		RepeatAfter:  time.Hour,
		Cameras:      []Camera{{ID: "cam", Hub: hub, Status: func() Status { return Status{State: Streaming} }}},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, l)
	dial := func() *client {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn, get("/stream"))
		c.stream()
		return c
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for !done() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: never; %+v", what, s.Stats())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}

	c := dial()
	wait("viewer counted", func() bool { return hub.Viewers() == 1 })
	c.conn.Close()
	wait("idle viewer's leave noticed", func() bool { return hub.Viewers() == 0 && s.Stats().Cameras[0].Ends[EndClient] == 1 })

	dial()
	picture := make([]byte, 300000)
	wait("viewer that never reads evicted", func() bool {
		hub.Publish(newFrame(picture, 32, 24))
		return s.Stats().Cameras[0].Ends[EndSlow] == 1
	})
	if hub.Viewers() != 0 {
		t.Errorf("%d viewers left", hub.Viewers())
	}
}
