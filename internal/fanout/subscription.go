package fanout

import (
	"context"
	"errors"
	"time"
)

// ErrIdle is what Next returns when no new frame came in time.
var ErrIdle = errors.New("fanout: no new frame")

// Subscription is one viewer's place at a hub. It belongs to one goroutine, which takes frames with Next and
// says of each whether it was Sent or Failed.
type Subscription struct {
	hub   *Hub
	tally *tally
	terms Terms

	joined  uint64 // frames up to this one were published before the viewer came
	settled uint64 // frames up to this one are accounted for
	held    *Frame // taken, not yet settled
	sent    uint64
	skipped [reasons]uint64
	timer   *time.Timer
	closed  bool
}

// Next returns the newest frame this viewer has not had, waiting for it at most wait (0 or less: not at all) and
// then returning [ErrIdle]. When ctx ends it returns ctx's error, even if there is a frame. A frame still
// held from the call before counts as failed.
func (s *Subscription) Next(ctx context.Context, wait time.Duration) (*Frame, error) {
	s.Failed()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	newest := s.hub.latest.Load()
	if newest.Seq > s.settled {
		return s.take(newest), nil
	}
	if wait <= 0 {
		return nil, ErrIdle
	}
	if s.timer == nil {
		s.timer = time.NewTimer(wait)
	} else {
		s.timer.Reset(wait)
	}
	defer s.timer.Stop()
	select {
	case <-newest.superseded:
		// Several may have been published since the channel closed.
		return s.take(s.hub.latest.Load()), nil
	case <-s.timer.C:
		return nil, ErrIdle
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Subscription) take(f *Frame) *Frame {
	s.skip(Slow, f.Seq-s.settled-1)
	s.settled = f.Seq
	s.held = f
	return f
}

// Sent says that the frame last taken reached the viewer's connection whole.
func (s *Subscription) Sent() {
	if s.held == nil {
		return
	}
	s.sent++
	s.tally.sent.Add(1)
	s.tally.sentBytes.Add(uint64(len(s.held.Part())))
	s.hub.ages[Latest].add(time.Since(s.held.Time()))
	s.held = nil
}

// Failed says that the frame last taken was not, or not wholly, sent.
func (s *Subscription) Failed() {
	if s.held == nil {
		return
	}
	s.skip(Error, 1)
	s.held = nil
}

// Close ends the subscription and accounts for what it will not send. It may be called again.
func (s *Subscription) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.Failed()
	last := s.hub.leave(s.terms)
	s.skip(Left, last-s.settled)
	s.settled = last
}

// Account is what became of the frames published while the viewer was subscribed: after Close, Offered is
// the sum of Sent and Skipped.
func (s *Subscription) Account() Account {
	return Account{Offered: s.settled - s.joined, Sent: s.sent, Skipped: s.skipped}
}

func (s *Subscription) skip(r Reason, n uint64) {
	s.skipped[r] += n
	s.tally.skipped[r].Add(n)
}
