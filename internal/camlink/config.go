package camlink

import (
	"fmt"
	"slices"
)

// ConfigKey names a setting of the device.
type ConfigKey uint16

const (
	KeySize          ConfigKey = iota + 1 // width << 16 | height
	KeyQuality                            // 0-63, lower is better
	KeyMinIntervalMS                      // between captures, milliseconds
	KeyBrightness
	KeyContrast
	KeySaturation
	KeySharpness
	KeyHMirror
	KeyVFlip
	KeyAWB
	KeyWBMode
	KeyAEC
	KeyAECValue
	KeyAELevel
	KeyAGC
	KeyAGCGain
	KeyGainCeiling
	KeyAEC2
	KeyEffect
	KeyLENC
	KeyRawGMA
	KeyBPC
	KeyWPC
	KeyDCW
	KeyColorBar
	KeyDenoise
	KeyXCLKHz     // read only
	KeyLamp       // duty, 0-255
	KeyChunkBytes // read only
	KeyLogLevel   // a Level
	KeyTargetFPS  // tenths of a frame per second that quality is moved for; 0: quality is fixed
	KeyQualityBest
	KeyQualityWorst
	KeyAWBGain
)

// keyNames are in the order of the keys, which start at 1.
var keyNames = [...]string{
	"size", "quality", "min_interval_ms", "brightness", "contrast", "saturation", "sharpness", "hmirror", "vflip",
	"awb", "wb_mode", "aec", "aec_value", "ae_level", "agc", "agc_gain", "gainceiling", "aec2",
	"effect", "lenc", "raw_gma", "bpc", "wpc", "dcw", "colorbar", "denoise",
	"xclk_hz", "lamp", "chunk_bytes", "log_level",
	"target_fps", "quality_best", "quality_worst", "awb_gain",
}

// String returns the name of the setting, as ParseConfigKey takes it.
func (k ConfigKey) String() string {
	if k >= 1 && int(k) <= len(keyNames) {
		return keyNames[k-1]
	}
	return fmt.Sprintf("key %d", uint16(k))
}

// ParseConfigKey returns the key whose String is name.
func ParseConfigKey(name string) (ConfigKey, bool) {
	i := slices.Index(keyNames[:], name)
	return ConfigKey(i + 1), i >= 0
}

// ConfigKeys returns all keys that have a name, in order.
func ConfigKeys() []ConfigKey {
	keys := make([]ConfigKey, len(keyNames))
	for i := range keys {
		keys[i] = ConfigKey(i + 1)
	}
	return keys
}

// SizeValue returns the value of KeySize for a picture of width times height pixels.
func SizeValue(width, height uint16) int32 { return int32(uint32(width)<<16 | uint32(height)) }

// SplitSize returns the width and height in pixels that a value of KeySize stands for.
func SplitSize(value int32) (width, height uint16) {
	return uint16(uint32(value) >> 16), uint16(uint32(value))
}

// ConfigFlags say how the device took a setting.
type ConfigFlags uint16

const (
	ConfigUnsupported ConfigFlags = 1 << 0 // there is no such setting here
	ConfigReadOnly    ConfigFlags = 1 << 1
	ConfigClamped     ConfigFlags = 1 << 2 // the value asked for was out of range
)

var configFlagNames = map[uint32]string{
	uint32(ConfigUnsupported): "unsupported",
	uint32(ConfigReadOnly):    "read_only",
	uint32(ConfigClamped):     "clamped",
}

// String lists the flags.
func (f ConfigFlags) String() string { return bitNames(uint32(f), configFlagNames) }

const (
	configItemSize    = 16
	configSettingSize = 8
	configKeySize     = 2

	// MaxConfigSettings is how many settings fit into one CONFIG_SET.
	MaxConfigSettings = MaxHostPayload / configSettingSize
	// MaxConfigKeys is how many keys fit into one CONFIG_GET.
	MaxConfigKeys = MaxHostPayload / configKeySize
)

// ConfigItem is a setting as it is in effect, and its range.
type ConfigItem struct {
	Key             ConfigKey
	Flags           ConfigFlags
	Value, Min, Max int32
}

// Config answers ConfigGet and ConfigSet.
type Config []ConfigItem

// Append appends the payload of m to dst.
func (m Config) Append(dst []byte) []byte {
	for _, c := range m {
		dst = le.AppendUint16(dst, uint16(c.Key))
		dst = le.AppendUint16(dst, uint16(c.Flags))
		dst = le.AppendUint32(dst, uint32(c.Value))
		dst = le.AppendUint32(dst, uint32(c.Min))
		dst = le.AppendUint32(dst, uint32(c.Max))
	}
	return dst
}

// ParseConfig returns the items of a CONFIG, of which there may be none.
func ParseConfig(payload []byte) (Config, error) {
	var m Config
	err := parseList(TypeConfig, payload, configItemSize, func(p []byte) {
		m = append(m, ConfigItem{
			Key:   ConfigKey(le.Uint16(p)),
			Flags: ConfigFlags(le.Uint16(p[2:])),
			Value: int32(le.Uint32(p[4:])),
			Min:   int32(le.Uint32(p[8:])),
			Max:   int32(le.Uint32(p[12:])),
		})
	})
	return m, err
}

// ConfigSetPersist asks the device to keep the value over a reboot.
const ConfigSetPersist uint16 = 1 << 0

// ConfigSetting is a value asked for.
type ConfigSetting struct {
	Key   ConfigKey
	Flags uint16 // ConfigSetPersist or 0
	Value int32
}

// ConfigSet asks for up to MaxConfigSettings values.
type ConfigSet []ConfigSetting

// Append appends the payload of m to dst.
func (m ConfigSet) Append(dst []byte) []byte {
	for _, c := range m {
		dst = le.AppendUint16(dst, uint16(c.Key))
		dst = le.AppendUint16(dst, c.Flags)
		dst = le.AppendUint32(dst, uint32(c.Value))
	}
	return dst
}

// ParseConfigSet returns the settings of a CONFIG_SET, of which there may be none.
func ParseConfigSet(payload []byte) (ConfigSet, error) {
	var m ConfigSet
	err := parseList(TypeConfigSet, payload, configSettingSize, func(p []byte) {
		m = append(m, ConfigSetting{
			Key:   ConfigKey(le.Uint16(p)),
			Flags: le.Uint16(p[2:]),
			Value: int32(le.Uint32(p[4:])),
		})
	})
	return m, err
}

// ConfigGet asks for up to MaxConfigKeys settings, or with none for all.
type ConfigGet []ConfigKey

// Append appends the payload of m to dst.
func (m ConfigGet) Append(dst []byte) []byte {
	for _, k := range m {
		dst = le.AppendUint16(dst, uint16(k))
	}
	return dst
}

// ParseConfigGet returns the keys of a CONFIG_GET, of which there may be none.
func ParseConfigGet(payload []byte) (ConfigGet, error) {
	var m ConfigGet
	err := parseList(TypeConfigGet, payload, configKeySize, func(p []byte) {
		m = append(m, ConfigKey(le.Uint16(p)))
	})
	return m, err
}

// parseList calls item for each whole item of a payload. What is left over is ignored, unless it is all there is: a
// request cut short must not be taken for one that asks for everything.
func parseList(t Type, payload []byte, size int, item func(p []byte)) error {
	if len(payload) > 0 {
		if err := need(t, payload, size); err != nil {
			return err
		}
	}
	for p := range slices.Chunk(payload, size) {
		if len(p) == size {
			item(p)
		}
	}
	return nil
}
