package serialport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/serialport/ptytest"
)

var (
	ch340  = ptytest.Adapter{VID: "1a86", PID: "7523", Product: "USB Serial"}
	cp2102 = ptytest.Adapter{VID: "10C4", PID: "EA60", Serial: "0001:A", Product: "CP2102 USB to UART", Driver: "cp210x"}
	jtag   = ptytest.Adapter{VID: "303a", PID: "1001", Serial: "24:6F:28:00:00:01", Product: "USB JTAG/serial debug unit", Driver: "cdc_acm"}
)

func at(place string, a ptytest.Adapter) ptytest.Adapter {
	a.Place = place
	return a
}

// bench is a computer whose adapters lead to ptys.
type bench struct {
	*testing.T
	usb   ptytest.USB
	m     Machine
	lines map[string]*ptytest.Line // by place
}

func newBench(t *testing.T) *bench {
	u := ptytest.USB{Root: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(u.Sys(), "class", "tty"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &bench{t, u, Machine{Sys: u.Sys(), Dev: u.Dev()}, make(map[string]*ptytest.Line)}
}

func (b *bench) plug(node string, a ptytest.Adapter) {
	b.Helper()
	if b.lines[a.Place] == nil {
		b.lines[a.Place] = ptytest.New(b.T)
	}
	if err := b.usb.Plug(node, a, b.lines[a.Place].Path); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) unplug(place string) {
	b.Helper()
	if err := b.usb.Unplug(place); err != nil {
		b.Fatal(err)
	}
}

func TestListPorts(t *testing.T) {
	b := newBench(t)
	b.plug("ttyUSB0", at("1-1.3", cp2102))
	// A pty of the test's own would be held by this process.
	for node, a := range map[string]ptytest.Adapter{"ttyUSB10": at("1-1.1", ch340), "ttyUSB2": at("1-1.2", ch340), "ttyACM0": at("1-1.4", jtag)} {
		if err := b.usb.Plug(node, a, "/dev/none"); err != nil {
			t.Fatal(err)
		}
	}
	// What has no hardware is no port: a console, a place kept for a UART that a PC might have.
	for _, name := range []string{"tty1", "ttyS3/device/driver"} {
		if err := os.MkdirAll(filepath.Join(b.usb.Sys(), "class/tty", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.usb.Sys(), "class/tty/ttyS3/type"), []byte("0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	held, err := Open(b.lines["1-1.3"].Path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()

	opened := opens(t, b.lines["1-1.3"].Path)
	ports, err := b.m.List()
	if err != nil {
		t.Fatal(err)
	}
	if opened() {
		t.Error("the list opened a port: that resets boards")
	}
	var got []string
	for _, p := range ports {
		got = append(got, strings.ReplaceAll(fmt.Sprintf("%s %s %s:%s %q %s %q %q %v", p.Path, p.Stable, p.VID, p.PID, p.Chip, p.Driver, p.Name(), p.Holder, p.Ours), b.usb.Dev(), ""))
	}
	want := []string{
		`/ttyACM0 /serial/by-id/usb-303a_1001_24:6F:28:00:00:01-if00-port0 303a:1001 "ESP32 USB-Serial-JTAG" cdc_acm "usb:303a:1001:24:6F:28:00:00:01" "" false`,
		`/ttyUSB0 /serial/by-id/usb-10C4_EA60_0001:A-if00-port0 10c4:ea60 "CP210x" cp210x "usb:10c4:ea60:0001:A" "this process" true`,
		`/ttyUSB2 /serial/by-path/pci-usb-0:1-1.2:1.0-port0 1a86:7523 "CH340" ch341-uart "usb-path:1-1.2" "" false`,
		`/ttyUSB10 /serial/by-path/pci-usb-0:1-1.1:1.0-port0 1a86:7523 "CH340" ch341-uart "usb-path:1-1.1" "" false`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestResolve(t *testing.T) {
	b := newBench(t)
	b.plug("ttyUSB0", at("1-1.1", ch340))
	b.plug("ttyUSB1", at("1-1.2", ch340))
	b.plug("ttyUSB2", at("1-1.3", cp2102))
	b.plug("ttyACM0", at("2-4", jtag))
	dev := b.usb.Dev()
	for _, tt := range []struct {
		name, want string
		cause      Cause
		says       []string
	}{
		{name: "/dev/ttyUSB7", want: "/dev/ttyUSB7"}, // a path is for the opening to judge
		{name: "usb:0001:A", want: dev + "/ttyUSB2"},
		{name: "usb:10c4:ea60", want: dev + "/ttyUSB2"},
		{name: "usb:10C4:EA60:0001:A", want: dev + "/ttyUSB2"},
		{name: "usb:24:6F:28:00:00:01", want: dev + "/ttyACM0"},
		{name: "usb-path:1-1.2", want: dev + "/ttyUSB1"},
		{name: "usb-path:1-1.2:1.0", want: dev + "/ttyUSB1"},
		{name: "usb-path:2-4", want: dev + "/ttyACM0"},
		{name: "usb:10c4:ea60:0002", cause: CauseAbsent, says: []string{"usb:10c4:ea60:0002", "no such USB device", "camgw ports"}},
		{name: "usb-path:1-1", cause: CauseAbsent},
		{name: "usb-path:1-1.2:1.1", cause: CauseAbsent},
		{name: "usb:1a86:7523", cause: CauseInvalid, says: []string{"it fits 2 ports", "usb-path:1-1.1 (now " + dev + "/ttyUSB0)", "usb-path:1-1.2 (now " + dev + "/ttyUSB1)", "try: name the one you mean by its place: --port usb-path:1-1.1"}},
		{name: "usb:", cause: CauseInvalid, says: []string{"usb:SERIAL"}},
		{name: "usb:1a86:", cause: CauseInvalid},
		{name: "usb-path:", cause: CauseInvalid, says: []string{"usb-path:1-1.2"}},
		{name: "usb-path:../../x", cause: CauseInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := b.m.Resolve(tt.name)
			if err == nil {
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				return
			}
			oerr, ok := errors.AsType[*OpenError](err)
			if !ok || tt.want != "" || oerr.Cause != tt.cause {
				t.Fatalf("error %v, cause %v", err, oerr.Cause)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

// TestReplugUnderAnotherName: whatever number the kernel gives, the port is the adapter's.
func TestReplugUnderAnotherName(t *testing.T) {
	b := newBench(t)
	a := at("1-1.3", cp2102)
	for i, name := range []string{"usb:0001:A", "usb-path:1-1.3", filepath.Join(b.usb.Dev(), "serial/by-id/usb-10C4_EA60_0001:A-if00-port0"),
		filepath.Join(b.usb.Dev(), "serial/by-path/pci-usb-0:1-1.3:1.0-port0")} {
		for n := range 3 {
			node := fmt.Sprintf("ttyUSB%d", 3*i+n)
			b.plug(node, a)
			b.reaches(name, "1-1.3")
			b.unplug("1-1.3")
			_, err := Open(name, Options{Machine: b.m})
			if oerr, ok := errors.AsType[*OpenError](err); !ok || oerr.Cause != CauseAbsent {
				t.Errorf("%s, unplugged: %v", name, err)
			}
		}
	}
}

// reaches checks that a name opens the line of the adapter at a place.
func (b *bench) reaches(name, place string) {
	b.Helper()
	p, err := Open(name, Options{Machine: b.m})
	if err != nil {
		b.Error(err)
		return
	}
	defer p.Close()
	if p.Name() != name {
		b.Errorf("the port is called %s, and was opened as %s", p.Name(), name)
	}
	if _, err := b.lines[place].Master.Write([]byte(place)); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := p.Read(buf)
	if err != nil || string(buf[:n]) != place {
		b.Errorf("%s leads to %q, %v; want %s", name, buf[:n], err, place)
	}
}

// TestHubReset: four adapters vanish and come back in any order, two of them without serial numbers. Each name finds its own.
func TestHubReset(t *testing.T) {
	b := newBench(t)
	all := []ptytest.Adapter{at("1-1.1", ch340), at("1-1.2", ch340), at("1-1.3", cp2102), at("1-1.4", jtag)}
	names := map[string]string{"usb-path:1-1.1": "1-1.1", filepath.Join(b.usb.Dev(), "serial/by-path/pci-usb-0:1-1.2:1.0-port0"): "1-1.2",
		"usb:10c4:ea60": "1-1.3", "usb:24:6F:28:00:00:01": "1-1.4"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		numbers := r.Perm(8)
		for i, k := range r.Perm(len(all)) {
			b.plug(fmt.Sprintf("ttyUSB%d", numbers[i]), all[k])
		}
		for name, place := range names {
			b.reaches(name, place)
		}
		for _, a := range all {
			b.unplug(a.Place)
		}
	}
	if ports, err := b.m.List(); err != nil || len(ports) != 0 {
		t.Errorf("%v, %v left", ports, err)
	}
}
