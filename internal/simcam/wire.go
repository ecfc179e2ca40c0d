package simcam

import (
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

const (
	// fifo is the receive FIFO of the device's UART in bytes. Nothing empties it
	// within fifoLatency, which is why the host spaces its packets above fifoFrom baud.
	fifo        = 128
	fifoLatency = time.Millisecond
	fifoFrom    = 1500000
	// sliceTime is the grain in which bytes reach the host of a UART.
	sliceTime = 2 * time.Millisecond
)

// A wire is the device's end of a [Line] during one boot. The device's goroutine alone uses it, under Device.mu.
type wire struct {
	line  *Line
	opts  *Options
	noise *noise
	fw    *firmware

	// To the device.
	decoder *camlink.Decoder
	heard   time.Time // when bytes arrived last; zero once the decoder was told of the silence since
	arrives time.Time // when the next bytes do, zero for none
	window  time.Time // the fifo's current window began
	held    int       // bytes it got in there

	// To the host: a packet leaves in slices.
	packet  []byte          // what is left of it, the slice included
	left    func(time.Time) // to be called when it has gone
	slice   int             // bytes on the line now
	rate    int             // at which they are sent
	due     time.Time       // when they will be at the host
	crossed []byte          // what became of them on the way, while the host has no room for it
	blocked bool            // the host has no room
	stalls  time.Time       // the next stall begins
}

func newWire(l *Line, opts *Options, n *noise, fw *firmware, now time.Time) *wire {
	return &wire{
		line:    l,
		opts:    opts,
		noise:   n,
		fw:      fw,
		decoder: camlink.NewDecoder(),
		stalls:  now.Add(opts.StallEvery),
	}
}

// hear hands what has arrived from the host to the firmware.
func (w *wire) hear(now time.Time) {
	for {
		s, ok, next := w.line.arrived(now)
		if !ok {
			w.arrives = next
			break
		}
		if data := w.through(s); len(data) > 0 && !w.opts.OneWay {
			w.feed(data, s.due)
			w.heard = s.due
		}
	}
	if silent := w.silent(); !silent.IsZero() && !silent.After(now) {
		w.heard = time.Time{}
		w.decoder.Silence()
		w.drain(now)
	}
	var errors uint64
	for _, n := range w.decoder.Counters().Errors {
		errors += n
	}
	w.fw.traffic.rxErrors = uint32(errors)
}

// silent is when the decoder must be told that nothing came, or zero.
func (w *wire) silent() time.Time {
	if w.heard.IsZero() {
		return time.Time{}
	}
	return w.heard.Add(camlink.SilenceMillis * time.Millisecond)
}

// through returns what of s reaches the firmware.
func (w *wire) through(s segment) []byte {
	if w.opts.USB {
		return s.data
	}
	if w.garbles(s.baud, w.fw.rate) {
		return w.noise.garble(len(s.data), s.baud, w.fw.rate)
	}
	if s.baud <= fifoFrom {
		return s.data
	}
	if s.starts.Sub(w.window) >= fifoLatency {
		w.window, w.held = s.starts, 0
	}
	keep := min(len(s.data), max(fifo-w.held, 0))
	w.held += len(s.data)
	if keep < len(s.data) {
		w.fw.traffic.rxOverruns++
	}
	return s.data[:keep]
}

// garbles reports whether bytes sent at one rate and received at another arrive as rubbish.
func (w *wire) garbles(sent, received int) bool {
	return !sameRate(sent, received) || w.opts.GarbleAbove > 0 && sent > w.opts.GarbleAbove
}

func (w *wire) feed(data []byte, at time.Time) {
	for len(data) > 0 {
		n := copy(w.decoder.Room(), data)
		w.decoder.Fed(n)
		data = data[n:]
		w.drain(at)
	}
}

func (w *wire) drain(at time.Time) {
	for {
		e, ok := w.decoder.Next()
		if !ok {
			return
		}
		if e.Kind == camlink.EventPacket {
			w.fw.receive(e.Packet, at)
		}
	}
}

// send puts on the line what the firmware has to say, as far as time and room allow.
func (w *wire) send(now time.Time) {
	at := now
	for {
		if w.slice > 0 {
			if w.due.After(now) {
				return
			}
			if !w.blocked {
				w.crossed = w.cross(w.packet[:w.slice])
			}
			// What follows at once follows without a gap, however late this goroutine was woken.
			at = w.due
			if w.blocked {
				at = now
			}
			if w.blocked = !w.line.receive(w.crossed); w.blocked {
				return
			}
			w.fw.traffic.txBytes += uint32(w.slice)
			w.packet, w.slice = w.packet[w.slice:], 0
		}
		if len(w.packet) == 0 {
			if left := w.left; left != nil {
				w.left = nil
				left(at)
			}
			w.packet, w.left = w.fw.pull(at)
			if len(w.packet) == 0 && at.Before(now) {
				// Nothing was ready when the line became free; something may be by now.
				at = now
				w.packet, w.left = w.fw.pull(at)
			}
			if len(w.packet) == 0 {
				return
			}
		}
		w.start(at)
	}
}

// start puts the next slice of the packet on the line.
func (w *wire) start(at time.Time) {
	if w.opts.StallEvery > 0 && !at.Before(w.stalls) {
		at = at.Add(w.opts.Stall)
		w.stalls = at.Add(w.opts.StallEvery)
	}
	w.slice, w.due = len(w.packet), at
	if w.opts.USB {
		return
	}
	w.rate = w.fw.rate
	perSlice := time.Duration(w.rate) * sliceTime / (bitsPerByte * time.Second)
	w.slice = min(w.slice, max(int(perSlice), 1))
	w.due = at.Add(lineTime(w.slice, w.rate))
}

// cross returns what the host gets of b.
func (w *wire) cross(b []byte) []byte {
	if w.fw.muted() {
		return nil
	}
	if !w.opts.USB {
		if host := w.line.hostBaud(); w.garbles(w.rate, host) {
			return w.noise.garble(len(b), w.rate, host)
		}
	}
	return w.noise.damage(b)
}

// next is when the wire wants to be looked after again, zero when only a signal can tell.
func (w *wire) next() time.Time {
	var due time.Time
	if w.slice > 0 && !w.blocked {
		due = w.due
	}
	return earliest(due, w.arrives, w.silent())
}

// earliest is the first of the times, zero ones meaning never.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}
