package serialport

import (
	"errors"
	"fmt"
	"reflect"
	"syscall"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// openLibrary opens the tty at path with the library and keeps its descriptors from child processes.
func openLibrary(path string, mode *serial.Mode) (serial.Port, error) {
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
