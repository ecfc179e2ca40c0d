package config

import (
	"errors"
	"slices"
	"testing"
)

func flags(change func(*Flags)) Flags {
	f := Flags{Ports: []string{"/dev/ttyUSB0"}, Listen: DefaultListen, MaxViewers: DefaultMaxViewers}
	if change != nil {
		change(&f)
	}
	return f
}

func TestPorts(t *testing.T) {
	f := flags(func(f *Flags) {
		f.Ports = []string{"/dev/ttyUSB0", "door=/dev/serial/by-id/usb-1a86_USB=x", "tcp://10.0.0.2:4000",
			"sim:fps=15,size=800x600", "yard=sim:fps=5", "cam.tty", "sim:"}
		f.Baud = 921600
	})
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	want := []Camera{
		{"cam1", "/dev/ttyUSB0", Serial, "/dev/ttyUSB0", 921600},
		{"door", "/dev/serial/by-id/usb-1a86_USB=x", Serial, "/dev/serial/by-id/usb-1a86_USB=x", 921600},
		{"cam3", "tcp://10.0.0.2:4000", TCP, "10.0.0.2:4000", 921600},
		{"cam4", "sim:fps=15,size=800x600", Simulated, "fps=15,size=800x600", 921600},
		{"yard", "sim:fps=5", Simulated, "fps=5", 921600},
		{"cam6", "cam.tty", Serial, "cam.tty", 921600},
		{"cam7", "sim:", Simulated, "", 921600},
	}
	if !slices.Equal(c.Cameras, want) {
		t.Errorf("got  %+v\nwant %+v", c.Cameras, want)
	}
}

func TestListenAccepted(t *testing.T) {
	for _, tt := range []struct {
		listen   string
		insecure bool
	}{
		{"127.0.0.1:8080", false},
		{"127.9.9.9:80", false},
		{"[::1]:8080", false},
		{"localhost:0", false},
		{"0.0.0.0:8080", true},
		{":8080", true},
		{"[::]:8080", true},
		{"192.168.1.5:8080", true},
	} {
		f := flags(func(f *Flags) { f.Listen, f.InsecureNoAuth = tt.listen, tt.insecure })
		if _, err := f.Config(); err != nil {
			t.Errorf("%s: %v", tt.listen, err)
		}
		if tt.insecure {
			f.InsecureNoAuth = false
			if _, err := f.Config(); err == nil {
				t.Errorf("%s without --insecure-no-auth was accepted", tt.listen)
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Flags)
		want   string
	}{
		{"no port", func(f *Flags) { f.Ports = nil },
			`--port: no camera given; try: camgw serve --port /dev/ttyUSB0, or camgw demo without hardware`},
		{"bad name", func(f *Flags) { f.Ports = []string{"Front Door=/dev/ttyUSB0"} },
			`--port Front Door=/dev/ttyUSB0: "Front Door" is no camera name: a-z, 0-9, - and _, at most 32`},
		{"no path", func(f *Flags) { f.Ports = []string{"door="} },
			`--port door=: the port is missing; try: --port /dev/ttyUSB0`},
		{"scheme", func(f *Flags) { f.Ports = []string{"udp://1.2.3.4:5"} },
			`--port udp://1.2.3.4:5: unknown kind of port "udp"; try: a tty path, tcp://host:port or sim:`},
		{"tcp without port", func(f *Flags) { f.Ports = []string{"tcp://host"} },
			`--port tcp://host: a serial server is given as tcp://host:port; try: --port tcp://192.168.1.20:4000`},
		{"same name", func(f *Flags) { f.Ports = []string{"a=/dev/ttyUSB0", "a=/dev/ttyUSB1"} },
			`--port a=/dev/ttyUSB1: there is already a camera named "a"; try: another name: NAME=PORT`},
		{"same port", func(f *Flags) { f.Ports = []string{"a=/dev/ttyUSB0", "b=/dev/ttyUSB0"} },
			`--port b=/dev/ttyUSB0: this port is given twice`},
		{"baud", func(f *Flags) { f.Baud = 300 },
			`--baud 300: must be from 9600 to 12000000; try: leave it out to negotiate the best rate`},
		{"viewers", func(f *Flags) { f.MaxViewers = 0 },
			`--max-viewers 0: must be from 1 to 100000`},
		{"listen form", func(f *Flags) { f.Listen = "8080" },
			`--listen 8080: not an address of the form host:port; try: --listen 127.0.0.1:8080`},
		{"listen port", func(f *Flags) { f.Listen = "127.0.0.1:http" },
			`--listen 127.0.0.1:http: the port must be a number from 0 to 65535; try: --listen 127.0.0.1:8080`},
		{"listen host", func(f *Flags) { f.Listen = "pi.local:8080" },
			`--listen pi.local:8080: the host must be an IP address of this machine or localhost; try: --listen 127.0.0.1:8080`},
		{"open to all", func(f *Flags) { f.Listen = "0.0.0.0:8080" },
			`--listen 0.0.0.0:8080: anybody who reaches this address could watch, and no authentication is configured; ` +
				`try: --listen 127.0.0.1:8080 behind a reverse proxy that asks for a password, or --insecure-no-auth on a network you trust`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := flags(tt.change).Config()
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%T is no *Error", err)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Flags{Listen: "x", MaxViewers: 1, Ports: []string{"a=", "b://c"}}.Config()
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 3 {
		t.Errorf("%d mistakes told, want 3: %v", n, err)
	}
}
