package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// Options are what a run is made of.
type Options struct {
	Seed     uint64
	Time     time.Duration // how long rounds begin
	Viewers  int           // passing ones
	Camgw    string        // the daemon's program
	Hostcam  string        // the camera's
	Stepping bool          // Camgw is of [Build]: its wall clock can be stepped
	Race     bool          // Camgw has the race detector, which takes memory
	Dir      string        // for what the programs write; it is left there
	Out      io.Writer     // is told what is done
}

// models are the cameras of a run.
var models = []model{
	{id: "steady", size: 12_000, fps: 10, usb: true, steady: true},
	{id: "uart", size: 9_000, fps: 10},
	{id: "usb", size: 70_000, fps: 8, usb: true},
	{id: "noisy", size: 6_000, fps: 10, broken: true},
	{id: "guest", size: 5_000, fps: 10, usb: true},
}

// tapeModel is the camera whose line is recorded onto a full disk.
var tapeModel = model{id: "tape", size: 8_000, fps: 20, usb: true}

// run is one run of the harness.
type run struct {
	Options
	dir       string
	violation atomic.Pointer[Violation] // the first
	programs  context.Context           // of what is started: it outlasts all who watch
	cancel    context.CancelCauseFunc
	brisk     bool // no viewer takes its time
	timeline  *timeline
	stalls    stallMeter
	daemon    *daemon
	life      atomic.Uint32 // the daemon's, for those who must not ask it
	players   []*device     // all
	devices   []*device     // those the daemon has, or may have
	passed    []*device     // those that passing viewers watch
	steady    *device
	guest     *device
	tape      *device
	gate      *gate

	hampered  excuse // the daemon is frozen or away
	narrow    excuse // it has no descriptor left
	guestAway excuse // the guest is not in the configuration

	watching atomic.Int64 // steady viewers that are connected
	passers  atomic.Int64 // passing viewers that were let in
	refusals atomic.Int64 // and that were not, while the daemon had no excuse; the kernel's queue may have been full
	ages     ageLog
	down     chan struct{} // closed when the daemon has ended by itself
	fell     sync.Once
	floods   sync.WaitGroup
	guards   sync.WaitGroup
	counts   faultCount

	// Of the goroutine in [Run].
	guestServed bool
	kills       int
	first       holdings
	slowest     time.Duration
	rounds      int
	unseen      [2]int // pictures of the steady camera that nobody got, of how many

	// Of the goroutine in look, until that ends.
	peakRSS    float64
	steadyLost float64
}

// Run runs rounds until the time is over. Its error is a *[Violation] if a promise was not kept; all else that it may return
// says that the run came to nothing. The calling goroutine must be locked to a thread that outlives it: see [bench.Start].
func Run(ctx context.Context, o Options) error {
	r := &run{Options: o, dir: o.Dir, gate: newGate(), down: make(chan struct{}), guestServed: true, timeline: &timeline{begun: time.Now(), out: o.Out}}
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	if err := r.build(append(slices.Clone(models), tapeModel)); err != nil {
		return err
	}
	err := r.within(ctx, func(ctx context.Context, stop context.CancelFunc, around *sync.WaitGroup) error {
		if err := r.play(ctx); err != nil {
			return err
		}
		if err := r.final(ctx, stop, around); err != nil {
			return err
		}
		r.summary()
		return nil
	})
	if v, ok := errors.AsType[*Violation](err); ok {
		r.report(v)
	}
	return err
}

// build makes what there is before anything runs.
func (r *run) build(models []model) error {
	for i, m := range models {
		d, err := newDevice(m, r.Hostcam, r.dir, r.Seed+uint64(i), &r.stalls)
		if err != nil {
			return err
		}
		r.players = append(r.players, d)
		switch {
		case m.id == tapeModel.id:
			r.tape = d
			continue
		case m.steady:
			r.steady = d
		default:
			r.passed = append(r.passed, d)
		}
		if m.id == "guest" {
			r.guest = d
		}
		r.devices = append(r.devices, d)
	}
	var clock *wallClock
	var err error
	if r.Stepping {
		if clock, err = newWallClock(r.dir); err != nil {
			return err
		}
	}
	if r.daemon, err = newDaemon(r.Camgw, r.dir, clock); err != nil {
		return err
	}
	return r.daemon.configure(r.devices, 400, "")
}

// within runs everything, and what is to be done within it, and returns when everything has ended.
func (r *run) within(ctx context.Context, do func(ctx context.Context, stop context.CancelFunc, around *sync.WaitGroup) error) (err error) {
	var endPrograms context.CancelFunc
	r.programs, endPrograms = context.WithCancel(context.WithoutCancel(ctx))
	defer endPrograms()
	inner, stop := context.WithCancel(ctx)
	var around sync.WaitGroup // what lasts as long as the run
	defer func() {
		stop()
		for _, d := range r.players {
			d.kill() // before its pictures are waited for: a frozen one takes none
		}
		around.Wait()
		r.floods.Wait()
		if r.daemon.process != nil {
			r.daemon.kill()
		}
		r.guards.Wait()
		err = errors.Join(err, r.daemon.log.close())
		if r.daemon.clock != nil {
			err = errors.Join(err, r.daemon.clock.close())
		}
	}()
	around.Go(func() { r.stalls.run(inner) })
	for _, d := range r.players {
		if err := d.start(r.programs); err != nil {
			return err
		}
		around.Go(func() {
			if err := d.play(inner); err != nil && inner.Err() == nil {
				r.cancel(err)
			}
		})
		if err := d.plugged(inner); err != nil {
			return err
		}
	}
	r.hampered.begin()
	if err := r.revive(inner, false); err != nil {
		return err
	}
	for _, v := range r.steadyViewers() {
		around.Go(func() { v.watch(inner) })
	}
	if err := r.recovered(inner); err != nil {
		return err
	}
	// Nobody has passed yet: what the daemon holds now is what it may hold.
	if err := r.audit(inner); err != nil {
		return err
	}
	around.Go(func() { r.look(inner) })
	for n := range r.Viewers {
		around.Go(func() { r.churn(inner, n) })
	}
	return do(inner, stop, &around)
}

// play runs round after round.
func (r *run) play(ctx context.Context) error {
	var names []string
	for _, d := range r.passed {
		names = append(names, d.id)
	}
	schedule := NewSchedule(r.Seed, names, r.Stepping)
	for end := time.Now().Add(r.Time); time.Now().Before(end); {
		r.rounds++
		r.timeline.note("round %d", r.rounds)
		begun, first := time.Now(), r.steady.ledger.next()
		r.gate.open(ctx)
		if err := r.round(ctx, schedule.Round()); err != nil {
			return err
		}
		if err := r.recovered(ctx); err != nil {
			return err
		}
		if err := r.audit(ctx); err != nil {
			return err
		}
		r.judgeCompleteness(begun, first)
	}
	return context.Cause(ctx)
}

// step is the beginning or the end of an event.
type step struct {
	at time.Duration
	do func() error
}

// round does all events of a round, and takes all of them back.
func (r *run) round(ctx context.Context, events []Event) error {
	begun := time.Now()
	var steps []step
	for _, e := range events {
		steps = append(steps, step{e.At, func() error {
			end, err := r.begin(ctx, e)
			if err != nil || end == nil {
				return err
			}
			steps = append(steps, step{e.At + e.For, func() error {
				r.timeline.note("over: %v", e)
				return end()
			}})
			return nil
		}})
	}
	for len(steps) > 0 {
		slices.SortStableFunc(steps, func(a, b step) int { return int(a.at - b.at) })
		s := steps[0]
		steps = steps[1:]
		pause(ctx, s.at-time.Since(begun))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

// final sends everybody away: then the books must balance to the last picture.
func (r *run) final(ctx context.Context, stop context.CancelFunc, around *sync.WaitGroup) error {
	outer := context.WithoutCancel(ctx) // stop is for the others
	r.gate.shut()
	r.floods.Wait() // a recording needs its camera
	stop()
	around.Wait()
	var a account
	var last error
	if v := r.violation.Load(); v != nil {
		return v
	}
	err := bench.Until(outer, func() bool {
		a, last = r.daemon.metrics()
		return last == nil && a.sum("camgw_clients") == 0
	})
	if err != nil {
		r.fail(Alive, "it does not notice that everybody has left: %v, %v", err, last)
	}
	r.judgeAccount(a)
	r.judgeViewers(a)
	if err := r.daemon.stop(); err != nil {
		r.fail(Alive, "%v", err)
	}
	if v := r.violation.Load(); v != nil {
		return v
	}
	return nil
}

func (r *run) device(id string) *device {
	return r.devices[slices.IndexFunc(r.devices, func(d *device) bool { return d.id == id })]
}

// served are the cameras of the configuration.
func (r *run) served() []*device {
	return slices.DeleteFunc(slices.Clone(r.devices), func(d *device) bool { return d == r.guest && !r.guestServed })
}

func (r *run) summary() {
	var judged uint64
	for _, d := range r.devices {
		judged += d.ledger.judged()
	}
	r.timeline.note("%d rounds: %d pictures judged, %d passing viewers and %d refused, %d lives of the daemon, peak %.0f MB resident; slowest recovery %v; of the steady camera's pictures %d of %d unseen; ages of the steady camera's pictures p50 %v, p99 %v, max %v",
		r.rounds, judged, r.passers.Load(), r.refusals.Load(), r.daemon.life, r.peakRSS/1e6, r.slowest.Round(time.Millisecond), r.unseen[0], r.unseen[1],
		r.ages.quantile(0.5).Round(time.Microsecond), r.ages.quantile(0.99).Round(time.Microsecond), r.ages.quantile(1).Round(time.Microsecond))
	var counts []string
	for _, f := range slices.Sorted(maps.Keys(r.counts.n)) {
		counts = append(counts, fmt.Sprintf("%s %d", f, r.counts.n[f]))
	}
	r.timeline.note("%s", strings.Join(counts, ", "))
}

// report tells what is needed to find the fault.
func (r *run) report(v *Violation) {
	lines, _ := r.daemon.log.tail()
	fmt.Fprintf(r.Out, "\n%s\n  %s\nseed %d; what was done before:\n  %s\nthe end of the daemon's log (all of it: %s):\n  %s\n", v.Promise, v.What, r.Seed,
		strings.Join(r.timeline.recent(60), "\n  "), filepath.Join(r.dir, "daemon.log"), strings.Join(lines, "\n  "))
}

// Dir makes the directory for a run's files; the terminals' names in it must be short.
func Dir(seed uint64) (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("camgw-chaos-%d-%d", seed, os.Getpid()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("directory for the run: %w", err)
	}
	return dir, nil
}
