package camera_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/simcam"
)

// restingPort counts how a session waits.
type restingPort struct {
	camera.Port
	*rests
}

// resting puts a restingPort in front of the camera's port.
func resting(seen *rests) func(*camera.Options) {
	return func(o *camera.Options) {
		open := o.Open
		o.Open = func(ctx context.Context) (camera.Port, error) {
			p, err := open(ctx)
			if err != nil {
				return nil, err
			}
			return restingPort{p, seen}, nil
		}
	}
}

type rests struct {
	mu            sync.Mutex
	reads, rested int
	longest       time.Duration
}

func (p restingPort) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > 0 {
		p.reads++
	}
	return n, err
}

func (p restingPort) Rest(d time.Duration) {
	time.Sleep(d)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rested++
	p.longest = max(p.longest, d)
}

func (c *rests) take() (reads, rested int, longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.reads, c.rested, c.longest = 0, 0, 0 }()
	return c.reads, c.rested, c.longest
}

// TestReadsByPackets: on a UART, whose rate is known, a session is awake once or twice for each packet of a picture and not for each
// piece; on USB it waits for nothing. The pictures come as fast either way.
func TestReadsByPackets(t *testing.T) {
	for _, usb := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var seen rests
			r := start(t, simcam.Options{FPS: 5, USB: usb, Frames: pictures(5, 20000)}, resting(&seen))
			sub := r.viewer()
			r.until(5*time.Second, "a link", r.linked)
			r.watch(sub, 2, time.Second)
			seen.take()
			const frames = 10
			r.watch(sub, frames, time.Second)
			reads, rested, longest := seen.take()
			if usb {
				if rested > 0 {
					t.Errorf("on USB it rested %d times", rested)
				}
				return
			}
			const chunks = 20000/2048 + 1
			if rested < frames*(chunks-1) {
				t.Errorf("it rested %d times in %d pictures of %d packets", rested, frames, chunks)
			}
			if most := frames * (chunks + 1) * 3; reads > most {
				t.Errorf("%d reads for %d pictures of %d packets, want %d at most", reads, frames, chunks, most)
			}
			if line := 2048 * 10 * time.Second / 3000000; longest > line+time.Millisecond {
				t.Errorf("it rested %v, and a packet takes %v", longest, line)
			}
			t.Logf("%d reads, %d rests of %v at most, for %d pictures of %d packets", reads, rested, longest, frames, chunks)
			s := r.cam.Stats()
			if mean := s.FrameTransfer.Sum / float64(s.Published); mean > 1.03*20000*10/3e6+.002 {
				t.Errorf("a picture took %.1f ms on average, and the line takes %.1f", mean*1e3, 20000*10/3e3)
			}
		})
	}
}

// TestWholePacketsAtSlowRates: nothing a device claims keeps the session from its other work for long.
func TestWholePacketsAtSlowRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen rests
		r := start(t, simcam.Options{FPS: 1, MaxBaud: 115200, Frames: pictures(2, 3000)}, resting(&seen))
		sub := r.viewer()
		r.until(5*time.Second, "a link", r.linked)
		r.watch(sub, 4, 3*time.Second)
		if _, rested, longest := seen.take(); rested == 0 || longest > 26*time.Millisecond {
			t.Errorf("%d rests of %v at most", rested, longest)
		}
	})
}
