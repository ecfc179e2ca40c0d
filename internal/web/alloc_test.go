package web

import (
	"maps"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// A frame's way to real sockets must not cost memory for each viewer: neither by write(2), in the stream's usual dialect or in
// another, nor by sendfile(2). What it costs once, whoever watches, is not looked at here.
func TestDeliveryOverTCPAllocatesNothingPerViewer(t *testing.T) {
	const few, many = 1, 50
	for _, tt := range []struct {
		name, target, boundary string
		size                   int
	}{
		{"write", "/stream", boundary, stageLeast - 2000},
		{"write of another dialect", "/?action=stream", streamerBoundary, stageLeast - 2000},
		{"sendfile", "/stream", boundary, 21000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			perFrame := map[int]float64{}
			before := stageFiles(t)
			for _, viewers := range []int{few, many} {
				perFrame[viewers] = deliveryMallocs(t, viewers, tt.target, tt.boundary, tt.size)
			}
			per := (perFrame[many] - perFrame[few]) / (many - few)
			t.Logf("%.1f allocations per frame with %d viewer, %.1f with %d", perFrame[few], few, perFrame[many], many)
			// The runtime's own, such as the timers of its scavenger, are among them.
			if per > 0.02 {
				t.Errorf("%.3f allocations per viewer and frame", per)
			}
			after := stageFiles(t)
			maps.DeleteFunc(after, func(file uint64, _ bool) bool { return before[file] })
			if used := len(after) > 0; used != (tt.size >= stageLeast) {
				t.Errorf("the frames went through a file: %v", used)
			}
		})
	}
}

// deliveryMallocs is how many allocations of this process a frame costs in the steady state, with so many viewers who read at once.
func deliveryMallocs(t *testing.T, viewers int, target, boundary string, size int) float64 {
	hub := fanout.NewHub(Envelope)
	address := newLoopback(t, New(Options{Perimeter: testPerimeter,
		RepeatAfter: time.Hour, // a repeat would be taken for a frame
		Cameras:     []Camera{{ID: "cam", Hub: hub, Status: func() Status { return Status{State: Streaming} }}},
	}))
	picture := make([]byte, size)
	var got sync.WaitGroup
	audience(t, hub, address, target, boundary, viewers, &got)
	var wanted uint64
	deliver := func(frames int) {
		for range frames {
			got.Add(viewers)
			wanted += uint64(viewers)
			hub.Publish(newFrame(picture, 640, 480))
			got.Wait()
			// A reader may have the last byte before the pump has taken note: the next frame would find its viewer busy.
			for hub.Stats().Transports[fanout.MJPEG].Sent < wanted {
				runtime.Gosched()
			}
		}
	}
	deliver(50) // until everything that grows has grown
	var before, after runtime.MemStats
	const frames = 200
	runtime.ReadMemStats(&before)
	deliver(frames)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / frames
}

// stageFiles are the files in memory that this process has open for parts, by their inodes.
func stageFiles(t *testing.T) map[uint64]bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[uint64]bool)
	for _, e := range entries {
		name := "/proc/self/fd/" + e.Name()
		link, err := os.Readlink(name)
		if err != nil || !strings.Contains(link, "camgw-part") {
			continue // the folder's own descriptor is closed again
		}
		if info, err := os.Stat(name); err == nil {
			found[info.Sys().(*syscall.Stat_t).Ino] = true
		}
	}
	return found
}
