package linkmodel

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

var (
	deep   = flag.Bool("deep", false, "single faults at every packet, not only where the states or the types differ")
	pairs  = flag.Int("pairs", 1000, "how many pairs of faults are tried, of all that there are; 0: all")
	within = flag.Duration("within", 0, "no more pairs are tried after so long; 0: for as long as it takes")
	liars  = flag.Int("liars", 400, "how many places that a lying host brings the device to are left in every way")
	seed   = flag.Uint64("seed", 1, "which pairs are tried")
	replay = flag.String("replay", "", "tell the story of one schedule: SCENARIO: FAULT TYPE N, FAULT TYPE N")
)

// place is what makes one packet a different place for a fault than another.
type place struct {
	dir          int
	kind         camlink.Type
	host, device state
}

// places lists the packets of a run, after one of them and until a time, as places for faults. Packets of one type between the same
// states are alike: of those only the first few count.
func places(w *world, after fault, until int64, alike int) []fault {
	seen := map[place]int{}
	var at []fault
	started := after.nth == 0
	for _, s := range w.sent[:w.places] {
		if started && s.at <= until {
			p := place{s.dir, s.kind, s.host, s.device}
			if seen[p]++; seen[p] <= alike {
				at = append(at, fault{packet: s.kind, nth: s.nth})
			}
		}
		started = started || s.kind == after.packet && s.nth == after.nth
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

// try runs one schedule, and tells of what is wrong the first time it is seen.
func (e *explorer) try(s *scenario, faults ...fault) *world {
	w := run(e.T, s, faults, e.step, e.tables)
	if w.wrong == "" && s.rate != 0 && rungs(w.baud)-rungs(s.rate) > len(faults) {
		w.wrong = fmt.Sprintf("the rate is %d and should be %d, or a step below for each fault", w.baud, s.rate)
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

// rungs counts the rates above one; the base rate is below all.
func rungs(rate int) int {
	if i := slices.Index(camlink.Ladder(), rate); i >= 0 {
		return i
	}
	return len(camlink.Ladder())
}

// double is a first fault and the places for a second, while the link recovers from the first.
type double struct {
	s      *scenario
	first  fault
	second []fault
}

// singles puts every fault at every place of a scenario, and returns where a second could be.
func (e *explorer) singles(s *scenario) []double {
	var all []double
	clean := e.try(s)
	differ := places(clean, fault{}, 1<<60, 1)
	every := differ
	if *deep {
		every = places(clean, fault{}, 1<<60, 1<<30)
	}
	for _, f := range every {
		first := slices.Contains(differ, f)
		for f.kind = range numFaults {
			w := e.try(s, f)
			if !first {
				continue
			}
			d := double{s, f, nil}
			for _, g := range places(w, f, w.wellAt, 1) {
				for g.kind = range numFaults {
					d.second = append(d.second, g)
				}
			}
			all = append(all, d)
		}
	}
	return all
}

// doubles tries n of the pairs, spread over all of them.
func (e *explorer) doubles(all []double, n int) {
	total := 0
	for _, d := range all {
		total += len(d.second)
	}
	if n == 0 {
		n = total
	}
	begin := time.Now()
	tried := 0
	for _, i := range rand.New(rand.NewPCG(*seed, 0)).Perm(total) {
		if tried == n || *within > 0 && time.Since(begin) > *within {
			break
		}
		for _, d := range all {
			if i < len(d.second) {
				e.try(d.s, d.first, d.second[i])
				break
			}
			i -= len(d.second)
		}
		tried++
	}
	e.Logf("pairs of faults: %d of %d, seed %d, %v", tried, total, *seed, time.Since(begin).Round(time.Millisecond))
}

func (e *explorer) sum() {
	e.Log(e.tables)
	e.Logf("slowest recovery %.1f s: %s", float64(e.slowest)/1e6, e.slow)
	for _, what := range slices.Sorted(maps.Keys(e.failures)) {
		e.Logf("%d x %s", e.failures[what], what)
	}
}

// TestLink searches for a schedule that breaks a promise of the protocol, and then asks whether the search has been everywhere that
// the model knows.
func TestLink(t *testing.T) {
	e := newExplorer(t)
	if *replay != "" {
		s, faults, err := parseSchedule(*replay)
		if err != nil {
			t.Fatal(err)
		}
		w := e.try(s, faults...)
		t.Logf("%s\n%s", w.wrong, strings.Join(w.log, "\n"))
		return
	}
	e.known()
	if underRace {
		// One goroutine at a time does all of this: there is no race to be found, and all takes four times as long.
		for _, s := range scenarios() {
			e.try(s)
		}
		e.sum()
		return
	}
	var all []double
	for _, s := range scenarios() {
		begin, runs, slowest := time.Now(), e.tables.runs, e.slowest
		e.slowest = 0
		all = append(all, e.singles(s)...)
		t.Logf("%s: %d runs, %v; recovers within %.1f s (%s)", s.name, e.tables.runs-runs, time.Since(begin).Round(time.Millisecond),
			float64(e.slowest)/1e6, e.slow)
		e.slowest = max(e.slowest, slowest)
	}
	e.doubles(all, *pairs)
	e.sum()
	e.lie(*liars)
	for _, m := range e.tables.deviceTaken.missing(e.tables.device) {
		t.Errorf("the device was never seen to go: %s", m)
	}
	for _, m := range e.tables.hostTaken.missing(e.tables.host) {
		t.Errorf("the host was never seen to go: %s", m)
	}
}

// known runs the schedules that once broke something.
func (e *explorer) known() {
	f, err := os.Open("testdata/schedules.txt")
	if err != nil {
		e.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		s, faults, err := parseSchedule(line)
		if err != nil {
			e.Fatal(err)
		}
		e.try(s, faults...)
		n++
	}
	if n == 0 {
		e.Error("no schedules in testdata/schedules.txt")
	}
}
