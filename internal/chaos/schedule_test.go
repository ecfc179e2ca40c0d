package chaos

import (
	"slices"
	"testing"
	"time"
)

var names = []string{"uart", "usb", "noisy", "guest"}

func rounds(seed uint64, n int, stepping bool) (all [][]Event) {
	s := NewSchedule(seed, names, stepping)
	for range n {
		all = append(all, s.Round())
	}
	return all
}

// TestScheduleFollowsFromTheSeed: the same again for the same seed, something else for another.
func TestScheduleFollowsFromTheSeed(t *testing.T) {
	one, again, other := rounds(7, 20, true), rounds(7, 20, true), rounds(8, 20, true)
	for i := range one {
		if !slices.Equal(one[i], again[i]) {
			t.Fatalf("round %d of one seed is\n%v\nand\n%v", i, one[i], again[i])
		}
		if slices.Equal(one[i], other[i]) {
			t.Errorf("round %d of two seeds is the same", i)
		}
	}
}

// TestScheduleDealsEverything: within 60 seconds, which are three rounds, a camera has had nearly each of its faults, and
// within eight everybody has had all; nobody has two at once; and all are over when the round's faults are.
func TestScheduleDealsEverything(t *testing.T) {
	for seed := range uint64(200) {
		dealt := map[string]map[Fault]bool{}
		for n, events := range rounds(seed, 8, true) {
			busy := map[string]time.Duration{}
			for _, e := range events {
				who := e.Camera
				switch e.Fault {
				case ResetStorm, HalfOpen, SlowReader:
					who = "clients"
				case FullDisk:
					who = "disk"
				}
				if dealt[who] == nil {
					dealt[who] = map[Fault]bool{}
				}
				dealt[who][e.Fault] = true
				if e.At < busy[who] {
					t.Fatalf("seed %d, round %d: %v begins before the one before it is over", seed, n, e)
				}
				if busy[who] = e.At + e.For; busy[who] > RoundFaults {
					t.Fatalf("seed %d, round %d: %v lasts until %v", seed, n, e, busy[who])
				}
			}
		}
		for who, cards := range map[string][]card{"": daemonCards, "clients": clientCards, "disk": diskCards, "uart": cameraCards, "guest": cameraCards} {
			for _, c := range cards {
				if !dealt[who][c.fault] {
					t.Errorf("seed %d: nothing of %q in eight rounds", seed, c.fault)
				}
			}
		}
	}
	for _, events := range rounds(3, 20, false) {
		for _, e := range events {
			if e.Fault == StepClock {
				t.Error("a clock that cannot be stepped is stepped")
			}
		}
	}
}
