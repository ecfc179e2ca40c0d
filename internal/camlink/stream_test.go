package camlink_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/camgw/camgw/internal/camlink"
)

// sender makes the bytes of a device.
type sender struct {
	rnd    *rand.Rand
	out    []byte
	seq    uint16
	number uint32
	boot   uint32
	sent   map[uint32][]byte // frames by number
}

func newSender(seed uint64) *sender {
	rnd := rand.New(rand.NewPCG(seed, 0))
	return &sender{rnd: rnd, seq: uint16(rnd.Uint32()), number: 1, boot: rnd.Uint32(), sent: map[uint32][]byte{}}
}

func (s *sender) packet(t camlink.Type, f camlink.Flags, ref uint16, payload ...[]byte) {
	s.out = camlink.AppendPacket(s.out, camlink.Header{Type: t, Flags: f, Seq: s.seq, Ref: ref}, payload...)
	s.seq++
}

// picture returns n bytes rich in what looks like the start of a packet.
func (s *sender) picture(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		switch s.rnd.IntN(40) {
		case 0:
			b[i] = 0xFF
		case 1:
			b[i] = 0xA7
		default:
			b[i] = byte(s.rnd.Uint32())
		}
	}
	return b
}

// frame sends one whole frame, in chunks of the given size, with control packets between them now and then.
func (s *sender) frame(size, chunk int) {
	data := s.picture(size)
	s.sent[s.number] = data
	ref := uint16(s.number)
	begin := camlink.FrameBegin{
		Number: s.number, Length: uint32(size), CaptureUS: s.rnd.Uint64(), TxUS: s.rnd.Uint64(),
		Width: 640, Height: 480, Format: camlink.FormatJPEG, Quality: 12, Skipped: uint16(s.rnd.IntN(3)),
	}
	s.packet(camlink.TypeFrameBegin, 0, ref, begin.Append(nil))
	for off := 0; off < size; off += chunk {
		piece := data[off:min(off+chunk, size)]
		var f camlink.Flags
		if off+len(piece) == size {
			f = camlink.FlagLast
		}
		s.packet(camlink.TypeFrameChunk, f, ref, camlink.FrameChunk{Offset: uint32(off), Data: piece}.Append(nil))
		switch s.rnd.IntN(64) {
		case 0, 1, 2, 3, 4, 5, 6, 7:
			s.control()
		case 8:
			s.packet(camlink.TypeFrameAbort, 0, ref, camlink.FrameAbort{Number: s.number, Reason: camlink.AbortLink}.Append(nil))
		}
	}
	s.number++
}

func (s *sender) control() {
	switch s.rnd.IntN(5) {
	case 0:
		s.packet(camlink.TypePong, camlink.FlagResponse, 7, camlink.Pong{HostNanos: s.rnd.Uint64(), NextFrame: s.number}.Append(nil))
	case 1:
		s.packet(camlink.TypeLog, 0, 0, camlink.Log{Level: camlink.LevelInfo, Tag: "cam", Text: "a line of the log"}.Append(nil))
	case 2:
		s.packet(camlink.TypeStats, camlink.FlagResponse, 8, camlink.Stats{Sent: s.number}.Append(nil))
	case 3:
		s.packet(camlink.TypeHello, 0, 0, camlink.Hello{BootID: s.boot, NextFrame: s.number, Board: "test"}.Append(nil))
	case 4:
		s.packet(camlink.Type(s.rnd.Uint32()|0x80), camlink.Flags(s.rnd.IntN(16)), uint16(s.rnd.Uint32()), s.picture(s.rnd.IntN(50)))
	}
}

func (s *sender) text() {
	lines := []string{
		"ets Jul 29 2019 12:21:46\r\n", "\x1b[0;32mI (29) boot: chip revision: v3.1\x1b[0m\r\n", "\r\n", "abc\n", "abcd\n",
		"Backtrace: 0x400d1231:0x3ffb5a50", "\x1b[", "\x1b(B\n", "tab\there\n", "caf\xc3\xa9s\n", "\xff\xff\n", "\xff\xa7\n",
		fmt.Sprintf("%0*d\n", 250+s.rnd.IntN(12), s.rnd.IntN(1000)),
	}
	s.out = append(s.out, lines[s.rnd.IntN(len(lines))]...)
}

// oddity sends something that no honest device would.
func (s *sender) oddity() {
	start := len(s.out)
	switch s.rnd.IntN(6) {
	case 0: // of another version, or with a length out of range or not kept
		s.packet(camlink.Type(s.rnd.Uint32()), 0, 1, s.picture(s.rnd.IntN(30)))
		b := s.out[start:]
		switch s.rnd.IntN(3) {
		case 0:
			b[2] = byte(s.rnd.IntN(16)<<4) | b[2]&0x0F
		case 1:
			b[6], b[7] = byte(s.rnd.Uint32()), byte(s.rnd.Uint32())
		case 2:
			b[6], b[7] = byte(s.rnd.Uint32()), byte(s.rnd.IntN(2))
		}
		crc := plainCRC16(b[:10])
		b[10], b[11] = byte(crc), byte(crc>>8)
	case 1: // a packet within a packet
		s.packet(camlink.TypePing, 0, 1, make([]byte, 8))
		inner := slices.Clone(s.out[start:])
		s.packet(camlink.TypeLog, 0, 0, inner, s.picture(s.rnd.IntN(20)), inner)
	case 2: // messages cut short
		types := []camlink.Type{camlink.TypeFrameBegin, camlink.TypeFrameChunk, camlink.TypeFrameAbort, camlink.TypeHello}
		s.packet(types[s.rnd.IntN(len(types))], 0, uint16(s.number), s.picture(s.rnd.IntN(60)))
	case 3: // a frame given up, or another one
		s.packet(camlink.TypeFrameAbort, 0, 0, camlink.FrameAbort{Number: s.number - uint32(s.rnd.IntN(2)), Reason: 1}.Append(nil))
	case 4: // a frame begun and left alone, sometimes one that must be refused
		b := camlink.FrameBegin{Number: s.number, Length: uint32(s.rnd.IntN(3)) * (camlink.DefaultMaxFrame - 7), Format: uint8(s.rnd.IntN(3))}
		s.packet(camlink.TypeFrameBegin, 0, uint16(s.number), b.Append(nil))
		s.number += uint32(1 + s.rnd.IntN(4))
	case 5: // a reboot
		s.boot, s.seq = s.rnd.Uint32(), 0
		s.packet(camlink.TypeHello, 0, 0, camlink.Hello{BootID: s.boot}.Append(nil))
		s.number += 100 // frames stay distinct for the sake of the test
	}
}

// plainCRC16 is CRC-16/X-25, bit by bit.
func plainCRC16(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, c := range b {
		for i := range 8 {
			low := (crc ^ uint16(c>>i)) & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0x8408
			}
		}
	}
	return ^crc
}

// damage flips, drops, repeats and inserts bytes, each about every n bytes.
func (s *sender) damage(b []byte, n int) []byte {
	var out []byte
	for i := 0; i < len(b); i++ {
		if s.rnd.IntN(n) != 0 {
			out = append(out, b[i])
			continue
		}
		switch s.rnd.IntN(6) {
		case 0:
			out = append(out, b[i]^1<<s.rnd.IntN(8))
		case 1: // this byte is lost
		case 2: // and up to 99 more
			i += s.rnd.IntN(100)
		case 3:
			out = append(out, b[i], byte(s.rnd.Uint32()))
		case 4:
			out = append(append(out, s.picture(s.rnd.IntN(20))...), b[i])
		case 5: // the bytes before come again
			out = append(out, out[max(0, len(out)-s.rnd.IntN(40)):]...)
			out = append(out, b[i])
		}
	}
	return out
}

// split cuts b into inputs, with silence between some.
func (s *sender) split(b []byte, most int) []input {
	var in []input
	for len(b) > 0 {
		n := min(len(b), 1+s.rnd.IntN(most))
		in = append(in, b[:n])
		b = b[n:]
		for s.rnd.IntN(6) == 0 {
			in = append(in, nil)
		}
	}
	return append(in, nil)
}

// randomBytes returns a stream of everything, damaged to a degree that the seed chooses, and who sent it.
func randomBytes(seed uint64) ([]byte, *sender) {
	s := newSender(seed)
	for range 4 + s.rnd.IntN(16) {
		switch s.rnd.IntN(8) {
		case 0, 1, 2:
			s.frame(1+s.rnd.IntN(3000), []int{50, 256, 512, 1024, 4096}[s.rnd.IntN(5)])
		case 3, 4:
			s.control()
		case 5, 6:
			s.text()
		case 7:
			s.oddity()
		}
	}
	if degree := s.rnd.IntN(4); degree > 0 {
		return s.damage(s.out, []int{4000, 600, 60}[degree-1]), s
	}
	return s.out, s
}

// randomStream is randomBytes cut into pieces, with silences.
func randomStream(seed uint64) []input {
	b, s := randomBytes(seed)
	return s.split(b, []int{1, 20, 700, 70000}[s.rnd.IntN(4)])
}
