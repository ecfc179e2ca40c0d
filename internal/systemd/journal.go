package systemd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Journal reports whether w is the journal: a file whose device and inode are those of JOURNAL_STREAM. A service whose standard
// error was redirected elsewhere has the variable too.
func Journal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	var dev, ino uint64
	if n, err := fmt.Sscanf(os.Getenv("JOURNAL_STREAM"), "%d:%d", &dev, &ino); err != nil || n != 2 {
		return false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var st unix.Stat_t
	failed := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) })
	return failed == nil && err == nil && uint64(st.Dev) == dev && st.Ino == ino
}

// Priorities of the journal, as sd-daemon(3) has them: what a line begins with.
const (
	PriorityError   = "<3>"
	priorityWarning = "<4>"
	priorityInfo    = "<6>"
	priorityDebug   = "<7>"
)

// NewHandler is a handler for w: of lines the journal understands if w is it, else of [slog.TextHandler].
func NewHandler(w io.Writer, options *slog.HandlerOptions) slog.Handler {
	if Journal(w) {
		return newJournalHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// journalHandler writes a priority and what TextHandler has to say, but for time and level: the journal has both.
type journalHandler struct {
	text slog.Handler // writes to line.buf
	line *line        // shared by all handlers made of one
}

type line struct {
	mu  sync.Mutex
	buf bytes.Buffer
	out io.Writer
}

func newJournalHandler(w io.Writer, options *slog.HandlerOptions) *journalHandler {
	var o slog.HandlerOptions
	if options != nil {
		o = *options
	}
	replace := o.ReplaceAttr
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		// An attribute that merely has one of these names is another kind of value.
		if _, level := a.Value.Any().(slog.Level); len(groups) == 0 &&
			(a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime || a.Key == slog.LevelKey && level) {
			return slog.Attr{}
		}
		if replace != nil {
			return replace(groups, a)
		}
		return a
	}
	l := &line{out: w}
	return &journalHandler{slog.NewTextHandler(&l.buf, &o), l}
}

// Enabled is part of slog.Handler.
func (h *journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.text.Enabled(ctx, level)
}

// Handle is part of slog.Handler. One write per line: the journal ends lines where writes of several processes meet.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.buf.Reset()
	h.line.buf.WriteString(priority(r.Level))
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.line.out.Write(h.line.buf.Bytes())
	return err
}

// WithAttrs is part of slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.text.WithAttrs(attrs), h.line}
}

// WithGroup is part of slog.Handler.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.text.WithGroup(name), h.line}
}

func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return PriorityError
	case level >= slog.LevelWarn:
		return priorityWarning
	case level >= slog.LevelInfo:
		return priorityInfo
	}
	return priorityDebug
}
