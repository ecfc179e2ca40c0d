package camlink

import (
	"encoding/binary"
	"testing"
)

// falseHeaders returns n headers that are good and claim a payload of size bytes, which will not be.
func falseHeaders(n, size int) []byte {
	var b []byte
	for i := range n {
		start := len(b)
		b = AppendPacket(b, Header{Type: TypeFrameChunk, Seq: uint16(i)})
		h := b[start:]
		binary.LittleEndian.PutUint16(h[6:], uint16(size))
		binary.LittleEndian.PutUint16(h[crcSpan:], crc16(h[:crcSpan]))
	}
	return b
}

func feed(d *Decoder, b []byte) {
	for len(b) > 0 {
		n := copy(d.Room(), b)
		d.Fed(n)
		b = b[n:]
		drain(d)
	}
}

func drain(d *Decoder) {
	for _, ok := d.Next(); ok; _, ok = d.Next() {
	}
}

// A stream made to keep the decoder busy: each header makes it sum a payload that turns out bad, and step back.
func TestWorkIsBounded(t *testing.T) {
	const headers = 20000
	for _, size := range []int{1, 40, 400, MaxPayload} {
		d := NewDecoder()
		feed(d, falseHeaders(headers, size))
		if limit := uint64(headers * packetSize(size)); d.summed > limit {
			t.Errorf("claims of %d: summed %d bytes, limit %d", size, d.summed, limit)
		}
		if c := d.Counters(); c.Packets != 0 || c.Errors[ErrorPayload] < headers-MaxPacket/HeaderSize-1 {
			t.Errorf("claims of %d: %+v", size, c)
		}
	}
}

// The same, with silence after every few bytes: a search that found nothing is not done again.
func TestWorkIsBoundedInSilence(t *testing.T) {
	b := append(falseHeaders(1, MaxPayload), falseHeaders(2000, 100)...)
	d := NewDecoder()
	for len(b) > 0 {
		n := min(7, len(b))
		feed(d, b[:n])
		b = b[n:]
		for range 3 {
			d.Silence()
			drain(d)
		}
	}
	if limit := uint64(MaxPacket + 2*2000*packetSize(100)); d.summed > limit {
		t.Errorf("summed %d bytes, limit %d", d.summed, limit)
	}
	if c := d.Counters(); c.Packets != 0 || c.Errors[ErrorPayload] < 1900 {
		t.Errorf("%+v", c)
	}
}

func TestCRC16(t *testing.T) {
	if got := crc16([]byte("123456789")); got != 0x906E {
		t.Errorf("%04X, want 906E", got)
	}
}
