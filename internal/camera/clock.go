package camera

import "time"

// clock maps a device's clock to the host's by the exchange of PING and PONG
// (docs/protocol.md, section 8).
type clock struct {
	samples [32]clockSample
	n       int // taken in all; the newest is at (n-1) % len(samples)
}

type clockSample struct {
	offset    time.Duration // device clock minus host clock
	roundTrip time.Duration
}

// add takes one exchange: sent and received on the host's clock, the device's
// times on its own.
func (c *clock) add(sent, received, deviceRx, deviceTx time.Duration) {
	if sent < 0 || sent > received || deviceRx < 0 || deviceTx < deviceRx {
		return // no answer to anything that was asked
	}
	s := clockSample{
		offset:    ((deviceRx - sent) + (deviceTx - received)) / 2,
		roundTrip: (received - sent) - (deviceTx - deviceRx),
	}
	if s.roundTrip < 0 {
		return
	}
	c.samples[c.n%len(c.samples)] = s
	c.n++
}

// best returns the sample with the shortest round trip of those kept; false before the first.
func (c *clock) best() (clockSample, bool) {
	kept := c.samples[:min(c.n, len(c.samples))]
	if len(kept) == 0 {
		return clockSample{}, false
	}
	best := kept[0]
	for _, s := range kept[1:] {
		if s.roundTrip < best.roundTrip {
			best = s
		}
	}
	return best, true
}

// reset forgets everything: the device's clock started anew.
func (c *clock) reset() { c.n = 0 }
