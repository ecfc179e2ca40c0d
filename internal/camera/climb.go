package camera

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// rateMemory is what a session has learnt about the rates of its line.
type rateMemory struct {
	ceiling  int // no rate at or above it until ceilingEnd; 0: none
	until    time.Time
	failures map[int]int // per rate, proofs that failed
}

// A rate that failed twice, or that was given up, is left alone for so long.
const rateGrudge = time.Hour

func (m *rateMemory) failed(rate int) {
	if m.failures == nil {
		m.failures = make(map[int]int)
	}
	m.failures[rate]++
}

// giveUp bars a rate that damaged too much, and those above it.
func (m *rateMemory) giveUp(rate int, now time.Time) {
	m.ceiling, m.until = rate, now.Add(rateGrudge)
}

// candidates lists the rates to try, best first.
func (m *rateMemory) candidates(forced, deviceMax int, now time.Time) []int {
	if forced != 0 {
		if forced == camlink.BaseBaud {
			return nil
		}
		return []int{forced}
	}
	if now.After(m.until) {
		m.ceiling = 0
	}
	rates := camlink.Ladder()
	return slices.DeleteFunc(rates, func(r int) bool {
		return deviceMax != 0 && r > deviceMax || m.ceiling != 0 && r >= m.ceiling || m.failures[r] >= 2
	})
}

// climb moves a UART from the base rate to the best one that both ends prove.
func (s *session) climb() error {
	if s.fixed || s.hello.Transport != camlink.TransportUART ||
		s.hello.Features&camlink.FeatureBaud == 0 || s.baud != camlink.BaseBaud {
		return nil
	}
	for _, rate := range s.rates.candidates(s.opts.Baud, int(s.hello.BaudMax), time.Now()) {
		proven, err := s.try(rate)
		if err != nil {
			return err
		}
		if proven {
			s.agreed = rate
			s.log.Info("line rate agreed", "baud", rate)
			return nil
		}
		s.rates.failed(rate)
		s.log.Info("line rate failed its test", "baud", rate)
	}
	if s.opts.Baud != camlink.BaseBaud {
		s.log.Warn("no faster rate passed its test; pictures will be slow", "baud", s.baud)
	}
	return nil
}

const (
	probes           = 4
	patternsPerProbe = 4
	patternPacket    = camlink.HeaderSize + 1032 + 4
	confirmBase      = 600 * time.Millisecond
	probeBase        = 250 * time.Millisecond
)

// lineTime is how long n bytes take at a rate, 8N1.
func lineTime(n, rate int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(rate)
}

// try proves one rate as docs/protocol.md section 7 says. It returns an error
// only when the link or the port is lost; after a rate that failed both ends
// are back at the base rate.
func (s *session) try(rate int) (bool, error) {
	token := rand.Uint32()
	confirm := confirmBase + 2*lineTime(probes*patternsPerProbe*patternPacket, rate)
	set := camlink.BaudSet{Baud: uint32(rate), Token: token, ConfirmMillis: uint16(confirm / time.Millisecond)}
	status, err := s.result(camlink.TypeBaudSet, set.Append(nil), requestTimeout, requestTries)
	switch {
	case errors.Is(err, errNoReply):
		// The answer may be what got lost: the device may well have switched.
	case err != nil:
		return false, err
	case status != camlink.StatusOK:
		return false, nil
	}

	switched := time.Now()
	proven := false
	err = s.setBaud(rate)
	switch {
	case err == nil:
		proven, err = s.prove(rate, token)
		if err != nil {
			return false, err
		}
	case isHangUp(err):
		return false, err
	default:
		s.log.Info("the port cannot make this rate", "baud", rate, "error", err)
	}
	if proven {
		return true, nil
	}

	back := switched.Add(confirm + confirm/8)
	for time.Now().Before(back) {
		if err := s.pump(back); err != nil {
			return false, err
		}
	}
	if err := s.setBaud(camlink.BaseBaud); err != nil {
		return false, err
	}
	if _, err := s.request(camlink.TypePing, s.ping(), 1, requestTimeout, requestTries); err != nil {
		if errors.Is(err, errNoReply) {
			err = errLinkLost
		}
		return false, err
	}
	return false, nil
}

// prove exchanges the patterns and commits the rate if all arrive.
func (s *session) prove(rate int, token uint32) (bool, error) {
	wait := probeBase + 2*lineTime(patternsPerProbe*patternPacket, rate)
	for i := range probes {
		probe := camlink.BaudProbe{Token: token, First: uint16(i * patternsPerProbe), Count: patternsPerProbe,
			Pattern: camlink.AppendProbePattern(nil)}
		replies, err := s.request(camlink.TypeBaudProbe, probe.Append(nil), patternsPerProbe, wait, 1)
		if errors.Is(err, errNoReply) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for j, r := range replies {
			p, err := camlink.ParseBaudPattern(r.Payload)
			if r.Type != camlink.TypeBaudPattern || err != nil || p.Token != token || int(p.Index) != i*patternsPerProbe+j {
				return false, nil
			}
		}
	}
	commit := camlink.BaudCommit{Token: token}
	status, err := s.result(camlink.TypeBaudCommit, commit.Append(nil), requestTimeout, requestTries)
	if errors.Is(err, errNoReply) {
		return false, nil
	}
	return err == nil && status == camlink.StatusOK, err
}
