package camlink_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
	"pgregory.net/rapid"
)

// hurt damages b as steps say, five bytes each: where, how, and how much.
func hurt(b, steps []byte) []byte {
	for ; len(steps) >= 5 && len(b) > 0; steps = steps[5:] {
		at := (int(steps[0]) | int(steps[1])<<8) % len(b)
		n := min(int(steps[3]), len(b)-at)
		switch steps[2] % 6 {
		case 0:
			b[at] ^= 1 << (steps[3] % 8)
		case 1: // lost
			b = append(b[:at], b[at+n:]...)
		case 2: // a burst
			for i := range n {
				b[at+i] ^= steps[4] + byte(i)*steps[3]
			}
		case 3: // from nowhere
			b = append(b[:at], append(bytes.Repeat([]byte{steps[4]}, n), b[at:]...)...)
		case 4: // once more
			b = append(b[:at+n], append(bytes.Clone(b[at:at+n]), b[at+n:]...)...)
		case 5: // in another place
			to := int(steps[4]) * len(b) / 256
			piece := bytes.Clone(b[at : at+n])
			b = append(b[:at], b[at+n:]...)
			to = min(to, len(b))
			b = append(b[:to], append(piece, b[to:]...)...)
		}
	}
	return b
}

// honest returns what a device sends, and the frames in it by number.
func honest(seed uint64) ([]byte, map[uint32][]byte) {
	s := newSender(seed)
	for range 3 + s.rnd.IntN(4) {
		switch s.rnd.IntN(5) {
		case 0:
			s.control()
		case 1:
			s.text()
		default:
			s.frame(1+s.rnd.IntN(600), []int{50, 256}[s.rnd.IntN(2)])
		}
	}
	return s.out, s.sent
}

// wrongFrames returns what is wrong with what was found of a damaged stream: a frame that nobody sent, an account that does not add up.
func wrongFrames(stream []input, sent map[uint32][]byte) string {
	r := newReceiver(0)
	for _, in := range stream {
		r.take(in)
	}
	if fault := r.check(); fault != "" {
		return fault
	}
	for _, f := range r.frames {
		if !bytes.Equal(f.Data, sent[f.Number]) {
			return "a frame that was not sent"
		}
	}
	for line := range strings.Lines(r.out.String()) {
		if text, ok := strings.CutPrefix(line, "text "); ok && len(text) > camlink.MaxText+1 {
			return "a line of text that is too long"
		}
	}
	return ""
}

// FuzzDamage: whatever happens to the bytes of an honest device on their way, no frame comes out that it did not send.
func FuzzDamage(f *testing.F) {
	f.Add(uint64(1), []byte{30, 0, 0, 3, 0}, []byte{1, 0, 40})
	f.Add(uint64(2), []byte{30, 0, 1, 20, 0, 200, 0, 2, 9, 77, 90, 1, 3, 5, 255}, []byte{})
	f.Add(uint64(3), []byte{30, 0, 4, 200, 0, 30, 0, 5, 90, 200}, []byte{255, 0, 255})
	f.Fuzz(func(t *testing.T, seed uint64, steps, plan []byte) {
		b, sent := honest(seed)
		if fault := wrongFrames(cut(hurt(b, steps[:min(len(steps), 200)]), plan), sent); fault != "" {
			t.Fatal(fault)
		}
	})
}

// TestDamage is the same as a property: of single damages as well as of many.
func TestDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, sent := honest(rapid.Uint64().Draw(t, "seed"))
		steps := rapid.SliceOfN(rapid.Byte(), 5, 60).Draw(t, "damage")
		plan := rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(t, "pieces")
		if fault := wrongFrames(cut(hurt(b, steps), plan), sent); fault != "" {
			t.Fatal(fault)
		}
	})
}

// TestUndamaged: what nothing happens to arrives whole, in pieces of any size.
func TestUndamaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSender(rapid.Uint64().Draw(t, "seed"))
		for range rapid.IntRange(1, 5).Draw(t, "frames") {
			n := s.number
			before := len(s.out)
			s.frame(rapid.IntRange(1, 2000).Draw(t, "size"), rapid.IntRange(16, 4096).Draw(t, "chunk"))
			r := newReceiver(0)
			r.take(s.out[before:])
			if strings.Contains(r.out.String(), "reject") {
				delete(s.sent, n) // given up by its sender
			}
		}
		r := newReceiver(0)
		for _, in := range cut(s.out, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "pieces")) {
			r.take(in)
		}
		if len(r.frames) != len(s.sent) {
			t.Fatalf("%d frames of %d arrived", len(r.frames), len(s.sent))
		}
		for _, f := range r.frames {
			if !bytes.Equal(f.Data, s.sent[f.Number]) {
				t.Fatalf("frame %d is not what was sent", f.Number)
			}
		}
	})
}
