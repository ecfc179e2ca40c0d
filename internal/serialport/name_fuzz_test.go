package serialport

import "testing"

// FuzzName: a name of a USB device is a query or a mistake; and the name that a port is listed by finds that port, whatever its USB
// device says of itself.
func FuzzName(f *testing.F) {
	for _, s := range []string{"usb:", "usb:0001", "usb:1a86:7523", "usb:10c4:ea60:a:b:", "usb-path:1-1.2", "usb-path:1-1.2:1.0", "usb-path:", "/dev/ttyUSB0", "usb:::", "usb:1a86:7523:"} {
		f.Add(s, "1a86", "7523", "0001", "1-1.2")
	}
	f.Add("usb:a", "303a", "1001", "AA:BB:CC:DD:EE:FF", "3-4")
	f.Add("usb:a", "303a", "1001", "ends:", "3-4")
	f.Fuzz(func(t *testing.T, name, vid, pid, serial, place string) {
		if q, err := parseName(name); err == nil && q == (query{}) {
			t.Fatalf("%q asks for any port there is", name)
		} else if Named(name) && (CheckName(name) == nil) != (err == nil) {
			t.Fatalf("%q: CheckName disagrees: %v", name, err)
		}
		if !hex4.MatchString(vid) || !hex4.MatchString(pid) || !usbPath.MatchString(place) {
			return
		}
		i := Info{Identity: Identity{VID: vid, PID: pid, Serial: clean(serial), USBPath: place}}
		q, err := parseName(i.Name())
		if err != nil || !q.matches(i) {
			t.Fatalf("%q is listed as %q, which is %+v, %v", serial, i.Name(), q, err)
		}
	})
}
