// Command ingest measures what it costs to take pictures in: camgw's CPU time per MB from a terminal through decoding and
// checking to publishing, against `cat` reading the same bytes at the same pace from the same kind of terminal
// and throwing them away.
//
//	make bench-ingest
//
// The camera is a one-way one: it sends whether or not anybody watches, so that no viewer is needed, and the figure is
// the way in alone. How bytes arrive decides what reading costs, so that there is a row for each way: the pieces
// of a UART adapter every millisecond, and a whole picture at once. It needs bin/camgw, cat and taskset.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// The kernel ends our programs when the thread that started them ends: main keeps the first thread, which ends last.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		stop()
		os.Exit(1)
	}
}

// row is a way in which bytes arrive.
type row struct {
	what string
	baud int // 0: USB
	rate int // bytes a second
	tick time.Duration
}

var rows = []row{
	{"UART, 3 Mbaud", 3_000_000, 300_000, time.Millisecond},
	{"USB", 0, 1_000_000, time.Millisecond},
	{"USB, high speed", 0, 4_000_000, time.Millisecond},
	{"21 kB at once, 30 times a second", 0, 630_000, time.Second / 30},
}

// pictureSize is that of a VGA picture.
const pictureSize = 21_000

// lab is the command line, and where programs run.
type lab struct {
	camgw          string
	pairs          int
	warmUp, window time.Duration
	page, asked    string
	row            string // "": all
	cores          bench.Cores
}

func run(ctx context.Context, args []string, out io.Writer) error {
	l := lab{asked: strings.Join(args, " ")}
	f := flag.NewFlagSet("ingest", flag.ContinueOnError)
	f.StringVar(&l.camgw, "camgw", filepath.Join("bin", "camgw"), "`program` to measure")
	f.IntVar(&l.pairs, "pairs", 3, "runs of cat and camgw per row")
	f.DurationVar(&l.warmUp, "warm-up", 6*time.Second, "time before a window, in which the heap grows to its size, once and for all")
	f.DurationVar(&l.window, "window", 5*time.Second, "time that is measured")
	f.StringVar(&l.row, "row", "", "measure only the rows with this `text` in their first column")
	f.StringVar(&l.page, "page", "", "`file` whose section <!-- ingest --> becomes the table")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if f.NArg() > 0 || l.pairs < 1 || l.window <= 0 || l.warmUp < 0 {
		return errors.New("-pairs and -window must be above 0, -warm-up not below, and there are no other arguments")
	}
	machine := bench.Machine() // before the cores are taken
	camera, err := bench.NewCamera(pictureSize)
	if err != nil {
		return err
	}
	if l.cores, err = bench.Prepare(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\nreader on core %d, camera on core %d; %d pairs of %v\n\n", machine, l.cores.Server, l.cores.Others, l.pairs, l.window)
	var table strings.Builder
	table.WriteString("| bytes arrive | MB/s | cat: ms of CPU per MB | camgw: ms of CPU per MB | x cat |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		if !strings.Contains(r.what, l.row) {
			continue
		}
		var cat, camgw bench.Sample
		for pair := range l.pairs {
			readers := [2]struct {
				name  string
				start reader
				taken *bench.Sample
			}{{"cat", l.cat, &cat}, {"camgw", l.gateway, &camgw}}
			for i := range readers {
				reader := readers[(i+pair)%2]
				cost, err := l.measure(ctx, r, camera, reader.start)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", r.what, reader.name, err)
				}
				*reader.taken = append(*reader.taken, cost)
			}
		}
		line := fmt.Sprintf("| %s | %.2f | %s | %s | **%s** |\n", r.what, float64(r.rate)/1e6, cat.Show(2), camgw.Show(2), camgw.Over(cat).Show(2))
		fmt.Fprint(out, line)
		table.WriteString(line)
	}
	if l.page == "" {
		return nil
	}
	heading := fmt.Sprintf("Measured %s with %s on %s, by `bin/bench/ingest %s`: median (least-greatest) of %d pairs of runs of %v.\n\n",
		time.Now().UTC().Format("2006-01-02"), bench.Version(ctx, l.camgw), machine, l.asked, l.pairs, l.window)
	return bench.WriteSection(l.page, "ingest", heading+table.String())
}

// reader starts a program that reads the terminal at path. The function beside it, which may be nil, tells how much it
// has lost so far.
type reader func(ctx context.Context, path string, baud int) (*bench.Process, func() (uint64, error), error)

// measure is what a reader takes, in ms of CPU per MB.
func (l lab) measure(ctx context.Context, r row, camera *bench.Camera, start reader) (float64, error) {
	wire, err := bench.NewWire()
	if err != nil {
		return 0, err
	}
	defer wire.Close()
	sending, stop := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() { sent <- wire.Send(sending, camera, r.baud, r.rate, r.tick) }()
	cost, err := l.watch(ctx, wire, r.baud, start)
	stop()
	return cost, errors.Join(err, <-sent)
}

func (l lab) watch(ctx context.Context, wire *bench.Wire, baud int, start reader) (float64, error) {
	program, losses, err := start(ctx, wire.Path, baud)
	if err != nil {
		return 0, err
	}
	defer program.Stop()
	if losses == nil {
		losses = func() (uint64, error) { return 0, nil }
	}
	if err := pass(ctx, l.warmUp); err != nil {
		return 0, err
	}
	lostBefore, err1 := losses()
	before, err2 := program.Usage()
	bytes := wire.Sent()
	err3 := pass(ctx, l.window)
	bytes = wire.Sent() - bytes
	after, err4 := program.Usage()
	lostAfter, err5 := losses()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return 0, err
	}
	if lostAfter != lostBefore {
		return 0, fmt.Errorf("%d pictures were lost: the figure would be of another job", lostAfter-lostBefore)
	}
	if bytes == 0 {
		return 0, errors.New("nothing was read")
	}
	return (after.CPU - before.CPU).Seconds() * 1e3 / (float64(bytes) / 1e6), nil
}

func (l lab) cat(ctx context.Context, path string, _ int) (*bench.Process, func() (uint64, error), error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cat: %w", err)
	}
	defer null.Close()
	p, err := bench.Start(ctx, bench.Command{Core: l.cores.Server, Path: "cat", Args: []string{path}, Stdout: null})
	return p, nil, err
}

func (l lab) gateway(ctx context.Context, path string, baud int) (*bench.Process, func() (uint64, error), error) {
	var args []string
	if baud > 0 {
		args = []string{"--baud", strconv.Itoa(baud)}
	}
	g, err := bench.StartGateway(ctx, l.cores.Server, l.camgw, path, args...)
	if err != nil {
		return nil, nil, err
	}
	return g.Process, func() (uint64, error) {
		s, err := g.Camera()
		if err == nil && s.Frames.Published == 0 {
			err = errors.New("camgw has published nothing")
		}
		lost := s.Frames.Lost
		for _, n := range s.Frames.Rejected {
			lost += n
		}
		return lost, err
	}, nil
}

// pass lets time go by.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
