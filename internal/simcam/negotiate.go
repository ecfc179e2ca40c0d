package simcam

import (
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// A trial is a rate that is being proven (protocol section 7). The zero trial is none.
type trial struct {
	token   uint32
	running bool      // switched, and not yet committed
	before  int       // the rate to return to
	ends    time.Time // when, without a commit; zero if not running
	kept    bool      // committed: a repeated commit of this token is answered again
}

func (fw *firmware) baudSet(p camlink.Packet, at time.Time) {
	m, err := camlink.ParseBaudSet(p.Payload)
	switch {
	case fw.bad(p, err):
		return
	case fw.opts.USB:
		fw.result(p, camlink.StatusUnsupported)
		return
	case m.Baud < minBaud || int64(m.Baud) > int64(fw.opts.MaxBaud) || m.ConfirmMillis == 0:
		fw.log(at, camlink.LevelWarning, "refused %d baud", m.Baud)
		fw.result(p, camlink.StatusInvalid)
		return
	}
	fw.resultThen(p, camlink.StatusOK, func(gone time.Time) {
		if !fw.linked { // the link ended while the answer was on the wire
			return
		}
		before := fw.rate
		if fw.trial.running {
			before = fw.trial.before
		}
		fw.trial = trial{
			token:   m.Token,
			running: true,
			before:  before,
			ends:    gone.Add(time.Duration(m.ConfirmMillis) * time.Millisecond),
		}
		fw.setRate(int(m.Baud))
	})
}

func (fw *firmware) baudProbe(p camlink.Packet) {
	m, err := camlink.ParseBaudProbe(p.Payload)
	if fw.bad(p, err) {
		return
	}
	if !fw.trial.running || m.Token != fw.trial.token || m.Count < 1 || m.Count > camlink.MaxProbeCount {
		fw.result(p, camlink.StatusInvalid)
		return
	}
	for i := range m.Count {
		pattern := camlink.BaudPattern{Token: m.Token, Index: m.First + i}
		fw.answer(camlink.TypeBaudPattern, p.Ref, func(dst []byte, _ time.Time) []byte { return pattern.Append(dst) })
	}
}

func (fw *firmware) baudCommit(p camlink.Packet, at time.Time) {
	m, err := camlink.ParseBaudCommit(p.Payload)
	if fw.bad(p, err) {
		return
	}
	if !fw.trial.running && !fw.trial.kept || m.Token != fw.trial.token {
		fw.result(p, camlink.StatusInvalid)
		return
	}
	if fw.trial.running {
		fw.trial = trial{token: m.Token, kept: true}
		fw.log(at, camlink.LevelInfo, "the line runs at %d baud", fw.rate)
	}
	fw.result(p, camlink.StatusOK)
}

// tickTrial gives up a rate that nobody confirmed.
func (fw *firmware) tickTrial(now time.Time) {
	if !fw.trial.running || now.Before(fw.trial.ends) {
		return
	}
	tried, before := fw.rate, fw.trial.before
	fw.trial = trial{}
	fw.outbox = nil // it was meant for the rate given up
	fw.setRate(before)
	fw.log(now, camlink.LevelWarning, "nobody confirmed %d baud; back at %d", tried, before)
}
