package camera

import "testing"

func TestBootLines(t *testing.T) {
	for line, want := range map[string]bool{
		"ets Jul 29 2019 12:21:46":              true,
		"rst:0x1 (POWERON_RESET),boot:0x13":     true,
		"garbage rst:0xc (SW_CPU_RESET)":        true,
		"ESP-ROM:esp32s3-20210327":              true,
		"load:0x3fff0030,len:7084":              true,
		"entry 0x400805f0":                      true,
		"I (29) boot: ESP-IDF v5.5.5 2nd stage": true,
		"W (999) spi_flash: Detected size":      true,
		"I (1013) cam: exposure 1037 gain 18":   false,
		"I () cam":                              false,
		"I (12)":                                false,
		"X (12) boot":                           false,
		"I (29a) boot":                          false,
		"the entry 0x400805f0":                  false,
		"":                                      false,
		"I (":                                   false,
		"Guru Meditation Error: Core  1 panic'ed (x)": false,
	} {
		if isBootLine(line) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}
