package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// tailLines is how much of the daemon's log is kept to be shown.
const tailLines = 60

// logTail takes what the daemon logs, through a pipe that holds as little as the kernel lets it, keeps the end, and can be
// held up, as a journal whose disk hangs.
type logTail struct {
	file *os.File // all of it

	mu      sync.Mutex
	held    *sync.Cond // on mu
	stuck   bool
	lines   []string
	alarms  []string // lines that no good daemon writes
	readers sync.WaitGroup
}

func newLogTail(path string) (*logTail, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("daemon's log: %w", err)
	}
	t := &logTail{file: f}
	t.held = sync.NewCond(&t.mu)
	return t, nil
}

// open returns the end of a pipe for one life of the daemon. The caller closes it once the daemon has it.
func (t *logTail) open() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("daemon's log: %w", err)
	}
	if raw, err := w.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, os.Getpagesize()) }) // as small as there is
	}
	t.readers.Go(func() {
		defer r.Close()
		t.read(r)
	})
	return w, nil
}

func (t *logTail) read(r io.Reader) {
	var rest []byte
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		t.mu.Lock()
		for t.stuck {
			t.held.Wait()
		}
		_, _ = t.file.Write(b[:n]) // what is kept in memory is what counts
		rest = append(rest, b[:n]...)
		for {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				break
			}
			t.line(string(line))
			rest = after
		}
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// line keeps one line, under mu.
func (t *logTail) line(s string) {
	for _, bad := range []string{"panic", "DATA RACE", "fatal error", "goroutine ", "runtime error"} {
		// Lines of the daemon's own begin with the time; they may quote what a camera says. Panics that it caught are counted.
		if strings.Contains(s, bad) && !strings.HasPrefix(s, "time=") && len(t.alarms) < 10 {
			t.alarms = append(t.alarms, s)
		}
	}
	if t.lines = append(t.lines, s); len(t.lines) > tailLines {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-tailLines:]...)
	}
}

// stick holds the log up, or lets it go.
func (t *logTail) stick(stuck bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stuck = stuck
	t.held.Broadcast()
}

// tail is the end of the log; alarm is not nil when there was a line in it that no good daemon writes.
func (t *logTail) tail() (lines []string, alarm error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.alarms) > 0 {
		alarm = errors.New(strings.Join(t.alarms, "\n"))
	}
	return append([]string(nil), t.lines...), alarm
}

// close waits for the daemon's last words, when it has ended.
func (t *logTail) close() error {
	t.stick(false)
	t.readers.Wait()
	return t.file.Close()
}
