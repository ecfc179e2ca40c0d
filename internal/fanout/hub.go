package fanout

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/histogram"
)

// Hub is where the frames of one camera meet its viewers. It outlives the camera's connections: viewers stay
// subscribed while the device is away. Its frames may come from anywhere.
type Hub struct {
	envelope Envelope

	// Anybody, without a lock of the hub's.
	latest  atomic.Pointer[Frame] // never nil; Seq 0 stands for "nothing yet"
	viewers atomic.Int64
	tallies [transports]tally
	ages    [modes]ageCounts // each has its own lock
	receipt ageCounts        // has its own lock
	every   atomic.Int64     // viewers of mode All
	allow   atomic.Int64     // see Allowance
	rate    atomic.Int64     // shortest Interval that anybody wants, in nanoseconds
	held    atomic.Int64     // bytes of the frames the pump holds
	lagging [transports]atomic.Int64

	pump pump // has its own lock, which is never taken together with mu

	// Under mu, which is never held over I/O or a wait. Only those who publish, join, leave or read
	// statistics take it; a viewer waiting for frames does not.
	mu      sync.Mutex
	bytes   uint64
	members [transports]int
	pace    pace
	fresh   []*Frame              // published and not yet taken by the pump; one at most while nobody wants all
	wishes  map[time.Duration]int // members by their Interval
}

// NewHub makes a hub whose frames are wrapped by envelope; nil leaves them bare.
func NewHub(envelope Envelope) *Hub {
	h := &Hub{envelope: envelope, wishes: make(map[time.Duration]int)}
	h.pump.hub = h
	h.pump.wake = make(chan struct{}, 1)
	h.allow.Store(unlimited)
	h.receipt.counts = histogram.New(&ages)
	for m := range h.ages {
		h.ages[m].counts = histogram.New(&ages)
	}
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
	h.pace.add(f.Received)
	f.Rate = h.pace.rate(f.Received)
	f.wrap(h.envelope)
	h.bytes += uint64(len(f.JPEG()))
	for t, n := range h.members {
		h.tallies[t].offered.Add(uint64(n))
	}
	// The order matters: whoever is woken by the closed channel must find the new frame.
	h.latest.Store(f)
	close(previous.superseded)
	if !f.Captured.IsZero() {
		h.receipt.add(f.Age())
	}
	if h.every.Load() == 0 {
		h.fresh = h.fresh[:0]
	} else if h.allow.Load() > 0 {
		h.allow.Add(-1)
	}
	h.fresh = append(h.fresh, f)
	h.pump.nudge()
}

// takeFresh moves what was published since the call before to the end of to.
func (h *Hub) takeFresh(to []*Frame) []*Frame {
	h.mu.Lock()
	defer h.mu.Unlock()
	to = append(to, h.fresh...)
	clear(h.fresh)
	h.fresh = h.fresh[:0]
	return to
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

// Pulse sends the goroutine that delivers frames round once more, and returns how often it has gone round: two calls some time
// apart return different numbers unless it hangs. It rests while there is nobody to deliver to, and counts nothing then.
func (h *Hub) Pulse() (turns uint64, resting bool) {
	h.pump.mu.Lock()
	defer h.pump.mu.Unlock()
	if !h.pump.running {
		return h.pump.turns.Load(), true
	}
	h.pump.nudge()
	return h.pump.turns.Load(), false
}

// unlimited is the allowance while nobody wants every frame.
const unlimited = 1 << 30

// Allowance is how many more frames the camera may publish now before one of the viewers who want every frame
// would have half of what its [Terms] bear waiting for it. It is at least 0, and very large without such viewers.
func (h *Hub) Allowance() int {
	return int(h.allow.Load())
}

// setAllowance takes the pump's reckoning, which knows nothing of what was published meanwhile.
func (h *Hub) setAllowance(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.every.Load() > 0 {
		n -= len(h.fresh)
	}
	h.allow.Store(int64(max(n, 0)))
}

// Rate is the highest frame rate that anybody wants, in frames per second; 0 means as many as there are, and
// also that nobody is there.
func (h *Hub) Rate() float64 {
	if shortest := h.rate.Load(); shortest > 0 {
		return float64(time.Second) / float64(shortest)
	}
	return 0
}

// Terms are what a viewer subscribes on. [Hub.Subscribe] regards only Transport and MaxAge.
type Terms struct {
	Transport Transport

	// MaxAge lets the newest frame already published be the first one, if it was received at most this long
	// ago. 0 means that the first frame is the next one published. Lockstep viewers always begin with their group.
	MaxAge time.Duration

	Mode     Mode
	Interval time.Duration // least time between two frames; 0: none. The longest of a lockstep group holds for all of it

	// Patience bounds how long a Lockstep viewer may keep its group waiting, and how long a frame may wait for an
	// All viewer. Buffer bounds the bytes that wait for an All viewer.
	Patience time.Duration
	Buffer   int

	RepeatAfter time.Duration // a filler is asked for after so long without a frame; 0: never
	FillFirst   bool          // a filler is asked for at once
}

// Subscribe adds a viewer that takes its frames itself. The caller must Close the subscription.
func (h *Hub) Subscribe(terms Terms) *Subscription {
	terms = Terms{Transport: terms.Transport, MaxAge: terms.MaxAge}
	s := &Subscription{hub: h, terms: terms}
	s.tally, s.joined, _ = h.join(terms)
	s.settled = s.joined
	return s
}

// join begins a membership: frames up to joined are not offered to it.
func (h *Hub) join(terms Terms) (to *tally, joined uint64, newest *Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to, newest = &h.tallies[terms.Transport], h.latest.Load()
	joined = newest.Seq
	if newest.Seq > 0 && terms.MaxAge > 0 && terms.Mode != Lockstep && time.Since(newest.Received) <= terms.MaxAge {
		joined--
		to.offered.Add(1)
	}
	to.joined.Add(1)
	h.members[terms.Transport]++
	h.viewers.Add(1)
	h.wish(terms.Interval, 1)
	if terms.Mode == All {
		h.every.Add(1)
	}
	return to, joined, newest
}

// leave ends a membership and reports the sequence number of the last frame it covered.
func (h *Hub) leave(terms Terms) (last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members[terms.Transport]--
	h.viewers.Add(-1)
	h.wish(terms.Interval, -1)
	if terms.Mode == All {
		h.every.Add(-1)
	}
	return h.latest.Load().Seq
}

// wish keeps the shortest interval that anybody wants.
func (h *Hub) wish(interval time.Duration, n int) {
	if h.wishes[interval] += n; h.wishes[interval] == 0 {
		delete(h.wishes, interval)
	}
	shortest := time.Duration(-1)
	for wished := range h.wishes {
		if shortest < 0 || wished < shortest {
			shortest = wished
		}
	}
	h.rate.Store(int64(max(shortest, 0)))
}
