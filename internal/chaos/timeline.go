package chaos

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// timeline is what was done, and when. Anybody may write to it.
type timeline struct {
	begun time.Time
	out   io.Writer

	mu    sync.Mutex
	lines []string
}

// note writes a line.
func (t *timeline) note(format string, args ...any) {
	line := fmt.Sprintf("%8.3f  %s", time.Since(t.begun).Seconds(), fmt.Sprintf(format, args...))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	fmt.Fprintln(t.out, line)
}

// recent is the end of it.
func (t *timeline) recent(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines[max(0, len(t.lines)-n):]...)
}

// excuse is a span of time in which something is not expected of somebody. Anybody may ask; zero value: none.
type excuse struct {
	mu    sync.Mutex
	spans []span
	open  int
	since time.Time
}

type span struct{ from, to time.Time }

// begin begins a span; spans may overlap.
func (e *excuse) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open++; e.open == 1 {
		e.since = time.Now()
	}
}

// end ends one, after a time of grace.
func (e *excuse) end(grace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open--; e.open == 0 {
		e.spans = append(e.spans, span{e.since, time.Now().Add(grace)})
	}
}

// covers tells whether any moment from from to to lies in a span.
func (e *excuse) covers(from, to time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open > 0 && !to.Before(e.since) {
		return true
	}
	for i := len(e.spans) - 1; i >= 0; i-- {
		if s := e.spans[i]; !s.to.Before(from) && !s.from.After(to) {
			return true
		}
	}
	return false
}
