// Package histogram hides in which buckets values are counted: in a few of a
// layout's own, for everybody, and in fine exponential ones, for programs that
// know Prometheus's native histograms. It knows no Prometheus.
package histogram

import "math"

// Schema says how fine the exponential buckets are, as Prometheus numbers it:
// each is 2^(2^-Schema), a factor of 1.09, as wide as the one before.
const Schema = 3

const (
	perOctave = 1 << Schema
	octaves   = 21
)

// Layout is what histograms of one kind have in common. It is never written once
// a histogram uses it.
type Layout struct {
	// Bounds are the upper bounds of the buckets, ascending, 15 at most; one more bucket is above the last.
	Bounds []float64

	// Low is the exponent of 2 where the fine buckets begin; they end 21 octaves above it, and the last one takes
	// everything above.
	Low int
}

// Histogram counts values. Make it with New; copies are snapshots.
type Histogram struct {
	Layout *Layout
	Counts [16]uint64 // by Bounds, not cumulative
	Sum    float64

	Small uint64                      // values up to 2^Low
	Fine  [octaves * perOctave]uint64 // Fine[i]: above 2^(Low+i/8), up to 2^(Low+(i+1)/8)
}

// New returns a histogram that has counted nothing.
func New(l *Layout) Histogram { return Histogram{Layout: l} }

// Observe counts one value, which is not negative.
func (h *Histogram) Observe(v float64) {
	i := 0
	for i < len(h.Layout.Bounds) && v > h.Layout.Bounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += v
	if at := fineIndex(v) - h.Layout.Low*perOctave - 1; at < 0 {
		h.Small++
	} else {
		h.Fine[min(at, len(h.Fine)-1)]++
	}
}

// Count is how many values were counted.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Add counts what o, of the same layout, has counted.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
	h.Sum += o.Sum
	h.Small += o.Small
	for i, n := range o.Fine {
		h.Fine[i] += n
	}
}

// steps are the lower bounds of the fine buckets between one half and one.
var steps = func() (s [perOctave]float64) {
	for i := range s {
		s[i] = math.Exp2(float64(i)/perOctave - 1)
	}
	return s
}()

// fineIndex is the least i for which v is at most 2^(i/8).
func fineIndex(v float64) int {
	if v <= 0 {
		return math.MinInt32
	}
	fraction, exponent := math.Frexp(v)
	i := 0
	for i < perOctave && steps[i] < fraction {
		i++
	}
	return i + (exponent-1)*perOctave
}
