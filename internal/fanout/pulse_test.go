package fanout

import (
	"errors"
	"testing"
	"testing/synctest"
)

// TestPulse: the pump goes round when asked, rests without viewers, and stands still while a sink does not return.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(nil)
		if _, resting := h.Pulse(); !resting {
			t.Error("it works for nobody")
		}
		hang, ended := make(chan struct{}), make(chan struct{})
		v := h.Attach(Terms{}, &hangingSink{hang: hang, ended: ended})
		synctest.Wait()
		last, _ := h.Pulse()
		for range 3 {
			synctest.Wait()
			turns, resting := h.Pulse()
			if turns == last || resting {
				t.Fatalf("turn %d after %d, resting %v", turns, last, resting)
			}
			last = turns
		}
		synctest.Wait()
		h.Publish(NewFrame(NewBuffer(10), 10))
		synctest.Wait() // it hangs in TryWrite
		last, _ = h.Pulse()
		synctest.Wait()
		if turns, resting := h.Pulse(); turns != last || resting {
			t.Errorf("a pump that hangs went from turn %d to %d, resting %v", last, turns, resting)
		}
		close(hang)
		v.End(errors.New("enough"))
		<-ended
		synctest.Wait()
		if _, resting := h.Pulse(); !resting {
			t.Error("it does not rest after the last viewer")
		}
	})
}

// hangingSink takes nothing before hang is closed, against its contract.
type hangingSink struct {
	Sink
	hang, ended chan struct{}
}

func (s *hangingSink) TryWrite(p []byte) (int, error) { <-s.hang; return len(p), nil }

func (s *hangingSink) Ended(error, Account) { close(s.ended) }
