package camlink_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
)

// plainAssembler is protocol section 4 again, in the order of the page and with no thought of speed: what it has of a frame are the
// packets themselves.
type plainAssembler struct {
	max    uint32
	events []string

	open   bool
	begin  camlink.FrameBegin
	chunks []camlink.Packet

	last     uint32
	numbered bool
	boot     uint32
	booted   bool
}

func (a *plainAssembler) reject(why camlink.Reason) {
	a.open = false
	a.events = append(a.events, fmt.Sprintf("reject %d %v", a.begin.Number, why))
}

func (a *plainAssembler) add(p camlink.Packet) {
	switch p.Type {
	case camlink.TypeHello:
		h, err := camlink.ParseHello(p.Payload)
		if err != nil {
			return
		}
		if a.booted && a.boot != h.BootID {
			if a.open {
				a.reject(camlink.ReasonIncomplete)
			}
			a.numbered = false
		}
		a.boot, a.booted = h.BootID, true
	case camlink.TypeFrameAbort:
		m, err := camlink.ParseFrameAbort(p.Payload)
		if err == nil && a.open && m.Number == a.begin.Number {
			a.reject(camlink.ReasonAborted)
		}
	case camlink.TypeFrameBegin:
		b, err := camlink.ParseFrameBegin(p.Payload)
		if err != nil {
			return
		}
		if a.open {
			a.reject(camlink.ReasonIncomplete)
		}
		if lost := int64(int32(b.Number-a.last)) - 1; a.numbered && lost > 0 {
			a.events = append(a.events, fmt.Sprintf("lost %d", lost))
		}
		a.last, a.numbered = b.Number, true
		a.begin, a.chunks, a.open = b, nil, true
		switch {
		case b.Length > a.max:
			a.reject(camlink.ReasonTooLarge)
		case b.Format != camlink.FormatJPEG, b.Length == 0:
			a.reject(camlink.ReasonFormat)
		}
	case camlink.TypeFrameChunk:
		if len(p.Payload) >= 4 && a.open {
			a.chunk(p)
		}
	}
}

// chunk takes a chunk and looks at all there are anew.
func (a *plainAssembler) chunk(p camlink.Packet) {
	p.Payload = bytes.Clone(p.Payload)
	a.chunks = append(a.chunks, p)
	var data []byte
	last := false
	for _, c := range a.chunks {
		offset, piece := binary.LittleEndian.Uint32(c.Payload), c.Payload[4:]
		last = c.Flags&camlink.FlagLast != 0
		if c.Ref != uint16(a.begin.Number) || uint64(offset) != uint64(len(data)) {
			a.reject(camlink.ReasonIncomplete)
			return
		}
		data = append(data, piece...)
	}
	switch whole := len(data) == int(a.begin.Length); {
	case len(data) > int(a.begin.Length), whole != last:
		a.reject(camlink.ReasonIncomplete)
	case whole:
		a.open = false
		a.events = append(a.events, fmt.Sprintf("frame %d %x", a.begin.Number, data))
	}
}

// packets makes a sequence of packets of a program: pictures more or less as they should be, and whatever else.
func packets(program []byte) []camlink.Packet {
	var all []camlink.Packet
	next := func() byte {
		if len(program) == 0 {
			return 0
		}
		c := program[0]
		program = program[1:]
		return c
	}
	take := func(n int) []byte {
		n = min(n, len(program))
		b := program[:n]
		program = program[n:]
		return b
	}
	add := func(t camlink.Type, f camlink.Flags, ref uint16, payload []byte) {
		all = append(all, camlink.Packet{Header: camlink.Header{Type: t, Flags: f, Ref: ref}, Payload: payload})
	}
	number, at := uint32(1), uint32(0)
	for len(program) > 0 && len(all) < 500 {
		switch op := next(); op % 9 {
		case 0, 1: // the next frame
			number += uint32(int8(next()) / 64)
			b := camlink.FrameBegin{Number: number, Length: uint32(next()), Format: 1}
			add(camlink.TypeFrameBegin, 0, uint16(number), b.Append(nil))
			at = 0
		case 2, 3: // the next chunk of it
			c := camlink.FrameChunk{Offset: at, Data: take(int(next()))}
			at += uint32(len(c.Data))
			add(camlink.TypeFrameChunk, camlink.Flags(op>>7), uint16(number), c.Append(nil))
		case 4: // one that may be wrong
			c := camlink.FrameChunk{Offset: at + uint32(int8(next())), Data: take(int(next()))}
			add(camlink.TypeFrameChunk, camlink.Flags(op>>4), uint16(number)+uint16(op>>7), c.Append(nil))
		case 5:
			add(camlink.TypeFrameAbort, 0, 0, camlink.FrameAbort{Number: number + uint32(int8(next())/64)}.Append(nil))
		case 6:
			add(camlink.TypeHello, 0, 0, camlink.Hello{BootID: uint32(next() % 3)}.Append(nil))
		case 7: // a number and a length of any kind
			number = binary.LittleEndian.Uint32(append(slices.Clone(take(4)), 0, 0, 0, 0))
			b := camlink.FrameBegin{Number: number, Length: binary.LittleEndian.Uint32(append(slices.Clone(take(4)), 0, 0, 0, 0)), Format: next()}
			add(camlink.TypeFrameBegin, 0, uint16(number), b.Append(nil))
			at = 0
		case 8: // a payload of any kind
			types := []camlink.Type{camlink.TypeFrameBegin, camlink.TypeFrameChunk, camlink.TypeFrameAbort, camlink.TypeHello, camlink.TypeLog}
			t := types[int(next())%len(types)]
			add(t, camlink.Flags(next()&15), uint16(number), take(int(next())))
		}
	}
	return all
}

// FuzzAssembler: a sequence of packets gives the same frames, rejections and losses as the plain reading of the page does, and memory
// that was given is either in a frame or came back.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0, 64, 3, 131, 3, 'a', 'b', 'c', 0, 64, 6, 2, 3, 'a', 'b', 'c', 130, 3, 'd', 'e', 'f'})
	f.Add([]byte{0, 64, 9, 2, 3, 'a', 'b', 'c', 5, 0, 0, 64, 9, 6, 1, 6, 2, 0, 127, 4, 4, 1, 3, 'a', 'b', 'c'})
	f.Add([]byte{7, 255, 255, 255, 255, 2, 0, 0, 0, 1, 131, 2, 'a', 'b', 7, 0, 0, 0, 128, 0, 16, 0, 0, 1, 8, 0, 0, 31, 1, 2, 3})
	f.Fuzz(func(t *testing.T, program []byte) {
		const limit = 200
		given := map[*byte]bool{}
		var got []string
		asm := camlink.Assembler{
			MaxFrame: limit,
			Alloc: func(size int) []byte {
				if size < 1 || size > limit {
					t.Fatalf("asked for %d bytes", size)
				}
				b := make([]byte, size)
				given[&b[0]] = true
				return b
			},
			Free:     func(b []byte) { delete(given, &b[0]) },
			Rejected: func(n uint32, r camlink.Reason) { got = append(got, fmt.Sprintf("reject %d %v", n, r)) },
			Lost:     func(n uint32) { got = append(got, fmt.Sprintf("lost %d", n)) },
		}
		plain := plainAssembler{max: limit}
		for _, p := range packets(program) {
			if f, ok := asm.Add(p); ok {
				delete(given, &f.Data[0])
				got = append(got, fmt.Sprintf("frame %d %x", f.Number, f.Data))
			}
			plain.add(p)
			if !slices.Equal(got, plain.events) {
				t.Fatalf("after %v\ngot  %q\nwant %q", p.Type, got, plain.events)
			}
			if asm.InProgress() != plain.open || len(given) > 1 || plain.open != (len(given) == 1) {
				t.Fatalf("after %v: in progress %v, memory out %d, want %v", p.Type, asm.InProgress(), len(given), plain.open)
			}
		}
	})
}
