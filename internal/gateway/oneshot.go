package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/tape"
)

// A oneshot is a camera that runs for one command, without a server.
type oneshot struct {
	cam    *camera.Camera
	hub    *fanout.Hub
	cancel context.CancelFunc
	ended  chan struct{}
}

// oneshotChange lets a command change how the camera is made.
type oneshotChange func(*camera.Options)

func startOneshot(ctx context.Context, cc config.Camera, log *slog.Logger, change oneshotChange) (*oneshot, error) {
	settings, err := wantedSettings([]config.Camera{cc})
	if err != nil {
		return nil, err
	}
	open, err := opener(cc, log)
	if err != nil {
		return nil, err
	}
	hub := fanout.NewHub(nil)
	opts := camera.Options{ID: cc.ID, Port: cc.Port, Open: open, Hub: hub, Baud: cc.Baud, Settings: settings[cc.ID], Logger: log}
	if change != nil {
		change(&opts)
	}
	ctx, cancel := context.WithCancel(ctx)
	o := &oneshot{cam: camera.New(opts), hub: hub, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		_ = o.cam.Run(ctx) // nil by its contract
	}()
	return o, nil
}

// stop says good-bye to the device and closes the port.
func (o *oneshot) stop() {
	o.cancel()
	<-o.ended
}

// why says what keeps the camera from doing what was asked of it.
func (o *oneshot) why(port string, patience time.Duration) error {
	st := o.cam.Status()
	reason := st.Reason
	if reason == "" && st.Trouble != nil {
		reason = st.Trouble.Reason
	}
	if reason == "" {
		reason = "the camera is linked but sends no picture; check its sensor and the ribbon cable"
	}
	return fmt.Errorf("%s: nothing within %v: %s", port, patience, reason)
}

// Snapshot takes one picture straight from a camera. Nobody else may have its port meanwhile.
func Snapshot(ctx context.Context, cc config.Camera, log *slog.Logger, patience time.Duration) ([]byte, error) {
	o, err := startOneshot(ctx, cc, log, nil)
	if err != nil {
		return nil, err
	}
	defer o.stop()
	sub := o.hub.Subscribe(fanout.Terms{Transport: fanout.Snapshot})
	defer sub.Close()
	frame, err := sub.Next(ctx, patience)
	switch {
	case errors.Is(err, fanout.ErrIdle):
		return nil, o.why(cc.Port, patience)
	case err != nil:
		return nil, err
	}
	sub.Sent()
	return bytes.Clone(frame.JPEG()), nil
}

// Found is what answered on a port.
type Found struct {
	Board    string `json:"board"`
	Sensor   string `json:"sensor"`
	Firmware string `json:"firmware"`
	Name     string `json:"name,omitempty"`
	MAC      string `json:"mac"`
	Baud     int    `json:"baud"` // 0 where the line has no rate
}

// Probe opens a port and says who answers there. Opening resets some boards, and whatever else may be on that port.
func Probe(ctx context.Context, cc config.Camera, log *slog.Logger, patience time.Duration) (Found, error) {
	o, err := startOneshot(ctx, cc, log, nil)
	if err != nil {
		return Found{}, err
	}
	defer o.stop()
	// A camera tells nobody of its edges; this is how often anybody looks at them.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		st := o.cam.Status()
		if d := st.Device; d != nil {
			return Found{d.Board, d.Sensor, d.Firmware, d.Name, d.MAC, st.Baud}, nil
		}
		// What cannot be opened now will not be within a probe's patience.
		hopeless := st.State == camera.Offline && o.cam.Stats().Opens == 0
		select {
		case <-ctx.Done():
			return Found{}, ctx.Err()
		case <-timeout.C:
			hopeless = true
		case <-tick.C:
		}
		if hopeless {
			return Found{}, errors.New(strings.TrimPrefix(st.Reason, "open "))
		}
	}
}

// Captured is the account of a capture.
type Captured struct {
	Bytes  int64   `json:"bytes"`
	Frames Account `json:"frames"`
}

// Account says what became of the frames of a line.
type Account struct {
	Received  uint64            `json:"received"`
	Published uint64            `json:"published"`
	Rejected  map[string]uint64 `json:"rejected"`
	Lost      uint64            `json:"lost"`
	Repaired  uint64            `json:"repaired"`
}

func newAccount(s camera.Stats) Account {
	a := Account{s.Received, s.Published, make(map[string]uint64), s.Lost, s.Repaired}
	for i, n := range s.Rejected {
		a.Rejected[camera.Rejection(i).String()] = n
	}
	return a
}

// CaptureOptions bound a capture.
type CaptureOptions struct {
	Duration time.Duration // 0: until ctx ends
	Bytes    int64         // received; 0: no bound
	Version  string        // of this program, for the tape's label
}

// Capture lets a camera stream and records its line to w, until a bound is reached or ctx ends. A camera that goes away is
// waited for, and recorded again when it is back. It is an error if nothing came at all.
func Capture(ctx context.Context, cc config.Camera, log *slog.Logger, w io.Writer, c CaptureOptions) (Captured, error) {
	recorder, err := tape.NewRecorder(w, tape.Label{Started: time.Now().UTC().Format(time.RFC3339), Port: cc.Port, Version: c.Version})
	if err != nil {
		return Captured{}, err
	}
	bounds, enough := context.WithCancel(ctx)
	defer enough()
	if c.Duration > 0 {
		bounds, enough = context.WithTimeout(bounds, c.Duration)
		defer enough()
	}
	recorder.Limit, recorder.Full = c.Bytes, enough
	// The camera outlives the bounds: its last state says why nothing came.
	o, err := startOneshot(context.WithoutCancel(ctx), cc, log, func(opts *camera.Options) {
		open := opts.Open
		opts.Open = func(ctx context.Context) (camera.Port, error) {
			p, err := open(ctx)
			if err != nil {
				return nil, err
			}
			return recorder.Wrap(p), nil
		}
	})
	if err != nil {
		return Captured{}, err
	}
	// What has been published is nobody's; that somebody watches is what keeps the camera awake.
	sub := o.hub.Subscribe(fanout.Terms{Transport: fanout.Snapshot})
	<-bounds.Done()
	sub.Close()
	why := o.why(cc.Port, c.Duration)
	o.stop()
	account := Captured{recorder.Bytes(), newAccount(o.cam.Stats())}
	if err := recorder.Close(); err != nil {
		return account, err
	}
	if account.Bytes == 0 {
		return account, why
	}
	return account, nil
}

// Report is all that a recording has in it. It is the same every time.
type Report struct {
	Label   tape.Label     `json:"recording"`
	Frames  []ReportFrame  `json:"frames"`
	Account Account        `json:"account"`
	Link    ReportCounters `json:"link"`
	Log     []string       `json:"log"`
}

// ReportFrame is a picture that was published.
type ReportFrame struct {
	Number uint32 `json:"number"`
	Bytes  int    `json:"bytes"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	SHA256 string `json:"sha256"`
}

// ReportCounters are a line's.
type ReportCounters struct {
	Bytes     uint64            `json:"bytes"`
	Packets   uint64            `json:"packets"`
	Lost      uint64            `json:"packets_lost"`
	Discarded uint64            `json:"bytes_discarded"`
	Errors    map[string]uint64 `json:"errors"`
	Links     uint64            `json:"links"`
	LinksLost uint64            `json:"links_lost"`
	Reboots   uint64            `json:"reboots"`
}

// Examine plays a recording as fast as it can be read, through the same decoder and camera that serve it, and reports.
func Examine(ctx context.Context, file string) (Report, error) {
	player, err := tape.NewPlayer(tape.Options{File: file})
	if err != nil {
		return Report{}, err
	}
	defer player.Close()
	r := Report{Label: player.Label(), Frames: []ReportFrame{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := &lineLog{}
	log := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}}))
	var failure error
	ended := false
	cam := camera.New(camera.Options{
		ID: "replay", Port: r.Label.Port, Hub: fanout.NewHub(nil), Logger: log,
		Published: func(f *fanout.Frame) {
			sum := sha256.Sum256(f.JPEG())
			r.Frames = append(r.Frames, ReportFrame{f.Number, len(f.JPEG()), f.Width, f.Height, hex.EncodeToString(sum[:])})
		},
		Open: func(ctx context.Context) (camera.Port, error) {
			p, err := player.Open(ctx)
			if err != nil {
				ended = true
				if !errors.Is(err, tape.ErrEnd) {
					failure = err
				}
				lines.stop()
				cancel()
				return nil, err
			}
			return untilEnd{p, lines}, nil
		},
	})
	_ = cam.Run(ctx) // nil by its contract
	if !ended {
		return r, context.Cause(ctx)
	}
	s := cam.Stats()
	r.Account = newAccount(s)
	r.Link = ReportCounters{
		Bytes: s.Link.Bytes, Packets: s.Link.Packets, Lost: s.Link.Lost, Discarded: s.Link.Discarded, Errors: make(map[string]uint64),
		Links: s.Links, LinksLost: s.LinksLost,
	}
	for _, n := range s.Reboots {
		r.Link.Reboots += n
	}
	for i, n := range s.Link.Errors {
		r.Link.Errors[camera.LinkErrorName(i)] = n
	}
	r.Log = lines.lines
	return r, failure
}

// untilEnd is a recorded line whose end is no event: nothing that is said of it belongs to the recording.
type untilEnd struct {
	*tape.Line
	log *lineLog
}

func (l untilEnd) Read(b []byte) (int, error) {
	n, err := l.Line.Read(b)
	if errors.Is(err, tape.ErrEnd) {
		l.log.stop()
	}
	return n, err
}

// lineLog keeps what a slog handler writes, a line a call.
type lineLog struct {
	lines   []string
	stopped bool
}

func (l *lineLog) stop() { l.stopped = true }

func (l *lineLog) Write(b []byte) (int, error) {
	if !l.stopped {
		l.lines = append(l.lines, strings.TrimSuffix(string(b), "\n"))
	}
	return len(b), nil
}
