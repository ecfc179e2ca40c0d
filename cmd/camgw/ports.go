package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/gateway"
	"github.com/camgw/camgw/internal/serialport"
)

// portLine is a port as `camgw ports --json` tells it.
type portLine struct {
	Path   string `json:"path"`
	Stable string `json:"stable"`            // the name for a configuration
	Name   string `json:"usb_name"`          // usb:... or usb-path:...; empty when not on USB
	ByID   string `json:"by_id,omitempty"`   // the links that udev made
	ByPath string `json:"by_path,omitempty"` // likewise
	VID    string `json:"vid,omitempty"`
	PID    string `json:"pid,omitempty"`
	Serial string `json:"serial,omitempty"`
	Place  string `json:"usb_path,omitempty"`
	Chip   string `json:"chip,omitempty"`
	What   string `json:"product,omitempty"`
	Driver string `json:"driver"`
	Holder string `json:"holder,omitempty"`
	Ours   bool   `json:"ours"` // the holder is a camgw, or a camera answered

	Camera  *gateway.Found `json:"camera,omitempty"`      // --probe alone
	Failure string         `json:"probe_error,omitempty"` // likewise
}

func portsCommand() *cobra.Command {
	var (
		asJSON, probe bool
		patience      time.Duration
	)
	cmd := &cobra.Command{
		Use:   "ports",
		Short: "List the serial ports of this machine, and the names to give them",
		Long: `List the serial ports of this machine, and the names to give them.

STABLE is the name for a configuration: it stays when the port is plugged in
again. Two adapters without serial numbers are told apart by their place on USB.

No port is opened, because that resets boards. With --probe those that nobody
holds are opened, one after the other, to see whether a camera answers.

Exit code: 0 if there is a port (with --probe: a camera), 1 if there is none.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ports, err := machine.List()
			if err != nil {
				return fmt.Errorf("list the serial ports: %w; try: a system with /sys mounted", err)
			}
			lines := make([]portLine, len(ports))
			cameras := 0
			for i, p := range ports {
				lines[i] = newPortLine(p)
				if probe {
					lines[i].probe(cmd, patience)
				}
				if lines[i].Camera != nil || probe && p.Ours {
					cameras++
				}
			}
			if err := printPorts(cmd.OutOrStdout(), lines, asJSON, probe); err != nil {
				return err
			}
			switch {
			case len(lines) == 0:
				return errors.New("no serial port found; try: plug the camera in with a cable that has data wires, and look at: dmesg --follow")
			case probe && cameras == 0:
				return errors.New("no camera answered; try: flash the firmware, and check power, TX and RX")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, a list of objects")
	cmd.Flags().BoolVar(&probe, "probe", false, "open each port that nobody holds, and see whether a camera answers; this resets many boards")
	cmd.Flags().DurationVar(&patience, "timeout", 4*time.Second, "how long --probe waits at each port")
	return cmd
}

func newPortLine(p serialport.Info) portLine {
	return portLine{
		Path: p.Path, Stable: p.Stable, Name: p.Name(), ByID: p.ByID, ByPath: p.ByPath, VID: p.VID, PID: p.PID, Serial: p.Serial,
		Place: p.USBPath, Chip: p.Chip, What: p.Product, Driver: p.Driver, Holder: p.Holder, Ours: p.Ours,
	}
}

// probe opens the port, unless somebody has it.
func (l *portLine) probe(cmd *cobra.Command, patience time.Duration) {
	if l.Holder != "" {
		return
	}
	cam := config.Camera{ID: "probe", Port: l.Path, Kind: config.Serial, Address: l.Path}
	found, err := gateway.Probe(cmd.Context(), cam, slog.New(slog.DiscardHandler), patience)
	if err != nil {
		l.Failure = err.Error()
		return
	}
	l.Camera, l.Ours = &found, true
}

func printPorts(w io.Writer, lines []portLine, asJSON, probed bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(lines)
	}
	if len(lines) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := []string{"PORT", "USB ID", "CHIP", "DRIVER", "HELD BY", "STABLE"}
	if probed {
		head = append(head, "CAMERA")
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	for _, l := range lines {
		id := "-"
		if l.VID != "" {
			id = l.VID + ":" + l.PID
		}
		chip := l.Chip
		if chip == "" {
			chip = l.What
		}
		row := []string{l.Path, id, dash(chip), dash(l.Driver), dash(l.Holder), l.Stable}
		if probed {
			switch {
			case l.Camera != nil:
				row = append(row, fmt.Sprintf("%s, %s, %s", l.Camera.Board, l.Camera.Sensor, l.Camera.MAC))
			case l.Holder != "":
				row = append(row, "not probed: held")
			default:
				row = append(row, dash(l.Failure))
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}
