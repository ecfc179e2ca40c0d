package histogram

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

var seconds = Layout{Bounds: []float64{.01, .1, 1}, Low: -14}

// TestBuckets: every value is in the one fine bucket whose bounds are around it, and in the one of the layout.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.Float64Range(0, 1e-4), rapid.Float64Range(1e-5, 200), rapid.SampledFrom([]float64{
			0, 1, .5, 2, .01, .1, 128, 1e9, math.Exp2(-14), math.Nextafter(1, 2), math.Nextafter(1, 0),
		})).Draw(t, "value")
		h := New(&seconds)
		h.Observe(v)
		if h.Count() != 1 || h.Sum != v {
			t.Fatalf("count %d, sum %v", h.Count(), h.Sum)
		}
		for i, n := range h.Counts {
			low, high := math.Inf(-1), math.Inf(1)
			if i > 0 {
				low = seconds.Bounds[min(i, len(seconds.Bounds))-1]
			}
			if i < len(seconds.Bounds) {
				high = seconds.Bounds[i]
			}
			if in := i <= len(seconds.Bounds) && v > low && v <= high; in != (n == 1) {
				t.Errorf("bucket %d, (%v, %v], has %d", i, low, high, n)
			}
		}
		if small := v <= math.Exp2(-14); small != (h.Small == 1) {
			t.Errorf("%d small values", h.Small)
		}
		bound := func(i int) float64 { return math.Exp2(-14 + float64(i)/8) }
		for i, n := range h.Fine {
			high := bound(i + 1)
			if i == len(h.Fine)-1 {
				high = math.Inf(1)
			}
			// Exp2 may be off by the last bit, which is nobody's concern: but for the octaves, where it is exact.
			slack := 1e-15 * v
			if i%8 == 0 || (i+1)%8 == 0 {
				slack = 0
			}
			if n == 1 && (v <= bound(i)-slack || v > high+slack) {
				t.Errorf("fine bucket %d, (%v, %v], has %v", i, bound(i), high, v)
			}
		}
	})
}

func TestAdd(t *testing.T) {
	a, b, both := New(&seconds), New(&seconds), New(&seconds)
	for _, v := range []float64{0, .003, .5, 7} {
		a.Observe(v)
		both.Observe(v)
	}
	for _, v := range []float64{.003, 500} {
		b.Observe(v)
		both.Observe(v)
	}
	if a.Add(&b); a != both {
		t.Errorf("%v, want %v", a, both)
	}
}

func BenchmarkObserve(b *testing.B) {
	h := New(&seconds)
	for b.Loop() {
		h.Observe(.0123)
	}
}
