package fanout

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errEnd = errors.New("end")

func TestAllIsGivenEveryFrameAndSlowsTheCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames = 10000
		hub := NewHub(nil)
		slow, quick := newSink(), newSink()
		slow.take = takes(time.Second / 15)
		slow.got = make(chan string, frames)
		v := hub.Attach(Terms{Mode: All, Patience: 5 * time.Second, Buffer: 8 << 20}, slow)
		w := hub.Attach(Terms{}, quick)
		start := time.Now()
		film(hub, frames, time.Second/30)
		time.Sleep(10 * time.Second)
		for n := 1; n <= frames; n++ {
			if got := <-slow.got; got != fmt.Sprint(n) {
				t.Fatalf("frame %d is %s", n, got)
			}
		}
		if took := time.Since(start); took < frames/16*time.Second {
			t.Errorf("the camera did not slow down: %v", took)
		}
		if a := leave(t, v, slow); a.Sent != frames || slow.why != errEnd {
			t.Errorf("%+v, %v", a, slow.why)
		}
		if hub.Allowance() < frames {
			t.Errorf("allowance %d without viewers of all", hub.Allowance())
		}
		if a := leave(t, w, quick); a.Sent != frames {
			t.Errorf("the latest viewer: %+v", a)
		}
	})
}

func TestFrozenAllViewerSlowsTheCameraForItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		frozen := newSink()
		frozen.take = takes(time.Hour)
		hub.Attach(Terms{Mode: All, Patience: 5 * time.Second, Buffer: 8 << 20}, frozen)
		start := time.Now()
		go film(hub, 300, time.Second/30)
		<-frozen.ended
		if after := time.Since(start); !errors.Is(frozen.why, ErrBehind) || after < 5*time.Second || after > 5*time.Second+100*time.Millisecond {
			t.Errorf("ended by %v after %v", frozen.why, after)
		}
		balanced(t, "frozen", frozen.account)
		before := hub.Stats().Published
		time.Sleep(time.Second)
		if n := hub.Stats().Published - before; n < 29 {
			t.Errorf("%d frames in the second after it", n)
		}
		time.Sleep(time.Minute)
	})
}

func TestAllViewerBeyondItsBufferIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		frozen := newSink()
		frozen.take = takes(time.Hour)
		hub.Attach(Terms{Mode: All, Patience: time.Hour, Buffer: 10000}, frozen)
		for range 100 { // a camera that cannot be held back
			hub.Publish(frameOf("x"))
			synctest.Wait()
		}
		<-frozen.ended
		if !errors.Is(frozen.why, ErrBehind) {
			t.Errorf("ended by %v", frozen.why)
		}
		if st := hub.Stats(); st.FrameMemory > 2000 {
			t.Errorf("%d bytes held after it", st.FrameMemory)
		}
	})
}

func TestLockstepGroupIsDelayedOnceAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		terms := Terms{Mode: Lockstep, Patience: 2 * time.Second}
		var sinks []*testSink
		var viewers []*Viewer
		for i := range 3 {
			s := newSink()
			s.got = make(chan string, 1000)
			s.take = takes(time.Duration(i) * 40 * time.Millisecond) // the slowest takes longer than a frame's time
			sinks, viewers = append(sinks, s), append(viewers, hub.Attach(terms, s))
		}
		free := newSink()
		latest := hub.Attach(Terms{}, free)
		film(hub, 100, time.Second/30)
		time.Sleep(time.Second)
		var seen [3][]string
		for i, s := range sinks {
			for len(s.got) > 0 {
				seen[i] = append(seen[i], <-s.got)
			}
		}
		if !slices.Equal(seen[0], seen[1]) || !slices.Equal(seen[1], seen[2]) || len(seen[0]) < 30 || len(seen[0]) > 60 {
			t.Errorf("the group saw %d, %d and %d frames", len(seen[0]), len(seen[1]), len(seen[2]))
		}

		frozen := newSink()
		frozen.take = takes(time.Hour)
		hub.Attach(terms, frozen)
		start := time.Now()
		go film(hub, 150, time.Second/30)
		<-frozen.ended
		if after := time.Since(start); !errors.Is(frozen.why, ErrLockstep) || after < 2*time.Second || after > 2200*time.Millisecond {
			t.Errorf("ended by %v after %v", frozen.why, after)
		}
		balanced(t, "frozen", frozen.account)
		before := len(sinks[0].got)
		time.Sleep(time.Second)
		if n := len(sinks[0].got) - before; n < 10 {
			t.Errorf("the group got %d frames in the second after it", n)
		}
		time.Sleep(5 * time.Second)
		for i, v := range viewers {
			leave(t, v, sinks[i])
		}
		if a := leave(t, latest, free); a.Sent != a.Offered {
			t.Errorf("the latest viewer lost something: %+v", a)
		}
	})
}

func TestRateCaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		caps := []float64{0.5, 7, 10, 30, 1000}
		var sinks []*testSink
		var viewers []*Viewer
		for i, fps := range caps {
			sinks = append(sinks, newSink())
			viewers = append(viewers, hub.Attach(Terms{Mode: Mode(i % 2 * int(All)), Patience: time.Second, Buffer: 1 << 20,
				Interval: time.Duration(float64(time.Second) / fps)}, sinks[i]))
			if hub.Rate() < fps*0.999 || hub.Rate() > fps*1.001 {
				t.Errorf("with a viewer of %v fps the hub wants %v", fps, hub.Rate())
			}
		}
		film(hub, 3000, time.Second/30)
		for i, v := range viewers {
			a := leave(t, v, sinks[i])
			want := min(caps[i], 30) * 100
			if float64(a.Sent) < want*0.98 || float64(a.Sent) > want*1.02+1 || a.Sent+a.Skipped[Rate] != a.Offered {
				t.Errorf("at %v fps: %+v, want %v", caps[i], a, want)
			}
		}
		if hub.Rate() != 0 {
			t.Errorf("without viewers the hub wants %v", hub.Rate())
		}
	})
}

func TestFillersKeepTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		s := newSink()
		s.filler = []byte("filler")
		v := hub.Attach(Terms{RepeatAfter: time.Second, FillFirst: true}, s)
		time.Sleep(10*time.Second + time.Millisecond)
		if n := s.fills.Load(); n != 11 {
			t.Errorf("%d fillers in ten seconds", n)
		}
		film(hub, 300, time.Second/30)
		if n := s.fills.Load(); n != 11 {
			t.Errorf("%d fillers among frames", n)
		}
		leave(t, v, s)
	})
}

// crowdAccount is what became of a crowd.
type crowdAccount struct {
	Account
	sent, capped [modes]uint64 // frames sent, and skipped for a cap, by mode
	ends         map[error]int
}

func (c *crowdAccount) add(o crowdAccount) {
	c.Offered += o.Offered
	c.Sent += o.Sent
	for r, n := range o.Skipped {
		c.Skipped[r] += n
	}
	for m := range modes {
		c.sent[m] += o.sent[m]
		c.capped[m] += o.capped[m]
	}
	if c.ends == nil {
		c.ends = make(map[error]int)
	}
	for why, n := range o.ends {
		c.ends[why] += n
	}
}

// Viewers of every mode, with and without a cap, join, stall, fail and leave while the camera publishes, an hour in all; then
// the books balance, for each and for all.
func TestAccountingOfViewers(t *testing.T) {
	const pieces = 12
	var sum crowdAccount
	for seed := range uint64(pieces) {
		sum.add(churn(t, seed, time.Hour/pieces))
	}
	for r, n := range sum.Skipped {
		if n == 0 {
			t.Errorf("nothing was skipped as %v; the test is too tame", Reason(r))
		}
	}
	for m := range modes {
		if sum.sent[m] == 0 || sum.capped[m] == 0 {
			t.Errorf("%v: %d frames sent and %d capped; the test is too tame", m, sum.sent[m], sum.capped[m])
		}
	}
	for _, why := range []error{ErrLockstep, ErrBehind, errCut, errEnd} {
		if sum.ends[why] == 0 {
			t.Errorf("nobody was ended by %q; the test is too tame", why)
		}
	}
	t.Logf("%+v, ends %v", sum.Account, sum.ends)
}

// churn lets a crowd come and go for so long, and returns its account. No timer of it is due when it is made: under the race
// detector Go 1.26 crashes now and then in runtime.(*timer).maybeRunChan when a bubble selects on such a one.
func churn(t *testing.T, seed uint64, length time.Duration) (sum crowdAccount) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			random := rand.New(rand.NewPCG(seed, 1))
			for start := time.Now(); time.Since(start) < length; {
				hub.Publish(frameOf("0123456789"))
				time.Sleep(time.Duration(20+random.IntN(2000)) * time.Millisecond)
			}
		}()
		results := make(chan crowdAccount)
		const crowd = 12
		for n := range uint64(crowd) {
			random := rand.New(rand.NewPCG(seed, 2+n))
			go func() {
				var mine crowdAccount
				for running := true; running; {
					one, last := visit(t, hub, random, n, done)
					mine.add(one)
					running = !last
				}
				results <- mine
			}()
		}
		for range crowd {
			sum.add(<-results)
		}
		st := hub.Stats()
		if st.Transports[MJPEG].Account != sum.Account || hub.Viewers() != 0 || hub.Rate() != 0 {
			t.Errorf("the hub says %+v, its viewers %+v", st.Transports[MJPEG].Account, sum.Account)
		}
		synctest.Wait()
		if st := hub.Stats(); st.FrameMemory != Headroom+10+Tailroom {
			t.Errorf("%d bytes of frames are still held", st.FrameMemory)
		}
	})
	return sum
}

// visit is one viewer's stay, up to a minute; last says that the camera is done.
func visit(t *testing.T, hub *Hub, random *rand.Rand, n uint64, done chan struct{}) (account crowdAccount, last bool) {
	s := newSink()
	theirs := rand.New(rand.NewPCG(n, random.Uint64())) // the sink's, which other goroutines call
	s.take = func() time.Duration {
		if theirs.IntN(4) > 0 {
			return 0
		}
		return time.Duration(theirs.IntN(3000)) * time.Millisecond
	}
	s.fail = func() error {
		if theirs.IntN(200) == 0 {
			return errCut
		}
		return nil
	}
	terms := Terms{Mode: Mode(random.IntN(int(modes))), MaxAge: time.Duration(random.IntN(300)) * time.Millisecond,
		Patience: 2 * time.Second, Buffer: 20000, RepeatAfter: 400 * time.Millisecond}
	if random.IntN(2) == 0 {
		terms.Interval = time.Duration(random.IntN(1000)) * time.Millisecond
	}
	s.filler = []byte("filler")
	before := hub.Stats().Published
	v := hub.Attach(terms, s)
	here := hub.Stats().Published
	timer := time.NewTimer(time.Duration(random.IntN(60))*time.Second + 1)
	ended := false
	select {
	case <-s.ended:
		ended = true
	case <-done:
		last = true
	case <-timer.C:
	}
	timer.Stop()
	leaving := hub.Stats().Published
	v.End(errEnd)
	<-s.ended
	gone := hub.Stats().Published
	a := s.account
	balanced(t, terms.Mode.String(), a)
	// What it was offered is what was published meanwhile, and perhaps the frame before.
	if !ended && a.Offered < leaving-here || a.Offered > gone-before+1 {
		t.Errorf("%v: offered %d of the frames %d to %d", terms.Mode, a.Offered, before, gone)
	}
	account.Account = a
	account.sent[terms.Mode], account.capped[terms.Mode] = a.Sent, a.Skipped[Rate]
	account.ends = map[error]int{s.why: 1}
	return account, last
}

// What a frame costs in allocations must not grow with the number of viewers.
func TestDeliveryAllocatesNothingPerViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		per := map[int]float64{}
		for _, n := range []int{1, 500} {
			hub := NewHub(nil)
			var sinks []*testSink
			var viewers []*Viewer
			for range n {
				s := newSink()
				sinks, viewers = append(sinks, s), append(viewers, hub.Attach(Terms{RepeatAfter: time.Second}, s))
			}
			buffer := NewBuffer(0)
			deliver := func() {
				hub.Publish(NewFrame(buffer, 0))
				synctest.Wait()
			}
			deliver()
			per[n] = testing.AllocsPerRun(100, deliver)
			for i, v := range viewers {
				if a := leave(t, v, sinks[i]); a.Sent != a.Offered || a.Sent < 101 {
					t.Errorf("%+v", a)
				}
			}
		}
		if per[500] > per[1] {
			t.Errorf("allocations per frame, by viewers: %v", per)
		}
	})
}

// TestClose: it ends who is there, who is busy as soon as its part is out, and who comes later.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		free, busy, asked, late := newSink(), newSink(), newSink(), newSink()
		busy.take = takes(3 * time.Second)
		asked.take = takes(2 * time.Second)
		hub.Attach(Terms{Mode: All, Patience: time.Minute, Buffer: 8 << 20}, busy)
		hub.Attach(Terms{Mode: Lockstep, Patience: time.Minute}, free)
		v := hub.Attach(Terms{}, asked)
		hub.Publish(frameOf("1"))
		synctest.Wait()
		v.End(errEnd)
		why, begin := errors.New("closed"), time.Now()
		hub.Close(why)
		hub.Close(errors.New("closed again"))
		for _, s := range []struct {
			*testSink
			after time.Duration
			want  error
		}{{free, 0, why}, {asked, 2 * time.Second, errEnd}, {busy, 3 * time.Second, why}} {
			<-s.ended
			if took := time.Since(begin); took != s.after || s.why != s.want || s.account.Sent != 1 {
				t.Errorf("ended after %v with %v, %+v", took, s.why, s.account)
			}
			balanced(t, "closed", s.account)
		}
		hub.Attach(Terms{}, late)
		<-late.ended
		if late.why != why {
			t.Errorf("who came later ended with %v", late.why)
		}
		if n := hub.Viewers(); n != 0 {
			t.Errorf("%d viewers", n)
		}
	})
}

// TestLagging: a viewer that skipped a frame for being slow counts for ten seconds, one that asked for fewer frames does not.
func TestLagging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		slow, quick, capped := newSink(), newSink(), newSink()
		var pace atomic.Int64
		slow.take = func() time.Duration { return time.Duration(pace.Load()) }
		pace.Store(int64(300 * time.Millisecond))
		v := hub.Attach(Terms{}, slow)
		defer leave(t, hub.Attach(Terms{}, quick), quick)
		defer leave(t, hub.Attach(Terms{Transport: WebSocket, Interval: time.Second}, capped), capped)
		lagging := func(mjpeg int) {
			t.Helper()
			s := hub.Stats().Transports
			if s[MJPEG].Lagging != mjpeg || s[WebSocket].Lagging != 0 {
				t.Errorf("%d and %d lag, want %d and 0", s[MJPEG].Lagging, s[WebSocket].Lagging, mjpeg)
			}
		}
		lagging(0)
		film(hub, 30, 100*time.Millisecond)
		lagging(1)
		pace.Store(0)
		film(hub, 80, 100*time.Millisecond)
		lagging(1)
		film(hub, 40, 100*time.Millisecond)
		lagging(0)
		pace.Store(int64(300 * time.Millisecond))
		film(hub, 30, 100*time.Millisecond)
		lagging(1)
		leave(t, v, slow)
		film(hub, 15, 100*time.Millisecond)
		lagging(0)
	})
}
