package serialport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/serialport/ptytest"
)

// fakeSysfs lays out what the kernel shows of one tty: files and links by path below the root.
func fakeSysfs(t *testing.T, files, links map[string]string) string {
	t.Helper()
	root := t.TempDir()
	place := func(name string) string {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, content := range files {
		if err := os.WriteFile(place(name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.MkdirAll(filepath.Join(root, target), 0o755); err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(filepath.Dir(place(name)), filepath.Join(root, target))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(rel, place(name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestIdentify(t *testing.T) {
	const dropBoth = unix.TIOCM_DTR | unix.TIOCM_RTS
	for _, c := range []struct {
		name         string
		major, minor uint32
		files, links map[string]string
		want         Identity
		lines        modemLines
	}{
		{
			name: "CH340 on ttyUSB0", major: 188,
			files: map[string]string{
				"devices/usb1/1-1/idVendor":  "1a86\n",
				"devices/usb1/1-1/idProduct": "7523\n",
				"devices/usb1/idVendor":      "1d6b\n", // the hub above it
			},
			links: map[string]string{
				"dev/char/188:0": "devices/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0",
				"devices/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0/device": "devices/usb1/1-1/1-1:1.0/ttyUSB0",
				"devices/usb1/1-1/1-1:1.0/ttyUSB0/driver":             "bus/usb-serial/drivers/ch341-uart",
			},
			want:  Identity{VID: "1a86", PID: "7523", Driver: "ch341-uart", USBPath: "1-1", Interface: "1.0"},
			lines: modemLines{lower: dropBoth},
		},
		{
			name: "TinyUSB on ttyACM3", major: 166, minor: 3,
			files: map[string]string{
				"devices/usb1/1-2/idVendor":  "303A\n",
				"devices/usb1/1-2/idProduct": "4001\n",
				"devices/usb1/1-2/serial":    "a0b1c2\n",
			},
			links: map[string]string{
				"dev/char/166:3": "devices/usb1/1-2/1-2:1.0/tty/ttyACM3",
				"devices/usb1/1-2/1-2:1.0/tty/ttyACM3/device": "devices/usb1/1-2/1-2:1.0",
				"devices/usb1/1-2/1-2:1.0/driver":             "bus/usb/drivers/cdc_acm",
			},
			want:  Identity{VID: "303a", PID: "4001", Driver: "cdc_acm", Serial: "a0b1c2", USBPath: "1-2", Interface: "1.0"},
			lines: modemLines{lower: unix.TIOCM_RTS, raise: unix.TIOCM_DTR},
		},
		{
			name: "USB-Serial-JTAG, where DTR alone asks for the boot loader", major: 166,
			files: map[string]string{
				"devices/usb1/1-3/idVendor":  "303a\n",
				"devices/usb1/1-3/idProduct": "1001\n",
				"devices/usb1/1-3/serial":    "24:6F:28:00:00:01\n",
			},
			links: map[string]string{
				"dev/char/166:0": "devices/usb1/1-3/1-3:1.0/tty/ttyACM0",
				"devices/usb1/1-3/1-3:1.0/tty/ttyACM0/device": "devices/usb1/1-3/1-3:1.0",
				"devices/usb1/1-3/1-3:1.0/driver":             "bus/usb/drivers/cdc_acm",
			},
			want:  Identity{VID: "303a", PID: "1001", Driver: "cdc_acm", Serial: "24:6F:28:00:00:01", USBPath: "1-3", Interface: "1.0"},
			lines: modemLines{lower: dropBoth},
		},
		{
			name: "the UART of a Raspberry Pi", major: 204, minor: 64,
			links: map[string]string{
				"dev/char/204:64": "devices/fe201000.serial/tty/ttyAMA0",
				"devices/fe201000.serial/tty/ttyAMA0/device":    "devices/fe201000.serial",
				"devices/fe201000.serial/driver":                "bus/amba/drivers/uart-pl011",
				"devices/fe201000.serial/tty/ttyAMA0/subsystem": "class/tty",
			},
			want:  Identity{Driver: "uart-pl011"},
			lines: modemLines{lower: dropBoth},
		},
		{name: "a pty has no entry", major: 136, minor: 5, lines: modemLines{lower: dropBoth}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := identify(fakeSysfs(t, c.files, c.links), unix.Mkdev(c.major, c.minor))
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if lines := linesFor(got); lines != c.lines {
				t.Errorf("lines %+v, want %+v", lines, c.lines)
			}
			keepsDTR := c.lines.raise == unix.TIOCM_DTR
			if got := *linesFor(got).initial(); got != (serial.ModemOutputBits{DTR: keepsDTR}) {
				t.Errorf("the library is told %+v", got)
			}
		})
	}
}

func TestSubsystem(t *testing.T) {
	root := fakeSysfs(t, nil, map[string]string{
		"dev/char/4:64":                           "devices/platform/tty/ttyS0",
		"devices/platform/tty/ttyS0/subsystem":    "class/tty",
		"dev/char/10:130":                         "devices/virtual/misc/watchdog",
		"devices/virtual/misc/watchdog/subsystem": "class/misc",
	})
	for _, c := range []struct {
		major, minor uint32
		want         string
	}{{4, 64, "tty"}, {10, 130, "misc"}, {136, 0, ""}} {
		if got := subsystem(root, unix.Mkdev(c.major, c.minor)); got != c.want {
			t.Errorf("%d:%d is %q, want %q", c.major, c.minor, got, c.want)
		}
	}
}

func TestDescribeWhatIsNotThere(t *testing.T) {
	for _, path := range []string{ptytest.New(t).Path, "/none", t.TempDir()} {
		if got := Describe(path); got != (Identity{}) {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

// TestUSBStringsAreCleaned: a USB device names itself, and the kernel passes on what it says.
func TestUSBStringsAreCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"CP2102 USB to UART":     "CP2102 USB to UART",
		"Kamera für Vögel":       "Kamera für Vögel",
		"\x1b]0;owned\a\x1b[2J":  "?]0;owned??[2J",
		"a\tb\nc\x00\xff\u202e":  "a?b?c???",
		" 0001 ":                 "0001",
		strings.Repeat("é", 300): strings.Repeat("é", 126),
	} {
		root := fakeSysfs(t, map[string]string{
			"devices/usb1/1-1/idVendor": "1a86\n", "devices/usb1/1-1/idProduct": "7523\n",
			"devices/usb1/1-1/serial": in, "devices/usb1/1-1/product": in,
			"devices/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0/dev": "188:0\n",
		}, map[string]string{
			"dev/char/188:0": "devices/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0",
			"devices/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0/device": "devices/usb1/1-1/1-1:1.0/ttyUSB0",
		})
		id := identify(root, unix.Mkdev(188, 0))
		if id.Serial != want || id.product != want || id.VID != "1a86" {
			t.Errorf("%q became %q and %q", in, id.Serial, id.product)
		}
	}
}
