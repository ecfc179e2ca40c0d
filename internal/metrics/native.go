package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/camgw/camgw/internal/histogram"
)

// native adds the fine buckets to a histogram. Scrapers that ask for protobuf get them as a native histogram; the
// text formats leave them out.
type native struct {
	prometheus.Metric // with the classic buckets
	counts            *histogram.Histogram
}

// Write is part of prometheus.Metric.
func (n native) Write(out *dto.Metric) error {
	if err := n.Metric.Write(out); err != nil {
		return err
	}
	h, low := out.Histogram, n.counts.Layout.Low
	h.Schema = new(int32(histogram.Schema))
	h.ZeroThreshold = new(math.Ldexp(1, low))
	h.ZeroCount = new(n.counts.Small)
	next, last := int32(0), int64(0) // the bucket after the last span's, and the count of its last
	for i, count := range n.counts.Fine {
		if count == 0 {
			continue
		}
		at := int32(low<<histogram.Schema + i + 1)
		if spans := len(h.PositiveSpan); spans > 0 && at == next {
			*h.PositiveSpan[spans-1].Length++
		} else {
			h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: new(at - next), Length: new(uint32(1))})
		}
		h.PositiveDelta = append(h.PositiveDelta, int64(count)-last)
		next, last = at+1, int64(count)
	}
	if len(h.PositiveSpan) == 0 {
		// Without a span a scraper cannot tell it from a classic histogram.
		h.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(0))}}
	}
	return nil
}
