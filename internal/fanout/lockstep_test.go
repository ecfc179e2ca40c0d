package fanout

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestLockstepIsRuledOnce: a frame that a capped group was denied is not given to somebody who joins it late, just because his
// own cap would bear it: the others would not have seen what he sees.
func TestLockstepIsRuledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(nil)
		member, late := newSink(), newSink()
		member.got, late.got = make(chan string, 9), make(chan string, 9)
		a := hub.Attach(Terms{Mode: Lockstep, Patience: time.Second, Interval: 200 * time.Millisecond}, member)
		synctest.Wait()
		hub.Publish(frameOf("given"))
		synctest.Wait()
		// He is counted before the next frame is published, and the pump hears of him after it has dealt with that.
		terms := Terms{Mode: Lockstep, Patience: time.Second, Interval: 400 * time.Millisecond}
		b := &Viewer{hub: hub, terms: terms, sink: late, member: -1, since: time.Now()}
		b.tally, b.joined, _ = hub.join(terms)
		b.settled, b.fillAt = b.joined, b.since.Add(terms.repeat())
		time.Sleep(120 * time.Millisecond) // too early for 200 ms, and in time for a quarter less than 400
		hub.Publish(frameOf("denied"))
		synctest.Wait()
		hub.pump.post(b)
		synctest.Wait()
		time.Sleep(400 * time.Millisecond)
		hub.Publish(frameOf("given again"))
		synctest.Wait()
		for _, s := range []struct {
			name string
			got  chan string
			want []string
		}{{"member", member.got, []string{"given", "given again"}}, {"late", late.got, []string{"given again"}}} {
			close(s.got)
			var got []string
			for part := range s.got {
				got = append(got, part)
			}
			if len(got) != len(s.want) || got[0] != s.want[0] || got[len(got)-1] != s.want[len(s.want)-1] {
				t.Errorf("%s got %q, want %q", s.name, got, s.want)
			}
		}
		leave(t, a, member)
		leave(t, b, late)
	})
}
