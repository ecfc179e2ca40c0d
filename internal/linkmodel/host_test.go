package linkmodel

import (
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// hostMonitor holds what the host does to its port against its table and against the promises of the protocol. It decodes what
// the session reads by itself, with the same decoder, so that it knows what the session knows.
type hostMonitor struct {
	w        *world
	state    state
	since    int64 // in this state
	scripted int   // events of the scenario that have happened

	dec       *camlink.Decoder
	lastByte  time.Time
	quiet     bool
	lastValid int64

	ref      uint16
	asked    camlink.Type // by the request under way
	tries    int
	answered bool
	lastSent int64
	knocked  int64 // the last HELLO_REQ

	newest   uint32 // frame known to have begun
	token    uint32
	confirm  int64
	switched int64
	patterns map[uint16]bool
}

func (m *hostMonitor) open() {
	*m = hostMonitor{w: m.w, state: m.state, since: m.since, scripted: m.scripted, dec: camlink.NewDecoder(), quiet: true, lastByte: time.Now()}
	m.event(doOpen)
}

// event takes the transition of the table. The host's table knows for every event where it leads.
func (m *hostMonitor) event(e event) {
	w := m.w
	ends := w.tables.host[m.state][e]
	if e == killed && len(ends) == 0 {
		m.state, m.since = closed, w.now // no state is too short for that
		return
	}
	if len(ends) != 1 {
		w.fail("the host's table has nothing for %q in state %q", e, m.state)
		return
	}
	w.tables.hostTaken[move{m.state, e, ends[0]}]++
	if m.state != ends[0] {
		w.note("   host %s", ends[0])
		m.state, m.since = ends[0], w.now
	}
}

// patience is how long the host may stay in a state, in microseconds: what it waits for comes or is given up.
var patience = map[state]int64{
	opened: 100000, tuned: 100000, tunedFast: 100000, greeted: 100000, agreed: 100000, returned: 100000, lostLink: 100000, parted: 300000,
	setting: 750000, proposing: 750000, committing: 2000000, checking: 750000, learning: 750000, proving: 2500000, failing: 2000000,
}

const (
	lostWithin  = 1400000 // a host that hears nothing knows that the link is lost
	apartAtMost = 1600000 // the ends may think differently of the link
)

// keeps checks what must hold at every moment.
func (m *hostMonitor) keeps() {
	w := m.w
	since := max(m.since, w.stallUntil)
	if limit := patience[m.state]; limit > 0 && w.now-since > limit {
		w.fail("the host has been %s for %d ms", m.state, (w.now-since)/1000)
	}
	if heard := max(m.lastValid, m.since, w.stallUntil); m.state == running && w.now-heard > lostWithin {
		w.fail("the host has heard nothing for %d ms and believes in the link", (w.now-heard)/1000)
	}
}

// tuned takes in a change of the rate.
func (m *hostMonitor) retuned(rate int, ok bool) {
	w := m.w
	m.answered = true // nobody waits for an answer any more
	if !ok {
		m.event(rateFails)
		return
	}
	switch m.state {
	case agreed, proposing:
		m.switched = w.now
		m.patterns = map[uint16]bool{}
	case proving, committing, failing:
		if m.switched != 0 && w.now-m.switched < m.confirm {
			w.fail("the host returned %d ms after the switch: the device may wait %d", (w.now-m.switched)/1000, m.confirm/1000)
		}
		m.switched = 0
	}
	w.baud = rate
	w.note("   host at %d baud", rate)
	if rate == camlink.BaseBaud {
		m.event(doBase)
	} else {
		m.event(doFast)
	}
}

const (
	maxPacket    = 96
	fastRate     = 1500000
	fastSpacing  = 1000
	creditWindow = 2
	proofs       = 16
	knockSpacing = 100000
)

// sends looks at a packet the session writes.
func (m *hostMonitor) sends(data []byte) camlink.Packet {
	w := m.w
	p := parse(data)
	if len(data) > maxPacket {
		w.fail("%s of %d bytes", p.Type, len(data))
	}
	if w.baud > fastRate && w.now-m.lastSent < fastSpacing {
		w.fail("%s %d us after the packet before", p.Type, w.now-m.lastSent)
	}
	m.lastSent = w.now
	m.request(p)
	switch p.Type {
	case camlink.TypeHelloReq:
		if w.now-m.knocked < knockSpacing && m.knocked != 0 {
			w.fail("HELLO_REQ %d ms after the one before", (w.now-m.knocked)/1000)
		}
		m.knocked = w.now
		m.event(sHelloReq)
	case camlink.TypeConfigSet:
		m.event(sConfigSet)
	case camlink.TypeConfigGet:
		m.event(sConfigGet)
	case camlink.TypeBaudSet:
		set, err := camlink.ParseBaudSet(p.Payload)
		if err != nil {
			w.fail("BAUD_SET: %v", err)
		}
		m.token, m.confirm, m.switched = set.Token, int64(set.ConfirmMillis)*1000, 0
		m.event(sBaudSet)
	case camlink.TypeBaudProbe:
		m.event(sProbe)
	case camlink.TypeBaudCommit:
		if len(m.patterns) != proofs {
			w.fail("the host commits a rate after %d of %d patterns", len(m.patterns), proofs)
		}
		m.event(sCommit)
	case camlink.TypePing:
		m.event(sPing)
	case camlink.TypeCredit:
		m.grants(p)
	case camlink.TypeStatsReq:
		m.event(sStatsReq)
	case camlink.TypeReset:
		m.event(sReset)
	default:
		w.fail("the host sends %s, which the model does not have", p.Type)
	}
	return p
}

// request counts how often a request was sent.
func (m *hostMonitor) request(p camlink.Packet) {
	most := 3
	switch p.Type {
	case camlink.TypeHelloReq:
		most = 4
	case camlink.TypeCredit, camlink.TypeStatsReq:
		most = 1
	case camlink.TypeBaudProbe:
		most = 1
	}
	if m.state == running && p.Type == camlink.TypePing {
		most = 1
	}
	if p.Ref == 0 {
		m.w.fail("%s with ref 0", p.Type)
	}
	if p.Ref == m.ref && p.Type == m.asked {
		if m.tries++; m.tries > most {
			m.w.fail("%s sent %d times with ref %d", p.Type, m.tries, p.Ref)
		}
		return
	}
	if p.Ref == m.ref {
		m.w.fail("%s has the ref of a %s, %d", p.Type, m.asked, p.Ref)
	}
	m.ref, m.asked, m.tries, m.answered = p.Ref, p.Type, 1, false
}

func (m *hostMonitor) grants(p camlink.Packet) {
	w := m.w
	c, err := camlink.ParseCredit(p.Payload)
	if err != nil {
		w.fail("CREDIT: %v", err)
	}
	ahead := int32(c.Limit - m.newest)
	switch {
	case c.LeaseMillis == 0:
		m.event(sBye)
		return
	case ahead < 0 || ahead > creditWindow:
		w.fail("CREDIT up to %d, where frame %d is the newest", c.Limit, m.newest)
	case ahead > 0 && !w.scenario.watched(w.now-watchMargin, w.now):
		w.fail("CREDIT for %d frames, and nobody watches", ahead)
	}
	m.event(sCredit)
}

// reads takes in what a Read of the session returned.
func (m *hostMonitor) reads(b []byte, timedOut bool) {
	now := time.Now()
	if len(b) > 0 {
		m.lastByte, m.quiet = now, false
	} else if timedOut && !m.quiet && now.Sub(m.lastByte) >= camlink.SilenceMillis*time.Millisecond {
		m.dec.Silence()
		m.quiet = true
	}
	asked := m.state
	for {
		n := copy(m.dec.Room(), b)
		m.dec.Fed(n)
		b = b[n:]
		for {
			ev, ok := m.dec.Next()
			if !ok {
				break
			}
			if ev.Kind == camlink.EventPacket {
				m.hears(ev.Packet, asked)
			}
		}
		if len(b) == 0 {
			return
		}
	}
}

// hears takes in a packet; before is the state when the Read that brought it began: the session acts only after all that a Read brought.
func (m *hostMonitor) hears(p camlink.Packet, before state) {
	m.lastValid = m.w.now
	switch p.Type {
	case camlink.TypeHello:
		h, err := camlink.ParseHello(p.Payload)
		if err != nil {
			return
		}
		if p.Flags&camlink.FlagResponse == 0 {
			if h.Features&camlink.FeatureOneWay != 0 {
				m.event(gOneWay)
			} else if !isAsking(before) || isAsking(m.state) {
				m.event(gUnasked)
			}
			return
		}
		if isAsking(before) {
			m.newest = h.NextFrame - 1
		}
	case camlink.TypePong:
		if pong, err := camlink.ParsePong(p.Payload); err == nil {
			m.began(pong.NextFrame - 1)
		}
	case camlink.TypeFrameBegin:
		if b, err := camlink.ParseFrameBegin(p.Payload); err == nil && m.linkedState() {
			m.began(b.Number)
		}
	case camlink.TypeBaudPattern:
		if b, err := camlink.ParseBaudPattern(p.Payload); err == nil && b.Token == m.token && m.patterns != nil {
			m.patterns[b.Index] = true
		}
		return
	}
	if p.Flags&camlink.FlagResponse == 0 || p.Ref != m.ref || m.answered || m.state == running {
		return
	}
	m.answered = true
	if m.asked == camlink.TypeHelloReq {
		m.knocked = 0
	}
	switch m.asked {
	case camlink.TypeBaudProbe:
	case camlink.TypeBaudSet, camlink.TypeBaudCommit:
		if r, err := camlink.ParseResult(p.Payload); err == nil && r.Status == camlink.StatusOK {
			m.event(gAnswer)
		} else {
			m.event(gRefusal)
		}
	default:
		if p.Type == camlink.TypeResult {
			m.event(gRefusal)
		} else {
			m.event(gAnswer)
		}
	}
}

func (m *hostMonitor) linkedState() bool {
	return m.state != closed && m.state != opened && m.state != tuned && m.state != tunedFast && !isAsking(m.state)
}

func isAsking(s state) bool { return s == asking || s == askingFast }

func (m *hostMonitor) began(number uint32) {
	if int32(number-m.newest) > 0 {
		m.newest = number
	}
}
