package linkmodel

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// The directions of the wire.
const (
	toDevice = 0 // to the device
	toHost   = 1
)

// delivery is bytes that arrive at one end.
type delivery struct {
	at     int64
	order  int
	data   []byte
	baud   int // they were sent at
	packet camlink.Packet
	whole  bool // data is packet, undamaged
	late   bool // held back until the next one has passed
}

// sent is a packet as it was given to the wire: a place for faults.
type sent struct {
	dir          int
	kind         camlink.Type
	nth          int   // of its kind
	host, device state // then
	at           int64
}

// world is one run: a device, a line with its faults, and the ends of the host's port. It has one goroutine, that of the host's
// session: time passes in there when the session waits.
type world struct {
	scenario *scenario
	faults   []fault
	step     *stepper
	tables   *tables
	began    time.Time

	now    int64 // microseconds; may be ahead of the host by what it waits
	order  int
	steps  int
	random uint32

	// The device.
	powered bool
	bootAt  int64
	boots   uint32
	rep     report
	dev     deviceMonitor

	// The wire.
	wires   [2][]delivery
	part    []byte // of the packet that the device is sending
	partOf  written
	upBusy  int64
	sent    []sent
	places  int      // of sent, before the last host had gone
	count   [256]int // by type
	damaged int      // frames' chunks, by the scenario

	// The host's end.
	rx         [][]byte // each is what one Read returns, so that what the session knows when it acts is known
	rxBytes    int
	baud       int
	muteUntil  int64
	stallUntil int64
	dead       bool // the host was killed
	host       hostMonitor
	cancel     func()

	// The verdict.
	last      int64 // disturbance
	disturbed string
	wellAt    int64 // when all was as it should be, for the last time that it came to be
	goodAt    int64 // since when all is as it should be; 0: it is not
	pictured  int64 // the last picture
	apartAt   int64 // since when the host believes in a link that is not; 0: it does not
	finished  chan struct{}
	over      bool
	wrong     string
	slowest   int64 // recovery
	log       []string
}

func newWorld(s *scenario, faults []fault, step *stepper, tables *tables) *world {
	w := &world{
		scenario: s, faults: faults, step: step, tables: tables, began: time.Now(),
		baud: camlink.BaseBaud, finished: make(chan struct{}), random: 1, dead: true,
	}
	w.dev.w, w.host.w = w, w
	w.host.state = closed
	w.dev.state = down
	w.boot()
	return w
}

// fail ends the run with what is wrong; the first fault is the one that counts.
func (w *world) fail(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = fmt.Sprintf("at %.3f s: ", float64(w.now)/1e6) + fmt.Sprintf(format, args...)
	}
	w.finish()
}

func (w *world) finish() {
	if !w.over {
		w.over = true
		close(w.finished)
	}
}

// note writes the run's story, which is told only of a run that failed.
func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%9.3f  ", float64(w.now)/1e3)+fmt.Sprintf(format, args...))
}

// disturb takes note of what the link has to recover from.
func (w *world) disturb(what string) {
	w.last, w.disturbed, w.goodAt = w.now, what, 0
}

// ---- time

func (w *world) clock() int64 { return time.Since(w.began).Microseconds() }

// next is when something happens.
func (w *world) next() int64 {
	at := w.bootAt
	if w.powered {
		at = w.rep.next
	}
	for _, wire := range w.wires {
		if len(wire) > 0 {
			at = min(at, wire[0].at)
		}
	}
	if e := w.scenario.script; len(e) > w.host.scripted {
		at = min(at, max(e[w.host.scripted].at, w.now))
	}
	return at
}

// until lets happen what happens before a time.
func (w *world) until(to int64) {
	for at := w.next(); at <= to; at = w.next() {
		w.happen(at)
	}
	w.now = max(w.now, to)
}

const maxSteps = 100000

func (w *world) happen(at int64) {
	w.now = max(w.now, at)
	if w.steps++; w.steps > maxSteps {
		w.fail("the device and the line do not come to rest")
		w.rep.next = 1 << 60
		w.wires = [2][]delivery{}
		return
	}
	switch {
	case len(w.scenario.script) > w.host.scripted && w.scenario.script[w.host.scripted].at <= w.now:
		e := w.scenario.script[w.host.scripted]
		w.host.scripted++
		w.inject(e.kind)
	case !w.powered && w.bootAt <= w.now:
		w.boot()
	case len(w.wires[toHost]) > 0 && w.wires[toHost][0].at <= w.now:
		w.arriveAtHost(w.take(toHost))
	case len(w.wires[toDevice]) > 0 && w.wires[toDevice][0].at <= w.now:
		w.arriveAtDevice(w.take(toDevice))
	default:
		w.stepDevice(nil)
	}
	w.judge()
}

func (w *world) take(dir int) delivery {
	d := w.wires[dir][0]
	w.wires[dir] = w.wires[dir][1:]
	return d
}

func (w *world) put(dir int, d delivery) {
	w.order++
	d.order = w.order
	wire := append(w.wires[dir], d)
	slices.SortStableFunc(wire, func(a, b delivery) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.order - b.order
	})
	w.wires[dir] = wire
}

// ---- the device

const bootTime = 300000

func (w *world) boot() {
	s := w.scenario
	w.boots++
	period := uint32(frameMillis * 1000)
	if s.blind && w.boots == 1 {
		period = 0
	}
	c := bootCommand{bootID: 0xB0070000 + w.boots, features: s.features, baudMax: s.deviceMax, periodUS: period, lineMax: s.lineMax}
	if s.usb {
		c.transport = 2
	}
	w.powered = true
	w.note("device boots")
	w.dev.booted()
	w.took(w.step.call('B', w.now, c.payload()), nil)
}

// powerOff is a reboot's first half: what was on the wire is cut.
func (w *world) powerOff() {
	if !w.powered {
		return
	}
	w.note("device reboots")
	w.powered, w.bootAt = false, w.now+bootTime
	w.part = nil
	w.dev.off()
}

func (w *world) stepDevice(data []byte) {
	if w.powered {
		w.took(w.step.call('S', w.now, data), data)
	}
}

func (w *world) took(r report, data []byte) {
	before := w.rep
	w.rep = r
	w.dev.stepped(before, r)
	for _, piece := range r.wrote {
		w.wrote(piece)
	}
	if r.resetAsked && w.powered {
		w.disturb("RESET")
		w.powerOff()
	}
}

// wrote puts the pieces of the device's packets together.
func (w *world) wrote(piece written) {
	if piece.begins && len(w.part) > 0 {
		// The packet before was given up: its end never comes.
		w.put(toHost, delivery{at: w.partOf.to, data: w.part, baud: w.partOf.baud})
		w.part = nil
	}
	if piece.begins {
		w.part = nil
	}
	w.part = append(w.part, piece.data...)
	w.partOf = piece
	if len(w.part) < camlink.HeaderSize {
		return
	}
	size := camlink.HeaderSize
	if n := int(le.Uint16(w.part[6:])); n > 0 {
		size += n + 4
	}
	if len(w.part) < size {
		return
	}
	data := w.part
	w.part = nil
	p := parse(data)
	w.dev.says(p, piece)
	d := delivery{at: piece.to, data: data, baud: piece.baud, packet: p, whole: true}
	if w.scenario.damage != nil && p.Type == camlink.TypeFrameChunk && w.scenario.damage(w, piece.baud) {
		w.note("chunk damaged")
		w.disturb("damage")
		d = bend(d)
	}
	w.send(toHost, d)
}

// parse views bytes that are known to be one good packet.
func parse(b []byte) camlink.Packet {
	p := camlink.Packet{Header: camlink.Header{
		Type: camlink.Type(b[3]), Flags: camlink.Flags(b[2] & 15), Seq: le.Uint16(b[4:]), Ref: le.Uint16(b[8:]),
	}}
	if len(b) > camlink.HeaderSize {
		p.Payload = b[camlink.HeaderSize : len(b)-4]
	}
	return p
}

func (w *world) arriveAtDevice(d delivery) {
	if !w.powered || w.now < w.muteUntil || w.scenario.oneWay {
		return
	}
	if d.baud != w.rep.line || w.garbles(d.baud) {
		d.data, d.whole = w.garbage(d, w.rep.line), false
	}
	if d.whole {
		w.dev.delivered = append(w.dev.delivered, d.packet)
	}
	w.stepDevice(d.data)
}

// ---- the wire

func (w *world) garbles(baud int) bool {
	return w.scenario.garbleAbove > 0 && baud > w.scenario.garbleAbove
}

// garbage is what a receiver at another rate makes of bytes.
func (w *world) garbage(d delivery, baud int) []byte {
	n := len(d.data)
	if d.baud > 0 && baud > 0 {
		n = n * baud / d.baud
	}
	b := make([]byte, min(max(n, 1), 200))
	for i := range b {
		w.random = w.random*1664525 + 1013904223
		b[i] = byte(w.random>>24) | 0x80
	}
	return b
}

// send gives a packet to the wire and lets the faults have it.
func (w *world) send(dir int, d delivery) {
	w.count[d.packet.Type]++
	nth := w.count[d.packet.Type]
	w.sent = append(w.sent, sent{dir, d.packet.Type, nth, w.host.state, w.dev.state, w.now})
	arrow := "->"
	if dir == toHost {
		arrow = "<-"
	}
	what := ""
	out := []delivery{d}
	for _, f := range w.faults {
		if f.packet != d.packet.Type || f.nth != nth {
			continue
		}
		what += "  *** " + f.kind.String()
		w.disturb(f.String())
		switch f.kind {
		case faultLost:
			out = nil
		case faultTwice:
			out = append(out, d)
		case faultLate:
			d.late = true
			d.at += lateAtMost
			out = []delivery{d}
		case faultBent:
			out = []delivery{bend(d)}
		case faultCut:
			c := d
			c.whole = false
			c.data = slices.Concat(d.data[:len(d.data)/2], d.data[len(d.data)/2+1:])
			out = []delivery{c}
		default:
			defer w.inject(f.kind)
		}
	}
	w.note("%s %s %d%s", arrow, d.packet.Type, nth, what)
	for _, o := range out {
		w.put(dir, o)
	}
	if len(out) > 0 && !out[0].late {
		// Whoever was held back follows now.
		for i, o := range w.wires[dir] {
			if o.late && o.at > d.at {
				o.late, o.at = false, d.at+1
				w.wires[dir] = slices.Delete(w.wires[dir], i, i+1)
				w.put(dir, o)
				break
			}
		}
	}
}

// bend flips a bit in the middle.
func bend(d delivery) delivery {
	d.whole = false
	d.data = slices.Clone(d.data)
	d.data[len(d.data)/2] ^= 0x10
	return d
}

func (w *world) inject(k faultKind) {
	w.note("*** %s", k)
	w.disturb(k.String())
	switch k {
	case faultReboot:
		w.powerOff()
	case faultMute:
		w.muteUntil = w.now + muteTime
		w.last = w.muteUntil
	case faultStall:
		w.stallUntil = w.now + stallTime
		w.last = w.stallUntil
	case faultKill:
		if !w.dead {
			w.dead = true
			w.flush()
			w.host.event(killed)
			w.cancel()
		}
	case faultQuit:
		if !w.dead {
			w.cancel()
		}
	}
}

func (w *world) arriveAtHost(d delivery) {
	if w.dead || w.now < w.muteUntil {
		return
	}
	if d.baud != w.baud && !w.scenario.usb || w.garbles(d.baud) {
		d.data = w.garbage(d, w.baud)
	}
	if w.rxBytes < 64<<10 {
		w.rx = append(w.rx, d.data)
		w.rxBytes += len(d.data)
	}
}

// flush forgets what the host has not read.
func (w *world) flush() { w.rx, w.rxBytes = nil, 0 }

// story is what happened, newest last.
func (w *world) story() string {
	from := max(len(w.log)-120, 0)
	return strings.Join(w.log[from:], "\n")
}
