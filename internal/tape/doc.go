// Package tape hides how the raw bytes of a serial line are kept in a file and played back. A [Recorder] stands around an
// open port and writes down what each call gave; a [Player] gives the same again, call by call, so that what was seen in
// the field can be seen again on a desk, and every time the same.
//
// A tape is one line of text, "camgw tape 1 " and a JSON object that says when and of what it was made, and then records:
//
//	offset size
//	  0     8   nanoseconds since the first record
//	  8     1   kind
//	  9     3   0
//	 12     4   n, at most 1 MiB
//	 16     n   payload
//
// Integers are little-endian. The kinds are:
//
//	o  the port was opened
//	<  payload was received, by one read
//	s  a read waited in vain: the line is silent. Of several in a row not all need be there
//	>  payload was sent
//	b  the line's rate was set: u32 baud. What had arrived before and was not yet read is gone
//	x  a read failed: payload is the text of the error, empty when the device was unplugged
//	c  the port was closed
//
// A tape that ends in the middle of a record was cut off, by a full disk for instance; all before that counts.
package tape

import "errors"

const (
	magic      = "camgw tape 1 "
	headerSize = 16
	maxPayload = 1 << 20
	maxLine    = 32 << 10 // holds the longest path there is, escaped
)

type kind byte

const (
	opened   kind = 'o'
	received kind = '<'
	silent   kind = 's'
	sent     kind = '>'
	rated    kind = 'b'
	failed   kind = 'x'
	closed   kind = 'c'
)

// Label says what a tape was made of.
type Label struct {
	Started string `json:"started"` // RFC 3339
	Port    string `json:"port"`
	Version string `json:"version"` // of the program that made it
}

// ErrEnd is what comes after the last record: from Read, and from every Open after it.
var ErrEnd = errors.New("the recording has ended")
