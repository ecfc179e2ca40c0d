package web

import (
	"fmt"
	"strconv"
	"strings"
)

// Level is how well a camera's link does.
type Level string

const (
	Good     Level = "good"
	Strained Level = "strained" // pictures come, but not as they should
	Bad      Level = "bad"      // few or no pictures come
)

// Health is a camera's link in words.
type Health struct {
	Level Level  `json:"level"`
	Words string `json:"words"` // what is wrong and what to do; empty if all is well
}

// health is what the state alone says.
func (s Status) health() Health {
	title, advice := s.words()
	switch {
	case s.Cause != CauseNone:
		if tried := s.tried(); tried != "" {
			advice = strings.TrimSuffix(advice, ".") + "; last tried: " + tried
		}
		return Health{Bad, title + ": " + advice}
	case s.State != Streaming && s.State != Idle:
		return Health{Strained, title + ": " + advice}
	}
	return Health{Level: Good}
}

// performance is what a link has done lately, under the same conditions all the time.
type performance struct {
	asked, carried, skipped float64 // pictures per second; asked 0: as many as there are
	damaged, whole          uint64  // pictures
	use                     *float64
}

const (
	damageStrained = 0.02 // of the pictures
	damageBad      = 0.25

	// Below these shares of what was asked a link is strained, and bad.
	carryStrained = 0.85
	carryBad      = 0.4

	// With no rate asked for, the link carries what it can; less than this share of what the sensor takes is worth a word.
	carryFree = 0.5

	// busyLine is the share of a line in use from which it is the line that limits.
	busyLine = 0.7
)

// judge puts it in words.
func (p performance) judge() Health {
	if all := p.damaged + p.whole; p.damaged >= 2 && float64(p.damaged) > damageStrained*float64(all) {
		level := Strained
		if float64(p.damaged) > damageBad*float64(all) {
			level = Bad
		}
		return Health{level, fmt.Sprintf("%d of the last %d pictures were damaged on the wire; check cable, ground and power, or lower the baud", p.damaged, all)}
	}
	// The device takes pictures that the line has no room for, or the line is full.
	line := p.skipped > 0.5 || p.use != nil && *p.use >= busyLine
	switch {
	case p.asked > 0 && p.carried < carryStrained*p.asked && p.asked-p.carried >= 0.5:
		level := Strained
		if p.carried < carryBad*p.asked {
			level = Bad
		}
		if line {
			return Health{level, fmt.Sprintf("the wire carries %s of the %s fps asked; lower the size or raise the baud", rate(p.carried), rate(p.asked))}
		}
		return Health{level, fmt.Sprintf("the camera gives %s of the %s fps asked; its sensor may be no faster at this size or in this light", rate(p.carried), rate(p.asked))}
	case p.asked == 0 && p.skipped > 0.5 && p.carried < carryFree*(p.carried+p.skipped):
		return Health{Strained, fmt.Sprintf("the wire carries %s of the %s fps that the sensor takes; lower the size or quality, or raise the baud",
			rate(p.carried), rate(p.carried+p.skipped))}
	}
	return Health{Level: Good}
}

func rate(fps float64) string {
	if fps >= 9.95 {
		return strconv.FormatFloat(fps, 'f', 0, 64)
	}
	return strconv.FormatFloat(fps, 'f', 1, 64)
}
