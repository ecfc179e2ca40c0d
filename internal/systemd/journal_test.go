package systemd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestJournalHandler(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newJournalHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log.Debug("d", "n", 1)
	log.Info("two\nlines")
	log.With("camera", "door").Warn("w", "level", "high", "time", "late")
	log.WithGroup("g").Error("e", "level", 3)
	log.Log(context.Background(), slog.LevelError+4, "worse")
	want := `<7>msg=d n=1
<6>msg="two\nlines"
<4>msg=w camera=door level=high time=late
<3>msg=e g.level=3
<3>msg=worse
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
	if newJournalHandler(io.Discard, nil).Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debug is enabled by default")
	}
}

// writes fails if one line comes in several writes.
type writes struct {
	t *testing.T
	n int
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	if p[0] != '<' || p[len(p)-1] != '\n' || bytes.Count(p, []byte("\n")) != 1 {
		w.t.Errorf("a write of %q", p)
	}
	return len(p), nil
}

func TestJournalLinesAreWhole(t *testing.T) {
	w := &writes{t: t}
	base := slog.New(newJournalHandler(w, nil))
	var wg sync.WaitGroup
	for i := range 4 {
		log := base.With("i", i)
		wg.Go(func() {
			for n := range 100 {
				log.Info("line", "n", n)
			}
		})
	}
	wg.Wait()
	if w.n != 400 {
		t.Errorf("%d lines", w.n)
	}
}

func TestJournalIsRecognised(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		variable string
		want     bool
	}{
		{fmt.Sprintf("%d:%d", st.Dev, st.Ino), true},
		{fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), false},
		{"", false}, {"1", false}, {"a:b", false},
	} {
		t.Setenv("JOURNAL_STREAM", tt.variable)
		if Journal(f) != tt.want {
			t.Errorf("JOURNAL_STREAM=%s", tt.variable)
		}
		_, text := NewHandler(f, nil).(*slog.TextHandler)
		if text == tt.want {
			t.Errorf("JOURNAL_STREAM=%s has the wrong handler", tt.variable)
		}
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	if Journal(&strings.Builder{}) {
		t.Error("a buffer is the journal")
	}
}
