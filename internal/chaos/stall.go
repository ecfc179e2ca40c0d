package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// stallMeter tells how long the programs of a run were kept from running: a bound on a time holds for the daemon, and not for
// a machine that had something else to do. It asks the kernel how long each of their threads was ready and waited for a
// processor. Anybody may ask.
type stallMeter struct {
	mu        sync.Mutex
	processes map[int]map[string]time.Duration // waited until now, by thread
	late      []lateness                       // the last minute's, those worth speaking of
}

type lateness struct {
	at time.Time
	by time.Duration
}

const (
	stallTick   = 100 * time.Millisecond
	stallMemory = time.Minute
)

// follow adds a process, as long as it lasts.
func (m *stallMeter) follow(pid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.processes == nil {
		m.processes = map[int]map[string]time.Duration{}
	}
	m.processes[pid] = map[string]time.Duration{}
}

func (m *stallMeter) run(ctx context.Context) {
	m.follow(os.Getpid())
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
		m.measure(now, now.Sub(last)-stallTick)
		last = now
	}
}

// measure adds the longest wait of any thread since the last time, or this process's own lateness if that is longer.
func (m *stallMeter) measure(now time.Time, by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for pid, threads := range m.processes {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is good
		if len(files) == 0 {
			delete(m.processes, pid)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			fields := strings.Fields(string(b))
			if err != nil || len(fields) < 2 {
				continue // it has just ended
			}
			ns, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				continue
			}
			waited := time.Duration(ns)
			by = max(by, waited-threads[f])
			threads[f] = waited
		}
	}
	if by < stallTick/5 {
		return
	}
	for len(m.late) > 0 && now.Sub(m.late[0].at) > stallMemory {
		m.late = m.late[1:]
	}
	m.late = append(m.late, lateness{now, by})
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
