package fanout

import (
	"runtime"
	"sync/atomic"
	"time"
)

// pump delivers a hub's frames. One goroutine, which runs while there is a viewer, goes over all viewers
// once per frame and writes to each that is free without waiting; one whose connection is full is handed to a
// goroutine of its own for the rest of that frame, and comes back through the inbox. So in the steady state a
// frame costs one wake-up for all viewers together and no allocation, and everything modes need to know of
// viewers belongs to one goroutine and needs no lock.
type pump struct {
	inbox
	hub   *Hub
	turns atomic.Uint64 // written by the pump goroutine

	// The pump goroutine's alone. They outlive it, and pass to the next one under inbox.mu.
	viewers []*Viewer
	every   int       // viewers of mode All
	members []*Viewer // of the lockstep group
	stalled int       // members that are busy
	group   *Frame    // what the group was given last
	ruled   uint64    // the newest frame that it was given or denied
	paced   time.Time // when the group may have its next frame, if it is capped
	newest  *Frame
	ring    ring // frames that All viewers have not had
	alarm   time.Time
	timer   *time.Timer
	taken   []*Viewer // inbox and frames of this turn; the arrays serve again
	fresh   []*Frame
	now     time.Time // read every clockEvery writes
	writes  int
	gone    int       // viewers ended and not yet swept
	counted time.Time // when laggards were counted last
	batch   batch
}

// clockEvery is how many writes share one reading of the clock: well below a millisecond's worth.
const clockEvery = 8

// yieldEvery is how many writes the pump makes before it lets others run: on a single core the goroutine that reads the
// serial port is waiting behind it.
const yieldEvery = 64

// run is the pump goroutine. It ends with the last viewer, whose end is its closer.
func (p *pump) run() {
	p.timer = time.NewTimer(time.Hour)
	defer p.timer.Stop()
	p.alarm = time.Time{}
	for {
		alarmed := false
		select {
		case <-p.wake:
		case <-p.timer.C:
			alarmed = true
			p.alarm = time.Time{}
		}
		p.turn(alarmed)
		p.turns.Add(1)
		if p.rest() {
			return
		}
	}
}

// rest ends the pump if there is nobody left to serve.
func (p *pump) rest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.viewers) > 0 || len(p.inbox.viewers) > 0 {
		return false
	}
	p.keep(&p.newest, nil)
	p.keep(&p.group, nil)
	p.ring.clear(p)
	p.running = false
	return true
}

// turn does what there is to do now.
func (p *pump) turn(alarmed bool) {
	p.now = time.Now()
	p.mu.Lock()
	p.taken, p.inbox.viewers = p.inbox.viewers, p.taken[:0]
	closed := p.closed
	p.mu.Unlock()
	p.fresh = p.hub.takeFresh(p.fresh[:0])
	whole := alarmed || len(p.fresh) > 0
	for i, f := range p.fresh {
		if p.hub.every.Load() > 0 {
			p.ring.push(p, f)
		}
		p.keep(&p.newest, f)
		p.fresh[i] = nil
	}

	for i, v := range p.taken {
		p.taken[i] = nil
		p.meet(v)
		if !whole && !v.ended {
			p.serve(v)
		}
	}
	if whole {
		for _, v := range p.viewers {
			p.serve(v)
		}
	}
	if alarmed {
		for _, v := range p.viewers {
			p.check(v)
		}
	}
	p.step()
	if closed != nil {
		p.endAll(closed)
	}
	p.sweep()
	p.ring.trim(p)
	p.countLagging()
	p.batch.flush(p.hub)
	p.hub.setAllowance(p.allowance())
}

// meet takes note of what a viewer in the inbox wants: to join, to be free again, to end.
func (p *pump) meet(v *Viewer) {
	p.mu.Lock()
	v.told = false
	asked, done, fault := v.asked, v.done, v.fault
	v.done, v.fault = false, nil
	asks := v.asks
	v.asks = nil
	p.mu.Unlock()
	for _, answer := range asks {
		answer <- v.account() // each has room for it
	}
	if v.ended {
		return
	}
	if !v.met {
		v.met = true
		p.viewers = append(p.viewers, v)
		switch v.terms.Mode {
		case Lockstep:
			v.member = len(p.members)
			p.members = append(p.members, v)
		case All:
			p.every++
		}
		if p.newest == nil {
			p.keep(&p.newest, p.hub.Latest())
		}
	}
	if done {
		p.release(v)
		if fault != nil {
			p.end(v, fault)
			return
		}
		p.finished(v)
	}
	if asked != nil && !v.busy {
		p.end(v, asked)
	}
}

// serve sends a free viewer what its mode has for it, until it is busy or there is nothing more.
func (p *pump) serve(v *Viewer) {
	if v.ended {
		return
	}
	if v.busy {
		if v.terms.Mode == All && p.ring.after(v.settled) > v.terms.Buffer {
			p.limit(v, ErrBehind)
		}
		return
	}
	switch v.terms.Mode {
	case Latest:
		f := p.newest
		if f == nil || f.Seq <= v.settled {
			break
		}
		p.skip(v, Slow, f.Seq-v.settled-1)
		v.settled = f.Seq
		if !v.allows(f) {
			p.skip(v, Rate, 1)
			break
		}
		p.send(v, f)
	case All:
		for f := p.following(v); f != nil && !v.busy && !v.ended; f = p.following(v) {
			v.settled = f.Seq
			if !v.allows(f) {
				p.skip(v, Rate, 1)
				continue
			}
			p.send(v, f)
		}
	}
	if v.ended || v.busy {
		return
	}
	if !p.now.Before(v.fillAt) {
		p.fill(v)
	}
	if !v.busy {
		p.wakeAt(v.fillAt)
	}
}

// following is the frame after the last one an All viewer had; nil if it has not come yet.
func (p *pump) following(v *Viewer) *Frame {
	if f := v.first; f != nil {
		v.first = nil
		return f
	}
	return p.ring.at(v.settled + 1)
}

// allows tells whether a viewer's cap lets it have f. The cap holds over time: a frame may come up to a
// quarter of the interval early, and the next is then due so much later.
func (v *Viewer) allows(f *Frame) bool {
	every := v.terms.Interval
	if every <= 0 {
		return true
	}
	return pass(&v.due, f.Received, every)
}

func pass(due *time.Time, at time.Time, every time.Duration) bool {
	if at.Before(due.Add(-every / 4)) {
		return false
	}
	if due.Before(at.Add(-every)) {
		*due = at
	}
	*due = due.Add(every)
	return true
}

// send gives a frame to a free viewer.
func (p *pump) send(v *Viewer, f *Frame) {
	v.held = f
	if v.frame != nil {
		v.frame.Begin(f)
	}
	p.write(v, f.mem[f.start:f.end:f.end])
}

// fill sends a free viewer what stands in for a frame.
func (p *pump) fill(v *Viewer) {
	last := p.newest
	if v.terms.Mode == Lockstep {
		last = p.group
	}
	if !v.shows {
		last = nil
	}
	part, forget := v.sink.Fill(last, v.since)
	if forget {
		v.shows = false
	}
	v.fillAt = p.now.Add(v.terms.repeat())
	if part != nil {
		v.filling = true
		p.write(v, part)
	}
}

// write offers a part to a free viewer, and hands it over if that would have to wait.
func (p *pump) write(v *Viewer, part []byte) {
	n, err := v.sink.TryWrite(part)
	if p.writes++; p.writes%clockEvery == 0 {
		p.now = time.Now()
		if p.writes%yieldEvery == 0 {
			runtime.Gosched()
		}
	}
	switch {
	case err != nil:
		p.end(v, err)
	case n == len(part):
		p.finished(v)
	default:
		v.busy, v.busyAt, v.rest = true, p.now, part[n:]
		if v.held != nil {
			p.take(v.held)
		}
		switch {
		case v.member >= 0:
			p.stalled++
			p.wakeAt(p.now.Add(v.terms.Patience))
		case v.terms.Mode == All:
			p.wakeAt(p.now.Add(v.terms.Patience))
		}
		go v.finish()
	}
}

// release takes a viewer back from its goroutine.
func (p *pump) release(v *Viewer) {
	v.busy, v.rest = false, nil
	if v.held != nil {
		p.drop(v.held)
	}
	if v.member >= 0 {
		p.stalled--
	}
	v.took = p.now.Sub(v.busyAt)
}

// finished settles what a viewer has just been sent whole.
func (p *pump) finished(v *Viewer) {
	v.fillAt = p.now.Add(v.terms.repeat())
	if v.filling {
		v.filling = false
		v.sink.Filled()
		return
	}
	f := v.held
	v.held = nil
	v.sent++
	v.since, v.shows = p.now, true
	if v.terms.Mode == All {
		v.pace += (v.took - v.pace) / 16
	}
	v.took = 0
	p.batch.sent(v, f, p.now)
}

func (p *pump) skip(v *Viewer, r Reason, n uint64) {
	if n > 0 {
		v.skipped[r] += n
		v.tally.skipped[r].Add(n)
		if r == Slow {
			v.slowAt = p.now
		}
	}
}

// A viewer lags for lagMemory after it skipped a frame for being slow. Every lagCount that is looked at again.
const (
	lagMemory = 10 * time.Second
	lagCount  = time.Second
)

// countLagging tells how many viewers lag.
func (p *pump) countLagging() {
	if p.now.Sub(p.counted) < lagCount && len(p.viewers) > 0 {
		return
	}
	p.counted = p.now
	var lagging [transports]int64
	for _, v := range p.viewers {
		if !v.slowAt.IsZero() && p.now.Sub(v.slowAt) <= lagMemory {
			lagging[v.terms.Transport]++
		}
	}
	for t, n := range lagging {
		p.hub.lagging[t].Store(n)
	}
}

// end ends a viewer that is not busy. [pump.sweep] takes it out of the list, which may be in use.
func (p *pump) end(v *Viewer, why error) {
	p.mu.Lock()
	if v.asked != nil {
		why = v.asked // it came first; the failure may well be its consequence
	}
	p.mu.Unlock()
	if v.held != nil {
		v.held = nil
		p.skip(v, Error, 1)
	}
	v.ended = true
	p.gone++
	p.part(v)
	if v.terms.Mode == All {
		p.every--
	}
	p.batch.flush(p.hub)
	last := p.hub.leave(v.terms)
	p.skip(v, Left, last-v.settled)
	v.settled = last
	v.first = nil
	v.sink.Ended(why, v.account())
}

func (v *Viewer) account() Account {
	return Account{Offered: v.settled - v.joined, Sent: v.sent, Skipped: v.skipped}
}

// endAll ends all viewers, each after the part being written.
func (p *pump) endAll(why error) {
	for _, v := range p.viewers {
		if v.ended {
			continue
		}
		p.mu.Lock()
		if v.asked == nil {
			v.asked = why
		}
		p.mu.Unlock()
		if !v.busy {
			p.end(v, v.asked)
		}
	}
}

// part takes a viewer out of its lockstep group.
func (p *pump) part(v *Viewer) {
	if v.member < 0 {
		return
	}
	last := len(p.members) - 1
	moved := p.members[last]
	p.members[v.member], moved.member = moved, v.member
	p.members[last] = nil
	p.members = p.members[:last]
	v.member = -1
	if v.busy {
		p.stalled--
	}
	if len(p.members) == 0 {
		p.keep(&p.group, nil)
	}
}

// sweep takes those who have ended out of the list.
func (p *pump) sweep() {
	if p.gone == 0 {
		return
	}
	p.gone = 0
	kept := p.viewers[:0]
	for _, v := range p.viewers {
		if !v.ended {
			kept = append(kept, v)
		}
	}
	clear(p.viewers[len(kept):])
	p.viewers = kept
}

// check ends a viewer whose patience is over, when the alarm has gone off, and else sets the alarm for it.
func (p *pump) check(v *Viewer) {
	if v.ended || v.cut || !v.busy {
		return
	}
	since, why := v.busyAt, ErrLockstep
	switch v.terms.Mode {
	case Latest:
		return // its Write has its own deadline
	case All:
		why = ErrBehind
		if oldest := v.held; oldest != nil {
			since = oldest.Received
		} else if oldest := p.ring.at(v.settled + 1); oldest != nil {
			since = oldest.Received
		}
	}
	if at := since.Add(v.terms.Patience); p.now.Before(at) {
		p.wakeAt(at)
		return
	}
	p.limit(v, why)
}

// limit ends a busy viewer. Its Write is cut short, and only its return ends it; but from here on nobody waits for it.
func (p *pump) limit(v *Viewer, why error) {
	if v.cut {
		return
	}
	v.cut = true
	p.mu.Lock()
	if v.asked == nil {
		v.asked = why
	}
	p.mu.Unlock()
	p.part(v)
	v.sink.Abort()
}

// wakeAt sets the alarm to t unless it goes off before.
func (p *pump) wakeAt(t time.Time) {
	if p.alarm.IsZero() || t.Before(p.alarm) {
		p.alarm = t
		p.timer.Reset(time.Until(t))
	}
}
