package linkmodel

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// deep asks for every pair of faults; without it two faults meet only where they differ in more than the number of the packet.
var (
	deep   = flag.Bool("deep", false, "every single fault in every place, and pairs of them; hours")
	replay = flag.String("replay", "", "one schedule, as a failed run prints it: SCENARIO: FAULT@PLACE...")
)

// place is what makes one packet a different place for a fault than another.
type place struct {
	dir          int
	kind         camlink.Type
	host, device state
}

// places lists where faults can be put in a run, from a packet on. Packets of one type between the same states are alike: of those
// only the first few count.
func places(w *world, from, alike int) []int {
	seen := map[place]int{}
	var at []int
	for i, s := range w.sent {
		p := place{s.dir, s.kind, s.host, s.device}
		if seen[p]++; seen[p] <= alike && i >= from {
			at = append(at, i)
		}
	}
	return at
}

// explorer runs schedules and keeps account of what they found.
type explorer struct {
	*testing.T
	step     *stepper
	tables   *tables
	failures map[string]int // by what is wrong, without its numbers
	slowest  int64
	slow     string
}

func newExplorer(t *testing.T) *explorer {
	return &explorer{T: t, step: newStepper(t), tables: readTables(t), failures: map[string]int{}}
}

func schedule(s *scenario, faults []fault) string {
	names := []string{s.name + ":"}
	for _, f := range faults {
		names = append(names, f.String())
	}
	return strings.Join(names, " ")
}

// try runs one schedule, and tells of a fault the first time it is seen.
func (e *explorer) try(s *scenario, faults ...fault) *world {
	w := run(e.T, s, faults, e.step, e.tables)
	if len(faults) == 0 && w.wrong == "" && s.rate != 0 && w.baud != s.rate {
		w.wrong = fmt.Sprintf("the rate is %d and should be %d", w.baud, s.rate)
	}
	if w.slowest > e.slowest {
		e.slowest, e.slow = w.slowest, schedule(s, faults)
	}
	if w.wrong == "" {
		return w
	}
	what := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, w.wrong)
	if e.failures[what]++; e.failures[what] == 1 && len(e.failures) <= 10 {
		e.Errorf("%s\n%s\n%s", schedule(s, faults), w.wrong, w.story())
	}
	return w
}

// singles puts every fault at every place of a scenario, and calls then with what came of it.
func (e *explorer) singles(s *scenario, alike int, then func(fault, *world)) {
	clean := e.try(s)
	for _, at := range places(clean, 0, alike) {
		for kind := range numFaults {
			f := fault{at, kind}
			if w := e.try(s, f); then != nil {
				then(f, w)
			}
		}
	}
}

func (e *explorer) sum() {
	e.Log(e.tables)
	e.Logf("slowest recovery %.1f s: %s", float64(e.slowest)/1e6, e.slow)
	for _, what := range slices.Sorted(maps.Keys(e.failures)) {
		e.Logf("%d x %s", e.failures[what], what)
	}
}

// TestSingleFaults puts every fault at every place that differs, in every scenario.
func TestSingleFaults(t *testing.T) {
	e := newExplorer(t)
	alike := 1
	if *deep {
		alike = 1 << 30
	}
	for _, s := range scenarios() {
		begin, runs := time.Now(), e.tables.runs
		e.singles(s, alike, nil)
		t.Logf("%s: %d runs, %v", s.name, e.tables.runs-runs, time.Since(begin).Round(time.Millisecond))
	}
	e.sum()
	for _, m := range e.tables.deviceTaken.missing(e.tables.device) {
		t.Logf("device never: %s", m)
	}
	for _, m := range e.tables.hostTaken.missing(e.tables.host) {
		t.Logf("host never: %s", m)
	}
}
