package serialport

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is where ports are looked for. The zero value is this machine; tests lay out others.
type Machine struct {
	Sys string // instead of /sys
	Dev string // instead of /dev
}

func (m Machine) sys() string { return cmp.Or(m.Sys, sysfs) }
func (m Machine) dev() string { return cmp.Or(m.Dev, "/dev") }

// Info is what can be known of a port without opening it.
type Info struct {
	Path     string // its node, such as /dev/ttyUSB0
	Stable   string // the name to use in a configuration: it stays when the port is plugged in again; Path if there is none
	ByID     string // /dev/serial/by-id/...; empty if there is none
	ByPath   string // /dev/serial/by-path/...; likewise
	Identity        // of the USB device and its driver
	Product  string // in the words of the device
	Chip     string // what the numbers stand for; empty if unknown
	Holder   string // who has it open, as far as we may see; empty: nobody
	Ours     bool   // the holder is a camgw
}

// Name returns how the port is named by its USB device: usb:SERIAL, or usb-path:1-1.2; empty when it is not on USB.
func (i Info) Name() string {
	switch {
	case i.Serial != "":
		return usbScheme + i.VID + ":" + i.PID + ":" + i.Serial
	case i.USBPath != "":
		return usbPathScheme + i.USBPath
	}
	return ""
}

// List returns the ports that have hardware behind them, by path. It opens none: that would reset boards.
func (m Machine) List() ([]Info, error) {
	class := filepath.Join(m.sys(), "class", "tty")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, err
	}
	var ports []Info
	for _, e := range entries {
		dir := filepath.Join(class, e.Name())
		if _, err := os.Stat(filepath.Join(dir, "device")); err != nil {
			continue // a virtual console, a pty
		}
		if attribute(dir, "type") == "0" {
			continue // a ttyS of a PC that the kernel keeps a place for, and nothing in it
		}
		id := identifyDir(dir)
		if id.Driver == "" && id.VID == "" {
			continue
		}
		ports = append(ports, Info{Path: filepath.Join(m.dev(), e.Name()), Identity: id, Product: id.product, Chip: chip(id)})
	}
	slices.SortFunc(ports, func(a, b Info) int { return naturally(a.Path, b.Path) })
	for i := range ports {
		p := &ports[i]
		p.ByID = m.linkTo("by-id", p.Path)
		p.ByPath = m.linkTo("by-path", p.Path)
		p.Stable = cmp.Or(p.ByPath, p.Path)
		// A link that two adapters of the same numbers fight for says nothing.
		twins := slices.ContainsFunc(ports, func(o Info) bool { return o.Path != p.Path && o.VID == p.VID && o.PID == p.PID && o.Serial == p.Serial })
		if p.ByID != "" && p.Serial != "" && !twins {
			p.Stable = p.ByID
		}
		if by, ok := m.holderOf(p.Path); ok {
			p.Holder = by.String()
			p.Ours = strings.HasPrefix(p.Holder, "camgw ") || int(by) == os.Getpid()
		}
	}
	return ports, nil
}

// holderOf returns who has the port at path.
func (m Machine) holderOf(path string) (holder, bool) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, false
	}
	if by, ok := lockHolder(&st); ok {
		return by, true
	}
	return openHolder(path)
}

// linkTo returns the link below /dev/serial/KIND that leads to a node.
func (m Machine) linkTo(kind, node string) string {
	dir := filepath.Join(m.dev(), "serial", kind)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		if target, err := os.Readlink(link); err == nil && filepath.Base(target) == filepath.Base(node) {
			return link
		}
	}
	return ""
}

// naturally orders ttyUSB2 before ttyUSB10.
func naturally(a, b string) int {
	split := func(s string) (string, int) {
		stem := strings.TrimRight(s, "0123456789")
		n, err := strconv.Atoi(s[len(stem):])
		if err != nil {
			n = -1
		}
		return stem, n
	}
	as, an := split(a)
	bs, bn := split(b)
	return cmp.Or(cmp.Compare(as, bs), cmp.Compare(an, bn))
}

// chips names what is found on camera boards and the adapters to them.
var chips = map[string]string{
	"1a86:7523": "CH340",
	"1a86:5523": "CH341",
	"1a86:55d3": "CH343",
	"1a86:55d4": "CH9102",
	"10c4:ea60": "CP210x",
	"0403:6001": "FT232R",
	"0403:6010": "FT2232",
	"0403:6014": "FT232H",
	"0403:6015": "FT231X",
	"067b:2303": "PL2303",
	"067b:23a3": "PL2303GC",
	"303a:1001": "ESP32 USB-Serial-JTAG",
}

func chip(id Identity) string {
	if name := chips[id.VID+":"+id.PID]; name != "" {
		return name
	}
	if id.tinyUSB() {
		return "ESP32 TinyUSB"
	}
	return ""
}

const (
	usbScheme     = "usb:"
	usbPathScheme = "usb-path:"
)

// Named reports whether name is resolved by way of sysfs: usb:... or usb-path:...
func Named(name string) bool {
	return strings.HasPrefix(name, usbScheme) || strings.HasPrefix(name, usbPathScheme)
}

var (
	hex4    = regexp.MustCompile(`^[0-9a-fA-F]{4}$`)
	usbPath = regexp.MustCompile(`^[0-9]+-[0-9]+(\.[0-9]+)*(:[0-9]+\.[0-9]+)?$`)
)

// query is what a name asks for. Empty fields match everything.
type query struct {
	vid, pid, serial, path string
}

// parseName reads usb:SERIAL, usb:VID:PID, usb:VID:PID:SERIAL, usb-path:1-1.2 and usb-path:1-1.2:1.0. Serial numbers may have colons in
// them: what begins with two times four hex digits is VID and PID.
func parseName(name string) (query, error) {
	if path, ok := strings.CutPrefix(name, usbPathScheme); ok {
		if !usbPath.MatchString(path) {
			return query{}, errors.New("a place on USB is written like usb-path:1-1.2, and usb-path:1-1.2:1.0 for one of several ports there")
		}
		return query{path: path}, nil
	}
	rest := strings.TrimPrefix(name, usbScheme)
	parts := strings.SplitN(rest, ":", 3)
	numbers := len(parts) >= 2 && hex4.MatchString(parts[0]) && hex4.MatchString(parts[1])
	switch {
	case parts[len(parts)-1] == "" || !numbers && strings.HasSuffix(rest, ":"):
		return query{}, errors.New("a USB device is written like usb:SERIAL, usb:1a86:7523 or usb:10c4:ea60:SERIAL")
	case numbers:
		q := query{vid: strings.ToLower(parts[0]), pid: strings.ToLower(parts[1])}
		if len(parts) == 3 {
			q.serial = parts[2]
		}
		return q, nil
	}
	return query{serial: rest}, nil
}

// CheckName returns what is wrong with a usb: or usb-path: name; nil for all others.
func CheckName(name string) error {
	if !Named(name) {
		return nil
	}
	_, err := parseName(name)
	return err
}

func (q query) matches(i Info) bool {
	return i.USBPath != "" &&
		(q.vid == "" || strings.EqualFold(q.vid, i.VID)) && (q.pid == "" || strings.EqualFold(q.pid, i.PID)) &&
		(q.serial == "" || q.serial == i.Serial) &&
		(q.path == "" || q.path == i.USBPath || q.path == i.USBPath+":"+i.Interface)
}

// Resolve returns the node that name stands for now. A path stands for itself; its links are followed when it is opened. The error is
// an [*OpenError]: of [CauseAbsent] when nothing fits, of [CauseInvalid] when name makes no sense or fits several ports.
func (m Machine) Resolve(name string) (string, error) {
	node, err := m.resolve(name)
	if err != nil {
		return "", err // as a nil *OpenError would not be a nil error
	}
	return node, nil
}

func (m Machine) resolve(name string) (string, *OpenError) {
	if !Named(name) {
		return name, nil
	}
	q, err := parseName(name)
	if err != nil {
		return "", &OpenError{Path: name, Cause: CauseInvalid, Err: err, Hint: hintPorts}
	}
	ports, err := m.List()
	if err != nil {
		return "", &OpenError{Path: name, Cause: CauseOther, Err: err}
	}
	fitting := slices.DeleteFunc(ports, func(i Info) bool { return !q.matches(i) })
	switch len(fitting) {
	case 1:
		return fitting[0].Path, nil
	case 0:
		return "", &OpenError{Path: name, Cause: CauseAbsent, Err: &worded{"no such USB device", unix.ENOENT},
			Hint: "plug the camera in, or list the ports with: camgw ports"}
	}
	return "", ambiguous(name, fitting)
}

// ambiguous lists the ports that a name fits, each by a name that fits it alone.
func ambiguous(name string, fitting []Info) *OpenError {
	names := make([]string, len(fitting))
	for i, p := range fitting {
		distinct := usbPathScheme + p.USBPath
		if slices.ContainsFunc(fitting, func(o Info) bool { return o.Path != p.Path && o.USBPath == p.USBPath }) {
			distinct += ":" + p.Interface
		}
		names[i] = distinct + " (now " + p.Path + ")"
	}
	return &OpenError{Path: name, Cause: CauseInvalid,
		Err:  errors.New("it fits " + strconv.Itoa(len(fitting)) + " ports: " + strings.Join(names, ", ")),
		Hint: "name the one you mean by its place: --port " + strings.Fields(names[0])[0]}
}
