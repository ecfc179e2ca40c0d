package chaos

import (
	"context"
	"sync"
	"time"
)

// stallMeter tells how long this process itself was kept from running: a bound on a time holds for the daemon, and not for a
// machine that had something else to do. Anybody may ask.
type stallMeter struct {
	mu   sync.Mutex
	late []lateness // the last minute's, those worth speaking of
}

type lateness struct {
	at time.Time
	by time.Duration
}

const (
	stallTick   = 20 * time.Millisecond
	stallMemory = time.Minute
)

func (m *stallMeter) run(ctx context.Context) {
	tick := time.NewTicker(stallTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if by := now.Sub(last) - stallTick; by > stallTick {
			m.mu.Lock()
			for len(m.late) > 0 && now.Sub(m.late[0].at) > stallMemory {
				m.late = m.late[1:]
			}
			m.late = append(m.late, lateness{now, by})
			m.mu.Unlock()
		}
		last = now
	}
}

// since is the sum of all stalls since a moment, of the last minute at most.
func (m *stallMeter) since(t time.Time) (sum time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.late {
		if !l.at.Before(t) {
			sum += l.by
		}
	}
	return sum
}
