package camera

import (
	"slices"
	"strings"

	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/histogram"
)

// Rejection is why a received frame was not published. The list is closed:
// the reasons of docs/protocol.md section 4, and bad_jpeg.
type Rejection int

// The rejections.
const (
	RejectedIncomplete Rejection = iota
	RejectedTooLarge
	RejectedAborted
	RejectedFormat
	RejectedBadJPEG
	NumRejections
)

func (r Rejection) String() string {
	if r == RejectedBadJPEG {
		return "bad_jpeg"
	}
	return camlink.Reason(r).String()
}

// Disconnect is why an open port was given up. The list is closed.
type Disconnect int

// The disconnects.
const (
	DisconnectUnplugged Disconnect = iota
	DisconnectError
	DisconnectNoAnswer
	DisconnectRecovery // linked, but of no use: see [Recovery]
	DisconnectShutdown
	NumDisconnects
)

func (d Disconnect) String() string {
	return [...]string{"unplugged", "io_error", "no_answer", "recovery", "shutdown"}[d]
}

// Stats are a camera's counters since the daemon started. They never
// decrease. Received = Published + the sum of Rejected, at every moment: a
// frame still arriving counts in neither.
type Stats struct {
	Received  uint64 // frames whose fate is known
	Published uint64
	Rejected  [NumRejections]uint64
	Lost      uint64 // frames of which not even the beginning arrived
	Repaired  uint64 // published after padding behind EOI was cut off

	DeviceSkipped uint64 // pictures the device captured and did not send, as it told

	Opens         uint64
	OpenFailures  [len(openCauses)]uint64 // in the order of OpenCauses
	Disconnects   [NumDisconnects]uint64
	Links         uint64 // handshakes completed
	LinksLost     uint64
	Reboots       [NumResets]uint64 // boot ids seen after the first, by [Reset]
	BaudFallbacks uint64            // a committed rate given up because it damaged too much

	Recoveries   [NumRungs][NumAilments]uint64 // steps taken
	HookFailures uint64

	Settings [NumSettingFates]uint64 // sent to the device

	ReceivedBytes uint64
	SentBytes     uint64
	Link          camlink.DecoderCounters
	Packets       [len(packetTypes) + 1]uint64 // accepted, in the order of PacketTypes
	LineErrors    [NumLineErrors]uint64        // while the port was open, by [LineError]

	FrameSize     histogram.Histogram // bytes
	FrameInterval histogram.Histogram // seconds between publications
	FrameTransfer histogram.Histogram // seconds from FRAME_BEGIN to the last chunk

	RoundTrip   float64 // seconds, the best of the last 32 PINGs; 0 before the first
	HaveDevice  bool
	DeviceStats camlink.Stats // the newest STATS

	// What the device has counted, over its reboots; what it had counted when it was first heard is among it.
	CaptureFailures uint64
	DeviceDamaged   uint64 // packets that reached it damaged
	DeviceOverruns  uint64 // bytes it lost before it read them
}

// LineError is what a serial driver counts. The list is closed.
type LineError int

// The line errors.
const (
	LineOverrun LineError = iota // the UART's FIFO was full
	LineFraming                  // no stop bit: noise, or the wrong rate
	LineParity
	LineBreak      // the line was held low
	LineBufOverrun // the kernel's buffer was full: the daemon read too slowly
	NumLineErrors
)

func (e LineError) String() string {
	return [...]string{"overrun", "framing", "parity", "break", "buffer_overrun"}[e]
}

// LineCounts are a driver's counts, by [LineError]. They wrap.
type LineCounts [NumLineErrors]uint32

// LineCounter is a [Port] whose driver may count errors; ok is false if it does not.
type LineCounter interface {
	LineCounts() (counts LineCounts, ok bool)
}

// Reset is why a device booted. The list is closed: docs/protocol.md has it with HELLO.
type Reset uint8

// NumResets is how many there are. What a device tells beyond them counts as the first, which is unknown.
const NumResets = camlink.ResetDeepSleep + 1

func (r Reset) String() string {
	return strings.ReplaceAll(camlink.ResetReason(r).String(), " ", "_")
}

func resetOf(r camlink.ResetReason) Reset {
	if r >= NumResets {
		return Reset(camlink.ResetUnknown)
	}
	return Reset(r)
}

// packetTypes are the types of packets that devices send; Stats.Packets has one more entry, for all others.
var packetTypes = [...]camlink.Type{
	camlink.TypeHello, camlink.TypePong, camlink.TypeResult, camlink.TypeConfig, camlink.TypeBaudPattern,
	camlink.TypeStats, camlink.TypeLog, camlink.TypeFrameBegin, camlink.TypeFrameChunk, camlink.TypeFrameAbort,
}

// PacketTypes names what the entries of Stats.Packets count.
func PacketTypes() []string {
	var names []string
	for _, t := range packetTypes {
		names = append(names, strings.ToLower(t.String()))
	}
	return append(names, "other")
}

// accept counts a packet.
func (s *Stats) accept(t camlink.Type) {
	i := slices.Index(packetTypes[:], t)
	if i < 0 {
		i = len(packetTypes)
	}
	s.Packets[i]++
}

// reported takes a STATS. Its counters start anew when the device boots, and wrap.
func (s *Stats) reported(now camlink.Stats) {
	then := s.DeviceStats
	if !s.HaveDevice || now.UptimeS < then.UptimeS { // it may report before its HELLO tells of the reboot
		then = camlink.Stats{}
	}
	s.CaptureFailures += uint64(now.CameraErrors - then.CameraErrors)
	s.DeviceDamaged += uint64(now.RxErrors - then.RxErrors)
	s.DeviceOverruns += uint64(now.RxOverruns - then.RxOverruns)
	s.HaveDevice, s.DeviceStats = true, now
}

// openCauses are the causes an open can fail with; the last stands for all others.
var openCauses = [...]Cause{CauseAbsent, CausePermission, CauseBusy, CauseNotATTY, CausePortError}

// OpenCauses returns what the entries of Stats.OpenFailures count.
func OpenCauses() []Cause { return openCauses[:] }

func newStats() Stats {
	return Stats{
		FrameSize:     histogram.New(&sizes),
		FrameInterval: histogram.New(&intervals),
		FrameTransfer: histogram.New(&transfers),
	}
}

// LinkErrorName names entry i of Stats.Link.Errors.
func LinkErrorName(i int) string { return camlink.ErrorKind(i).String() }

// Temperature returns what the device last told, in degrees Celsius; false if it has none.
func (s *Stats) Temperature() (celsius float64, ok bool) {
	t := s.DeviceStats.Temperature
	return float64(t) / 10, s.HaveDevice && t != camlink.NoTemperature
}
