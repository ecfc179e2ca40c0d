package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// Audience is the viewers of one run; load/viewers.c is what plays them.
type Audience struct {
	Program string // bin/bench/viewers
	Port    int    // of the server, on 127.0.0.1
	Path    string // of the stream
	Count   int
	Stalled int           // of Count: stop reading after the first picture
	WarmUp  time.Duration // after everybody has a picture
	Window  time.Duration // that counts
}

// Report is what the good viewers got in the window.
type Report struct {
	Viewers, Good int
	Refused       int // connections not made, or answered other than 200
	Closed        int // good viewers that the server cut off
	StalledClosed int `json:"stalled_closed"`

	Frames    uint64 // pictures received whole, summed over viewers
	Lost      uint64 // gaps, summed over viewers
	Unseen    uint64 // pictures that came to no viewer: lost before the fan-out
	Repeated  uint64
	Unstamped uint64
	Worst     uint64 // pictures of the viewer that got fewest
	Median    uint64

	Age struct {
		P50, P90, P99, Max int64 // microseconds from the stamp to the last byte
	} `json:"age_us"`

	CPU    float64 `json:"cpu_s"`    // seconds of CPU the viewers took
	Window float64 `json:"window_s"` // its true length in seconds

	Server Usage `json:"-"` // CPU of the server in the window, and its peak memory at the end
}

// Watch runs the viewers against server and takes server's CPU time for their window.
func (a Audience) Watch(ctx context.Context, server *Process) (Report, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return Report{}, fmt.Errorf("pipe: %w", err)
	}
	defer r.Close()
	viewers, err := Start(ctx, Command{Core: -1, Path: a.Program, Stdout: w, Args: []string{
		strconv.Itoa(a.Port), a.Path, strconv.Itoa(a.Count), strconv.Itoa(a.Stalled),
		strconv.FormatFloat(a.WarmUp.Seconds(), 'f', -1, 64), strconv.FormatFloat(a.Window.Seconds(), 'f', -1, 64),
	}})
	w.Close()
	if err != nil {
		return Report{}, err
	}
	defer viewers.Stop()
	report, err := follow(r, server.Usage)
	if err != nil {
		return Report{}, fmt.Errorf("viewers: %w; they said: %q", err, viewers.Said())
	}
	return report, nil
}

// follow reads what the viewers print, and asks for the server's usage when the window begins and when it ends.
func follow(r io.Reader, usage func() (Usage, error)) (Report, error) {
	lines := bufio.NewScanner(r)
	at := func(what string) (Usage, error) {
		if !lines.Scan() {
			return Usage{}, fmt.Errorf("no %q: %w", what, orEOF(lines.Err()))
		}
		if lines.Text() != what {
			return Usage{}, fmt.Errorf("%q instead of %q", lines.Text(), what)
		}
		return usage()
	}
	begin, err := at("begin")
	if err != nil {
		return Report{}, err
	}
	end, err := at("end")
	if err != nil {
		return Report{}, err
	}
	if !lines.Scan() {
		return Report{}, fmt.Errorf("no report: %w", orEOF(lines.Err()))
	}
	var report Report
	if err := json.Unmarshal(lines.Bytes(), &report); err != nil {
		return Report{}, fmt.Errorf("report: %w", err)
	}
	report.Server = Usage{CPU: end.CPU - begin.CPU, PeakRSS: end.PeakRSS}
	return report, nil
}

// orEOF is err, or what it means that there is none.
func orEOF(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// PerFrame is the server's CPU time per delivered frame in microseconds.
func (r Report) PerFrame() float64 {
	return float64(r.Server.CPU.Nanoseconds()) / 1e3 / float64(r.Frames)
}

// Fairness is what the worst viewer got of what the median viewer got, from 0 to 1.
func (r Report) Fairness() float64 {
	if r.Median == 0 {
		return 0
	}
	return float64(r.Worst) / float64(r.Median)
}

// Check tells what makes a run worthless as a measurement.
func (r Report) Check() error {
	switch {
	case r.Refused > 0:
		return fmt.Errorf("%d of %d viewers were refused", r.Refused, r.Viewers)
	case r.Frames == 0:
		return errors.New("nobody got a picture")
	}
	return nil
}
