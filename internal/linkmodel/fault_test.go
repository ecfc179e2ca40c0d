package linkmodel

import "fmt"

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

// fault befalls the at-th packet of a run, counted over both directions.
type fault struct {
	at   int
	kind faultKind
}

func (f fault) String() string { return fmt.Sprintf("%s@%d", f.kind, f.at) }

// Microseconds.
const (
	lateAtMost = 1000000
	muteTime   = 4000000
	stallTime  = 3500000
	restart    = 400000 // until a host that ended is there again
)
