package simcam

import (
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	tests := []struct {
		spec  string
		check func(o Options) bool
	}{
		{"", func(o Options) bool { return o.USB && o.FPS == 0 && o.Width == 0 }},
		{"fps=15", func(o Options) bool { return o.USB && o.FPS == 15 }},
		{"fps=0.5, size=800x600 ,quality=20", func(o Options) bool {
			return o.FPS == 0.5 && o.Width == 800 && o.Height == 600 && o.Quality == 20
		}},
		{"name=front door,board=esp32cam,sensor=OV2640", func(o Options) bool {
			return o.Name == "front door" && o.Board == "esp32cam" && o.Sensor == "OV2640"
		}},
		{"mac=02:00:00:00:00:ff", func(o Options) bool { return o.MAC == [6]byte{2, 0, 0, 0, 0, 255} }},
		{"baud=2000000", func(o Options) bool { return !o.USB && o.MaxBaud == 2000000 && o.BaseBaud == 0 }},
		{"baud=921600,oneway=true", func(o Options) bool { return !o.USB && o.OneWay && o.BaseBaud == 921600 }},
		{"oneway=true,baud=921600", func(o Options) bool { return !o.USB && o.OneWay && o.BaseBaud == 921600 }},
		{"baud=3000000,garble-above=1000000", func(o Options) bool { return o.GarbleAbove == 1000000 }},
		{"mute=1", func(o Options) bool { return o.Mute }},
		{"flip=1e-5,drop=0.25,insert=1,seed=7", func(o Options) bool {
			return o.Flip == 1e-5 && o.Drop == 0.25 && o.Insert == 1 && o.Seed == 7
		}},
		{"stall=200ms,stall-every=5s", func(o Options) bool {
			return o.Stall == 200*time.Millisecond && o.StallEvery == 5*time.Second
		}},
	}
	for _, tt := range tests {
		o, err := ParseOptions(tt.spec)
		if err != nil || !tt.check(o) {
			t.Errorf("ParseOptions(%q) = %+v, %v", tt.spec, o, err)
		}
	}
}

func TestParseOptionsErrors(t *testing.T) {
	const there = "there are baud, board, drop, flip, fps, garble-above, hang, insert, mac, mute, name, oneway, quality, seed, sensor, size, stall, stall-every, temperature"
	tests := []struct{ spec, want string }{
		{"fsp=15", `unknown option "fsp"; ` + there},
		{"fps=15,", `unknown option ""; ` + there},
		{"FPS=15", `unknown option "FPS"; ` + there},
		{"fps", `option "fps" needs a value: fps=VALUE`},
		{"fps=1,fps=2", `option "fps" is given twice`},
		{"fps=0", "fps=0: want a number from 0.1 to 120"},
		{"fps=fast", "fps=fast: want a number from 0.1 to 120"},
		{"fps=NaN", "fps=NaN: want a number from 0.1 to 120"},
		{"fps=121", "fps=121: want a number from 0.1 to 120"},
		{"size=800", "size=800: want one of 96x96, 160x120, 176x144, 240x176, 240x240, 320x240, 400x296, 480x320, 640x480, 800x600, 1024x768, 1280x720, 1280x1024, 1600x1200"},
		{"temperature=200", "temperature=200: want a number from -40 to 125"},
		{"quality=0", "quality=0: want a whole number from 1 to 63"},
		{"quality=64", "quality=64: want a whole number from 1 to 63"},
		{"baud=300", "baud=300: want a whole number from 9600 to 5000000"},
		{"baud=9999999", "baud=9999999: want a whole number from 9600 to 5000000"},
		{"name=", "name=: want 1 to 32 printable ASCII characters"},
		{"name=a\x01", "name=a\x01: want 1 to 32 printable ASCII characters"},
		{"mac=02:00", "mac=02:00: want six bytes like 02:00:00:00:00:01"},
		{"mac=02:00:00:00:00:00:00:01", "mac=02:00:00:00:00:00:00:01: want six bytes like 02:00:00:00:00:01"},
		{"flip=1.5", "flip=1.5: want a number from 0 to 1"},
		{"drop=-1", "drop=-1: want a number from 0 to 1"},
		{"mute=maybe", "mute=maybe: want true or false"},
		{"seed=-1", "seed=-1: want a whole number from 0"},
		{"stall=2h,stall-every=1s", "stall=2h: want a time up to 1m, like 200ms"},
		{"stall=200ms", "stall and stall-every need each other"},
		{"garble-above=1000000", "garble-above needs baud: a USB line has no rate"},
	}
	for _, tt := range tests {
		o, err := ParseOptions(tt.spec)
		if err == nil || err.Error() != tt.want {
			t.Errorf("ParseOptions(%q) = %+v\n got %v\nwant %v", tt.spec, o, err, tt.want)
		}
	}
}
