package linkmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/camgw/camgw/internal/camlink"
)

// faultKind is what may happen to a packet, or at the moment it is sent.
type faultKind int

const (
	faultLost   faultKind = iota
	faultTwice            // arrives twice
	faultLate             // arrives after the next one of its direction
	faultBent             // a bit is wrong
	faultCut              // a byte is missing
	faultReboot           // the device loses its power
	faultMute             // both directions are dead for longer than any lease
	faultStall            // the host stands still for longer than the lease
	faultKill             // the host is killed, and started anew
	faultQuit             // the host is told to end, and started anew
	numFaults
)

func (k faultKind) String() string {
	return [...]string{"lost", "twice", "late", "bent", "cut", "reboot", "mute", "stall", "kill", "quit"}[k]
}

// fault befalls the nth packet of a type in a run, from 1.
type fault struct {
	kind   faultKind
	packet camlink.Type
	nth    int
}

func (f fault) String() string { return fmt.Sprintf("%s %s %d", f.kind, f.packet, f.nth) }

// parseSchedule reads what schedule writes: SCENARIO: FAULT, FAULT.
func parseSchedule(line string) (*scenario, []fault, error) {
	name, rest, _ := strings.Cut(line, ":")
	all := scenarios()
	i := slices.IndexFunc(all, func(s *scenario) bool { return s.name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("no scenario %q", name)
	}
	var faults []fault
	for word := range strings.SplitSeq(strings.TrimSpace(rest), ", ") {
		if word == "" {
			continue
		}
		var kind, packet string
		var f fault
		if _, err := fmt.Sscanf(word, "%s %s %d", &kind, &packet, &f.nth); err != nil {
			return nil, nil, fmt.Errorf("%q: %w", word, err)
		}
		for f.kind = 0; f.kind < numFaults && f.kind.String() != kind; f.kind++ {
		}
		for f.packet = 1; f.packet < 255 && f.packet.String() != packet; f.packet++ {
		}
		if f.kind == numFaults || f.packet == 255 {
			return nil, nil, fmt.Errorf("%q is no fault of a packet", word)
		}
		faults = append(faults, f)
	}
	return all[i], faults, nil
}

// schedule names a run.
func schedule(s *scenario, faults []fault) string {
	var names []string
	for _, f := range faults {
		names = append(names, f.String())
	}
	return s.name + ": " + strings.Join(names, ", ")
}

// Microseconds.
const (
	lateAtMost = 1000000
	muteTime   = 4000000
	stallTime  = 3500000
	restart    = 400000 // until a host that ended is there again
)
