package main

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/camgw/camgw/internal/camlink"
)

// damage is what a line does to bytes.
type damage int

const (
	flip      damage = iota // one to eight bits
	burst                   // bytes become others
	drop                    // bytes are lost
	insert                  // bytes from nowhere
	duplicate               // bytes come twice
	swap                    // bytes change places with those behind them
	splice                  // bytes of another place stand there instead
	text                    // a line of boot text
	damages
)

func (d damage) String() string {
	return [...]string{"bits flipped", "bytes changed", "bytes lost", "bytes from nowhere", "bytes twice", "bytes swapped", "bytes of another packet", "boot text"}[d]
}

const (
	minFrame   = 64
	maxFrame   = 256
	chunk      = 64
	maxDamage  = 128 // bytes
	perBatch   = 16  // frames
	bootText   = "\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
	batchRoom  = perBatch * 4 << 10
	statsEvery = 4 // frames
)

// transit are frames on their way through a line that damages every one of them. A frame's bytes follow from its number, so that what
// arrives can be held against what was sent. It allocates nothing per frame.
type transit struct {
	random  *rand.Rand
	out     []byte // on the line
	payload [chunk + 64]byte
	data    [maxFrame]byte // where frames are assembled
	spare   [maxDamage]byte
	seq     uint16
	next    uint32

	dec *camlink.Decoder
	asm camlink.Assembler

	frames  uint64 // sent, each damaged
	bytes   uint64
	damages [damages]uint64
	whole   uint64 // delivered as they were sent
	wrong   uint64 // delivered, and not as they were sent
	forged  uint64 // packets that passed their checks and were never sent
}

func newTransit(seed uint64) *transit {
	t := &transit{random: rand.New(rand.NewPCG(seed, 0)), out: make([]byte, 0, batchRoom), next: 1, dec: camlink.NewDecoder()}
	t.asm = camlink.Assembler{MaxFrame: maxFrame, Alloc: func(size int) []byte { return t.data[:size] }}
	return t
}

// mix is a hash of 32 bits.
func mix(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x7FEB352D
	x ^= x >> 15
	x *= 0x846CA68B
	return x ^ x>>16
}

// length is a frame's.
func length(number uint32) int { return minFrame + int(mix(number)%(maxFrame-minFrame+1)) }

// pictureByte is one of a frame's. Many are as the first of a sync.
func pictureByte(number uint32, i int) byte {
	x := mix(number*0x9E3779B9 + uint32(i))
	if x&0x700 == 0 {
		return 0xFF
	}
	return byte(x)
}

func begin(number uint32) camlink.FrameBegin {
	return camlink.FrameBegin{
		Number: number, Length: uint32(length(number)), CaptureUS: uint64(mix(number)), TxUS: uint64(number),
		Width: 640, Height: 480, Format: camlink.FormatJPEG, Quality: 12,
	}
}

func stats(number uint32) camlink.Stats {
	return camlink.Stats{UptimeS: number, Captured: number, TxBytes: mix(number)}
}

func (t *transit) packet(typ camlink.Type, f camlink.Flags, number uint32, payload []byte) {
	t.out = camlink.AppendPacket(t.out, camlink.Header{Type: typ, Flags: f, Seq: t.seq, Ref: uint16(number)}, payload)
	t.seq++
}

// send puts the next frame on the line, and returns where it starts.
func (t *transit) send() int {
	start, number := len(t.out), t.next
	t.next++
	t.packet(camlink.TypeFrameBegin, 0, number, begin(number).Append(t.payload[:0]))
	size := length(number)
	for at := 0; at < size; at += chunk {
		n := min(chunk, size-at)
		p := binary.LittleEndian.AppendUint32(t.payload[:0], uint32(at))
		for i := range n {
			p = append(p, pictureByte(number, at+i))
		}
		var f camlink.Flags
		if at+n == size {
			f = camlink.FlagLast
		}
		t.packet(camlink.TypeFrameChunk, f, number, p)
		if at == 0 && number%statsEvery == 0 {
			t.packet(camlink.TypeStats, 0, number, stats(number).Append(t.payload[:0]))
		}
	}
	t.frames++
	t.bytes += uint64(len(t.out) - start)
	return start
}

// hurt does one damage to what is on the line from a place on.
func (t *transit) hurt(from int) {
	how := damage(t.random.IntN(int(damages)))
	t.damages[how]++
	at := from + t.random.IntN(len(t.out)-from)
	n := min(1+t.random.IntN(maxDamage), len(t.out)-at)
	piece := t.spare[:n]
	switch how {
	case flip:
		for range 1 + t.random.IntN(8) {
			t.out[at+t.random.IntN(n)] ^= 1 << t.random.IntN(8)
		}
	case burst:
		t.fill(t.out[at : at+n])
	case drop:
		t.out = append(t.out[:at], t.out[at+n:]...)
	case insert:
		t.fill(piece)
		t.insert(at, piece)
	case duplicate:
		copy(piece, t.out[at:])
		t.insert(at, piece)
	case swap:
		n = min(n, (len(t.out)-at)/2)
		copy(piece, t.out[at:at+n])
		copy(t.out[at:], t.out[at+n:at+2*n])
		copy(t.out[at+n:], piece[:n])
	case splice:
		copy(piece, t.out[t.random.IntN(len(t.out)-n+1):])
		copy(t.out[at:], piece)
	case text:
		t.insert(at, t.spare[:copy(t.spare[:], bootText)])
	}
}

func (t *transit) fill(b []byte) {
	for i := range b {
		b[i] = byte(t.random.Uint32())
	}
}

func (t *transit) insert(at int, piece []byte) {
	t.out = append(t.out, piece...)
	copy(t.out[at+len(piece):], t.out[at:])
	copy(t.out[at:], piece)
}

// deliver hands what is on the line to the receiver, in pieces, and empties it.
func (t *transit) deliver() {
	for b := t.out; len(b) > 0; {
		n := min(1+t.random.IntN(4096), len(b))
		n = copy(t.dec.Room(), b[:n])
		t.dec.Fed(n)
		b = b[n:]
		t.receive()
	}
	t.out = t.out[:0]
	if t.random.IntN(2) == 0 {
		t.dec.Silence()
		t.receive()
	}
}

func (t *transit) receive() {
	for ev, ok := t.dec.Next(); ok; ev, ok = t.dec.Next() {
		if ev.Kind != camlink.EventPacket {
			continue
		}
		if !t.wasSent(ev.Packet) {
			t.forged++
		}
		if f, whole := t.asm.Add(ev.Packet); whole {
			if t.asSent(f) {
				t.whole++
			} else {
				t.wrong++
			}
		}
	}
}

// asSent reports whether a frame is the one of its number.
func (t *transit) asSent(f camlink.Frame) bool {
	want := begin(f.Number)
	if f.Number >= t.next || len(f.Data) != int(want.Length) || f.CaptureUS != want.CaptureUS || f.Width != want.Width || f.Height != want.Height {
		return false
	}
	for i, c := range f.Data {
		if c != pictureByte(f.Number, i) {
			return false
		}
	}
	return true
}

// wasSent reports whether a packet is as one that was sent, as far as its own number tells.
func (t *transit) wasSent(p camlink.Packet) bool {
	// Of the number it has the low half: it is one of the newest 65,536.
	number := t.next - 1 - uint32(uint16(t.next-1)-p.Ref)
	switch p.Type {
	case camlink.TypeFrameBegin:
		m, err := camlink.ParseFrameBegin(p.Payload)
		return err == nil && m == begin(number) && p.Flags == 0
	case camlink.TypeStats:
		m, err := camlink.ParseStats(p.Payload)
		return err == nil && m == stats(number) && p.Flags == 0
	case camlink.TypeFrameChunk:
		if len(p.Payload) <= 4 {
			return false
		}
		at, data := int(binary.LittleEndian.Uint32(p.Payload)), p.Payload[4:]
		last := at+len(data) == length(number)
		if at%chunk != 0 || at+len(data) > length(number) || last != (p.Flags&camlink.FlagLast != 0) {
			return false
		}
		for i, c := range data {
			if c != pictureByte(number, at+i) {
				return false
			}
		}
		return true
	}
	return false
}

// run sends frames, every one of them damaged once to three times.
func (t *transit) run(frames uint64) {
	for t.frames < frames {
		for range min(perBatch, frames-t.frames) {
			from := t.send()
			for range 1 + t.random.IntN(3) {
				if from < len(t.out) {
					t.hurt(from)
				}
			}
		}
		t.deliver()
	}
}
