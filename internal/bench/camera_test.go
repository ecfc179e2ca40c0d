package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image/jpeg"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestCameraPictures(t *testing.T) {
	for _, size := range []int{6_000, 21_000, 150_000} {
		c, err := NewCamera(size)
		if err != nil {
			t.Fatal(err)
		}
		if off := float64(c.Size())/float64(size) - 1; off < -0.08 || off > 0.02 {
			t.Errorf("%d bytes: pictures have %d", size, c.Size())
		}
		for i, p := range c.pictures {
			if i > 0 && bytes.Equal(p, c.pictures[i-1]) {
				t.Errorf("%d bytes: picture %d does not move", size, i)
			}
			if _, err := jpeg.Decode(bytes.NewReader(p)); err != nil {
				t.Errorf("%d bytes: picture %d: %v", size, i, err)
			}
		}
	}
	first, err1 := NewCamera(5000)
	again, err2 := NewCamera(5000)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(first.pictures, again.pictures, bytes.Equal) {
		t.Error("pictures differ from run to run")
	}
	for _, size := range []int{0, 999, 1_000_001} {
		if _, err := NewCamera(size); err == nil {
			t.Errorf("%d bytes were accepted", size)
		}
	}
}

// shots notes when each picture came and what its stamp says.
type shots struct {
	at        []time.Time
	sequences []uint64
	stop      func()
}

func (s *shots) Write(p []byte) (int, error) {
	s.at = append(s.at, time.Now())
	s.sequences = append(s.sequences, binary.LittleEndian.Uint64(p[len(p)-18:]))
	if len(s.at) == 91 {
		s.stop()
	}
	return len(p), nil
}

// The pace holds over many pictures, and numbers run on past the pictures there are.
func TestCameraPace(t *testing.T) {
	c, err := NewCamera(2000)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s := &shots{stop: stop}
		if err := c.Play(ctx, s, 30); err != nil {
			t.Fatal(err)
		}
		if d := s.at[90].Sub(s.at[0]); d < 3*time.Second-time.Millisecond || d > 3*time.Second+time.Millisecond {
			t.Errorf("90 pictures took %v", d)
		}
		for i, n := range s.sequences {
			if n != uint64(i) {
				t.Fatalf("picture %d is numbered %d", i, n)
			}
		}
	})
}

// A picture passes for the camera's only if all of it is: none but the stamp may differ from picture to picture.
func TestExamine(t *testing.T) {
	ours, err := NewCamera(6_000)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCamera(7_000)
	if err != nil {
		t.Fatal(err)
	}
	p := bytes.Clone(ours.pictures[2])
	setStamp(p, 4*1000+2, 77)
	if s, ok := ours.Examine(p); !ok || s != (Stamp{4002, 77}) {
		t.Errorf("a picture of its own is read as %v, %v", s, ok)
	}
	if _, ok := other.Examine(p); ok {
		t.Error("a picture of another camera passes")
	}
	for i := range len(p) {
		p[i] ^= 0x10
		if s, ok := ours.Examine(p); ok && s == (Stamp{4002, 77}) {
			t.Fatalf("damage at byte %d passes", i)
		}
		p[i] ^= 0x10
	}
	for _, n := range []int{0, 10, stampTail, len(p) - 1} {
		if _, ok := ours.Examine(p[:n]); ok {
			t.Errorf("the first %d bytes pass", n)
		}
	}
}
