package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// model is a camera of the harness.
type model struct {
	id     string
	size   int // bytes of a picture; no two models have the same, so that none's picture passes for another's
	fps    float64
	usb    bool
	steady bool // nobody does anything to it, or to who watches it
	broken bool // its wire is bad from the beginning
}

// wires are what Cable chooses from. Half of the time it is a good one.
var wires = [][]string{
	{"--flip", "2e-6"},
	{"--flip", "1e-5", "--noise"},
	{"--drop", "3e-6"},
	{"--insert", "3e-6"},
	{"--truncate", "0.05"},
	{"--bad-jpeg", "0.1"},
	{"--stall", "300", "--stall-every", "3"},
	{"--noise"},
	{"--garble-above", "1000000"},
	{"--flip", "3e-6", "--drop", "1e-6", "--insert", "1e-6", "--truncate", "0.02", "--bad-jpeg", "0.02", "--noise"},
}

// device is one camera: its pictures, which come on as long as the run lasts, and the hostcam that sends them, which may be
// away. Its exported behaviour belongs to one goroutine; pictures flow in another.
type device struct {
	model
	program, dir string
	ledger       *ledger
	stalls       *stallMeter
	wire         []string
	seed         uint64
	process      *bench.Process // nil while it is killed

	mu   sync.Mutex
	pipe *os.File // to the hostcam; nil while there is none
}

func newDevice(m model, program, dir string, seed uint64, stalls *stallMeter) (*device, error) {
	camera, err := bench.NewCamera(m.size)
	if err != nil {
		return nil, err
	}
	d := &device{model: m, program: program, dir: dir, ledger: &ledger{camera: camera}, seed: seed, stalls: stalls}
	if m.broken {
		d.wire = wires[len(wires)-1]
	}
	return d, nil
}

// link is the port that the daemon opens.
func (d *device) link() string { return filepath.Join(d.dir, d.id+".tty") }

func (d *device) statsFile() string { return filepath.Join(d.dir, d.id+".json") }

// play takes pictures until ctx ends, whether anybody sends them or not.
func (d *device) play(ctx context.Context) error {
	return d.ledger.camera.Play(ctx, d, d.fps)
}

// Write enters a picture into the ledger and hands it to the hostcam. While that is frozen it waits.
func (d *device) Write(picture []byte) (int, error) {
	s, ok := d.ledger.camera.Examine(picture)
	if !ok {
		return 0, fmt.Errorf("camera %s: its own picture is not its own", d.id)
	}
	d.ledger.took(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pipe == nil {
		return len(picture), nil
	}
	if _, err := d.pipe.Write(picture); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
		return 0, fmt.Errorf("camera %s: %w", d.id, err)
	}
	return len(picture), nil
}

// start starts the hostcam. See [bench.Start] for who may call it.
func (d *device) start(ctx context.Context) error {
	r, w, err := bench.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	args := []string{"--frames", "-", "--link", d.link(), "--stats-file", d.statsFile(), "--name", d.id, "--seed", strconv.FormatUint(d.seed, 10)}
	if d.usb {
		args = append(args, "--usb")
	}
	d.process, err = bench.Start(ctx, bench.Command{Core: -1, Path: d.program, Args: append(args, d.wire...), Stdin: r})
	if err != nil {
		w.Close()
		return err
	}
	d.stalls.follow(d.process.PID())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pipe = w
	return nil
}

// kill ends the hostcam as a cut cable would. The link goes first: the number of its terminal is free from then on, and
// whoever takes it next would be found under the camera's name.
func (d *device) kill() {
	if d.process == nil {
		return
	}
	_ = os.Remove(d.link()) // it may be unplugged
	d.process.Signal(syscall.SIGKILL)
	<-d.process.Done()
	d.process = nil
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pipe.Close()
	d.pipe = nil
}

// rewire chooses another wire by chance.
func (d *device) rewire(draw uint64) {
	d.seed = draw >> 16
	if d.wire = nil; draw&1 == 1 {
		d.wire = wires[draw>>1%uint64(len(wires))]
	}
}

func (d *device) signal(sig syscall.Signal) {
	if d.process != nil {
		d.process.Signal(sig)
	}
}

// plugged waits until the link is there.
func (d *device) plugged(ctx context.Context) error {
	err := bench.Until(ctx, func() bool {
		_, err := os.Lstat(d.link())
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("camera %s does not appear: %w; it said: %q", d.id, err, d.process.Said())
	}
	return nil
}

// settle is how long a picture may be on its way before it counts as unseen.
const settle = 2 * time.Second
