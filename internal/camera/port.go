package camera

import (
	"context"
	"time"
)

// Port is one open serial line. A single goroutine calls all methods.
type Port interface {
	// Read returns what has arrived. It waits for the read timeout at most:
	// [os.ErrDeadlineExceeded] when nothing came, [io.EOF] after a hang-up.
	Read(p []byte) (int, error)

	// Write sends p whole or fails; its wait is bounded.
	Write(p []byte) (int, error)

	// SetBaud lets pending output leave, changes the line rate and returns the
	// rate the driver really runs at. It returns an error that is
	// [errors.ErrUnsupported] where the line has no rate, and any other error
	// where this rate is not to be had within 2 %.
	SetBaud(rate int) (int, error)

	// Flush discards bytes received and not yet read.
	Flush() error

	// SetReadTimeout bounds the wait of the following Reads.
	SetReadTimeout(d time.Duration) error

	// Close lets a last packet leave and releases the line promptly, even if
	// that cannot be.
	Close() error
}

// RateKeeper is implemented by a Port that knows at which rate its line was before it was opened; 0 if it does not. On a tty that
// stayed plugged in, that is what a daemon that was killed had agreed with the device.
type RateKeeper interface {
	RateBefore() int
}

// Rester is implemented by a Port that costs something for each piece that arrives, and can be left alone for a while.
type Rester interface {
	// Rest sleeps for d, a few milliseconds. What arrives meanwhile is there for the next Read.
	Rest(d time.Duration)
}

// OpenFunc opens the camera's line at the base rate. Errors that implement
// [Faulter] tell the camera, and through it the viewer, what is wrong.
type OpenFunc func(ctx context.Context) (Port, error)

// Faulter is implemented by errors of an OpenFunc that know their cause.
type Faulter interface {
	Fault() Cause
}
