// Package config turns what the operator wrote into one valid Config, or into
// an error that names the thing that is wrong and the next step. It reads
// neither environment nor clock.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of the flags of `camgw serve`.
const (
	DefaultListen     = "127.0.0.1:8080"
	DefaultMaxViewers = 512
	DefaultSocketMode = "0660"

	DefaultUsers   = "/etc/camgw/users.toml" // if there is one
	NoUsers        = "none"                  // nobody is asked who he is
	DefaultSession = 30 * 24 * time.Hour

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
	AlsoListen     []string // more of the first kind
	Baud           int      // 0 negotiates
	MaxViewers     int
	InsecureNoAuth bool

	SocketMode, SocketGroup string // of Unix sockets; empty: DefaultSocketMode, and the process's own
	TLSCert, TLSKey         string // files; empty: plain HTTP

	MaxConnections, MaxConnectionsPerAddress int // 0: they follow from the others

	Users   string        // path of the file of users; NoUsers or empty: there are none
	Session time.Duration // 0: DefaultSession

	RecoveryHook []string // program and arguments; empty: none

	Sets            []string // KEY=VALUE or NAME:KEY=VALUE
	AllowGetControl bool

	Hosts, CORSOrigins, FrameAncestors, TrustedProxies []string

	MaxViewersPerCamera, MaxViewersPerAddress int // 0: no bound of their own

	Mode            string        // of viewers that do not ask for one; empty: DefaultMode
	MaxFPS          float64       // 0: no bound
	LockstepTimeout time.Duration // 0: DefaultLockstepTimeout
	AllPatience     time.Duration // 0: DefaultAllPatience
	AllBuffer       string        // bytes, or with KiB or MiB behind; empty: DefaultAllBuffer

	// Of what [Load] has read; empty when there is only the command line.
	file      string            // its name
	from      map[string]source // by path; what is not there is the command line's or the default
	given     map[string]bool   // names of the flags that were given
	portsFrom source            // of Ports or written
	written   []written         // in place of Ports
	broken    bool              // some cameras of the file were mistakes, and are not in written
	fileSets  []wish            // below envSets, and those below Sets
	envSets   []string
}

// wish is a setting for all cameras, or for one of them.
type wish struct {
	Setting
	camera string // its name, or
	number int    // its number in the file; 0 and "": all
}

// Config is a valid configuration. Treat it as frozen.
type Config struct {
	Listen       string
	StreamListen string // "": none
	AlsoListen   []string
	Socket       Socket
	TLS          TLS
	Connections  Connections
	MaxViewers   int
	Cameras      []Camera // at least one; ids are unique

	InsecureNoAuth bool // addresses that others reach are allowed, although there are no Users

	Users   string        // path of the file of users; "": nobody is asked who he is
	Session time.Duration // how long the page stays signed in

	RecoveryHook Hook
	Browsing     Browsing

	Delivery        Delivery
	AllowGetControl bool // /control changes settings by GET too
}

// Hook is the operator's program for a camera that nothing else brings back.
type Hook struct {
	Argv []string // program and arguments, as they are: no shell; empty: there is none

	Given  string // what names it in messages
	Origin Origin
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

	Given  string // what names its port in messages
	Origin Origin // of its port
}

// Same tells whether two cameras are to do the same, wherever that was written.
func (cam Camera) Same(o Camera) bool {
	return cam.ID == o.ID && cam.Port == o.Port && cam.Baud == o.Baud &&
		slices.EqualFunc(cam.Settings, o.Settings, func(a, b Setting) bool { return a.Key == b.Key && a.Value == b.Value })
}

// Setting is a setting of the device that the operator wants.
type Setting struct {
	Key, Value string
	Given      string // the flag or the line it came with, for messages
	Origin     Origin
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
	What   string // the flag and its value, or file, line and key
	Why    string
	Try    string // the next step; may be empty
	Origin Origin // where it was made
}

func (e *Error) Error() string {
	s := e.What + ": " + e.Why
	if e.Try != "" {
		s += "; try: " + e.Try
	}
	return s
}

// Config checks the flags. All mistakes are told at once.
func (f Flags) Config() (Config, error) { return f.check() }

// what names a value of a key in messages, by where it comes from; try is what would be right there.
func (f *Flags) what(path string, v any) (what string, origin Origin) {
	k := keyOf(path)
	switch from := f.from[path]; from.origin {
	case File:
		return fmt.Sprintf("%s: %s = %s", from.place, path, literal(v)), File
	case Environment:
		return from.place + "=" + plain(v), Environment
	}
	if v, ok := v.([]string); ok {
		return "--" + k.flag + " " + strings.Join(v, " --"+k.flag+" "), CommandLine
	}
	return fmt.Sprintf("--%s %v", k.flag, v), CommandLine
}

// try is how a value is written where the present one comes from.
func (f *Flags) try(path string, v any) string {
	k := keyOf(path)
	switch from := f.from[path]; from.origin {
	case File:
		if one, ok := v.(string); ok && k.kind == list {
			v = []string{one}
		}
		return k.name + " = " + literal(v)
	case Environment:
		return from.place + "=" + plain(v)
	}
	if v == true {
		return "--" + k.flag
	}
	return fmt.Sprintf("--%s %v", k.flag, v)
}

func keyOf(path string) key {
	for _, k := range keys {
		if k.path() == path {
			return k
		}
	}
	panic("config: no key " + path)
}

// wrong is a mistake in the value of a key.
func (f *Flags) wrong(path string, v any, why, try string) *Error {
	what, origin := f.what(path, v)
	return &Error{what, why, try, origin}
}

func (f *Flags) check() (Config, error) {
	c := Config{Listen: f.Listen, StreamListen: f.StreamListen, MaxViewers: f.MaxViewers, AllowGetControl: f.AllowGetControl, InsecureNoAuth: f.InsecureNoAuth}
	if c.Users = f.Users; c.Users == NoUsers {
		c.Users = ""
	}
	c.Session = orDefault(f, "auth.session", f.Session, DefaultSession)
	errs := []error{f.checkListen("http.listen", f.Listen, DefaultListen), f.checkLimits(), f.listeners(&c)}
	if c.Session < 5*time.Minute || c.Session > 365*24*time.Hour {
		errs = append(errs, f.wrong("auth.session", c.Session, "must be from 5m to 8760h", ""))
	}
	if f.StreamListen != "" {
		errs = append(errs, f.checkListen("http.webserver_stream_listen", f.StreamListen, "127.0.0.1:81"))
	}
	delivery, err := f.delivery()
	c.Delivery, errs = delivery, append(errs, err)
	c.RecoveryHook, err = f.hook()
	errs = append(errs, err)
	c.Browsing, err = f.browsing()
	errs = append(errs, err)
	errs = append(errs, f.cameras(&c))
	errs = append(errs, f.distribute(c.Cameras))
	if err := errors.Join(flat(errs)...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// flat takes joined errors apart.
func flat(errs []error) (all []error) {
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = append(all, flat(joined.Unwrap())...)
		} else if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// cameras makes the list of cameras.
func (f *Flags) cameras(c *Config) error {
	if len(f.Ports) == 0 && len(f.written) == 0 && !f.broken {
		if f.file != "" {
			return &Error{f.file, "no camera given", `[[camera]] and below it port = "/dev/ttyUSB0"`, File}
		}
		return &Error{"--port", "no camera given", "camgw serve --port /dev/ttyUSB0, or camgw demo without hardware", CommandLine}
	}
	var errs []error
	add := func(cam Camera, err error, nameAt string) {
		same := "this port is given twice"
		clash := slices.IndexFunc(c.Cameras, func(o Camera) bool { return o.ID == cam.ID })
		twin := slices.IndexFunc(c.Cameras, func(o Camera) bool { return cam.Kind != Simulated && o.Port == cam.Port })
		switch {
		case err != nil:
		case clash >= 0 && nameAt == "":
			place, _, _ := strings.Cut(cam.Given, ": ")
			err = &Error{place + ": camera", fmt.Sprintf("without a name it is %s, as another is named already", cam.ID), `name = "..."`, File}
		case clash >= 0 && cam.Origin == File:
			err = &Error{nameAt, fmt.Sprintf("there is already a camera named %q", cam.ID), `another name: name = "..."`, File}
		case clash >= 0:
			err = &Error{cam.Given, fmt.Sprintf("there is already a camera named %q", cam.ID), "another name: NAME=PORT", cam.Origin}
		case twin >= 0 && cam.Origin == File:
			err = &Error{cam.Given, same, "another port: " + c.Cameras[twin].ID + " has this one", File}
		case twin >= 0:
			err = &Error{cam.Given, same, "", cam.Origin}
		default:
			c.Cameras = append(c.Cameras, cam)
			return
		}
		errs = append(errs, err)
	}
	for i, spec := range f.Ports {
		given, origin := "--port "+spec, CommandLine
		if f.portsFrom.origin == Environment {
			given, origin = f.portsFrom.place+": "+spec, Environment
		}
		cam, err := parsePort(spec, i+1, given, origin)
		cam.Baud = f.Baud
		add(cam, err, given)
	}
	for i, w := range f.written {
		given := fmt.Sprintf("%s: camera.port = %s", w.portAt, literal(w.port))
		cam := Camera{ID: cmp.Or(w.name, fmt.Sprintf("cam%d", i+1)), Port: w.port, Given: given, Origin: File, Baud: f.Baud}
		nameAt := fmt.Sprintf("%s: camera.name = %s", w.nameAt, literal(cam.ID))
		if w.name == "" {
			nameAt = ""
		}
		var err error
		if e := cam.address(`port = "/dev/ttyUSB0"`, `port = "tcp://192.168.1.20:4000"`); e != nil {
			err = e
		}
		if w.baud >= 0 {
			if cam.Baud = w.baud; w.baud > 0 && w.baud < minBaud || w.baud > maxBaud {
				errs = append(errs, &Error{fmt.Sprintf("%s: camera.baud = %d", w.baudAt, w.baud), wrongBaud, "leave it out to negotiate the best rate", File})
			}
		}
		add(cam, err, nameAt)
	}
	return errors.Join(errs...)
}

const (
	minBaud, maxBaud = 9600, 12000000
	wrongBaud        = "must be from 9600 to 12000000"
)

// distribute gives each camera its settings: those for all, and over them those for it alone; and of each the command line's
// over the environment's over the file's.
func (f *Flags) distribute(cameras []Camera) error {
	var errs []error
	given := make(map[string]bool)
	var all []wish
	parse := func(specs []string, what string, origin Origin) {
		here := make(map[string]bool)
		for _, spec := range specs {
			what := what + spec
			left, value, found := strings.Cut(spec, "=")
			name, key, named := strings.Cut(left, ":")
			if !named {
				name, key = "", left
			}
			switch {
			case !found || key == "" || value == "":
				try := "quality=12"
				if origin == CommandLine {
					try = "--set quality=12"
				}
				errs = append(errs, &Error{what, "a setting is given as KEY=VALUE or NAME:KEY=VALUE", try, origin})
			case named && !slices.ContainsFunc(cameras, func(c Camera) bool { return c.ID == name }):
				errs = append(errs, &Error{what, fmt.Sprintf("there is no camera named %q", name), "one of " + ids(cameras), origin})
			case here[left]:
				errs = append(errs, &Error{what, fmt.Sprintf("%q is set twice", left), "", origin})
			case !given[left]:
				here[left] = true
				all = append(all, wish{Setting: Setting{key, value, what, origin}, camera: name})
			}
		}
		for left := range here {
			given[left] = true
		}
	}
	parse(f.Sets, "--set ", CommandLine)
	parse(f.envSets, Prefix+"DEFAULTS_SETTINGS: ", Environment)
	for _, w := range f.fileSets {
		if w.number > 0 {
			// A camera of the file, unless others stand in for those.
			i := slices.IndexFunc(f.written, func(o written) bool { return o.path == fmt.Sprintf("camera[%d]", w.number-1) })
			if i < 0 || i >= len(cameras) {
				continue
			}
			w.camera = cmp.Or(f.written[i].name, fmt.Sprintf("cam%d", i+1))
		}
		left := w.Key
		if w.camera != "" {
			left = w.camera + ":" + w.Key
		}
		if !given[left] {
			given[left] = true
			all = append(all, w)
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

func (f *Flags) checkLimits() error {
	var errs []error
	if f.MaxViewers < 1 || f.MaxViewers > 100000 {
		errs = append(errs, f.wrong("limits.max_viewers", f.MaxViewers, "must be from 1 to 100000", ""))
	}
	if f.Baud != 0 && (f.Baud < minBaud || f.Baud > maxBaud) {
		errs = append(errs, f.wrong("defaults.baud", f.Baud, wrongBaud, "leave it out to negotiate the best rate"))
	}
	return errors.Join(errs...)
}

// hook checks the form of the operator's program; whether there is such a program, the gateway knows.
func (f *Flags) hook() (Hook, error) {
	const path = "defaults.recovery_hook"
	if len(f.RecoveryHook) == 0 {
		return Hook{}, nil
	}
	what, origin := f.what(path, f.RecoveryHook)
	h := Hook{f.RecoveryHook, what, origin}
	switch {
	case h.Argv[0] == "":
		return h, &Error{what, "the program is missing", "the full path of one, and then its arguments", origin}
	case slices.ContainsFunc(h.Argv, func(s string) bool { return strings.ContainsRune(s, 0) }):
		return h, &Error{what, "no program can be given a text with a zero byte in it", "it without that", origin}
	}
	return h, nil
}

// What is said of an address that others reach while nobody is asked who he is.
const (
	NoAuth    = "anybody who reaches this address could watch, as there are no users"
	NoAuthTry = "camgw setup, or camgw user add NAME --role admin, to ask for a password"
)

// checkListen refuses addresses that others reach while nothing asks who they
// are: cameras left open to a network are the most abused devices there are.
func (f *Flags) checkListen(path, address, local string) error {
	if socket, ok := SocketPath(address); ok {
		return f.checkSocket(path, address, socket)
	}
	local = f.try(path, local)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return f.wrong(path, address, "not an address of the form host:port", local)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return f.wrong(path, address, "the port must be a number from 0 to 65535", local)
	}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost" || ip != nil && ip.IsLoopback():
		return nil
	case host != "" && ip == nil:
		return f.wrong(path, address, "the host must be an IP address of this machine or localhost", local)
	case !f.InsecureNoAuth && (f.Users == "" || f.Users == NoUsers):
		allow := "--insecure-no-auth"
		switch f.from[path].origin {
		case File:
			allow = "insecure_no_auth = true"
		case Environment:
			allow = Prefix + "HTTP_INSECURE_NO_AUTH=true"
		}
		return f.wrong(path, address, NoAuth, NoAuthTry+"; or "+allow+" on a network you trust")
	}
	return nil
}
