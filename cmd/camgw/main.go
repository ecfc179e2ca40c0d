// Command camgw is a gateway between ESP32 cameras on serial wires and
// everyone who wants to watch them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/systemd"
)

// Exit codes. docs/cli.md lists them for scripts.
const (
	exitFailure = 1 // the work could not be done
	exitUsage   = 2 // the command line makes no sense

	exitConfig = 78 // the configuration file or the environment makes no sense (EX_CONFIG of sysexits.h)
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal is for a person in a hurry: back to the default, which ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// extraCommands are those of builds with tags.
var extraCommands []func() *cobra.Command

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "camgw",
		Short:         "Gateway between ESP32 cameras on serial wires and everyone who wants to watch them",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{cmd, err} })
	root.AddCommand(serveCommand(), demoCommand(), configCommand(), versionCommand(),
		portsCommand(), snapshotCommand(), captureCommand(), replayCommand(),
		setupCommand(), userCommand(), tokenCommand(), linkCommand())
	for _, extra := range extraCommands {
		root.AddCommand(extra())
	}
	root.InitDefaultCompletionCmd(args...)

	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	priority := ""
	if systemd.Journal(stderr) {
		priority = systemd.PriorityError
	}
	for _, e := range flatten(err) {
		fmt.Fprintf(stderr, "%scamgw: %v\n", priority, e)
	}
	_, usage := errors.AsType[usageError](err)
	mistake, configured := false, false
	for _, e := range flatten(err) {
		if m, ok := errors.AsType[*config.Error](e); ok {
			mistake = true
			configured = configured || m.Origin != config.CommandLine
		}
	}
	if configured {
		return exitConfig
	}
	if usage || mistake || cmd == root {
		if usage || cmd == root {
			fmt.Fprintf(stderr, "See: %s --help\n", cmd.CommandPath())
		}
		return exitUsage
	}
	return exitFailure
}

// usageError is a command line that could not be parsed.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// noArgs is cobra.NoArgs with the exit code of a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{cmd, err}
	}
	return nil
}

// flatten splits joined errors, so that each mistake gets a line.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}
