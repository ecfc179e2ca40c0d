package camera

import "github.com/camgw/camgw/internal/histogram"

var (
	sizes     = histogram.Layout{Bounds: []float64{2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10}, Low: 4}
	intervals = histogram.Layout{Bounds: []float64{.02, .04, .066, .1, .2, .5, 1, 2, 5, 10}, Low: -14}
	transfers = histogram.Layout{Bounds: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5}, Low: -14}
)
