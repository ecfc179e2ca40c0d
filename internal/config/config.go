// Package config turns what the operator wrote into one valid Config, or into
// an error that names the thing that is wrong and the next step. It reads
// neither environment nor clock.
package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of the flags of `camgw serve`.
const (
	DefaultListen     = "127.0.0.1:8080"
	DefaultMaxViewers = 512

	DefaultMode            = "latest"
	DefaultLockstepTimeout = 2 * time.Second
	DefaultAllPatience     = 5 * time.Second
	DefaultAllBuffer       = "8MiB"
)

// Modes are the delivery modes.
var Modes = []string{"latest", "lockstep", "all"}

// Flags are the command line of `camgw serve`, as the operator gave it.
type Flags struct {
	Ports          []string // PORT or NAME=PORT
	Listen         string   // host:port
	StreamListen   string   // host:port of a listener for /stream alone; empty: none
	Baud           int      // 0 negotiates
	MaxViewers     int
	InsecureNoAuth bool

	RecoveryHook []string // program and arguments; empty: none

	Sets            []string // KEY=VALUE or NAME:KEY=VALUE
	AllowGetControl bool

	MaxViewersPerCamera, MaxViewersPerAddress int // 0: no bound of their own

	Mode            string        // of viewers that do not ask for one; empty: DefaultMode
	MaxFPS          float64       // 0: no bound
	LockstepTimeout time.Duration // 0: DefaultLockstepTimeout
	AllPatience     time.Duration // 0: DefaultAllPatience
	AllBuffer       string        // bytes, or with KiB or MiB behind; empty: DefaultAllBuffer
}

// Config is a valid configuration. Treat it as frozen.
type Config struct {
	Listen       string
	StreamListen string // "": none
	MaxViewers   int
	Cameras      []Camera // at least one; ids are unique

	RecoveryHook []string // program and arguments; empty: none

	Delivery        Delivery
	AllowGetControl bool // /control changes settings by GET too
}

// Delivery is what viewers may have, and get unless they ask for less.
type Delivery struct {
	MaxViewersPerCamera, MaxViewersPerAddress int // 0: no bound of their own

	Mode            string  // one of Modes
	MaxFPS          float64 // 0: no bound
	LockstepTimeout time.Duration
	AllPatience     time.Duration
	AllBuffer       int // bytes
}

// Camera is one camera to serve.
type Camera struct {
	ID      string // [a-z0-9][a-z0-9_-]{0,31}: it stands in URLs and metrics
	Port    string // as the operator wrote it, without the name
	Kind    Kind
	Address string // tty path, host:port, or the simulator's options
	Baud    int    // the rate to use; 0 negotiates

	Settings []Setting // keys are unique; whether there is such a key, the camera knows
}

// Setting is a setting of the device that the operator wants.
type Setting struct {
	Key, Value string
	Given      string // the flag it came with, for messages
}

// Kind is what a port is.
type Kind int

// The kinds of ports.
const (
	Serial    Kind = iota // a tty on this machine
	TCP                   // a serial server
	Simulated             // a camera inside the process
	Replay                // a recorded line
)

// Error is a mistake of the operator's.
type Error struct {
	What string // the flag and its value
	Why  string
	Try  string // the next step; may be empty
}

func (e *Error) Error() string {
	s := e.What + ": " + e.Why
	if e.Try != "" {
		s += "; try: " + e.Try
	}
	return s
}

// Config checks the flags. All mistakes are told at once.
func (f Flags) Config() (Config, error) {
	c := Config{Listen: f.Listen, StreamListen: f.StreamListen, MaxViewers: f.MaxViewers, AllowGetControl: f.AllowGetControl, RecoveryHook: f.RecoveryHook}
	errs := []error{f.checkListen("--listen", f.Listen, DefaultListen), f.checkLimits()}
	if f.StreamListen != "" {
		errs = append(errs, f.checkListen("--webserver-stream-listen", f.StreamListen, "127.0.0.1:81"))
	}
	delivery, err := f.delivery()
	c.Delivery, errs = delivery, append(errs, err)
	if len(f.Ports) == 0 {
		errs = append(errs, &Error{"--port", "no camera given", "camgw serve --port /dev/ttyUSB0, or camgw demo without hardware"})
	}
	for i, spec := range f.Ports {
		cam, err := parsePort(spec, i+1)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		cam.Baud = f.Baud
		if slices.ContainsFunc(c.Cameras, func(o Camera) bool { return o.ID == cam.ID }) {
			errs = append(errs, &Error{"--port " + spec, fmt.Sprintf("there is already a camera named %q", cam.ID), "another name: NAME=PORT"})
			continue
		}
		if cam.Kind != Simulated && slices.ContainsFunc(c.Cameras, func(o Camera) bool { return o.Port == cam.Port }) {
			errs = append(errs, &Error{"--port " + spec, "this port is given twice", ""})
			continue
		}
		c.Cameras = append(c.Cameras, cam)
	}
	errs = append(errs, f.distribute(c.Cameras))
	if err := errors.Join(errs...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// distribute gives each camera its settings: those for all, and over them those for it alone.
func (f Flags) distribute(cameras []Camera) error {
	var errs []error
	given := make(map[string]bool)
	type setting struct {
		Setting
		camera string // "" for all
	}
	var all []setting
	for _, spec := range f.Sets {
		what := "--set " + spec
		left, value, found := strings.Cut(spec, "=")
		name, key, named := strings.Cut(left, ":")
		if !named {
			name, key = "", left
		}
		switch {
		case !found || key == "" || value == "":
			errs = append(errs, &Error{what, "a setting is given as KEY=VALUE or NAME:KEY=VALUE", "--set quality=12"})
		case named && !slices.ContainsFunc(cameras, func(c Camera) bool { return c.ID == name }):
			errs = append(errs, &Error{what, fmt.Sprintf("there is no camera named %q", name), "one of " + ids(cameras)})
		case given[left]:
			errs = append(errs, &Error{what, fmt.Sprintf("%q is set twice", left), ""})
		default:
			given[left] = true
			all = append(all, setting{Setting{key, value, what}, name})
		}
	}
	for i := range cameras {
		c := &cameras[i]
		for _, s := range all {
			if s.camera == c.ID || s.camera == "" && !given[c.ID+":"+s.Key] {
				c.Settings = append(c.Settings, s.Setting)
			}
		}
	}
	return errors.Join(errs...)
}

func ids(cameras []Camera) string {
	names := make([]string, len(cameras))
	for i, c := range cameras {
		names[i] = c.ID
	}
	return strings.Join(names, ", ")
}

func (f Flags) checkLimits() error {
	if f.MaxViewers < 1 || f.MaxViewers > 100000 {
		return &Error{fmt.Sprintf("--max-viewers %d", f.MaxViewers), "must be from 1 to 100000", ""}
	}
	if f.Baud != 0 && (f.Baud < 9600 || f.Baud > 12000000) {
		return &Error{fmt.Sprintf("--baud %d", f.Baud), "must be from 9600 to 12000000", "leave it out to negotiate the best rate"}
	}
	return nil
}

// checkListen refuses addresses that others reach while nothing asks who they
// are: cameras left open to a network are the most abused devices there are.
func (f Flags) checkListen(flag, address, local string) error {
	what, local := flag+" "+address, flag+" "+local
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return &Error{what, "not an address of the form host:port", local}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return &Error{what, "the port must be a number from 0 to 65535", local}
	}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost" || ip != nil && ip.IsLoopback():
		return nil
	case host != "" && ip == nil:
		return &Error{what, "the host must be an IP address of this machine or localhost", local}
	case !f.InsecureNoAuth:
		return &Error{what, "anybody who reaches this address could watch, and no authentication is configured",
			local + " behind a reverse proxy that asks for a password, or --insecure-no-auth on a network you trust"}
	}
	return nil
}

var (
	validID  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	nameLike = regexp.MustCompile(`^[^/:]*$`)
)

// ParsePort reads [NAME=]PORT, as --port has it. The error is an *Error.
func ParsePort(spec string) (Camera, error) { return parsePort(spec, 1) }

// parsePort reads [NAME=]PORT. A sign of equality may stand in a port too
// (sim:fps=10), so that a name is what stands before it without slash or colon.
func parsePort(spec string, number int) (Camera, error) {
	cam := Camera{ID: fmt.Sprintf("cam%d", number), Port: spec}
	if name, port, found := strings.Cut(spec, "="); found && nameLike.MatchString(name) {
		if !validID.MatchString(name) {
			return cam, &Error{"--port " + spec, fmt.Sprintf("%q is no camera name: a-z, 0-9, - and _, at most 32", name), ""}
		}
		cam.ID, cam.Port = name, port
	}
	switch {
	case cam.Port == "":
		return cam, &Error{"--port " + spec, "the port is missing", "--port /dev/ttyUSB0"}
	case strings.HasPrefix(cam.Port, "tcp://"):
		cam.Kind, cam.Address = TCP, strings.TrimPrefix(cam.Port, "tcp://")
		host, port, err := net.SplitHostPort(cam.Address)
		if n, nerr := strconv.Atoi(port); err != nil || host == "" || nerr != nil || n < 1 || n > 65535 {
			return cam, &Error{"--port " + spec, "a serial server is given as tcp://host:port", "--port tcp://192.168.1.20:4000"}
		}
	case strings.HasPrefix(cam.Port, "sim:"):
		cam.Kind, cam.Address = Simulated, strings.TrimPrefix(cam.Port, "sim:")
	case strings.HasPrefix(cam.Port, "replay:"):
		cam.Kind, cam.Address = Replay, strings.TrimPrefix(cam.Port, "replay:")
	case strings.Contains(cam.Port, "://"):
		scheme, _, _ := strings.Cut(cam.Port, "://")
		return cam, &Error{"--port " + spec, fmt.Sprintf("unknown kind of port %q", scheme), "a tty path, usb:SERIAL, usb-path:BUS-PORT, tcp://host:port, sim: or replay:FILE"}
	default:
		cam.Kind, cam.Address = Serial, cam.Port
	}
	return cam, nil
}
