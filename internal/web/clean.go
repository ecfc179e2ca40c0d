package web

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most bytes of what a camera, or its port, is called, and of what is said about it.
const (
	nameLimit   = 128
	phraseLimit = 1024
)

// clean is a text from outside fit to be shown: valid UTF-8 of at most so many bytes, on one line, and in the order it is read.
// Marks that turn the direction of writing around, and what has no shape at all, could make it look like another.
func clean(s string, most int) string {
	if len(s) <= most && unremarkable(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !shaped(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > most {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// unremarkable is what nearly all texts are.
func unremarkable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// shaped tells whether a character has a shape of its own. Format characters, which include those of direction, do not.
func shaped(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r)
}

// clean replaces what a device has no business saying. The device itself stays as it is: it is its source's.
func (d *Device) clean() *Device {
	if d == nil {
		return nil
	}
	c := *d
	for _, s := range []*string{&c.Board, &c.Sensor, &c.Firmware, &c.SDK, &c.Name, &c.MAC, &c.BootID, &c.Transport, &c.ResetReason} {
		*s = clean(*s, nameLimit)
	}
	if c == *d {
		return d
	}
	return &c
}
