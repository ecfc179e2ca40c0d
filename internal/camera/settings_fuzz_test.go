package camera_test

import (
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camera"
)

// FuzzWishes: a setting as a person writes it is understood or refused by name, and one that is understood is read the same when it is
// written again.
func FuzzWishes(f *testing.F) {
	for _, s := range []string{"size=VGA", "size=640x480", "size=0x1", "quality=auto", "quality=12\nquality_best=9\nquality_worst=3", "target_fps=12.5", "target_fps=NaN",
		"brightness=-2", "hmirror=true", "quality=auto\ntarget_fps=0", "size=65535x65535", "key 35=1", "lamp=2147483648", "target_fps=1e309"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var wishes []camera.Wish
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			wishes = append(wishes, camera.Wish{Name: name, Value: value})
		}
		settings, err := camera.ParseWishes(wishes)
		if err != nil {
			return
		}
		for _, s := range settings {
			_ = s.Check()
			again, err := camera.ParseWishes([]camera.Wish{{Name: s.Key.String(), Value: camera.Format(s.Key, s.Value)}})
			if err != nil || len(again) == 0 || again[0] != s {
				t.Fatalf("%v was read as %v, %v", s, again, err)
			}
		}
	})
}
