package fanout

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// next fails the test unless the subscription has a frame within wait.
func next(t *testing.T, s *Subscription, wait time.Duration) *Frame {
	t.Helper()
	f, err := s.Next(t.Context(), wait)
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return f
}

// balanced fails the test unless every frame offered was sent or skipped.
func balanced(t *testing.T, who string, a Account) {
	t.Helper()
	sum := a.Sent
	for _, n := range a.Skipped {
		sum += n
	}
	if sum != a.Offered {
		t.Errorf("%s: offered %d, but sent %d and skipped %v", who, a.Offered, a.Sent, a.Skipped)
	}
}

func TestFirstFrame(t *testing.T) {
	for _, test := range []struct {
		name    string
		age     time.Duration // of the frame already there
		maxAge  time.Duration
		wantOld bool
	}{
		{"only new ones wanted", 0, 0, false},
		{"fresh enough", 400 * time.Millisecond, 500 * time.Millisecond, true},
		{"just fresh enough", 500 * time.Millisecond, 500 * time.Millisecond, true},
		{"too old", 501 * time.Millisecond, 500 * time.Millisecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub(nil)
				hub.Publish(frameOf("before"))
				hub.Publish(frameOf("old"))
				time.Sleep(test.age)
				s := hub.Subscribe(Terms{MaxAge: test.maxAge})
				want := "new"
				if test.wantOld {
					want = "old"
				} else {
					if _, err := s.Next(t.Context(), 0); !errors.Is(err, ErrIdle) {
						t.Errorf("before the first publish: %v", err)
					}
					hub.Publish(frameOf("new"))
				}
				if got := string(next(t, s, 0).JPEG()); got != want {
					t.Errorf("first frame is %q, want %q", got, want)
				}
				s.Sent()
				s.Close()
				balanced(t, "viewer", s.Account())
				if a := s.Account(); a.Sent != 1 || a.Offered != 1 {
					t.Errorf("account %+v", a)
				}
			})
		})
	}
}

func TestMaxAgeOfAnEmptyHub(t *testing.T) {
	hub := NewHub(nil)
	if hub.Latest() != nil {
		t.Error("an empty hub has a latest frame")
	}
	s := hub.Subscribe(Terms{MaxAge: time.Hour})
	if f, err := s.Next(t.Context(), 0); !errors.Is(err, ErrIdle) {
		t.Errorf("got %v, %v", f, err)
	}
	s.Close()
	if a := s.Account(); a.Offered != 0 {
		t.Errorf("account %+v", a)
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		s := hub.Subscribe(Terms{})
		defer s.Close()
		start := time.Now()
		for range 3 {
			if _, err := s.Next(t.Context(), time.Second); !errors.Is(err, ErrIdle) {
				t.Fatalf("with nothing published: %v", err)
			}
		}
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("three waits of a second took %v", waited)
		}

		go func() {
			time.Sleep(300 * time.Millisecond)
			hub.Publish(frameOf("a"))
		}()
		start = time.Now()
		next(t, s, time.Second)
		if waited := time.Since(start); waited != 300*time.Millisecond {
			t.Errorf("woken after %v", waited)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := s.Next(ctx, time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the context ended: %v", err)
		}
		hub.Publish(frameOf("b"))
		if f, err := s.Next(ctx, time.Second); err == nil {
			t.Errorf("got frame %d with an ended context", f.Seq)
		}
	})
}

// One viewer takes a frame and never comes back. Neither the camera nor the other viewers may notice.
func TestFrozenViewerHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const viewers, frames, interval = 10, 100, 33 * time.Millisecond
		hub := NewHub(nil)
		frozen := hub.Subscribe(Terms{Transport: MJPEG})
		ctx, stop := context.WithCancel(t.Context())

		var wg sync.WaitGroup
		for i := range viewers {
			s := hub.Subscribe(Terms{Transport: MJPEG})
			wg.Go(func() {
				defer s.Close()
				for want := uint64(1); want <= frames; want++ {
					f, err := s.Next(ctx, time.Hour)
					if err != nil {
						t.Errorf("viewer %d: %v", i, err)
						return
					}
					if f.Seq != want || time.Since(f.Received) != 0 {
						t.Errorf("viewer %d: got frame %d aged %v, want %d at once", i, f.Seq, time.Since(f.Received), want)
					}
					s.Sent()
				}
			})
		}
		for n := range frames {
			before := time.Now()
			hub.Publish(frameOf(fmt.Sprint(n)))
			if took := time.Since(before); took != 0 {
				t.Fatalf("publish waited %v", took)
			}
			if n == 0 {
				next(t, frozen, 0)
			}
			time.Sleep(interval)
		}
		wg.Wait()
		stop()
		frozen.Close()
		balanced(t, "frozen", frozen.Account())
		if a := frozen.Account(); a.Sent != 0 || a.Skipped[Error] != 1 || a.Skipped[Left] != frames-1 {
			t.Errorf("frozen viewer: %+v", a)
		}
		st := hub.Stats().Transports[MJPEG]
		balanced(t, "hub", st.Account)
		if st.Sent != viewers*frames || st.Viewers != 0 || hub.Viewers() != 0 {
			t.Errorf("hub: %+v, %d viewers", st, hub.Viewers())
		}
	})
}

func TestSlowViewerGetsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		s := hub.Subscribe(Terms{Transport: MJPEG})
		var got []uint64
		for range 3 {
			for range 4 {
				hub.Publish(frameOf("x"))
			}
			got = append(got, next(t, s, 0).Seq)
			s.Sent()
		}
		hub.Publish(frameOf("x"))
		s.Close()
		s.Close()
		if fmt.Sprint(got) != "[4 8 12]" {
			t.Errorf("got frames %v", got)
		}
		a := s.Account()
		balanced(t, "viewer", a)
		if a.Sent != 3 || a.Skipped != [reasons]uint64{Slow: 9, Left: 1} {
			t.Errorf("account %+v", a)
		}
	})
}

// A frame taken and never settled counts as failed, once.
func TestUnsettledFrame(t *testing.T) {
	hub := NewHub(nil)
	s := hub.Subscribe(Terms{})
	s.Sent()
	s.Failed()
	for range 2 {
		hub.Publish(frameOf("x"))
		next(t, s, 0)
	}
	s.Failed()
	s.Sent()
	s.Close()
	if a := s.Account(); a.Sent != 0 || a.Skipped != [reasons]uint64{Error: 2} {
		t.Errorf("account %+v", a)
	}
}

// Viewers of every transport come, stall, fail and go as they please while the camera publishes; then the
// books must balance, for each and for all.
func TestAccounting(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub(nil)
				ctx, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					random := rand.New(rand.NewPCG(seed, 0))
					for range 500 {
						hub.Publish(frameOf("0123456789"))
						time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
					}
					stop()
				})
				var mu sync.Mutex
				var sum [transports]Account
				for v := range uint64(30) {
					random := rand.New(rand.NewPCG(seed, v+1))
					transport := Transport(v % uint64(transports))
					wg.Go(func() {
						for ctx.Err() == nil {
							time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
							a := watch(ctx, hub.Subscribe(Terms{Transport: transport, MaxAge: time.Duration(random.IntN(3)) * time.Millisecond}), random)
							balanced(t, "viewer", a)
							mu.Lock()
							sum[transport].Offered += a.Offered
							sum[transport].Sent += a.Sent
							for r, n := range a.Skipped {
								sum[transport].Skipped[r] += n
							}
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				st := hub.Stats()
				if st.Published != 500 || st.Bytes != 5000 {
					t.Errorf("published %d frames, %d bytes", st.Published, st.Bytes)
				}
				for tr, ts := range st.Transports {
					balanced(t, Transport(tr).String(), ts.Account)
					if ts.Account != sum[tr] {
						t.Errorf("%v: the hub says %+v, its viewers %+v", Transport(tr), ts.Account, sum[tr])
					}
					if ts.Viewers != 0 || ts.Sent == 0 || ts.Joined < 10 || ts.SentBytes != 10*ts.Sent {
						t.Errorf("%v: %+v", Transport(tr), ts)
					}
					for r, n := range ts.Skipped {
						if n == 0 && Reason(r) != Rate { // who takes its frames itself has no cap
							t.Errorf("%v: nothing was skipped as %v; the test is too tame", Transport(tr), Reason(r))
						}
					}
				}
			})
		})
	}
}

// watch is a viewer of random patience and speed.
func watch(ctx context.Context, s *Subscription, random *rand.Rand) Account {
	defer s.Close()
	for range random.IntN(20) {
		_, err := s.Next(ctx, time.Duration(random.IntN(10))*time.Millisecond)
		if errors.Is(err, ErrIdle) {
			continue
		}
		if err != nil {
			break
		}
		time.Sleep(time.Duration(random.IntN(15)) * time.Millisecond)
		switch random.IntN(8) {
		case 0:
			s.Failed()
		case 1: // forgets to say
		default:
			s.Sent()
		}
	}
	s.Close()
	return s.Account()
}

// The same without synctest's single step, for the race detector.
func TestRaces(t *testing.T) {
	hub := NewHub(func(*Frame) ([]byte, []byte) { return []byte("h"), []byte("t") })
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				s := hub.Subscribe(Terms{Transport: MJPEG, MaxAge: time.Second})
				for range 10 {
					f, err := s.Next(ctx, time.Second)
					if err != nil {
						break
					}
					if string(f.Part()) != "hxt" {
						t.Errorf("part %q", f.Part())
					}
					s.Sent()
				}
				s.Close()
				balanced(t, "viewer", s.Account())
			}
		})
	}
	for range 2000 {
		hub.Publish(frameOf("x"))
		if ts := hub.Stats().Transports[MJPEG]; ts.Sent+ts.Skipped[Slow]+ts.Skipped[Left] > ts.Offered {
			t.Errorf("more settled than offered: %+v", ts)
		}
	}
	stop()
	wg.Wait()
	balanced(t, "hub", hub.Stats().Transports[MJPEG].Account)
}

func TestViewersFollowSubscriptions(t *testing.T) {
	hub := NewHub(nil)
	a, b := hub.Subscribe(Terms{Transport: MJPEG}), hub.Subscribe(Terms{Transport: Snapshot})
	if st := hub.Stats(); hub.Viewers() != 2 || st.Transports[MJPEG].Viewers != 1 || st.Transports[Snapshot].Viewers != 1 {
		t.Errorf("%d viewers, %+v", hub.Viewers(), st)
	}
	a.Close()
	a.Close()
	if hub.Viewers() != 1 {
		t.Errorf("%d viewers after one left", hub.Viewers())
	}
	b.Close()
	if hub.Viewers() != 0 {
		t.Errorf("%d viewers after both left", hub.Viewers())
	}
}

func TestFPS(t *testing.T) {
	for _, test := range []struct {
		name     string
		interval time.Duration
		frames   int
		silence  time.Duration
		min, max float64
	}{
		{"nothing yet", 0, 0, 0, 0, 0},
		{"one frame", 0, 1, 0, 0, 0},
		{"30 a second", time.Second / 30, 100, 0, 29.9, 30.1},
		{"one every two seconds", 2 * time.Second, 5, 0, 0.45, 0.55},
		{"paused for a second", time.Second / 10, 30, time.Second, 5, 9},
		{"stopped", time.Second / 30, 100, 6 * time.Second, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub(nil)
				for i := range test.frames {
					if i > 0 {
						time.Sleep(test.interval)
					}
					hub.Publish(frameOf("x"))
				}
				time.Sleep(test.silence)
				if fps := hub.Stats().FPS; fps < test.min || fps > test.max {
					t.Errorf("%.2f frames per second, want %.2f to %.2f", fps, test.min, test.max)
				}
			})
		})
	}
}

func TestNamesAreClosedLists(t *testing.T) {
	seen := map[string]bool{}
	for tr := range transports {
		seen[tr.String()] = true
	}
	for r := range reasons {
		seen[r.String()] = true
	}
	if len(seen) != int(transports)+int(reasons) || seen[""] {
		t.Errorf("names %v", seen)
	}
}
