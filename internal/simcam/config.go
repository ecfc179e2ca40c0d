package simcam

import (
	"fmt"
	"slices"

	"github.com/camgw/camgw/internal/camlink"
)

// A size is a picture size in pixels.
type size struct{ width, height int }

func (s size) String() string { return fmt.Sprintf("%dx%d", s.width, s.height) }

// sizes are those of an OV2640, smallest first.
var sizes = []size{
	{96, 96}, {160, 120}, {176, 144}, {240, 176}, {240, 240}, {320, 240}, {400, 296}, {480, 320},
	{640, 480}, {800, 600}, {1024, 768}, {1280, 720}, {1280, 1024}, {1600, 1200},
}

// fit returns the largest size inside w x h, or the smallest of all if there is none.
func fit(w, h int) size {
	best := sizes[0]
	for _, s := range sizes {
		if s.width <= w && s.height <= h && s.width*s.height >= best.width*best.height {
			best = s
		}
	}
	return best
}

func (s size) value() int32 { return camlink.SizeValue(uint16(s.width), uint16(s.height)) }

// sensorXCLK is the clock of the simulated sensor in hertz.
const sensorXCLK = 20000000

// settings are what CONFIG reads and writes, in the order of their keys. Those that a Look does not
// have are kept and told, and change nothing: a drawn picture has no exposure.
type settings struct {
	items []camlink.ConfigItem
}

func newSettings(o Options, baud int) *settings {
	first := fit(o.Width, o.Height)
	s := &settings{}
	add := func(key camlink.ConfigKey, value, low, high int32, flags camlink.ConfigFlags) {
		s.items = append(s.items, camlink.ConfigItem{Key: key, Flags: flags, Value: value, Min: low, Max: high})
	}
	add(camlink.KeySize, first.value(), sizes[0].value(), sizes[len(sizes)-1].value(), 0)
	add(camlink.KeyQuality, int32(o.Quality), 0, 63, 0)
	add(camlink.KeyMinIntervalMS, 0, 0, 60000, 0)
	add(camlink.KeyBrightness, 0, -2, 2, 0)
	add(camlink.KeyContrast, 0, -2, 2, 0)
	add(camlink.KeySaturation, 0, -2, 2, 0)
	add(camlink.KeySharpness, 0, 0, 0, camlink.ConfigUnsupported)
	add(camlink.KeyHMirror, 0, 0, 1, 0)
	add(camlink.KeyVFlip, 0, 0, 1, 0)
	add(camlink.KeyAWB, 1, 0, 1, 0)
	add(camlink.KeyWBMode, 0, 0, 4, 0)
	add(camlink.KeyAEC, 1, 0, 1, 0)
	add(camlink.KeyAECValue, 300, 0, 1200, 0)
	add(camlink.KeyAELevel, 0, -2, 2, 0)
	add(camlink.KeyAGC, 1, 0, 1, 0)
	add(camlink.KeyAGCGain, 0, 0, 30, 0)
	add(camlink.KeyGainCeiling, 0, 0, 6, 0)
	add(camlink.KeyAEC2, 0, 0, 1, 0)
	add(camlink.KeyEffect, 0, 0, effects-1, 0)
	add(camlink.KeyLENC, 1, 0, 1, 0)
	add(camlink.KeyRawGMA, 1, 0, 1, 0)
	add(camlink.KeyBPC, 0, 0, 1, 0)
	add(camlink.KeyWPC, 1, 0, 1, 0)
	add(camlink.KeyDCW, 1, 0, 1, 0)
	add(camlink.KeyColorBar, 0, 0, 0, camlink.ConfigUnsupported)
	add(camlink.KeyDenoise, 0, 0, 0, camlink.ConfigUnsupported)
	add(camlink.KeyXCLKHz, sensorXCLK, sensorXCLK, sensorXCLK, camlink.ConfigReadOnly)
	add(camlink.KeyLamp, 0, 0, 255, 0)
	add(camlink.KeyChunkBytes, 0, 256, camlink.MaxChunk, camlink.ConfigReadOnly)
	add(camlink.KeyLogLevel, int32(camlink.LevelInfo), 0, int32(camlink.LevelDebug), 0)
	add(camlink.KeyTargetFPS, 0, 0, 10*maxFPS, 0)
	add(camlink.KeyQualityBest, 4, 0, 63, 0)
	add(camlink.KeyQualityWorst, 40, 0, 63, 0)
	add(camlink.KeyAWBGain, 1, 0, 1, 0)
	s.rated(baud)
	return s
}

func (s *settings) item(key camlink.ConfigKey) *camlink.ConfigItem {
	i := slices.IndexFunc(s.items, func(c camlink.ConfigItem) bool { return c.Key == key })
	if i < 0 {
		return nil
	}
	return &s.items[i]
}

// value is that of a key this device has.
func (s *settings) value(key camlink.ConfigKey) int { return int(s.item(key).Value) }

// rated tells the settings that follow from the line that its rate is baud.
func (s *settings) rated(baud int) {
	s.item(camlink.KeyChunkBytes).Value = int32(camlink.ChunkSize(baud))
}

// get answers CONFIG_GET.
func (s *settings) get(keys camlink.ConfigGet) camlink.Config {
	if len(keys) == 0 {
		return slices.Clone(camlink.Config(s.items))
	}
	answer := make(camlink.Config, 0, len(keys))
	for _, key := range keys {
		if c := s.item(key); c != nil {
			answer = append(answer, *c)
			continue
		}
		answer = append(answer, camlink.ConfigItem{Key: key, Flags: camlink.ConfigUnsupported})
	}
	return answer
}

// set answers one setting of CONFIG_SET with what is effective now.
func (s *settings) set(key camlink.ConfigKey, value int32) camlink.ConfigItem {
	c := s.item(key)
	if c == nil {
		return camlink.ConfigItem{Key: key, Flags: camlink.ConfigUnsupported}
	}
	if c.Flags&(camlink.ConfigUnsupported|camlink.ConfigReadOnly) != 0 {
		return *c
	}
	c.Value = min(max(value, c.Min), c.Max)
	if key == camlink.KeySize {
		w, h := camlink.SplitSize(value)
		c.Value = fit(int(w), int(h)).value()
	}
	answer := *c
	if answer.Value != value {
		answer.Flags |= camlink.ConfigClamped
	}
	return answer
}

// shot is what the settings ask of a picture.
func (s *settings) shot() Shot {
	w, h := camlink.SplitSize(s.item(camlink.KeySize).Value)
	return Shot{
		Width:   int(w),
		Height:  int(h),
		Quality: s.value(camlink.KeyQuality),
		Look: Look{
			Brightness: s.value(camlink.KeyBrightness),
			Contrast:   s.value(camlink.KeyContrast),
			Saturation: s.value(camlink.KeySaturation),
			Effect:     s.value(camlink.KeyEffect),
			Lamp:       s.value(camlink.KeyLamp),
			Mirror:     s.value(camlink.KeyHMirror) == 1,
			Flip:       s.value(camlink.KeyVFlip) == 1,
		},
	}
}
