package simcam

import (
	"testing"
	"testing/synctest"

	"github.com/camgw/camgw/internal/camlink"
)

func TestConfigGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(Options{USB: true, Width: 800, Height: 600, Quality: 20}))
		h.link()
		all := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigGet, nil))
		if len(all) != len(camlink.ConfigKeys()) {
			t.Fatalf("%d settings, want every key", len(all))
		}
		for i, c := range all {
			if c.Key != camlink.ConfigKey(i+1) {
				t.Errorf("setting %d is %v", i, c.Key)
			}
			if c.Key != camlink.KeySize && (c.Value < c.Min || c.Value > c.Max) {
				t.Errorf("%v is %d, outside %d to %d", c.Key, c.Value, c.Min, c.Max)
			}
		}
		some := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigGet,
			camlink.ConfigGet{camlink.KeyQuality, 999, camlink.KeySize, camlink.KeyXCLKHz, camlink.KeyDenoise}.Append(nil)))
		want := camlink.Config{
			{Key: camlink.KeyQuality, Value: 20, Max: 63},
			{Key: 999, Flags: camlink.ConfigUnsupported},
			{Key: camlink.KeySize, Value: camlink.SizeValue(800, 600), Min: camlink.SizeValue(96, 96), Max: camlink.SizeValue(1600, 1200)},
			{Key: camlink.KeyXCLKHz, Flags: camlink.ConfigReadOnly, Value: 20000000, Min: 20000000, Max: 20000000},
			{Key: camlink.KeyDenoise, Flags: camlink.ConfigUnsupported},
		}
		compare(t, some, want)
	})
}

func TestConfigSet(t *testing.T) {
	size := camlink.SizeValue
	tests := []struct {
		name  string
		key   camlink.ConfigKey
		value int32
		want  int32
		flags camlink.ConfigFlags
	}{
		{"in range", camlink.KeyQuality, 30, 30, 0},
		{"too high", camlink.KeyQuality, 64, 63, camlink.ConfigClamped},
		{"too low", camlink.KeyBrightness, -3, -2, camlink.ConfigClamped},
		{"read only", camlink.KeyChunkBytes, 7, camlink.MaxChunk, camlink.ConfigReadOnly},
		{"not there", camlink.KeySharpness, 1, 0, camlink.ConfigUnsupported},
		{"unknown", 999, 1, 0, camlink.ConfigUnsupported},
		{"size", camlink.KeySize, size(320, 240), size(320, 240), 0},
		{"size between two", camlink.KeySize, size(799, 600), size(640, 480), camlink.ConfigClamped},
		{"wide size", camlink.KeySize, size(1280, 800), size(1280, 720), camlink.ConfigClamped},
		{"size beyond all", camlink.KeySize, size(40000, 30000), size(1600, 1200), camlink.ConfigClamped},
		{"size below all", camlink.KeySize, size(10, 10), size(96, 96), camlink.ConfigClamped},
	}
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(usb()))
		h.link()
		for _, tt := range tests {
			got := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigSet, camlink.ConfigSet{{Key: tt.key, Value: tt.value}}.Append(nil)))
			if len(got) != 1 || got[0].Key != tt.key || got[0].Value != tt.want || got[0].Flags != tt.flags {
				t.Errorf("%s: %+v, want %d with %v", tt.name, got, tt.want, tt.flags)
			}
			kept := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigGet, camlink.ConfigGet{tt.key}.Append(nil)))
			if kept[0].Value != tt.want || kept[0].Flags != tt.flags&^camlink.ConfigClamped {
				t.Errorf("%s: kept %+v", tt.name, kept)
			}
		}
		// One bad setting does not spoil the others.
		got := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigSet, camlink.ConfigSet{
			{Key: 999, Value: 1}, {Key: camlink.KeyContrast, Value: 2},
		}.Append(nil)))
		compare(t, got, camlink.Config{
			{Key: 999, Flags: camlink.ConfigUnsupported}, {Key: camlink.KeyContrast, Value: 2, Min: -2, Max: 2},
		})
	})
}

func TestSizeTakesEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(Options{USB: true}))
		h.link()
		for n, want := range []uint16{640, 320} {
			if n > 0 {
				h.call(camlink.TypeConfigSet, camlink.ConfigSet{
					{Key: camlink.KeySize, Value: camlink.SizeValue(want, 240)}, {Key: camlink.KeyQuality, Value: 33},
				}.Append(nil))
			}
			h.credit(uint32(n+1), 0)
			f, ok := h.frame(1e9)
			if !ok || f.Width != want {
				t.Fatalf("frame %dx%d, want %d wide", f.Width, f.Height, want)
			}
			if img := decode(t, f.data); img.Bounds().Dx() != int(want) {
				t.Errorf("the picture is %v", img.Bounds())
			}
			if wantQ := []uint8{12, 33}[n]; f.Quality != wantQ {
				t.Errorf("quality %d, want %d", f.Quality, wantQ)
			}
		}
	})
}

func TestPersist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		h.link()
		h.call(camlink.TypeConfigSet, camlink.ConfigSet{
			{Key: camlink.KeyQuality, Value: 40, Flags: camlink.ConfigSetPersist},
			{Key: camlink.KeyVFlip, Value: 1},
			{Key: camlink.KeyChunkBytes, Value: 1, Flags: camlink.ConfigSetPersist},
		}.Append(nil))
		d.Reboot()
		h.link()
		got := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigGet, camlink.ConfigGet{camlink.KeyQuality, camlink.KeyVFlip}.Append(nil)))
		if got[0].Value != 40 || got[1].Value != 0 {
			t.Errorf("after reboot %+v; want quality 40 kept and the flip forgotten", got)
		}
	})
}

func compare(t *testing.T, got, want camlink.Config) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d settings, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("setting %d\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}
