package gateway

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/web"
)

// controls are a camera's settings for the web server.
type controls struct{ now *atomic.Pointer[attached] }

// Controls is part of web.Controls.
func (c controls) Controls() ([]web.Control, error) {
	items, err := c.now.Load().Config()
	if err != nil {
		return nil, webError(err)
	}
	return webControls(items), nil
}

// Change is part of web.Controls.
func (c controls) Change(ctx context.Context, changes []web.Change, how web.How) ([]web.Control, error) {
	wishes := make([]camera.Wish, len(changes))
	for i, one := range changes {
		wishes[i] = camera.Wish{Name: one.Name, Value: one.Value}
	}
	settings, err := camera.ParseWishes(wishes)
	if err != nil {
		return nil, webError(err)
	}
	for i := range settings {
		settings[i].Clamp = how.Clamp
	}
	items, err := c.now.Load().Configure(ctx, settings, how.Persist)
	if err != nil {
		return nil, webError(err)
	}
	return webControls(items), nil
}

// webControls translates. Whether quality is moved by the device stands beside it: whatever sets quality tells of target_fps too.
func webControls(items []camera.ConfigItem) []web.Control {
	auto := slices.ContainsFunc(items, func(item camera.ConfigItem) bool {
		return item.Key == camlink.KeyTargetFPS && item.Flags&camlink.ConfigUnsupported == 0 && item.Value > 0
	})
	all := make([]web.Control, len(items))
	for i, item := range items {
		c := web.Control{
			Name:        item.Name,
			Unsupported: item.Flags&camlink.ConfigUnsupported != 0,
			ReadOnly:    item.Flags&camlink.ConfigReadOnly != 0,
			Clamped:     item.Flags&camlink.ConfigClamped != 0,
			Auto:        auto && item.Key == camlink.KeyQuality,
		}
		if !c.Unsupported {
			c.Value, c.Min, c.Max = webValue(item.Key, item.Value), webValue(item.Key, item.Min), webValue(item.Key, item.Max)
			if item.Key == camlink.KeySize {
				w, h := camlink.SplitSize(item.Value)
				c.Label = camera.SizeName(int(w), int(h))
			}
		}
		all[i] = c
	}
	return all
}

// webValue is a value in the API's unit.
func webValue(key camlink.ConfigKey, value int32) any {
	switch key {
	case camlink.KeySize:
		return camera.Format(key, value)
	case camlink.KeyTargetFPS:
		return float64(value) / 10
	}
	return int(value)
}

// webErrors are what the two packages call the same thing.
var webErrors = []struct{ camera, web error }{
	{camera.ErrNotLinked, web.ErrNotLinked},
	{camera.ErrOneWay, web.ErrOneWay},
	{camera.ErrNoAnswer, web.ErrNoAnswer},
	{camera.ErrRefused, web.ErrRefused},
	{camera.ErrNoPersist, web.ErrNoPersist},
	{camera.ErrBusy, web.ErrBusy},
}

var mistakeReasons = []struct {
	kind   error
	reason string
}{
	{camera.ErrUnknownSetting, "unknown"},
	{camera.ErrBadValue, "bad_value"},
	{camera.ErrOutOfRange, "out_of_range"},
	{camera.ErrReadOnly, "read_only"},
	{camera.ErrUnsupported, "unsupported"},
}

// webError says to the web server what a camera said.
func webError(err error) error {
	for _, pair := range webErrors {
		if errors.Is(err, pair.camera) {
			return pair.web
		}
	}
	var mistakes web.Mistakes
	for _, e := range settingErrors(err) {
		m := web.Mistake{Name: e.Name, Value: e.Value, Detail: e.Error()}
		for _, known := range mistakeReasons {
			if e.Kind == known.kind {
				m.Reason = known.reason
			}
		}
		if key, ok := camlink.ParseConfigKey(e.Name); ok && e.Kind == camera.ErrOutOfRange {
			m.Min, m.Max = webValue(key, e.Min), webValue(key, e.Max)
		}
		mistakes = append(mistakes, m)
	}
	if mistakes != nil {
		return mistakes
	}
	return err
}

// settingErrors takes joined errors apart.
func settingErrors(err error) []*camera.SettingError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*camera.SettingError
		for _, e := range joined.Unwrap() {
			all = append(all, settingErrors(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*camera.SettingError](err); ok {
		return []*camera.SettingError{e}
	}
	return nil
}
