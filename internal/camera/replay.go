package camera

import (
	"errors"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// Recording is implemented by a Port that plays back what a line once gave. The session then asks nothing and follows the
// recording's time and rate, so that the same recording has the same frames, counters and log every time.
type Recording interface {
	// Elapsed is the recording's time when the last Read returned.
	Elapsed() time.Duration
	// Rate is the rate that the line had then, 0 if it had none, and how often it had been set.
	Rate() (baud, changes int)
}

// now is the time that a session judges the line by.
func (s *session) now() time.Time {
	if s.tape != nil {
		return time.Unix(0, 0).Add(s.tape.Elapsed())
	}
	return time.Now()
}

// follow takes over the rate of a recording.
func (s *session) follow() {
	baud, changes := s.tape.Rate()
	if changes == s.changes {
		return
	}
	s.changes, s.baud, s.state.Baud = changes, baud, baud
	s.dec.Reset()
}

// replay is what connect, prepare and run are to a live line: packets go the same way, but links are found, not made.
func (s *session) replay() error {
	s.fixed = true
	s.lastByte, s.lastValid = s.now(), s.now()
	s.setState(Connecting, CauseNoAnswer, "waiting for the device on "+s.opts.Port)
	for {
		err := s.pump(time.Now().Add(readSlice))
		switch {
		case errors.Is(err, errLinkLost):
			s.unlink()
		case err != nil:
			return err
		case s.greeting:
			// Who recorded this asked for a HELLO, and so had no link any more.
			if s.linked {
				s.unlink()
			}
			s.oneWay = s.hello.Features&camlink.FeatureOneWay != 0
			s.link()
			s.setReach(oneWay)
		}
		s.greeting = false
		switch {
		case !s.linked:
		case s.now().Sub(s.lastValid) > s.lostAfter():
			s.lookForDevice(s.now())
		case s.opts.Hub.Viewers() > 0:
			s.setState(Streaming, CauseNone, "")
		default:
			s.setState(Idle, CauseNone, "")
		}
	}
}

// unlink ends the link of a recording.
func (s *session) unlink() {
	s.stats.LinksLost++
	s.asm.Reset()
	s.linked, s.oneWay = false, false
	s.setReach(unlinked)
	s.lookForDevice(s.now())
}

// greets notes a HELLO that begins a link: the first with this ref, or one of a device that is never asked.
func (s *session) greets(p camlink.Packet, h camlink.Hello) {
	asked := p.Flags&camlink.FlagResponse != 0 && p.Ref != s.greetRef
	asks := h.Features&camlink.FeatureOneWay != 0 && !s.linked
	if !s.version && (asked || asks) {
		s.greeting, s.greetRef = true, p.Ref
	}
}
