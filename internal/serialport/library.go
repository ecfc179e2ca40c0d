package serialport

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

var (
	errPanicked        = errors.New("the serial library panicked")
	errNoLowDescriptor = errors.New("no descriptor below 1024 is free, and the serial library needs three")
)

// openAttempts bounds the race for low descriptors against everybody else in the process who opens something.
const openAttempts = 20

// openLibrary opens the tty at path with the library, on descriptors its select(2) can name. The caller has lent them.
func openLibrary(path string, mode *serial.Mode) (serial.Port, error) {
	err := errNoLowDescriptor
	for attempt := range openAttempts {
		if attempt > 0 {
			// What we set free for the library went to others. The more is free, the fewer they can take all of it.
			lowDescriptors.widen(perPort)
			time.Sleep(time.Duration(attempt) * 100 * time.Microsecond)
		}
		var port serial.Port
		port, err = openPrivately(path, mode)
		if err != nil {
			if strings.Contains(err.Error(), unix.EMFILE.Error()) { // the library's errors do not unwrap
				continue
			}
			return nil, err
		}
		if selectable(port) {
			return port, nil
		}
		err = errors.Join(errNoLowDescriptor, port.Close())
	}
	return nil, err
}

// openPrivately opens the port and keeps its descriptors from child processes.
func openPrivately(path string, mode *serial.Mode) (serial.Port, error) {
	// The library opens without O_CLOEXEC; this lock keeps a fork from coming in between.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	port, err := serial.Open(path, mode)
	if err != nil {
		return nil, err
	}
	tty, pipe, err := descriptors(port)
	if err != nil {
		return nil, errors.Join(err, port.Close())
	}
	for _, fd := range append(pipe[:], tty) {
		unix.CloseOnExec(fd)
	}
	// The library reads after select(2) said there is something. If another process reads the same tty, it may be gone
	// by then, and a blocking read would wait past any timeout.
	if err := unix.SetNonblock(tty, true); err != nil {
		return nil, errors.Join(err, port.Close())
	}
	return port, nil
}

// descriptors returns the numbers that the library keeps in private fields. A release that renames them fails here, in the
// first test, and not in the field.
func descriptors(port serial.Port) (tty int, pipe [2]int, err error) {
	number := func(v reflect.Value, field string) int {
		if v.Kind() == reflect.Struct {
			if f := v.FieldByName(field); f.IsValid() && f.CanInt() {
				return int(f.Int())
			}
		}
		err = fmt.Errorf("%T has no field %s: this release of go.bug.st/serial is not known", port, field)
		return -1
	}
	v := reflect.Indirect(reflect.ValueOf(port))
	tty = number(v, "handle")
	if err != nil {
		return -1, pipe, err
	}
	signal := reflect.Indirect(v.FieldByName("closeSignal"))
	return tty, [2]int{number(signal, "rd"), number(signal, "wr")}, err
}

// selectable reports whether the library's descriptors are such that its Read does not panic. A read of nothing takes nothing.
func selectable(port serial.Port) bool {
	if port.SetReadTimeout(0) != nil {
		return false
	}
	_, err := readRecovered(port, nil)
	return !errors.Is(err, errPanicked)
}

// readRecovered reads from the library and turns its panics into errors. Its lock is released on the way, so Close still works.
func readRecovered(port serial.Port, b []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("%w: %v", errPanicked, r)
		}
	}()
	return port.Read(b)
}
