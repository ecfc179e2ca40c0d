package camera

import (
	"fmt"
	"math"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// flow is the credit side of a link.
type flow struct {
	newest   uint32 // number of the newest frame the device is known to have begun
	granted  uint32 // the limit of the last CREDIT
	sent     time.Time
	interval uint16 // the least interval it asked for, milliseconds
	wanted   bool   // the last CREDIT was for somebody who wants pictures
	begun    time.Time
	extend   bool      // a frame has begun since the last CREDIT
	progress time.Time // of the frames: the last begin or chunk, or the wish for the first

	pings    int
	lastPing time.Time

	lastStats time.Time
	window    fates // to judge the rate by
}

const (
	// creditWindow keeps the line busy while a CREDIT is under way.
	creditWindow  = 2
	creditRepeat  = time.Second
	leaseMillis   = 3000
	quickPings    = 10
	quickPingGap  = 20 * time.Millisecond
	pingInterval  = time.Second
	uneasy        = 300 * time.Millisecond // without a valid packet: PING now
	lostAfter     = time.Second            // without a valid packet: the link is lost
	oneWayLost    = 3 * time.Second
	statsInterval = 5 * time.Second
	silentAfter   = 5 * time.Second // wanted pictures that do not come
)

// run keeps a link going until it is lost, the port fails or ctx ends.
func (s *session) run() error {
	s.lastValid = time.Now()
	s.flow.progress = s.lastValid
	s.settled = time.Time{}
	s.running = true
	if s.oneWay {
		s.setReach(oneWay)
	} else {
		s.setReach(linked)
	}
	for {
		now := time.Now()
		if err := s.tend(now); err != nil {
			return err
		}
		if s.rateFails(now) {
			return s.stepDown(now)
		}
		if err := s.settle(now); err != nil {
			return err
		}
		if err := s.serveRequest(); err != nil {
			return err
		}
		if err := s.pump(now.Add(flowSlice)); err != nil {
			return err
		}
	}
}

// tend does what a link needs all the time, also while a request waits for its answer.
func (s *session) tend(now time.Time) error {
	if now.Sub(s.lastValid) > s.lostAfter() {
		return errLinkLost
	}
	demand := s.opts.Hub.Viewers() > 0
	if err := s.judge(now, demand); err != nil {
		return err
	}
	if err := s.grant(now, demand, false); err != nil {
		return err
	}
	return s.keepAlive(now)
}

// lostAfter is how long a link may be without a valid packet.
func (s *session) lostAfter() time.Duration {
	if s.oneWay {
		return oneWayLost
	}
	return lostAfter
}

// judge keeps State up to date, and does what may help when pictures do not come.
func (s *session) judge(now time.Time, demand bool) error {
	switch {
	case !demand && !s.oneWay:
		s.flow.progress = now
		s.setState(Idle, CauseNone, "")
	case s.window() == 0 && !s.oneWay:
		s.flow.progress = now // it is we who hold it back
		s.setState(Streaming, CauseNone, "")
	case now.Sub(s.flow.progress) > silentAfter+s.pace():
		s.setState(Streaming, CauseSilent, fmt.Sprintf(
			"the device is linked but has sent no picture for %d s; check the sensor and its ribbon cable",
			int(now.Sub(s.flow.progress)/time.Second)/5*5))
		if s.oneWay {
			return s.treat(now, AilmentSilent, s.state.Reason, RungLine, RungReopen)
		}
		return s.treat(now, AilmentSilent, s.state.Reason, RungReset, RungLine, RungReopen)
	default:
		s.setState(Streaming, CauseNone, "")
	}
	if now.Sub(s.greeted) > briefLink {
		s.fine(now)
	}
	return nil
}

// pace is the time between two pictures that viewers and settings ask for, whichever is longest.
func (s *session) pace() time.Duration {
	pace := time.Duration(s.flow.interval) * time.Millisecond
	has := func(i *ConfigItem) bool { return i != nil && i.Flags&camlink.ConfigUnsupported == 0 && i.Value > 0 }
	if i := s.item(camlink.KeyMinIntervalMS); has(i) {
		pace = max(pace, time.Duration(min(i.Value, math.MaxUint16))*time.Millisecond)
	}
	if i := s.item(camlink.KeyTargetFPS); has(i) {
		pace = max(pace, 10*time.Second/time.Duration(i.Value))
	}
	return pace
}

// grant sends CREDIT when there is something new to say, or it is time to
// say it again.
func (s *session) grant(now time.Time, demand, fresh bool) error {
	if s.oneWay || s.hello.Features&camlink.FeatureCredit == 0 {
		return nil
	}
	f := &s.flow
	limit := f.newest
	var interval uint16
	if demand {
		limit += s.window()
		interval = s.interval()
	}
	if !fresh && demand == f.wanted && limit == f.granted && interval == f.interval && now.Sub(f.sent) < creditRepeat {
		return nil
	}
	if demand && !f.wanted {
		f.progress = now
	}
	f.granted, f.interval, f.wanted, f.sent = limit, interval, demand, now
	credit := camlink.Credit{Limit: limit, MinIntervalMillis: interval, LeaseMillis: leaseMillis}
	return s.send(camlink.TypeCredit, s.newRef(), credit.Append(nil))
}

// window is how many frames beyond the newest one begun the device may send: fewer than creditWindow when viewers who
// want every frame have as many waiting as they bear. A frame on the wire has not been published yet.
func (s *session) window() uint32 {
	room := s.opts.Hub.Allowance()
	if s.asm.InProgress() {
		room--
	}
	return uint32(min(max(room, 0), creditWindow))
}

// interval is the least time between two frames, in milliseconds, at which nobody gets fewer than he wants.
func (s *session) interval() uint16 {
	rate := s.opts.Hub.Rate()
	if rate == 0 {
		return 0
	}
	return uint16(min(1000/rate, math.MaxUint16))
}

// keepAlive sends PING and STATS_REQ when they are due.
func (s *session) keepAlive(now time.Time) error {
	if s.oneWay {
		return nil
	}
	f := &s.flow
	gap := pingInterval
	switch {
	case f.pings < quickPings:
		gap = quickPingGap
	case now.Sub(s.lastValid) > uneasy:
		gap = uneasy
	}
	if now.Sub(f.lastPing) >= gap {
		f.pings++
		f.lastPing = now
		if err := s.send(camlink.TypePing, s.newRef(), s.ping()); err != nil {
			return err
		}
	}
	if now.Sub(f.lastStats) >= statsInterval {
		f.lastStats = now
		return s.send(camlink.TypeStatsReq, s.newRef(), nil)
	}
	return nil
}

// ping returns the payload of a PING sent now.
func (s *session) ping() []byte {
	return camlink.Ping{HostNanos: uint64(time.Since(s.epoch))}.Append(nil)
}

func (s *session) gotPong(now time.Time, p camlink.Pong) {
	s.began(p.NextFrame - 1)
	if s.tape != nil {
		return // the answer to another's PING
	}
	// The best sample counts until 32 others have come: one that cannot be must not be among them.
	s.clk.add(time.Duration(p.HostNanos), now.Sub(s.epoch),
		time.Duration(p.DeviceRxUS)*time.Microsecond, time.Duration(p.DeviceTxUS)*time.Microsecond)
	if best, ok := s.clk.best(); ok {
		s.stats.RoundTrip = best.roundTrip.Seconds()
	}
}

// began notes the newest frame the device is known to have begun.
func (s *session) began(number uint32) {
	if int32(number-s.flow.newest) > 0 {
		s.flow.newest = number
	}
}

// gotFramePart feeds the assembler, and publishes what is whole.
func (s *session) gotFramePart(now time.Time, p camlink.Packet) {
	s.flow.progress = now
	before := s.asm.Counters()
	frame, whole := s.asm.Add(p)
	after := s.asm.Counters()
	for range after.Rejected[camlink.ReasonIncomplete] - before.Rejected[camlink.ReasonIncomplete] {
		s.flow.window.add(now, false)
	}
	if p.Type == camlink.TypeFrameBegin {
		if b, err := camlink.ParseFrameBegin(p.Payload); err == nil {
			s.flow.begun = now
			s.stats.DeviceSkipped += uint64(b.Skipped)
			s.began(b.Number)
			s.flow.extend = true
		}
	}
	if whole {
		s.flow.window.add(now, true)
		s.publish(now, frame)
	}
}

// extendCredit answers the frames that have begun since the last read: once, however many they are, for each CREDIT takes time on the
// line to the device.
func (s *session) extendCredit(now time.Time) error {
	if !s.flow.extend {
		return nil
	}
	s.flow.extend = false
	if !s.linked || !s.flow.wanted {
		return nil
	}
	return s.grant(now, s.opts.Hub.Viewers() > 0, true)
}

// publish checks what is inside a whole frame and hands it to the viewers.
func (s *session) publish(now time.Time, f camlink.Frame) {
	info, err := walkJPEG(f.Data)
	if err != nil {
		s.stats.Rejected[RejectedBadJPEG]++
		s.log.Debug("bad JPEG", "frame", f.Number, "bytes", len(f.Data), "error", err)
		return
	}
	if info.size < len(f.Data) {
		s.stats.Repaired++
	}
	frame := s.takeFrame(f.Data, info.size)
	frame.Number = f.Number
	frame.Captured = s.captured(now, f)
	frame.Received = now
	if s.tape != nil {
		// To viewers it is as new as any: the recording's time is for the counters.
		frame.Received = time.Now()
		frame.Captured = frame.Received
	}
	frame.Width, frame.Height, frame.Quality = info.width, info.height, int(f.Quality)

	s.state.Width, s.state.Height = info.width, info.height
	s.movedQuality(int(f.Quality))
	s.stats.Published++
	s.stats.FrameSize.Observe(float64(info.size))
	s.stats.FrameTransfer.Observe(now.Sub(s.flow.begun).Seconds())
	if !s.lastPublished.IsZero() {
		s.stats.FrameInterval.Observe(now.Sub(s.lastPublished).Seconds())
	}
	s.lastPublished = now
	if s.opts.Published != nil {
		s.opts.Published(frame)
	}
	s.opts.Hub.Publish(frame)
}

// captured maps the device's capture time to the host's clock. Without a
// sample it can only tell how long the picture had waited on the device.
func (s *session) captured(now time.Time, f camlink.Frame) time.Time {
	at := s.flow.begun.Add(-time.Duration(f.TxUS-f.CaptureUS) * time.Microsecond)
	if best, ok := s.clk.best(); ok {
		at = s.epoch.Add(time.Duration(f.CaptureUS)*time.Microsecond - best.offset)
	}
	if at.After(now) || now.Sub(at) > time.Hour {
		return now
	}
	return at
}
