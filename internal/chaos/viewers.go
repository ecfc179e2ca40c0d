package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// steadyViewers watch as long as the run lasts. Those of the steady camera are what "untouched" is judged by; the others see
// each camera come back.
func (r *run) steadyViewers() (all []*steady) {
	add := func(d *device, socket bool, m manners) {
		kind := "stream"
		if socket {
			kind = "WebSocket"
		}
		all = append(all, &steady{run: r, who: fmt.Sprintf("the steady viewer of %s (%s, %v)", d.id, kind, m), device: d, socket: socket, manners: m})
	}
	for _, d := range r.devices {
		add(d, false, manners{mode: "latest"})
		if d.steady {
			add(d, false, manners{mode: "all"})
			add(d, false, manners{mode: "lockstep"})
			add(d, true, manners{mode: "all"})
		}
	}
	return all
}

// steady is a viewer that stays, and comes again at once if it cannot.
type steady struct {
	run    *run
	who    string
	device *device
	socket bool
	manners
}

// patience is how long a viewer that reads without rest is content with nothing: a stream repeats its picture each second.
const patience = 20 * time.Second

func (v *steady) watch(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		err := v.once(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case v.run.excused(v.device, begun):
		case v.device.steady:
			v.run.cutOff(Untouched, "%s was cut off: %v", v.who, err)
		case v.run.narrow.covers(begun, time.Now()):
		default:
			v.run.cutOff(Dropped, "%s was cut off: %v", v.who, err)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func (v *steady) once(ctx context.Context) error {
	source, life, err := v.run.open(ctx, v.device, v.socket, v.manners)
	if err != nil {
		return err
	}
	defer source.close()
	v.run.watching.Add(1)
	defer v.run.watching.Add(-1)
	s := v.run.newSession(v.who, v.device, v.manners, !v.socket, life)
	defer s.end()
	for {
		before := s.at
		p, err := source.next(patience)
		if err != nil {
			if ctx.Err() == nil {
				s.senseless(err)
			}
			return err
		}
		if age, fresh := s.take(p); fresh && v.device.steady {
			v.run.judgeSteady(v.who, before, age)
		}
	}
}

// What is promised to viewers of a camera that nothing happens to. It has pictures every 100 ms.
const (
	steadyGap = 1500 * time.Millisecond
	steadyAge = 1500 * time.Millisecond
)

// judgeSteady judges a picture that came now, after one that came before.
func (r *run) judgeSteady(who string, before time.Time, age time.Duration) {
	now := time.Now()
	from := min(before.UnixNano(), now.Add(-age).UnixNano())
	if r.hampered.covers(time.Unix(0, from), now) {
		return
	}
	stalled := 2 * r.stalls.since(time.Unix(0, from))
	if gap := now.Sub(before); gap > steadyGap+stalled {
		r.fail(Untouched, "%s had no picture for %v", who, gap.Round(time.Millisecond))
	}
	if age > steadyAge+stalled {
		r.fail(Untouched, "%s was given a picture that was %v old", who, age.Round(time.Millisecond))
	}
	r.ages.add(age)
}

// excused tells whether a viewer that came at a time may have been cut off: the daemon has been away since, or the camera
// was taken out of the configuration.
func (r *run) excused(d *device, since time.Time) bool {
	now := time.Now()
	return r.hampered.covers(since, now) || d == r.guest && r.guestAway.covers(since, now)
}

// cutOff fails for a viewer that was cut off, unless the daemon has ended: that is another matter, and told by [run.guard].
func (r *run) cutOff(p Promise, format string, args ...any) {
	told := time.NewTimer(time.Second)
	defer told.Stop()
	select {
	case <-r.down:
	case <-told.C:
		r.fail(p, format, args...)
	}
}

// open opens a viewer's connection, and tells which life of the daemon it is to.
func (r *run) open(ctx context.Context, d *device, overSocket bool, m manners) (source, uint16, error) {
	for {
		life := r.life.Load()
		var s source
		var err error
		if overSocket {
			var o *socket
			if o, err = openSocket(ctx, r.daemon.address, d.id, m); err == nil {
				s = o
			}
		} else {
			var o *mjpeg
			if o, err = openMJPEG(ctx, r.daemon.address, d.id, m); err == nil {
				s = o
			}
		}
		if err != nil {
			return nil, 0, err
		}
		if uint32(uint16(life)) == r.life.Load() {
			return s, uint16(life), nil
		}
		s.close() // it may be to the one or to the other
	}
}

// churn is one place that passing viewers take, one after the other.
func (r *run) churn(ctx context.Context, n int) {
	c := chance(r.Seed, "viewer", n)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		inside, left, err := r.gate.enter(ctx)
		if err != nil {
			return
		}
		r.pass(inside, c, n, client)
		left()
		pause(ctx, time.Duration(c.IntN(300))*time.Millisecond)
	}
}

// pass is one passing viewer.
func (r *run) pass(ctx context.Context, c *rand.Rand, n int, client *http.Client) {
	d := r.passed[c.IntN(len(r.passed))]
	m := manners{mode: []string{"latest", "lockstep", "all"}[c.IntN(3)]}
	if c.IntN(4) == 0 {
		m.fps = 1 + c.IntN(15)
	}
	kind, slow, abrupt := c.IntN(20), c.IntN(6) == 0, c.IntN(4) == 0
	stay := time.Duration(200+c.IntN(6000)) * time.Millisecond
	if slow = slow && !r.brisk; slow {
		m.dawdle, m.receive = time.Duration(50+c.IntN(400))*time.Millisecond, 8<<10
	}
	begun := time.Now()
	if kind < 3 {
		r.passSnapshot(ctx, client, d, n)
		return
	}
	socket := kind < 8
	if socket && c.IntN(2) == 0 {
		m.window = 1 + c.IntN(4)
	}
	source, life, err := r.open(ctx, d, socket, m)
	if err != nil {
		r.judgeRefusal(d, begun, err)
		return
	}
	r.passers.Add(1)
	s := r.newSession(fmt.Sprintf("viewer %d (%v)", n, m), d, m, !socket, life)
	defer s.end()
	for ctx.Err() == nil && time.Since(begun) < stay {
		p, err := source.next(patience)
		if err != nil {
			source.close()
			if ctx.Err() != nil || s.senseless(err) {
				return
			}
			// Others may be too slow for what they asked, if this machine is.
			if m.mode == "latest" && !slow && !r.excused(d, begun) {
				r.cutOff(Dropped, "%s of camera %s was cut off: %v", s.who, d.id, err)
			}
			return
		}
		s.take(p)
		if m.dawdle > 0 {
			pause(ctx, m.dawdle)
		}
	}
	if abrupt {
		source.reset()
	} else {
		source.close()
	}
}

func (r *run) passSnapshot(ctx context.Context, client *http.Client, d *device, n int) {
	life, begun := r.life.Load(), time.Now()
	p, err := snapshot(ctx, client, r.daemon.address, d.id)
	if err != nil {
		if ctx.Err() == nil {
			r.judgeRefusal(d, begun, err)
		}
		return
	}
	if life != r.life.Load() {
		return
	}
	s := r.newSession(fmt.Sprintf("snapshot of viewer %d", n), d, manners{mode: "latest"}, false, uint16(life))
	s.take(p)
	r.passers.Add(1)
}

// judgeRefusal judges why a viewer could not come in: a camera that is away, or was taken out, is a reason; so is a daemon
// that is away or has no descriptor left.
func (r *run) judgeRefusal(d *device, since time.Time, err error) {
	if refused, ok := errors.AsType[*refusal](err); ok {
		switch refused.status {
		case http.StatusServiceUnavailable: // no picture in time, or too many viewers
			return
		case http.StatusNotFound:
			if d != r.guest {
				r.fail(Dropped, "camera %s is not found", d.id)
			}
			return
		}
		r.fail(Dropped, "a viewer of camera %s was answered: %v", d.id, err)
		return
	}
	if ended, ok := errors.AsType[*nonsense](err); ok {
		r.fail(WrongPicture, "a viewer of camera %s was told no sense: %v", d.id, ended)
		return
	}
	if !r.hampered.covers(since, time.Now()) && !r.narrow.covers(since, time.Now()) && r.stalls.since(since) < time.Second {
		r.refusals.Add(1)
	}
}

// pause waits, but no longer than ctx lasts.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
