package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manyCameras is how many one daemon serves. Each has a line of its own at 3 Mbaud and sends 250 kB/s of pictures over it. The
// race detector's build of the daemon carries them with two thirds of a core.
const (
	manyCameras = 16
	manyFPS     = 25
	manySize    = 10000
)

// fleet is many devices behind one daemon.
type fleet struct {
	cams  []*hostcam
	album *album
}

func startFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{album: newAlbum(t, 20, 320, 240, manySize)}
	for range n {
		f.cams = append(f.cams, startHostcam(t, "--frames", f.album.dir, "--fps", fmt.Sprint(manyFPS)))
	}
	return f
}

// serve starts a daemon for the first n devices, and waits until it has linked with them.
func (f *fleet) serve(t *testing.T, n int) *daemon {
	t.Helper()
	var args []string
	for i, cam := range f.cams[:n] {
		args = append(args, "--port", fmt.Sprintf("c%d=%s", i, cam.link))
	}
	d := startDaemon(t, args...)
	within(t, ample, "every camera to be linked at 3 Mbaud", func() bool {
		for _, c := range d.cameras(t) {
			if c.State != "idle" || c.Baud != 3000000 {
				return false
			}
		}
		return true
	})
	return d
}

// cameras is the status of every camera, in the order of the flags.
func (d *daemon) cameras(t testing.TB) []cameraStatus {
	t.Helper()
	var list struct{ Cameras []cameraStatus }
	if err := json.Unmarshal(d.get(t, "/api/v1/cameras"), &list); err != nil {
		t.Fatal(err)
	}
	return list.Cameras
}

// harm sums up what a camera's line has done to its bytes, by the daemon's counters: junk, packets that failed a check, and
// packets missing.
func (d *daemon) harm(t testing.TB, camera int) (sum float64) {
	t.Helper()
	label := fmt.Sprintf(`camera="c%d"`, camera)
	for line := range strings.Lines(string(d.get(t, "/metrics"))) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, labels, _ := strings.Cut(series, "{")
		switch name {
		case "camgw_serial_discarded_bytes_total", "camgw_link_packet_errors_total", "camgw_link_packets_lost_total":
			if strings.Contains(labels, label) {
				n, err := strconv.ParseFloat(value, 64)
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
		}
	}
	return sum
}

// crowd is one viewer per camera.
type crowd struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
	times  [][]time.Time // when the pictures came, per camera
}

func (f *fleet) watch(t *testing.T, d *daemon, n int) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &crowd{cancel: cancel, times: make([][]time.Time, n)}
	for i := range n {
		v, err := d.watch(ctx, fmt.Sprintf("/cam/c%d/stream.mjpg", i))
		if err != nil {
			t.Fatal(err)
		}
		c.wg.Go(func() {
			var last time.Time
			for {
				p, err := v.next(10 * time.Second)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil:
					t.Errorf("the viewer of camera %d was dropped: %v", i, err)
					return
				case p.taken != last && f.album.known[sha256.Sum256(p.jpeg)]: // else it is a repeat, or a no-signal picture
					last = p.taken
					c.times[i] = append(c.times[i], p.at)
				}
			}
		})
	}
	return c
}

// end closes the viewers and returns when each had its pictures.
func (c *crowd) end() [][]time.Time {
	c.cancel()
	c.wg.Wait()
	return c.times
}

// cpu is the processor time that a process has used.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// account is what has become of a camera's pictures and bytes so far.
type account struct {
	sent, refused uint64  // by the device: pictures, and bytes that nobody took
	harm          float64 // see [daemon.harm]
	received      uint64
}

// accounts reads both ends of every line from the first on, when nothing is on its way.
func (f *fleet) accounts(t *testing.T, d *daemon, first int) []account {
	t.Helper()
	all := make([]account, len(f.cams))
	said := make([]float64, len(f.cams))
	for i, cam := range f.cams {
		said[i] = cam.read(t).Uptime
	}
	for i, cam := range f.cams[first:] {
		i += first
		var h hostcamStats
		within(t, ample, "a report of the device", func() bool { h = cam.read(t); return h.Uptime > said[i] && !h.Awake })
		all[i] = account{h.Sent, h.BytesLost, d.harm(t, i), d.cameras(t)[i].Frames.Received}
	}
	return all
}

// unharmed fails the test unless all that the cameras from the first on have sent since then has arrived.
func (f *fleet) unharmed(t *testing.T, d *daemon, first int, then []account) {
	t.Helper()
	now := f.accounts(t, d, first)
	for i := first; i < len(now); i++ {
		a, b := then[i], now[i]
		if b.refused != a.refused || b.harm != a.harm || b.sent-a.sent != b.received-a.received || b.sent == a.sent {
			t.Errorf("camera %d: %d pictures sent and %d received; %d bytes lost before the daemon, %v harmed",
				i, b.sent-a.sent, b.received-a.received, b.refused-a.refused, b.harm-a.harm)
		}
	}
}

// measure lets one viewer per camera watch, and returns the processor time that the daemon spends on a picture.
func (f *fleet) measure(t *testing.T, d *daemon, n int, length time.Duration) (perPicture time.Duration) {
	t.Helper()
	c := f.watch(t, d, n)
	time.Sleep(time.Second) // until all flow
	pictures, before := d.metric(t, "camgw_frames_published_total"), d.cpu(t)
	time.Sleep(length)
	pictures = d.metric(t, "camgw_frames_published_total") - pictures
	perPicture = time.Duration(float64(d.cpu(t)-before) / pictures)
	c.end()
	t.Logf("%d cameras: %.0f pictures in %v, %v of processor each", n, pictures, length, perPicture)
	if want := float64(n) * manyFPS * length.Seconds(); pictures < 0.95*want {
		t.Errorf("%d cameras gave %.0f pictures in %v, want %.0f", n, pictures, length, want)
	}
	return perPicture
}

// TestManyCameras: sixteen cameras in one daemon lose not a byte, each costs what one of four costs, and the trouble of
// some is not the trouble of the others.
func TestManyCameras(t *testing.T) {
	f := startFleet(t, manyCameras)
	d := f.serve(t, 4)
	few := f.measure(t, d, 4, 5*time.Second)
	d.kill(os.Interrupt)

	d = f.serve(t, manyCameras)
	then := f.accounts(t, d, 0)
	many := f.measure(t, d, manyCameras, 8*time.Second)
	f.unharmed(t, d, 0, then)
	if many > few*3/2 {
		t.Errorf("a picture costs %v with %d cameras and %v with 4", many, manyCameras, few)
	}

	const (
		killed, stopped, noisy = 0, 1, 2
		good                   = 3 // from here on
		length                 = 6 * time.Second
	)
	then = f.accounts(t, d, good)
	crowd := f.watch(t, d, manyCameras)
	time.Sleep(time.Second) // until all flow
	begin := time.Now()
	f.cams[killed].kill(syscall.SIGKILL)
	os.Remove(f.cams[killed].link) // a killed process leaves it, udev would not
	if err := f.cams[stopped].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.cams[noisy].kill(os.Interrupt)
	f.cams[noisy].args = append(f.cams[noisy].args, "--noise", "--flip", "1e-4")
	f.cams[noisy].start(t)
	time.Sleep(length / 3)
	f.cams[killed].start(t)
	if err := f.cams[stopped].cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(length * 2 / 3)
	bad := d.harm(t, noisy)
	seen := crowd.end()
	f.unharmed(t, d, good, then)
	d.balance(t)

	if f.cams[noisy].read(t).Flips == 0 || bad == 0 {
		t.Error("the noisy line did no harm: nothing was put to the test")
	}
	end := begin.Add(length)
	for i, times := range seen {
		times = slices.DeleteFunc(times, func(at time.Time) bool { return at.Before(begin) || at.After(end) })
		last, longest := begin, time.Duration(0)
		for _, at := range append(times, end) {
			last, longest = at, max(longest, at.Sub(last))
		}
		t.Logf("camera %d: %d pictures in %v, longest wait %v", i, len(times), length, longest)
		switch {
		case i == killed || i == stopped:
			if longest < length/4 || len(times) < manyFPS {
				t.Errorf("camera %d: the trouble was no trouble, or did not end", i)
			}
		case i >= good:
			// The others' troubles last for two seconds; a busy machine's do not last so long.
			if float64(len(times)) < 0.95*manyFPS*length.Seconds() || longest > length/6 {
				t.Errorf("camera %d felt the trouble of the others: %d pictures, longest wait %v", i, len(times), longest)
			}
		}
	}
}
