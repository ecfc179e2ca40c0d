package camera

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// Rung is a step of the recovery ladder, from gentle to rough. The list is closed.
type Rung int

// The rungs.
const (
	RungReset  Rung = iota // RESET: the firmware starts anew
	RungLine               // a pulse on the line's RTS, which resets boards that are wired for it
	RungReopen             // the port is closed and opened again
	RungHook               // the operator's program
	NumRungs
)

func (r Rung) String() string { return [...]string{"reset", "line", "reopen", "hook"}[r] }

// Ailment is what a camera is to be recovered from. The list is closed.
type Ailment int

// The ailments.
const (
	AilmentSilent   Ailment = iota // linked, but the pictures that are wanted do not come
	AilmentUnsteady                // links are lost again within seconds
	AilmentNoAnswer                // the port is open and nobody answers
	AilmentNoPort                  // the port cannot be opened
	NumAilments
)

func (a Ailment) String() string { return [...]string{"silent", "unsteady", "no_answer", "no_port"}[a] }

// Recovery is a step that was taken.
type Recovery struct {
	At      time.Time
	Step    Rung
	Why     Ailment
	Attempt int    // 1 is the first since the camera was well
	Reason  string // in words
	OK      bool   // the camera has been well for half a minute since
}

// LineResetter is implemented by a Port that can reset the board by its modem lines. The error is
// [errors.ErrUnsupported] where this line cannot.
type LineResetter interface {
	ResetLine() error
}

const (
	// How long a camera must be well before what was done for it is forgotten.
	wellFor = 30 * time.Second
	// A link that is lost sooner was no good, and so many of them in a row are an ailment.
	briefLink  = 10 * time.Second
	briefLinks = 5
	briefRest  = 250 * time.Millisecond // more before each next link in a row

	// The wait before the first step; a port that is gone was most likely unplugged by somebody.
	firstStep       = 5 * time.Second
	firstStepNoPort = 30 * time.Second
	// The wait after it doubles with every step.
	nextStep = 10 * time.Second
	maxStep  = 5 * time.Minute
)

// ladder decides when which step is taken. What is well is never touched: each ailment must last, and each step has
// time to work.
type ladder struct {
	next  Rung      // to begin looking at
	tries int       // since the camera was well
	due   time.Time // not before
	well  time.Time // since when, without a break; zero: it is not
	brief int       // links in a row that were lost too soon

	what  Ailment // the last one
	known bool    // there is a last one, and it has not been interrupted
}

// opened says that a port was opened: what ails from now on begins now.
func (l *ladder) opened() { l.known = false }

// fine says that nothing ails. It reports whether that has been so for long enough.
func (l *ladder) fine(now time.Time) bool {
	if l.well.IsZero() {
		l.well = now
	}
	if now.Sub(l.well) < wellFor {
		return false
	}
	*l = ladder{well: l.well}
	return true
}

// ails says what ails, and returns the step to take now, of those that can be taken.
func (l *ladder) ails(now time.Time, a Ailment, can func(Rung) bool) (Rung, bool) {
	first := firstStep
	if a == AilmentNoPort {
		first = firstStepNoPort
	}
	if !l.well.IsZero() || !l.known || l.what != a {
		// However early the step after the last one was due: this may heal by itself.
		if due := now.Add(jitter(first)); due.After(l.due) {
			l.due = due
		}
		l.well, l.what, l.known = time.Time{}, a, true
	}
	if now.Before(l.due) {
		return 0, false
	}
	for i := range NumRungs {
		r := (l.next + i) % NumRungs
		if can(r) {
			l.took(now, r)
			return r, true
		}
	}
	l.due = now.Add(jitter(nextStep))
	return 0, false
}

func (l *ladder) took(now time.Time, r Rung) {
	wait := min(nextStep<<min(l.tries, 10), maxStep)
	l.tries++
	l.next = (r + 1) % NumRungs
	l.due = now.Add(jitter(wait))
}

// jitter returns d, more or less by a fifth: cameras that fell ill together, as behind a hub, are not treated in step.
func jitter(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5) }

var errReopen = errors.New("the port is opened again to recover the camera") // ends a session

// treat takes a step of the ladder if one is due. An error ends the session or tells that the port failed.
func (s *session) treat(now time.Time, a Ailment, reason string, rungs ...Rung) error {
	able := [NumRungs]bool{RungHook: s.hookFree()}
	for _, r := range rungs {
		able[r] = true
	}
	line, ok := s.port.(LineResetter)
	able[RungLine] = able[RungLine] && ok && !s.lineless
	can := func(r Rung) bool { return able[r] }
	step, due := s.ladder.ails(now, a, can)
	if due && step == RungLine {
		err := line.ResetLine()
		if errors.Is(err, errors.ErrUnsupported) {
			s.lineless, able[RungLine] = true, false
			s.ladder.tries--
			s.ladder.due = now
			step, due = s.ladder.ails(now, a, can)
		} else if err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	s.stepped(step, a, reason)
	switch step {
	case RungReset:
		reset := camlink.Reset{Mode: camlink.ResetReboot}
		_, err := s.result(camlink.TypeReset, reset.Append(nil), requestTimeout, requestTries)
		if errors.Is(err, errNoReply) {
			return nil // the next step is for that
		}
		return err
	case RungReopen:
		s.farewell()
		if a == AilmentNoAnswer {
			return errNoDevice
		}
		return errReopen
	}
	return nil
}

// treatUnopened is treat for a port that is not open: the hook alone can help.
func (c *Camera) treatUnopened(now time.Time) {
	free := c.hookFree()
	if step, due := c.ladder.ails(now, AilmentNoPort, func(r Rung) bool { return r == RungHook && free }); due {
		c.stepped(step, AilmentNoPort, c.state.Reason)
	}
}

// fine says that nothing ails.
func (c *Camera) fine(now time.Time) {
	if last := c.state.Recovery; c.ladder.fine(now) && last != nil && !last.OK {
		done := *last // that one is shared
		done.OK = true
		c.state.Recovery = &done
		c.log.Info("the camera has recovered", "step", done.Step.String(), "attempt", done.Attempt)
	}
}

// stepped accounts for a step, and starts the hook if it is that.
func (c *Camera) stepped(r Rung, a Ailment, reason string) {
	c.stats.Recoveries[r][a]++
	done := Recovery{At: time.Now(), Step: r, Why: a, Attempt: c.ladder.tries, Reason: reason}
	c.state.Recovery = &done
	c.log.Warn("recovering the camera", "step", r.String(), "why", a.String(), "attempt", done.Attempt, "reason", reason)
	if r == RungHook {
		c.startHook(done)
	}
}

// hookFree reports whether there is a hook and it is not running.
func (c *Camera) hookFree() bool {
	select {
	case err := <-c.hookEnded:
		c.hookBusy = false
		if err != nil {
			c.stats.HookFailures++
			c.log.Error("the recovery hook failed", "error", err)
		}
	default:
	}
	return !c.hookBusy && c.hook.Load() != nil
}

// startHook runs the hook beside everything else: it may well take the power from the port.
func (c *Camera) startHook(r Recovery) {
	hook := c.hook.Load()
	if hook == nil {
		return // it was taken away just now
	}
	c.hookBusy = true
	go func() { c.hookEnded <- (*hook)(c.hookCtx, r) }()
}

// awaitHook returns when no hook is running any more.
func (c *Camera) awaitHook(cancel context.CancelFunc) {
	cancel()
	if c.hookBusy {
		<-c.hookEnded
	}
}
