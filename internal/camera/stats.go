package camera

import "github.com/camgw/camgw/internal/camlink"

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
	Reboots       uint64 // boot ids seen after the first
	BaudFallbacks uint64 // a committed rate given up because it damaged too much

	Recoveries   [NumRungs][NumAilments]uint64 // steps taken
	HookFailures uint64

	Settings [NumSettingFates]uint64 // sent to the device

	ReceivedBytes uint64
	SentBytes     uint64
	Link          camlink.DecoderCounters

	FrameSize     Histogram // bytes
	FrameInterval Histogram // seconds between publications
	FrameTransfer Histogram // seconds from FRAME_BEGIN to the last chunk

	RoundTrip   float64 // seconds, the best of the last 32 PINGs; 0 before the first
	HaveDevice  bool
	DeviceStats camlink.Stats // the newest STATS
}

// openCauses are the causes an open can fail with; the last stands for all others.
var openCauses = [...]Cause{CauseAbsent, CausePermission, CauseBusy, CauseNotATTY, CausePortError}

// OpenCauses returns what the entries of Stats.OpenFailures count.
func OpenCauses() []Cause { return openCauses[:] }

func newStats() Stats {
	return Stats{
		FrameSize:     newHistogram(sizeBounds),
		FrameInterval: newHistogram(intervalBounds),
		FrameTransfer: newHistogram(transferBounds),
	}
}

// LinkErrorName names entry i of Stats.Link.Errors.
func LinkErrorName(i int) string { return camlink.ErrorKind(i).String() }

// Temperature returns what the device last told, in degrees Celsius; false if it has none.
func (s *Stats) Temperature() (celsius float64, ok bool) {
	t := s.DeviceStats.Temperature
	return float64(t) / 10, s.HaveDevice && t != camlink.NoTemperature
}
