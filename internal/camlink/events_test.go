package camlink_test

import (
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/camgw/camgw/internal/camlink"
)

// input is what happens on a line: bytes arrive, or, where it is nil, silence is noticed.
type input []byte

// receiver writes everything it finds in a stream as event lines, the common tongue of the vectors, of the C
// implementation and of the tests here.
type receiver struct {
	dec     *camlink.Decoder
	asm     camlink.Assembler
	out     strings.Builder
	packets []string // each as its bytes on the wire
	frames  []camlink.Frame
}

func newReceiver(maxFrame uint32) *receiver {
	r := &receiver{dec: camlink.NewDecoder()}
	r.asm = camlink.Assembler{
		MaxFrame: maxFrame,
		Rejected: func(no uint32, why camlink.Reason) { fmt.Fprintf(&r.out, "reject no=%d reason=%v\n", no, why) },
		Lost:     func(n uint32) { fmt.Fprintf(&r.out, "lost count=%d\n", n) },
	}
	return r
}

// take feeds one input, as much at a time as there is room for.
func (r *receiver) take(in input) {
	if in == nil {
		r.dec.Silence()
		r.drain()
		return
	}
	for len(in) > 0 {
		n := copy(r.dec.Room(), in)
		r.dec.Fed(n)
		in = in[n:]
		r.drain()
	}
}

func (r *receiver) drain() {
	for ev, ok := r.dec.Next(); ok; ev, ok = r.dec.Next() {
		if ev.Kind == camlink.EventText {
			fmt.Fprintf(&r.out, "text %s\n", ev.Text)
			continue
		}
		p := ev.Packet
		r.packets = append(r.packets, string(camlink.AppendPacket(nil, p.Header, p.Payload)))
		fmt.Fprintf(&r.out, "packet type=0x%02x flags=0x%x seq=%d ref=%d len=%d crc=0x%08x\n",
			uint8(p.Type), uint8(p.Flags), p.Seq, p.Ref, len(p.Payload), crc32.ChecksumIEEE(p.Payload))
		if f, ok := r.asm.Add(p); ok {
			r.frames = append(r.frames, f)
			fmt.Fprintf(&r.out, "frame no=%d len=%d crc=0x%08x size=%dx%d\n",
				f.Number, len(f.Data), crc32.ChecksumIEEE(f.Data), f.Width, f.Height)
		}
	}
}

// end returns all event lines.
func (r *receiver) end() string {
	c := r.dec.Counters()
	fmt.Fprintf(&r.out, "end header=%d version=%d length=%d payload=%d discarded=%d lost=%d\n",
		c.Errors[camlink.ErrorHeader], c.Errors[camlink.ErrorVersion], c.Errors[camlink.ErrorLength],
		c.Errors[camlink.ErrorPayload], c.Discarded, c.Lost)
	return r.out.String()
}

// check returns what is wrong with the accounts after a stream, or "".
func (r *receiver) check() string {
	c := r.dec.Counters()
	accepted := 0
	for _, p := range r.packets {
		accepted += len(p)
	}
	if c.Packets != uint64(len(r.packets)) {
		return fmt.Sprintf("counted %d packets of %d", c.Packets, len(r.packets))
	}
	if undecided := int64(c.Bytes) - int64(c.Discarded) - int64(accepted); undecided < 0 || undecided >= camlink.MaxPacket {
		return fmt.Sprintf("fed %d, discarded %d, accepted %d bytes", c.Bytes, c.Discarded, accepted)
	}
	a := r.asm.Counters()
	sum := a.Completed
	for _, n := range a.Rejected {
		sum += n
	}
	if r.asm.InProgress() {
		sum++
	}
	if a.Begun != sum || a.Completed != uint64(len(r.frames)) {
		return fmt.Sprintf("frames do not add up: %+v, %d delivered, in progress: %v", a, len(r.frames), r.asm.InProgress())
	}
	return ""
}

// events returns the event lines of a whole stream.
func events(maxFrame uint32, stream []input) string {
	r := newReceiver(maxFrame)
	for _, in := range stream {
		r.take(in)
	}
	return r.end()
}
