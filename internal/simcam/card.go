package simcam

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"time"
)

// A Shot says which picture a [Source] shall make.
type Shot struct {
	Number        uint32        // of the capture, from 1 at boot; gaps are captures nobody saw
	Uptime        time.Duration // of the device at the capture
	Width, Height int           // pixels
	Quality       int           // as in CONFIG: 0 to 63, lower is better
	Look          Look
}

// A Look is what the settings of a sensor do to a picture. The zero Look leaves it as it is.
type Look struct {
	Brightness, Contrast, Saturation int // -2 to 2
	Effect                           int // 0 none, 1 negative, 2 greyscale, 3 red, 4 green, 5 blue, 6 sepia
	Lamp                             int // duty, 0 to 255
	Mirror, Flip                     bool
}

// A Source is the sensor of a simulated camera.
type Source interface {
	// Picture makes one picture. Calls do not overlap; the JPEG is borrowed
	// until the next call. An error counts as an error of the camera.
	Picture(Shot) (Picture, error)
}

// A Picture is a JPEG and the size it is announced with.
type Picture struct {
	JPEG          []byte
	Width, Height int
}

// A Card is a moving test card: colour bars, a ramp, a bouncing ball, the
// number and the time of the picture. It is not safe for concurrent use.
type Card struct {
	title string
	font  *font

	// All that depends on the size.
	back  canvas // what does not move, drawn once
	work  canvas // back, and on top of it what moves
	look  canvas // work as the settings of the sensor show it; made when first needed
	scale int    // of text
	bars  image.Rectangle
	ramp  image.Rectangle
	text  image.Rectangle
	ball  ball
	dirty [3]image.Rectangle // where work differs from back

	line []byte
	jpeg sink
}

// NewCard returns a test card that shows title.
func NewCard(title string) *Card {
	return &Card{title: title, font: newFont()}
}

// Picture draws and encodes the card.
func (c *Card) Picture(s Shot) (Picture, error) {
	if s.Width < 16 || s.Height < 16 || s.Width%2 != 0 || s.Height%2 != 0 {
		return Picture{}, fmt.Errorf("test card cannot be %dx%d", s.Width, s.Height)
	}
	if c.work.YCbCr == nil || c.work.Rect.Dx() != s.Width || c.work.Rect.Dy() != s.Height {
		c.layOut(s.Width, s.Height)
	}
	c.move(s)
	shown := c.work
	if s.Look != (Look{}) {
		if c.look.YCbCr == nil {
			c.look = newCanvas(s.Width, s.Height)
		}
		s.Look.apply(c.look, c.work)
		shown = c.look
	}
	c.jpeg = c.jpeg[:0]
	if err := jpeg.Encode(&c.jpeg, shown.YCbCr, &jpeg.Options{Quality: encoderQuality(s.Quality)}); err != nil {
		return Picture{}, fmt.Errorf("encode test card: %w", err)
	}
	return Picture{JPEG: c.jpeg, Width: s.Width, Height: s.Height}, nil
}

// encoderQuality maps a sensor's quality (0 to 63, lower is better) to that of the
// encoder (1 to 100, higher is better), so that sizes come near those of an OV2640.
func encoderQuality(sensor int) int {
	return min(max(98-sensor*3/2, 4), 98)
}

// barColours are those of the EBU bars at 75 %.
var barColours = [...]color.RGBA{
	{191, 191, 191, 255}, {191, 191, 0, 255}, {0, 191, 191, 255}, {0, 191, 0, 255},
	{191, 0, 191, 255}, {191, 0, 0, 255}, {0, 0, 191, 255}, {16, 16, 16, 255},
}

// layOut places everything for a size and draws what does not move.
func (c *Card) layOut(w, h int) {
	c.back, c.look = newCanvas(w, h), canvas{}
	c.scale = max(w/320, 1)
	margin := max(w/32, 2) &^ 1
	strip := (2*glyphHeight*c.scale + 6*c.scale) &^ 1
	c.text = image.Rect(margin, h-margin-strip, w-margin, h-margin)
	c.ramp = image.Rect(margin, (c.text.Min.Y-margin-h/14)&^1, w-margin, (c.text.Min.Y-margin)&^1)
	c.bars = image.Rect(margin, margin, w-margin, (c.ramp.Min.Y-margin)&^1)

	for y := range h {
		c.back.fill(image.Rect(0, y, w, y+1), ink{uint8(30 + 26*y/h), 136, 122})
	}
	for i, rgb := range barColours {
		y, cb, cr := color.RGBToYCbCr(rgb.R, rgb.G, rgb.B)
		at := func(i int) int { return c.bars.Min.X + (i*c.bars.Dx()/len(barColours))&^1 }
		c.back.fill(image.Rect(at(i), c.bars.Min.Y, at(i+1), c.bars.Max.Y), ink{y, cb, cr})
	}
	for x := c.ramp.Min.X; x < c.ramp.Max.X; x++ {
		y := 16 + 219*(x-c.ramp.Min.X)/c.ramp.Dx()
		c.back.fill(image.Rect(x, c.ramp.Min.Y, x+1, c.ramp.Max.Y), grey(uint8(y)))
	}
	if c.bars.Dy() > 16 {
		centre := c.bars.Min.Add(c.bars.Size().Div(2))
		radius := 0.46 * float64(c.bars.Dy())
		c.back.ring(centre, radius, float64(c.scale)+0.5, 225)
		c.back.ring(centre, radius/3, float64(c.scale), 225)
	}
	c.back.fill(c.text, grey(22))
	size := fmt.Sprintf("%dx%d", w, h)
	room := c.text.Dx()/(glyphWidth*c.scale) - len(size) - 2
	c.write(0, 0, c.title[:min(len(c.title), max(room, 0))])
	c.write(0, -1, size)

	c.ball = newBall(max(h/5, 8)&^1, 96, 190)
	c.work = newCanvas(w, h)
	c.work.restore(c.back, c.back.Rect)
	c.dirty = [3]image.Rectangle{}
}

// write puts s on a line of the text strip of back: from the left for align 0, up to the right for -1.
func (c *Card) write(line, align int, s string) {
	p := c.textAt(line)
	if align < 0 {
		p.X = c.text.Max.X - 2*c.scale - textWidth(len(s), c.scale)
	}
	c.font.write(c.back, p, s, c.scale, 210)
}

func (c *Card) textAt(line int) image.Point {
	return c.text.Min.Add(image.Pt(2*c.scale, (2+line*(glyphHeight+1))*c.scale))
}

// move erases what moved in the picture before and draws it where it is now.
func (c *Card) move(s Shot) {
	for _, r := range c.dirty {
		c.work.restore(c.back, r)
	}
	t := s.Uptime.Seconds()

	room := c.bars.Size().Sub(image.Pt(c.ball.size, c.ball.size))
	across := math.Abs(2*frac(t/6.1) - 1) // there and back at even speed
	bounce := 1 - math.Abs(math.Sin(math.Pi*t/1.3))
	at := c.bars.Min.Add(image.Pt(int(across*float64(room.X)), int(bounce*float64(room.Y))))
	c.dirty[0] = c.ball.draw(c.work, at)

	sweep := c.ramp.Min.X + int(frac(t/2)*float64(c.ramp.Dx()))
	c.dirty[1] = outward(image.Rect(sweep, c.ramp.Min.Y, sweep+3*c.scale, c.ramp.Max.Y)).Intersect(c.ramp)
	c.work.fill(c.dirty[1], ink{150, 60, 170})

	p := c.textAt(1)
	c.line = appendClock(c.line[:0], s.Uptime)
	c.font.write(c.work, p, string(c.line), c.scale, 235)
	c.line = fmt.Appendf(c.line[:0], "#%d", s.Number)
	right := c.text.Max.X - 2*c.scale - textWidth(len(c.line), c.scale)
	c.font.write(c.work, image.Pt(right, p.Y), string(c.line), c.scale, 235)
	c.dirty[2] = image.Rect(c.text.Min.X, p.Y, c.text.Max.X, p.Y+glyphHeight*c.scale)
}

func frac(v float64) float64 { return v - math.Floor(v) }

// appendClock writes an uptime as h:mm:ss.t.
func appendClock(b []byte, d time.Duration) []byte {
	tenths := d / (100 * time.Millisecond)
	return fmt.Appendf(b, "%d:%02d:%02d.%d", tenths/36000, tenths/600%60, tenths/10%60, tenths%10)
}

// A sink collects a JPEG in a buffer that is used again. It is what the encoder
// writes to without a bufio.Writer of its own.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

func (s *sink) WriteByte(b byte) error {
	*s = append(*s, b)
	return nil
}

func (s *sink) Flush() error { return nil }

// stills gives fixed pictures in turn.
type stills struct {
	pictures []Picture
	next     int
}

var errNoPicture = errors.New("no picture to show")

// newStills announces each picture with the size it says it has; one that does not say gets the size asked for.
func newStills(frames [][]byte) *stills {
	s := &stills{pictures: make([]Picture, len(frames))}
	for i, frame := range frames {
		s.pictures[i].JPEG = frame
		if c, err := jpeg.DecodeConfig(bytes.NewReader(frame)); err == nil {
			s.pictures[i].Width, s.pictures[i].Height = c.Width, c.Height
		}
	}
	return s
}

func (s *stills) Picture(shot Shot) (Picture, error) {
	if len(s.pictures) == 0 {
		return Picture{}, errNoPicture
	}
	p := s.pictures[s.next]
	s.next = (s.next + 1) % len(s.pictures)
	if p.Width == 0 {
		p.Width, p.Height = shot.Width, shot.Height
	}
	return p, nil
}
