// Command fanout measures what camgw costs per delivered frame against the least that it could cost: a C
// program that does one write(2) per viewer (load/floor.c). Both get the same stamped pictures in the same run; camgw
// gets them the hard way, through hostcam's USB port, and its whole CPU time counts.
//
//	make bench-fanout                        the quick set of rows, into docs/benchmarks.md
//	make bench-fanout BENCH=full             all of them
//	bin/bench/fanout -row 300x21@30          one: viewers x kB @ frames per second; /20: with 20 % stalled
//	bin/bench/fanout -path "/stream?mode=all" -serve "--flag value" -camgw ./other-camgw
//
// It needs bin/camgw, bin/hostcam and the programs of load/ (make bench-programs builds them all), and taskset.
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
		fmt.Fprintln(os.Stderr, "fanout:", err)
		stop()
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	bin    string   // folder of camgw, hostcam and bench/
	camgw  string   // another camgw; empty: bin's
	args   []string // more arguments for camgw serve
	path   string   // of the stream
	rows   []row
	pairs  int
	warmUp time.Duration
	window time.Duration
	page   string // to write the table to; empty: none
	brief  string // to write what matters of it to; empty: none
	asked  string // how it was called
}

func parse(args []string) (options, error) {
	f := flag.NewFlagSet("fanout", flag.ContinueOnError)
	o := options{rows: quick, asked: strings.Join(args, " ")}
	var extra string
	var custom rowList
	full := f.Bool("full", false, "measure every row")
	f.Var(&custom, "row", "measure this row: `VIEWERSxKB@FPS[/STALLED%]`; may be given several times")
	f.StringVar(&o.bin, "bin", "bin", "`folder` of the programs")
	f.StringVar(&o.camgw, "camgw", "", "`program` to measure instead of the folder's camgw")
	f.StringVar(&extra, "serve", "", "more `arguments` for camgw serve, separated by spaces")
	f.StringVar(&o.path, "path", "/stream", "`address` of the stream on camgw, such as /stream?mode=all")
	f.IntVar(&o.pairs, "pairs", 5, "runs of floor and camgw per row")
	f.DurationVar(&o.warmUp, "warm-up", 2*time.Second, "time before a window")
	f.DurationVar(&o.window, "window", 5*time.Second, "time that is measured")
	f.StringVar(&o.page, "page", "", "`file` whose section <!-- fanout --> becomes the table")
	f.StringVar(&o.brief, "brief", "", "`file` whose section <!-- fanout --> becomes a shorter table")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if *full {
		o.rows = all
	}
	if custom != nil {
		o.rows = custom
	}
	if o.pairs < 1 || o.window <= 0 || o.warmUp < 0 {
		return o, errors.New("-pairs and -window must be above 0, -warm-up not below")
	}
	if o.camgw == "" {
		o.camgw = filepath.Join(o.bin, "camgw")
	}
	o.args = strings.Fields(extra)
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	machine := bench.Machine() // before the cores are taken
	cores, err := bench.Prepare()
	if err != nil {
		return err
	}
	l := lab{options: o, cores: cores}
	fmt.Fprintf(out, "%s\nserver on core %d, camera and viewers on core %d; %d pairs of %v\n", machine, cores.Server, cores.Others, o.pairs, o.window)
	var results []result
	for _, r := range o.rows {
		fmt.Fprintf(out, "\n%v\n", r)
		res, err := l.measure(ctx, r, out)
		if err != nil {
			return fmt.Errorf("%v: %w", r, err)
		}
		results = append(results, res)
	}
	table := tabulate(results)
	fmt.Fprintf(out, "\n%s", table)
	version := bench.Version(ctx, o.camgw)
	if o.page != "" {
		err = bench.WriteSection(o.page, "fanout", heading(o, machine, version, time.Now())+table)
	}
	if o.brief != "" {
		err = errors.Join(err, bench.WriteSection(o.brief, "fanout", abridge(results, version, time.Now())))
	}
	return err
}

// measure runs a row's pairs, floor first in every other.
func (l lab) measure(ctx context.Context, r row, out io.Writer) (result, error) {
	res := result{row: r}
	camera, err := bench.NewCamera(r.KB * 1000)
	if err != nil {
		return res, err
	}
	servers := [2]struct {
		name  string
		run   func(context.Context, row, *bench.Camera) (bench.Report, error)
		taken *series
	}{
		{"floor", l.floor, &res.floor},
		{"camgw", l.gateway, &res.camgw},
	}
	for pair := range l.pairs {
		for i := range servers {
			s := servers[(i+pair)%2]
			ctx, cancel := context.WithTimeout(ctx, l.warmUp+l.window+runLimit)
			report, err := s.run(ctx, r, camera)
			if err == nil {
				err = report.Check()
			}
			if ctx.Err() != nil {
				err = errors.Join(context.Cause(ctx), err)
			}
			cancel()
			if err != nil {
				return res, fmt.Errorf("%s: %w", s.name, err)
			}
			s.taken.add(report)
			fmt.Fprintf(out, "  %s  %6.2f us/frame  age %.2f / %.2f ms  %5.1f MB  lost %d (%d before)  worst %.0f %%  closed %d+%d  server %.0f %%  viewers %.0f %%\n",
				s.name, report.PerFrame(), float64(report.Age.P50)/1e3, float64(report.Age.P99)/1e3, float64(report.Server.PeakRSS)/1e6,
				report.Lost, report.Unseen, 100*report.Fairness(), report.Closed, report.StalledClosed,
				100*report.Server.CPU.Seconds()/report.Window, 100*report.CPU/report.Window)
		}
	}
	return res, nil
}
