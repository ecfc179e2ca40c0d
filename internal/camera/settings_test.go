package camera_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
)

func TestParseWishes(t *testing.T) {
	size := camlink.SizeValue
	set := func(key camlink.ConfigKey, value int32) camera.Setting { return camera.Setting{Key: key, Value: value} }
	for _, tt := range []struct {
		name   string
		wishes []camera.Wish
		want   []camera.Setting
	}{
		{"plain", []camera.Wish{{"brightness", "-2"}, {"vflip", "true"}, {"hmirror", "false"}},
			[]camera.Setting{set(camlink.KeyBrightness, -2), set(camlink.KeyVFlip, 1), set(camlink.KeyHMirror, 0)}},
		{"fixed quality ends rate control", []camera.Wish{{"quality", "12"}},
			[]camera.Setting{set(camlink.KeyQuality, 12), set(camlink.KeyTargetFPS, 0)}},
		{"auto", []camera.Wish{{"quality", "auto"}}, []camera.Setting{set(camlink.KeyTargetFPS, 100)}},
		{"auto with a rate", []camera.Wish{{"quality", "AUTO"}, {"target_fps", "12.5"}, {"quality_best", "8"}},
			[]camera.Setting{set(camlink.KeyTargetFPS, 125), set(camlink.KeyQualityBest, 8)}},
		{"a rate to begin with a quality", []camera.Wish{{"quality", "12"}, {"target_fps", "5"}},
			[]camera.Setting{set(camlink.KeyQuality, 12), set(camlink.KeyTargetFPS, 50)}},
		{"size by numbers", []camera.Wish{{"size", "641x481"}}, []camera.Setting{set(camlink.KeySize, size(641, 481))}},
		{"size of 5 MP", []camera.Wish{{"size", "5mp"}}, []camera.Setting{set(camlink.KeySize, size(2592, 1944))}},
		{"none", nil, nil},
	} {
		got, err := camera.ParseWishes(tt.wishes)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestSizeNames(t *testing.T) {
	names := "96X96 96x96, QQVGA 160x120, 128X128 128x128, QCIF 176x144, HQVGA 240x176, 240X240 240x240, QVGA 320x240, " +
		"320X320 320x320, CIF 400x296, HVGA 480x320, VGA 640x480, SVGA 800x600, XGA 1024x768, HD 1280x720, SXGA 1280x1024, " +
		"UXGA 1600x1200, FHD 1920x1080, P_HD 720x1280, P_3MP 864x1536, QXGA 2048x1536, QHD 2560x1440, WQXGA 2560x1600, " +
		"P_FHD 1080x1920, QSXGA 2560x1920, 5MP 2592x1944"
	for pair := range strings.SplitSeq(names, ", ") {
		name, numbers, _ := strings.Cut(pair, " ")
		byName, err := camera.ParseWishes([]camera.Wish{{"size", name}})
		if err != nil {
			t.Fatal(err)
		}
		if got := camera.Format(camlink.KeySize, byName[0].Value); got != numbers {
			t.Errorf("%s is %s, want %s", name, got, numbers)
		}
		w, h := camlink.SplitSize(byName[0].Value)
		if got := camera.SizeName(int(w), int(h)); got != name {
			t.Errorf("%s is called %q, want %q", numbers, got, name)
		}
	}
	if got := camera.SizeName(641, 480); got != "" {
		t.Errorf("641x480 is called %q", got)
	}
}

func TestWishesThatMakeNoSense(t *testing.T) {
	for _, tt := range []struct {
		wish camera.Wish
		kind error
		text string
	}{
		{camera.Wish{"qualty", "5"}, camera.ErrUnknownSetting, `qualty=5: there is no such setting`},
		{camera.Wish{"quality", "best"}, camera.ErrBadValue, `quality=best: the value makes no sense: a whole number or auto`},
		{camera.Wish{"contrast", "1.5"}, camera.ErrBadValue, `contrast=1.5: the value makes no sense: a whole number`},
		{camera.Wish{"contrast", "9999999999"}, camera.ErrBadValue, ``},
		{camera.Wish{"size", "big"}, camera.ErrBadValue, `size=big: the value makes no sense: WIDTHxHEIGHT or one of 96X96, QQVGA,`},
		{camera.Wish{"size", "0x480"}, camera.ErrBadValue, ``},
		{camera.Wish{"size", "70000x480"}, camera.ErrBadValue, ``},
		{camera.Wish{"target_fps", "-1"}, camera.ErrBadValue, `frames per second, like 12.5`},
		{camera.Wish{"target_fps", "NaN"}, camera.ErrBadValue, ``},
	} {
		_, err := camera.ParseWishes([]camera.Wish{tt.wish})
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%v: %v, want %v and %q", tt.wish, err, tt.kind, tt.text)
		}
	}
	if _, err := camera.ParseWishes([]camera.Wish{{"quality_worst", "10"}, {"quality_best", "11"}}); !errors.Is(err, camera.ErrBadValue) {
		t.Errorf("a range upside down: %v", err)
	}
	_, err := camera.ParseWishes([]camera.Wish{{"quality", "auto"}, {"target_fps", "0"}, {"x", "1"}})
	if !errors.Is(err, camera.ErrBadValue) || !errors.Is(err, camera.ErrUnknownSetting) {
		t.Errorf("auto without a rate, and an unknown name: %v", err)
	}
}

func TestCheckWithoutADevice(t *testing.T) {
	for _, tt := range []struct {
		setting camera.Setting
		kind    error
	}{
		{camera.Setting{Key: camlink.KeyQuality, Value: 63}, nil},
		{camera.Setting{Key: camlink.KeyQuality, Value: 64}, camera.ErrOutOfRange},
		{camera.Setting{Key: camlink.KeyLamp, Value: -1}, camera.ErrOutOfRange},
		{camera.Setting{Key: camlink.KeyBrightness, Value: 100}, nil}, // the device knows
		{camera.Setting{Key: camlink.KeyXCLKHz, Value: 20000000}, camera.ErrReadOnly},
		{camera.Setting{Key: camlink.KeyChunkBytes, Value: 256}, camera.ErrReadOnly},
	} {
		if err := tt.setting.Check(); !errors.Is(err, tt.kind) {
			t.Errorf("%v: %v, want %v", tt.setting, err, tt.kind)
		}
	}
	names := camera.SettingNames()
	if len(names) != len(camlink.ConfigKeys())-2 || slices.Contains(names, "xclk_hz") || names[0] != "size" {
		t.Errorf("names %v", names)
	}
}
