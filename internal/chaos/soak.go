package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// SoakOptions are what a soak is made of: pictures and replugs by number, pushed through as fast as the wire carries them.
type SoakOptions struct {
	Options
	Hours    float64       // to be equivalent to, of cameras of SoakFPS that are replugged once a minute
	Warm     float64       // hours of those that are not judged
	Limit    time.Duration // of the time it may really take
	Progress io.Writer
}

// SoakFPS is what a camera is taken to send when pictures are turned into hours.
const SoakFPS = 10

const (
	picturesPerHour = SoakFPS * 3600
	replugEvery     = SoakFPS * 60 // pictures
)

// soakModels send as many pictures as are asked for; the wire, and who reads it, set the pace.
var soakModels = []model{
	{id: "one", size: 4_000, fps: 600, usb: true},
	{id: "two", size: 5_000, fps: 600, usb: true},
	{id: "three", size: 6_000, fps: 600, usb: true},
}

// Sample is what the daemon held at a moment.
type Sample struct {
	Seconds     float64 // since the start
	Hours       float64 // equivalent, of the camera that is behind most
	Resident    float64 // bytes
	Heap        float64 // bytes alive at the last garbage collection
	Descriptors float64
	Goroutines  float64
	Viewers     float64
}

// SoakReport is what came of a soak.
type SoakReport struct {
	Samples  []Sample
	Pictures float64 // published, all cameras
	Replugs  int
	Passers  int64 // viewers that came and left
	Judged   uint64
	Took     time.Duration
	First    Sample // with the steady viewers alone, before
	Last     Sample // and after
}

// Soak runs until every camera has published its pictures. See [Run] for the rest.
func Soak(ctx context.Context, o SoakOptions) (SoakReport, error) {
	r := &run{Options: o.Options, dir: o.Dir, gate: newGate(), down: make(chan struct{}), brisk: true, timeline: &timeline{begun: time.Now(), out: o.Out}}
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	if err := r.build(soakModels); err != nil {
		return SoakReport{}, err
	}
	s := soak{run: r, o: o, replugged: make([]int, len(r.devices))}
	err := r.within(ctx, s.soak)
	if v, ok := errors.AsType[*Violation](err); ok {
		r.report(v)
	}
	for _, d := range r.devices {
		s.report.Judged += d.ledger.judged()
	}
	s.report.Passers = r.passers.Load()
	return s.report, err
}

type soak struct {
	*run
	o         SoakOptions
	report    SoakReport
	replugged []int
}

func (s *soak) soak(ctx context.Context, stop context.CancelFunc, around *sync.WaitGroup) error {
	a, err := s.daemon.metrics()
	if err != nil {
		return err
	}
	s.report.First = s.sample(a)
	s.gate.open(ctx)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var now Sample
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if time.Since(s.timeline.begun) > s.o.Limit {
			return fmt.Errorf("only %.2f of %v hours after %v: this machine is too slow, or too busy", now.Hours, s.o.Hours, s.o.Limit)
		}
		a, err := s.daemon.metrics()
		if err != nil {
			continue // how long that may be so, look judges
		}
		now = s.sample(a)
		s.report.Pictures = a.sum("camgw_frames_published_total")
		if n%5 == 0 {
			s.report.Samples = append(s.report.Samples, now)
		}
		if n%150 == 0 {
			fmt.Fprintf(s.o.Progress, "%6.0f s  %.2f h  %.1f MB resident, %.1f MB heap, %.0f descriptors, %.0f goroutines, %.0f viewers\n",
				now.Seconds, now.Hours, now.Resident/1e6, now.Heap/1e6, now.Descriptors, now.Goroutines, now.Viewers)
		}
		if now.Hours >= s.o.Hours {
			break
		}
		s.replug(ctx, a)
	}
	s.report.Took = time.Since(s.timeline.begun)
	if err := s.recovered(ctx); err != nil {
		return err
	}
	if err := s.audit(ctx); err != nil {
		return err
	}
	if a, err = s.daemon.metrics(); err != nil {
		return err
	}
	s.report.Last = s.sample(a)
	if err := s.judge(); err != nil {
		return err
	}
	return s.final(ctx, stop, around)
}

// replug pulls the plug of each camera that has sent a minute's pictures since the last time.
func (s *soak) replug(ctx context.Context, a account) {
	var pulled []*device
	for i, d := range s.devices {
		if published := a.sum("camgw_frames_published_total", fmt.Sprintf("camera=%q", d.id)); int(published)/replugEvery > s.replugged[i] {
			s.replugged[i]++
			s.report.Replugs++
			d.signal(unplugSignal)
			pulled = append(pulled, d)
		}
	}
	if len(pulled) == 0 {
		return
	}
	pause(ctx, 50*time.Millisecond)
	for _, d := range pulled {
		d.signal(plugSignal)
	}
}

func (s *soak) sample(a account) Sample {
	h := holding(a)
	least := math.Inf(1)
	for _, d := range s.devices {
		least = min(least, a.sum("camgw_frames_published_total", fmt.Sprintf("camera=%q", d.id)))
	}
	return Sample{time.Since(s.timeline.begun).Seconds(), least / picturesPerHour, a["process_resident_memory_bytes"], h.heap, h.descriptors, h.goroutines, a.sum("camgw_clients")}
}

// What a line may rise by, from its first fitted value to its last, and still be called flat: noise of the allocator, and of
// which viewers happen to be there.
const (
	flatResident   = 3e6 // bytes
	flatHeap       = 2e6
	flatOthers     = 8 // descriptors, goroutines: a viewer has up to four
	backToBaseline = 3 // with the same viewers there, at the end and at the beginning
)

func (s *soak) judge() error {
	for _, line := range []struct {
		name    string
		promise Promise
		of      func(Sample) float64
		flat    float64
	}{
		{"resident memory", Memory, func(p Sample) float64 { return p.Resident }, flatResident},
		{"the heap", Memory, func(p Sample) float64 { return p.Heap }, flatHeap},
		{"descriptors", Descriptors, func(p Sample) float64 { return p.Descriptors }, flatOthers},
		{"goroutines", Goroutines, func(p Sample) float64 { return p.Goroutines }, flatOthers},
	} {
		if rise := Rise(s.report.Samples, s.o.Warm, line.of); rise > line.flat {
			s.fail(line.promise, "%s rose by %.0f in %v hours, of which %v are warm-up", line.name, rise, s.o.Hours, s.o.Warm)
		}
	}
	if f, l := s.report.First, s.report.Last; l.Descriptors > f.Descriptors+backToBaseline {
		s.fail(Descriptors, "%.0f at the end, %.0f at the beginning, with the same viewers", l.Descriptors, f.Descriptors)
	}
	if f, l := s.report.First, s.report.Last; l.Goroutines > f.Goroutines+backToBaseline {
		s.fail(Goroutines, "%.0f at the end, %.0f at the beginning, with the same viewers", l.Goroutines, f.Goroutines)
	}
	if v := s.violation.Load(); v != nil {
		return v
	}
	return nil
}

// Rise is by how much a line rises over the samples after a warm-up, in hours: the slope of the least squares times their span.
func Rise(samples []Sample, warm float64, of func(Sample) float64) float64 {
	var n, sx, sy, sxx, sxy float64
	var from, to float64
	for _, p := range samples {
		if p.Hours < warm {
			continue
		}
		if n == 0 {
			from = p.Hours
		}
		to = p.Hours
		x, y := p.Hours, of(p)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if d := n*sxx - sx*sx; n > 1 && d > 0 {
		return (n*sxy - sx*sy) / d * (to - from)
	}
	return 0
}

// WriteCSV writes the samples.
func (r SoakReport) WriteCSV(path string) error {
	var b strings.Builder
	b.WriteString("seconds,hours,resident_bytes,heap_bytes,descriptors,goroutines,viewers\n")
	for _, p := range r.Samples {
		fmt.Fprintf(&b, "%.1f,%.4f,%.0f,%.0f,%.0f,%.0f,%.0f\n", p.Seconds, p.Hours, p.Resident, p.Heap, p.Descriptors, p.Goroutines, p.Viewers)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("samples: %w", err)
	}
	return nil
}

// WritePlot draws the samples as SVG, one panel for each line, from 0.
func (r SoakReport) WritePlot(path string) error {
	if len(r.Samples) < 2 {
		return errors.New("plot: nothing to draw")
	}
	const width, height, left, top, gap = 860, 130, 70, 30, 46
	panels := []struct {
		title, colour string
		of            func(Sample) float64
	}{
		{"resident memory, MB", "#1f77b4", func(p Sample) float64 { return p.Resident / 1e6 }},
		{"heap alive, MB", "#2ca02c", func(p Sample) float64 { return p.Heap / 1e6 }},
		{"descriptors", "#d62728", func(p Sample) float64 { return p.Descriptors }},
		{"goroutines", "#9467bd", func(p Sample) float64 { return p.Goroutines }},
	}
	hours := r.Samples[len(r.Samples)-1].Hours
	var b strings.Builder
	total := top + len(panels)*(height+gap)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width+left+20, total)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	for i, p := range panels {
		y0 := top + i*(height+gap)
		most := 0.0
		for _, s := range r.Samples {
			most = max(most, p.of(s))
		}
		most = ceiling(most * 1.1)
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="13">%s</text>`+"\n", left, y0-6, p.title)
		for k := range 5 {
			y := y0 + height - k*height/4
			fmt.Fprintf(&b, `<path d="M%d %dh%d" stroke="#ddd"/><text x="%d" y="%d" text-anchor="end">%.4g</text>`+"\n", left, y, width, left-6, y+4, most*float64(k)/4)
		}
		for h := 0; float64(h) <= hours+0.01; h++ {
			x := left + int(float64(width)*float64(h)/hours)
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%d h</text>`+"\n", min(x, left+width), y0+height+16, h)
		}
		var points []string
		for _, s := range thin(r.Samples, width) {
			points = append(points, fmt.Sprintf("%.1f,%.1f", left+width*s.Hours/hours, float64(y0+height)-float64(height)*p.of(s)/most))
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.2" points="%s"/>`+"\n", p.colour, strings.Join(points, " "))
	}
	b.WriteString("</svg>\n")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// thin leaves at most n samples, evenly.
func thin(samples []Sample, n int) []Sample {
	if len(samples) <= n {
		return samples
	}
	var kept []Sample
	for i := range n {
		kept = append(kept, samples[i*len(samples)/n])
	}
	return slices.Clip(kept)
}

// ceiling is the next number that is round enough to stand at an axis.
func ceiling(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 6, 8, 10} {
		if v <= m*unit {
			return m * unit
		}
	}
	return 20 * unit
}
