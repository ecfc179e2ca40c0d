package camlink

import (
	"bytes"
	"fmt"
)

// ErrorKind says which check a packet failed.
type ErrorKind uint8

const (
	// ErrorHeader is a sync with a bad header CRC: noise, most of the time.
	ErrorHeader ErrorKind = iota
	// ErrorVersion is a good header of another major version: something that speaks another protocol.
	ErrorVersion
	// ErrorLength is a good header that claims more than MaxPayload.
	ErrorLength
	// ErrorPayload is a good header whose payload was damaged or cut short.
	ErrorPayload

	NumErrors = iota
)

// String returns the name under which k is counted.
func (k ErrorKind) String() string {
	switch k {
	case ErrorHeader:
		return "header"
	case ErrorVersion:
		return "version"
	case ErrorLength:
		return "length"
	case ErrorPayload:
		return "payload"
	}
	return fmt.Sprintf("error %d", uint8(k))
}

// EventKind says which field of an Event counts.
type EventKind uint8

const (
	EventPacket EventKind = iota + 1
	EventText
)

// Event is one thing found on the line.
type Event struct {
	Kind   EventKind
	Packet Packet
	// Text is a line of printable ASCII, MaxText characters at most, without its end.
	Text string
}

// DecoderCounters count since NewDecoder. Bytes is Discarded, plus the sizes of the accepted packets, plus the fewer
// than MaxPacket bytes that are still undecided once Next has returned false.
type DecoderCounters struct {
	Bytes     uint64 // fed
	Packets   uint64 // accepted
	Lost      uint64 // packets missing, by their seq
	Discarded uint64 // bytes that belong to no accepted packet
	Errors    [NumErrors]uint64
}

const (
	// minRoom is below what free space the buffer is moved up. A tty hands out 4 KiB at a time.
	minRoom = 4 << 10
	// bufferSize gives a reader 64 KiB even while the largest packet is unfinished.
	bufferSize = 64<<10 + 2*minRoom
)

// Decoder finds packets and lines of text in a stream of bytes that may be damaged, and may be cut anywhere.
//
// The reader puts bytes into Room, reports them with Fed (or, when none have come for SilenceMillis, calls Silence),
// and then calls Next until it returns false:
//
//	n, err := port.Read(d.Room())
//	d.Fed(n)
//	for ev, ok := d.Next(); ok; ev, ok = d.Next() { ... }
//
// What it finds depends on the bytes and on where silence stood among them, not on how they were split. The work is
// linear in the bytes: none is scanned twice, apart from one look at less than MaxPacket bytes per Silence, and even a
// stream made for the purpose costs no more than two CRCs of MaxPacket bytes for each good header in it.
type Decoder struct {
	// buf[start:passed] belongs to no packet and is on its way to line; buf[passed:end] is undecided.
	buf                []byte
	start, passed, end int

	// need is the size of the packet at start, or 0 while its header is not known to be good.
	need int
	// silent is set from Silence until everything that it decides is decided.
	silent bool
	// freed: unfinished packets that start before it are damaged, for a complete one starts there.
	freed int
	// searched: nothing complete lies in buf[start+1:searched], so that a silence repeated costs next to nothing.
	searched int

	line    line
	nextSeq uint16
	seqSeen bool

	counters DecoderCounters
	// summed counts the bytes put through a payload CRC: the bound on work stands on it.
	summed uint64
}

// NewDecoder returns a decoder for a line that was just opened.
func NewDecoder() *Decoder {
	return &Decoder{buf: make([]byte, bufferSize)}
}

// Counters returns what was counted so far.
func (d *Decoder) Counters() DecoderCounters { return d.counters }

// Reset prepares for a newly opened line, or one whose rate was changed: the undecided bytes are discarded and the
// sequence forgotten. The counters go on.
func (d *Decoder) Reset() {
	d.counters.Discarded += uint64(d.end - d.start)
	d.start, d.passed, d.end = 0, 0, 0
	d.need, d.silent, d.freed, d.searched = 0, false, 0, 0
	d.line.reset()
	d.seqSeen = false
}

// Room returns the free space to read into, at least 4 KiB provided that Next has returned false. It is valid until the
// next call.
func (d *Decoder) Room() []byte {
	if d.start == d.end || len(d.buf)-d.end < minRoom {
		copy(d.buf, d.buf[d.start:d.end])
		d.passed -= d.start
		d.freed = max(d.freed-d.start, 0)
		d.searched = max(d.searched-d.start, 0)
		d.end -= d.start
		d.start = 0
	}
	return d.buf[d.end:]
}

// Fed reports that the first n bytes of Room were filled.
func (d *Decoder) Fed(n int) {
	if n < 0 || n > len(d.buf)-d.end {
		panic(fmt.Sprintf("camlink: fed %d bytes into room for %d", n, len(d.buf)-d.end))
	}
	d.end += n
	d.counters.Bytes += uint64(n)
}

// Missing returns how many bytes more the packet at hand takes; 0 while none is known to have begun. It is for when Next has
// returned false.
func (d *Decoder) Missing() int {
	return max(0, d.need-(d.end-d.start))
}

// Silence reports that nothing has arrived for SilenceMillis. A packet that lost bytes waits for more than will come; if
// a complete one is found inside it, it is given up. Otherwise nothing changes: the sender merely paused.
func (d *Decoder) Silence() { d.silent = true }

// Next returns the next packet or line of text. It returns false when that takes more bytes.
func (d *Decoder) Next() (Event, bool) {
	for {
		if d.start < d.passed {
			n, text, ok := d.line.feed(d.buf[d.start:d.passed])
			d.start += n
			d.counters.Discarded += uint64(n)
			if ok {
				return Event{Kind: EventText, Text: text}, true
			}
		}

		b := d.buf[d.start:d.end]
		if d.need == 0 {
			if i := indexSync(b); i > 0 {
				d.passed = d.start + i
				continue
			}
			if len(b) < HeaderSize {
				break
			}
			size, wrong := checkHeader(b)
			if size == 0 {
				d.fail(wrong)
				continue
			}
			d.need = size
		}

		if len(b) < d.need {
			if d.start >= d.freed && d.silent {
				d.freed = d.start + d.indexComplete(b)
			}
			if d.start < d.freed {
				d.fail(ErrorPayload)
				continue
			}
			break
		}

		b = b[:d.need]
		d.summed += uint64(len(b))
		if !payloadGood(b) {
			d.fail(ErrorPayload)
			continue
		}
		return Event{Kind: EventPacket, Packet: d.accept(b)}, true
	}
	d.silent = false
	return Event{}, false
}

// fail gives up the packet at start. Only its first byte is passed over: a length that a damaged packet claims must
// not be believed, for the next good packet may begin inside it.
func (d *Decoder) fail(kind ErrorKind) {
	d.counters.Errors[kind]++
	d.passed = d.start + 1
	d.need = 0
}

// accept consumes b, the good packet at start.
func (d *Decoder) accept(b []byte) Packet {
	p := viewPacket(b)
	booted := p.Type == TypeHello && p.Seq == 0 // it starts the count anew
	if gap := p.Seq - d.nextSeq; d.seqSeen && !booted && gap < 1<<15 {
		d.counters.Lost += uint64(gap)
	}
	d.nextSeq = p.Seq + 1
	d.seqSeen = true
	d.counters.Packets++
	d.start += len(b)
	d.passed = d.start
	d.need = 0
	d.line.reset()
	return p
}

// indexComplete returns where in b, an unfinished packet, a complete one starts, or 0.
func (d *Decoder) indexComplete(b []byte) int {
	for i := 1; len(b)-i >= HeaderSize; i++ {
		i += indexSync(b[i:])
		if len(b)-i < HeaderSize {
			break
		}
		size, _ := checkHeader(b[i:])
		if size == 0 || size > len(b)-i || d.start+i+size <= d.searched {
			continue
		}
		d.summed += uint64(size)
		if payloadGood(b[i : i+size]) {
			return i
		}
	}
	d.searched = d.end
	return 0
}

// indexSync returns where in b the sync starts. A sync0 that ends b may be one; without either it is len(b).
func indexSync(b []byte) int {
	for i := 0; ; i++ {
		j := bytes.IndexByte(b[i:], sync0)
		if j < 0 {
			return len(b)
		}
		i += j
		if i+1 == len(b) || b[i+1] == sync1 {
			return i
		}
	}
}
