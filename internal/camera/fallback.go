package camera

import (
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// frameFate is whether a frame came through the line whole.
type frameFate struct {
	at    time.Time
	whole bool
}

// A rate is given up when more than a quarter of the frames of the window
// were damaged: the next lower rate carries two thirds as much, so it then
// delivers more (docs/protocol.md, section 7).
const (
	rateWindow    = 10 * time.Second
	rateMinFrames = 8
)

func (s *session) fate(now time.Time, whole bool) {
	f := &s.flow
	f.window = append(f.window, frameFate{now, whole})
	old := 0
	for old < len(f.window) && now.Sub(f.window[old].at) > rateWindow {
		old++
	}
	f.window = append(f.window[:0], f.window[old:]...)
}

// rateFails reports whether the committed rate damages too much.
func (s *session) rateFails(now time.Time) bool {
	if s.fixed || s.oneWay || s.opts.Baud != 0 || s.baud == camlink.BaseBaud || len(s.flow.window) < rateMinFrames {
		return false
	}
	damaged := 0
	for _, f := range s.flow.window {
		if !f.whole {
			damaged++
		}
	}
	return damaged*4 > len(s.flow.window)
}

// stepDown sends the device back to the base rate, from where the next climb
// starts below the rate that failed.
func (s *session) stepDown(now time.Time) error {
	s.stats.BaudFallbacks++
	s.log.Warn("line rate given up: more than a quarter of the frames were damaged", "baud", s.baud)
	s.rates.giveUp(s.baud, now)
	s.agreed = 0
	bye := camlink.Credit{Limit: s.flow.newest, LeaseMillis: 0}
	if err := s.send(camlink.TypeCredit, s.newRef(), bye.Append(nil)); err != nil {
		return err
	}
	return errRateFailed
}
