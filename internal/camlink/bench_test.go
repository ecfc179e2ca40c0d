package camlink_test

import (
	"fmt"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
)

// whole returns frames of 25,600 bytes in chunks of the given size, 1 MB or more of them.
func whole(chunk int) []byte {
	s := newSender(1)
	data := s.picture(25600)
	for len(s.out) < 1<<20 {
		s.number++
		ref := uint16(s.number)
		b := camlink.FrameBegin{Number: s.number, Length: uint32(len(data)), Format: camlink.FormatJPEG}
		s.packet(camlink.TypeFrameBegin, 0, ref, b.Append(nil))
		for off := 0; off < len(data); off += chunk {
			piece := data[off:min(off+chunk, len(data))]
			var f camlink.Flags
			if off+len(piece) == len(data) {
				f = camlink.FlagLast
			}
			s.packet(camlink.TypeFrameChunk, f, ref, camlink.FrameChunk{Offset: uint32(off), Data: piece}.Append(nil))
		}
	}
	return s.out
}

// decode feeds b as a reader would, at most read bytes at a time.
func decode(d *camlink.Decoder, b []byte, read int, each func(camlink.Packet)) {
	for len(b) > 0 {
		room := d.Room()
		n := copy(room[:min(len(room), read)], b)
		d.Fed(n)
		b = b[n:]
		for ev, ok := d.Next(); ok; ev, ok = d.Next() {
			if ev.Kind == camlink.EventPacket {
				each(ev.Packet)
			}
		}
	}
}

// BenchmarkDecode is the way from the read buffer to packets, without the copy into the frame.
func BenchmarkDecode(b *testing.B) {
	for _, chunk := range []int{256, 512, 1024, 2048, 4096} {
		b.Run(fmt.Sprintf("chunk=%d", chunk), func(b *testing.B) {
			stream := whole(chunk)
			d := camlink.NewDecoder()
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				decode(d, stream, 4096, func(camlink.Packet) {})
			}
			if c := d.Counters(); c.Discarded != 0 || c.Packets == 0 {
				b.Fatalf("%+v", c)
			}
		})
	}
}

// BenchmarkFrames is the whole way from the read buffer to frames, in memory that is used again.
func BenchmarkFrames(b *testing.B) {
	for _, read := range []int{512, 4096, 65536} {
		b.Run(fmt.Sprintf("read=%d", read), func(b *testing.B) {
			stream := whole(2048)
			d := camlink.NewDecoder()
			memory := make([]byte, 25600)
			a := camlink.Assembler{Alloc: func(size int) []byte { return memory[:size] }}
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				decode(d, stream, read, func(p camlink.Packet) { a.Add(p) })
			}
			if c := a.Counters(); c.Completed == 0 || c.Completed != c.Begun {
				b.Fatalf("%+v", c)
			}
		})
	}
}

// BenchmarkBad is what streams cost that hold no packet.
func BenchmarkBad(b *testing.B) {
	noise := newSender(1).picture(1 << 20)
	sync := make([]byte, 1<<20)
	for i := range sync {
		sync[i] = []byte{0xFF, 0xA7}[i%2]
	}
	text := make([]byte, 0, 1<<20)
	for len(text) < cap(text)-100 {
		text = append(text, "\x1b[0;32mI (1234) camera: Detected OV2640 camera\x1b[0m\r\n"...)
	}
	// Good headers without end, each of which claims more than there is and is wrong: the worst there is to make.
	var claims []byte
	for len(claims) < 1<<16 {
		h := camlink.AppendPacket(nil, camlink.Header{Type: camlink.TypeFrameChunk})
		h[6], h[7] = camlink.MaxPayload&0xFF, camlink.MaxPayload>>8
		crc := plainCRC16(h[:10])
		h[10], h[11] = byte(crc), byte(crc>>8)
		claims = append(claims, h...)
	}
	for _, c := range []struct {
		name   string
		stream []byte
	}{{"noise", noise}, {"sync", sync}, {"text", text}, {"claims", claims}} {
		b.Run(c.name, func(b *testing.B) {
			d := camlink.NewDecoder()
			b.SetBytes(int64(len(c.stream)))
			for b.Loop() {
				decode(d, c.stream, 65536, func(camlink.Packet) { b.Fatal("there is no packet in this") })
			}
		})
	}
}

func BenchmarkAppendPacket(b *testing.B) {
	data := newSender(1).picture(2048)
	offset := make([]byte, 4)
	var buf []byte
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		buf = camlink.AppendPacket(buf[:0], camlink.Header{Type: camlink.TypeFrameChunk}, offset, data)
	}
}

// A stream of frames must leave nothing for the garbage collector, apart from the frames themselves.
func TestNoAllocations(t *testing.T) {
	stream := whole(512)
	d := camlink.NewDecoder()
	memory := make([]byte, 25600)
	frames := 0
	a := camlink.Assembler{Alloc: func(size int) []byte { return memory[:size] }}
	add := func(p camlink.Packet) {
		if _, ok := a.Add(p); ok {
			frames++
		}
	}
	if n := testing.AllocsPerRun(5, func() { decode(d, stream, 4096, add) }); n != 0 {
		t.Errorf("%v allocations per %d bytes", n, len(stream))
	}
	if frames == 0 {
		t.Error("no frame was delivered")
	}
	buf := make([]byte, 0, camlink.MaxPacket)
	if n := testing.AllocsPerRun(100, func() {
		m := camlink.Credit{Limit: 1}
		var payload [8]byte
		buf = camlink.AppendPacket(buf[:0], camlink.Header{Type: camlink.TypeCredit}, m.Append(payload[:0]))
	}); n != 0 {
		t.Errorf("%v allocations per packet sent", n)
	}
}
