package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// delivery checks the flags that say what viewers may have.
func (f Flags) delivery() (Delivery, error) {
	d := Delivery{
		MaxViewersPerCamera: f.MaxViewersPerCamera, MaxViewersPerAddress: f.MaxViewersPerAddress,
		Mode: cmp.Or(f.Mode, DefaultMode), MaxFPS: f.MaxFPS,
		LockstepTimeout: cmp.Or(f.LockstepTimeout, DefaultLockstepTimeout),
		AllPatience:     cmp.Or(f.AllPatience, DefaultAllPatience),
	}
	var errs []error
	wrong := func(what, why string) { errs = append(errs, &Error{what, why, ""}) }
	for _, bound := range []struct {
		flag  string
		value int
	}{{"--max-viewers-per-camera", f.MaxViewersPerCamera}, {"--max-viewers-per-address", f.MaxViewersPerAddress}} {
		if bound.value < 0 || bound.value > 100000 {
			wrong(fmt.Sprintf("%s %d", bound.flag, bound.value), "must be from 0 (no bound of its own) to 100000")
		}
	}
	if !slices.Contains(Modes, d.Mode) {
		wrong("--mode "+f.Mode, "must be one of "+strings.Join(Modes, ", "))
	}
	if !(d.MaxFPS == 0 || d.MaxFPS >= 0.1 && d.MaxFPS <= 1000) {
		wrong(fmt.Sprintf("--max-fps %v", f.MaxFPS), "must be 0 (no bound) or from 0.1 to 1000")
	}
	for _, wait := range []struct {
		flag  string
		value time.Duration
	}{{"--lockstep-timeout", d.LockstepTimeout}, {"--all-patience", d.AllPatience}} {
		if wait.value < 100*time.Millisecond || wait.value > time.Minute {
			wrong(fmt.Sprintf("%s %v", wait.flag, wait.value), "must be from 100ms to 1m")
		}
	}
	var ok bool
	if d.AllBuffer, ok = parseSize(cmp.Or(f.AllBuffer, DefaultAllBuffer)); !ok || d.AllBuffer < 64<<10 || d.AllBuffer > 1<<30 {
		wrong("--all-buffer "+f.AllBuffer, "must be a number of bytes from 64KiB to 1024MiB")
	}
	return d, errors.Join(errs...)
}

// parseSize reads a number of bytes such as 65536, 64KiB or 8MiB.
func parseSize(text string) (bytes int, ok bool) {
	unit := 1
	for _, u := range []struct {
		name string
		size int
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}} {
		if number, found := strings.CutSuffix(text, u.name); found {
			text, unit = number, u.size
		}
	}
	n, err := strconv.Atoi(text)
	return n * unit, err == nil && n >= 0 && n <= math.MaxInt/unit
}
