package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// film takes n pictures of one camera.
func film(t *testing.T, n int) (*device, [][]byte) {
	t.Helper()
	camera, err := bench.NewCamera(3000)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{model: model{id: "cam"}, ledger: &ledger{camera: camera}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &keeper{device: d, until: n, enough: cancel}
	if err := camera.Play(ctx, w, 1000); err != nil {
		t.Fatal(err)
	}
	return d, w.kept
}

type keeper struct {
	*device
	kept   [][]byte
	until  int
	enough func()
}

func (k *keeper) Write(p []byte) (int, error) {
	if k.kept = append(k.kept, bytes.Clone(p)); len(k.kept) == k.until {
		k.enough()
	}
	return k.device.Write(p)
}

// judged is the promise that a viewer finds broken; empty: none.
func judged(t *testing.T, see func(r *run)) Promise {
	t.Helper()
	r := &run{timeline: &timeline{begun: time.Now(), out: io.Discard}}
	_, r.cancel = context.WithCancelCause(t.Context())
	defer r.cancel(nil)
	see(r)
	if v := r.violation.Load(); v != nil {
		return v.Promise
	}
	return ""
}

// TestSessionJudges: each kind of lie to a viewer is told from the truth, and from the others.
func TestSessionJudges(t *testing.T) {
	d, pictures := film(t, 12)
	var own bytes.Buffer
	if err := jpeg.Encode(&own, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(pictures[3])
	damaged[len(damaged)/2] ^= 1
	foreign := bytes.Clone(pictures[3])
	foreign[len(foreign)-4] ^= 1 // its time
	p := func(i int, hub uint64) shown { return shown{pictures[i], hub} }
	nothing := shown{own.Bytes(), 0}
	for _, tt := range []struct {
		name    string
		mode    string
		repeats bool
		see     []shown
		want    Promise
	}{
		{"in order", "latest", true, []shown{nothing, p(0, 1), p(1, 2), p(4, 3), p(5, 9)}, ""},
		{"repeated", "latest", true, []shown{p(0, 1), p(0, 1), nothing, p(1, 2)}, ""},
		{"repeated over a WebSocket", "latest", false, []shown{p(0, 1), p(0, 1)}, Order},
		{"repeated under another number", "latest", true, []shown{p(0, 1), p(0, 2)}, Order},
		{"backwards", "latest", true, []shown{p(1, 1), p(0, 2)}, Order},
		{"number backwards", "latest", true, []shown{p(0, 2), p(1, 1)}, Order},
		{"damaged", "latest", true, []shown{{damaged, 1}}, WrongPicture},
		{"never taken", "latest", true, []shown{{foreign, 1}}, WrongPicture},
		{"a stand-in that is none", "latest", true, []shown{{[]byte("hello"), 0}}, WrongPicture},
		{"all", "all", true, []shown{p(0, 1), p(1, 2), p(2, 3)}, ""},
		{"a gap in the daemon's numbers", "all", true, []shown{p(0, 1), p(2, 3)}, Gap},
		{"a gap in what others have seen", "all", true, []shown{p(6, 1), p(8, 2)}, Gap},
		{"lockstep", "lockstep", true, []shown{p(0, 1), p(2, 2), p(5, 5), p(8, 6), p(9, 7)}, Lockstep},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.ledger.saw(7, 1, true) // by somebody else of the same group
			got := judged(t, func(r *run) {
				s := r.newSession("somebody", d, manners{mode: tt.mode}, tt.repeats, 1)
				for _, one := range tt.see {
					s.take(one)
				}
				s.end()
			})
			if got != tt.want {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
	if got := judged(t, func(r *run) {
		s := r.newSession("somebody in another life", d, manners{mode: "lockstep"}, true, 2)
		s.take(p(6, 1))
		s.take(p(8, 2))
		s.end()
	}); got != "" {
		t.Errorf("what was given in one life is missed in another: %q", got)
	}
}

// TestAccountJudges: both equations are looked at, camera by camera.
func TestAccountJudges(t *testing.T) {
	const books = `# HELP a line
camgw_frames_received_total{camera="cam"} %d
camgw_frames_published_total{camera="cam"} 90
camgw_frames_rejected_total{camera="cam",reason="bad_jpeg"} 7
camgw_frames_rejected_total{camera="cam",reason="incomplete"} 3
camgw_frames_received_total{camera="other"} 5
camgw_clients{camera="cam",transport="ws"} %d
camgw_client_frames_offered_total{camera="cam",transport="ws"} %d
camgw_client_frames_sent_total{camera="cam",transport="ws"} 60
camgw_client_frames_skipped_total{camera="cam",transport="ws",reason="slow"} 10
camgw_client_frames_skipped_total{camera="cam",transport="ws",reason="left"} 5
`
	for _, tt := range []struct {
		name                       string
		received, viewers, offered int
		want                       Promise
	}{
		{"balanced", 100, 0, 75, ""},
		{"one not published", 101, 0, 75, Account},
		{"one sent that was not offered", 100, 0, 74, Account},
		{"one neither sent nor skipped", 100, 0, 76, Account},
		{"one on its way", 100, 1, 76, ""},
	} {
		a, err := parseAccount(strings.NewReader(fmt.Sprintf(books, tt.received, tt.viewers, tt.offered)))
		if err != nil {
			t.Fatal(err)
		}
		got := judged(t, func(r *run) {
			r.devices = []*device{{model: model{id: "cam"}}}
			r.judgeAccount(a)
			r.judgeViewers(a)
		})
		if got != tt.want {
			t.Errorf("%s: judged %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestExcuses: a span excuses what touches it, and nothing before or after.
func TestExcuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e excuse
		zero := time.Now()
		at := func(s int) time.Time { return zero.Add(time.Duration(s) * time.Second) }
		time.Sleep(10 * time.Second)
		e.begin()
		e.begin()
		if !e.covers(at(9), at(10)) || e.covers(at(3), at(9)) {
			t.Error("an open span covers from its beginning on")
		}
		time.Sleep(5 * time.Second)
		e.end(0)
		if !e.covers(at(15), at(15)) {
			t.Error("one of two is still open")
		}
		e.end(2 * time.Second)
		for _, tt := range []struct {
			from, to int
			want     bool
		}{{0, 9, false}, {0, 10, true}, {12, 13, true}, {17, 30, true}, {18, 30, false}} {
			if got := e.covers(at(tt.from), at(tt.to)); got != tt.want {
				t.Errorf("from %d to %d: %v", tt.from, tt.to, got)
			}
		}
	})
}

// TestGate: nobody is inside when it is shut, and a place that is waited for outside is given up with the run.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g := newGate()
		passed := 0
		done := make(chan error)
		go func() {
			for {
				inside, left, err := g.enter(ctx)
				if err != nil {
					done <- err
					return
				}
				passed++
				<-inside.Done()
				left()
			}
		}()
		for want := range 3 {
			synctest.Wait()
			if passed != want {
				t.Fatalf("%d passed, want %d", passed, want)
			}
			g.open(ctx)
			synctest.Wait()
			g.shut()
		}
		g.open(ctx)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestRise: what rises after the warm-up is told, by how much, and noise or the warm-up itself is not.
func TestRise(t *testing.T) {
	var flat, rising []Sample
	for i := range 801 {
		h := float64(i) / 100
		warm := max(0, 1-h) * -5
		noise := float64(i*7919%13) / 13
		flat = append(flat, Sample{Hours: h, Resident: 20 + warm + noise})
		rising = append(rising, Sample{Hours: h, Resident: 20 + warm + noise + h/2})
	}
	of := func(s Sample) float64 { return s.Resident }
	if r := Rise(flat, 1, of); r < -0.2 || r > 0.2 {
		t.Errorf("a flat line rises by %v", r)
	}
	if r := Rise(rising, 1, of); r < 3.3 || r > 3.7 {
		t.Errorf("a line that rises by 3.5 rises by %v", r)
	}
}
