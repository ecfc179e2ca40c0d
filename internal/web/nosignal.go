package web

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"strings"
	"sync"
	"time"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// noSignal makes the picture that stands in for a camera that has none. It is drawn when what it says or its
// size changes, not per viewer; the newest drawing is kept.
type noSignal struct {
	mu      sync.Mutex
	drawn   placard
	jpeg    []byte
	part    []byte
	stamped time.Time // when part was made
}

// placard is all that a no-signal picture shows.
type placard struct {
	id, title, advice string
	width, height     int
}

// stampEvery is how long the viewers of a camera share one part, and with it one X-Timestamp.
const stampEvery = 100 * time.Millisecond

// get returns the picture as a part of a stream, stamped with the present time. The part must not be written to.
func (n *noSignal) get(p placard) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if n.jpeg == nil || p != n.drawn {
		picture, err := p.draw()
		if err != nil {
			return nil, err
		}
		n.drawn, n.jpeg, n.part = p, picture, nil
	}
	if n.part == nil || now.Sub(n.stamped) >= stampEvery {
		part := appendPartHeader(make([]byte, 0, len(n.jpeg)+256), len(n.jpeg), now)
		n.part = append(append(part, n.jpeg...), trailer...)
		n.stamped = now
	}
	return n.part, nil
}

// Brightness of the parts of the picture. It is grey, so that it does not pass for a scene.
const (
	inkBack  = 0x18
	inkBand  = 0x30
	inkFaint = 0xA0
	inkText  = 0xF0
)

// maxPlacard bounds the side of a drawn picture, whatever size a device claims to send.
const maxPlacard = 4096

// draw makes a baseline JPEG. It has colour planes though it is grey, so that a player that was decoding the
// camera's colour pictures need not change its format.
func (p placard) draw() ([]byte, error) {
	width, height := p.width, p.height
	if width <= 0 || height <= 0 {
		width, height = 640, 480
	}
	width, height = min(width, maxPlacard), min(height, maxPlacard)

	picture := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	fill(picture.Y, inkBack)
	fill(picture.Cb, 0x80)
	fill(picture.Cr, 0x80)
	luma := &image.Gray{Pix: picture.Y, Stride: picture.YStride, Rect: picture.Rect}

	unit := max(1, min(width/300, height/150))
	margin := 8 * unit
	room := width - 2*margin
	top := margin
	top += write(luma, margin, top, p.id, fit(p.id, room, 2*unit), inkFaint)
	top = max(top+unit, height/4)

	const headline = "NO SIGNAL"
	scale := fit(headline, room, 4*unit)
	band := image.Rect(0, top, width, top+glyphHeight*scale+margin)
	block(luma, band, inkBand)
	write(luma, (width-textWidth(headline, scale))/2, top+margin/2, headline, scale, inkText)
	top = band.Max.Y + margin

	scale = fit(p.title, room, 2*unit)
	top += write(luma, margin, top, p.title, scale, inkText) + unit
	for _, line := range wrap(p.advice, room/(glyphWidth*unit)) {
		top += write(luma, margin, top, line, unit, inkFaint)
	}

	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: 80}); err != nil {
		return nil, fmt.Errorf("encode no-signal picture: %w", err)
	}
	return out.Bytes(), nil
}

const glyphWidth, glyphHeight = 7, 13 // of basicfont.Face7x13, in pixels

func textWidth(s string, scale int) int { return len(s) * glyphWidth * scale }

// fit is the largest scale up to most at which s is at most room pixels wide, and at least 1.
func fit(s string, room, most int) int {
	for most > 1 && textWidth(s, most) > room {
		most--
	}
	return most
}

// write draws one line of ASCII with its upper left corner at x, y, each pixel of the font as a square of scale pixels, and
// returns the height of the line. What does not fit into the picture is cut off.
func write(dst *image.Gray, x, y int, text string, scale int, ink byte) int {
	mask := image.NewAlpha(image.Rect(0, 0, textWidth(text, 1), glyphHeight))
	drawer := font.Drawer{
		Dst: mask, Src: image.Opaque, Face: basicfont.Face7x13,
		Dot: fixed.P(0, basicfont.Face7x13.Ascent),
	}
	drawer.DrawString(text)
	for gy := range glyphHeight {
		for gx := range mask.Rect.Dx() {
			if mask.Pix[gy*mask.Stride+gx] == 0 {
				continue
			}
			block(dst, image.Rect(0, 0, scale, scale).Add(image.Pt(x+gx*scale, y+gy*scale)), ink)
		}
	}
	return glyphHeight * scale
}

// block fills the part of r that lies in the picture.
func block(dst *image.Gray, r image.Rectangle, ink byte) {
	r = r.Intersect(dst.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		fill(dst.Pix[y*dst.Stride+r.Min.X:][:r.Dx()], ink)
	}
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

// wrap breaks text into lines of at most columns characters, at spaces where there are any.
func wrap(text string, columns int) []string {
	columns = max(columns, 1)
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for len(word) > columns {
			if line != "" {
				lines = append(lines, line)
				line = ""
			}
			lines = append(lines, word[:columns])
			word = word[columns:]
		}
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= columns:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// ascii replaces what the font cannot draw; device names and system errors may hold anything.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// placard is what the camera's no-signal picture says now.
func (c *camera) placard(st Status) placard {
	title, advice := st.words()
	return placard{id: ascii(c.ID), title: ascii(title), advice: ascii(advice), width: st.Width, height: st.Height}
}
