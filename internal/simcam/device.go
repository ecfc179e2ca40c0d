// Package simcam hides a simulated camera that lives inside the process: the
// device end of docs/protocol.md, a sensor that shows a moving test card, and the wire to it with all its
// faults. `camgw demo` and the tests of what sits above a port stand on it.
//
// A [Device] is a camera on the desk, a [Line] the host's end of its cable. The simulation
// uses no descriptors and no clock but package time, so that it works inside a testing/synctest bubble:
// open the line in the bubble that uses it.
package simcam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// ErrBusy is returned by [Device.Open] while another line is open.
var ErrBusy = errors.New("line is in use")

// ErrUnplugged is returned by [Device.Open] after [Device.Unplug]. It is an [fs.ErrNotExist].
var ErrUnplugged = fmt.Errorf("simulated camera is unplugged: %w", fs.ErrNotExist)

// Device is a simulated camera. It has power from its first [Device.Open] on. All methods
// are safe for concurrent use. Only an open line costs a goroutine.
type Device struct {
	opts   Options
	source Source
	muted  atomic.Bool

	mu       sync.Mutex
	unplug   bool
	line     *Line // nil while closed
	fw       *firmware
	wire     *wire // nil while closed
	random   *rand.Rand
	noise    *noise
	persist  map[camlink.ConfigKey]int32
	boots    uint64
	overruns uint64 // of lines that were closed
}

// New returns a camera that is plugged in. What Options leave open gets its default.
func New(opts Options) *Device {
	d := &Device{opts: opts.withDefaults(), persist: map[camlink.ConfigKey]int32{}}
	switch {
	case opts.Source != nil:
		d.source = opts.Source
	case opts.Frames != nil:
		d.source = newStills(opts.Frames)
	default:
		d.source = NewCard(d.opts.Name)
	}
	seed := opts.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	d.random = rand.New(rand.NewPCG(seed, 0))
	d.noise = newNoise(d.opts, d.random)
	d.muted.Store(opts.Mute)
	return d
}

// Open returns the host's end of the line, whose rate is 115,200 baud. A device without power gets it and boots; one that was
// linked before stays so, at its rate, until its lease ends. It returns [ErrBusy], [ErrUnplugged] or the error of ctx.
func (d *Device) Open(ctx context.Context) (*Line, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open simulated camera: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.unplug:
		return nil, ErrUnplugged
	case d.line != nil:
		return nil, fmt.Errorf("open simulated camera: %w", ErrBusy)
	}
	now := time.Now()
	if d.fw == nil {
		d.boot(camlink.ResetPowerOn, now)
	}
	d.line = newLine(d)
	d.wire = newWire(d.line, &d.opts, d.noise, d.fw, now)
	go d.run(d.line)
	return d.line, nil
}

// Unplug pulls the cable: the device loses its power, and the line reports [io.EOF].
func (d *Device) Unplug() {
	d.mu.Lock()
	d.unplug = true
	d.fw = nil
	line := d.line
	d.mu.Unlock()
	if line == nil {
		return
	}
	line.end(io.EOF)
	<-line.done
	d.release(line)
}

// Plug puts the cable back in. The device boots when it is opened.
func (d *Device) Plug() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unplug = false
}

// Reboot restarts the device as a software reset would. The line stays, as that of a UART bridge does. It does
// nothing to a device without power.
func (d *Device) Reboot() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fw == nil {
		return
	}
	d.reboot(camlink.ResetSoftware)
	if d.line != nil {
		signal(d.line.wake)
	}
}

// Mute cuts the wire from the device, or mends it. The device goes on talking.
func (d *Device) Mute(mute bool) { d.muted.Store(mute) }

// Stats are counters and state of a device. All but Boots and Lost start at boot.
type Stats struct {
	Boots  uint64
	Linked bool // a host is linked
	Awake  bool // the sensor is
	Baud   int  // of the device's end; 0 on USB or without power

	NextFrame     uint32 // number of the next frame
	Captured      uint32 // = Sent + SkippedCredit + SkippedBusy + Errors + those on their way
	Sent          uint32 // frames whose last byte left
	SkippedCredit uint32 // captures replaced or thrown away for want of credit
	SkippedBusy   uint32 // captures replaced because the line was busy, and frames cut short
	Errors        uint32 // captures without a picture
	TxBytes       uint32
	RxErrors      uint32 // damaged packets from the host
	RxOverruns    uint32 // writes of the host that came too fast
	Lost          uint64 // bytes the host did not read in time
}

// Stats returns a snapshot.
func (d *Device) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Boots: d.boots, Lost: d.overruns}
	if d.line != nil {
		s.Lost += d.line.lost()
	}
	if d.fw == nil {
		return s
	}
	sensor := &d.fw.sensor
	s.Linked, s.Awake, s.Baud = d.fw.linked, sensor.awake, d.fw.rate
	s.NextFrame, s.Captured, s.Sent = sensor.nextFrame, sensor.captured, sensor.sent
	s.SkippedCredit, s.SkippedBusy, s.Errors = sensor.skippedCredit, sensor.skippedBusy, sensor.errors
	s.TxBytes, s.RxErrors, s.RxOverruns = d.fw.traffic.txBytes, d.fw.traffic.rxErrors, d.fw.traffic.rxOverruns
	return s
}

// boot starts the firmware.
func (d *Device) boot(reason camlink.ResetReason, now time.Time) {
	d.boots++
	d.fw = boot(&d.opts, d.source, d.persist, d.muted.Load, d.random.Uint32(), reason, now)
}

// reboot starts it again: what was on the wire is cut.
func (d *Device) reboot(reason camlink.ResetReason) {
	now := time.Now()
	d.boot(reason, now)
	if d.line != nil {
		d.wire = newWire(d.line, &d.opts, d.noise, d.fw, now)
	}
}

// release forgets a line that has ended.
func (d *Device) release(l *Line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.line == l {
		d.overruns += l.lost()
		d.line, d.wire = nil, nil
	}
}

// run is the device's life on one line.
func (d *Device) run(l *Line) {
	defer close(l.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.quit:
			d.turn(time.Now()) // a farewell may have arrived
			return
		case <-l.wake:
		case <-timer.C:
		}
		next := d.turn(time.Now())
		if next.IsZero() {
			timer.Stop()
			continue
		}
		timer.Reset(time.Until(next))
	}
}

// turn lets the device hear, decide and speak, and returns when it wants to be
// called again without a signal of the line: zero for never.
func (d *Device) turn(now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fw == nil {
		return time.Time{}
	}
	d.wire.hear(now)
	d.fw.tick(now)
	d.wire.send(now)
	if d.fw.reset.asked {
		mode := d.fw.reset.mode
		d.reboot(camlink.ResetSoftware)
		if mode == camlink.ResetDownload {
			d.fw.enterDownload()
		}
		d.wire.send(now)
	}
	return earliest(d.wire.next(), d.fw.next(now))
}
