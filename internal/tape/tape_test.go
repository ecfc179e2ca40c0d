package tape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// scripted is a port that gives what it is told.
type scripted struct {
	reads []any // string, error, or a pause before the next
	at    int
}

func (s *scripted) Read(p []byte) (int, error) {
	for s.at < len(s.reads) {
		s.at++
		switch v := s.reads[s.at-1].(type) {
		case time.Duration:
			time.Sleep(v)
		case string:
			return copy(p, v), nil
		case error:
			return 0, v
		}
	}
	return 0, io.EOF
}

func (s *scripted) Write(p []byte) (int, error)        { return len(p), nil }
func (s *scripted) SetBaud(rate int) (int, error)      { return rate + 1, nil }
func (s *scripted) Flush() error                       { return nil }
func (s *scripted) SetReadTimeout(time.Duration) error { return nil }
func (s *scripted) Close() error                       { return nil }

// makeTape makes a tape of two openings.
func makeTape(t *testing.T, limit int64) (file string, full bool) {
	t.Helper()
	var b bytes.Buffer
	r, err := NewRecorder(&b, Label{Started: "2026-01-02T03:04:05Z", Port: "/dev/x", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	r.Limit, r.Full = limit, func() { full = true }
	buf := make([]byte, 100)
	for _, reads := range [][]any{
		{"hello", time.Second, os.ErrDeadlineExceeded, "world", errors.New("it broke")},
		{2 * time.Second, "again", os.ErrDeadlineExceeded},
	} {
		p := r.Wrap(&scripted{reads: reads})
		if _, err := p.SetBaud(115200); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("who?")); err != nil {
			t.Fatal(err)
		}
		for range len(reads) + 1 {
			_, _ = p.Read(buf)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "a.tape")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, full
}

// play writes down what a player gives, each with the tape's time.
func play(t *testing.T, o Options, openings int) []string {
	t.Helper()
	p, err := NewPlayer(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var got []string
	buf := make([]byte, 3) // smaller than what was read
	for range openings {
		l, err := p.Open(t.Context())
		if err != nil {
			return append(got, "open: "+err.Error())
		}
		if err := l.SetReadTimeout(time.Minute); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := l.Read(buf)
			rate, _ := l.Rate()
			got = append(got, strings.TrimSpace(fmt.Sprintf("%v %d %s %v", l.Elapsed(), rate, buf[:n], err)))
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
		}
	}
	return got
}

func TestRecordAndPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, _ := makeTape(t, 0)
		want := []string{
			"0s 115201  i/o timeout", // the rate
			"0s 115201 hel <nil>", "0s 115201 lo <nil>",
			"1s 115201 wor <nil>", "1s 115201 ld <nil>", // a silence long known is not marked again
			"1s 115201  it broke",
			"1s 115201  i/o timeout",
			"3s 115201 aga <nil>", "3s 115201 in <nil>", "3s 115201  i/o timeout",
			"3s 115201  EOF",
		}
		for _, speed := range []float64{0, 1, 4} {
			begin := time.Now()
			got := play(t, Options{File: file, Speed: speed}, 2)
			if !slices.Equal(got, want) {
				t.Errorf("speed %v:\n%s\nwant\n%s", speed, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if took := time.Since(begin); speed > 0 && took != time.Duration(3*float64(time.Second)/speed) || speed == 0 && took != 0 {
				t.Errorf("speed %v took %v", speed, took)
			}
		}
		if got := play(t, Options{File: file}, 3); got[len(got)-1] != "open: "+file+": the recording has ended" {
			t.Errorf("after the end: %q", got[len(got)-1])
		}
		if got := play(t, Options{File: file, Loop: true}, 4); len(got) != 2*len(want) || got[len(got)-1] != "6s 115201  EOF" {
			t.Errorf("in a loop:\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, full := makeTape(t, 7)
		if !full {
			t.Error("nobody was told")
		}
		got := play(t, Options{File: file}, 1)
		if last := got[len(got)-1]; !strings.HasSuffix(last, "the recording has ended") || !strings.Contains(got[len(got)-2], "ld") {
			t.Errorf("got %q", got)
		}
	})
}

// TestCutOff: what lies before the cut counts.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, _ := makeTape(t, 0)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first := bytes.IndexByte(whole, '\n') + 1
		for n := first; n < len(whole); n++ {
			if err := os.WriteFile(file, whole[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			got := play(t, Options{File: file}, 3)
			if last := got[len(got)-1]; !strings.Contains(last, "the recording has ended") {
				t.Fatalf("cut at %d: %q", n, last)
			}
		}
		for _, text := range []string{"", "hello\n", "camgw tape 2 {}\n", "camgw tape 1 {", "camgw tape 1 x\n", strings.Repeat("x", 1<<20)} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := NewPlayer(Options{File: file}); err == nil || !strings.Contains(err.Error(), "not a recording of camgw") {
				t.Errorf("%.20q: %v", text, err)
			}
		}
		if err := os.WriteFile(file, []byte("camgw tape 1 {}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := NewPlayer(Options{File: file, Loop: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Open(context.Background()); !errors.Is(err, ErrEnd) {
			t.Errorf("nothing in a loop: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestHoldsNothingOpen: the file is open while a line is, and at no other time.
func TestHoldsNothingOpen(t *testing.T) {
	file, _ := makeTape(t, 0)
	holds := func(want bool, when string) {
		t.Helper()
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(fds, func(e os.DirEntry) bool {
			to, _ := os.Readlink("/proc/self/fd/" + e.Name())
			return to == file
		})
		if got != want {
			t.Errorf("%s: the file is open: %v", when, got)
		}
	}
	never, err := NewPlayer(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	holds(false, "made")
	if err := never.Close(); err != nil {
		t.Errorf("the end of one that was never opened: %v", err)
	}

	p, err := NewPlayer(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if p.Label().Port != "/dev/x" {
		t.Errorf("label %+v", p.Label())
	}
	for _, want := range []string{"helloworld", "again"} {
		l, err := p.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		holds(true, "open")
		var got []byte
		buf := make([]byte, 100)
		for len(got) < len(want) {
			n, err := l.Read(buf)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if string(got) != want {
			t.Errorf("%q, want %q: it must go on where it was closed", got, want)
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		holds(false, "closed")
		if _, err := l.Read(buf); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a read of the closed: %v", err)
		}
	}
	for range 2 {
		if _, err := p.Open(t.Context()); !errors.Is(err, ErrEnd) {
			t.Errorf("after the end: %v", err)
		}
		holds(false, "ended")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("without the file: %v", err)
	}

	// A pipe that nobody writes to would hold up whoever opens it.
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlayer(Options{File: file}); err == nil || !strings.Contains(err.Error(), file+": not a file") {
		t.Errorf("a pipe: %v", err)
	}
}

func TestParseOptions(t *testing.T) {
	for spec, want := range map[string]Options{
		"a.tape":                  {File: "a.tape", Speed: 1},
		"a.tape?speed=4":          {File: "a.tape", Speed: 4},
		"a.tape?speed=max&loop=1": {File: "a.tape", Loop: true},
		"odd?name?loop=0":         {File: "odd?name", Speed: 1},
	} {
		if got, err := ParseOptions(spec); err != nil || got != want {
			t.Errorf("%s: %+v, %v", spec, got, err)
		}
	}
	for spec, want := range map[string]string{
		"": "the file is missing", "?speed=1": "the file is missing", "a?speed=0": "from 0.01 to 1000", "a?speed=NaN": "from 0.01", "a?sped=1": `unknown option "sped"`, "a?loop=maybe": "want 1 or 0",
	} {
		if _, err := ParseOptions(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
}

// TestLongNames: what a recorder labels, a player reads, and what it could not read is refused before anything is recorded.
func TestLongNames(t *testing.T) {
	for _, c := range []struct {
		port string
		fits bool
	}{
		{strings.Repeat("<", 4095), true}, // six bytes each, in JSON
		{strings.Repeat("x", maxLine), false},
	} {
		name := filepath.Join(t.TempDir(), "tape")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		r, err := NewRecorder(file, Label{Port: c.port})
		if (err == nil) != c.fits {
			t.Errorf("a name of %d bytes: %v", len(c.port), err)
		}
		if err != nil {
			continue
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		p, err := NewPlayer(Options{File: name})
		if err != nil {
			t.Fatal(err)
		}
		if p.Label().Port != c.port {
			t.Errorf("a name of %d bytes has become %d", len(c.port), len(p.Label().Port))
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
