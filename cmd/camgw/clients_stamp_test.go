package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A stamp is a picture that says its number by large cells of two colours: it survives being decoded, scaled and encoded again.
// Rows are the eight bits of the number and of its complement in turn, so that a picture made of two shows as that wherever
// it was torn.
const (
	stampColumns, stampRows = 8, 6
	stampWidth, stampHeight = 320, 240

	// stampCount is how many different ones there are; they are played again and again.
	stampCount = 256
)

// One is the colour of a set bit, zero of a clear one. They differ most where red and blue swapped would show.
var stampOne, stampZero = color.RGBA{235, 190, 20, 255}, color.RGBA{20, 70, 215, 255}

// stampAlbum is a folder of all stamps, for hostcam to play.
type stampAlbum struct {
	dir     string
	numbers map[[32]byte]int
}

func newStampAlbum(t testing.TB) *stampAlbum {
	t.Helper()
	a := &stampAlbum{dir: t.TempDir(), numbers: make(map[[32]byte]int)}
	for n := range stampCount {
		b := stamp(t, n)
		a.numbers[sha256.Sum256(b)] = n
		if err := os.WriteFile(filepath.Join(a.dir, fmt.Sprintf("%04d.jpg", n)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// stamp draws the planes at once, by rows: the race detector makes a picture of single pixels dear.
func stamp(t testing.TB, n int) []byte {
	t.Helper()
	one, zero := color.YCbCrModel.Convert(stampOne).(color.YCbCr), color.YCbCrModel.Convert(stampZero).(color.YCbCr)
	img := image.NewYCbCr(image.Rect(0, 0, stampWidth, stampHeight), image.YCbCrSubsampleRatio420)
	for y := range stampHeight {
		bits := n
		if y*stampRows/stampHeight%2 == 1 {
			bits = ^n
		}
		for column := range stampColumns {
			c := zero
			if bits>>(stampColumns-1-column)&1 != 0 {
				c = one
			}
			const cell = stampWidth / stampColumns
			fill(img.Y[y*img.YStride+column*cell:][:cell], c.Y)
			fill(img.Cb[y/2*img.CStride+column*cell/2:][:cell/2], c.Cb)
			fill(img.Cr[y/2*img.CStride+column*cell/2:][:cell/2], c.Cr)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fill(row []byte, v byte) { copy(row, bytes.Repeat([]byte{v}, len(row))) }

// number is the one of a picture that is here byte for byte as the camera made it.
func (a *stampAlbum) number(b []byte) (int, error) {
	n, ok := a.numbers[sha256.Sum256(b)]
	if !ok {
		return 0, fmt.Errorf("%d bytes that the camera never sent", len(b))
	}
	return n, nil
}

// readStamp reads the number in a decoded picture.
func readStamp(img image.Image) (int, error) {
	b := img.Bounds()
	number := -1
	for row := range stampRows {
		bits := 0
		for column := range stampColumns {
			r, _, blue, _ := img.At(b.Min.X+(2*column+1)*b.Dx()/(2*stampColumns), b.Min.Y+(2*row+1)*b.Dy()/(2*stampRows)).RGBA()
			bits <<= 1
			switch d := int(r>>8) - int(blue>>8); {
			case d > 80:
				bits |= 1
			case d > -80:
				return 0, fmt.Errorf("a picture of %v has red %d and blue %d in row %d, column %d", b.Size(), r>>8, blue>>8, row, column)
			}
		}
		if row%2 == 1 {
			bits = ^bits & (stampCount - 1)
		}
		if number >= 0 && bits != number {
			return 0, fmt.Errorf("a picture of %v has %d above and %d from row %d on", b.Size(), number, bits, row)
		}
		number = bits
	}
	return number, nil
}

// rawPictures reads the stamps in pictures of three bytes a pixel, one after another.
func rawPictures(b []byte) ([]int, error) {
	const size = stampWidth * stampHeight * 3
	var numbers []int
	for ; len(b) >= size; b = b[size:] {
		img := image.NewRGBA(image.Rect(0, 0, stampWidth, stampHeight))
		for i := range stampWidth * stampHeight {
			copy(img.Pix[4*i:], b[3*i:3*i+3])
		}
		n, err := readStamp(img)
		if err != nil {
			return numbers, fmt.Errorf("picture %d: %w", len(numbers), err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// byTime is an order of files: as they were written.
func byTime(a, b string) int {
	var at [2]time.Time
	for i, name := range []string{a, b} {
		if info, err := os.Stat(name); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at[0].Compare(at[1])
}

// pictureFiles reads the stamps in the files of a folder, in the order given. One that cannot be decoded or is torn is an error.
func pictureFiles(pattern string, order func(a, b string) int) ([]int, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(names, order)
	var numbers []int
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return numbers, err
		}
		img, _, err := image.Decode(bytes.NewReader(b))
		if err != nil {
			return numbers, fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		n, err := readStamp(img)
		if err != nil {
			return numbers, fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// enoughPictures is how many different ones a client has to show.
const enoughPictures = 50

// checkShown is the judgement on a client: at least so many different pictures, and none after a newer one.
func checkShown(t testing.TB, numbers []int) {
	t.Helper()
	different, missed := min(len(numbers), 1), 0
	for i := 1; i < len(numbers); i++ {
		switch step := (numbers[i] - numbers[i-1] + stampCount) % stampCount; {
		case step > stampCount/2:
			t.Errorf("picture %d comes after %d: %v", numbers[i], numbers[i-1], numbers[max(i-5, 0):min(i+5, len(numbers))])
		case step > 0:
			different++
			missed += step - 1
		}
	}
	t.Logf("%d pictures, %d different, %d of the camera's between them not seen", len(numbers), different, missed)
	if different < enoughPictures {
		t.Errorf("%d different pictures, want %d: %v", different, enoughPictures, numbers)
	}
}

// TestStampsTellTears: a stamp says its own number, and one made of two says none, wherever it was torn.
func TestStampsTellTears(t *testing.T) {
	t.Parallel()
	load := func(n int) *image.RGBA {
		img, err := jpeg.Decode(bytes.NewReader(stamp(t, n)))
		if err != nil {
			t.Fatal(err)
		}
		out := image.NewRGBA(img.Bounds())
		draw.Draw(out, out.Bounds(), img, image.Point{}, draw.Src)
		return out
	}
	for n := range stampCount {
		if got, err := readStamp(load(n)); err != nil || got != n {
			t.Errorf("stamp %d is read as %d, %v", n, got, err)
		}
	}
	for row := 1; row < stampRows; row++ {
		torn := load(41)
		below := image.Rect(0, row*stampHeight/stampRows, stampWidth, stampHeight)
		draw.Draw(torn, below, load(42), below.Min, draw.Src)
		if n, err := readStamp(torn); err == nil {
			t.Errorf("torn at row %d it is read as %d", row, n)
		}
	}
}
