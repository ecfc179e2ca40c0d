package camlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Every message has Append, which appends its payload, and a Parse function. Parse functions ignore what follows the
// fields they know, as a later minor version may add to it, and fail only with the errors below. Byte slices in what
// they return are borrowed from the payload; strings are copies, as they came: anything may stand in them.

var (
	// ErrShort is a payload shorter than its type demands.
	ErrShort = errors.New("payload too short")
	// ErrMagic is a RESET without the word that guards it.
	ErrMagic = errors.New("wrong magic number")
)

var le = binary.LittleEndian

// need returns a wrapped ErrShort if payload has fewer than size bytes.
func need(t Type, payload []byte, size int) error {
	if len(payload) < size {
		return fmt.Errorf("%v of %d bytes, want %d: %w", t, len(payload), size, ErrShort)
	}
	return nil
}

// cut returns the first n bytes of s, or all of it.
func cut(s string, n int) string { return s[:min(len(s), n)] }

// bitNames joins the names of the bits set in v; bits without one appear as a number.
func bitNames(v uint32, names map[uint32]string) string {
	if v == 0 {
		return "none"
	}
	var parts []string
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if v&bit == 0 {
			continue
		}
		name, ok := names[bit]
		if !ok {
			name = fmt.Sprintf("0x%x", bit)
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, "|")
}
