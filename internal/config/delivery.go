package config

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// delivery checks what viewers may have.
func (f *Flags) delivery() (Delivery, error) {
	d := Delivery{MaxViewersPerCamera: f.MaxViewersPerCamera, MaxViewersPerAddress: f.MaxViewersPerAddress, MaxFPS: f.MaxFPS}
	d.Mode = orDefault(f, "delivery.mode", f.Mode, DefaultMode)
	d.LockstepTimeout = orDefault(f, "delivery.lockstep_timeout", f.LockstepTimeout, DefaultLockstepTimeout)
	d.AllPatience = orDefault(f, "delivery.all_patience", f.AllPatience, DefaultAllPatience)
	var errs []error
	wrong := func(path string, v any, why, try string) {
		if f.from[path].origin == CommandLine {
			try = "" // as the flags have always said it
		}
		errs = append(errs, f.wrong(path, v, why, try))
	}
	for _, bound := range []struct {
		path  string
		value int
	}{{"limits.max_viewers_per_camera", f.MaxViewersPerCamera}, {"limits.max_viewers_per_address", f.MaxViewersPerAddress}} {
		if bound.value < 0 || bound.value > 100000 {
			wrong(bound.path, bound.value, "must be from 0 (no bound of its own) to 100000", "")
		}
	}
	if !slices.Contains(Modes, d.Mode) {
		near := Nearest(d.Mode, Modes)
		if near != "" {
			near = f.try("delivery.mode", near)
		}
		wrong("delivery.mode", f.Mode, "must be one of "+strings.Join(Modes, ", "), near)
	}
	if !(d.MaxFPS == 0 || d.MaxFPS >= 0.1 && d.MaxFPS <= 1000) {
		wrong("delivery.max_fps", f.MaxFPS, "must be 0 (no bound) or from 0.1 to 1000", "")
	}
	for _, wait := range []struct {
		path  string
		value time.Duration
	}{{"delivery.lockstep_timeout", d.LockstepTimeout}, {"delivery.all_patience", d.AllPatience}} {
		if wait.value < 100*time.Millisecond || wait.value > time.Minute {
			wrong(wait.path, wait.value, "must be from 100ms to 1m", "")
		}
	}
	var ok bool
	d.AllBuffer, ok = parseSize(orDefault(f, "delivery.all_buffer", f.AllBuffer, DefaultAllBuffer))
	if !ok || d.AllBuffer < 64<<10 || d.AllBuffer > 1<<30 {
		wrong("delivery.all_buffer", f.AllBuffer, "must be a number of bytes from 64KiB to 1024MiB", f.try("delivery.all_buffer", DefaultAllBuffer))
	}
	return d, errors.Join(errs...)
}

// orDefault is the default in place of nothing; but who writes nothing into the file or the environment has made a mistake.
func orDefault[T comparable](f *Flags, path string, v, fallback T) T {
	if f.from[path].origin == CommandLine {
		return cmp.Or(v, fallback)
	}
	return v
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
