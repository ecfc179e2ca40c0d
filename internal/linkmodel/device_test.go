package linkmodel

import (
	"slices"

	"github.com/camgw/camgw/internal/camlink"
)

// What the device may take for what, in microseconds, beyond what the protocol says.
const (
	firstLease   = 3000000
	restAfter    = 1000000
	beaconEvery  = 500000
	drainAtMost  = 1000000 // a line that does not drain holds up nothing for longer
	deviceMargin = 50000
)

// deviceMonitor holds what the device does against its table and against the promises of the protocol. What the device has
// heard it works out anew, from the packets that reached it whole.
type deviceMonitor struct {
	w     *world
	state state

	delivered []camlink.Packet // whole, and not seen to be accepted yet

	linked  bool
	heardAt int64
	lease   int64
	credit  bool
	limit   uint32

	sets    []camlink.BaudSet // heard in this link, and to be taken
	trialAt int64
	least   int64 // that the trial may take, by the BAUD_SETs that it can be of
	most    int64

	dryAt   int64 // awake without credit since; 0: it is not
	helloAt int64 // the last HELLO nobody asked for, or the beginning of the beacon
	waitAt  int64 // requests wait since; 0: none do
	frame   uint32
	granted uint32 // the newest frame that was decided upon while the credit reached to it; its packet may wait for the line

	proven int // the rate that was committed, or the base rate
}

func (m *deviceMonitor) booted() {
	*m = deviceMonitor{w: m.w, state: down, helloAt: m.w.now, proven: m.w.base()}
}

func (m *deviceMonitor) off() {
	m.move([]event{tPower}, tPower, down)
	*m = deviceMonitor{w: m.w, state: down}
}

// deviceState maps what the core says of itself to a state of the model; false: to none.
func deviceState(r report, base int) (state, bool) {
	switch {
	case r.link == 1 && !r.trial && !r.trialDue && !r.credit && r.target == base && r.proven == base:
		if r.now == base {
			return beacon, true
		}
		return parting, true
	case r.link == 2 && r.trial && r.trialDue:
	case r.link == 2 && r.trial:
		return onTrial, r.target == r.now
	case r.link == 2 && r.trialDue:
		return switching, true
	case r.link == 2 && r.target != r.now:
		return returning, r.target == r.proven
	case r.link == 2 && r.now == base:
		return atBase, r.proven == base
	case r.link == 2:
		return atFast, r.proven == r.now
	case r.link == 3:
		return free, r.now == base
	}
	return "", false
}

func (w *world) base() int {
	if w.scenario.usb {
		return 0
	}
	return camlink.BaseBaud
}

// stepped takes in one step of the core.
func (m *deviceMonitor) stepped(before, r report) {
	w := m.w
	var events []event
	if m.state == down {
		events = append(events, tPower)
	} else {
		for range r.heard - before.heard {
			if len(m.delivered) == 0 {
				w.fail("the device accepted a packet that never reached it")
				return
			}
			if p := m.delivered[0]; p.Type >= camlink.TypeHelloReq { // those below are a device's own, and ignored
				events = append(events, m.hears(p))
			}
			m.delivered = m.delivered[1:]
		}
		if before.now != r.now {
			m.delivered = nil // what came at the old rate is forgotten
		}
	}
	to, known := deviceState(r, w.base())
	if !known {
		w.fail("the device is in a state that the model does not have: %+v", r)
		return
	}
	if m.state != down && r.nextFrame != before.nextFrame && m.credit && int32(m.limit-before.nextFrame) >= 0 {
		m.granted = before.nextFrame
	}
	maybe := tLine
	if m.linked && w.now >= m.heardAt+m.lease {
		m.unlink()
		events = append(events, tLease)
	} else if m.state == onTrial && w.now >= m.trialAt+m.least {
		if maybe = tTrial; w.now >= m.trialAt+m.most {
			events = append(events, tTrial)
		}
	}
	if m.linked != (r.link == 2) {
		w.fail("device %s: after %v the link should be %v", to, events, m.linked)
		return
	}
	if m.state == onTrial && slices.Contains(events, hCommit) && r.proven == before.now {
		m.proven = r.proven
	}
	if !m.linked {
		m.proven = w.base()
	}
	if r.proven != m.proven {
		w.fail("the device would return to %d baud, and %d was proven last", r.proven, m.proven)
	}
	from := m.state
	m.move(events, maybe, to)
	if to == onTrial && from != onTrial {
		m.trialAt, m.least, m.most = w.now, 1<<40, 0
		for _, set := range m.sets {
			if int(set.Baud) == r.now {
				m.least = min(m.least, int64(set.ConfirmMillis)*1000)
				m.most = max(m.most, int64(set.ConfirmMillis)*1000)
			}
		}
	}
	m.keeps(r)
}

// hears does what a packet does to what the device owes.
func (m *deviceMonitor) hears(p camlink.Packet) event {
	m.heardAt = m.w.now
	switch p.Type {
	case camlink.TypeHelloReq:
		req, err := camlink.ParseHelloReq(p.Payload)
		if err != nil || req.Min > camlink.Version || req.Max < camlink.Version {
			return hForeign
		}
		m.linked, m.credit, m.lease = true, false, firstLease
		return hHelloReq
	case camlink.TypeCredit:
		c, err := camlink.ParseCredit(p.Payload)
		switch {
		case err != nil:
			return hRequest
		case c.LeaseMillis == 0:
			m.unlink()
			return hBye
		case m.linked:
			m.credit, m.limit, m.lease = true, c.Limit, int64(c.LeaseMillis)*1000
		}
		return hCredit
	case camlink.TypeBaudSet:
		if set, err := camlink.ParseBaudSet(p.Payload); err == nil && m.linked && set.ConfirmMillis > 0 {
			m.sets = append(m.sets, set)
		}
		return hBaudSet
	case camlink.TypeBaudCommit:
		return hCommit
	}
	return hRequest
}

func (m *deviceMonitor) unlink() { m.linked, m.credit, m.sets = false, false, nil }

// move takes a transition, if the table has it: the events one after the other, then perhaps another, and then whatever the line
// lets happen.
func (m *deviceMonitor) move(events []event, maybe event, to state) {
	w := m.w
	rows := w.tables.device
	from := m.state
	m.state = to
	if to != from {
		w.note("      device %s", to)
	}
	if to == beacon && from != beacon {
		m.helloAt = w.now
	}
	possible := []state{from}
	for _, e := range events {
		possible = rows.from(possible, e)
	}
	if len(events) == 0 {
		if from == to {
			return
		}
		events = []event{maybe}
	}
	possible = append(possible, rows.from(possible, maybe)...)
	if len(events) == 1 && slices.Contains(rows[from][events[0]], to) {
		w.tables.deviceTaken[move{from, events[0], to}]++
		return
	}
	for range 3 {
		if slices.Contains(possible, to) {
			return
		}
		possible = append(possible, rows.from(possible, tLine)...)
	}
	w.fail("the device's table has no way from %s by %v to %s", from, events, to)
}

// keeps checks what must hold at every moment.
func (m *deviceMonitor) keeps(r report) {
	w := m.w
	if m.state == onTrial && w.now > m.trialAt+m.most+deviceMargin {
		w.fail("the rate is still on trial %d ms after the switch, which had %d", (w.now-m.trialAt)/1000, m.most/1000)
	}
	fed := m.state == free || m.credit && int32(m.limit-r.nextFrame) >= 0
	switch {
	case !r.awake || fed:
		m.dryAt = 0
	case m.state == beacon || m.state == parting:
		w.fail("the sensor is awake without a link")
	case m.dryAt == 0:
		m.dryAt = w.now
	case w.now-m.dryAt > restAfter+deviceMargin:
		w.fail("the sensor is awake, and has been without credit for %d ms", (w.now-m.dryAt)/1000)
	}
	switch {
	case r.requests == 0:
		m.waitAt = 0
	case m.waitAt == 0:
		m.waitAt = w.now
	case w.now-m.waitAt > drainAtMost+200000:
		w.fail("%d requests have waited for an answer for %d ms", r.requests, (w.now-m.waitAt)/1000)
	}
	if m.state == beacon && w.now-m.helloAt > beaconEvery+deviceMargin {
		w.fail("no HELLO for %d ms", (w.now-m.helloAt)/1000)
	}
}

// says looks at a packet that the device has given to the line whole.
func (m *deviceMonitor) says(p camlink.Packet, piece written) {
	w := m.w
	switch p.Type {
	case camlink.TypeHello:
		if p.Flags&camlink.FlagResponse == 0 {
			m.helloAt = w.now
			if piece.baud != w.base() {
				w.fail("HELLO beaconed at %d baud", piece.baud)
			}
		}
	case camlink.TypeFrameBegin:
		b, err := camlink.ParseFrameBegin(p.Payload)
		switch {
		case err != nil:
			w.fail("FRAME_BEGIN: %v", err)
		case b.Number != m.frame+1:
			w.fail("frame %d follows %d", b.Number, m.frame)
		case m.state != free && int32(m.granted-b.Number) < 0:
			w.fail("frame %d was sent beyond the credit (%v, up to %d)", b.Number, m.credit, m.limit)
		}
		m.frame = b.Number
	}
	if p.Type >= camlink.TypeFrameBegin && p.Type <= camlink.TypeFrameChunk && (m.state == onTrial || m.state == switching) {
		w.fail("%s on a line that is being proven", p.Type)
	}
}
