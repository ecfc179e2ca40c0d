package camera

import (
	"slices"

	"github.com/camgw/camgw/internal/camlink"
)

// forget returns to knowing nothing of the device's settings. A key that it does not tell of is one it does not have.
func (s *session) forget() {
	s.learnt = false
	s.items = nil
	for _, key := range camlink.ConfigKeys() {
		s.items = append(s.items, newItem(camlink.ConfigItem{Key: key, Flags: camlink.ConfigUnsupported}))
	}
}

func newItem(c camlink.ConfigItem) ConfigItem {
	return ConfigItem{Name: c.Key.String(), Key: c.Key, Value: c.Value, Min: c.Min, Max: c.Max, Flags: c.Flags}
}

// item returns the known state of a setting; nil if there is no such key.
func (s *session) item(key camlink.ConfigKey) *ConfigItem {
	if key < 1 || int(key) > len(s.items) {
		return nil
	}
	return &s.items[key-1]
}

// merge takes in what the device says of some settings.
func (s *session) merge(cfg camlink.Config) {
	for _, c := range cfg {
		c.Flags &^= camlink.ConfigClamped
		if item := s.item(c.Key); item != nil {
			*item = newItem(c)
		}
	}
	if s.learnt {
		s.shareConfig()
	}
}

// shareConfig lets Config and Status see what is in effect.
func (s *session) shareConfig() {
	if q := s.item(camlink.KeyQuality); q.Flags&camlink.ConfigUnsupported == 0 {
		s.state.Quality = toldQuality(q.Value)
	}
	s.state.Auto = nil
	if rate := s.item(camlink.KeyTargetFPS); rate.Flags&camlink.ConfigUnsupported == 0 && rate.Value > 0 {
		s.state.Auto = &AutoQuality{
			TargetFPS: float64(rate.Value) / 10,
			Best:      int(s.item(camlink.KeyQualityBest).Value),
			Worst:     int(s.item(camlink.KeyQualityWorst).Value),
		}
	}
	shared := slices.Clone(s.items)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Camera.config = shared
	s.snapshot = s.state // at the same moment, so that the two never disagree
}

// toldQuality is a quality as a device tells it; -1 if it is none.
func toldQuality(q int32) int {
	if r := fixedRanges[camlink.KeyQuality]; q < r.min || q > r.max {
		return -1
	}
	return int(q)
}

// movedQuality notes the quality of a picture, which is the setting's value while the device moves it.
func (s *session) movedQuality(quality int) {
	s.state.Quality = toldQuality(int32(quality))
	if q := s.item(camlink.KeyQuality); s.learnt && s.state.Auto != nil && q.Value != int32(quality) {
		q.Value = int32(quality)
		s.shareConfig()
	}
}
