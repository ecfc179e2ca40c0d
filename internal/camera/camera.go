package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/fanout"
)

// Options describe one camera.
type Options struct {
	ID   string      // names the camera in logs
	Port string      // names the port in logs and reasons
	Open OpenFunc    // required
	Hub  *fanout.Hub // required; pictures go there and demand comes from there

	// Baud is the only rate to be used after the handshake; 0 negotiates.
	Baud int

	// Settings are wanted from the device whenever it may have lost them. See ParseWishes.
	Settings []Setting

	// MaxFrame bounds the size of one JPEG, in bytes; 0 means DefaultMaxFrame.
	MaxFrame int

	Hook Hook // nil: none; see SetHook

	// Published, if not nil, is called with every frame before viewers get it, in Run's goroutine. It must not keep the frame.
	Published func(*fanout.Frame)

	Logger *slog.Logger // nil discards
}

// Hook is what the operator wants done when all else has not recovered the camera. It runs in a goroutine of its own, never twice
// at once; ctx ends with Run, which waits for it.
type Hook func(ctx context.Context, r Recovery) error

// DefaultMaxFrame is above the largest JPEG buffer Espressif's driver makes,
// 1,007,769 bytes at 2592x1944.
const DefaultMaxFrame = 1 << 20

// Camera is one attached camera. Make it with New and run it once.
type Camera struct {
	opts Options
	log  *slog.Logger

	// Owned by the goroutine in Run.
	dec     *camlink.Decoder
	asm     camlink.Assembler
	stats   Stats // the working copy
	state   Status
	buf     fanout.Buffer // of the frame being assembled; empty once that is published
	console console
	bootID  uint32
	booted  bool // bootID is known
	agreed  int  // the last rate that was proven; 0 before the first. It outlives a session: so may the device's lease

	wanted     map[camlink.ConfigKey]int32 // from the operator and from Configure, the later wins
	complained map[camlink.ConfigKey]bool  // settings whose failure was logged; 0: that of all

	lastPublished time.Time

	ladder    ladder
	hookBusy  bool
	hookCtx   context.Context
	hookEnded chan error // of one; from the hook's goroutine

	requests chan configRequest // sent to with mu held, while reach is linked

	beats atomic.Uint64 // written by the goroutine in Run

	hook atomic.Pointer[Hook] // nil: none

	mu       sync.Mutex // guards what other goroutines read
	snapshot Status
	counters Stats
	reach    reach
	config   []ConfigItem // nil while unknown; never written
}

// New returns a camera that does nothing yet.
func New(opts Options) *Camera {
	if opts.MaxFrame == 0 {
		opts.MaxFrame = DefaultMaxFrame
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Camera{
		opts:  opts,
		log:   log.With("camera", opts.ID),
		dec:   camlink.NewDecoder(),
		stats: newStats(),
		state: Status{Quality: -1},

		wanted:     make(map[camlink.ConfigKey]int32),
		complained: make(map[camlink.ConfigKey]bool),
		requests:   make(chan configRequest, waitingRequests),
		hookEnded:  make(chan error, 1),
	}
	c.SetHook(opts.Hook)
	for _, s := range opts.Settings {
		c.wanted[s.Key] = s.Value
	}
	c.console.log = c.log
	c.asm = camlink.Assembler{
		MaxFrame: uint32(opts.MaxFrame),
		Alloc: func(size int) []byte {
			// The buffer of a rejected frame serves again: a device that begins
			// frames and never ends them must not cost a megabyte each. Nor may one whose
			// frames are a byte longer each time: what is too small is at least doubled.
			if have := len(c.buf.JPEG()); have < size {
				c.buf = fanout.NewBuffer(max(size, min(2*have, opts.MaxFrame)))
			}
			return c.buf.JPEG()[:size:size]
		},
	}
	c.setState(Connecting, CauseNone, "opening "+opts.Port)
	c.share()
	return c
}

// takeFrame makes a frame of the first size bytes of data, which lies in the buffer. A picture much smaller than the buffer, which was
// made for a frame that was rejected, gets one of its own: it would hold on to all of it for as long as a viewer has the picture.
func (c *Camera) takeFrame(data []byte, size int) *fanout.Frame {
	b := c.buf
	if len(b.JPEG()) > 2*size+minSpare {
		b = fanout.NewBuffer(size)
		copy(b.JPEG(), data[:size])
	} else {
		c.buf = fanout.Buffer{}
	}
	return fanout.NewFrame(b, size)
}

// minSpare is what a buffer may always be too large by: padding behind a picture, mostly.
const minSpare = 4 << 10

// SetHook puts another hook in place from the next step on; nil: none. One that runs goes on. Any goroutine may call it.
func (c *Camera) SetHook(h Hook) {
	if h == nil {
		c.hook.Store(nil)
	} else {
		c.hook.Store(&h)
	}
}

// Status returns the camera's state now.
func (c *Camera) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot
}

// Stats returns the counters now.
func (c *Camera) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counters
}

// Beats changes while the goroutine in Run makes progress: every second at least, but while a port is being opened, which takes
// what OpenFunc takes. It asks for no lock: who wants to know whether that goroutine hangs must not hang with it.
func (c *Camera) Beats() uint64 { return c.beats.Load() }

// How long Run waits before it opens a port again.
const (
	reopenFirst = 250 * time.Millisecond
	reopenMax   = time.Second
)

// Run keeps the camera going until ctx ends, and then returns nil.
func (c *Camera) Run(ctx context.Context) error {
	var stopHook context.CancelFunc
	c.hookCtx, stopHook = context.WithCancel(ctx)
	defer c.awaitHook(stopHook)
	backoff := reopenFirst
	for ctx.Err() == nil {
		c.beats.Add(1)
		port, err := c.opts.Open(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.openFailed(err)
				pause(ctx, backoff)
				backoff = min(backoff*2, reopenMax)
			}
			continue
		}
		backoff = reopenFirst
		c.stats.Opens++
		c.ladder.opened()
		err = c.serve(ctx, port)
		if err := port.Close(); err != nil {
			c.log.Debug("closing the port", "error", err)
		}
		c.closed(ctx, err)
		pause(ctx, reopenFirst)
	}
	c.state.Baud = 0
	c.setState(Offline, CauseStopped, "the gateway is shutting down")
	c.share()
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (c *Camera) openFailed(err error) {
	cause := CausePortError
	if f, ok := errors.AsType[interface {
		error
		Faulter
	}](err); ok {
		cause = f.Fault()
	}
	i := slices.Index(openCauses[:], cause)
	if i < 0 {
		i = len(openCauses) - 1
		cause = openCauses[i]
	}
	c.stats.OpenFailures[i]++
	defer func() {
		if cause == CauseAbsent || cause == CausePortError {
			c.treatUnopened(time.Now())
			c.share()
		}
	}()
	// An unplugged port stays "unplugged" while it is merely absent: that is
	// what happened, and what the viewer should read.
	if cause == CauseAbsent && c.state.Cause == CauseUnplugged {
		c.share()
		return
	}
	c.setState(Offline, cause, err.Error())
	c.share()
}

// closed accounts for the end of a session.
func (c *Camera) closed(ctx context.Context, err error) {
	c.asm.Reset()
	c.state.Baud = 0
	switch {
	case ctx.Err() != nil:
		c.stats.Disconnects[DisconnectShutdown]++
	case errors.Is(err, errNoDevice):
		// The reason stays what the handshake found out.
		c.stats.Disconnects[DisconnectNoAnswer]++
	case errors.Is(err, errReopen):
		c.stats.Disconnects[DisconnectRecovery]++
	case errors.Is(err, io.EOF):
		c.stats.Disconnects[DisconnectUnplugged]++
		c.setState(Offline, CauseUnplugged, c.opts.Port+" was unplugged; plug the camera in again")
	default:
		c.stats.Disconnects[DisconnectError]++
		c.setState(Offline, CausePortError, fmt.Sprintf("%s failed: %v; opening it again", c.opts.Port, err))
	}
	c.share()
}

// setState logs the edges; levels are for Status.
func (c *Camera) setState(s State, cause Cause, reason string) {
	if c.state.State == s && c.state.Cause == cause && c.state.Reason == reason {
		return
	}
	if c.state.State != s || c.state.Cause != cause {
		c.state.Since = time.Now()
		level := slog.LevelInfo
		if s == Offline && cause != CauseStopped || cause == CauseSilent {
			level = slog.LevelWarn
		}
		if s == Connecting {
			level = slog.LevelDebug
		}
		var attrs []any
		if cause != CauseNone {
			attrs = []any{"cause", string(cause), "reason", reason}
		}
		c.log.Log(context.Background(), level, string(s), attrs...)
	}
	// That a device is waited for is no trouble before it has become one.
	if cause != CauseNone && cause != CauseStopped && (s != Connecting || cause == CauseRebooting) {
		c.state.Trouble = &Trouble{c.state.Since, cause, reason}
	}
	c.state.State, c.state.Cause, c.state.Reason = s, cause, reason
}

// share lets Status and Stats see what has happened.
func (c *Camera) share() {
	a := c.asm.Counters()
	c.stats.Received = a.Begun
	if c.asm.InProgress() {
		c.stats.Received--
	}
	copy(c.stats.Rejected[:], a.Rejected[:])
	c.stats.Lost = a.Lost
	c.stats.Link = c.dec.Counters()
	c.mu.Lock()
	c.snapshot, c.counters = c.state, c.stats
	c.mu.Unlock()
}
