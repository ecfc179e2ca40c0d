package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

func TestRows(t *testing.T) {
	for _, r := range append(slices.Clone(quick), all...) {
		if got, err := parseRow(r.String()); err != nil || got != r {
			t.Errorf("%v read back as %v, %v", r, got, err)
		}
	}
	if r, err := parseRow("50x6@7.5/20"); err != nil || r != (row{50, 6, 7.5, 20}) || r.stalled() != 10 {
		t.Errorf("%v, %v", r, err)
	}
	for _, bad := range []string{"", "300", "300x21", "x21@30", "300x@30", "300x21@", "300x21@0", "300x21@NaN", "0x21@30", "300x0@30",
		"300x1001@30", "300x21@30/", "300x21@30/100", "300x21@30/-1"} {
		if r, err := parseRow(bad); err == nil {
			t.Errorf("%q gave %v", bad, r)
		}
	}
}

func TestOptions(t *testing.T) {
	o, err := parse([]string{"-row", "300x21@30", "-row", "10x6@5/20", "-serve", "--a 1 --b", "-bin", "there"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.rows, []row{{300, 21, 30, 0}, {10, 6, 5, 20}}) || o.pairs != 5 || o.camgw != "there/camgw" || !slices.Equal(o.args, []string{"--a", "1", "--b"}) {
		t.Errorf("%+v", o)
	}
	if o, err := parse([]string{"-full"}); err != nil || len(o.rows) != len(all) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-pairs", "-1"}, {"-window", "0s"}, {"-warm-up", "-1s"}, {"more"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// runs makes a series of which perFrame and p99 matter.
func runs(perFrame, p99ms []float64, peakMB float64) series {
	var s series
	for i := range perFrame {
		r := bench.Report{Frames: 1000, Worst: 99, Median: 100, Lost: 1,
			Server: bench.Usage{CPU: time.Duration(perFrame[i] * 1e6), PeakRSS: int64(peakMB * 1e6)}}
		r.Age.P50, r.Age.P99 = 2000, int64(p99ms[i]*1e3)
		s.add(r)
	}
	return s
}

func TestTable(t *testing.T) {
	floor := runs([]float64{8, 10, 9}, []float64{4, 4, 4}, 1.5)
	got := tabulate([]result{
		{row{300, 21, 30, 0}, floor, runs([]float64{8.8, 11, 9}, []float64{4, 5, 6}, 20)},
		{row{300, 21, 30, 20}, floor, runs([]float64{9, 9, 9}, []float64{6, 6, 6}, 20)},
		{row{1000, 21, 30, 0}, floor, runs([]float64{9, 9, 9}, []float64{5, 5, 5}, 27)},
	})
	for _, want := range []string{
		"| 300 | 0 % | 21 kB | 30 | floor | 9.00 (8.00-10.00) |  | 2.00 | 4.00 (4.00-4.00) |  | 1.5 | 3 | 99 % |\n",
		"| | | | | **camgw** | 9.00 (8.80-11.00) | **1.10 (1.00-1.10)** | 2.00 | 5.00 (4.00-6.00) | 1.00 / 1.25 | 20.0 | 3 | 99 % |\n",
		"- With 20 % of 300 viewers stalled (21 kB), the others' p99 age changes by +20 % (floor +0 %).\n",
		"- Beyond 300 viewers (21 kB), a viewer takes 10.0 kB of memory.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	columns := strings.Count(strings.SplitN(got, "\n", 2)[0], "|")
	for line := range strings.Lines(got) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != columns {
			t.Errorf("%d columns in %q", strings.Count(line, "|"), line)
		}
	}
}

func TestAbridged(t *testing.T) {
	floor := runs([]float64{8, 10, 9}, []float64{4, 4, 4}, 1.5)
	got := abridge([]result{
		{row{300, 21, 30, 20}, floor, runs([]float64{8.8, 11, 9}, []float64{4, 5, 6}, 20)},
	}, "camgw 1.0", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{
		"| 300, 20 % of them stalled | 21 kB, 30 fps | **1.10** x floor | 1.00 / 1.25 x floor | 20 MB |\n",
		"\ncamgw 1.0, 2026-11-22, written by `make bench-fanout`.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
