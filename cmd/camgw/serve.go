package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/gateway"
	"github.com/camgw/camgw/internal/systemd"
)

func serveCommand() *cobra.Command {
	source := configSource{}
	cmd := &cobra.Command{
		Use:   "serve [--config FILE] [--port [NAME=]PORT ...]",
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
stay connected.

What a flag does not say is taken from the environment (CAMGW_...), else from
the configuration file, which is read again on SIGHUP.`,
		Example: `  camgw serve --port /dev/ttyUSB0
  camgw serve --port door=/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0 --port yard=tcp://10.0.0.7:4000
  camgw serve --config camgw.toml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd, &source, source.path(cmd), nil) },
	}
	source.register(cmd)
	return cmd
}

func demoCommand() *cobra.Command {
	source := configSource{}
	sim := ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve a simulated camera: everything but the hardware",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source.flags.Ports = []string{"demo=sim:" + sim}
			return serve(cmd, &source, "", func(addr net.Addr, secure bool) {
				scheme := "http"
				if secure {
					scheme = "https"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Open %s://%s in a browser. Stop with Ctrl-C.\n", scheme, addr)
			})
		},
	}
	cmd.Flags().StringVar(&sim, "sim", "", "options of the simulated camera, such as fps=15,size=800x600")
	deviceFlags(cmd, &source.flags)
	httpFlags(cmd, &source.flags)
	return cmd
}

// deviceFlags are about what cameras do.
func deviceFlags(cmd *cobra.Command, f *config.Flags) {
	cmd.Flags().StringArrayVar(&f.Sets, "set", nil, "setting every camera is to have, [NAME:]KEY=VALUE; may be given several times")
	completeSettings(cmd, "set")
}

// httpFlags are the flags of every command that serves.
func httpFlags(cmd *cobra.Command, f *config.Flags) {
	cmd.Flags().StringVar(&f.Listen, "listen", config.DefaultListen, "address to answer HTTP on, host:port or unix:/path")
	cmd.Flags().StringVar(&f.StreamListen, "webserver-stream-listen", "", "second address, with nothing but /stream, for programs made for CameraWebServer: host:81")
	cmd.Flags().StringArrayVar(&f.AlsoListen, "also-listen", nil, "further address for the same, host:port or unix:/path; may be given several times")
	cmd.Flags().StringVar(&f.SocketMode, "socket-mode", config.DefaultSocketMode, "who may connect to Unix sockets, as chmod has it")
	cmd.Flags().StringVar(&f.SocketGroup, "socket-group", "", "group of Unix sockets; default: the process's own")
	cmd.Flags().StringVar(&f.TLSCert, "tls-cert", "", "certificate in PEM: HTTPS on all addresses but Unix sockets; read again when it changes")
	cmd.Flags().StringVar(&f.TLSKey, "tls-key", "", "its key in PEM")
	cmd.Flags().IntVar(&f.MaxConnections, "max-connections", 0, "connections allowed at once; 0: two for each viewer and 256 more")
	cmd.Flags().IntVar(&f.MaxConnectionsPerAddress, "max-connections-per-address", 0,
		"connections allowed from one address; 0: a quarter of them, and no bound for this machine itself")
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
	cmd.Flags().StringArrayVar(&f.Hosts, "host", nil, "name that the gateway answers to, beside IP addresses, localhost and this machine's own; may be given several times")
	cmd.Flags().StringArrayVar(&f.CORSOrigins, "cors-origin", nil, "other site whose pages may do what their visitors may, such as http://mainsail.lan; may be given several times")
	cmd.Flags().StringArrayVar(&f.FrameAncestors, "frame-ancestor", nil, "other site that may show the page in a frame; may be given several times")
	cmd.Flags().StringArrayVar(&f.TrustedProxies, "trusted-proxy", nil,
		"reverse proxy that is believed for whom it asks: an address, a network, or unix; may be given several times")
	usersFlag(cmd, f)
	cmd.Flags().DurationVar(&f.Session, "session", config.DefaultSession, "how long the page stays signed in")
}

func usersFlag(cmd *cobra.Command, f *config.Flags) {
	cmd.Flags().StringVar(&f.Users, "users", "", "file that says who may do what; default "+config.DefaultUsers+" if it exists; none: nobody is asked who he is")
}

// serve runs the daemon with a configuration from a file; path "" is none.
func serve(cmd *cobra.Command, source *configSource, path string, ready func(addr net.Addr, secure bool)) error {
	log := slog.New(systemd.NewHandler(cmd.ErrOrStderr(), nil))
	// Without a file there is nothing to read again, and a hang-up means that the terminal is gone. With one, a signal that comes
	// before it has been read is for what it said before, and must not end the process.
	reloads := make(chan os.Signal, 1)
	if path != "" {
		signal.Notify(reloads, syscall.SIGHUP)
		defer signal.Stop(reloads)
	}
	load := func() (config.Config, error) {
		loaded, err := source.load(cmd, path)
		for _, w := range loaded.Warnings {
			log.Warn(w)
		}
		return loaded.Config, err
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	if path != "" {
		log.Info("configuration read", "file", path)
	}
	inherited, err := systemd.Inherited()
	if err != nil {
		return err
	}
	b := readBuild()
	return gateway.Run(cmd.Context(), cfg, gateway.Options{
		Logger:   log,
		Version:  b.Version,
		Revision: b.Revision,
		Ready: func(addr net.Addr) {
			if ready != nil {
				ready(addr, cfg.TLS.Enabled() && addr.Network() == "tcp")
			}
		},
		Reloads:   reloads,
		Load:      load,
		Notifier:  systemd.NewNotifier(log),
		Inherited: inherited,
	})
}
