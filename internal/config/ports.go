package config

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

var (
	validID  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	nameLike = regexp.MustCompile(`^[^/:]*$`)
)

// ParsePort reads [NAME=]PORT, as --port has it. The error is an *Error.
func ParsePort(spec string) (Camera, error) { return parsePort(spec, 1, "--port "+spec, CommandLine) }

// parsePort reads [NAME=]PORT. A sign of equality may stand in a port too
// (sim:fps=10), so that a name is what stands before it without slash or colon.
func parsePort(spec string, number int, given string, origin Origin) (Camera, error) {
	cam := Camera{ID: fmt.Sprintf("cam%d", number), Port: spec, Given: given, Origin: origin}
	if name, port, found := strings.Cut(spec, "="); found && nameLike.MatchString(name) {
		if !validID.MatchString(name) {
			return cam, &Error{given, fmt.Sprintf("%q is no camera name: a-z, 0-9, - and _, at most 32", name), "", origin}
		}
		cam.ID, cam.Port = name, port
	}
	if err := cam.address("--port /dev/ttyUSB0", "--port tcp://192.168.1.20:4000"); err != nil {
		return cam, err
	}
	return cam, nil
}

// address finds out what kind of port it is. The two are what would be right.
func (cam *Camera) address(tty, tcp string) *Error {
	switch {
	case cam.Port == "":
		return &Error{cam.Given, "the port is missing", tty, cam.Origin}
	case strings.HasPrefix(cam.Port, "tcp://"):
		cam.Kind, cam.Address = TCP, strings.TrimPrefix(cam.Port, "tcp://")
		host, port, err := net.SplitHostPort(cam.Address)
		if n, nerr := strconv.Atoi(port); err != nil || host == "" || nerr != nil || n < 1 || n > 65535 {
			return &Error{cam.Given, "a serial server is given as tcp://host:port", tcp, cam.Origin}
		}
	case strings.HasPrefix(cam.Port, "sim:"):
		cam.Kind, cam.Address = Simulated, strings.TrimPrefix(cam.Port, "sim:")
	case strings.HasPrefix(cam.Port, "replay:"):
		cam.Kind, cam.Address = Replay, strings.TrimPrefix(cam.Port, "replay:")
	case strings.Contains(cam.Port, "://"):
		scheme, _, _ := strings.Cut(cam.Port, "://")
		return &Error{cam.Given, fmt.Sprintf("unknown kind of port %q", scheme), "a tty path, usb:SERIAL, usb-path:BUS-PORT, tcp://host:port, sim: or replay:FILE", cam.Origin}
	default:
		cam.Kind, cam.Address = Serial, cam.Port
	}
	return nil
}
