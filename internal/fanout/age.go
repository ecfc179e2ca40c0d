package fanout

import (
	"sync/atomic"
	"time"
)

// ageBounds are the upper bounds of the buckets that ages are counted in.
var ageBounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// AgeBounds returns the upper bounds of the buckets of [Ages], ascending.
func AgeBounds() []time.Duration { return ageBounds[:] }

// Ages is a histogram of how old frames were.
type Ages struct {
	Counts [len(ageBounds) + 1]uint64 // per bucket, not cumulative; the last is above the last bound
	Sum    time.Duration
}

func (a *Ages) add(age time.Duration) {
	age = max(age, 0) // clocks of two machines may disagree by a little
	i := 0
	for i < len(ageBounds) && age > ageBounds[i] {
		i++
	}
	a.Counts[i]++
	a.Sum += age
}

// ageCounts are Ages that everybody may add to.
type ageCounts struct {
	counts [len(ageBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (c *ageCounts) add(age time.Duration) {
	var one Ages
	one.add(age)
	c.merge(&one)
}

func (c *ageCounts) merge(a *Ages) {
	for i, n := range a.Counts {
		if n > 0 {
			c.counts[i].Add(n)
		}
	}
	c.sum.Add(int64(a.Sum))
}

func (c *ageCounts) read() Ages {
	a := Ages{Sum: time.Duration(c.sum.Load())}
	for i := range c.counts {
		a.Counts[i] = c.counts[i].Load()
	}
	return a
}

// batch is what a pass of the pump has counted, so that a viewer costs no atomic operation.
type batch struct {
	frames, bytes [transports]uint64
	ages          [modes]Ages
	any           bool
}

func (b *batch) sent(v *Viewer, f *Frame, at time.Time) {
	b.any = true
	b.frames[v.terms.Transport]++
	b.bytes[v.terms.Transport] += uint64(f.end - f.start)
	b.ages[v.terms.Mode].add(at.Sub(f.Time()))
}

func (b *batch) flush(h *Hub) {
	if !b.any {
		return
	}
	for t := range b.frames {
		h.tallies[t].sent.Add(b.frames[t])
		h.tallies[t].sentBytes.Add(b.bytes[t])
	}
	for m := range b.ages {
		h.ages[m].merge(&b.ages[m])
	}
	*b = batch{}
}
