package camlink_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
)

func beginPacket(number, length uint32) camlink.Packet {
	b := camlink.FrameBegin{Number: number, Length: length, CaptureUS: 1, TxUS: 2, Width: 3, Height: 4, Format: 1, Quality: 5, Skipped: 6}
	return camlink.Packet{Header: camlink.Header{Type: camlink.TypeFrameBegin, Ref: uint16(number)}, Payload: b.Append(nil)}
}

func chunkPacket(number, offset uint32, data string, f camlink.Flags) camlink.Packet {
	c := camlink.FrameChunk{Offset: offset, Data: []byte(data)}
	return camlink.Packet{Header: camlink.Header{Type: camlink.TypeFrameChunk, Flags: f, Ref: uint16(number)}, Payload: c.Append(nil)}
}

// keeper is the other side of an Assembler's functions.
type keeper struct {
	alloc, free [][]byte
	told        []string
}

func (k *keeper) assembler(maxFrame uint32) *camlink.Assembler {
	return &camlink.Assembler{
		MaxFrame: maxFrame,
		Alloc: func(size int) []byte {
			b := make([]byte, size+8)[4 : size+4]
			k.alloc = append(k.alloc, b)
			return b
		},
		Free:     func(b []byte) { k.free = append(k.free, b) },
		Rejected: func(n uint32, r camlink.Reason) { k.told = append(k.told, fmt.Sprint(n, " ", r)) },
		Lost:     func(n uint32) { k.told = append(k.told, fmt.Sprint("lost ", n)) },
	}
}

func TestFrameIsWhatWasSent(t *testing.T) {
	var k keeper
	a := k.assembler(0)
	a.Add(beginPacket(70000, 6))
	if !a.InProgress() {
		t.Error("a frame that began is not in progress")
	}
	if _, ok := a.Add(chunkPacket(70000, 0, "abcd", 0)); ok {
		t.Error("delivered early")
	}
	f, ok := a.Add(chunkPacket(70000, 4, "ef", camlink.FlagLast))
	want := camlink.Frame{Number: 70000, CaptureUS: 1, TxUS: 2, Width: 3, Height: 4, Quality: 5, Skipped: 6, Data: []byte("abcdef")}
	if got := fmt.Sprintf("%+v", f); !ok || got != fmt.Sprintf("%+v", want) {
		t.Errorf("got %v %s\nwant %+v", ok, got, want)
	}
	if a.InProgress() {
		t.Error("a frame that was delivered is in progress")
	}
	if len(k.alloc) != 1 || &k.alloc[0][0] != &f.Data[0] || len(k.free) != 0 {
		t.Error("the data is not in the memory that Alloc gave")
	}
}

// Whoever gave memory for a frame gets it back, in the frame or without it.
func TestMemoryOfRejectedFrames(t *testing.T) {
	var k keeper
	a := k.assembler(100)
	a.Add(beginPacket(1, 101)) // too large: none was asked for
	a.Add(beginPacket(2, 0))   // empty: the same
	if len(k.alloc) != 0 {
		t.Fatal("memory was asked for a frame that was refused")
	}
	a.Add(beginPacket(3, 10))
	a.Add(beginPacket(4, 20))
	a.Add(chunkPacket(4, 1, "x", 0))
	a.Add(chunkPacket(4, 0, "x", 0))
	a.Add(beginPacket(5, 30))
	a.Reset()
	if len(k.alloc) != 3 || len(k.free) != 3 {
		t.Fatalf("gave %d, got %d back", len(k.alloc), len(k.free))
	}
	for i := range k.alloc {
		if &k.alloc[i][0] != &k.free[i][0] {
			t.Errorf("buffer %d did not come back", i)
		}
	}
	want := "[1 too_large 2 format 3 incomplete 4 incomplete 5 incomplete]"
	if got := fmt.Sprint(k.told); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

func TestAssemblerReset(t *testing.T) {
	var k keeper
	a := k.assembler(0)
	hello := camlink.Packet{Header: camlink.Header{Type: camlink.TypeHello}, Payload: camlink.Hello{BootID: 1}.Append(nil)}
	a.Add(hello)
	a.Add(beginPacket(1, 1))
	a.Reset()
	a.Reset()
	a.Add(chunkPacket(1, 0, "x", camlink.FlagLast))
	a.Add(beginPacket(10, 1))
	// After Reset the first HELLO is no reboot, whatever its boot_id.
	hello.Payload = camlink.Hello{BootID: 2}.Append(nil)
	a.Add(hello)
	if _, ok := a.Add(chunkPacket(10, 0, "x", camlink.FlagLast)); !ok {
		t.Error("the frame after Reset was not delivered")
	}
	if got := fmt.Sprint(k.told); got != "[1 incomplete]" {
		t.Errorf("told %s", got)
	}
	want := camlink.AssemblerCounters{Begun: 2, Completed: 1, Rejected: [camlink.NumReasons]uint64{camlink.ReasonIncomplete: 1}}
	if got := a.Counters(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A device may claim any numbers: they are counted as told, and nothing else comes of it.
func TestLyingNumbers(t *testing.T) {
	var k keeper
	a := k.assembler(0)
	a.Add(beginPacket(1, 1))
	a.Add(beginPacket(1+math.MaxInt32, 1))
	a.Add(beginPacket(0, math.MaxUint32))
	if got := a.Counters().Lost; got != math.MaxInt32-1 {
		t.Errorf("lost %d", got)
	}
	want := "[1 incomplete lost 2147483646 2147483648 incomplete 0 too_large]"
	if got := fmt.Sprint(k.told); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

func TestMalformedPacketsChangeNothing(t *testing.T) {
	var k keeper
	a := k.assembler(0)
	a.Add(beginPacket(1, 3))
	for _, typ := range []camlink.Type{camlink.TypeFrameBegin, camlink.TypeFrameChunk, camlink.TypeFrameAbort, camlink.TypeHello} {
		a.Add(camlink.Packet{Header: camlink.Header{Type: typ, Ref: 1}, Payload: []byte{1, 0, 0}})
	}
	f, ok := a.Add(chunkPacket(1, 0, "abc", camlink.FlagLast))
	if !ok || !bytes.Equal(f.Data, []byte("abc")) || len(k.told) != 0 || a.Counters().Malformed != 4 {
		t.Errorf("delivered: %v, told %v, %+v", ok, k.told, a.Counters())
	}
}

func TestZeroAssembler(t *testing.T) {
	var a camlink.Assembler
	a.Add(beginPacket(1, 1))
	a.Add(beginPacket(3, camlink.DefaultMaxFrame+1))
	a.Add(beginPacket(4, camlink.DefaultMaxFrame))
	want := camlink.AssemblerCounters{Begun: 3, Lost: 1}
	want.Rejected[camlink.ReasonIncomplete]++
	want.Rejected[camlink.ReasonTooLarge]++
	if got := a.Counters(); got != want || !a.InProgress() {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
