package camera

// Histogram counts observations in fixed buckets. The zero value is unusable:
// see newHistogram. Copies are snapshots.
type Histogram struct {
	Bounds []float64  // upper bounds, ascending, shared and never written
	Counts [16]uint64 // per bucket, not cumulative; Counts[len(Bounds)] is above the last bound
	Sum    float64
}

var (
	sizeBounds     = []float64{2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10}
	intervalBounds = []float64{.02, .04, .066, .1, .2, .5, 1, 2, 5, 10}
	transferBounds = []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5}
)

func newHistogram(bounds []float64) Histogram { return Histogram{Bounds: bounds} }

func (h *Histogram) observe(v float64) {
	i := 0
	for i < len(h.Bounds) && v > h.Bounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += v
}
