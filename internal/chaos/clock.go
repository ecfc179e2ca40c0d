package chaos

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// clockVariable names the file of [wallClock] in the daemon's environment.
const clockVariable = "CHAOS_CLOCK"

// wallClock is the wall clock of a daemon that was built with the overlay of package overlay: it runs ahead of the
// machine's by what stands in a file.
type wallClock struct {
	path string
	file *os.File
}

func newWallClock(dir string) (*wallClock, error) {
	c := &wallClock{path: filepath.Join(dir, "clock")}
	var err error
	if c.file, err = os.Create(c.path); err != nil {
		return nil, fmt.Errorf("wall clock: %w", err)
	}
	return c, c.set(0)
}

// set makes the clock jump.
func (c *wallClock) set(ahead time.Duration) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], uint64(ahead))
	if _, err := c.file.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("wall clock: %w", err)
	}
	return nil
}

func (c *wallClock) close() error { return c.file.Close() }

// leaps are what the clock can jump to: what NTP corrects, summer time by somebody who thinks that is done so, a dead
// battery, a typing error.
var leaps = []time.Duration{
	time.Second, -time.Second, 300 * time.Millisecond, time.Hour, -time.Hour, -24 * time.Hour, 10 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour,
}
