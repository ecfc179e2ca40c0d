package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// session judges what one viewer is given over one connection: by what the camera took, and by what others were given of
// the same.
type session struct {
	run    *run
	who    string
	device *device
	manners
	repeats bool   // a picture may come again while there is none newer
	life    uint16 // of the daemon

	begun       bool
	first, last uint64 // the camera's sequences
	hub         uint64 // the daemon's
	got         set
	fresh       int
	at          time.Time // when the newest came
}

func (r *run) newSession(who string, d *device, m manners, repeats bool, life uint16) *session {
	return &session{run: r, who: who, device: d, manners: m, repeats: repeats, life: life, at: time.Now()}
}

// take judges one picture. fresh: it is the camera's, and one the viewer has not had.
func (s *session) take(p shown) (age time.Duration, fresh bool) {
	if p.sequence == 0 && s.repeats {
		if !isPicture(p.jpeg) {
			s.run.fail(WrongPicture, "%s was given %d bytes as a picture of the daemon's own, which are no JPEG", s.who, len(p.jpeg))
		}
		return 0, false
	}
	sequence, age, ours := s.device.ledger.examine(p.jpeg)
	switch {
	case !ours:
		s.run.fail(WrongPicture, "%s was given %d bytes as picture %d of camera %s, which never took them: %s (file wrong.jpg)",
			s.who, len(p.jpeg), p.sequence, s.device.id, s.device.ledger.camera.Differences(p.jpeg))
		_ = os.WriteFile(filepath.Join(s.run.dir, "wrong.jpg"), p.jpeg, 0o644) // of use, and no more
		return 0, false
	case !s.begun:
		s.begun, s.first = true, sequence
	case sequence == s.last && p.sequence == s.hub && s.repeats:
		return age, false
	case sequence <= s.last || p.sequence <= s.hub:
		s.run.fail(Order, "%s was given picture %d of camera %s (its number %d) after picture %d (its number %d)",
			s.who, p.sequence, s.device.id, sequence, s.hub, s.last)
		return 0, false
	case s.mode == "all" && s.fps == 0 && p.sequence != s.hub+1:
		s.run.fail(Gap, "%s wants all pictures of camera %s and was given %d after %d", s.who, s.device.id, p.sequence, s.hub)
	}
	s.last, s.hub, s.at = sequence, p.sequence, time.Now()
	s.fresh++
	s.got.add(sequence)
	s.device.ledger.saw(sequence, s.life, s.mode == "lockstep")
	return age, true
}

// end judges the connection as a whole.
func (s *session) end() {
	if !s.begun {
		return
	}
	switch {
	case s.mode == "all" && s.fps == 0:
		if q, missed := s.device.ledger.missed(s.first, s.last, s.life, false, &s.got); missed {
			s.run.fail(Gap, "%s wants all pictures of camera %s, had %d to %d, and not %d, which others had", s.who, s.device.id, s.first, s.last, q)
		}
	case s.mode == "lockstep":
		if q, missed := s.device.ledger.missed(s.first, s.last, s.life, true, &s.got); missed {
			s.run.fail(Lockstep, "%s of camera %s had %d to %d, and not %d, which others of its group had", s.who, s.device.id, s.first, s.last, q)
		}
	}
}

// senseless reports an error that is the daemon's, and tells whether it was one.
func (s *session) senseless(err error) bool {
	n, ok := errors.AsType[*nonsense](err)
	if ok {
		s.run.fail(WrongPicture, "%s was told no sense: %v", s.who, n)
	}
	return ok
}

func (m manners) String() string {
	s := m.mode
	if m.fps > 0 {
		s += fmt.Sprintf(", %d fps", m.fps)
	}
	if m.window > 0 {
		s += fmt.Sprintf(", window %d", m.window)
	}
	if m.dawdle > 0 {
		s += ", slow"
	}
	return s
}
