package camlink

import (
	"encoding/binary"
	"fmt"
)

// Reason says why a frame was rejected.
type Reason uint8

const (
	// ReasonIncomplete is a frame with a chunk missing or out of place, or cut short by another frame or a reboot.
	ReasonIncomplete Reason = iota
	// ReasonTooLarge is a frame announced with more bytes than MaxFrame.
	ReasonTooLarge
	// ReasonAborted is a frame that the device itself gave up.
	ReasonAborted
	// ReasonFormat is a frame that is not a JPEG, or is empty.
	ReasonFormat

	NumReasons = iota
)

// String returns the name under which r is counted.
func (r Reason) String() string {
	switch r {
	case ReasonIncomplete:
		return "incomplete"
	case ReasonTooLarge:
		return "too_large"
	case ReasonAborted:
		return "aborted"
	case ReasonFormat:
		return "format"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Frame is a whole picture as the device sent it. Whether it is a sound JPEG is not checked here.
type Frame struct {
	// Number counts the frames since the device booted, from 1; it wraps.
	Number uint32
	// CaptureUS and TxUS are when the picture was taken and when its first byte was sent, in microseconds of the
	// device's clock.
	CaptureUS, TxUS uint64
	Width, Height   uint16 // pixels
	Quality         uint8  // as the device's quality setting
	// Skipped counts the pictures taken but not sent since the frame before.
	Skipped uint16
	// Data is what Alloc returned. It belongs to the caller.
	Data []byte
}

// AssemblerCounters count since the Assembler was made. Begun is Completed, plus the sum of Rejected, plus one while a
// frame is in progress.
type AssemblerCounters struct {
	Begun     uint64 // FRAME_BEGINs
	Completed uint64
	Rejected  [NumReasons]uint64
	// Lost counts the frames whose FRAME_BEGIN did not arrive, going by the numbers of those that did. It is what the
	// device claims: a device that lies about its numbers can make it anything.
	Lost uint64
	// Malformed counts packets of frames, and HELLOs, that were shorter than their type. They change nothing else.
	Malformed uint64
}

// Assembler puts frames together. A frame is delivered whole or rejected, once, for one reason. The zero value is
// ready for use. Its functions must not call it.
type Assembler struct {
	// MaxFrame is the largest frame taken, in bytes; 0 means DefaultMaxFrame.
	MaxFrame uint32
	// Alloc returns memory for size bytes, at least 1 and at most MaxFrame; its contents do not matter. It is called
	// once for every frame begun and not refused. Nil means make.
	Alloc func(size int) []byte
	// Free takes back what Alloc returned for a frame that was rejected later. Without it a device that keeps
	// beginning frames makes as much garbage. Nil leaves it to the garbage collector.
	Free func(data []byte)
	// Rejected is told of every frame rejected.
	Rejected func(number uint32, r Reason)
	// Lost is told that n frames, at least 1 and at most 2^31-2, were lost with their FRAME_BEGIN.
	Lost func(n uint32)

	counters AssemblerCounters

	// The frame in progress: data is nil when there is none, and data[received:] is yet to come.
	frame    Frame
	data     []byte
	received int

	last     uint32 // number of the last FRAME_BEGIN, if numbered
	numbered bool
	bootID   uint32 // of the last HELLO, if booted
	booted   bool
}

// Counters returns what was counted so far.
func (a *Assembler) Counters() AssemblerCounters { return a.counters }

// InProgress reports whether a frame has begun and not ended.
func (a *Assembler) InProgress() bool { return a.data != nil }

// Reset prepares for a new line or a device that booted: an unfinished frame is rejected as incomplete, and the
// numbering and the boot id are forgotten.
func (a *Assembler) Reset() {
	a.reboot()
	a.booted = false
}

// Add takes the next packet, of any type, and returns the frame it completes, if it does.
func (a *Assembler) Add(p Packet) (Frame, bool) {
	switch p.Type {
	case TypeFrameChunk:
		return a.chunk(p)
	case TypeFrameBegin:
		a.begin(p)
	case TypeFrameAbort:
		a.abort(p)
	case TypeHello:
		a.hello(p)
	}
	return Frame{}, false
}

func (a *Assembler) chunk(p Packet) (Frame, bool) {
	if len(p.Payload) < frameChunkSize {
		a.counters.Malformed++
		return Frame{}, false
	}
	if a.data == nil {
		return Frame{}, false
	}
	// Not ParseFrameChunk: this is the one path every byte of a picture takes.
	offset := binary.LittleEndian.Uint32(p.Payload)
	data := p.Payload[frameChunkSize:]
	if p.Ref != uint16(a.frame.Number) || uint64(offset) != uint64(a.received) || len(data) > len(a.data)-a.received {
		a.reject(ReasonIncomplete)
		return Frame{}, false
	}
	a.received += copy(a.data[a.received:], data)
	whole := a.received == len(a.data)
	if whole != (p.Flags&FlagLast != 0) {
		a.reject(ReasonIncomplete)
		return Frame{}, false
	}
	if !whole {
		return Frame{}, false
	}
	f := a.frame
	f.Data = a.data
	a.data = nil
	a.counters.Completed++
	return f, true
}

func (a *Assembler) begin(p Packet) {
	b, err := ParseFrameBegin(p.Payload)
	if err != nil {
		a.counters.Malformed++
		return
	}
	if a.data != nil {
		a.reject(ReasonIncomplete)
	}
	if ahead := int32(b.Number - a.last); a.numbered && ahead > 1 {
		a.counters.Lost += uint64(ahead - 1)
		if a.Lost != nil {
			a.Lost(uint32(ahead - 1))
		}
	}
	a.last, a.numbered = b.Number, true
	a.counters.Begun++
	a.frame = Frame{
		Number: b.Number, CaptureUS: b.CaptureUS, TxUS: b.TxUS,
		Width: b.Width, Height: b.Height, Quality: b.Quality, Skipped: b.Skipped,
	}
	switch {
	case b.Length > a.maxFrame():
		a.reject(ReasonTooLarge)
	case b.Format != FormatJPEG || b.Length == 0:
		a.reject(ReasonFormat)
	default:
		a.data = a.alloc(int(b.Length))
		a.received = 0
	}
}

func (a *Assembler) abort(p Packet) {
	b, err := ParseFrameAbort(p.Payload)
	if err != nil {
		a.counters.Malformed++
		return
	}
	if a.data != nil && b.Number == a.frame.Number {
		a.reject(ReasonAborted)
	}
}

func (a *Assembler) hello(p Packet) {
	h, err := ParseHello(p.Payload)
	if err != nil {
		a.counters.Malformed++
		return
	}
	if a.booted && h.BootID != a.bootID {
		a.reboot()
	}
	a.bootID, a.booted = h.BootID, true
}

func (a *Assembler) reboot() {
	if a.data != nil {
		a.reject(ReasonIncomplete)
	}
	a.numbered = false
}

// reject ends the frame begun last, whether it was given memory or not.
func (a *Assembler) reject(r Reason) {
	if data := a.data; data != nil {
		a.data = nil
		if a.Free != nil {
			a.Free(data)
		}
	}
	a.counters.Rejected[r]++
	if a.Rejected != nil {
		a.Rejected(a.frame.Number, r)
	}
}

func (a *Assembler) maxFrame() uint32 {
	if a.MaxFrame == 0 {
		return DefaultMaxFrame
	}
	return a.MaxFrame
}

func (a *Assembler) alloc(size int) []byte {
	if a.Alloc == nil {
		return make([]byte, size)
	}
	return a.Alloc(size)[:size]
}
