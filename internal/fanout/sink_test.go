package fanout

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// testSink is a viewer's connection: take says how long it takes for a part, 0 that it takes it at once.
type testSink struct {
	take    func() time.Duration
	fail    func() error
	got     chan string // nil: nobody looks
	aborted chan struct{}
	once    atomic.Bool
	fills   atomic.Int64
	filler  []byte
	why     error
	account Account
	ended   chan struct{}
}

func newSink() *testSink {
	return &testSink{aborted: make(chan struct{}), ended: make(chan struct{})}
}

func (s *testSink) see(part []byte) {
	if s.got != nil {
		s.got <- string(part)
	}
}

func (s *testSink) TryWrite(part []byte) (int, error) {
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return 0, err
		}
	}
	if s.take != nil && s.take() > 0 {
		return 0, nil
	}
	s.see(part)
	return len(part), nil
}

var errCut = errors.New("cut short")

func (s *testSink) Write(part []byte) error {
	timer := time.NewTimer(max(s.take(), 1)) // see churn
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.aborted:
		return errCut
	}
	s.see(part)
	return nil
}

func (s *testSink) Abort() {
	if s.once.CompareAndSwap(false, true) {
		close(s.aborted)
	}
}

func (s *testSink) Fill(*Frame, time.Time) ([]byte, bool) { return s.filler, false }

func (s *testSink) Filled() { s.fills.Add(1) }

func (s *testSink) Ended(why error, a Account) {
	s.why, s.account = why, a
	close(s.ended)
}

func takes(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// leave ends a viewer, checks its books and returns them.
func leave(t *testing.T, v *Viewer, s *testSink) Account {
	t.Helper()
	v.End(errEnd)
	<-s.ended
	balanced(t, v.terms.Mode.String(), s.account)
	return s.account
}

// film publishes frames named 1, 2, 3... at a pace, as long as the hub allows.
func film(hub *Hub, frames int, every time.Duration) {
	for n := 1; n <= frames; {
		if hub.Allowance() > 0 {
			hub.Publish(frameOf(fmt.Sprint(n)))
			n++
		}
		time.Sleep(every)
	}
}
