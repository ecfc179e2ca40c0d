package camera_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/simcam"
)

// TestBeats: a camera beats every second at least while it is linked, while nobody answers and while there is no port, and
// stands still while its port hangs.
func TestBeats(t *testing.T) {
	for name, tt := range map[string]struct {
		device simcam.Options
		change func(*camera.Options)
		beats  bool
	}{
		"linked":    {simcam.Options{USB: true}, nil, true},
		"climbing":  {simcam.Options{GarbleAbove: 460800}, nil, true},
		"no answer": {simcam.Options{Mute: true}, nil, true},
		"absent": {simcam.Options{}, func(o *camera.Options) {
			o.Open = func(context.Context) (camera.Port, error) { return nil, brokenPort{camera.CauseAbsent} }
		}, true},
		"hangs": {simcam.Options{USB: true, Hang: time.Second}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, tt.device, tt.change)
				if name == "hangs" {
					t.Cleanup(r.device.Unplug) // its reader would never end
				}
				time.Sleep(1500 * time.Millisecond)
				for range 30 {
					before := r.cam.Beats()
					time.Sleep(1100 * time.Millisecond)
					if got := r.cam.Beats(); (got != before) != tt.beats {
						t.Fatalf("from beat %d to %d", before, got)
					}
				}
			})
		})
	}
}
