// Command run brings the real programs into trouble and tells whether they bore it: see docs/chaos.md.
//
//	make chaos CHAOS_TIME=30m CHAOS_SEED=7
//	bin/chaos/run -time 60s -seed 7 -camgw bin/camgw -stepping=false     the very program that is shipped; its clock cannot be stepped
//
// Exit code 1 says that a promise was not kept, 2 that the run came to nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/chaos"
)

// The kernel ends our programs when the thread that started them ends: main keeps the first thread, which ends last.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "chaos:", err)
	if _, ok := errors.AsType[*chaos.Violation](err); ok {
		os.Exit(1)
	}
	os.Exit(2)
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	o := chaos.Options{Out: os.Stdout}
	var build string
	f.Uint64Var(&o.Seed, "seed", 0, "`number` that the schedule follows from; 0: by chance")
	f.DurationVar(&o.Time, "time", time.Minute, "how long rounds begin")
	f.IntVar(&o.Viewers, "viewers", 50, "passing viewers at once")
	f.StringVar(&o.Camgw, "camgw", "bin/chaos/camgw", "`program` of the daemon")
	f.StringVar(&o.Hostcam, "hostcam", "bin/hostcam", "`program` of the cameras")
	f.BoolVar(&o.Stepping, "stepping", true, "the daemon was built with -build, and its clock can be stepped")
	f.BoolVar(&o.Race, "race", false, "the daemon has the race detector; with -build: is to have it")
	f.StringVar(&build, "build", "", "build the daemon from the source tree at this `directory` into -camgw, and run nothing")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if build != "" {
		return chaos.Build(ctx, build, o.Camgw, o.Race)
	}
	if o.Seed == 0 {
		o.Seed = uint64(rand.Uint32())
	}
	var err error
	if o.Dir, err = chaos.Dir(o.Seed); err != nil {
		return err
	}
	fmt.Printf("seed %d, %v, files in %s\n", o.Seed, o.Time, o.Dir)
	if err := chaos.Run(ctx, o); err != nil {
		return err
	}
	return os.RemoveAll(o.Dir)
}
