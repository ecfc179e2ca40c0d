package serialport

import (
	"errors"
	"os"
	"time"
	"unsafe"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// control is our own descriptor on the tty, opened non-blocking before the library's. It holds the lock and does what the
// library cannot.
type control int

// openControl opens the tty at path. The error is a bare errno.
func openControl(path string) (control, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return control(fd), err
		}
	}
}

// lock takes the line for this descriptor alone; EWOULDBLOCK when another one has it, in this process or elsewhere.
func (c control) lock() error {
	for {
		if err := unix.Flock(int(c), unix.LOCK_EX|unix.LOCK_NB); err != unix.EINTR {
			return err
		}
	}
}

// write hands b to the driver until deadline. It returns how much the driver took.
func (c control) write(b []byte, deadline time.Time) (int, error) {
	sent := 0
	for sent < len(b) {
		// Raw, as in [input.attempt].
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c), uintptr(unsafe.Pointer(&b[sent])), uintptr(len(b)-sent))
		if errno == 0 && n > 0 {
			sent += int(n)
			continue
		}
		switch errno {
		case unix.EINTR:
		case 0, unix.EAGAIN:
			if err := c.waitWritable(deadline); err != nil {
				return sent, err
			}
		default:
			return sent, errno
		}
	}
	return sent, nil
}

// waitWritable returns when a write may make progress or fail for good, or os.ErrDeadlineExceeded.
func (c control) waitWritable(deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		fds := []unix.PollFd{{Fd: int32(c), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
}

// outputQueued returns how many bytes the driver has not sent yet. Ptys say 0 at all times.
func (c control) outputQueued() (int, error) {
	return unix.IoctlGetInt(int(c), unix.TIOCOUTQ)
}

// discardOutput is best effort: it precedes a close that happens anyway.
func (c control) discardOutput() {
	_ = unix.IoctlSetInt(int(c), unix.TCFLSH, unix.TCOFLUSH)
}

// baud returns the output rate as the driver set it, which need not be the one asked for.
func (c control) baud() (int, error) {
	t, err := unix.IoctlGetTermios(int(c), unix.TCGETS2)
	if err != nil {
		return 0, err
	}
	return int(t.Ospeed), nil
}

// keepLinesOnClose clears HUPCL: the end of the daemon must not drop DTR and RTS, which resets some boards.
// It also tells whether this is a tty at all: ENOTTY if not, EIO for a port of the board with nothing behind it.
func (c control) keepLinesOnClose() error {
	t, err := unix.IoctlGetTermios(int(c), unix.TCGETS2)
	if err != nil {
		return err
	}
	t.Cflag &^= unix.HUPCL
	return unix.IoctlSetTermios(int(c), unix.TCSETS2, t)
}

// shareAgain takes back the library's TIOCEXCL.
func (c control) shareAgain() {
	_ = unix.IoctlSetInt(int(c), unix.TIOCNXCL, 0)
}

// serialStruct is the kernel's struct serial_struct.
type serialStruct struct {
	kind          int32
	line          int32
	port          uint32
	irq           int32
	flags         int32
	xmitFIFO      int32
	customDivisor int32
	baudBase      int32
	closeDelay    uint16
	ioType        int8
	_             int8
	hub6          int32
	closingWait   uint16
	closingWait2  uint16
	iomemBase     uintptr
	iomemRegShift uint16
	portHigh      uint32
	iomapBase     uintptr
}

const asyncLowLatency = 1 << 13 // ASYNC_LOW_LATENCY of linux/tty_flags.h

// lowLatency asks the driver to pass bytes on at once: an FTDI adapter otherwise holds them back for 16 ms. Most
// drivers have nothing to change and refuse, so the error is worth a debug line at most.
func (c control) lowLatency() error {
	var s serialStruct
	if err := c.ioctl(unix.TIOCGSERIAL, unsafe.Pointer(&s)); err != nil {
		return err
	}
	if s.flags&asyncLowLatency != 0 {
		return nil
	}
	s.flags |= asyncLowLatency
	return c.ioctl(unix.TIOCSSERIAL, unsafe.Pointer(&s))
}

// LineErrors are a driver's counts since it took the port. They survive a reopening, start over when the
// adapter is plugged in again, and wrap at 2^32.
type LineErrors struct {
	Overrun    uint32 // the UART's FIFO was full
	Frame      uint32 // no stop bit: noise, or the wrong rate
	Parity     uint32
	Break      uint32 // the line was held low
	BufOverrun uint32 // the kernel's buffer was full: the daemon read too slowly
}

// serialCounters is the kernel's struct serial_icounter_struct.
type serialCounters struct {
	cts, dsr, rng, dcd, rx, tx         uint32
	frame, overrun, parity, brk, bufOv uint32
	_                                  [9]uint32
}

func (c control) lineErrors() (LineErrors, bool) {
	var s serialCounters
	if err := c.ioctl(unix.TIOCGICOUNT, unsafe.Pointer(&s)); err != nil {
		return LineErrors{}, false
	}
	return LineErrors{Overrun: s.overrun, Frame: s.frame, Parity: s.parity, Break: s.brk, BufOverrun: s.bufOv}, true
}

func (c control) ioctl(request uint, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(c), uintptr(request), uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// modemLines is what DTR and RTS must be while the line is open. Opening a tty raises both. On a board with the usual
// two transistors that is harmless, on an ESP32-CAM-MB it holds the chip in reset with its boot pin low, so
// both must fall, and in one request: one after the other, they would put some boards into boot mode.
type modemLines struct {
	lower int // TIOCM bits
	raise int
}

// linesFor returns the lines that a device of this identity wants.
func linesFor(id Identity) modemLines {
	// TinyUSB takes DTR for "somebody listens", and without it silently overwrites what it has not sent. On the
	// USB-Serial-JTAG block DTR without RTS would ask for boot mode.
	if id.tinyUSB() {
		return modemLines{lower: unix.TIOCM_RTS, raise: unix.TIOCM_DTR}
	}
	return modemLines{lower: unix.TIOCM_DTR | unix.TIOCM_RTS}
}

// raiseRTS leaves DTR alone.
func (c control) raiseRTS() error {
	return unix.IoctlSetPointerInt(int(c), unix.TIOCMBIS, unix.TIOCM_RTS)
}

// initial returns the lines for the library to set as early as it can.
func (l modemLines) initial() *serial.ModemOutputBits {
	return &serial.ModemOutputBits{DTR: l.raise&unix.TIOCM_DTR != 0, RTS: l.raise&unix.TIOCM_RTS != 0}
}

// apply sets the lines, each change in one request. TIOCMBIC, unlike TIOCMSET, leaves the bits alone that
// some UARTs of PCs need for their interrupt. Lines without modem control (ptys) refuse, and that is all right.
func (l modemLines) apply(c control) error {
	err := unix.IoctlSetPointerInt(int(c), unix.TIOCMBIC, l.lower)
	if l.raise != 0 {
		err = errors.Join(err, unix.IoctlSetPointerInt(int(c), unix.TIOCMBIS, l.raise))
	}
	return err
}
