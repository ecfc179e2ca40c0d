package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// reel is a folder of small pictures whose order is known: which one a picture is tells where in the reel the camera is.
type reel struct {
	dir   string
	place map[[32]byte]int
}

// newReel makes n different JPEGs of size bytes.
func newReel(t testing.TB, n, size int) *reel {
	t.Helper()
	var whole bytes.Buffer
	if err := jpeg.Encode(&whole, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		t.Fatal(err)
	}
	r := &reel{t.TempDir(), make(map[[32]byte]int)}
	for i := range n {
		// A comment segment behind SOI makes it the one it is, and brings it to size.
		comment := fmt.Appendf(make([]byte, 0, size), "picture %d ", i)
		comment = append(comment, make([]byte, size-whole.Len()-4-len(comment))...)
		head := []byte{0xFF, 0xD8, 0xFF, 0xFE, byte((len(comment) + 2) >> 8), byte(len(comment) + 2)}
		b := slices.Concat(head, comment, whole.Bytes()[2:])
		r.place[sha256.Sum256(b)] = i
		if err := os.WriteFile(filepath.Join(r.dir, fmt.Sprintf("%06d.jpg", i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// narrow bounds what the kernel takes for a viewer, so that one that does not read is felt soon.
func (v *viewer) narrow(t testing.TB) {
	t.Helper()
	if err := v.conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
		t.Fatal(err)
	}
}

// sighting is one new picture that a viewer got.
type sighting struct {
	place int
	part
}

// sightings reads a stream until the viewer is closed. Repeats of the picture before are no news.
func (r *reel) sightings(t *testing.T, v *viewer) (end func() []sighting) {
	var seen []sighting
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			p, err := v.next(10 * time.Second)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("a viewer was dropped after %d pictures: %v", len(seen), err)
				}
				return
			}
			place, ok := r.place[sha256.Sum256(p.jpeg)]
			if !ok {
				t.Errorf("a viewer got a picture of %d bytes that the camera never had", len(p.jpeg))
			}
			if p.jpeg = nil; len(seen) == 0 || seen[len(seen)-1].place != place {
				seen = append(seen, sighting{place, p})
			}
		}
	}()
	return func() []sighting {
		v.conn.Close()
		<-ended
		return seen
	}
}

// gaps are the times between two sightings that are longer than bound.
func gaps(seen []sighting, bound time.Duration) (long []time.Duration) {
	for i := range seen[1:] {
		if gap := seen[i+1].at.Sub(seen[i].at); gap > bound {
			long = append(long, gap)
		}
	}
	return long
}

// since are the sightings after a moment.
func since(seen []sighting, at time.Time) []sighting {
	return slices.DeleteFunc(slices.Clone(seen), func(s sighting) bool { return s.at.Before(at) })
}

// ended is how many streams were ended for a reason.
func (d *daemon) ended(t testing.TB, reason string) float64 {
	t.Helper()
	return d.metric(t, fmt.Sprintf(`camgw_client_disconnections_total{camera="cam1",reason=%q}`, reason))
}

// rate is how many frames a second a viewer of the latest is given of so many: on a busy machine fewer than fps.
func (r *reel) rate(t *testing.T, fps, frames int) float64 {
	t.Helper()
	cam := startHostcam(t, "--usb", "--frames", r.dir, "--fps", fmt.Sprint(fps), "--count", fmt.Sprint(frames))
	d := startDaemon(t, "--port", cam.link)
	d.awaitState(t, ample, "idle")
	v, err := d.watch(t.Context(), "/stream?mode=latest")
	if err != nil {
		t.Fatal(err)
	}
	seen := r.sightings(t, v)
	within(t, ample, "the device's own count", func() bool { return int(cam.read(t).Sent) == frames })
	all := seen()
	d.kill(os.Interrupt)
	return float64(frames) / all[len(all)-1].at.Sub(all[0].at).Seconds()
}

// TestEveryFrameToASlowViewer: a viewer of all frames that reads half as fast as the camera sends slows the camera, and is
// given 10,000 frames without a gap; a viewer of the latest frame beside it gets as many, and each is young.
func TestEveryFrameToASlowViewer(t *testing.T) {
	const (
		fps                 = 800
		quick, slow, behind = 1600, 10000, 1600 // frames read as fast as they come, then throttled, and freely again
		total               = quick + slow + behind
	)
	reel := newReel(t, 500, 2500)
	alone := reel.rate(t, fps, quick)
	// The device sends so many and no more: who is given as many different ones has missed none.
	cam := startHostcam(t, "--usb", "--frames", reel.dir, "--fps", fmt.Sprint(fps), "--count", fmt.Sprint(total))
	d := startDaemon(t, "--port", cam.link)
	d.awaitState(t, ample, "idle")
	all, err := d.watch(t.Context(), "/stream?mode=all")
	if err != nil {
		t.Fatal(err)
	}
	all.narrow(t)
	latest, err := d.watch(t.Context(), "/stream?mode=latest")
	if err != nil {
		t.Fatal(err)
	}
	young := reel.sightings(t, latest)

	begin := time.Now()
	var free, held time.Duration // when the throttled frames begin, and end
	at := -1
	for n := range total {
		switch n {
		case quick:
			free = time.Since(begin)
		case quick + slow:
			held = time.Since(begin)
		}
		if n >= quick && n < quick+slow {
			time.Sleep(free + 2*free*time.Duration(n-quick)/quick - time.Since(begin))
		}
		p, err := all.next(5 * time.Second)
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		place, ok := reel.place[sha256.Sum256(p.jpeg)]
		if !ok || place == at {
			t.Fatalf("frame %d is no new picture of the camera's", n)
		}
		at = place
	}
	whole := time.Since(begin)
	before, during, after := quick/free.Seconds(), slow/(held-free).Seconds(), behind/(whole-held).Seconds()
	within(t, ample, "the device's own count", func() bool { return cam.read(t).Sent == total })
	all.conn.Close()
	seen := young()
	d.balance(t)

	var ages []time.Duration
	for _, s := range seen {
		if since := s.at.Sub(begin); since > free && since < held {
			ages = append(ages, s.at.Sub(s.taken))
		}
	}
	slices.Sort(ages)
	t.Logf("%.0f frames/s freely, %.0f with a viewer of all at half of that, %.0f after it; the device skipped %d captures",
		before, during, after, cam.read(t).Skipped)
	t.Logf("the latest viewer got %d of %d; age p50 %v, p95 %v, p99 %v, max %v", len(seen), total,
		ages[len(ages)/2], ages[len(ages)*95/100], ages[len(ages)*99/100], ages[len(ages)-1])
	if s := d.status(t); s.Frames.Published != total || s.Frames.Lost != 0 {
		t.Errorf("the daemon published %d frames and lost %d of %d", s.Frames.Published, s.Frames.Lost, total)
	}
	if before < 0.8*min(fps, alone) || after < before*0.9 {
		t.Errorf("%.0f frames/s before and %.0f after the throttled ones, of %d, or %.0f without them", before, after, fps, alone)
	}
	// Two frames that arrive in one read are one for who wants the latest only.
	if len(seen) < total*97/100 {
		t.Errorf("the latest viewer got %d frames of %d", len(seen), total)
	}
	// A scheduler that runs somebody else for a while ages the frames of that while, and no others.
	if p95 := ages[len(ages)*95/100]; p95 > time.Duration(2*float64(time.Second)/during) {
		t.Errorf("of the latest viewer's frames one in twenty was older than %v, at %.0f frames/s", p95, during)
	}
}

// TestFrozenLockstepViewer: a lockstep viewer that stops reading holds its group up once, for the timeout, and is gone.
func TestFrozenLockstepViewer(t *testing.T) {
	t.Parallel()
	const fps, timeout = 50, 1500 * time.Millisecond
	reel := newReel(t, 500, 20000)
	cam := startHostcam(t, "--usb", "--frames", reel.dir, "--fps", fmt.Sprint(fps))
	d := startDaemon(t, "--port", cam.link, "--lockstep-timeout", timeout.String())
	d.awaitState(t, ample, "idle")
	var views []func() []sighting
	for _, mode := range []string{"lockstep", "lockstep", "lockstep", "latest"} {
		v, err := d.watch(t.Context(), "/stream?mode="+mode)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, reel.sightings(t, v))
	}
	frozen, err := d.watch(t.Context(), "/stream?mode=lockstep")
	if err != nil {
		t.Fatal(err)
	}
	frozen.narrow(t)
	within(t, timeout+5*time.Second, "the end of the frozen viewer", func() bool { return d.ended(t, "lockstep") == 1 })
	gone := time.Now()
	time.Sleep(2 * time.Second) // what is measured
	var seen [4][]sighting
	for i, end := range views {
		seen[i] = end()
	}

	const usual = timeout / 4 // longer than a stall of the scheduler
	for i, s := range seen {
		long := gaps(s, usual)
		after := since(s, gone)
		rate := float64(len(after)-1) / after[len(after)-1].at.Sub(after[0].at).Seconds()
		t.Logf("viewer %d: %d pictures, gaps %v, then %.1f a second", i, len(s), long, rate)
		if i < 3 && (len(long) != 1 || long[0] < timeout-usual || long[0] > timeout+usual) {
			t.Errorf("lockstep viewer %d was held up for %v, want once for %v", i, long, timeout)
		}
		if i == 3 && len(long) > 0 {
			t.Errorf("the latest viewer was held up for %v", long)
		}
		if rate < fps*0.75 { // a busy machine takes some; a viewer that still held them up would take nearly all
			t.Errorf("viewer %d gets %.1f pictures a second after it, of %d", i, rate, fps)
		}
	}
	// All have joined when the last one has its first picture.
	joined := seen[2][0].place
	var group [3][]int
	for i := range group {
		begun := false
		for _, s := range seen[i] {
			if begun = begun || s.place == joined; begun {
				group[i] = append(group[i], s.place)
			}
		}
	}
	for i, mine := range group {
		n := min(len(mine), len(group[2]))
		if n < fps || !slices.Equal(mine[:n], group[2][:n]) {
			t.Errorf("viewers %d and 2 of the group did not see the same pictures: %v and %v", i, mine, group[2])
		}
	}
	d.balance(t)
}

// TestFrozenViewerOfAll: a viewer of all frames that stops reading slows the camera for its patience, and is gone.
func TestFrozenViewerOfAll(t *testing.T) {
	t.Parallel()
	const fps, patience = 50, 2 * time.Second
	reel := newReel(t, 500, 20000)
	cam := startHostcam(t, "--usb", "--frames", reel.dir, "--fps", fmt.Sprint(fps))
	d := startDaemon(t, "--port", cam.link, "--all-patience", patience.String())
	d.awaitState(t, ample, "idle")
	latest, err := d.watch(t.Context(), "/stream")
	if err != nil {
		t.Fatal(err)
	}
	view := reel.sightings(t, latest)
	frozen, err := d.watch(t.Context(), "/stream?mode=all")
	if err != nil {
		t.Fatal(err)
	}
	frozen.narrow(t)
	within(t, patience+5*time.Second, "the end of the frozen viewer", func() bool { return d.ended(t, "behind") == 1 })
	gone := time.Now()
	time.Sleep(2 * time.Second) // what is measured
	seen := view()
	after := since(seen, gone)
	rate := float64(len(after)-1) / after[len(after)-1].at.Sub(after[0].at).Seconds()

	const usual = 20 * time.Second / fps // far below what is looked for, and far above what a busy machine does
	var slowed time.Duration
	long := gaps(seen, usual)
	for _, gap := range long {
		slowed += gap
	}
	t.Logf("the camera paused for %v, then sent %.1f pictures a second", long, rate)
	if slowed < patience/4 || slowed > patience+patience/4 {
		t.Errorf("the camera was slowed for %v, want %v at most, and some of it", slowed, patience)
	}
	if rate < fps*0.75 { // a busy machine takes some; a viewer that still held them up would take nearly all
		t.Errorf("%.1f pictures a second after it, of %d", rate, fps)
	}
	if late := gaps(after, usual); len(late) > 0 {
		t.Errorf("the camera paused for %v after the viewer was gone", late)
	}
	d.balance(t)
}
