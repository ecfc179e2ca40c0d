package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/gateway"
)

func captureCommand() *cobra.Command {
	var (
		f       config.Flags
		port    string
		to      string
		c       gateway.CaptureOptions
		asJSON  bool
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "capture-raw --port PORT -o FILE",
		Short: "Record the raw bytes of a camera's line, to be played back",
		Long: `Record the raw bytes of a camera's line, to be played back by "camgw replay" or
as a port (replay:FILE). The camera is linked and streams meanwhile, as if
somebody watched it; a gateway that has the port must be stopped first. What
the line does wrong is in the recording, and so it can be given to somebody who
looks for the fault. It has the pictures in it too.`,
		Example: `  camgw capture-raw --port /dev/ttyUSB0 -o fault.tape --duration 1m
  camgw replay --report fault.tape`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case port == "":
				return usageError{cmd, errors.New("--port is missing: which camera? try: camgw ports")}
			case c.Duration < 0 || c.Bytes < 0:
				return usageError{cmd, errors.New("--duration and --bytes must not be below 0")}
			}
			cam, err := oneCamera(f, port)
			if err != nil {
				return err
			}
			out, err := openOutput(cmd, to)
			if err != nil {
				return err
			}
			defer out.discard()
			c.Version = readBuild().Version
			account, err := gateway.Capture(cmd.Context(), cam, talk(cmd, verbose), out, c)
			if err != nil {
				return err
			}
			if err := out.keep(); err != nil {
				return err
			}
			if asJSON {
				w := cmd.OutOrStdout()
				if to == "-" {
					w = cmd.ErrOrStderr() // the recording has the other
				}
				return json.NewEncoder(w).Encode(account)
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%d bytes recorded: %d pictures whole, %d damaged\n",
				account.Bytes, account.Frames.Published, account.Frames.Received-account.Frames.Published)
			return err
		},
	}
	cmd.Flags().StringVar(&port, "port", "", "port of the camera")
	completePorts(cmd, "port")
	cmd.Flags().StringVarP(&to, "output", "o", "", "file for the recording; - is standard output")
	cmd.Flags().IntVar(&f.Baud, "baud", 0, "line rate to use instead of negotiating the best one")
	deviceFlags(cmd, &f)
	cmd.Flags().DurationVar(&c.Duration, "duration", 10*time.Second, "how long to record; 0: until interrupted")
	cmd.Flags().Int64Var(&c.Bytes, "bytes", 100_000_000, "how many bytes from the camera to record at most; 0: no bound")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON what was recorded")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "say on standard error what is going on")
	return cmd
}

func replayCommand() *cobra.Command {
	var (
		source configSource
		speed  string
		loop   bool
		report bool
	)
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Serve a recording of capture-raw as if its camera were there",
		Long: `Serve a recording of capture-raw as if its camera were there: its bytes go
through the same decoder, camera and gateway, at the times they came.

With --report nothing is served. All that is in the recording is told as JSON:
each picture with its checksum, the counters, and the log. Two reports of one
recording are the same to the byte, so that a fault becomes a test.`,
		Example: `  camgw replay fault.tape --speed 4
  camgw replay --report fault.tape | diff expected.json -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{cmd, errors.New("one recording is wanted: camgw replay FILE")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if report {
				r, err := gateway.Examine(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", " ")
				return e.Encode(r)
			}
			source.flags.Ports = []string{fmt.Sprintf("replay=replay:%s?speed=%s&loop=%t", args[0], speed, loop)}
			return serve(cmd, &source, "", func(addr net.Addr, _ bool) {
				fmt.Fprintf(cmd.ErrOrStderr(), "Open http://%s in a browser. Stop with Ctrl-C.\n", addr)
			})
		},
	}
	cmd.Flags().StringVar(&speed, "speed", "1", "how many times as fast as it was; max: as fast as can be")
	cmd.Flags().BoolVar(&loop, "loop", false, "begin again at the end")
	cmd.Flags().BoolVar(&report, "report", false, "serve nothing, and print what is in the recording as JSON")
	httpFlags(cmd, &source.flags)
	return cmd
}
