package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// series are the runs of one server in one row.
type series struct {
	perFrame, p50, p99 bench.Sample // us of CPU per delivered frame; ms of age
	peakMB, fairness   bench.Sample
	lost, unseen       uint64 // of all runs
}

func (s *series) add(r bench.Report) {
	s.perFrame = append(s.perFrame, r.PerFrame())
	s.p50 = append(s.p50, float64(r.Age.P50)/1e3)
	s.p99 = append(s.p99, float64(r.Age.P99)/1e3)
	s.peakMB = append(s.peakMB, float64(r.Server.PeakRSS)/1e6)
	s.fairness = append(s.fairness, r.Fairness())
	s.lost += r.Lost
	s.unseen += r.Unseen
}

// result is a row and its runs, in pairs.
type result struct {
	row
	floor, camgw series
}

// tabulate writes the results as Markdown: per row a line for the floor, and one for camgw with its ratios to it.
func tabulate(results []result) string {
	var b strings.Builder
	b.WriteString("| viewers | stalled | frame | fps | server | us of CPU per frame | x floor | age p50 ms | age p99 ms | x floor | peak MB | lost | worst viewer |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %d | %d %% | %d kB | %g | floor |", r.Viewers, r.Stalled, r.KB, r.FPS)
		r.floor.cells(&b, "", "")
		b.WriteString("| | | | | **camgw** |")
		r.camgw.cells(&b, "**"+r.camgw.perFrame.Over(r.floor.perFrame).Show(2)+"**",
			fmt.Sprintf("%.2f / %.2f", r.camgw.p50.Over(r.floor.p50).Median(), r.camgw.p99.Over(r.floor.p99).Median()))
	}
	b.WriteString(remarks(results))
	return b.String()
}

func (s series) cells(b *strings.Builder, cpuRatio, ageRatio string) {
	fmt.Fprintf(b, " %s | %s | %.2f | %s | %s | %.1f | %d | %.0f %% |\n", s.perFrame.Show(2), cpuRatio, s.p50.Median(), s.p99.Show(2), ageRatio,
		s.peakMB.Median(), s.lost, 100*s.fairness.Median())
}

// abridge is the table for those in a hurry: the ratios alone, which is what carries over to other machines.
func abridge(results []result, version string, at time.Time) string {
	var b strings.Builder
	b.WriteString("| viewers | picture | CPU per delivered picture | age p50 / p99 | peak memory |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range results {
		stalled := ""
		if r.Stalled > 0 {
			stalled = fmt.Sprintf(", %d %% of them stalled", r.Stalled)
		}
		fmt.Fprintf(&b, "| %d%s | %d kB, %g fps | **%.2f** x floor | %.2f / %.2f x floor | %.0f MB |\n", r.Viewers, stalled, r.KB, r.FPS,
			r.camgw.perFrame.Over(r.floor.perFrame).Median(), r.camgw.p50.Over(r.floor.p50).Median(), r.camgw.p99.Over(r.floor.p99).Median(), r.camgw.peakMB.Median())
	}
	fmt.Fprintf(&b, "\n%s, %s, written by `make bench-fanout`.\n", version, at.UTC().Format("2006-01-02"))
	return b.String()
}

// remarks are what two rows say together.
func remarks(results []result) string {
	var b strings.Builder
	for i, r := range results {
		for _, s := range results[:i] {
			twin := r.row
			twin.Stalled = 0
			if r.Stalled > 0 && s.row == twin {
				fmt.Fprintf(&b, "- With %d %% of %d viewers stalled (%d kB), the others' p99 age changes by %+.0f %% (floor %+.0f %%).\n", r.Stalled, r.Viewers, r.KB,
					change(s.camgw.p99, r.camgw.p99), change(s.floor.p99, r.floor.p99))
			}
			if r.Stalled == 0 && s.Stalled == 0 && s.KB == r.KB && s.FPS == r.FPS && s.Viewers == 300 && r.Viewers > 300 {
				fmt.Fprintf(&b, "- Beyond 300 viewers (%d kB), a viewer takes %.1f kB of memory.\n", r.KB,
					(r.camgw.peakMB.Median()-s.camgw.peakMB.Median())*1e3/float64(r.Viewers-s.Viewers))
			}
		}
		if n := r.camgw.unseen; n > 0 {
			fmt.Fprintf(&b, "- %v: %d pictures never came to the fan-out (the camera was too fast for its port); each counts as lost for every viewer.\n", r.row, n)
		}
	}
	if b.Len() > 0 {
		return "\n" + b.String()
	}
	return ""
}

// change is by how many percent the median moved.
func change(from, to bench.Sample) float64 { return 100 * (to.Median()/from.Median() - 1) }

// heading says how the table was made.
func heading(o options, machine, version string, at time.Time) string {
	return fmt.Sprintf("Measured %s with %s on %s, by `bin/bench/fanout %s`: median (least-greatest) of %d pairs of runs, each %v after %v of warm-up.\n\n",
		at.UTC().Format("2006-01-02"), version, machine, o.asked, o.pairs, o.window, o.warmUp)
}
