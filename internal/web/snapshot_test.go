package web

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

func TestSnapshotAge(t *testing.T) {
	for _, test := range []struct {
		name    string
		age     time.Duration // of the newest picture
		publish time.Duration // a new one comes after so long; 0: never
		wantOld bool
		want    int
		after   time.Duration
	}{
		{"fresh", 500 * time.Millisecond, 0, true, 200, 0},
		{"old, a new one comes", 501 * time.Millisecond, 300 * time.Millisecond, false, 200, 300 * time.Millisecond},
		{"old, a new one comes just in time", time.Hour, 1799 * time.Millisecond, false, 200, 1799 * time.Millisecond},
		{"old, none comes", time.Hour, 0, false, 503, 1800 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, "cam")
				cam := r.cameras[0]
				want := cam.publish()
				time.Sleep(test.age)
				start := time.Now()
				c := r.ask(get("/snapshot.jpg"))
				if test.publish > 0 {
					time.Sleep(test.publish)
					if n := cam.hub.Viewers(); n != 1 {
						t.Errorf("%d viewers while a snapshot waits: the camera is not woken", n)
					}
					want = cam.publish()
				}
				res, body := c.answer("GET")
				if took := time.Since(start); res.StatusCode != test.want || took != test.after {
					t.Errorf("%d after %v", res.StatusCode, took)
				}
				if test.want == 200 {
					if body != string(want.JPEG()) {
						t.Errorf("%d bytes, want %d", len(body), len(want.JPEG()))
					}
					checkSnapshotHeader(t, res.Header, want)
				} else if res.Header.Get("Retry-After") == "" || !strings.Contains(body, `"status":503`) {
					t.Errorf("%v %s", res.Header, body)
				}
				synctest.Wait()
				account := cam.hub.Stats().Transports[fanout.Snapshot]
				if account.Offered != account.Sent || cam.hub.Viewers() != 0 || r.server.Stats().Viewers != 0 {
					t.Errorf("%+v", account)
				}
			})
		})
	}
}

func checkSnapshotHeader(t *testing.T, header http.Header, f *fanout.Frame) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":           "image/jpeg",
		"Content-Length":         strconv.Itoa(len(f.JPEG())),
		"Cache-Control":          "no-store",
		"Last-Modified":          f.Time().UTC().Format(http.TimeFormat),
		"X-Timestamp":            string(appendTimestamp(nil, f.Time())),
		"X-Content-Type-Options": "nosniff",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSnapshotOfALostCameraSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		r.cameras[0].set(Status{State: Offline, Cause: CausePermission})
		for _, method := range []string{"GET", "HEAD"} {
			res, body := r.ask(method + " /snapshot.jpg HTTP/1.1\r\nHost: gateway\r\n\r\n").answer(method)
			if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %v", method, res.StatusCode, res.Header)
			}
			if method == "GET" && (!strings.Contains(body, `"cause":"permission"`) || !strings.Contains(body, "dialout")) {
				t.Errorf("%s", body)
			}
		}
		if n := r.server.Stats().Rejections[RejectNoPicture]; n != 2 {
			t.Errorf("%d rejections", n)
		}
	})
}

func TestHeadDoesNotWakeTheCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		r.cameras[0].set(Status{State: Idle})
		start := time.Now()
		res, _ := r.ask("HEAD /snapshot.jpg HTTP/1.1\r\nHost: gateway\r\n\r\n").answer("HEAD")
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "image/jpeg" || time.Since(start) != 0 {
			t.Errorf("%d %v after %v", res.StatusCode, res.Header, time.Since(start))
		}
		if n := r.cameras[0].hub.Stats().Transports[fanout.Snapshot].Joined; n != 0 {
			t.Errorf("%d viewers came", n)
		}
	})
}

// One connection may ask again and again.
func TestSnapshotsKeepTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		conn := r.lines.dial()
		c := newClient(t, conn, "")
		for range 5 {
			f := r.cameras[0].publish()
			if _, err := conn.Write([]byte(get("/snapshot.jpg"))); err != nil {
				t.Fatal(err)
			}
			if res, body := c.answer("GET"); res.StatusCode != 200 || body != string(f.JPEG()) {
				t.Errorf("%d, %d bytes", res.StatusCode, len(body))
			}
			time.Sleep(30 * time.Second) // longer than a deadline left over from the answer before
		}
	})
}

func TestShutdownAnswersAWaitingSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		c := r.ask(get("/snapshot.jpg"))
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- r.stop() }()
		if res, body := c.answer("GET"); res.StatusCode != 503 || !strings.Contains(body, `"cause":"shutdown"`) {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSnapshotViewerThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "cam")
		r.cameras[0].hub.Publish(newFrame(bytes.Repeat([]byte("x"), 50000), 32, 24))
		r.ask(get("/snapshot.jpg"))
		time.Sleep(11 * time.Second)
		account := r.cameras[0].hub.Stats().Transports[fanout.Snapshot]
		if account.Viewers != 0 || account.Sent != 0 || account.Skipped[fanout.Error] != 1 {
			t.Errorf("%+v", account)
		}
	})
}
