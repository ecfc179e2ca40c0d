package web

import (
	"cmp"
	"math"
	"time"
)

// State is what a camera is doing.
type State string

const (
	Offline    State = "offline"    // there is no link to it
	Connecting State = "connecting" // its port is open, the link is not up yet
	Streaming  State = "streaming"  // linked, and pictures are wanted
	Idle       State = "idle"       // linked, and nobody wants pictures
)

// Cause is why a camera gives no pictures.
type Cause string

const (
	CauseNone       Cause = "none"
	CauseUnplugged  Cause = "unplugged"  // the port vanished while in use
	CauseAbsent     Cause = "absent"     // the port does not exist
	CausePermission Cause = "permission" // the port may not be opened
	CauseBusy       Cause = "busy"       // another program holds the port
	CauseNotATTY    Cause = "not_a_tty"  // the port is not a serial port
	CauseNoAnswer   Cause = "no_answer"  // the port is open and nothing that makes sense comes
	CauseWrongBaud  Cause = "wrong_baud" // what comes was sent at another rate
	CauseRebooting  Cause = "rebooting"  // the device is starting
	CauseVersion    Cause = "version"    // the device speaks another version of the protocol
	CauseSilent     Cause = "silent"     // linked, but no picture comes
	CauseShutdown   Cause = "shutdown"   // the gateway is ending
	CauseOther      Cause = "other"      // the reason says what
)

// causes says each cause in words, and what to do about it when the camera's own reason does not.
var causes = map[Cause]struct{ title, advice string }{
	CauseNone:       {"Waiting for a picture", "The camera is being woken."},
	CauseUnplugged:  {"Unplugged", "Plug the camera in again; it comes back by itself."},
	CauseAbsent:     {"Port not found", "Check the cable and the name of the port."},
	CausePermission: {"No permission", "Let the gateway open the port: add its user to the group dialout."},
	CauseBusy:       {"Port is in use", "End the other program that holds the port."},
	CauseNotATTY:    {"Not a serial port", "Check the name of the port."},
	CauseNoAnswer:   {"No answer", "Check power, wiring (TX to RX) and firmware of the camera."},
	CauseWrongBaud:  {"Wrong baud rate", "Set the rate that the camera is built for."},
	CauseRebooting:  {"Rebooting", "The camera is starting. If this repeats, check its power supply."},
	CauseVersion:    {"Version mismatch", "Update the older of camera firmware and gateway."},
	CauseSilent:     {"No pictures", "The camera answers but sends no pictures: check its sensor and ribbon cable."},
	CauseShutdown:   {"Shutting down", "The gateway is ending."},
	CauseOther:      {"Fault", "See the log of the gateway."},
}

// Device is what a camera has told about itself. Empty fields are unknown.
type Device struct {
	Board       string `json:"board"`
	Sensor      string `json:"sensor"`
	Firmware    string `json:"firmware"`
	SDK         string `json:"sdk"`
	Name        string `json:"name"`
	MAC         string `json:"mac"`
	BootID      string `json:"boot_id"`
	Transport   string `json:"transport"`
	ResetReason string `json:"reset_reason"`
	TestCard    bool   `json:"test_card"` // the pictures are drawn, not taken
}

// AutoQuality is what a camera moves its quality for.
type AutoQuality struct {
	TargetFPS float64 `json:"target_fps"`
	Best      int     `json:"quality_best"` // the range of quality
	Worst     int     `json:"quality_worst"`
}

// FrameCounts is what became of the frames of one camera. Received is Published plus all of Rejected.
type FrameCounts struct {
	Received  uint64            `json:"received"`
	Published uint64            `json:"published"`
	Rejected  map[string]uint64 `json:"rejected"` // by reason
	Lost      uint64            `json:"lost"`     // sent by the device, never received
	Skipped   uint64            `json:"skipped_by_device"`
}

// Link is what the line to a camera carries. What is unknown, or makes no sense, is nil.
type Link struct {
	BitsPerSecond *int     `json:"bits_per_second"` // nil where the line has no rate: USB
	Use           *float64 `json:"use"`             // share of it lately, 0 to 1
	AskedFPS      *float64 `json:"asked_fps"`       // by the viewers or the settings; nil: as many as there are
	CarriedFPS    *float64 `json:"carried_fps"`     // lately; nil while there is nothing to judge by
}

// LinkErrors are what went wrong on the line since the gateway started.
type LinkErrors struct {
	Checksum  uint64 `json:"checksum"`   // packets damaged
	JunkBytes uint64 `json:"junk_bytes"` // bytes that were part of no packet
	Resyncs   uint64 `json:"resyncs"`    // beginnings that were none
	Lost      uint64 `json:"lost"`       // packets missing
}

// Trouble is the last time that something was wrong.
type Trouble struct {
	Time   float64 `json:"time"` // when it began, Unix seconds
	Cause  Cause   `json:"cause"`
	Title  string  `json:"title"` // overwritten from the cause
	Detail string  `json:"detail"`
}

// Recovery is the last step that was taken to bring a camera back.
type Recovery struct {
	Step   string  `json:"step"`   // reset, line, reopen or hook
	Reason string  `json:"reason"` // silent, unsteady, no_answer or no_port
	Time   float64 `json:"time"`   // when it was taken, Unix seconds
	OK     bool    `json:"ok"`     // the camera has been well for half a minute since
}

// steps says each step in words.
var steps = map[string]string{
	"reset": "restarting the device", "line": "a pulse on its reset line", "reopen": "opening the port again", "hook": "the recovery hook",
}

// tried says what was done last against what is wrong now; empty if nothing was.
func (s Status) tried() string {
	r := s.Recovery
	if r == nil || r.OK {
		return ""
	}
	same := string(s.Cause) == r.Reason
	switch s.Cause {
	case CauseAbsent, CauseUnplugged, CauseOther:
		same = r.Reason == "no_port"
	case CauseWrongBaud:
		same = r.Reason == "no_answer"
	}
	if !same {
		return ""
	}
	return steps[r.Step]
}

// URLs are a camera's addresses, relative to the gateway's root, so that they hold behind a proxy too.
type URLs struct {
	Stream   string `json:"stream"`
	Snapshot string `json:"snapshot"`
	Status   string `json:"status"`
	Config   string `json:"config"`
	History  string `json:"history"`
}

// Status is one camera as the API shows it. Its source fills in what it knows; ID, FPS, Viewers, LastFrameAge and all that
// follows from others are overwritten, and Width and Height too once the camera's hub has a frame.
type Status struct {
	ID     string  `json:"id"`
	Port   string  `json:"port"`
	State  State   `json:"state"`
	Cause  Cause   `json:"cause"`
	Reason string  `json:"reason"` // in words, with the next step; empty if all is well
	Baud   int     `json:"baud"`   // 0: none (USB) or unknown
	Device *Device `json:"device"` // nil: never heard of

	Width   int          `json:"width"`
	Height  int          `json:"height"`
	Quality *int         `json:"quality"`      // 0-63, lower is better; nil: unknown
	Auto    *AutoQuality `json:"auto_quality"` // nil: quality is fixed, or unknown

	FPS     float64     `json:"fps"`
	Frames  FrameCounts `json:"frames"`
	Viewers int         `json:"viewers"`
	Link    Link        `json:"link"`
	Health  Health      `json:"health"`
	Errors  LinkErrors  `json:"errors"`

	BytesPerSecond float64   `json:"bytes_per_second"` // of pictures received, lately
	LastError      *Trouble  `json:"last_error"`       // nil: there was none
	Recovery       *Recovery `json:"recovery"`         // nil: there was no need of any
	CauseTitle     string    `json:"cause_title"`      // the cause in words; empty if all is well
	CauseAdvice    string    `json:"cause_advice"`     // and the next step
	URLs           URLs      `json:"urls"`

	LinkBytes uint64 `json:"-"` // bytes read from the line since the gateway started

	LastFrameAge *float64 `json:"last_frame_age_seconds"` // since it was received; nil: no frame yet
	FrameAge     *float64 `json:"frame_age_seconds"`      // of the newest frame, from its capture to its receipt; nil: unknown
}

// down tells whether no pictures are to be expected.
func (s Status) down() bool {
	return s.State != Streaming && s.State != Idle || s.Cause != CauseNone
}

// words are the cause and the next step for people.
func (s Status) words() (title, advice string) {
	known, ok := causes[s.Cause]
	if !ok {
		known = causes[CauseOther]
	}
	if s.Cause == CauseNone && s.State == Connecting {
		known.title, known.advice = "Connecting", "Waiting for the camera to answer."
	}
	return known.title, cmp.Or(s.Reason, known.advice)
}

// status is the camera's state with what its hub knows filled in.
func (c *camera) status() Status {
	st, _, _ := c.look()
	return st
}

// look is the status, with what its figures were taken from.
func (c *camera) look() (Status, reading, conditions) {
	st := c.Status()
	stats := c.Hub.Stats()
	st.ID = c.ID
	st.Device = st.Device.clean()
	st.Port, st.Reason = clean(st.Port, phraseLimit), clean(st.Reason, phraseLimit)
	st.Cause = cmp.Or(st.Cause, CauseNone)
	st.FPS = float64(int(stats.FPS*10+0.5)) / 10
	st.Viewers = c.Hub.Viewers()
	if st.Frames.Rejected == nil {
		st.Frames.Rejected = map[string]uint64{}
	}
	if f := c.Hub.Latest(); f != nil {
		st.Width, st.Height = f.Width, f.Height
		age := time.Since(f.Received).Seconds()
		st.LastFrameAge = &age
		if !f.Captured.IsZero() {
			taken := f.Age().Seconds()
			st.FrameAge = &taken
		}
	}
	root := "cam/" + c.ID + "/"
	api := "api/v1/cameras/" + c.ID
	st.URLs = URLs{root + "stream.mjpg", root + "snapshot.jpg", api, api + "/config", api + "/history"}
	if st.down() {
		st.CauseTitle, st.CauseAdvice = st.words()
	}
	if st.LastError != nil {
		known, ok := causes[st.LastError.Cause]
		if !ok {
			known = causes[CauseOther]
		}
		trouble := *st.LastError // the source's
		trouble.Title, trouble.Detail = known.title, cmp.Or(clean(trouble.Detail, phraseLimit), known.advice)
		st.LastError = &trouble
	}
	st.Health = st.health()
	if st.Baud > 0 {
		st.Link.BitsPerSecond = &st.Baud
	}
	asked := c.Hub.Rate()
	if st.Auto != nil && (asked == 0 || st.Auto.TargetFPS < asked) {
		asked = st.Auto.TargetFPS
	}
	if asked > 0 {
		rounded := math.Round(asked*10) / 10
		st.Link.AskedFPS = &rounded
	}

	now := reading{
		at: time.Now(), bytes: stats.Bytes, link: st.LinkBytes, published: stats.Published,
		damaged: st.Frames.Lost, skipped: st.Frames.Skipped,
		errors: st.Errors.Checksum + st.Errors.Resyncs + st.Errors.Lost + st.Frames.Lost,
	}
	for _, n := range st.Frames.Rejected {
		now.damaged += n
		now.errors += n
	}
	under := conditions{
		// Viewers who want every frame and hold the camera back are no fault of the link.
		streaming: st.State == Streaming && st.Cause == CauseNone && c.Hub.Allowance() > 2,
		asked:     asked, baud: st.Baud, width: st.Width, height: st.Height,
	}
	c.meter.measure(&st, now, under)
	return st, now, under
}
