// Command soak sends as many pictures through the real programs as cameras send in hours, replugs them as often, and shows
// that the daemon then holds what it held before: see docs/chaos.md.
//
//	make soak
//	bin/chaos/soak -hours 0.2 -warm 0.05 -viewers 4
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
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/bench"
	"github.com/camgw/camgw/internal/chaos"
)

// The kernel ends our programs when the thread that started them ends: main keeps the first thread, which ends last.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	o := chaos.SoakOptions{Progress: os.Stdout}
	o.Out = io.Discard
	var images, page string
	f.Float64Var(&o.Hours, "hours", 8, "what it is to be equivalent to, in hours")
	f.Float64Var(&o.Warm, "warm", 1, "hours of those that are not judged")
	f.DurationVar(&o.Limit, "limit", 40*time.Minute, "how long it may really take")
	f.IntVar(&o.Viewers, "viewers", 8, "viewers that come and go")
	f.Uint64Var(&o.Seed, "seed", 1, "`number` that those follow from")
	f.StringVar(&o.Camgw, "camgw", "bin/camgw", "`program` of the daemon")
	f.StringVar(&o.Hostcam, "hostcam", "bin/hostcam", "`program` of the cameras")
	f.StringVar(&images, "images", "", "`directory` for soak.svg and soak.csv; empty: neither")
	f.StringVar(&page, "page", "", "`file` whose section <!-- soak --> becomes the result")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	var err error
	if o.Dir, err = chaos.Dir(o.Seed); err != nil {
		return err
	}
	report, err := chaos.Soak(ctx, o)
	if images != "" && len(report.Samples) > 1 {
		err = errors.Join(err, report.WriteCSV(filepath.Join(images, "soak.csv")), report.WritePlot(filepath.Join(images, "soak.svg")))
	}
	if err != nil {
		return err
	}
	text := tell(o, report)
	fmt.Print(text)
	if page != "" {
		if err := bench.WriteSection(page, "soak", text); err != nil {
			return err
		}
	}
	return os.RemoveAll(o.Dir)
}

// tell is the result in words and a table.
func tell(o chaos.SoakOptions, r chaos.SoakReport) string {
	rise := func(of func(chaos.Sample) float64) float64 { return chaos.Rise(r.Samples, o.Warm, of) }
	row := func(name, unit string, of func(chaos.Sample) float64) string {
		least, most := of(r.Samples[0]), of(r.Samples[0])
		for _, s := range r.Samples {
			if s.Hours >= o.Warm {
				least, most = min(least, of(s)), max(most, of(s))
			}
		}
		return fmt.Sprintf("| %s | %.1f%s | %.1f to %.1f | %+.2f | %.1f |\n", name, of(r.First), unit, least, most, rise(of), of(r.Last))
	}
	return fmt.Sprintf("%s, %s: %.0f pictures, %d replugs and %d viewers that came and left in %v, which is %v hours of three cameras at %d fps, each replugged once a minute. %d pictures that viewers got were compared with what the cameras took.\n\n",
		time.Now().UTC().Format("2006-01-02"), bench.Machine(), r.Pictures, r.Replugs, r.Passers, r.Took.Round(time.Second), o.Hours, chaos.SoakFPS, r.Judged) +
		"| | before, steady viewers alone | after warm-up, viewers coming and going | rise of the fitted line | after, steady viewers alone |\n| --- | --- | --- | --- | --- |\n" +
		row("resident memory", " MB", func(s chaos.Sample) float64 { return s.Resident / 1e6 }) +
		row("heap alive", " MB", func(s chaos.Sample) float64 { return s.Heap / 1e6 }) +
		row("descriptors", "", func(s chaos.Sample) float64 { return s.Descriptors }) +
		row("goroutines", "", func(s chaos.Sample) float64 { return s.Goroutines })
}
