package simcam

// effects is how many values the effect of a [Look] has, from 0.
const effects = 7

// tints are the colours that the effects greyscale, red, green, blue and sepia
// give to every pixel.
var tints = map[int]ink{
	2: {cb: 128, cr: 128},
	3: {cb: 112, cr: 192},
	4: {cb: 80, cr: 80},
	5: {cb: 192, cr: 112},
	6: {cb: 100, cr: 150},
}

// apply draws src into dst, a canvas of the same size, as a sensor with these settings would.
func (l Look) apply(dst, src canvas) {
	luma, cb, cr := l.curves()
	w, h := src.Rect.Dx(), src.Rect.Dy()
	l.plane(dst.Y, src.Y, src.YStride, w, h, &luma)
	l.plane(dst.Cb, src.Cb, src.CStride, (w+1)/2, (h+1)/2, &cb)
	l.plane(dst.Cr, src.Cr, src.CStride, (w+1)/2, (h+1)/2, &cr)
}

// curves say what becomes of every value of the three planes.
func (l Look) curves() (luma, cb, cr [256]uint8) {
	tint, tinted := tints[l.Effect]
	for i := range 256 {
		y := (i-128)*(8+2*l.Contrast)/8 + 128 + 24*l.Brightness + l.Lamp/5
		c := (i-128)*(4+l.Saturation)/4 + 128
		if l.Effect == 1 {
			y, c = 255-y, 256-c
		}
		luma[i], cb[i], cr[i] = clamp(y), clamp(c), clamp(c)
		if tinted {
			cb[i], cr[i] = tint.cb, tint.cr
		}
	}
	return luma, cb, cr
}

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }

func (l Look) plane(dst, src []uint8, stride, w, h int, curve *[256]uint8) {
	for y := range h {
		from := src[y*stride : y*stride+w]
		if l.Flip {
			y = h - 1 - y
		}
		to := dst[y*stride : y*stride+w]
		if l.Mirror {
			for x, v := range from {
				to[w-1-x] = curve[v]
			}
			continue
		}
		for x, v := range from {
			to[x] = curve[v]
		}
	}
}
