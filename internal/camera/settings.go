package camera

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/camgw/camgw/internal/camlink"
)

// Setting is a value wanted for one setting of the device.
type Setting struct {
	Key   camlink.ConfigKey
	Value int32 // in the protocol's unit
	Clamp bool  // a value out of range becomes the nearest the device has; without it that is an error
}

// Wish is a setting as a person writes it: "size" and "VGA", "quality" and "auto".
type Wish struct{ Name, Value string }

// Why a setting cannot be made. They are the Kind of a SettingError.
var (
	ErrUnknownSetting = errors.New("there is no such setting")
	ErrBadValue       = errors.New("the value makes no sense")
	ErrOutOfRange     = errors.New("the value is out of range")
	ErrReadOnly       = errors.New("the setting is read only")
	ErrUnsupported    = errors.New("this device does not have the setting")
)

// SettingError is one setting that cannot be made. Several come joined.
type SettingError struct {
	Name, Value string // as they were asked for
	Kind        error  // one of the list above
	Want        string // what would be right; may be empty
	Min, Max    int32  // for ErrOutOfRange, in the protocol's unit
}

func (e *SettingError) Error() string {
	s := fmt.Sprintf("%s=%s: %v", e.Name, e.Value, e.Kind)
	if e.Want != "" {
		s += ": " + e.Want
	}
	return s
}

func (e *SettingError) Unwrap() error { return e.Kind }

// The rate that quality "auto" aims at unless another is given, in tenths of a frame per second.
const autoTargetFPS = 100

// ParseWishes turns wishes into settings. All mistakes are told at once, each a *SettingError.
//
// Quality "auto" lets the device move quality within quality_best and quality_worst so that the line carries target_fps,
// 10 unless it is among the wishes; a number fixes the quality.
func ParseWishes(wishes []Wish) ([]Setting, error) {
	var (
		settings      []Setting
		errs          []error
		auto, numeric bool
		rate          = int32(-1)
		best, worst   = int32(math.MinInt32), int32(math.MaxInt32)
	)
	for _, w := range wishes {
		key, ok := camlink.ParseConfigKey(w.Name)
		if !ok {
			errs = append(errs, &SettingError{Name: w.Name, Value: w.Value, Kind: ErrUnknownSetting})
			continue
		}
		if key == camlink.KeyQuality && strings.EqualFold(w.Value, "auto") {
			auto = true
			continue
		}
		value, want := parseValue(key, w.Value)
		if want != "" {
			errs = append(errs, &SettingError{Name: w.Name, Value: w.Value, Kind: ErrBadValue, Want: want})
			continue
		}
		numeric = numeric || key == camlink.KeyQuality
		switch key {
		case camlink.KeyTargetFPS:
			rate = value
		case camlink.KeyQualityBest:
			best = value
		case camlink.KeyQualityWorst:
			worst = value
		}
		settings = append(settings, Setting{Key: key, Value: value})
	}
	if best > worst {
		errs = append(errs, &SettingError{Name: "quality_best", Value: strconv.Itoa(int(best)), Kind: ErrBadValue, Want: "at most quality_worst: lower is better"})
	}
	switch {
	case auto && rate < 0:
		settings = append(settings, Setting{Key: camlink.KeyTargetFPS, Value: autoTargetFPS})
	case auto && rate == 0:
		errs = append(errs, &SettingError{Name: "target_fps", Value: "0", Kind: ErrBadValue, Want: "quality auto needs a rate above 0"})
	case numeric && rate < 0:
		settings = append(settings, Setting{Key: camlink.KeyTargetFPS, Value: 0})
	}
	return settings, errors.Join(errs...)
}

// parseValue reads a value, or says what would be one.
func parseValue(key camlink.ConfigKey, text string) (value int32, want string) {
	switch key {
	case camlink.KeySize:
		if w, h, ok := parseSize(text); ok {
			return camlink.SizeValue(w, h), ""
		}
		return 0, "WIDTHxHEIGHT or one of " + sizeNames()
	case camlink.KeyTargetFPS:
		if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f <= math.MaxUint16 {
			return int32(math.Round(f * 10)), ""
		}
		return 0, "frames per second, like 12.5; 0 fixes the quality"
	}
	switch text {
	case "true":
		return 1, ""
	case "false":
		return 0, ""
	}
	n, err := strconv.ParseInt(text, 10, 32)
	switch {
	case err == nil:
		return int32(n), ""
	case key == camlink.KeyQuality:
		return 0, "a whole number or auto"
	}
	return 0, "a whole number"
}

// Format writes a value of this setting as ParseWishes reads it.
func Format(key camlink.ConfigKey, value int32) string {
	switch key {
	case camlink.KeySize:
		w, h := camlink.SplitSize(value)
		return fmt.Sprintf("%dx%d", w, h)
	case camlink.KeyTargetFPS:
		return strconv.FormatFloat(float64(value)/10, 'f', -1, 64)
	}
	return strconv.Itoa(int(value))
}

// String is the setting as an operator writes it.
func (s Setting) String() string { return s.Key.String() + "=" + Format(s.Key, s.Value) }

// fixedRanges are the ranges that docs/protocol.md gives for every device.
var fixedRanges = map[camlink.ConfigKey]struct{ min, max int32 }{
	camlink.KeyQuality:       {0, 63},
	camlink.KeyQualityBest:   {0, 63},
	camlink.KeyQualityWorst:  {0, 63},
	camlink.KeyMinIntervalMS: {0, math.MaxUint16},
	camlink.KeyLamp:          {0, 255},
	camlink.KeyLogLevel:      {0, int32(camlink.LevelDebug)},
}

// Check tells what can be told without a device: whether any device could take the setting.
func (s Setting) Check() error {
	e := &SettingError{Name: s.Key.String(), Value: Format(s.Key, s.Value)}
	if s.Key == camlink.KeyXCLKHz || s.Key == camlink.KeyChunkBytes {
		e.Kind = ErrReadOnly
		return e
	}
	if r, ok := fixedRanges[s.Key]; ok && (s.Value < r.min || s.Value > r.max) {
		return e.outOfRange(s.Key, r.min, r.max)
	}
	return nil
}

func (e *SettingError) outOfRange(key camlink.ConfigKey, low, high int32) *SettingError {
	e.Kind, e.Min, e.Max = ErrOutOfRange, low, high
	e.Want = Format(key, low) + " to " + Format(key, high)
	return e
}

// SettingNames lists what can be set, in the order of the keys.
func SettingNames() []string {
	var names []string
	for _, key := range camlink.ConfigKeys() {
		if !errors.Is(Setting{Key: key}.Check(), ErrReadOnly) {
			names = append(names, key.String())
		}
	}
	return names
}

// inOrder sorts settings so that the device need not undo what it has just done: the end of rate control comes before a
// fixed quality, its start after the range it moves in.
func inOrder(settings []Setting) []Setting {
	rank := func(s Setting) int {
		switch {
		case s.Key != camlink.KeyTargetFPS:
			return int(s.Key)
		case s.Value == 0:
			return 0
		}
		return math.MaxInt
	}
	return slices.SortedStableFunc(slices.Values(settings), func(a, b Setting) int { return cmp.Compare(rank(a), rank(b)) })
}
