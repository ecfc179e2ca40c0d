package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Fault is what can be done to somebody.
type Fault string

// The faults. Those to a camera's device name it in [Event.Camera].
const (
	Unplug       Fault = "unplug"        // the terminal vanishes, and returns after the event's time
	KillCamera   Fault = "kill camera"   // kill -9, and a new start
	FreezeCamera Fault = "freeze camera" // SIGSTOP, SIGCONT
	Reboot       Fault = "reboot"        // at whatever byte it comes
	Cable        Fault = "cable"         // another start, on another wire: good or bad, see cables

	FreezeDaemon  Fault = "freeze daemon"
	KillDaemon    Fault = "kill daemon"    // kill -9, and a new start, every other one with a full disk to log to
	RestartDaemon Fault = "restart daemon" // SIGTERM, and a new start
	FewFiles      Fault = "few files"      // no descriptor is left
	Reload        Fault = "reload"         // the guest comes or goes, and a limit changes
	BadReload     Fault = "bad reload"     // a file with a mistake: nothing may change
	StepClock     Fault = "step clock"     // the wall clock jumps
	StuckLog      Fault = "stuck log"      // nobody takes what the daemon logs

	ResetStorm Fault = "reset storm" // connections that ask for pictures and are reset
	HalfOpen   Fault = "half open"   // connections that say nothing, or half a request
	SlowReader Fault = "slow reader" // viewers that take a few bytes a second, of every mode
	FullDisk   Fault = "full disk"   // a recording of a line onto a disk with no room for it
)

// Event is one fault of a round.
type Event struct {
	At     time.Duration // from the beginning of the round's faults
	For    time.Duration // until it is taken back; 0: it is over at once
	Fault  Fault
	Camera string // the id of its victim; empty: the daemon, or nobody in particular
	Draw   uint64 // whatever else the fault has to choose
}

func (e Event) String() string {
	s := string(e.Fault)
	if e.Camera != "" {
		s += " " + e.Camera
	}
	if e.For > 0 {
		s += fmt.Sprintf(" for %v", e.For)
	}
	return s
}

// card is a fault as it lies in a deck.
type card struct {
	fault         Fault
	least, most   time.Duration // how long it lasts
	rest          time.Duration // how long its lane is left alone after it
	needsStepping bool
	lethal        bool // the daemon begins anew: what it has piled up is gone
}

const ms = time.Millisecond

var (
	cameraCards = []card{
		{Unplug, 200 * ms, 3000 * ms, 2500 * ms, false, false},
		{KillCamera, 100 * ms, 2000 * ms, 2500 * ms, false, false},
		{FreezeCamera, 300 * ms, 4000 * ms, 3000 * ms, false, false},
		{Reboot, 0, 0, 2500 * ms, false, false},
		{Cable, 50 * ms, 300 * ms, 3000 * ms, false, false},
	}
	daemonCards = []card{
		{FreezeDaemon, 200 * ms, 2500 * ms, 1500 * ms, false, false},
		{KillDaemon, 50 * ms, 1500 * ms, 3000 * ms, false, true},
		{RestartDaemon, 50 * ms, 500 * ms, 3000 * ms, false, true},
		{FewFiles, 1000 * ms, 3500 * ms, 500 * ms, false, false},
		{Reload, 0, 0, 500 * ms, false, false},
		{Reload, 0, 0, 500 * ms, false, false},
		{BadReload, 0, 0, 300 * ms, false, false},
		{StepClock, 500 * ms, 3000 * ms, 300 * ms, true, false},
		{StuckLog, 500 * ms, 3000 * ms, 500 * ms, false, false},
	}
	clientCards = []card{
		{ResetStorm, 0, 0, 500 * ms, false, false},
		{HalfOpen, 1000 * ms, 5000 * ms, 300 * ms, false, false},
		{SlowReader, 2000 * ms, 6000 * ms, 300 * ms, false, false},
	}
	diskCards = []card{{FullDisk, 0, 0, 6000 * ms, false, false}}
)

// lane deals one deck to one victim, a fault after the other. Each has chance of its own, so that a card more in one deck
// changes nothing in the others.
type lane struct {
	camera string
	cards  []card
	hand   []card
	chance *rand.Rand
}

// Schedule deals the faults of round after round. What it deals follows from the seed and the names alone.
type Schedule struct {
	lanes []*lane
	round int
}

// lethalEvery is how many rounds a life of the daemon lasts: long enough for a leak to show.
const lethalEvery = 3

// RoundFaults is how long faults begin in a round, and last at most.
const RoundFaults = 10 * time.Second

// NewSchedule makes the schedule of a seed for these cameras. stepping says whether the daemon's wall clock can be stepped.
func NewSchedule(seed uint64, cameras []string, stepping bool) *Schedule {
	s := &Schedule{}
	add := func(camera string, cards []card) {
		cards = slices.DeleteFunc(slices.Clone(cards), func(c card) bool { return c.needsStepping && !stepping })
		s.lanes = append(s.lanes, &lane{camera: camera, cards: cards, chance: chance(seed, "lane", len(s.lanes))})
	}
	add("", daemonCards)
	add("", clientCards)
	add("", diskCards)
	for _, id := range cameras {
		add(id, cameraCards)
	}
	return s
}

// Round returns the faults of the next round, by time.
func (s *Schedule) Round() []Event {
	var events []Event
	s.round++
	for _, l := range s.lanes {
		events = append(events, l.deal(s.round%lethalEvery == 0)...)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return events
}

// deal deals a round. Lethal cards are held back, and come first when they may.
func (l *lane) deal(lethal bool) []Event {
	var events []Event
	at := between(l.chance, 100*ms, 2*time.Second)
	for {
		if len(l.hand) == 0 {
			l.hand = l.shuffled()
		}
		next := slices.IndexFunc(l.hand, func(c card) bool { return c.lethal == lethal })
		if next < 0 && lethal {
			next = 0
		}
		if next < 0 { // only lethal ones are left
			l.hand = append(l.hand, l.shuffled()...)
			continue
		}
		c := l.hand[next]
		e := Event{At: at, For: between(l.chance, c.least, c.most), Fault: c.fault, Camera: l.camera, Draw: l.chance.Uint64()}
		if e.At+e.For > RoundFaults {
			return events // it is the first of the next round
		}
		l.hand = slices.Delete(l.hand, next, next+1)
		events = append(events, e)
		at = e.At + e.For + c.rest + between(l.chance, 0, 500*ms)
	}
}

func (l *lane) shuffled() []card {
	deck := slices.Clone(l.cards)
	l.chance.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

func between(chance *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return (least + time.Duration(chance.Int64N(int64(most-least)))).Truncate(ms)
}

// chance is a source that follows from the seed, what it is for, and a number.
func chance(seed uint64, purpose string, n int) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(purpose) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h+uint64(n)))
}
