package linkmodel

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// A lie is what a host may do to a device: send something, true or not, or let time pass.
type lie struct {
	name string
	data []byte // at once
	wait int64  // microseconds, after that
}

const (
	tokenA = 0x0BADCAFE
	tokenB = 0x0000BEEF
)

// packetOf is a packet as a host sends it.
func packetOf(t camlink.Type, payload []byte) []byte {
	return camlink.AppendPacket(nil, camlink.Header{Type: t, Ref: uint16(t)}, payload)
}

func lies() []lie {
	var all []lie
	say := func(name string, data []byte) { all = append(all, lie{name, data, 1000}) }
	packet := func(name string, t camlink.Type, payload []byte) { say(name, packetOf(t, payload)) }
	credit := func(name string, limit uint32, interval, lease uint16) {
		packet("CREDIT "+name, camlink.TypeCredit, camlink.Credit{Limit: limit, MinIntervalMillis: interval, LeaseMillis: lease}.Append(nil))
	}
	set := func(baud, token uint32, confirm uint16) {
		packet(fmt.Sprintf("BAUD_SET %d %x %d", baud, token, confirm), camlink.TypeBaudSet,
			camlink.BaudSet{Baud: baud, Token: token, ConfirmMillis: confirm}.Append(nil))
	}
	probe := func(token uint32, first, count uint16) {
		packet(fmt.Sprintf("BAUD_PROBE %x %d %d", token, first, count), camlink.TypeBaudProbe,
			camlink.BaudProbe{Token: token, First: first, Count: count, Pattern: camlink.AppendProbePattern(nil)}.Append(nil))
	}
	for _, d := range []int64{1000, 31000, 150000, 710000, 1100000, 3100000} {
		all = append(all, lie{name: fmt.Sprintf("%v pass", time.Duration(d)*time.Microsecond), wait: d})
	}
	packet("HELLO_REQ", camlink.TypeHelloReq, camlink.HelloReq{Min: 1, Max: 1}.Append(nil))
	packet("HELLO_REQ of version 2", camlink.TypeHelloReq, camlink.HelloReq{Min: 2, Max: 2}.Append(nil))
	packet("HELLO_REQ cut short", camlink.TypeHelloReq, []byte{1, 1})
	credit("for two", 2, 0, 3000)
	credit("for all there will be", math.MaxInt32, 0, 3000)
	credit("for what was", math.MaxUint32, 0, 3000)
	credit("at a snail's pace", 100, math.MaxUint16, 3000)
	credit("for the longest lease", 100, 0, math.MaxUint16)
	credit("for a millisecond", 100, 0, 1)
	credit("good-bye", 0, 0, 0)
	packet("CREDIT cut short", camlink.TypeCredit, []byte{1, 2, 3})
	set(3000000, tokenA, 700)
	set(1000000, tokenB, 700)
	set(camlink.BaseBaud, tokenA, 700)
	set(3000000, tokenB, math.MaxUint16)
	set(3000000, tokenA, 1)
	set(3000000, tokenA, 0)
	set(0, tokenA, 700)
	set(math.MaxUint32, tokenA, 700)
	packet("BAUD_SET cut short", camlink.TypeBaudSet, make([]byte, 11))
	probe(tokenA, 0, 4)
	probe(tokenA, math.MaxUint16, 16)
	probe(tokenB, 0, 1)
	probe(tokenA, 0, 17)
	packet("BAUD_COMMIT A", camlink.TypeBaudCommit, camlink.BaudCommit{Token: tokenA}.Append(nil))
	packet("BAUD_COMMIT B", camlink.TypeBaudCommit, camlink.BaudCommit{Token: tokenB}.Append(nil))
	packet("CONFIG_SET of anything", camlink.TypeConfigSet, bytes.Repeat([]byte{2, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, 10))
	packet("CONFIG_SET that is odd", camlink.TypeConfigSet, make([]byte, 13))
	packet("LOG_LEVEL 255", camlink.TypeLogLevel, []byte{255, 0, 0, 0})
	packet("RESET without its magic", camlink.TypeReset, make([]byte, 8))
	packet("RESET", camlink.TypeReset, camlink.Reset{Mode: camlink.ResetReboot}.Append(nil))
	packet("a type that is not", 0x6F, make([]byte, 80))
	packet("the device's own HELLO", camlink.TypeHello, make([]byte, 48))
	say("nine requests at once", bytes.Repeat(packetOf(camlink.TypePing, make([]byte, 8)), 9))
	say("half a packet", packetOf(camlink.TypePing, make([]byte, 8))[:15])
	say("noise", bytes.Repeat([]byte{0xFF, 0xA7, 0x10}, 30))
	return all
}

// liar explores what a host can make of a device.
type liar struct {
	*explorer
	world *world
	lies  []lie
	rep   report
	seen  map[uint64]bool
	moves int
	said  []camlink.Packet // by the device, since the last forget
}

var liarScenario = &scenario{name: "liar", features: uint32(uart), lineMax: 3000000}

// boot begins anew.
func (l *liar) boot() {
	l.world = &world{scenario: liarScenario, tables: l.tables, step: l.step, finished: make(chan struct{})}
	l.world.dev = deviceMonitor{w: l.world, state: down}
	l.world.powered = true
	l.world.dev.booted()
	l.rep = report{}
	c := bootCommand{bootID: 1, features: liarScenario.features, periodUS: second, lineMax: liarScenario.lineMax}
	l.took(l.step.call('B', 0, c.payload()))
}

// took is one step of the device, seen by the monitor.
func (l *liar) took(r report) {
	w := l.world
	w.now = r.at
	before := l.rep
	l.rep, w.rep = r, r
	w.dev.stepped(before, r)
	for _, piece := range r.wrote {
		if piece.begins {
			w.part = nil
		}
		w.part = append(w.part, piece.data...)
		size := camlink.HeaderSize
		if len(w.part) < size {
			continue
		}
		if n := int(le.Uint16(w.part[6:])); n > 0 {
			size += n + 4
		}
		if len(w.part) >= size {
			p := parse(w.part)
			w.dev.says(p, piece)
			l.said = append(l.said, p)
			w.part = nil
		}
	}
}

// command is the batch of a lie; hear must follow. It may be sent before others are answered.
func (l *liar) command(at int64, x lie) {
	if x.data != nil {
		l.step.add('S', at, x.data)
	}
	l.step.add('J', at+x.wait, nil)
}

func (l *liar) hear(x lie) {
	if x.data != nil {
		l.delivers(x.data)
		l.took(l.step.answer())
	}
	for {
		r := l.step.answer()
		l.took(r)
		if r.done {
			return
		}
	}
}

// delivers tells the monitor of the packets in what is sent.
func (l *liar) delivers(b []byte) {
	for len(b) >= camlink.HeaderSize && b[2] == camlink.Version<<4 {
		size := camlink.HeaderSize
		if n := int(le.Uint16(b[6:])); n > 0 {
			size += n + 4
		}
		if len(b) < size {
			return
		}
		l.world.dev.delivered = append(l.world.dev.delivered, parse(b[:size:size]))
		b = b[size:]
	}
}

func (l *liar) do(x lie) {
	l.command(l.world.now, x)
	l.step.flush()
	l.hear(x)
}

// moment is where the monitor stood.
type moment struct {
	world world
	rep   report
}

func (l *liar) keep() moment {
	m := moment{*l.world, l.rep}
	m.world.dev.delivered = slices.Clip(m.world.dev.delivered)
	m.world.dev.sets = slices.Clip(m.world.dev.sets)
	m.world.part = slices.Clip(m.world.part)
	m.world.log = slices.Clip(m.world.log)
	return m
}

func (l *liar) back(m moment) {
	w := m.world
	l.world, l.rep = &w, m.rep
	w.dev.w = l.world
	l.said = l.said[:0]
}

// honest checks that whatever was done to it, the device is there for a host that keeps to the protocol.
func (l *liar) honest() {
	w := l.world
	if l.rep.resetAsked {
		return
	}
	pass := func(d int64) { l.do(lie{wait: d}) }
	heard := func(t camlink.Type, what func(camlink.Packet) bool) bool {
		return slices.ContainsFunc(l.said, func(p camlink.Packet) bool { return p.Type == t && what(p) })
	}
	any := func(camlink.Packet) bool { return true }
	// Silence unlinks it.
	pass(int64(l.rep.lease)*1000 + drainAtMost + 200000)
	if l.rep.resetAsked {
		return
	}
	if w.dev.state != beacon || l.rep.awake {
		w.fail("after a lease of silence the device is %s", w.dev.state)
	}
	l.said = l.said[:0]
	pass(beaconEvery + deviceMargin)
	if !heard(camlink.TypeHello, any) {
		w.fail("an unlinked device says no HELLO")
	}
	say := func(t camlink.Type, payload []byte, wait int64) {
		l.said = l.said[:0]
		l.do(lie{data: packetOf(t, payload), wait: wait})
	}
	// What is left of half a packet costs one try at most.
	for range 2 {
		say(camlink.TypeHelloReq, camlink.HelloReq{Min: 1, Max: 1}.Append(nil), 250000)
	}
	if !heard(camlink.TypeHello, func(p camlink.Packet) bool { return p.Flags&camlink.FlagResponse != 0 }) || w.dev.state != atBase {
		w.fail("HELLO_REQ is not answered; the device is %s", w.dev.state)
	}
	say(camlink.TypeCredit, camlink.Credit{Limit: l.rep.nextFrame, LeaseMillis: 3000}.Append(nil), 1400000)
	if !heard(camlink.TypeFrameBegin, any) {
		w.fail("no picture for a CREDIT")
	}
	say(camlink.TypeBaudSet, camlink.BaudSet{Baud: 2000000, Token: 77, ConfirmMillis: 700}.Append(nil), 300000)
	say(camlink.TypeBaudProbe, camlink.BaudProbe{Token: 77, Count: 16, Pattern: camlink.AppendProbePattern(nil)}.Append(nil), 200000)
	n := 0
	for _, p := range l.said {
		if p.Type == camlink.TypeBaudPattern {
			n++
		}
	}
	say(camlink.TypeBaudCommit, camlink.BaudCommit{Token: 77}.Append(nil), 20000)
	if n != proofs || w.dev.state != atFast || l.rep.line != 2000000 {
		w.fail("%d patterns; after a climb the device is %s at %d baud", n, w.dev.state, l.rep.line)
	}
}

// class is what makes a device worth another look.
type class struct {
	state                             state
	line, proven                      int
	credit, awake, busy, frame, waits bool
}

func (l *liar) class() class {
	r := l.rep
	return class{l.world.dev.state, r.line, r.proven, r.credit, r.awake, r.busy, r.frame, r.requests > 0}
}

// way is how a device was brought somewhere.
type way struct {
	lies  []int
	class class
}

// surely is how many lies in a row are tried in every combination; beyond that the search prefers what it has seen least of.
const surely = 2

// lie searches what a host can bring a device to, and looks at each place there whether an honest host still gets what it should.
// Of limit places every way on is tried.
func (e *explorer) lie(limit int) {
	l := &liar{explorer: e, lies: lies(), seen: map[uint64]bool{}}
	begin := time.Now()
	ways := []way{{}}
	looked := map[class]int{}
	depth, left := 0, 0
	for ; len(ways) > 0 && left < limit && len(e.failures) < 5; left++ {
		next := 0
		for i, w := range ways {
			if sure := len(w.lies) < surely; sure || looked[w.class] < looked[ways[next].class] {
				if next = i; sure {
					break
				}
			}
		}
		path := ways[next]
		ways = slices.Delete(ways, next, next+1)
		looked[path.class]++
		depth = max(depth, len(path.lies)+1)
		l.boot()
		for _, i := range path.lies {
			l.do(l.lies[i])
		}
		here := l.keep()
		l.step.add('K', 0, nil)
		for i, x := range l.lies {
			l.back(here)
			l.step.add('R', 0, nil)
			l.do(x)
			l.moves++
			if l.world.wrong == "" {
				if l.seen[l.rep.key] {
					continue
				}
				l.seen[l.rep.key] = true
				if !l.rep.resetAsked {
					ways = append(ways, way{append(slices.Clip(path.lies), i), l.class()})
				}
				l.honest()
			}
			if wrong := l.world.wrong; wrong != "" && e.failures[wrong] == 0 {
				e.failures[wrong]++
				e.Errorf("%s\n%s\n%s", l.name(append(slices.Clip(path.lies), i)), wrong, l.world.story())
			}
		}
		l.back(here)
		l.world.dev.off()
	}
	e.Logf("a lying host: %d states of the device in %d classes, %d of them left in all of %d ways, %d steps deep; %v",
		len(l.seen), len(looked), left, len(l.lies), depth, time.Since(begin).Round(time.Millisecond))
}

func (l *liar) name(path []int) string {
	var names []string
	for _, i := range path {
		names = append(names, l.lies[i].name)
	}
	return strings.Join(names, ", ")
}
