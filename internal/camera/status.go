package camera

import (
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// State is where a camera stands.
type State string

// The states of a camera.
const (
	Offline    State = "offline"    // no port, or nobody answers on it
	Connecting State = "connecting" // the port is open, the device has not answered yet
	Streaming  State = "streaming"  // linked, and somebody wants pictures
	Idle       State = "idle"       // linked, nobody wants pictures, the sensor rests
)

// Cause says why a camera shows no picture. The list is closed.
type Cause string

// The causes.
const (
	CauseNone       Cause = ""
	CauseAbsent     Cause = "absent"     // there is no such port
	CauseUnplugged  Cause = "unplugged"  // the port went away while in use
	CausePermission Cause = "permission" // the port may not be opened
	CauseBusy       Cause = "busy"       // another process has the port
	CauseNotATTY    Cause = "not_a_tty"  // the path is no serial port
	CausePortError  Cause = "port_error" // the port failed otherwise
	CauseNoAnswer   Cause = "no_answer"  // nothing arrives
	CauseWrongBaud  Cause = "wrong_baud" // bytes arrive, but none that make sense
	CauseRebooting  Cause = "rebooting"  // the device prints its boot text
	CauseVersion    Cause = "version"    // the device speaks another protocol version
	CauseSilent     Cause = "silent"     // linked, but no pictures come
	CauseStopped    Cause = "stopped"    // the daemon is shutting down
)

// Status is a camera's state at one moment.
type Status struct {
	State  State
	Cause  Cause
	Reason string    // in words, with the next step; empty when all is well
	Since  time.Time // of this State and Cause

	Baud    int     // line rate; 0 where the line has none or is closed
	Device  *Device // nil until the first HELLO; shared, never written
	Width   int     // of the newest picture, pixels; 0 before the first
	Height  int
	Quality int // 0-63 as the device tells, lower is better; -1 before it does

	Trouble *Trouble // the last one; nil: none; never written

	Recovery *Recovery // the last step taken; nil: none; never written

	Auto *AutoQuality // nil while quality is fixed or unknown; never written
}

// AutoQuality is what the device moves quality for.
type AutoQuality struct {
	TargetFPS   float64 // frames per second
	Best, Worst int     // the range of quality, 0-63
}

// Trouble is a Cause that was, or is.
type Trouble struct {
	At     time.Time // when it began
	Cause  Cause
	Reason string
}

// Device is what a device says of itself. Strings are printable ASCII.
type Device struct {
	Board, Sensor, Firmware, SDK, Name string

	MAC         string // aa:bb:cc:dd:ee:ff
	BootID      uint32
	Transport   string
	ResetReason string
	OneWay      bool
	TestCard    bool // pictures are drawn by the device, not captured
}

func newDevice(h camlink.Hello) *Device {
	return &Device{
		Board:       printable(h.Board),
		Sensor:      printable(h.Sensor),
		Firmware:    printable(h.Firmware),
		SDK:         printable(h.SDK),
		Name:        printable(h.Name),
		MAC:         formatMAC(h.MAC),
		BootID:      h.BootID,
		Transport:   h.Transport.String(),
		ResetReason: h.ResetReason.String(),
		OneWay:      h.Features&camlink.FeatureOneWay != 0,
		TestCard:    h.Features&camlink.FeatureTestCard != 0,
	}
}

func formatMAC(mac [6]byte) string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, octet := range mac {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, hex[octet>>4], hex[octet&15])
	}
	return string(b)
}

// printable replaces what a device has no business sending: its strings end
// up in logs, in JSON and on a web page.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			b[i] = '?'
		}
	}
	return string(b)
}
