package camera

import (
	"context"
	"log/slog"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// console passes what a device says to the log, and no more than a person
// would read: a device in a boot loop must not fill a disk.
type console struct {
	log        *slog.Logger
	window     time.Time // start of the current window
	lines      int       // logged in it
	suppressed int
}

const (
	consoleWindow = 10 * time.Second
	consoleLines  = 40 // per window
)

func (c *console) allow(now time.Time) bool {
	if now.Sub(c.window) >= consoleWindow {
		if c.suppressed > 0 {
			c.log.Info("device console: lines left out", "lines", c.suppressed)
		}
		c.window, c.lines, c.suppressed = now, 0, 0
	}
	if c.lines >= consoleLines {
		c.suppressed++
		return false
	}
	c.lines++
	return true
}

// text logs a line that came outside packets: boot text or a panic.
func (c *console) text(now time.Time, line string) {
	if c.allow(now) {
		c.log.Info("device console", "text", line)
	}
}

// entry logs a LOG packet.
func (c *console) entry(now time.Time, e camlink.Log) {
	if !c.allow(now) {
		return
	}
	level := slog.LevelDebug
	switch e.Level {
	case 1:
		level = slog.LevelError
	case 2:
		level = slog.LevelWarn
	case 3:
		level = slog.LevelInfo
	}
	c.log.Log(context.Background(), level, "device log", "tag", printable(e.Tag), "text", printable(e.Text))
}
