package ptytest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// USB is a machine of links and files that looks to a program like one with USB adapters: a sysfs, and a /dev whose
// nodes lead to ptys.
type USB struct{ Root string }

// Adapter is a USB adapter with one serial port.
type Adapter struct {
	Place    string // bus and ports: 1-1.2
	VID, PID string
	Serial   string // may be empty
	Product  string
	Driver   string // ch341-uart when empty
}

// Sys is what stands for /sys.
func (u USB) Sys() string { return filepath.Join(u.Root, "sys") }

// Dev is what stands for /dev.
func (u USB) Dev() string { return filepath.Join(u.Root, "dev") }

// Plug lets an adapter appear as node (ttyUSB0), which leads to target.
func (u USB) Plug(node string, a Adapter, target string) error {
	if a.Driver == "" {
		a.Driver = "ch341-uart"
	}
	device := filepath.Join(u.Sys(), "devices", "usb1", a.Place)
	port := filepath.Join(device, a.Place+":1.0", node)
	tty := filepath.Join(port, "tty", node)
	driver := filepath.Join(u.Sys(), "bus", "usb-serial", "drivers", a.Driver)
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	do(os.MkdirAll(tty, 0o755))
	do(os.MkdirAll(driver, 0o755))
	for name, content := range map[string]string{"idVendor": a.VID, "idProduct": a.PID, "serial": a.Serial, "product": a.Product} {
		if content != "" {
			do(os.WriteFile(filepath.Join(device, name), []byte(content+"\n"), 0o644))
		}
	}
	do(link(port, filepath.Join(tty, "device")))
	do(link(driver, filepath.Join(port, "driver")))
	do(link(tty, filepath.Join(u.Sys(), "class", "tty", node)))
	do(link(target, filepath.Join(u.Dev(), node)))
	id := "usb-" + a.VID + "_" + a.PID
	if a.Serial != "" {
		id += "_" + a.Serial
	}
	do(link(filepath.Join("..", "..", node), filepath.Join(u.Dev(), "serial", "by-id", id+"-if00-port0")))
	do(link(filepath.Join("..", "..", node), filepath.Join(u.Dev(), "serial", "by-path", "pci-usb-0:"+a.Place+":1.0-port0")))
	return errors.Join(errs...)
}

// Unplug lets what is at a place vanish, with its node and the links to it.
func (u USB) Unplug(place string) error {
	nodes, err := filepath.Glob(filepath.Join(u.Sys(), "devices", "usb1", place, place+":1.0", "tty*"))
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		return fmt.Errorf("nothing is plugged in at %s: %w", place, fs.ErrNotExist)
	}
	errs := []error{os.RemoveAll(filepath.Join(u.Sys(), "devices", "usb1", place))}
	for _, n := range nodes {
		node := filepath.Base(n)
		errs = append(errs, os.Remove(filepath.Join(u.Sys(), "class", "tty", node)), os.Remove(filepath.Join(u.Dev(), node)))
		links, err := filepath.Glob(filepath.Join(u.Dev(), "serial", "by-*", "*"))
		errs = append(errs, err)
		for _, l := range links {
			if target, err := os.Readlink(l); err == nil && filepath.Base(target) == node {
				errs = append(errs, os.Remove(l))
			}
		}
	}
	return errors.Join(errs...)
}

// link makes a link, in place of one that is there: two adapters without serial numbers have the same name by id.
func link(target, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}
