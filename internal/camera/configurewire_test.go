package camera_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/simcam"
)

// TestDeviceThatDoesNotAnswer: the error comes in time, the pictures go on, and what is wanted is tried again.
func TestDeviceThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tap{}
		var deaf atomic.Bool
		p.losing(func(k camlink.Packet) bool { return deaf.Load() && k.Type == camlink.TypeConfigSet })
		r := start(t, simcam.Options{FPS: 20, Lose: p.packet}, nil)
		sub := r.viewer()
		r.watch(sub, 5, 2*time.Second)
		r.until(time.Second, "config", r.configurable)
		deaf.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() {
			begin := time.Now()
			_, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"contrast", "1"}), false)
			if took := time.Since(begin); !errors.Is(err, camera.ErrNoAnswer) || took > time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
		r.watch(sub, 30, 200*time.Millisecond)
		wg.Wait()
		deaf.Store(false)
		if n := r.cam.Stats().Settings[camera.SettingUnanswered]; n != 1 {
			t.Errorf("%d counted", n)
		}
		if _, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"contrast", "1"}), false); err != nil || r.value(camlink.KeyContrast) != 1 {
			t.Errorf("afterwards %v", err)
		}
	})
}

// TestViewerDuringARequest: somebody who comes while the device leaves a request unanswered does not wait for that.
func TestViewerDuringARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tap{}
		r := start(t, simcam.Options{USB: true, Lose: p.packet}, nil)
		r.until(2*time.Second, "config", r.configurable)
		p.losing(func(k camlink.Packet) bool { return k.Type == camlink.TypeConfigSet })
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"contrast", "1"}), false); !errors.Is(err, camera.ErrNoAnswer) {
				t.Errorf("error %v", err)
			}
		})
		time.Sleep(100 * time.Millisecond)
		r.watch(r.viewer(), 1, 200*time.Millisecond)
		wg.Wait()
	})
}

// TestOrderOnTheWire: rate control ends before a fixed quality is set, and begins when its range is known.
func TestOrderOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tap{}
		r := start(t, simcam.Options{USB: true, Lose: p.packet}, nil)
		r.until(2*time.Second, "config", r.configurable)
		for _, tt := range []struct {
			wishes []camera.Wish
			want   []camlink.ConfigKey
		}{
			{[]camera.Wish{{"quality_worst", "30"}, {"quality", "auto"}, {"quality_best", "8"}, {"size", "QVGA"}},
				[]camlink.ConfigKey{camlink.KeySize, camlink.KeyQualityBest, camlink.KeyQualityWorst, camlink.KeyTargetFPS}},
			{[]camera.Wish{{"contrast", "1"}, {"quality", "20"}}, []camlink.ConfigKey{camlink.KeyTargetFPS, camlink.KeyQuality, camlink.KeyContrast}},
		} {
			p.mu.Lock()
			p.sets = nil
			p.mu.Unlock()
			if _, err := r.cam.Configure(t.Context(), wish(t, tt.wishes...), false); err != nil {
				t.Fatal(err)
			}
			var got []camlink.ConfigKey
			p.mu.Lock()
			for _, s := range p.sets {
				got = append(got, s.Key)
			}
			p.mu.Unlock()
			if !slices.Equal(got, tt.want) {
				t.Errorf("sent %v, want %v", got, tt.want)
			}
		}
	})
}

// TestWantedSettingsAreTriedAgain: a device that is deaf for settings at first gets them when it hears.
func TestWantedSettingsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deaf atomic.Bool
		deaf.Store(true)
		p := &tap{}
		p.losing(func(k camlink.Packet) bool {
			return deaf.Load() && (k.Type == camlink.TypeConfigSet || k.Type == camlink.TypeConfigGet)
		})
		log := &records{}
		r := start(t, simcam.Options{Lose: p.packet}, func(o *camera.Options) {
			o.Settings = wish(t, camera.Wish{"contrast", "2"})
			o.Logger = slog.New(log)
		})
		r.watch(r.viewer(), 200, 4*time.Second)
		if _, err := r.cam.Config(); !errors.Is(err, camera.ErrNoAnswer) {
			t.Errorf("config: %v", err)
		}
		if n := log.count("settings not applied"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		deaf.Store(false)
		r.until(4*time.Second, "config", r.configurable)
		if got := r.value(camlink.KeyContrast); got != 2 {
			t.Errorf("contrast %d", got)
		}
	})
}

// TestFailuresAreLoggedByKeyOnce over reboots.
func TestFailuresAreLoggedByKeyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		r := start(t, simcam.Options{USB: true}, func(o *camera.Options) {
			o.Settings = wish(t, camera.Wish{"sharpness", "1"}, camera.Wish{"contrast", "9"}, camera.Wish{"lamp", "3"})
			o.Logger = slog.New(log)
		})
		for range 4 {
			r.until(3*time.Second, "config", r.configurable)
			r.reboot()
		}
		r.until(3*time.Second, "config", r.configurable)
		if n := log.count("setting not applied"); n != 1 {
			t.Errorf("an unsupported setting is logged %d times", n)
		}
		if n := log.count("setting limited by the device"); n != 1 {
			t.Errorf("a limited setting is logged %d times", n)
		}
		if n := log.count("settings applied"); n != 5 {
			t.Errorf("%d applications logged, want 5", n)
		}
		if r.value(camlink.KeyLamp) != 3 || r.value(camlink.KeyContrast) != 2 {
			t.Error("the others were not applied")
		}
	})
}

func TestConfigureWithoutADevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		some := wish(t, camera.Wish{"contrast", "1"})
		if _, err := camera.New(camera.Options{ID: "never run"}).Configure(t.Context(), some, false); !errors.Is(err, camera.ErrNotLinked) {
			t.Errorf("at the start: %v", err)
		}
		r := start(t, simcam.Options{USB: true}, nil)
		r.until(2*time.Second, "config", r.configurable)
		// The device falls silent while a request is under way, and others wait behind it.
		r.device.Mute(true)
		var wg sync.WaitGroup
		begin := time.Now()
		for range 30 {
			wg.Go(func() {
				_, err := r.cam.Configure(t.Context(), some, false)
				if !errors.Is(err, camera.ErrNotLinked) && !errors.Is(err, camera.ErrNoAnswer) && !errors.Is(err, camera.ErrBusy) {
					t.Errorf("while silent: %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the last error came after %v", took)
		}
		r.device.Mute(false)
		r.until(30*time.Second, "config", r.configurable)
		r.stop()
		if _, err := r.cam.Configure(t.Context(), some, false); !errors.Is(err, camera.ErrNotLinked) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestConfigureOfAOneWayDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, simcam.Options{OneWay: true, BaseBaud: 921600}, func(o *camera.Options) {
			o.Baud = 921600
			o.Settings = wish(t, camera.Wish{"contrast", "1"})
		})
		r.watch(r.viewer(), 5, 5*time.Second)
		if _, err := r.cam.Configure(t.Context(), wish(t, camera.Wish{"contrast", "1"}), false); !errors.Is(err, camera.ErrOneWay) {
			t.Errorf("configure: %v", err)
		}
		if _, err := r.cam.Config(); !errors.Is(err, camera.ErrOneWay) {
			t.Errorf("config: %v", err)
		}
		if q := r.cam.Status().Quality; q != 12 {
			t.Errorf("quality %d, want the pictures' 12", q)
		}
	})
}

func TestCallerThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tap{}
		r := start(t, simcam.Options{USB: true, Lose: p.packet}, nil)
		r.until(2*time.Second, "config", r.configurable)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.cam.Configure(ctx, wish(t, camera.Wish{"contrast", "1"}), false); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Second)
		if got := r.value(camlink.KeyContrast); got != 0 {
			t.Errorf("a request that nobody waits for was carried out: contrast %d", got)
		}
	})
}

// records counts log messages.
type records struct {
	mu       sync.Mutex
	messages map[string]int
}

func (l *records) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.messages[message]
}

func (l *records) Enabled(context.Context, slog.Level) bool { return true }

func (l *records) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *records) WithGroup(string) slog.Handler { return l }

func (l *records) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.messages == nil {
		l.messages = map[string]int{}
	}
	l.messages[r.Message]++
	return nil
}
