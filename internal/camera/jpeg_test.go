package camera

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"
)

// picture returns a JPEG with enough in it to have stuffed bytes.
func picture(t testing.TB) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for y := range 48 {
		for x := range 64 {
			img.Set(x, y, color.RGBA{uint8(x * y), uint8(x * 255), uint8(y*37 + x), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWalkJPEG(t *testing.T) {
	whole := picture(t)
	scan := bytes.Index(whole, []byte{0xFF, markerSOS})
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, tt := range []struct {
		name string
		in   []byte
		size int
		want error
	}{
		{"whole", whole, len(whole), nil},
		{"zeros behind EOI", join(whole, make([]byte, 100)), len(whole), nil},
		{"noise behind EOI", join(whole, []byte("\xff\xd8\xffgarbage")), len(whole), nil},
		{"fill bytes before a marker", join(whole[:2], []byte{0xFF, 0xFF}, whole[2:]), len(whole) + 2, nil},
		{"restart marker in the scan", join(whole[:len(whole)-2], []byte{0xFF, 0xD3, 1, 2}, whole[len(whole)-2:]), len(whole) + 4, nil},
		{"empty", nil, 0, errNoSOI},
		{"no SOI", whole[2:], 0, errNoSOI},
		{"no EOI", whole[:len(whole)-2], 0, errNoEOI},
		{"EOI cut in half", whole[:len(whole)-1], 0, errNoEOI},
		{"cut scan", whole[:scan+40], 0, errNoEOI},
		{"cut in a segment", whole[:30], 0, errNoEOI},
		{"no scan", join(whole[:scan], []byte{0xFF, markerEOI}), 0, errNoPicture},
		{"segment of length 1", join(whole[:2], []byte{0xFF, 0xE0, 0, 1}, whole[2:]), 0, errSegment},
		{"bytes between segments", join(whole[:2], []byte{0}, whole[2:]), 0, errSegment},
		{"a second SOI", join(whole[:2], whole), 0, errSegment},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info, err := walkJPEG(tt.in)
			if !errors.Is(err, tt.want) || info.size != tt.size && err == nil {
				t.Fatalf("size %d, error %v; want %d, %v", info.size, err, tt.size, tt.want)
			}
			if err == nil && (info.width != 64 || info.height != 48) {
				t.Errorf("%dx%d, want 64x48", info.width, info.height)
			}
		})
	}
}

// TestWalkRealPictures uses the test pictures of espressif/esp32-camera.
func TestWalkRealPictures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pictures: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := walkJPEG(b); err != nil || info.size != len(b) {
			t.Errorf("%s: size %d of %d, %v", name, info.size, len(b), err)
		}
	}
}

// FuzzWalkJPEG: what is accepted begins with SOI, ends with EOI inside the
// input, and is accepted again when the rest is cut off.
func FuzzWalkJPEG(f *testing.F) {
	f.Add(picture(f))
	f.Add([]byte{0xFF, 0xD8, 0xFF, 0xD9})
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := walkJPEG(b)
		if err != nil {
			return
		}
		if info.size < 4 || info.size > len(b) || b[info.size-2] != 0xFF || b[info.size-1] != markerEOI {
			t.Fatalf("accepted %d of %d bytes", info.size, len(b))
		}
		if again, err := walkJPEG(b[:info.size]); err != nil || again != info {
			t.Fatalf("cut to size: %+v, %v", again, err)
		}
	})
}

func BenchmarkWalkJPEG(b *testing.B) {
	data, err := os.ReadFile("testdata/inside.jpg")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := walkJPEG(data); err != nil {
			b.Fatal(err)
		}
	}
}
