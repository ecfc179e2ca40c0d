package fanout

import (
	"sync"
	"time"

	"github.com/camgw/camgw/internal/histogram"
)

// ages are what the ages of frames are counted in, in seconds.
var ages = histogram.Layout{
	Bounds: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
	Low:    -14,
}

// seconds is an age to be counted: clocks of two machines may disagree by a little.
func seconds(age time.Duration) float64 { return max(age, 0).Seconds() }

// ageCounts is a histogram of ages that everybody may add to. Its lock is held for
// a moment and with no other.
type ageCounts struct {
	mu     sync.Mutex
	counts histogram.Histogram
}

func (c *ageCounts) add(age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Observe(seconds(age))
}

func (c *ageCounts) merge(h *histogram.Histogram) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Add(h)
}

func (c *ageCounts) read() histogram.Histogram {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// batch is what a pass of the pump has counted, so that a viewer costs no lock and no atomic operation.
type batch struct {
	frames, bytes [transports]uint64
	ages          [modes]histogram.Histogram
	sentIn        [modes]bool // whether ages of the mode has counted
	any           bool
}

func (b *batch) sent(v *Viewer, f *Frame, at time.Time) {
	b.any = true
	b.frames[v.terms.Transport]++
	b.bytes[v.terms.Transport] += uint64(f.end - f.start)
	mode := v.terms.Mode
	if !b.sentIn[mode] {
		b.sentIn[mode], b.ages[mode] = true, histogram.New(&ages)
	}
	b.ages[mode].Observe(seconds(at.Sub(f.Time())))
}

func (b *batch) flush(h *Hub) {
	if !b.any {
		return
	}
	for t := range b.frames {
		h.tallies[t].sent.Add(b.frames[t])
		h.tallies[t].sentBytes.Add(b.bytes[t])
	}
	for m, counted := range b.sentIn {
		if counted {
			h.ages[m].merge(&b.ages[m])
		}
	}
	b.frames, b.bytes = [transports]uint64{}, [transports]uint64{}
	b.sentIn, b.any = [modes]bool{}, false
}
