// Command proof plants a bug of each class in a copy of the source, one after the other, and shows that the chaos harness
// catches it: see docs/chaos.md.
//
//	make chaos-proof
//	bin/chaos/proof internal/chaos/testdata/gap.patch
//
// A patch begins with the promise that its bug breaks. One that no longer applies, does not build, is not caught, or is caught
// as something else fails the command.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
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
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("proof", flag.ContinueOnError)
	page := f.String("page", "", "`file` whose section <!-- proof --> becomes the table")
	hostcam := f.String("hostcam", "bin/hostcam", "`program` of the cameras")
	limit := f.Duration("time", 2*time.Minute, "how long a bug may live")
	seed := f.Uint64("seed", 1, "`number` that the schedule follows from")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	table := "| planted bug | broken promise | caught after | as |\n| --- | --- | --- | --- |\n"
	var failures error
	for _, name := range f.Args() {
		c, err := prove(ctx, name, *hostcam, *seed, *limit)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			fmt.Printf("%s: NOT PROVEN: %v\n", filepath.Base(name), err)
			failures = errors.Join(failures, fmt.Errorf("%s: %w", name, err))
			continue
		}
		fmt.Printf("%s: %s: caught after %.0f s: %s\n", filepath.Base(name), c.promise, c.took.Seconds(), c.what)
		table += fmt.Sprintf("| %s ([%s](../internal/chaos/testdata/%[2]s)) | %s | %.0f s | %s |\n", c.bug, filepath.Base(name), c.promise, c.took.Seconds(), c.what)
	}
	if failures == nil && *page != "" {
		return bench.WriteSection(*page, "proof", table)
	}
	return failures
}

// caught is a bug that was found.
type caught struct {
	bug, promise, what string
	took               time.Duration
}

func prove(ctx context.Context, patch, hostcam string, seed uint64, limit time.Duration) (c caught, err error) {
	if c, err = head(patch); err != nil {
		return c, err
	}
	dir, err := os.MkdirTemp("", "camgw-proof")
	if err != nil {
		return c, fmt.Errorf("copy of the source: %w", err)
	}
	defer os.RemoveAll(dir)
	tree, program := filepath.Join(dir, "tree"), filepath.Join(dir, "camgw")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return c, fmt.Errorf("copy of the source: %w", err)
	}
	for _, command := range [][]string{
		{"cp", "-a", "cmd", "internal", "go.mod", "go.sum", tree},
		{"patch", "--directory=" + tree, "--strip=1", "--fuzz=0", "--silent", "--input=" + absolute(patch)},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return c, fmt.Errorf("%s: %w\n%s", command[0], err, out)
		}
	}
	if err := chaos.Build(ctx, tree, program, false); err != nil {
		return c, err
	}
	var out bytes.Buffer
	begun := time.Now()
	err = chaos.Run(ctx, chaos.Options{Seed: seed, Time: limit, Viewers: 50, Camgw: program, Hostcam: absolute(hostcam), Stepping: true, Dir: dir, Out: &out})
	c.took = time.Since(begun)
	v, violated := errors.AsType[*chaos.Violation](err)
	switch {
	case err == nil:
		return c, fmt.Errorf("not caught within %v", limit)
	case !violated:
		return c, err
	case string(v.Promise) != c.promise:
		return c, fmt.Errorf("caught as something else: %w", v)
	}
	c.what, _, _ = strings.Cut(strings.ReplaceAll(v.What, dir, ""), "\n")
	return c, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// head reads what a patch says of itself.
func head(patch string) (c caught, err error) {
	f, err := os.Open(patch)
	if err != nil {
		return c, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() && lines.Text() != "" {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "Promise":
			c.promise = value
		case "Bug":
			c.bug = value
		}
	}
	if c.promise == "" || c.bug == "" {
		return c, errors.Join(fmt.Errorf("%s: no lines Promise: and Bug: at the beginning", patch), lines.Err())
	}
	return c, nil
}
