package fanout

import (
	"fmt"
	"time"
)

// Headroom and Tailroom are the bytes of room a [Buffer] keeps before and after its JPEG, so that what a
// viewer's wire needs around the picture can be put there without copying the picture.
const (
	Headroom = 256
	Tailroom = 64
)

// Envelope makes what surrounds a JPEG on the wire of its viewers: at most [Headroom] and [Tailroom] bytes. It
// is called once per frame, by [Hub.Publish], when every exported field of the frame is set.
type Envelope func(f *Frame) (header, trailer []byte)

// Buffer is the memory for one JPEG, with room before and after it.
type Buffer struct {
	mem []byte
}

// NewBuffer allocates a buffer for a JPEG of at most size bytes.
func NewBuffer(size int) Buffer {
	return Buffer{mem: make([]byte, Headroom+size+Tailroom)}
}

// JPEG is where the picture goes: the size bytes asked for, with the capacity clipped so that an append
// cannot reach the room behind it. The zero Buffer has none.
func (b Buffer) JPEG() []byte {
	if b.mem == nil {
		return nil
	}
	end := len(b.mem) - Tailroom
	return b.mem[Headroom:end:end]
}

// Frame is one picture and what is known about it. Until [Hub.Publish] it belongs to the camera; from then on
// it is frozen: everybody may read it, nobody may write it, and the garbage collector frees it.
type Frame struct {
	Seq      uint64    // position in the hub's sequence, from 1; set by Publish
	Rate     float64   // frames per second lately, this one included; set by Publish
	Number   uint32    // the device's own frame number
	Captured time.Time // when the sensor took it, on the host's clock; zero if unknown
	Received time.Time // when its last byte arrived; Publish sets it to now if it is zero
	Width    int       // pixels
	Height   int       // pixels
	Quality  int       // the device's scale: 0-63, lower is better

	mem        []byte        // headroom, JPEG, tailroom
	jpegEnd    int           // offset in mem
	start, end int           // the part within mem; set by Publish
	superseded chan struct{} // closed when the next frame is published

	holders int // the pump's alone: how often it is in its hands
}

// NewFrame makes a frame of the first size bytes of b's JPEG; size may be less than the buffer's, for a picture
// whose trailing padding was cut off. The frame takes the buffer over.
func NewFrame(b Buffer, size int) *Frame {
	if limit := len(b.JPEG()); size < 0 || size > limit {
		panic(fmt.Sprintf("fanout: frame of %d bytes in a buffer of %d", size, limit))
	}
	end := Headroom + size
	return &Frame{mem: b.mem, jpegEnd: end, start: Headroom, end: end}
}

// JPEG is the picture alone.
func (f *Frame) JPEG() []byte {
	return f.mem[Headroom:f.jpegEnd:f.jpegEnd]
}

// Part is the picture in its envelope, one contiguous slice. Before Publish it is the picture alone.
func (f *Frame) Part() []byte {
	return f.mem[f.start:f.end:f.end]
}

// Time is when the picture was taken, as well as that is known: Captured, else Received.
func (f *Frame) Time() time.Time {
	if f.Captured.IsZero() {
		return f.Received
	}
	return f.Captured
}

// Age is how old the picture was when it was received; 0 if that is unknown.
func (f *Frame) Age() time.Duration {
	if f.Captured.IsZero() {
		return 0
	}
	return max(f.Received.Sub(f.Captured), 0)
}

// wrap puts the envelope around the picture. Too long an envelope is a fault of the program, never of input.
func (f *Frame) wrap(envelope Envelope) {
	if envelope == nil {
		return
	}
	header, trailer := envelope(f)
	if len(header) > Headroom || len(trailer) > Tailroom {
		panic(fmt.Sprintf("fanout: envelope of %d and %d bytes, room for %d and %d",
			len(header), len(trailer), Headroom, Tailroom))
	}
	f.start = Headroom - len(header)
	copy(f.mem[f.start:], header)
	f.end = f.jpegEnd + copy(f.mem[f.jpegEnd:], trailer)
}
