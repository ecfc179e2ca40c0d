package main

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
)

func TestNoWrongFrameIsTaken(t *testing.T) {
	const frames = 30000
	line := newTransit(1)
	if allocs := testing.AllocsPerRun(1, func() { line.run(line.frames + frames/2) }); allocs > frames/4 {
		t.Errorf("%.0f allocations for %d frames", allocs, frames/2) // a line of text is one
	}
	if line.wrong != 0 || line.forged != 0 {
		t.Errorf("%d wrong frames, %d forged packets", line.wrong, line.forged)
	}
	// The test is worth something only if every kind of damage was done, and something survived.
	for how, n := range line.damages {
		if n < frames/16 {
			t.Errorf("%v: only %d times", damage(how), n)
		}
	}
	if line.whole < frames/100 || line.whole > frames/2 {
		t.Errorf("%d of %d frames came whole", line.whole, line.frames)
	}
	e := line.dec.Counters().Errors
	for kind, n := range e {
		if kind == int(camlink.ErrorHeader) || kind == int(camlink.ErrorPayload) {
			if n < frames/10 {
				t.Errorf("only %d %v errors", n, camlink.ErrorKind(kind))
			}
		}
	}
}

// TestWrongFramesAreCounted: a frame that is sound and was never sent, and parts of one, are found out.
func TestWrongFramesAreCounted(t *testing.T) {
	line := newTransit(1)
	line.send()
	b := begin(1)
	b.Length = 3
	line.packet(camlink.TypeFrameBegin, 0, 1, b.Append(nil))
	line.packet(camlink.TypeFrameChunk, camlink.FlagLast, 1, append(binary.LittleEndian.AppendUint32(nil, 0), "abc"...))
	line.packet(camlink.TypePong, 0, 1, nil)
	line.deliver()
	if line.whole != 1 || line.wrong != 1 || line.forged != 3 {
		t.Errorf("whole %d, wrong %d, forged %d", line.whole, line.wrong, line.forged)
	}
	data := line.data[:length(1)]
	for i := range data {
		data[i] = pictureByte(1, i)
	}
	good := camlink.Frame{Number: 1, CaptureUS: begin(1).CaptureUS, Width: 640, Height: 480, Data: data}
	if !line.asSent(good) {
		t.Error("a good frame is called wrong")
	}
	data[5] ^= 1
	if line.asSent(good) {
		t.Error("a wrong byte is called good")
	}
}

func TestReport(t *testing.T) {
	text := report(outcome{name: "Go", frames: 1234567, header: 65536 * 3, failed: 1 << 32, whole: 617283})
	for _, want := range []string{"| 1,234,567 |", "| 50.0 % |", "| 3 |", "| 1 | **0** |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
