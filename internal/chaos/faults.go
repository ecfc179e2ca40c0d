package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// How long after a fault to the daemon its viewers may still feel it: it has to open its ports, shake hands, climb and be
// found again.
const (
	frozenGrace  = 2 * time.Second
	startGrace   = 5 * time.Second
	narrowGrace  = 2 * time.Second
	reloadLimit  = 5 * time.Second
	removedGrace = 3 * time.Second
)

// begin does what an event says. It returns what takes that back, nil if there is nothing to be taken back.
func (r *run) begin(ctx context.Context, e Event) (end func() error, err error) {
	r.timeline.note("%v", e)
	r.count(e.Fault)
	if e.Camera != "" {
		return r.beginCamera(ctx, e)
	}
	switch e.Fault {
	case FreezeDaemon:
		r.hampered.begin()
		r.daemon.process.Signal(syscall.SIGSTOP)
		return func() error {
			r.daemon.process.Signal(syscall.SIGCONT)
			r.hampered.end(frozenGrace)
			return nil
		}, nil
	case KillDaemon:
		r.hampered.begin()
		r.daemon.kill()
		r.kills++
		return func() error { return r.revive(ctx, r.kills%2 == 1) }, nil
	case RestartDaemon:
		r.hampered.begin()
		if err := r.daemon.stop(); err != nil {
			r.fail(Alive, "%v", err)
			return nil, context.Cause(ctx)
		}
		return func() error { return r.revive(ctx, false) }, nil
	case FewFiles:
		r.narrow.begin()
		return func() error {
			defer r.narrow.end(narrowGrace)
			return r.daemon.feed()
		}, r.daemon.starve()
	case Reload:
		return nil, r.reload(ctx, e.Draw)
	case BadReload:
		return nil, r.badReload(ctx, e.Draw)
	case StepClock:
		leap := leaps[e.Draw%uint64(len(leaps))]
		r.timeline.note("the wall clock is %v ahead", leap)
		return func() error {
			if e.Draw>>32&1 == 0 {
				return nil // until it is stepped again
			}
			return r.daemon.clock.set(0)
		}, r.daemon.clock.set(leap)
	case StuckLog:
		r.daemon.log.stick(true)
		return func() error { r.daemon.log.stick(false); return nil }, nil
	case ResetStorm:
		return nil, r.resetStorm(ctx, e.Draw)
	case HalfOpen:
		return r.halfOpen(ctx)
	case SlowReader:
		return r.slowReaders(ctx)
	case FullDisk:
		return nil, r.fullDisk(ctx)
	}
	return nil, fmt.Errorf("nobody knows how to do %q", e.Fault)
}

func (r *run) beginCamera(ctx context.Context, e Event) (end func() error, err error) {
	d := r.device(e.Camera)
	restart := func() error { return d.start(r.programs) }
	switch e.Fault {
	case Unplug:
		d.signal(unplugSignal)
		return func() error { d.signal(plugSignal); return nil }, nil
	case KillCamera:
		d.kill()
		return restart, nil
	case FreezeCamera:
		d.signal(syscall.SIGSTOP)
		return func() error { d.signal(syscall.SIGCONT); return nil }, nil
	case Reboot:
		d.signal(rebootSignal)
		return nil, nil
	case Cable:
		d.kill()
		d.rewire(e.Draw)
		r.timeline.note("camera %s is on the wire %q", d.id, strings.Join(d.wire, " "))
		return restart, nil
	}
	return nil, fmt.Errorf("nobody knows how to do %q to a camera", e.Fault)
}

// revive begins the daemon's next life.
func (r *run) revive(ctx context.Context, fullDisk bool) error {
	if fullDisk {
		r.timeline.note("its log goes to a full disk")
	}
	defer r.hampered.end(startGrace)
	if err := r.daemon.start(r.programs, fullDisk); err != nil {
		return err
	}
	r.stalls.follow(r.daemon.process.PID())
	r.life.Store(uint32(r.daemon.life))
	r.guard(ctx)
	return nil
}

// reload lets the guest come or go, and changes a limit that nobody reaches.
func (r *run) reload(ctx context.Context, draw uint64) error {
	serve := draw&1 == 0
	switch {
	case serve == r.guestServed:
	case serve:
		defer r.guestAway.end(removedGrace)
	default:
		r.guestAway.begin()
	}
	r.guestServed = serve
	if err := r.daemon.configure(r.served(), 400+int(draw>>1%100), ""); err != nil {
		return err
	}
	r.timeline.note("guest served: %v", serve)
	return r.reloaded(ctx, true)
}

// mistakes are what a person may write into a file.
var mistakes = []string{"max_viewers = 7\n", "max_viewer = 7\n", "[[camera]\n", "\x00\xff\n", "[http]\n", "max_viewers_per_camera = \"many\"\n", "[[camera]]\nname = \"steady\"\nport = \"/dev/null\"\n"}

// badReload reads a file that is wrong, and puts the good one back into its place.
func (r *run) badReload(ctx context.Context, draw uint64) error {
	mistake := mistakes[draw%uint64(len(mistakes))]
	r.timeline.note("the file says %q", mistake)
	if err := r.daemon.configure(r.served(), 400, mistake); err != nil {
		return err
	}
	if err := r.reloaded(ctx, false); err != nil {
		return err
	}
	return r.daemon.configure(r.served(), 400, "")
}

// reloaded asks for a reload and waits until the daemon has done it, or refused.
func (r *run) reloaded(ctx context.Context, good bool) error {
	want := map[bool]float64{true: 1}[good]
	var before account
	err := bench.Until(ctx, func() (up bool) {
		now, err := r.daemon.metrics()
		before = now
		return err == nil
	})
	if err != nil {
		// It is not up yet: it reads the file as it begins, or has.
		r.timeline.note("no reload: %v", err)
		return r.daemon.configure(r.served(), 400, "")
	}
	loaded := before["camgw_config_last_reload_success_timestamp_seconds"]
	r.daemon.process.Signal(syscall.SIGHUP)
	var a account
	err = bench.Until(ctx, func() bool {
		now, err := r.daemon.metrics()
		if err == nil {
			a = now
		}
		at := a["camgw_config_last_reload_success_timestamp_seconds"]
		return err == nil && a["camgw_config_last_reload_successful"] == want && (at != loaded) == good
	})
	if err != nil && ctx.Err() == nil {
		r.fail(Reloads, "after a reload of a file that is good: %v, it says success %v and loaded at %v (before: %v)", good,
			a["camgw_config_last_reload_successful"], a["camgw_config_last_reload_success_timestamp_seconds"], loaded)
		return context.Cause(ctx)
	}
	names := map[string]bool{}
	states, err := r.daemon.cameras()
	for _, s := range states {
		names[s.ID] = true
	}
	if err == nil && (len(names) != len(r.served()) || names[r.guest.id] != r.guestServed) {
		r.fail(Reloads, "the cameras are %v; the guest is to be among them: %v", names, r.guestServed)
	}
	return context.Cause(ctx)
}

// resetStorm is connections that ask for something and are reset at whatever moment.
func (r *run) resetStorm(ctx context.Context, draw uint64) error {
	const connections = 200
	r.floods.Go(func() {
		c := chance(draw, "storm", 0)
		for range connections {
			conn, stop, err := dial(ctx, r.daemon.address, 0)
			if err != nil {
				continue // away, or out of descriptors
			}
			d := r.passed[c.IntN(len(r.passed))]
			paths := []string{"/cam/" + d.id + "/stream.mjpg?mode=all", "/cam/" + d.id + "/stream.mjpg?mode=lockstep", "/cam/" + d.id + "/snapshot.jpg",
				"/cam/" + d.id + "/stream.mjpg", "/api/v1/events", "/metrics", "/"}
			request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", paths[c.IntN(len(paths))], r.daemon.address)
			_ = conn.SetDeadline(time.Now().Add(time.Second)) // as below: whatever fails here is what the storm is about
			_, _ = conn.Write([]byte(request)[:len(request)-c.IntN(2)*c.IntN(len(request))])
			if c.IntN(2) == 0 {
				_, _ = conn.Read(make([]byte, 1+c.IntN(20000)))
			}
			_ = conn.SetLinger(0)
			stop()
			conn.Close()
		}
	})
	return nil
}

// halfOpen is connections that say nothing, or not all that they would have to.
func (r *run) halfOpen(ctx context.Context) (end func() error, err error) {
	const connections = 150
	held, cancel := context.WithCancel(ctx)
	r.floods.Go(func() {
		<-held.Done()
	})
	beginnings := []string{"", "GET /stream HT", "GET /stream HTTP/1.1\r\nHost: x\r\n", "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n",
		"PATCH /api/v1/cameras/usb/config HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"}
	r.floods.Go(func() {
		for n := range connections {
			conn, _, err := dial(held, r.daemon.address, 0)
			if err != nil {
				continue // away, or out of descriptors
			}
			_, _ = conn.Write([]byte(beginnings[n%len(beginnings)])) // it closes with held, or the daemon is away
		}
	})
	return func() error { cancel(); return nil }, nil
}

// slowReaders are viewers that take a byte now and then.
func (r *run) slowReaders(ctx context.Context) (end func() error, err error) {
	held, cancel := context.WithCancel(ctx)
	for n := range 18 {
		mode := []string{"latest", "lockstep", "all"}[n%3]
		d := r.passed[n/3%len(r.passed)]
		r.floods.Go(func() {
			s, err := openMJPEG(held, r.daemon.address, d.id, manners{mode: mode, receive: 4 << 10})
			if err != nil {
				return // away, or out of descriptors
			}
			defer s.close()
			for held.Err() == nil {
				if _, err := s.in.ReadByte(); err != nil {
					return
				}
				pause(held, 100*time.Millisecond)
			}
		})
	}
	return func() error { cancel(); return nil }, nil
}

// fullDiskScript records a line in a file system of its own with hardly any room, and then tells what was left in it.
const fullDiskScript = `mount -t tmpfs -o size=64k none "$1" || exit 111
"$2" capture-raw --port "$3" -o "$1/line.tape" --duration 20s & recorder=$!
trap 'kill $recorder' TERM
wait $recorder
code=$?
echo "left: $(ls -A "$1")"
exit $code`

// fullDisk records the line of a camera that nobody else has.
func (r *run) fullDisk(ctx context.Context) error {
	mount := filepath.Join(r.dir, "full")
	if err := os.MkdirAll(mount, 0o755); err != nil {
		return fmt.Errorf("full disk: %w", err)
	}
	args := []string{"-m"}
	if os.Getuid() != 0 {
		args = []string{"-Urm"}
	}
	p, err := bench.Start(r.programs, bench.Command{Core: -1, Path: "unshare", Args: append(args, "sh", "-c", fullDiskScript, "sh", mount, r.Camgw, r.tape.link())})
	if err != nil {
		return err
	}
	begun := time.Now()
	r.floods.Go(func() {
		const limit = 15 * time.Second
		late := time.NewTimer(limit)
		defer late.Stop()
		select {
		case <-ctx.Done():
			p.Stop()
		case <-late.C:
			r.fail(Disk, "a recording goes on for %v: %s", limit, p.Said())
		case <-p.Done():
			said := p.Said()
			if strings.Contains(said, "unshare: ") || p.ExitCode() == 111 {
				r.cancel(fmt.Errorf("a file system without room cannot be made: %s; try: as root, or allow user namespaces", said))
				return
			}
			if ctx.Err() == nil && (p.ExitCode() != 1 || !strings.Contains(said, "no space left on device") || !strings.HasSuffix(said, "left:")) {
				r.fail(Disk, "it ended with %d after %v: %s", p.ExitCode(), time.Since(begun).Round(time.Millisecond), said)
			}
		}
	})
	return nil
}

// faultCount is how often each fault was done.
type faultCount struct {
	mu sync.Mutex
	n  map[Fault]int
}

func (r *run) count(f Fault) {
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	if r.counts.n == nil {
		r.counts.n = map[Fault]int{}
	}
	r.counts.n[f]++
}
