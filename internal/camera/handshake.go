package camera

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

const (
	knockTimeout = 250 * time.Millisecond // between two HELLO_REQs
	// At a rate from before the opening, which is 460,800 at least: a chunk takes 10 ms there.
	recallTimeout = 120 * time.Millisecond
	knockTries    = 4                       // at one rate, before the next is tried
	patience      = 2500 * time.Millisecond // before silence is called a fault

	// A reboot begins with as much text at another rate, at least.
	bootJunk = 16

	rebootingNow = "the device is rebooting"
)

// connect finds the device and agrees with it on a version and a rate. It
// returns when the device is linked, or with an error that ends the session.
func (s *session) connect() error {
	started := time.Now()
	s.lookForDevice(started)
	if err := s.recall(); err != nil || s.linked {
		return err
	}
	for turn := 0; ; turn++ {
		if err := s.tune(turn); err != nil {
			return err
		}
		valid := s.lastValid
		turnEnds := time.Now().Add(knockTries * knockTimeout)
		if err := s.knock(knockTimeout, knockTries); err != nil || s.linked {
			return err
		}
		s.explain(started, s.lastValid != valid)
		// A refusal comes at once, and would at once be asked for again.
		for time.Now().Before(turnEnds) {
			if err := s.pump(turnEnds); err != nil {
				return err
			}
		}
		if err := s.treatSilence(); err != nil {
			return err
		}
	}
}

// recall looks for a device that still keeps the rate agreed before the port was opened: its lease outlives a cable that was pulled
// and a daemon that was killed. It costs one knock, and more only where the rate proves right.
func (s *session) recall() error {
	if s.fixed || s.recalled {
		return nil
	}
	s.recalled = true
	rate := s.rateBefore()
	if rate == 0 || rate == camlink.BaseBaud {
		return nil
	}
	switch err := s.setBaud(rate); {
	case err != nil && isHangUp(err):
		return err
	case err != nil:
		return nil // the port is another one now; tune goes on from here
	}
	valid := s.lastValid
	err := s.knock(recallTimeout, 1)
	if err == nil && !s.linked && s.lastValid != valid {
		err = s.knock(knockTimeout, knockTries)
	}
	if s.linked {
		s.agreed = rate
		s.log.Info("the device has kept its line rate", "baud", rate)
	}
	return err
}

// rateBefore returns the rate that the device may have from before the port was opened; 0 if there is none.
func (s *session) rateBefore() int {
	if s.agreed != 0 {
		return s.agreed
	}
	if s.opts.Baud != 0 {
		return s.opts.Baud
	}
	if k, ok := s.port.(RateKeeper); ok && slices.Contains(camlink.Ladder(), k.RateBefore()) {
		return k.RateBefore()
	}
	return 0
}

// knock asks for a HELLO up to tries times and links if it comes.
func (s *session) knock(timeout time.Duration, tries int) error {
	s.heard, s.beacon, s.version = 0, false, false
	req := camlink.HelloReq{Min: camlink.Version, Max: camlink.Version, Nonce: rand.Uint32(), MaxPayload: camlink.MaxPayload}
	replies, err := s.request(camlink.TypeHelloReq, req.Append(nil), 1, timeout, tries)
	switch {
	case err == nil && !s.version && replies[0].Type == camlink.TypeHello:
		h, err := camlink.ParseHello(replies[0].Payload)
		if err != nil {
			return nil // too short for its type: it changes nothing
		}
		s.hello = h
		s.link()
	case err != nil && !errors.Is(err, errNoReply):
		return err
	case s.beacon && s.hello.Features&camlink.FeatureOneWay != 0:
		s.oneWay = true
		s.link()
	}
	return nil
}

func (s *session) lookForDevice(now time.Time) {
	switch {
	case now.Sub(s.bootText) < patience, s.reborn:
		s.setState(Connecting, CauseRebooting, rebootingNow)
	case s.junk >= bootJunk:
		// A boot ROM speaks at the base rate, whatever rate was agreed.
		s.setState(Connecting, CauseRebooting, "the device seems to be rebooting: it speaks at another rate")
	case s.state.State != Offline || !s.handshakeFault():
		s.setState(Connecting, CauseNoAnswer, "waiting for the device on "+s.opts.Port)
	}
	s.junk, s.reborn = 0, false
	s.share()
}

// handshakeFault reports whether the state was found by explain: opening the
// port anew is then no news.
func (s *session) handshakeFault() bool {
	switch s.state.Cause {
	case CauseVersion, CauseRebooting, CauseWrongBaud, CauseNoAnswer:
		return true
	}
	return false
}

// tune sets the rate of a turn of the search: the base rate, and in turn with it the one
// that the device may still have, because it was committed or is the operator's.
func (s *session) tune(turn int) error {
	if s.fixed {
		return nil
	}
	rates := []int{camlink.BaseBaud}
	for _, r := range []int{s.agreed, s.opts.Baud} {
		if r != 0 && r != camlink.BaseBaud {
			rates = append(rates, r)
			break
		}
	}
	err := s.setBaud(rates[turn%len(rates)])
	if err == nil || isHangUp(err) {
		return err
	}
	if turn == 0 {
		return err
	}
	s.log.Warn("the port cannot make this rate", "baud", rates[turn%len(rates)], "error", err)
	return s.setBaud(camlink.BaseBaud)
}

func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed)
}

// explain says why there is still no link, once that is worth saying.
func (s *session) explain(started time.Time, valid bool) {
	defer s.share()
	switch {
	case s.version:
		s.setState(Offline, CauseVersion, fmt.Sprintf(
			"the device speaks camlink %d to %d, this gateway %d; upgrade the older of the two",
			s.hello.ProtoMin, s.hello.ProtoMax, camlink.Version))
	case time.Since(started) < patience:
	case time.Since(s.bootText) < 2*patience:
		s.setState(Offline, CauseRebooting, "the device keeps rebooting; its boot text is in the log; check its power supply")
	case s.heard > 0 && !valid:
		s.setState(Offline, CauseWrongBaud, fmt.Sprintf(
			"bytes arrive on %s, but no camlink packet at %d baud; check the firmware and its base rate", s.opts.Port, s.baud))
	default:
		s.setState(Offline, CauseNoAnswer, fmt.Sprintf(
			"no answer on %s; check power, TX and RX, and that the camgw firmware is flashed", s.opts.Port))
	}
}

// treatSilence does what may help a device that does not answer, once that is known.
func (s *session) treatSilence() error {
	if s.state.State != Offline {
		return nil
	}
	switch s.state.Cause {
	case CauseNoAnswer, CauseWrongBaud:
		return s.treat(time.Now(), AilmentNoAnswer, s.state.Reason, RungLine, RungReopen)
	case CauseRebooting:
		return s.treat(time.Now(), AilmentNoAnswer, s.state.Reason) // one more reset is not what it lacks
	}
	return nil
}

// link takes up a device that has answered.
func (s *session) link() {
	h := s.hello
	s.linked = true
	s.stats.Links++
	rebooted := s.booted && h.BootID != s.bootID
	if rebooted {
		s.stats.Reboots[resetOf(h.ResetReason)]++
		s.stats.HaveDevice = false // its counts begin anew
	}
	s.bootID, s.booted = h.BootID, true
	s.greeted = time.Now()
	s.clk.reset()
	s.flow = flow{newest: h.NextFrame - 1}
	s.state.Device = newDevice(h)
	if h.Transport.USB() {
		s.state.Baud = 0 // whatever the terminal settings say
	}
	d := s.state.Device
	s.log.Info("device linked", "board", d.Board, "sensor", d.Sensor, "firmware", d.Firmware, "mac", d.MAC,
		"transport", d.Transport, "boot", fmt.Sprintf("%08x", h.BootID), "rebooted", rebooted, "reset", d.ResetReason)
	s.share()
}

// prepare gives a device that has answered the settings wanted of it, finds the best rate, and learns its settings. The settings come
// first: they are few bytes, and a climb may take seconds.
func (s *session) prepare() error {
	if s.oneWay {
		return nil
	}
	s.unsettled = s.unsettled || !s.given || s.settledBoot != s.bootID
	s.given, s.settledBoot = true, s.bootID
	if s.unsettled {
		if err := s.apply(); err != nil && !answerable(err) {
			return err
		}
	}
	if err := s.climb(); err != nil {
		return err
	}
	if err := s.learn(); err != nil && !answerable(err) {
		return err
	}
	return nil // pictures do not depend on settings; settle tries again
}
