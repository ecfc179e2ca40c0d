package main

import (
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/gateway"
)

func serveCommand() *cobra.Command {
	var f config.Flags
	cmd := &cobra.Command{
		Use:   "serve --port PORT [--port NAME=PORT ...]",
		Short: "Serve cameras until stopped",
		Long: `Serve cameras until stopped.

A PORT is one of:

  /dev/ttyUSB0               a serial port, or any link to one
  usb:SERIAL                 the port of the USB device with this serial number,
  usb:VID:PID[:SERIAL]       with these numbers,
  usb-path:1-1.2             or at this place on USB
  tcp://host:port            a serial server
  sim:, sim:fps=15           a simulated camera
  replay:FILE[?speed=4]      what "camgw capture-raw" recorded

What a name stands for is found out each time the port is opened; "camgw ports"
lists them. A camera that is missing or goes away is waited for; its viewers
stay connected.`,
		Example: `  camgw serve --port /dev/ttyUSB0
  camgw serve --port door=/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0 --port yard=tcp://10.0.0.7:4000`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd, f, nil) },
	}
	cmd.Flags().StringArrayVar(&f.Ports, "port", nil, "camera to serve, [NAME=]PORT; may be given several times")
	completePorts(cmd, "port")
	cmd.Flags().IntVar(&f.Baud, "baud", 0, "line rate to use instead of negotiating the best one")
	cmd.Flags().StringArrayVar(&f.RecoveryHook, "recovery-hook", nil,
		"program that may recover a camera when all else has not, given again for each of its arguments; no shell is between")
	deviceFlags(cmd, &f)
	httpFlags(cmd, &f)
	return cmd
}

func demoCommand() *cobra.Command {
	var f config.Flags
	sim := ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve a simulated camera: everything but the hardware",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Ports = []string{"demo=sim:" + sim}
			return serve(cmd, f, func(addr net.Addr) {
				fmt.Fprintf(cmd.OutOrStdout(), "Open http://%s in a browser. Stop with Ctrl-C.\n", addr)
			})
		},
	}
	cmd.Flags().StringVar(&sim, "sim", "", "options of the simulated camera, such as fps=15,size=800x600")
	deviceFlags(cmd, &f)
	httpFlags(cmd, &f)
	return cmd
}

// deviceFlags are about what cameras do.
func deviceFlags(cmd *cobra.Command, f *config.Flags) {
	cmd.Flags().StringArrayVar(&f.Sets, "set", nil, "setting every camera is to have, [NAME:]KEY=VALUE; may be given several times")
	completeSettings(cmd, "set")
}

// httpFlags are the flags of every command that serves.
func httpFlags(cmd *cobra.Command, f *config.Flags) {
	cmd.Flags().StringVar(&f.Listen, "listen", config.DefaultListen, "address to answer HTTP on, host:port")
	cmd.Flags().StringVar(&f.StreamListen, "webserver-stream-listen", "", "second address, with nothing but /stream, for programs made for CameraWebServer: host:81")
	cmd.Flags().IntVar(&f.MaxViewers, "max-viewers", config.DefaultMaxViewers, "viewers allowed at once")
	cmd.Flags().IntVar(&f.MaxViewersPerCamera, "max-viewers-per-camera", 0, "viewers allowed at one camera; 0: no bound of its own")
	cmd.Flags().IntVar(&f.MaxViewersPerAddress, "max-viewers-per-address", 0, "viewers allowed from one address; 0: no bound of its own")
	cmd.Flags().StringVar(&f.Mode, "mode", config.DefaultMode, "delivery to viewers that do not ask with ?mode=: latest, lockstep or all")
	completeOne(cmd, "mode", config.Modes...)
	cmd.Flags().Float64Var(&f.MaxFPS, "max-fps", 0, "pictures per second that a viewer may have; 0: as many as there are")
	cmd.Flags().DurationVar(&f.LockstepTimeout, "lockstep-timeout", config.DefaultLockstepTimeout, "how long a lockstep viewer may keep its group waiting")
	cmd.Flags().DurationVar(&f.AllPatience, "all-patience", config.DefaultAllPatience, "how long a picture may wait for a viewer of all")
	cmd.Flags().StringVar(&f.AllBuffer, "all-buffer", config.DefaultAllBuffer, "how many bytes may wait for a viewer of all")
	cmd.Flags().BoolVar(&f.AllowGetControl, "allow-get-control", false, "let /control change settings by GET, as old programs do and any web page can")
	cmd.Flags().BoolVar(&f.InsecureNoAuth, "insecure-no-auth", false, "allow addresses that others reach, although nobody is asked for a password")
}

func serve(cmd *cobra.Command, f config.Flags, ready func(net.Addr)) error {
	cfg, err := f.Config()
	if err != nil {
		return err
	}
	b := readBuild()
	return gateway.Run(cmd.Context(), cfg, gateway.Options{
		Logger:   slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
		Version:  b.Version,
		Revision: b.Revision,
		Ready:    ready,
	})
}
