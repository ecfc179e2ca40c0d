package simcam

import (
	"image"
	"math"

	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// A canvas is drawn in the JPEG encoder's own colour space and subsampling, so
// that a frame costs no colour conversion. Rectangles must have even corners
// where their colour matters: one chroma sample covers 2x2 pixels.
type canvas struct {
	*image.YCbCr
}

// An ink is a colour as the picture stores it.
type ink struct {
	y, cb, cr uint8
}

func grey(y uint8) ink { return ink{y, 128, 128} }

func newCanvas(w, h int) canvas {
	return canvas{image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)}
}

// chroma is the part of the chroma planes that r touches.
func chroma(r image.Rectangle) image.Rectangle {
	return image.Rect(r.Min.X/2, r.Min.Y/2, (r.Max.X+1)/2, (r.Max.Y+1)/2)
}

// outward grows r to even corners.
func outward(r image.Rectangle) image.Rectangle {
	return image.Rect(r.Min.X&^1, r.Min.Y&^1, (r.Max.X+1)&^1, (r.Max.Y+1)&^1)
}

func (c canvas) fill(r image.Rectangle, k ink) {
	r = r.Intersect(c.Rect)
	if r.Empty() {
		return
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		set(c.Y[y*c.YStride+r.Min.X:y*c.YStride+r.Max.X], k.y)
	}
	h := chroma(r)
	for y := h.Min.Y; y < h.Max.Y; y++ {
		set(c.Cb[y*c.CStride+h.Min.X:y*c.CStride+h.Max.X], k.cb)
		set(c.Cr[y*c.CStride+h.Min.X:y*c.CStride+h.Max.X], k.cr)
	}
}

func set(b []uint8, v uint8) {
	for i := range b {
		b[i] = v
	}
}

// restore copies r from a canvas of the same size.
func (c canvas) restore(from canvas, r image.Rectangle) {
	r = outward(r).Intersect(c.Rect)
	if r.Empty() {
		return
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		i, j := y*c.YStride+r.Min.X, y*c.YStride+r.Max.X
		copy(c.Y[i:j], from.Y[i:j])
	}
	h := chroma(r)
	for y := h.Min.Y; y < h.Max.Y; y++ {
		i, j := y*c.CStride+h.Min.X, y*c.CStride+h.Max.X
		copy(c.Cb[i:j], from.Cb[i:j])
		copy(c.Cr[i:j], from.Cr[i:j])
	}
}

// mix lays v over b; cover 255 hides b.
func mix(b, v, cover uint8) uint8 {
	return uint8((int(b)*(255-int(cover)) + int(v)*int(cover) + 127) / 255)
}

// ring draws a circle line of luma y.
func (c canvas) ring(center image.Point, radius, width float64, y uint8) {
	reach := int(radius+width) + 1
	box := image.Rect(-reach, -reach, reach+1, reach+1).Add(center).Intersect(c.Rect)
	for py := box.Min.Y; py < box.Max.Y; py++ {
		for px := box.Min.X; px < box.Max.X; px++ {
			off := math.Abs(math.Hypot(float64(px-center.X), float64(py-center.Y)) - radius)
			if cover := width/2 + 0.5 - off; cover > 0 {
				i := py*c.YStride + px
				c.Y[i] = mix(c.Y[i], y, uint8(255*min(cover, 1)))
			}
		}
	}
}

// A ball is a lit sphere, drawn once and then copied.
type ball struct {
	size  int // edge of its square, even
	shade []uint8
	cover []uint8
	cb    uint8
	cr    uint8
}

func newBall(size int, cb, cr uint8) ball {
	b := ball{size: size, shade: make([]uint8, size*size), cover: make([]uint8, size*size), cb: cb, cr: cr}
	radius := float64(size) / 2
	for y := range size {
		for x := range size {
			dx, dy := (float64(x)+0.5)/radius-1, (float64(y)+0.5)/radius-1
			d := math.Hypot(dx, dy)
			b.cover[y*size+x] = uint8(255 * min(max((1-d)*radius+0.5, 0), 1))
			// The lamp stands to the upper left, in front.
			dz := math.Sqrt(max(1-d*d, 0))
			light := max(-0.48*dx-0.58*dy+0.66*dz, 0)
			b.shade[y*size+x] = uint8(min(36+130*light+80*math.Pow(light, 24), 235))
		}
	}
	return b
}

// draw puts the ball's upper left corner at p and returns what it covered.
func (b ball) draw(c canvas, p image.Point) image.Rectangle {
	box := image.Rectangle{Max: image.Pt(b.size, b.size)}.Add(p)
	in := box.Intersect(c.Rect)
	for y := in.Min.Y; y < in.Max.Y; y++ {
		row := (y-p.Y)*b.size - p.X
		for x := in.Min.X; x < in.Max.X; x++ {
			cover := b.cover[row+x]
			if cover == 0 {
				continue
			}
			i := y*c.YStride + x
			c.Y[i] = mix(c.Y[i], b.shade[row+x], cover)
			if y&1 == 0 && x&1 == 0 {
				i = y/2*c.CStride + x/2
				c.Cb[i] = mix(c.Cb[i], b.cb, cover)
				c.Cr[i] = mix(c.Cr[i], b.cr, cover)
			}
		}
	}
	return in
}

// The cell of one character before scaling, in pixels.
const (
	glyphWidth  = 6
	glyphHeight = 13
)

// A font holds printable ASCII, one byte per row of a glyph, leftmost pixel highest.
type font [0x7F - 0x20][glyphHeight]uint8

func newFont() *font {
	f := new(font)
	face := basicfont.Face7x13
	for c := range f {
		box, mask, at, _, ok := face.Glyph(fixed.P(0, face.Ascent), rune(0x20+c))
		if !ok {
			continue
		}
		for y := box.Min.Y; y < box.Max.Y; y++ {
			for x := box.Min.X; x < box.Max.X; x++ {
				_, _, _, alpha := mask.At(at.X+x-box.Min.X, at.Y+y-box.Min.Y).RGBA()
				if alpha >= 0x8000 && y >= 0 && y < glyphHeight && x >= 0 && x < 8 {
					f[c][y] |= 0x80 >> x
				}
			}
		}
	}
	return f
}

// write puts s with its upper left corner at p; each pixel of the font becomes
// a square of scale pixels. Only luma is touched: text stands on grey.
func (f *font) write(c canvas, p image.Point, s string, scale int, y uint8) {
	for i := range len(s) {
		if s[i] >= 0x20 && s[i] < 0x7F {
			f.glyph(c, p, &f[s[i]-0x20], scale, y)
		}
		p.X += glyphWidth * scale
	}
}

func (f *font) glyph(c canvas, p image.Point, rows *[glyphHeight]uint8, scale int, y uint8) {
	for gy, bits := range rows {
		for gx := 0; bits != 0; gx, bits = gx+1, bits<<1 {
			if bits&0x80 == 0 {
				continue
			}
			dot := image.Rect(gx*scale, gy*scale, (gx+1)*scale, (gy+1)*scale).Add(p).Intersect(c.Rect)
			for py := dot.Min.Y; py < dot.Max.Y; py++ {
				set(c.Y[py*c.YStride+dot.Min.X:py*c.YStride+dot.Max.X], y)
			}
		}
	}
}

// textWidth is the width of n characters in pixels.
func textWidth(n, scale int) int { return n * glyphWidth * scale }
