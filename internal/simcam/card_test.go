package simcam

import (
	"bytes"
	"image"
	"image/jpeg"
	"slices"
	"testing"
	"time"
)

func decode(t *testing.T, b []byte) image.Image {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return img
}

// shoot draws the card and returns a copy of the JPEG.
func shoot(t *testing.T, c *Card, s Shot) []byte {
	t.Helper()
	p, err := c.Picture(s)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(p.JPEG)
}

func TestCardDecodesAtEverySize(t *testing.T) {
	c := NewCard("a rather long title for a small picture")
	for _, s := range sizes {
		b := shoot(t, c, Shot{Number: 123456, Uptime: 36 * time.Hour, Width: s.width, Height: s.height, Quality: 12})
		if got := decode(t, b).Bounds(); got != image.Rect(0, 0, s.width, s.height) {
			t.Errorf("%v decodes as %v", s, got)
		}
		if len(b) > s.width*s.height/2 {
			t.Errorf("%v takes %d bytes", s, len(b))
		}
	}
	for _, s := range []Shot{{}, {Width: 15, Height: 100}, {Width: 101, Height: 100}} {
		if _, err := c.Picture(s); err == nil {
			t.Errorf("no error for %dx%d", s.Width, s.Height)
		}
	}
}

func TestCardMoves(t *testing.T) {
	c := NewCard("card")
	at := func(d time.Duration) []byte {
		return shoot(t, c, Shot{Number: uint32(d / (100 * time.Millisecond)), Uptime: d, Width: 320, Height: 240, Quality: 12})
	}
	first := at(0)
	seen := [][]byte{first}
	for i := range 50 {
		b := at(time.Duration(i+1) * 100 * time.Millisecond)
		if slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, b) }) {
			t.Fatalf("picture %d is one that was shown before", i+1)
		}
		seen = append(seen, b)
	}
	// What moved away left nothing behind: the picture is its shot's alone.
	if !bytes.Equal(at(0), first) {
		t.Error("the same shot gives another picture after others")
	}
}

// Where nothing moves the card shows what a test card must.
func TestCardColours(t *testing.T) {
	c := NewCard("card")
	img := decode(t, shoot(t, c, Shot{Uptime: 650 * time.Millisecond, Width: 640, Height: 480, Quality: 5}))
	// The ball is at the top now, so look at the lower ends of the bars.
	for i, want := range barColours {
		x := c.bars.Min.X + (2*i+1)*c.bars.Dx()/(2*len(barColours))
		r, g, b, _ := img.At(x, c.bars.Max.Y-8).RGBA()
		for n, pair := range [][2]int{{int(r >> 8), int(want.R)}, {int(g >> 8), int(want.G)}, {int(b >> 8), int(want.B)}} {
			if d := pair[0] - pair[1]; d < -6 || d > 6 {
				t.Errorf("bar %d, channel %d is %d, want %d", i, n, pair[0], pair[1])
			}
		}
	}
}

func TestQualityChangesSize(t *testing.T) {
	c := NewCard("card")
	last := 1 << 30
	for _, q := range []int{1, 8, 12, 20, 40, 63} {
		n := len(shoot(t, c, Shot{Width: 640, Height: 480, Quality: q}))
		if n >= last {
			t.Errorf("quality %d takes %d bytes, not less than %d", q, n, last)
		}
		last = n
	}
}

func TestLook(t *testing.T) {
	c := NewCard("card")
	luma := func(img image.Image, p image.Point) int {
		y := img.(*image.YCbCr)
		return int(y.Y[y.YOffset(p.X, p.Y)])
	}
	draw := func(l Look) image.Image {
		return decode(t, shoot(t, c, Shot{Width: 320, Height: 240, Quality: 2, Look: l}))
	}
	plain := draw(Look{})
	left, right := image.Pt(c.ramp.Min.X+60, c.ramp.Min.Y+8), image.Pt(320-1-c.ramp.Min.X-60, c.ramp.Min.Y+8)
	if luma(plain, left) >= luma(plain, right) {
		t.Fatal("the ramp does not rise")
	}
	if m := draw(Look{Mirror: true}); luma(m, left) <= luma(m, right) {
		t.Error("Mirror does not mirror")
	}
	flipped := image.Pt(left.X, 240-1-left.Y)
	if m := draw(Look{Flip: true}); abs(luma(m, flipped)-luma(plain, left)) > 4 {
		t.Error("Flip does not flip")
	}
	if m := draw(Look{Brightness: 2}); luma(m, left) <= luma(plain, left)+30 {
		t.Error("Brightness does not brighten")
	}
	if m := draw(Look{Lamp: 255}); luma(m, left) <= luma(plain, left)+30 {
		t.Error("Lamp does not light")
	}
	if m := draw(Look{Contrast: 2}); luma(m, right)-luma(m, left) <= luma(plain, right)-luma(plain, left) {
		t.Error("Contrast does not spread")
	}
	if m := draw(Look{Effect: 1}); abs(luma(m, left)-(255-luma(plain, left))) > 4 {
		t.Error("effect 1 is not the negative")
	}
	bar := image.Pt(c.bars.Min.X+c.bars.Dx()*9/16, c.bars.Max.Y-8) // magenta
	chroma := func(m image.Image) int {
		y := m.(*image.YCbCr)
		return abs(int(y.Cb[y.COffset(bar.X, bar.Y)]) - 128)
	}
	if got := chroma(draw(Look{Effect: 2})); got > 2 {
		t.Error("effect 2 is not grey")
	}
	if strong, weak := chroma(draw(Look{Saturation: 2})), chroma(draw(Look{Saturation: -2})); strong <= chroma(plain) || weak >= chroma(plain) {
		t.Error("Saturation does not change the colours")
	}
	for effect := range effects {
		for other := range effect {
			if bytes.Equal(shoot(t, c, Shot{Width: 320, Height: 240, Look: Look{Effect: effect}}), shoot(t, c, Shot{Width: 320, Height: 240, Look: Look{Effect: other}})) {
				t.Errorf("effects %d and %d look alike", effect, other)
			}
		}
	}
	if again := draw(Look{}); luma(again, left) != luma(plain, left) {
		t.Error("a Look stays on the card")
	}
}

func abs(v int) int { return max(v, -v) }

func TestClock(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0:00:00.0",
		59*time.Second + 999e6:  "0:00:59.9",
		25*time.Hour + 61e9 + 1: "25:01:01.0",
	} {
		if got := string(appendClock(nil, d)); got != want {
			t.Errorf("%v shows as %s, want %s", d, got, want)
		}
	}
}

func BenchmarkCard(b *testing.B) {
	for _, s := range []size{{320, 240}, {640, 480}, {1600, 1200}} {
		b.Run(s.String(), func(b *testing.B) {
			c := NewCard("bench")
			shot := Shot{Width: s.width, Height: s.height, Quality: 12}
			b.ReportAllocs()
			for b.Loop() {
				shot.Number++
				shot.Uptime += 66 * time.Millisecond
				if _, err := c.Picture(shot); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCardDraw is what of BenchmarkCard is not the encoder.
func BenchmarkCardDraw(b *testing.B) {
	c := NewCard("bench")
	c.layOut(640, 480)
	shot := Shot{Width: 640, Height: 480}
	b.ReportAllocs()
	for b.Loop() {
		shot.Number++
		shot.Uptime += 66 * time.Millisecond
		c.move(shot)
	}
}
