package web

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlacardAtEverySize(t *testing.T) {
	long := strings.Repeat("Plug the camera in again. ", 20)
	for _, size := range []image.Point{
		{1, 1}, {2, 200}, {200, 2}, {17, 33}, {96, 96}, {160, 120}, {320, 240}, {640, 480}, {1280, 720}, {1600, 1200},
		{0, 0}, {-5, 10}, {100000, 3},
	} {
		for _, p := range []placard{
			{"a", "b", "c", size.X, size.Y},
			{"", "", "", size.X, size.Y},
			{strings.Repeat("i", 32), long, strings.Repeat("x", 300) + long, size.X, size.Y},
		} {
			picture, err := p.draw()
			if err != nil {
				t.Fatalf("%v: %v", size, err)
			}
			got, err := jpeg.DecodeConfig(bytes.NewReader(picture))
			if err != nil {
				t.Fatalf("%v: %v", size, err)
			}
			want := size
			if size.X <= 0 || size.Y <= 0 {
				want = image.Pt(640, 480)
			}
			if got.Width != min(want.X, maxPlacard) || got.Height != min(want.Y, maxPlacard) {
				t.Errorf("%v: picture is %dx%d", size, got.Width, got.Height)
			}
			if !bytes.Contains(picture, []byte{0xFF, 0xC0}) {
				t.Errorf("%v: not baseline", size)
			}
		}
	}
}

// Each of the three texts must be there to be seen: without it, the picture is another one, and darker.
func TestPlacardShowsItsTexts(t *testing.T) {
	light := func(p placard) (sum int) {
		picture, err := p.draw()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := jpeg.Decode(bytes.NewReader(picture))
		if err != nil {
			t.Fatal(err)
		}
		for _, y := range decoded.(*image.YCbCr).Y {
			sum += int(y)
		}
		return sum
	}
	for _, size := range []image.Point{{160, 120}, {640, 480}, {1600, 1200}} {
		whole := placard{"frontdoor", "Unplugged", "Plug it in again.", size.X, size.Y}
		all := light(whole)
		for i := range 3 {
			part := whole
			*[]*string{&part.id, &part.title, &part.advice}[i] = ""
			if without := light(part); all-without < 1000 {
				t.Errorf("%v: text %d adds %d to the light of the picture", size, i, all-without)
			}
		}
	}
}

func TestPlacardIsDrawnOncePerChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n noSignal
		p := placard{"cam", "Unplugged", "Plug it in.", 320, 240}
		get := func(p placard) []byte {
			part, err := n.get(p)
			if err != nil {
				t.Fatal(err)
			}
			return part
		}
		first := get(p)
		drawn := &n.jpeg[0]
		if &get(p)[0] != &first[0] {
			t.Error("two viewers at the same time got two parts")
		}
		before := string(first)
		time.Sleep(time.Second)
		second := get(p)
		if &n.jpeg[0] != drawn {
			t.Error("drawn again without a change")
		}
		if bytes.Equal(second, first) {
			t.Error("a second later the part still has the old time")
		}
		if string(first) != before {
			t.Error("a part that viewers may be sending was changed")
		}
		for i, change := range []func(*placard){
			func(p *placard) { p.title = "No permission" }, func(p *placard) { p.advice = "x" }, func(p *placard) { p.width++ },
		} {
			drawn = &n.jpeg[0]
			change(&p)
			get(p)
			if &n.jpeg[0] == drawn {
				t.Errorf("change %d: not drawn again", i)
			}
		}
	})
}

func TestEveryCauseHasWords(t *testing.T) {
	seen := map[string]Cause{}
	for cause, words := range causes {
		if words.title == "" || words.advice == "" {
			t.Errorf("%s has no words", cause)
		}
		if ascii(words.title+words.advice) != words.title+words.advice {
			t.Errorf("%s: the font cannot draw %q", cause, words)
		}
		if other, ok := seen[words.title]; ok {
			t.Errorf("%s and %s have the same title", cause, other)
		}
		seen[words.title] = cause
	}
	for _, test := range []struct {
		status        Status
		title, advice string
	}{
		{Status{State: Offline, Cause: CauseAbsent}, "Port not found", causes[CauseAbsent].advice},
		{Status{State: Offline, Cause: CauseAbsent, Reason: "no ttyUSB9"}, "Port not found", "no ttyUSB9"},
		{Status{State: Offline, Cause: "novel"}, "Fault", causes[CauseOther].advice},
		{Status{State: Connecting, Cause: CauseNone}, "Connecting", "Waiting for the camera to answer."},
	} {
		if title, advice := test.status.words(); title != test.title || advice != test.advice {
			t.Errorf("%+v: %q, %q", test.status, title, advice)
		}
	}
	if got := ascii("tür\x00 📷"); got != "t?r? ?" {
		t.Errorf("ascii: %q", got)
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text    string
		columns int
		want    string
	}{
		{"", 10, "[]"},
		{"one", 10, "[one]"},
		{"one two three", 7, "[one two|three]"},
		{"exactly ten!", 7, "[exactly|ten!]"},
		{"unbreakable", 4, "[unbr|eaka|ble]"},
		{"a unbreakable b", 4, "[a|unbr|eaka|ble|b]"},
		{"abc", 0, "[a|b|c]"},
	} {
		if got := fmt.Sprintf("[%s]", strings.Join(wrap(test.text, test.columns), "|")); got != test.want {
			t.Errorf("wrap(%q, %d) = %s, want %s", test.text, test.columns, got, test.want)
		}
	}
}
