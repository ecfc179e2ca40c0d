package fanout

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func frameOf(content string) *Frame {
	b := NewBuffer(len(content))
	copy(b.JPEG(), content)
	return NewFrame(b, len(content))
}

func TestEnvelopeSurroundsThePicture(t *testing.T) {
	hub := NewHub(func(f *Frame) ([]byte, []byte) {
		if f.Seq != 1 || f.Received.IsZero() {
			t.Errorf("envelope called with Seq %d, Received %v", f.Seq, f.Received)
		}
		return []byte("head:"), []byte(":tail")
	})
	buffer := NewBuffer(100)
	copy(buffer.JPEG(), "picture and padding")
	f := NewFrame(buffer, len("picture"))
	hub.Publish(f)
	if got := string(f.Part()); got != "head:picture:tail" {
		t.Errorf("part is %q", got)
	}
	if got := string(f.JPEG()); got != "picture" {
		t.Errorf("JPEG is %q", got)
	}
	if &f.Part()[len("head:")] != &f.JPEG()[0] {
		t.Error("part and JPEG do not share memory")
	}
}

func TestEnvelopeMayFillItsRoom(t *testing.T) {
	header, trailer := bytes.Repeat([]byte("h"), Headroom), bytes.Repeat([]byte("t"), Tailroom)
	hub := NewHub(func(*Frame) ([]byte, []byte) { return header, trailer })
	f := frameOf("JPEG")
	hub.Publish(f)
	if want := string(header) + "JPEG" + string(trailer); string(f.Part()) != want {
		t.Errorf("part is %q", f.Part())
	}
}

func TestFaultsOfTheProgramPanic(t *testing.T) {
	long := bytes.Repeat([]byte("x"), Headroom+1)
	twice := frameOf("x")
	hub := NewHub(nil)
	hub.Publish(twice)
	for name, test := range map[string]struct {
		do   func()
		says string
	}{
		"header too long":  {func() { NewHub(func(*Frame) ([]byte, []byte) { return long, nil }).Publish(frameOf("x")) }, "envelope of 257"},
		"trailer too long": {func() { NewHub(func(*Frame) ([]byte, []byte) { return nil, long }).Publish(frameOf("x")) }, "envelope of 0 and 257"},
		"published twice":  {func() { hub.Publish(twice) }, "twice"},
		"size too large":   {func() { NewFrame(NewBuffer(3), 4) }, "4 bytes in a buffer of 3"},
		"size negative":    {func() { NewFrame(NewBuffer(3), -1) }, "-1 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, test.says) {
					t.Errorf("panic says %q, want %q in it", said, test.says)
				}
			}()
			test.do()
		})
	}
}

// An append to what a caller got must not reach the memory beside it.
func TestSlicesAreClipped(t *testing.T) {
	buffer := NewBuffer(4)
	copy(buffer.JPEG(), "JPEG")
	hub := NewHub(func(*Frame) ([]byte, []byte) { return nil, []byte("TAIL") })
	f := NewFrame(buffer, 4)
	hub.Publish(f)
	for name, s := range map[string][]byte{"buffer": buffer.JPEG(), "JPEG": f.JPEG(), "part": f.Part()} {
		if cap(s) != len(s) {
			t.Errorf("%s has capacity %d beyond its length %d", name, cap(s), len(s))
		}
	}
}

func TestFrameTimeFallsBackToReceived(t *testing.T) {
	received := time.Unix(100, 0)
	f := &Frame{Received: received}
	if f.Time() != received {
		t.Errorf("time is %v without Captured", f.Time())
	}
	f.Captured = time.Unix(99, 0)
	if f.Time() != f.Captured {
		t.Errorf("time is %v with Captured", f.Time())
	}
}
