package camera_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/simcam"
)

// wish returns settings, which must make sense.
func wish(t *testing.T, wishes ...camera.Wish) []camera.Setting {
	t.Helper()
	settings, err := camera.ParseWishes(wishes)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func clamped(settings []camera.Setting) []camera.Setting {
	for i := range settings {
		settings[i].Clamp = true
	}
	return settings
}

// value returns what Config says is in effect.
func (r *rig) value(key camlink.ConfigKey) int32 {
	r.Helper()
	items, err := r.cam.Config()
	if err != nil {
		r.Fatalf("config: %v", err)
	}
	return items[key-1].Value
}

func (r *rig) configurable() bool {
	_, err := r.cam.Config()
	return err == nil
}

// reboot returns when the device is linked again.
func (r *rig) reboot() {
	r.Helper()
	old := r.cam.Status().Device.BootID
	r.device.Reboot()
	r.until(4*time.Second, "a new boot id", func() bool { return r.cam.Status().Device.BootID != old })
}

// tap watches and spoils what crosses the wire of a simulated device.
type tap struct {
	mu      sync.Mutex
	greeted time.Time // the newest HELLO that answered a request
	set     time.Time // the newest answer to CONFIG_SET
	sets    []camlink.ConfigSetting
	lose    func(camlink.Packet) bool
}

func (p *tap) packet(k camlink.Packet) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose != nil && p.lose(k) {
		return true
	}
	switch {
	case k.Type == camlink.TypeHello && k.Flags&camlink.FlagResponse != 0:
		p.greeted, p.set = time.Now(), time.Time{}
	case k.Type == camlink.TypeConfigSet:
		set, err := camlink.ParseConfigSet(k.Payload)
		if err != nil {
			panic(err)
		}
		p.sets = append(p.sets, set...)
	case k.Type == camlink.TypeConfig && len(p.sets) > 0 && p.set.IsZero():
		p.set = time.Now()
	}
	return false
}

func (p *tap) losing(lose func(camlink.Packet) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = lose
}

// delay is from the newest HELLO to the first CONFIG after it.
func (p *tap) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set.Sub(p.greeted)
}

func TestConfigTellsWhatTheDeviceHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{Width: 800, Height: 600, Quality: 20}, nil)
		if _, err := r.cam.Config(); !errors.Is(err, camera.ErrNotLinked) {
			t.Errorf("before the link: %v", err)
		}
		r.until(2*time.Second, "config", r.configurable)
		items, err := r.cam.Config()
		if err != nil || len(items) != len(camlink.ConfigKeys()) {
			t.Fatalf("%d items, %v", len(items), err)
		}
		for i, item := range items {
			if item.Key != camlink.ConfigKey(i+1) || item.Name != item.Key.String() {
				t.Errorf("item %d: %+v", i, item)
			}
		}
		if q := items[camlink.KeyQuality-1]; q.Value != 20 || q.Min != 0 || q.Max != 63 || q.Flags != 0 {
			t.Errorf("%+v", q)
		}
		if s := items[camlink.KeyChunkBytes-1]; s.Flags != camlink.ConfigReadOnly || s.Value != 2048 {
			t.Errorf("at 3 Mbaud %+v", s)
		}
		items[0].Value = 7
		if r.value(camlink.KeySize) != camlink.SizeValue(800, 600) {
			t.Error("callers share memory")
		}
		r.device.Unplug()
		r.until(2*time.Second, "offline", func() bool { return r.cam.Status().State == camera.Offline })
		if _, err := r.cam.Config(); !errors.Is(err, camera.ErrNotLinked) {
			t.Errorf("after the link: %v", err)
		}
	})
}

// TestRebootsBringTheSettingsBack: within a second of the HELLO, also when every first packet about settings is lost and when
// no fast rate works, so that the climb takes seconds.
func TestRebootsBringTheSettingsBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts simcam.Options
		lose camlink.Type
	}{
		{"good line", simcam.Options{}, 0},
		{"USB", simcam.Options{USB: true}, 0},
		{"slow climb", simcam.Options{GarbleAbove: 115200}, 0},
		{"requests get lost", simcam.Options{}, camlink.TypeConfigSet},
		{"answers get lost", simcam.Options{}, camlink.TypeConfig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &tap{}
				tt.opts.Lose = p.packet
				var lost atomic.Int32
				p.losing(func(k camlink.Packet) bool { return k.Type == tt.lose && tt.lose != 0 && lost.Add(1)%2 == 1 })
				settings := wish(t, camera.Wish{"size", "QVGA"}, camera.Wish{"quality", "33"}, camera.Wish{"vflip", "1"},
					camera.Wish{"contrast", "-1"}, camera.Wish{"aec_value", "700"}, camera.Wish{"lamp", "9"}, camera.Wish{"log_level", "2"},
					camera.Wish{"wb_mode", "3"}, camera.Wish{"gainceiling", "4"}, camera.Wish{"agc_gain", "5"}, camera.Wish{"effect", "2"})
				r := start(t, tt.opts, func(o *camera.Options) { o.Settings = settings })
				for boot := range 4 {
					r.until(15*time.Second, "config", r.configurable)
					for _, s := range settings {
						if got := r.value(s.Key); got != s.Value {
							t.Errorf("boot %d: %v is %d", boot, s, got)
						}
					}
					if d := p.delay(); d < 0 || d > time.Second {
						t.Errorf("boot %d: settings %v after HELLO", boot, d)
					}
					r.reboot()
				}
			})
		})
	}
}

func TestLaterWinsAndLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{}, func(o *camera.Options) {
			o.Settings = wish(t, camera.Wish{"quality", "33"}, camera.Wish{"vflip", "1"})
		})
		r.until(2*time.Second, "config", r.configurable)
		got, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"quality", "auto"}, camera.Wish{"quality_worst", "50"}, camera.Wish{"contrast", "2"}), false)
		if err != nil || len(got) != 3 {
			t.Fatalf("%+v, %v", got, err)
		}
		check := func(when string, fps, quality, flip, contrast int32) {
			t.Helper()
			r.until(3*time.Second, "config "+when, r.configurable)
			for key, want := range map[camlink.ConfigKey]int32{camlink.KeyTargetFPS: fps, camlink.KeyQuality: quality,
				camlink.KeyVFlip: flip, camlink.KeyContrast: contrast} {
				if got := r.value(key); got != want {
					t.Errorf("%s: %v is %d, want %d", when, key, got, want)
				}
			}
		}
		check("after auto", 100, 33, 1, 2)
		if a := r.cam.Status().Auto; a == nil || a.TargetFPS != 10 || a.Best != 4 || a.Worst != 50 {
			t.Errorf("auto %+v", a)
		}
		r.reboot()
		check("after a reboot", 100, 33, 1, 2)
		if _, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"quality", "7"}), false); err != nil {
			t.Fatal(err)
		}
		check("after a number", 0, 7, 1, 2)
		if st := r.cam.Status(); st.Auto != nil || st.Quality != 7 {
			t.Errorf("status %+v", st)
		}
		r.device.Unplug()
		r.until(2*time.Second, "offline", func() bool { return !r.configurable() })
		r.device.Plug()
		check("after a replug", 0, 7, 1, 2)
	})
}

// TestSettingsWhileStreaming: eleven settings every 70 ms cost no frame and no pause, whatever gets lost of them.
func TestSettingsWhileStreaming(t *testing.T) {
	for _, lose := range []camlink.Type{0, camlink.TypeConfigSet, camlink.TypeConfig} {
		t.Run(lose.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &tap{}
				r := start(t, simcam.Options{FPS: 25, Lose: p.packet}, nil)
				sub := r.viewer()
				r.watch(sub, 5, 2*time.Second)
				var n atomic.Int32
				p.losing(func(k camlink.Packet) bool { return k.Type == lose && lose != 0 && n.Add(1)%3 == 0 })
				before, sent := r.cam.Stats(), r.device.Stats().Sent
				begin := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := range int32(40) {
						var many []camera.Setting
						for key := camlink.KeyAWB; key <= camlink.KeyWPC; key++ {
							if key != camlink.KeyAECValue {
								many = append(many, camera.Setting{Key: key, Value: i % 2})
							}
						}
						many = append(many, camera.Setting{Key: camlink.KeyAECValue, Value: i})
						items, err := r.cam.Configure(t.Context(), many, false)
						if err != nil || len(items) != len(many) {
							t.Errorf("round %d: %d items, %v", i, len(items), err)
						}
						for _, item := range items {
							if want := i % 2; item.Key != camlink.KeyAECValue && item.Value != want || item.Key == camlink.KeyAECValue && item.Value != i {
								t.Errorf("round %d: %+v", i, item)
							}
						}
						time.Sleep(70 * time.Millisecond)
					}
				})
				r.watch(sub, 100, 200*time.Millisecond)
				took := time.Since(begin)
				wg.Wait()
				after := r.cam.Stats()
				if after.Lost != before.Lost || after.Rejected != before.Rejected || after.DeviceSkipped != before.DeviceSkipped || after.LinksLost != 0 {
					t.Errorf("frames were lost: before %+v, after %+v", before, after)
				}
				if took > 4200*time.Millisecond {
					t.Errorf("100 frames at 25 fps took %v", took)
				}
				if r.device.Stats().Sent-sent < 100 {
					t.Error("the device sent too little")
				}
			})
		})
	}
}

func TestNothingIsSetWhenAnythingIsWrong(t *testing.T) {
	set := func(key camlink.ConfigKey, value int32) camera.Setting { return camera.Setting{Key: key, Value: value} }
	for _, tt := range []struct {
		name string
		bad  camera.Setting
		kind error
		text string
	}{
		{"too high", set(camlink.KeyQuality, 64), camera.ErrOutOfRange, "quality=64: the value is out of range: 0 to 63"},
		{"too low", set(camlink.KeyBrightness, -3), camera.ErrOutOfRange, "brightness=-3: the value is out of range: -2 to 2"},
		{"too fast", set(camlink.KeyTargetFPS, 5005), camera.ErrOutOfRange, "target_fps=500.5: the value is out of range: 0 to 120"},
		{"too large", set(camlink.KeySize, camlink.SizeValue(2592, 1944)), camera.ErrOutOfRange, "size=2592x1944: the value is out of range: 96x96 to 1600x1200"},
		{"too high a size", set(camlink.KeySize, camlink.SizeValue(720, 1280)), camera.ErrOutOfRange, ""},
		{"no such size", set(camlink.KeySize, camlink.SizeValue(700, 500)), camera.ErrOutOfRange, "size=700x500: the value is out of range: 96x96 to 1600x1200; the nearest is 640x480"},
		{"read only", set(camlink.KeyXCLKHz, 1), camera.ErrReadOnly, "xclk_hz"},
		{"unsupported", set(camlink.KeySharpness, 1), camera.ErrUnsupported, "sharpness"},
		{"unknown", set(999, 1), camera.ErrUnknownSetting, "key 999"},
		{"no key", set(0, 1), camera.ErrUnknownSetting, "key 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, simcam.Options{USB: true, Width: 320, Height: 240}, nil)
				r.until(2*time.Second, "config", r.configurable)
				before, _ := r.cam.Config()
				got, err := r.cam.Configure(t.Context(), []camera.Setting{set(camlink.KeyContrast, 2), tt.bad, set(camlink.KeyLamp, 200)}, true)
				e, ok := errors.AsType[*camera.SettingError](err)
				if got != nil || !ok || e.Kind != tt.kind || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%+v, %v", got, err)
				}
				check := func(when string) {
					r.until(2*time.Second, "config", r.configurable)
					if after, _ := r.cam.Config(); !slices.Equal(before, after) {
						t.Errorf("%s\nbefore %+v\nafter  %+v", when, before, after)
					}
				}
				check("at once")
				r.reboot() // what the device kept, and what the camera remembers
				check("after a reboot")
			})
		})
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true}, nil)
		r.until(2*time.Second, "config", r.configurable)
		_, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"quality", "99"}, camera.Wish{"denoise", "1"}, camera.Wish{"lamp", "256"}), false)
		for _, kind := range []error{camera.ErrOutOfRange, camera.ErrUnsupported} {
			if !errors.Is(err, kind) {
				t.Errorf("%v does not tell %v", err, kind)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != 3 {
			t.Errorf("%d mistakes told: %v", n, err)
		}
	})
}

func TestClamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true}, nil)
		r.until(2*time.Second, "config", r.configurable)
		got, err := r.cam.Configure(t.Context(), clamped(wish(t, camera.Wish{"size", "700x500"}, camera.Wish{"contrast", "-9"}, camera.Wish{"lamp", "7"})), false)
		if err != nil || len(got) != 3 {
			t.Fatalf("%+v, %v", got, err)
		}
		for i, want := range []struct {
			value int32
			flags camlink.ConfigFlags
		}{{camlink.SizeValue(640, 480), camlink.ConfigClamped}, {-2, camlink.ConfigClamped}, {7, 0}} {
			if got[i].Value != want.value || got[i].Flags != want.flags {
				t.Errorf("%+v, want %+v", got[i], want)
			}
		}
		if got := r.cam.Stats().Settings; got[camera.SettingClamped] != 2 || got[camera.SettingApplied] != 1 {
			t.Errorf("counted %v", got)
		}
		if items, _ := r.cam.Config(); items[camlink.KeyContrast-1].Flags != 0 {
			t.Errorf("CLAMPED stays: %+v", items[camlink.KeyContrast-1])
		}
	})
}

func TestPersistReachesTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tap{}
		r := start(t, simcam.Options{USB: true, Lose: p.packet}, nil)
		r.until(2*time.Second, "config", r.configurable)
		if _, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"contrast", "2"}), false); err != nil {
			t.Fatal(err)
		}
		if _, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"lamp", "40"}), true); err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		var kept []camlink.ConfigSetting
		for _, s := range p.sets {
			if s.Flags&camlink.ConfigSetPersist != 0 {
				kept = append(kept, s)
			}
		}
		if want := []camlink.ConfigSetting{{Key: camlink.KeyLamp, Flags: camlink.ConfigSetPersist, Value: 40}}; !slices.Equal(kept, want) {
			t.Errorf("kept %+v, want %+v", kept, want)
		}
	})
}

func TestPersistOfADeviceThatCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{USB: true, Mangle: func(h *camlink.Header, payload []byte) {
			if h.Type == camlink.TypeHello {
				payload[32] &^= byte(camlink.FeaturePersist)
			}
		}}, nil)
		r.until(2*time.Second, "config", r.configurable)
		if _, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"lamp", "40"}), true); !errors.Is(err, camera.ErrNoPersist) {
			t.Errorf("error %v", err)
		}
		if got := r.value(camlink.KeyLamp); got != 0 {
			t.Errorf("the lamp is %d all the same", got)
		}
	})
}
