package camera

import (
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// fates are the frames of the last rateWindow that came through the line whole, and those that did not, by the second. A device that
// begins and drops ten thousand frames a second costs no more than one that sends ten.
type fates struct {
	seconds [rateWindow / time.Second]struct {
		at             int64 // Unix time
		whole, damaged int
	}
}

func (f *fates) add(now time.Time, whole bool) {
	second := &f.seconds[uint64(now.Unix())%uint64(len(f.seconds))]
	if second.at != now.Unix() {
		second.at, second.whole, second.damaged = now.Unix(), 0, 0
	}
	if whole {
		second.whole++
	} else {
		second.damaged++
	}
}

func (f *fates) sum(now time.Time) (whole, damaged int) {
	for _, s := range f.seconds {
		if age := now.Unix() - s.at; age >= 0 && age < int64(len(f.seconds)) {
			whole += s.whole
			damaged += s.damaged
		}
	}
	return whole, damaged
}

// A rate is given up when more than a quarter of the frames of the window
// were damaged: the next lower rate carries two thirds as much, so it then
// delivers more (docs/protocol.md, section 7).
const (
	rateWindow    = 10 * time.Second
	rateMinFrames = 8
)

// rateFails reports whether the committed rate damages too much.
func (s *session) rateFails(now time.Time) bool {
	if s.fixed || s.oneWay || s.opts.Baud != 0 || s.baud == camlink.BaseBaud {
		return false
	}
	whole, damaged := s.flow.window.sum(now)
	return whole+damaged >= rateMinFrames && damaged*4 > whole+damaged
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
