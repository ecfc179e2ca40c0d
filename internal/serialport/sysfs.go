package serialport

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const sysfs = "/sys"

// Identity says what hardware a tty is, as far as sysfs tells. It identifies the adapter, not the camera behind it.
type Identity struct {
	VID, PID string // four hex digits in lower case; empty when not on USB
	Driver   string // of the kernel, such as ch341-uart or cdc_acm
	Serial   string // of the USB device; many adapters have none, or all the same

	USBPath   string // where on USB: bus, and the ports from hub to hub, such as 1-1.2; empty when not on USB
	Interface string // of the USB device, such as 1.0

	product string // in the words of the USB device
}

// tinyUSB reports whether this is Espressif's USB stack in firmware. Its own numbers are 303a:4xxx; 303a:1001 is the
// USB-Serial-JTAG block of the chip.
func (id Identity) tinyUSB() bool {
	return id.VID == "303a" && len(id.PID) == 4 && id.PID[0] == '4'
}

// Describe returns the identity of the tty at path. It is empty for a pty and for a path that is no device.
// It does not open the tty.
func Describe(path string) Identity {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return Identity{}
	}
	return identify(sysfs, uint64(st.Rdev))
}

func identify(root string, rdev uint64) Identity {
	return identifyDir(deviceDir(root, rdev))
}

// identifyDir returns the identity of the tty that a folder of sysfs is about.
func identifyDir(tty string) Identity {
	dir, err := filepath.EvalSymlinks(filepath.Join(tty, "device"))
	if err != nil {
		return Identity{}
	}
	var id Identity
	if driver, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
		id.Driver = filepath.Base(driver)
	}
	// The tty hangs below a USB interface, which hangs below the USB device that has the numbers.
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if vid := attribute(dir, "idVendor"); vid != "" {
			id.VID, id.PID, id.Serial = strings.ToLower(vid), strings.ToLower(attribute(dir, "idProduct")), clean(attribute(dir, "serial"))
			id.product = clean(attribute(dir, "product"))
			id.USBPath = filepath.Base(dir)
			break
		}
		// A USB interface is called after its device: 1-1.2:1.0.
		if _, number, ok := strings.Cut(filepath.Base(dir), ":"); ok && usbPath.MatchString(filepath.Base(dir)) {
			id.Interface = number
		}
	}
	return id
}

// subsystem returns the kernel's class of a device ("tty", "mem"), or "" if it has no entry, as ptys have none.
func subsystem(root string, rdev uint64) string {
	link, err := os.Readlink(filepath.Join(deviceDir(root, rdev), "subsystem"))
	if err != nil {
		return ""
	}
	return filepath.Base(link)
}

func deviceDir(root string, rdev uint64) string {
	return filepath.Join(root, "dev", "char", fmt.Sprintf("%d:%d", unix.Major(rdev), unix.Minor(rdev)))
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// maxUSBString is what fits into a USB string descriptor, in UTF-16 units.
const maxUSBString = 126

// clean returns a string of a USB device as it may be shown and written into a configuration. The kernel passes on whatever the
// device says, which may be made to steer the terminal that lists it.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxUSBString {
			break
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// isPTY reports whether rdev is the slave end of a pty: majors 136 to 143.
func isPTY(rdev uint64) bool {
	major := unix.Major(rdev)
	return major >= 136 && major <= 143
}
