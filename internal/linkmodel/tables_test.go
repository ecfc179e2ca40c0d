package linkmodel

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A state of one end, and an event at it, by the names that docs/link-model.md gives them.
type (
	state string
	event string
)

// move is one transition.
type move struct {
	from state
	on   event
	to   state
}

func (m move) String() string { return fmt.Sprintf("%s -- %s -> %s", m.from, m.on, m.to) }

// The device's states.
const (
	down      state = "down"
	beacon    state = "beacon"
	parting   state = "parting"
	atBase    state = "linked"
	switching state = "switching"
	onTrial   state = "on trial"
	returning state = "returning"
	atFast    state = "linked fast"
	free      state = "one way"
)

// The device's events: a packet it hears, or the time that comes for something.
const (
	hHelloReq event = "HELLO_REQ"
	hForeign  event = "other version"
	hCredit   event = "CREDIT"
	hBye      event = "good-bye"
	hBaudSet  event = "BAUD_SET"
	hCommit   event = "BAUD_COMMIT"
	hRequest  event = "request"
	tLease    event = "lease ends"
	tTrial    event = "trial ends"
	tLine     event = "line"
	tPower    event = "power"
)

// The host's states.
const (
	closed     state = "closed"
	opened     state = "open"
	tuned      state = "tuned"
	tunedFast  state = "tuned fast"
	asking     state = "asking"
	askingFast state = "asking fast"
	greeted    state = "greeted"
	setting    state = "setting"
	proposing  state = "proposing"
	agreed     state = "agreed"
	proving    state = "proving"
	committing state = "committing"
	failing    state = "failing"
	returned   state = "returned"
	checking   state = "checking"
	learning   state = "learning"
	running    state = "running"
	hearing    state = "hearing"
	lostLink   state = "lost"
	parted     state = "parted"
)

// The host's events: what it does to the port, what it sends, and what it takes in.
const (
	doOpen     event = "open"
	doClose    event = "close"
	doBase     event = "base rate"
	doFast     event = "other rate"
	rateFails  event = "rate refused"
	sHelloReq  event = "HELLO_REQ"
	sConfigSet event = "CONFIG_SET"
	sConfigGet event = "CONFIG_GET"
	sBaudSet   event = "BAUD_SET"
	sProbe     event = "BAUD_PROBE"
	sCommit    event = "BAUD_COMMIT"
	sPing      event = "PING"
	sCredit    event = "CREDIT"
	sBye       event = "good-bye"
	sStatsReq  event = "STATS_REQ"
	sReset     event = "RESET"
	gAnswer    event = "answer"
	gRefusal   event = "refusal"
	gUnasked   event = "HELLO"
	gOneWay    event = "one-way HELLO"
	killed     event = "killed"
)

const modelPage = "../../docs/link-model.md"

// table is what the page allows: where a state may lead upon an event.
type table map[state]map[event][]state

var (
	tableRow  = regexp.MustCompile(`^\| (.+) \| (.+) \| (.+) \|$`)
	rowHeader = "| in | on | goes to |"
)

// readTable reads the table under a heading of the page. A row may have several states, events and ends, separated by commas:
// all of the events are possible in all of the states, and lead to any of the ends, or nowhere (`same`).
func readTable(t testing.TB, heading string) table {
	t.Helper()
	page, err := os.ReadFile(modelPage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", modelPage, heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	_, rest, ok = strings.Cut(rest, rowHeader+"\n| --- | --- | --- |\n")
	if !ok {
		t.Fatalf("%s: no table under %q", modelPage, heading)
	}
	rows := table{}
	for line := range strings.Lines(rest) {
		m := tableRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			break
		}
		for from := range strings.SplitSeq(m[1], ", ") {
			for on := range strings.SplitSeq(m[2], ", ") {
				for to := range strings.SplitSeq(m[3], ", ") {
					if to == "same" {
						to = from
					}
					rows.add(t, move{state(from), event(on), state(to)})
				}
			}
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s: the table under %q is empty", modelPage, heading)
	}
	return rows
}

func (rows table) add(t testing.TB, m move) {
	t.Helper()
	if rows[m.from] == nil {
		rows[m.from] = map[event][]state{}
	}
	if slices.Contains(rows[m.from][m.on], m.to) {
		t.Fatalf("%s: %v stands there twice", modelPage, m)
	}
	rows[m.from][m.on] = append(rows[m.from][m.on], m.to)
}

// all lists every transition.
func (rows table) all() []move {
	var all []move
	for from, on := range rows {
		for e, ends := range on {
			for _, to := range ends {
				all = append(all, move{from, e, to})
			}
		}
	}
	return all
}

// from returns what the events may lead to, one after the other.
func (rows table) from(states []state, e event) []state {
	next := map[state]bool{}
	for _, s := range states {
		for _, to := range rows[s][e] {
			next[to] = true
		}
	}
	return slices.Sorted(maps.Keys(next))
}

// taken counts transitions.
type taken map[move]int

// missing lists the transitions of a table that were never taken.
func (seen taken) missing(rows table) []string {
	var names []string
	for _, m := range rows.all() {
		if seen[m] == 0 {
			names = append(names, m.String())
		}
	}
	slices.Sort(names)
	return names
}

// pair is a state of both ends and the line between them.
type pair struct {
	host, device state
	sameRate     bool
}

// tables is the model and what was seen of it.
type tables struct {
	device, host           table
	deviceTaken, hostTaken taken
	pairs                  map[pair]int
	runs, steps, packets   int
	virtual                time.Duration
}

func readTables(t testing.TB) *tables {
	return &tables{
		device: readTable(t, "The device"), host: readTable(t, "The host"),
		deviceTaken: taken{}, hostTaken: taken{}, pairs: map[pair]int{},
	}
}

func (tt *tables) String() string {
	return fmt.Sprintf("%d runs, %v on the line, %d steps of the device, %d packets; %d states of both ends; "+
		"%d of %d and %d of %d transitions of device and host",
		tt.runs, tt.virtual.Round(time.Second), tt.steps, tt.packets, len(tt.pairs),
		len(tt.deviceTaken), len(tt.device.all()), len(tt.hostTaken), len(tt.host.all()))
}
