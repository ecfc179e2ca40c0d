package serialport

import (
	"errors"
	"fmt"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// Open opens a tty for this process alone, and sets it to raw 8N1. The path may be a symlink, or name a USB device: see
// [Machine.Resolve]; what it stands for is found out anew each time. Bytes received before
// Open returns are discarded. Boards that are wired for it are reset by the opening; that cannot be prevented on
// Linux, but they come up running, not in their boot loader. The error is an [*OpenError].
//
// Several goroutines may open different ports at the same time.
func Open(path string, opts Options) (*Port, error) {
	p, err := open(path, opts)
	if err != nil {
		return nil, err // as a nil *OpenError would not be a nil error
	}
	return p, nil
}

func open(path string, opts Options) (*Port, *OpenError) {
	opts, err := opts.withDefaults()
	if err == nil && path == "" {
		err = errors.New("the path is empty")
	}
	if err != nil {
		return nil, &OpenError{Path: path, Cause: CauseInvalid, Err: err}
	}

	name := path
	path, unresolved := opts.Machine.resolve(name)
	if unresolved != nil {
		return nil, unresolved
	}

	// All that can be known without touching the device comes first: opening is felt on the wire.
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, classify(path, nil, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return nil, notTTY(path, kindOf(st.Mode))
	}
	rdev := uint64(st.Rdev)
	if class := subsystem(opts.Machine.sys(), rdev); class != "" && class != "tty" {
		return nil, notTTY(path, class+" device")
	}
	if by, known := lockHolder(&st); known {
		return nil, held(path, by, known, unix.EBUSY)
	}
	id := identify(opts.Machine.sys(), rdev)

	spareDescriptors.borrow(perPort)
	p, err := take(path, &st, linesFor(id), opts)
	if err != nil {
		spareDescriptors.giveBack(perPort)
		if oerr, ok := errors.AsType[*OpenError](err); ok {
			return nil, oerr
		}
		return nil, classify(path, &st, err)
	}
	if p.name = name; name != path {
		opts.Logger.Info("USB device found", "port", name, "path", path)
	}
	opts.Logger.Debug("serial port open", "path", path, "baud", p.baud, "driver", id.Driver, "usb_vid", id.VID, "usb_pid", id.PID, "usb_serial", id.Serial)
	return p, nil
}

// take opens both descriptors and sets the line up. It leaves nothing open when it fails.
func take(path string, st *unix.Stat_t, lines modemLines, opts Options) (_ *Port, err error) {
	ctl, err := openControl(path)
	if err != nil {
		return nil, err
	}
	in, err := newInput(ctl, path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, in.close())
		}
	}()
	if err := ctl.lock(); err == unix.EWOULDBLOCK {
		by, known := lockHolder(st)
		return nil, held(path, by, known, unix.EBUSY)
	} else if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	before, err := ctl.baud()
	if err != nil {
		return nil, err
	}
	mode := &serial.Mode{BaudRate: opts.Baud}
	if err := lines.apply(ctl); err != nil {
		opts.Logger.Debug("serial port has no modem lines", "path", path, "err", err)
	} else {
		mode.InitialStatusBits = lines.initial() // the library's open raises them once more, and fails if there are none
	}
	if err := ctl.keepLinesOnClose(); err != nil {
		return nil, err
	}

	// By way of our own descriptor, so that both are the same device even if a symlink has just been moved.
	lib, err := openLibrary(fmt.Sprintf("/proc/self/fd/%d", ctl), mode)
	if err != nil {
		return nil, libraryError(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lib.Close())
		}
	}()
	_ = lines.apply(ctl) // some drivers raise them with the rate; a refusal was logged above
	if isPTY(uint64(st.Rdev)) {
		// The other end of a pty may well hold this end open too. Then the mark of exclusive use would outlive a killed
		// daemon and lock its successor out. The flock stays.
		ctl.shareAgain()
	}
	if err := ctl.lowLatency(); err != nil {
		opts.Logger.Debug("serial port stays at its default latency", "path", path, "err", err)
	}
	if err := lib.ResetInputBuffer(); err != nil {
		return nil, err
	}
	baud, err := ctl.baud()
	if err != nil {
		return nil, err
	}
	if err := checkRate(opts.Baud, baud); err != nil {
		return nil, &OpenError{Path: path, Cause: CauseInvalid, Err: err, Hint: "another rate, 115200 for instance"}
	}
	return &Port{
		name: path, lib: lib, ctl: ctl, in: in, lines: lines, before: before,
		readTimeout: opts.ReadTimeout, baud: baud, writeTimeout: writeTimeout,
	}, nil
}

// libraryError gives an error of the library's Open, which does not unwrap, the errno it stands for.
func libraryError(err error) error {
	perr, ok := errors.AsType[*serial.PortError](err)
	if !ok {
		return err
	}
	switch perr.Code() {
	case serial.PortBusy:
		return &worded{err.Error(), unix.EBUSY}
	case serial.PermissionDenied:
		return &worded{err.Error(), unix.EACCES}
	default:
		return err
	}
}
