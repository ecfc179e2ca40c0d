package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
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
		{ID: "cam1", Port: "/dev/ttyUSB0", Kind: Serial, Address: "/dev/ttyUSB0", Baud: 921600},
		{ID: "door", Port: "/dev/serial/by-id/usb-1a86_USB=x", Kind: Serial, Address: "/dev/serial/by-id/usb-1a86_USB=x", Baud: 921600},
		{ID: "cam3", Port: "tcp://10.0.0.2:4000", Kind: TCP, Address: "10.0.0.2:4000", Baud: 921600},
		{ID: "cam4", Port: "sim:fps=15,size=800x600", Kind: Simulated, Address: "fps=15,size=800x600", Baud: 921600},
		{ID: "yard", Port: "sim:fps=5", Kind: Simulated, Address: "fps=5", Baud: 921600},
		{ID: "cam6", Port: "cam.tty", Kind: Serial, Address: "cam.tty", Baud: 921600},
		{ID: "cam7", Port: "sim:", Kind: Simulated, Address: "", Baud: 921600},
	}
	for i := range want {
		want[i].Given = "--port " + f.Ports[i]
	}
	if !reflect.DeepEqual(c.Cameras, want) {
		t.Errorf("got  %+v\nwant %+v", c.Cameras, want)
	}
}

func TestSettings(t *testing.T) {
	f := flags(func(f *Flags) {
		f.Ports = []string{"door=sim:", "yard=sim:"}
		f.Sets = []string{"yard:quality=auto", "size=VGA", "quality=12", "door:log_level=4"}
		f.AllowGetControl = true
	})
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Setting{
		{{"size", "VGA", "--set size=VGA", CommandLine}, {"quality", "12", "--set quality=12", CommandLine}, {"log_level", "4", "--set door:log_level=4", CommandLine}},
		{{"quality", "auto", "--set yard:quality=auto", CommandLine}, {"size", "VGA", "--set size=VGA", CommandLine}},
	}
	for i, cam := range c.Cameras {
		if !slices.Equal(cam.Settings, want[i]) {
			t.Errorf("%s: %v, want %v", cam.ID, cam.Settings, want[i])
		}
	}
	if !c.AllowGetControl {
		t.Error("GET is not allowed")
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

func TestStreamListen(t *testing.T) {
	c, err := flags(func(f *Flags) { f.StreamListen = "127.0.0.1:81" }).Config()
	if err != nil || c.StreamListen != "127.0.0.1:81" {
		t.Errorf("%q, %v", c.StreamListen, err)
	}
	_, err = flags(func(f *Flags) { f.StreamListen = "0.0.0.0:81" }).Config()
	if err == nil || !strings.HasPrefix(err.Error(), "--webserver-stream-listen 0.0.0.0:81: anybody who reaches") ||
		!strings.Contains(err.Error(), "try: camgw setup") || !strings.Contains(err.Error(), "or --insecure-no-auth") {
		t.Errorf("%v", err)
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
			`--port udp://1.2.3.4:5: unknown kind of port "udp"; try: a tty path, usb:SERIAL, usb-path:BUS-PORT, tcp://host:port, sim: or replay:FILE`},
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
		{"hook without a program", func(f *Flags) { f.RecoveryHook = []string{"", "x"} },
			`--recovery-hook  --recovery-hook x: the program is missing; try: the full path of one, and then its arguments`},
		{"set without a value", func(f *Flags) { f.Sets = []string{"quality"} },
			`--set quality: a setting is given as KEY=VALUE or NAME:KEY=VALUE; try: --set quality=12`},
		{"set without a key", func(f *Flags) { f.Sets = []string{"cam1:=3"} },
			`--set cam1:=3: a setting is given as KEY=VALUE or NAME:KEY=VALUE; try: --set quality=12`},
		{"set of no camera", func(f *Flags) { f.Sets = []string{"dor:quality=3"}; f.Ports = []string{"door=/dev/a", "yard=/dev/b"} },
			`--set dor:quality=3: there is no camera named "dor"; try: one of door, yard`},
		{"set twice", func(f *Flags) { f.Sets = []string{"quality=3", "cam1:quality=3", "quality=4"} },
			`--set quality=4: "quality" is set twice`},
		{"listen form", func(f *Flags) { f.Listen = "8080" },
			`--listen 8080: not an address of the form host:port; try: --listen 127.0.0.1:8080`},
		{"listen port", func(f *Flags) { f.Listen = "127.0.0.1:http" },
			`--listen 127.0.0.1:http: the port must be a number from 0 to 65535; try: --listen 127.0.0.1:8080`},
		{"listen host", func(f *Flags) { f.Listen = "pi.local:8080" },
			`--listen pi.local:8080: the host must be an IP address of this machine or localhost; try: --listen 127.0.0.1:8080`},
		{"open to all", func(f *Flags) { f.Listen = "0.0.0.0:8080" },
			`--listen 0.0.0.0:8080: anybody who reaches this address could watch, as there are no users; ` +
				`try: camgw setup, or camgw user add NAME --role admin, to ask for a password; or --insecure-no-auth on a network you trust`},
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
