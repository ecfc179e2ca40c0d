package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// tenViewers is how many watch at once.
const tenViewers = 10

// TestManyViewers: ten viewers, of which ffmpeg, curl and Chromium are three,
// each get every picture the wire carries, byte for byte.
func TestManyViewers(t *testing.T) {
	album := newAlbum(t, 30, 320, 240, 12000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "15")
	d := startDaemon(t, "--port", cam.link)
	d.awaitState(t, 5*time.Second, "idle")

	const seconds = 8
	ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
	defer cancel()
	var tools sync.WaitGroup
	tools.Go(func() { ffmpegWatches(t, d, album, seconds*15*6/10) })
	tools.Go(func() { curlWatches(t, d, album, seconds) })

	var wg sync.WaitGroup
	counts := make([]int, tenViewers-3)
	for i := range counts {
		wg.Go(func() {
			v, err := d.watch(ctx, []string{"/cam/cam1/stream.mjpg", "/stream", "/mjpeg/1", "/?action=stream&dummy=1"}[i%3])
			if err != nil {
				t.Errorf("viewer %d: %v", i, err)
				return
			}
			for ctx.Err() == nil {
				p, err := v.next(3 * time.Second)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("viewer %d: %v", i, err)
					}
					return
				}
				if !album.known[sha256.Sum256(p.jpeg)] {
					t.Errorf("viewer %d: a picture of %d bytes that the camera never had", i, len(p.jpeg))
					return
				}
				counts[i]++
			}
		})
	}
	chromiumWatches(t, d)
	wg.Wait()
	tools.Wait()
	for i, n := range counts {
		// 12 kB at 15 fps is 60 % of 3 Mbaud: nothing may be lost on the way.
		if n < seconds*15*9/10 {
			t.Errorf("viewer %d got %d pictures in %d s at 15 fps", i, n, seconds)
		}
	}
	t.Logf("pictures per viewer in %d s: %v", seconds, counts)
	d.balance(t)
}

func ffmpegWatches(t *testing.T, d *daemon, a *album, frames int) {
	dir, err := os.MkdirTemp(a.dir, "ffmpeg")
	if err != nil {
		t.Error(err)
		return
	}
	cmd := exec.Command("timeout", "30", "ffmpeg", "-v", "error", "-f", "mpjpeg", "-i", d.url+"/cam/cam1/stream.mjpg",
		"-frames:v", fmt.Sprint(frames), "-c", "copy", "-f", "image2", filepath.Join(dir, "%04d.jpg"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ffmpeg: %v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil || len(files) != frames {
		t.Errorf("ffmpeg wrote %d pictures of %d: %v", len(files), frames, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil || !a.known[sha256.Sum256(b)] {
			t.Errorf("ffmpeg: %s is none of the camera's pictures: %v", name, err)
			return
		}
	}
}

func curlWatches(t *testing.T, d *daemon, a *album, seconds int) {
	out, err := exec.Command("curl", "-s", "--max-time", fmt.Sprint(seconds), d.url+"/stream").Output()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 28 { // 28: its time was up
		t.Errorf("curl: %v", err)
	}
	n := bytes.Count(out, []byte("--camgw\r\n"))
	if n < seconds*15*9/10 {
		t.Errorf("curl got %d pictures in %d s at 15 fps", n, seconds)
	}
}

// chromiumWatches looks at the page and waits for pictures in it: the noise of the album is nowhere else.
func chromiumWatches(t *testing.T, d *daemon) {
	p := openPage(t, startBrowser(t), d, "/", desk)
	p.await(20*time.Second, "a picture of noise on the page", `(() => {
		const shown = probe.canvas("cam1");
		if (!shown?.width) return false;
		const copy = new OffscreenCanvas(shown.width, shown.height).getContext("2d");
		copy.drawImage(shown, 0, 0);
		const { data } = copy.getImageData(0, 0, shown.width, shown.height), greys = new Set();
		for (let i = 0; i < data.length; i += 4) if (data[i] === data[i + 1] && data[i] === data[i + 2]) greys.add(data[i]);
		return greys.size >= 100;
	})()`)
	p.call("Page.navigate", map[string]any{"url": "about:blank"}, nil) // one viewer less for the account at the end
}

// TestRates: both ends use the rate they negotiated, and find the best that works.
func TestRates(t *testing.T) {
	album := newAlbum(t, 5, 160, 120, 4000)
	for _, tt := range []struct {
		name  string
		cam   []string
		serve []string
		want  func(baud int) bool
	}{
		{"default", nil, nil, func(b int) bool { return b == 3000000 }},
		{"garbled above 1 M", []string{"--garble-above", "1000000"}, nil, func(b int) bool { return b <= 1000000 && b > 0 }},
		{"device up to 2 M", []string{"--baud-max", "2000000"}, nil, func(b int) bool { return b == 2000000 }},
		{"forced", nil, []string{"--baud", "921600"}, func(b int) bool { return b == 921600 }},
		{"usb", []string{"--usb"}, nil, func(b int) bool { return b == 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cam := startHostcam(t, append([]string{"--frames", album.dir, "--fps", "10"}, tt.cam...)...)
			begin := time.Now()
			d := startDaemon(t, append([]string{"--port", cam.link}, tt.serve...)...)
			v, err := d.watch(t.Context(), "/stream")
			if err != nil {
				t.Fatal(err)
			}
			for n := 0; n < 5; {
				p, err := v.next(10 * time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if album.known[sha256.Sum256(p.jpeg)] {
					n++
				}
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("five pictures after %v", took)
			}
			s := d.status(t)
			if !tt.want(s.Baud) {
				t.Errorf("the daemon uses %d baud", s.Baud)
			}
			within(t, 3*time.Second, "the device to tell the same rate", func() bool {
				h := cam.read(t)
				return h.BaudNow == s.Baud && (s.Baud == 0 || h.Host == s.Baud)
			})
			d.kill(os.Interrupt)
		})
	}
}

// TestThroughput: at 2 Mbaud 25 kB pictures arrive at 98 % or more of what 8N1
// and the protocol's own overhead allow.
func TestThroughput(t *testing.T) {
	album := newAlbum(t, 10, 640, 480, 25000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "30", "--baud-max", "2000000")
	d := startDaemon(t, "--port", cam.link)
	v, err := d.watch(t.Context(), "/stream")
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // until the rate is agreed and the line is full
		if _, err := v.next(5 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	const seconds = 10
	var wire int
	begin := time.Now()
	frames := 0
	for time.Since(begin) < seconds*time.Second {
		p, err := v.next(5 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		frames++
		wire += onTheWire(len(p.jpeg), 2000000)
	}
	possible := 200000 * time.Since(begin).Seconds()
	share := float64(wire) / possible
	t.Logf("%d pictures, %.1f fps, %.1f %% of the line", frames, float64(frames)/time.Since(begin).Seconds(), 100*share)
	if share < 0.98 || share > 1.01 {
		t.Errorf("%.1f %% of the line is used, want 98 %% or more", 100*share)
	}
}

// onTheWire is how many bytes a picture takes with its packets (docs/protocol.md, sections 1 and 4).
func onTheWire(size, baud int) int {
	const header, crc, begin, offset = 12, 4, 32, 4
	chunk := camlink.ChunkSize(baud)
	chunks := (size + chunk - 1) / chunk
	return header + begin + crc + chunks*(header+offset+crc) + size
}

// TestFirstPictureAfterIdle: the first viewer sees a fresh picture in under a
// second at 2 Mbaud, and so does a snapshot.
func TestFirstPictureAfterIdle(t *testing.T) {
	album := newAlbum(t, 10, 640, 480, 25000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "10", "--baud-max", "2000000")
	d := startDaemon(t, "--port", cam.link)
	d.awaitState(t, 5*time.Second, "idle")
	for round := range 3 {
		within(t, 5*time.Second, "the sensor to rest", func() bool {
			age := d.status(t).Age
			return (age == nil || *age > 2) && !cam.read(t).Awake
		})
		begin := time.Now()
		if round == 2 {
			d.get(t, "/snapshot.jpg")
		} else {
			ctx, cancel := context.WithCancel(t.Context())
			v, err := d.watch(ctx, "/stream")
			if err != nil {
				t.Fatal(err)
			}
			p, err := v.next(2 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if !album.known[sha256.Sum256(p.jpeg)] {
				t.Error("the first picture is none of the camera's")
			}
			cancel()
		}
		took := time.Since(begin)
		t.Logf("first picture after %v", took)
		if took > time.Second {
			t.Errorf("first picture after %v", took)
		}
	}
}
