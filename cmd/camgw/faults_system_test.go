package main

import (
	"crypto/sha256"
	"os"
	"testing"
	"time"
)

// TestFaults: on a bad wire not one wrong or partial picture gets through, a
// fault costs the damaged picture and at most one more, and everything is counted.
func TestFaults(t *testing.T) {
	t.Parallel()
	const frames = 2000
	// On the UART half the bytes: as many pictures in the same time, and faults per byte enough.
	large, small := newAlbum(t, 20, 160, 120, 6000), newAlbum(t, 20, 160, 120, 3000)
	for _, tt := range []struct {
		name   string
		args   []string
		faults func(h hostcamStats) uint64
		costs  bool // a fault may cost pictures
	}{
		{"flip", []string{"--flip", "1e-5"}, func(h hostcamStats) uint64 { return h.Flips }, true},
		{"drop", []string{"--drop", "1e-5"}, func(h hostcamStats) uint64 { return h.Drops }, true},
		{"insert", []string{"--insert", "1e-5"}, func(h hostcamStats) uint64 { return h.Inserts }, true},
		{"truncate", []string{"--truncate", "0.05"}, func(h hostcamStats) uint64 { return h.Truncated }, true},
		{"bad-jpeg", []string{"--bad-jpeg", "0.1"}, func(h hostcamStats) uint64 { return h.NoEOI + h.Padding + h.Empty + h.Cut }, true},
		{"noise", []string{"--noise"}, func(h hostcamStats) uint64 { return h.Noise }, false},
		{"stall", []string{"--stall", "200", "--stall-every", "2"}, func(h hostcamStats) uint64 { return h.Stalls }, false},
	} {
		for _, wire := range []struct {
			name  string
			album *album
			args  []string
		}{
			{"usb", large, []string{"--usb", "--fps", "150"}},
			{"uart", small, []string{"--fps", "85"}},
		} {
			t.Run(tt.name+"/"+wire.name, func(t *testing.T) {
				t.Parallel()
				album := wire.album
				args := append([]string{"--frames", album.dir, "--seed", "7"}, wire.args...)
				cam := startHostcam(t, append(args, tt.args...)...)
				d := startDaemon(t, "--port", cam.link)
				v, err := d.watch(t.Context(), "/stream")
				if err != nil {
					t.Fatal(err)
				}
				placeholders := 0
				for n := 0; n < frames; {
					p, err := v.next(10 * time.Second)
					if err != nil {
						t.Fatalf("after %d pictures: %v; %+v", n, err, d.status(t))
					}
					if !album.known[sha256.Sum256(p.jpeg)] {
						// Only before the first picture is there anything else to show.
						if placeholders++; n > 0 {
							t.Fatalf("picture %d, of %d bytes, is none of the camera's", n, len(p.jpeg))
						}
						continue
					}
					n++
				}
				v.conn.Close()
				d.balance(t)
				s := d.status(t)
				cam.kill(os.Interrupt)
				h := cam.read(t)
				faults := tt.faults(h)
				var lost uint64 = s.Frames.Lost
				for _, n := range s.Frames.Rejected {
					lost += n
				}
				t.Logf("%d faults; received %d, published %d, rejected %v, lost whole %d",
					faults, s.Frames.Received, s.Frames.Published, s.Frames.Rejected, s.Frames.Lost)
				switch {
				case faults == 0:
					t.Error("no fault was injected")
				case !tt.costs && lost > 0:
					t.Errorf("%d pictures lost to something that damages none", lost)
				case lost > 2*faults:
					t.Errorf("%d pictures lost to %d faults", lost, faults)
				case tt.costs && lost == 0:
					t.Error("faults, and no loss was counted")
				}
				switch tt.name {
				case "bad-jpeg":
					if n := s.Frames.Rejected["bad_jpeg"]; n < h.NoEOI*9/10 {
						t.Errorf("bad_jpeg %d, although %d had no EOI and %d were cut", n, h.NoEOI, h.Cut)
					}
				case "truncate":
					if s.Frames.Rejected["incomplete"]+s.Frames.Lost == 0 {
						t.Error("truncated pictures are not counted as incomplete")
					}
				}
			})
		}
	}
}
