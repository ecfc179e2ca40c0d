package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"testing"
)

// desk and phone are the windows that the page is looked at through.
var (
	desk  = window{width: 1280, height: 800}
	phone = window{width: 390, height: 844, phone: true}
)

// pageProbe reads what is on a canvas: the number that hostcam draws into each picture, and the colours of its bars.
const pageProbe = `window.probe = (() => {
  const digits = ["0E11131519110E", "040C040404040E", "0E11010204081F", "1F02040201110E", "02060A121F0202",
    "1F101E0101110E", "0608101E11110E", "1F010204080808", "0E11110E11110E", "0E11110F01020C"]
    .map((hex) => hex.match(/../g).map((row) => parseInt(row, 16)));
  const copy = document.createElement("canvas");
  const context = copy.getContext("2d", { willReadFrequently: true });
  const pixels = (canvas, x, y, width, height) => {
    copy.width = width; copy.height = height;
    context.drawImage(canvas, -x, -y);
    return context.getImageData(0, 0, width, height).data;
  };
  // number is the one that the picture on a canvas has, or -1.
  const number = (canvas) => {
    const scale = Math.floor(canvas.width / (6 * 26));
    if (scale < 1) return -1;
    const width = 44 * scale, data = pixels(canvas, 0, 0, width, 12 * scale);
    const lit = (x, y) => data[4 * (Math.floor((y + 0.5) * scale) * width + Math.floor((x + 0.5) * scale)) + 1] > 128;
    let value = 0;
    for (let i = 1; i <= 6; i++) {
      let best = -1, least = 4;
      digits.forEach((rows, digit) => {
        let wrong = 0;
        rows.forEach((row, y) => { for (let x = 0; x < 5; x++) if (lit(2 + 6 * i + x, 3 + y) !== Boolean(row >> (4 - x) & 1)) wrong++; });
        if (wrong < least) { least = wrong; best = digit; }
      });
      if (best < 0) return -1;
      value = value * 10 + best;
    }
    return value;
  };
  // bars are the colours of the eight bars, as letters: a capital for a channel that is bright.
  const bars = (canvas) => {
    const words = [];
    for (let i = 0; i < 8; i++) {
      const [r, g, b] = pixels(canvas, Math.floor((i + 0.5) * canvas.width / 8), Math.floor(canvas.height * 0.27), 1, 1);
      words.push([r > 100 ? "R" : "-", g > 100 ? "G" : "-", b > 100 ? "B" : "-"].join(""));
    }
    return words.join(" ");
  };
  return { number, bars, canvas: (id) => document.querySelector('canvas[aria-label="Camera ' + id + '"]') };
})();`

const (
	upright  = "RGB RG- -GB -G- R-B R-- --B ---"
	mirrored = "--- --B R-- R-B -G- -GB RG- RGB"
	negative = "--- --B R-- R-B -G- -GB RG- RGB"
)

// openPage opens the page and waits until every camera named shows pictures.
func openPage(t testing.TB, b *browser, d *daemon, path string, w window, ids ...string) *tab {
	t.Helper()
	p := b.open(t, d, path, w)
	p.await(ample, "the page", `document.querySelector("main > section")`)
	p.eval(pageProbe, nil)
	for _, id := range ids {
		p.await(ample, "pictures of "+id, fmt.Sprintf(`probe.canvas(%q) && probe.number(probe.canvas(%[1]q)) > 0`, id))
	}
	return p
}

// go_ goes to another view.
func (p *tab) goTo(hash string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`location.hash = %q`, hash), nil)
}

// cardNumber reads the number in a picture of the test card; -1: there is none.
func cardNumber(t testing.TB, b []byte) int {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	digits := [10][7]byte{
		{0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E}, {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E}, {0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F},
		{0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E}, {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02}, {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
		{0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E}, {0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}, {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E},
		{0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C},
	}
	scale := img.Bounds().Dx() / (6 * 26)
	lit := func(x, y int) bool { return grey(img, (2*x+1)*scale/2, (2*y+1)*scale/2) > 128 }
	n := 0
	for i := 1; i <= 6; i++ {
		best, least := -1, 4
		for digit, rows := range digits {
			wrong := 0
			for y, row := range rows {
				for x := range 5 {
					if lit(2+6*i+x, 3+y) != (row>>(4-x)&1 != 0) {
						wrong++
					}
				}
			}
			if wrong < least {
				best, least = digit, wrong
			}
		}
		if best < 0 {
			return -1
		}
		n = n*10 + best
	}
	return n
}

func grey(img image.Image, x, y int) uint32 {
	_, g, _, _ := img.At(x, y).RGBA()
	return g >> 8
}

// key presses a key that has no character.
func (p *tab) key(key string) {
	p.t.Helper()
	code := map[string]int{"Home": 36, "End": 35, "Tab": 9}[key]
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		p.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
	}
}

// click presses the pointer on an element.
func (p *tab) click(element string) {
	p.t.Helper()
	var at struct{ X, Y float64 }
	p.eval(`(() => { const b = `+element+`.getBoundingClientRect(); return {x: b.x + b.width / 2, y: b.y + b.height / 2} })()`, &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}
