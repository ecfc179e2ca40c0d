package bench

import (
	"fmt"
	"slices"
)

// Sample is the figures that repeated runs gave for one thing, in any order.
type Sample []float64

// Median is the middle figure, or the mean of the two in the middle; 0 of none.
func (s Sample) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Range is the least and the greatest figure; 0 and 0 of none.
func (s Sample) Range() (least, greatest float64) {
	if len(s) == 0 {
		return 0, 0
	}
	return slices.Min(s), slices.Max(s)
}

// Over is this sample's figures divided by base's, run by run: what drifts with the machine drifts in both. It
// panics if the two have different lengths.
func (s Sample) Over(base Sample) Sample {
	if len(s) != len(base) {
		panic(fmt.Sprintf("bench: %d runs over %d", len(s), len(base)))
	}
	ratios := make(Sample, len(s))
	for i := range s {
		ratios[i] = s[i] / base[i]
	}
	return ratios
}

// Show is the median with the range behind it: "9.1 (8.8-9.6)" with one decimal.
func (s Sample) Show(decimals int) string {
	least, greatest := s.Range()
	return fmt.Sprintf("%.*f (%.*f-%.*f)", decimals, s.Median(), decimals, least, decimals, greatest)
}
