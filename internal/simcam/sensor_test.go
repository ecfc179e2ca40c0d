package simcam

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

func TestCreditLimitsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		h.link()
		if got := h.frames(2 * time.Second); len(got) != 0 || d.Stats().Captured != 0 {
			t.Fatalf("%d frames and %d captures without credit", len(got), d.Stats().Captured)
		}
		for _, limit := range []uint32{3, 3, 5, 2} { // absolute: repeated or lowered it gives nothing
			next := d.Stats().NextFrame
			h.credit(limit, 0)
			got := h.frames(2 * time.Second)
			if want := max(int(limit)-int(next)+1, 0); len(got) != want {
				t.Errorf("credit to %d: %d frames, want %d", limit, len(got), want)
			}
			for i, f := range got {
				if f.Number != next+uint32(i) {
					t.Errorf("frame %d, want %d", f.Number, next+uint32(i))
				}
			}
		}
		h.link() // clears the credit
		h.silent(camlink.TypeFrameBegin, 2*time.Second)
	})
}

func TestLowerCreditStopsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(usb()))
		h.link()
		h.credit(100, 0)
		h.frames(time.Second)
		h.credit(1, 0)
		if got := h.frames(2 * time.Second); len(got) != 0 {
			t.Errorf("%d frames after the credit was taken back", len(got))
		}
	})
}

func TestMinInterval(t *testing.T) {
	tests := []struct {
		name     string
		credit   time.Duration
		setting  int32
		interval time.Duration
	}{
		{"of the sensor", 0, 0, 100 * time.Millisecond},
		{"of the credit", 350 * time.Millisecond, 0, 350 * time.Millisecond},
		{"of the setting", 0, 250, 250 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := connect(t, New(usb()))
				h.link()
				h.call(camlink.TypeConfigSet, camlink.ConfigSet{{Key: camlink.KeyMinIntervalMS, Value: tt.setting}}.Append(nil))
				h.credit(6, tt.credit)
				got := h.frames(4 * time.Second)
				if len(got) != 6 {
					t.Fatalf("%d frames", len(got))
				}
				for i, f := range got[1:] {
					if gap := f.began.Sub(got[i].began); gap != tt.interval {
						t.Errorf("frame %d after %v, want %v", f.Number, gap, tt.interval)
					}
				}
			})
		})
	}
}

// The line takes 4 captures' time for a picture: each one sent must be the newest
// there is, and say how many it replaces.
func TestNewestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{Source: numbers{pad: 4000}, FPS: 10}) // 0.36 s at 115,200 baud
		h := connect(t, d)
		h.link()
		h.credit(100, 0)
		got := h.frames(5 * time.Second)
		if len(got) < 10 {
			t.Fatalf("%d frames", len(got))
		}
		for i, f := range got[1:] {
			before := got[i]
			if skipped := f.number() - before.number() - 1; skipped != int(f.Skipped) || skipped < 2 {
				t.Errorf("capture %d after %d says %d skipped", f.number(), before.number(), f.Skipped)
			}
			if age := f.TxUS - f.CaptureUS; age > 100000 {
				t.Errorf("capture %d was %d us old when sent", f.number(), age)
			}
		}
		s := d.Stats()
		if out := s.Captured - s.Sent - s.SkippedBusy - s.SkippedCredit - s.Errors; out > 2 || s.SkippedBusy == 0 {
			t.Errorf("%+v: %d captures unaccounted for", s, out)
		}
	})
}

func TestSensorRestsAndWakesFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		h.link()
		h.credit(2, 0)
		h.frames(900 * time.Millisecond)
		if !d.Stats().Awake {
			t.Fatal("asleep within a second of the last frame")
		}
		h.frames(600 * time.Millisecond)
		asleep := d.Stats()
		if asleep.Awake {
			t.Fatal("awake without credit")
		}
		h.frames(3 * time.Second)
		if s := d.Stats(); s.Captured != asleep.Captured {
			t.Errorf("%d captures at rest", s.Captured-asleep.Captured)
		}
		if asleep.Captured != asleep.Sent+asleep.SkippedCredit {
			t.Errorf("at rest %+v: captures unaccounted for", asleep)
		}

		h.link() // renews the lease
		woken := time.Now()
		uptime := parse(t, camlink.ParsePong, h.call(camlink.TypePing, camlink.Ping{}.Append(nil))).DeviceRxUS
		h.credit(3, 0)
		f, ok := h.frame(time.Second)
		if !ok || f.CaptureUS < uptime || f.began.Sub(woken) > 200*time.Millisecond {
			t.Errorf("first frame %v after the credit, captured at %d us, credit at %d us", f.began.Sub(woken), f.CaptureUS, uptime)
		}
	})
}

func TestHelloReqAbortsFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{Source: numbers{pad: 5000}})
		h := connect(t, d)
		h.link()
		h.credit(10, 0)
		h.want(camlink.TypeFrameChunk, time.Second)
		h.send(camlink.TypeHelloReq, helloReq)
		m := parse(t, camlink.ParseFrameAbort, h.want(camlink.TypeFrameAbort, time.Second))
		if m.Number != 1 || m.Reason != camlink.AbortLink {
			t.Errorf("FRAME_ABORT %+v", m)
		}
		if hello := parse(t, camlink.ParseHello, h.want(camlink.TypeHello, time.Second)); hello.NextFrame != 2 {
			t.Errorf("next frame %d, want 2", hello.NextFrame)
		}
		h.silent(camlink.TypeFrameChunk, 2*time.Second)
		h.link()
		h.credit(2, 0)
		if f, ok := h.frame(2 * time.Second); !ok || f.Number != 2 {
			t.Errorf("frame %d, %v", f.Number, ok)
		}
		if s := d.Stats(); s.Sent != 1 {
			t.Errorf("%d frames counted as sent", s.Sent)
		}
	})
}

func TestControlWaitsForOneChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(Options{Source: numbers{pad: 60000}}))
		h.link()
		h.credit(10, 0)
		h.want(camlink.TypeFrameChunk, time.Second)
		for range 20 {
			start := time.Now()
			h.call(camlink.TypePing, camlink.Ping{}.Append(nil))
			worst := lineTime(24+44+camlink.ChunkSize(115200)+20, 115200) + sliceTime
			if took := time.Since(start); took > worst {
				t.Errorf("PING took %v, want at most %v", took, worst)
			}
		}
	})
}

// broken is a sensor that fails in every way in turn.
type broken struct{ n int }

func (b *broken) Picture(Shot) (Picture, error) {
	b.n++
	switch b.n % 4 {
	case 1:
		return Picture{}, errors.New("no EOI")
	case 2:
		return Picture{}, nil
	case 3:
		return Picture{JPEG: make([]byte, maxFrame+1)}, nil
	}
	return Picture{JPEG: []byte("good")}, nil
}

func TestCameraErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{USB: true, Source: &broken{}})
		h := connect(t, d)
		h.link()
		h.credit(2, 0)
		got := h.frames(3 * time.Second)
		if s := d.Stats(); len(got) != 2 || s.Errors != 6 || s.Sent != 2 {
			t.Fatalf("%d frames, %+v; want 2 and 6 errors", len(got), s)
		}
		if got[0].Number != 1 || got[1].Number != 2 {
			t.Errorf("frames %d and %d: errors must not take numbers", got[0].Number, got[1].Number)
		}
	})
}

func TestFixedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, err := NewCard("x").Picture(Shot{Width: 160, Height: 120, Quality: 20})
		if err != nil {
			t.Fatal(err)
		}
		frames := [][]byte{first.JPEG, []byte("no JPEG at all")}
		h := connect(t, New(Options{USB: true, Frames: frames, Width: 320, Height: 240}))
		h.link()
		h.credit(4, 0)
		got := h.frames(2 * time.Second)
		if len(got) != 4 {
			t.Fatalf("%d frames", len(got))
		}
		for i, f := range got {
			if string(f.data) != string(frames[i%2]) {
				t.Errorf("frame %d is not picture %d", i, i%2)
			}
			if want := []uint16{160, 320}[i%2]; f.Width != want {
				t.Errorf("frame %d is %d wide, want %d", i, f.Width, want)
			}
		}
	})
}
