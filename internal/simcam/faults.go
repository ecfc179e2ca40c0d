package simcam

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/camgw/camgw/internal/camlink"
)

// A fault hits single bytes with a small probability. Instead of a draw per
// byte it draws the distance to the next hit.
type fault struct {
	probability float64
	random      *rand.Rand
	distance    int // bytes that pass before the next hit
}

func newFault(probability float64, random *rand.Rand) fault {
	f := fault{probability: probability, random: random}
	f.draw()
	return f
}

func (f *fault) draw() {
	switch {
	case f.probability <= 0:
		f.distance = math.MaxInt
	case f.probability >= 1:
		f.distance = 0
	default:
		d := math.Log1p(-f.random.Float64()) / math.Log1p(-f.probability)
		f.distance = int(min(d, 1e15))
	}
}

// hits reports whether the next byte is hit.
func (f *fault) hits() bool {
	if f.distance > 0 {
		f.distance--
		return false
	}
	f.draw()
	return true
}

// noise damages bytes as a bad wire does: bits flip, bytes vanish or appear.
type noise struct {
	flip, drop, insert fault
	random             *rand.Rand
	clean              bool // no fault is wanted
	out                []byte
}

func newNoise(o Options, random *rand.Rand) *noise {
	return &noise{
		flip:   newFault(o.Flip, random),
		drop:   newFault(o.Drop, random),
		insert: newFault(o.Insert, random),
		random: random,
		clean:  o.Flip <= 0 && o.Drop <= 0 && o.Insert <= 0,
	}
}

// damage returns b as it arrives. The result is borrowed until the next call.
func (n *noise) damage(b []byte) []byte {
	if n.clean {
		return b
	}
	n.out = n.out[:0]
	for _, c := range b {
		if n.insert.hits() {
			n.out = append(n.out, byte(n.random.Uint32()))
		}
		if n.drop.hits() {
			continue
		}
		if n.flip.hits() {
			c ^= 1 << n.random.IntN(8)
		}
		n.out = append(n.out, c)
	}
	return n.out
}

// garble returns what a receiver at one rate makes of n bytes sent at another: rubbish, the
// less of it the slower the receiver.
func (n *noise) garble(count, sent, received int) []byte {
	out := make([]byte, max(count*received/sent, 1))
	for i := range out {
		out[i] = byte(n.random.Uint32())
	}
	return out
}

// sameRate reports whether a receiver at one rate understands a sender at the other.
func sameRate(a, b int) bool {
	return math.Abs(float64(a-b)) <= 0.025*float64(b)
}

// forgeVersion makes packet claim another major version, with checksums that are right.
func forgeVersion(packet []byte, version uint8) {
	packet[2] = version<<4 | packet[2]&0x0F
	crc := uint16(0xFFFF)
	for _, c := range packet[:camlink.HeaderSize-2] {
		crc ^= uint16(c)
		for range 8 {
			crc = crc>>1 ^ 0x8408*(crc&1)
		}
	}
	binary.LittleEndian.PutUint16(packet[camlink.HeaderSize-2:], ^crc)
}
