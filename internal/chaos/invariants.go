package chaos

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// Promise is what must hold all the time.
type Promise string

// The promises.
const (
	WrongPicture Promise = "every picture is one that its camera took, to the byte"
	Order        Promise = "pictures come in the order they were taken in"
	Gap          Promise = "who wants all pictures misses none"
	Lockstep     Promise = "viewers in lockstep see the same"
	Dropped      Promise = "who reads what is sent stays connected"
	Untouched    Promise = "a healthy camera and its viewers notice nothing"
	Account      Promise = "every picture is accounted for"
	Memory       Promise = "memory is bounded"
	Goroutines   Promise = "goroutines are bounded"
	Descriptors  Promise = "descriptors are bounded"
	Recovery     Promise = "each camera comes back within its bound"
	Alive        Promise = "the daemon neither ends by itself nor stops answering"
	NoPanic      Promise = "the daemon neither panics nor races"
	Reloads      Promise = "a reload does what the file says, or nothing"
	Disk         Promise = "a full disk is told, and leaves nothing half done"
)

// Violation is a promise that was not kept.
type Violation struct {
	Promise Promise
	What    string
}

func (v *Violation) Error() string { return fmt.Sprintf("%s: %s", v.Promise, v.What) }

// fail ends the run with a violation. The first one counts.
func (r *run) fail(p Promise, format string, args ...any) {
	v := &Violation{p, fmt.Sprintf(format, args...)}
	if r.violation.CompareAndSwap(nil, v) {
		r.timeline.note("VIOLATION: %v", v)
	}
	r.cancel(v)
}

// look looks each second at what the daemon says of itself.
func (r *run) look(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	answered := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked, life := time.Now(), r.life.Load()
		a, err := r.daemon.metrics()
		now := time.Now()
		switch {
		case ctx.Err() != nil || life != r.life.Load():
			answered = now
		case err == nil:
			answered = now
			r.judgeAccount(a)
			r.judgeHealth(a)
		case r.hampered.covers(answered, now) || r.narrow.covers(answered, now):
			answered = asked
		case now.Sub(answered) > answerLimit+r.stalls.since(answered):
			r.fail(Alive, "no answer for %v: %v", now.Sub(answered).Round(time.Millisecond), err)
		}
		if _, alarm := r.daemon.log.tail(); alarm != nil {
			r.fail(NoPanic, "its log says: %v", alarm)
		}
		if race := r.daemon.races(); race != "" {
			r.fail(NoPanic, "%s", race)
		}
	}
}

// answerLimit is how long /metrics may fail to be answered by a daemon that runs.
const answerLimit = 8 * time.Second

// judgeAccount checks what holds at every moment.
func (r *run) judgeAccount(a account) {
	for _, d := range r.devices {
		label := fmt.Sprintf("camera=%q", d.id)
		received, published := a.sum("camgw_frames_received_total", label), a.sum("camgw_frames_published_total", label)
		if rejected := a.sum("camgw_frames_rejected_total", label); received != published+rejected {
			r.fail(Account, "camera %s: received %.0f, published %.0f and rejected %.0f", d.id, received, published, rejected)
		}
		offered := a.sum("camgw_client_frames_offered_total", label)
		settled := a.sum("camgw_client_frames_sent_total", label) + a.sum("camgw_client_frames_skipped_total", label)
		if settled > offered {
			r.fail(Account, "camera %s: %.0f offered to viewers, and %.0f sent or skipped", d.id, offered, settled)
		}
	}
}

// judgeHealth checks what is counted and must not be, and bounds that hold under any load.
func (r *run) judgeHealth(a account) {
	if n := a.sum("camgw_panics_recovered_total"); n > 0 {
		r.fail(NoPanic, "%.0f panics were caught", n)
	}
	rss := a["process_resident_memory_bytes"]
	r.peakRSS = max(r.peakRSS, rss)
	if rss > r.memoryCeiling() {
		r.fail(Memory, "%.0f MB are resident", rss/1e6)
	}
	if n := a["go_goroutines"]; n > goroutineCeiling {
		r.fail(Goroutines, "there are %.0f", n)
	}
	if n := a["process_open_fds"]; n > descriptorCeiling {
		r.fail(Descriptors, "there are %.0f", n)
	}
	d := r.steady
	if d == nil {
		return
	}
	if !r.hampered.covers(time.Now().Add(-2*time.Second), time.Now()) {
		label := fmt.Sprintf("camera=%q", d.id)
		if n := a.sum("camgw_frames_rejected_total", label) + a.sum("camgw_frames_lost_total", label); n > r.steadyLost {
			r.fail(Untouched, "camera %s: %.0f pictures were rejected or lost", d.id, n-r.steadyLost)
		}
	} else {
		r.steadyLost = a.sum("camgw_frames_rejected_total", fmt.Sprintf("camera=%q", d.id)) + a.sum("camgw_frames_lost_total", fmt.Sprintf("camera=%q", d.id))
	}
}

// Under full load: some dozens of viewers, hundreds of connections of a flood.
const (
	goroutineCeiling  = 2000
	descriptorCeiling = 1500
)

// memoryCeiling is how much may be resident at any time. The race detector keeps several bytes for each.
func (r *run) memoryCeiling() float64 {
	if r.Race {
		return 900e6
	}
	return 200e6
}

// holdings are what the daemon holds while only the steady viewers are there.
type holdings struct {
	goroutines, descriptors, heap float64
}

// What may be more at an audit than at first, with the same viewers there: a camera that is just being opened, a request that
// is just being answered, a garbage collection that saw much.
const (
	goroutineSlack  = 12
	descriptorSlack = 12
	heapSlack       = 12e6 // bytes
)

// holding reads them off the metrics. The heap is what the last garbage collection found alive.
func holding(a account) holdings {
	return holdings{a["go_goroutines"], a["process_open_fds"], a["go_memstats_next_gc_bytes"] / (1 + a["go_gc_gogc_percent"]/100)}
}

// audit checks, once the passing viewers have left, that the books balance and that the daemon holds what it did at first.
func (r *run) audit(ctx context.Context) error {
	r.gate.shut()
	expect := float64(r.watching.Load())
	var a account
	var last error
	begun := time.Now()
	// A connection's end is noticed when the daemon gets to it.
	err := bench.Until(ctx, func() bool {
		a, last = r.daemon.metrics()
		expect = float64(r.watching.Load())
		return last == nil && a.sum("camgw_clients") == expect && r.excess(a) == ""
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		if last != nil {
			r.fail(Alive, "no answer to an audit for %v: %v", time.Since(begun).Round(time.Millisecond), last)
			return context.Cause(ctx)
		}
		if n := a.sum("camgw_clients"); n != expect {
			r.fail(Account, "%.0f viewers are there, and the daemon counts %.0f", expect, n)
		}
		r.judgeHoldings(a)
		return context.Cause(ctx)
	}
	r.judgeAccount(a)
	r.judgeViewers(a)
	if r.first == (holdings{}) {
		r.first = holding(a)
	}
	h := holding(a)
	r.timeline.note("audit: %.0f viewers, %.0f goroutines, %.0f descriptors, heap %.1f MB, resident %.1f MB",
		expect, h.goroutines, h.descriptors, h.heap/1e6, a["process_resident_memory_bytes"]/1e6)
	return nil
}

// excess tells in words which holding is beyond its bound.
func (r *run) excess(a account) Promise {
	h := holding(a)
	switch {
	case r.first == (holdings{}):
	case h.goroutines > r.first.goroutines+goroutineSlack:
		return Goroutines
	case h.descriptors > r.first.descriptors+descriptorSlack:
		return Descriptors
	case h.heap > r.first.heap+heapSlack*r.memoryCeiling()/200e6:
		return Memory
	}
	return ""
}

func (r *run) judgeHoldings(a account) {
	if p := r.excess(a); p != "" {
		h := holding(a)
		r.fail(p, "with only the steady viewers there: %.0f goroutines (at first %.0f), %.0f descriptors (%.0f), %.1f MB of heap (%.1f)",
			h.goroutines, r.first.goroutines, h.descriptors, r.first.descriptors, h.heap/1e6, r.first.heap/1e6)
	}
}

// judgeViewers checks the second equation. For the steady viewers a few pictures may be on their way; for transports that
// nobody uses now it is exact.
func (r *run) judgeViewers(a account) {
	for _, d := range r.devices {
		for _, transport := range []string{"mjpeg", "snapshot", "ws"} {
			labels := []string{fmt.Sprintf("camera=%q", d.id), fmt.Sprintf("transport=%q", transport)}
			viewers := a.sum("camgw_clients", labels...)
			offered := a.sum("camgw_client_frames_offered_total", labels...)
			sent, skipped := a.sum("camgw_client_frames_sent_total", labels...), a.sum("camgw_client_frames_skipped_total", labels...)
			if open := offered - sent - skipped; open < 0 || open > 3*viewers {
				r.fail(Account, "camera %s, %s: offered %.0f, sent %.0f, skipped %.0f with %.0f viewers there", d.id, transport, offered, sent, skipped, viewers)
			}
		}
	}
}

// recoveryBound is within which a camera gives pictures again after anything that was done to it, to its line or to the
// daemon: at most a second to the next opening, the handshake, and a climb in which every rate but the last fails.
const recoveryBound = 12 * time.Second

// recovered waits until each camera has given somebody a picture that it took after the faults.
func (r *run) recovered(ctx context.Context) error {
	over, err := bench.Monotonic()
	if err != nil {
		return err
	}
	begun := time.Now()
	missing := slices.Clone(r.devices)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		missing = slices.DeleteFunc(missing, func(d *device) bool {
			_, ok := d.ledger.freshSince(over)
			return ok || d == r.guest && !r.guestServed
		})
		if len(missing) == 0 {
			took := time.Since(begun)
			r.slowest = max(r.slowest, took)
			r.timeline.note("all cameras are back after %v", took.Round(time.Millisecond))
			return nil
		}
		if since := time.Since(begun); since > recoveryBound+r.stalls.since(begun) {
			states, err := r.daemon.cameras()
			r.fail(Recovery, "camera %s gave no picture within %v; the daemon says %+v, %v", missing[0].id, since.Round(time.Millisecond), states, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// judgeCompleteness checks that of what the steady camera took in a round nearly nothing was lost on the way. A picture or two
// may be: hostcam sends the newest when two come at once, as they do after this process was held up.
func (r *run) judgeCompleteness(begun time.Time, first uint64) {
	unseen, all := r.steady.ledger.unseen(first, func(at time.Time) bool { return r.hampered.covers(at, at.Add(steadyAge)) })
	r.unseen[0] += unseen
	r.unseen[1] += all
	if allowed := 2 + float64(all)/20 + 2*r.steady.fps*r.stalls.since(begun).Seconds(); float64(unseen) > allowed {
		r.fail(Untouched, "of %d pictures that camera %s took, %d came to nobody", all, r.steady.id, unseen)
	}
}

// guard ends the run if the present life of the daemon ends, and nobody ended it.
func (r *run) guard(ctx context.Context) {
	p, asked := r.daemon.process, r.daemon.asked
	r.guards.Go(func() {
		select {
		case <-ctx.Done():
		case <-p.Done():
			if !asked.Load() {
				r.fell.Do(func() { close(r.down) })
				r.fail(Alive, "it ended with %d: %s", p.ExitCode(), p.Said())
			}
		}
	})
}

// ageLog keeps the ages of pictures of the steady camera.
type ageLog struct {
	mu   sync.Mutex
	ages []time.Duration
}

func (l *ageLog) add(age time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ages = append(l.ages, age)
}

// quantile is 0 if there is none.
func (l *ageLog) quantile(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ages) == 0 {
		return 0
	}
	slices.Sort(l.ages)
	return l.ages[int(q*float64(len(l.ages)-1))]
}

// What hostcam takes these signals for.
const (
	unplugSignal = syscall.SIGUSR1
	plugSignal   = syscall.SIGUSR2
	rebootSignal = syscall.SIGHUP
)
