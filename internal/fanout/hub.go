package fanout

import (
	"sync"
	"sync/atomic"
	"time"
)

// Hub is where the frames of one camera meet its viewers. It outlives the camera's connections: viewers stay
// subscribed while the device is away. Its frames may come from anywhere.
type Hub struct {
	envelope Envelope

	// Anybody, without a lock.
	latest  atomic.Pointer[Frame] // never nil; Seq 0 stands for "nothing yet"
	viewers atomic.Int64
	tallies [transports]tally

	// Under mu, which is never held over I/O or a wait. Only those who publish, join, leave or read
	// statistics take it; a viewer waiting for frames does not.
	mu      sync.Mutex
	bytes   uint64
	members [transports]int
	pace    pace
}

// NewHub makes a hub whose frames are wrapped by envelope; nil leaves them bare.
func NewHub(envelope Envelope) *Hub {
	h := &Hub{envelope: envelope}
	h.latest.Store(&Frame{superseded: make(chan struct{})})
	return h
}

// Publish gives f its sequence number and envelope, freezes it, and makes it the newest frame. It never waits
// for a viewer. A frame can be published once.
func (h *Hub) Publish(f *Frame) {
	if f.superseded != nil {
		panic("fanout: frame published twice")
	}
	f.superseded = make(chan struct{})
	if f.Received.IsZero() {
		f.Received = time.Now()
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	previous := h.latest.Load()
	f.Seq = previous.Seq + 1
	f.wrap(h.envelope)
	h.bytes += uint64(len(f.JPEG()))
	h.pace.add(f.Received)
	for t, n := range h.members {
		h.tallies[t].offered.Add(uint64(n))
	}
	// The order matters: whoever is woken by the closed channel must find the new frame.
	h.latest.Store(f)
	close(previous.superseded)
}

// Latest is the newest frame, or nil before the first.
func (h *Hub) Latest() *Frame {
	if f := h.latest.Load(); f.Seq > 0 {
		return f
	}
	return nil
}

// Viewers is how many subscriptions are open. It is one atomic load: the camera asks often, because it is
// the demand for pictures.
func (h *Hub) Viewers() int {
	return int(h.viewers.Load())
}

// Terms are what a viewer subscribes on.
type Terms struct {
	Transport Transport

	// MaxAge lets the newest frame already published be the first one, if it was received at most this long
	// ago. 0 means that the first frame is the next one published.
	MaxAge time.Duration
}

// Subscribe adds a viewer. The caller must Close the subscription.
func (h *Hub) Subscribe(terms Terms) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	newest := h.latest.Load()
	s := &Subscription{hub: h, tally: &h.tallies[terms.Transport], transport: terms.Transport, joined: newest.Seq}
	if newest.Seq > 0 && terms.MaxAge > 0 && time.Since(newest.Received) <= terms.MaxAge {
		s.joined--
		s.tally.offered.Add(1)
	}
	s.settled = s.joined
	s.tally.joined.Add(1)
	h.members[terms.Transport]++
	h.viewers.Add(1)
	return s
}

// leave ends a membership and reports the sequence number of the last frame it covered.
func (h *Hub) leave(t Transport) (last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members[t]--
	h.viewers.Add(-1)
	return h.latest.Load().Seq
}
