package fanout

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Mode is what a viewer is promised when it is slower than the camera.
type Mode uint8

const (
	// Latest gives the newest frame; what the viewer was too slow for, it skips. It delays nobody.
	Latest Mode = iota

	// Lockstep gives all viewers of this mode at one hub the same frames: the next one when all of them have
	// finished the one before. Who keeps the others waiting for longer than [Terms.Patience] is ended with [ErrLockstep].
	Lockstep

	// All gives every frame in order. Frames that wait for the viewer push back through [Hub.Allowance]; if they
	// still pass [Terms.Patience] or [Terms.Buffer], the viewer is ended with [ErrBehind].
	All
	modes
)

func (m Mode) String() string {
	return [modes]string{"latest", "lockstep", "all"}[m]
}

// ParseMode is the mode of that name.
func ParseMode(name string) (Mode, error) {
	for m := range modes {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q: the modes are latest, lockstep and all", name)
}

var (
	// ErrLockstep is why a lockstep viewer that stalled its group was ended.
	ErrLockstep = errors.New("fanout: viewer kept its lockstep group waiting")

	// ErrBehind is why an all viewer that could not keep up was ended.
	ErrBehind = errors.New("fanout: viewer fell too far behind for every frame")
)

// Sink is where a viewer's parts go. One goroutine at a time calls its methods, but for Abort. Those called by
// the pump (all but Write) must not wait: every viewer of the camera would wait with them.
type Sink interface {
	// TryWrite takes as much of p as it can without waiting: n less than len(p) with a nil error means that it is
	// full, and the rest comes through Write. A sink that cannot know takes nothing.
	TryWrite(p []byte) (n int, err error)

	// Write takes all of p or fails, within its own patience. It has a goroutine of its own.
	Write(p []byte) error

	// Abort makes a Write under way, or the next, fail soon. It may be called at any time, more than once.
	Abort()

	// Fill returns what to send in place of a frame that did not come; nil sends nothing. last is the picture the
	// viewer saw last, nil if none worth showing; since is when it was sent, or when the viewer came. forget makes
	// last nil from then on, until the next frame.
	Fill(last *Frame, since time.Time) (part []byte, forget bool)

	// Filled says that what Fill returned was sent whole.
	Filled()

	// Ended is called once, as the last of all calls: with the error of the write that failed, else with what
	// [Viewer.End] was given, else ErrLockstep or ErrBehind.
	Ended(why error, account Account)
}

// Framer is a [Sink] that wants to know whose part it is given next. Begin is called by the pump before the frame's
// TryWrite; fillers have no frame.
type Framer interface{ Begin(f *Frame) }

// Viewer is one who is sent each frame as it comes, by the hub's pump. Between frames it costs no goroutine.
type Viewer struct {
	hub   *Hub
	terms Terms
	sink  Sink
	frame Framer // sink, or nil
	tally *tally

	// Under hub.pump.mu.
	asked error // why it shall end; nil: it shall not
	done  bool  // its Write has returned
	fault error // what its Write returned
	told  bool  // it is in the inbox
	asks  []chan<- Account

	// From hand-over to the end of Write the goroutine in finish reads it.
	rest []byte

	// The pump's alone, from Attach on.
	met     bool
	ended   bool
	busy    bool      // its goroutine has it
	cut     bool      // its patience is over, and its Write was aborted
	filling bool      // what is being written is a filler
	shows   bool      // it has seen a picture worth repeating
	member  int       // in pump.members, or -1
	held    *Frame    // being written; nil while a filler is
	first   *Frame    // all: published before the viewer came, and still to be sent
	due     time.Time // when it may have its next frame, if it is capped
	fillAt  time.Time
	since   time.Time // when it was last sent a frame, or came
	busyAt  time.Time
	took    time.Duration // what finishing the frame in held took
	pace    time.Duration // all: took, smoothed
	joined  uint64
	settled uint64
	sent    uint64
	skipped [reasons]uint64
	slowAt  time.Time // when it last skipped a frame for being slow
}

// Attach adds a viewer that is sent each frame as it comes, until [Viewer.End] or a failing sink ends it.
func (h *Hub) Attach(terms Terms, sink Sink) *Viewer {
	v := &Viewer{hub: h, terms: terms, sink: sink, member: -1, since: time.Now()}
	v.frame, _ = sink.(Framer)
	var newest *Frame
	v.tally, v.joined, newest = h.join(terms)
	v.settled = v.joined
	if terms.Mode == All && newest.Seq > v.joined {
		v.first = newest
	}
	v.fillAt = v.since.Add(terms.repeat())
	if terms.FillFirst {
		v.fillAt = v.since
	}
	h.pump.post(v)
	return v
}

// End asks for the viewer's end, which comes after the part being written. The first reason counts. It may
// be called by anybody, and again.
func (v *Viewer) End(why error) {
	v.hub.pump.mu.Lock()
	if v.asked == nil {
		v.asked = why
	}
	v.hub.pump.mu.Unlock()
	v.hub.pump.post(v)
}

// Close ends all viewers as [Viewer.End] does, and those that attach later too. It may be called by anybody; the first
// reason counts. Subscriptions are not ended: they find no more frames.
func (h *Hub) Close(why error) {
	p := &h.pump
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil {
		p.closed = why
	}
	p.nudge()
}

// finish writes what TryWrite left over. It is the only thing that waits for a viewer.
func (v *Viewer) finish() {
	err := v.sink.Write(v.rest)
	v.hub.pump.mu.Lock()
	v.done, v.fault = true, err
	v.hub.pump.mu.Unlock()
	v.hub.pump.post(v)
}

// repeat is how long the viewer waits for a frame before it is sent a filler; a cap of its rate caps these too.
func (t *Terms) repeat() time.Duration {
	if t.RepeatAfter <= 0 {
		return time.Hour
	}
	return max(t.RepeatAfter, t.Interval)
}

// inbox collects the viewers that joined, shall end, or have finished writing, for the pump.
type inbox struct {
	mu      sync.Mutex
	viewers []*Viewer
	running bool
	closed  error // why all viewers are to end; nil: they are not
	wake    chan struct{}
}

// post puts v into the inbox and sees to it that the pump runs.
func (p *pump) post(v *Viewer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !v.told {
		v.told = true
		p.inbox.viewers = append(p.inbox.viewers, v)
	}
	if !p.running {
		p.running = true
		go p.run()
	}
	p.nudge()
}

// nudge wakes the pump, or lets it go round once more. It never waits.
func (p *pump) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Account is what has become of the frames so far. It asks the pump, which answers between two frames: nothing is kept for it
// while nobody asks.
func (v *Viewer) Account() Account {
	answer := make(chan Account, 1)
	p := &v.hub.pump
	p.mu.Lock()
	v.asks = append(v.asks, answer)
	p.mu.Unlock()
	p.post(v)
	return <-answer
}
