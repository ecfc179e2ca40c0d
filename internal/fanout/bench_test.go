package fanout

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watchers subscribes n viewers that take every frame they can and call took for each; it returns what ends them.
func watchers(hub *Hub, n int, took func()) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range n {
		s := hub.Subscribe(Terms{Transport: MJPEG})
		wg.Go(func() {
			defer s.Close()
			for {
				if _, err := s.Next(ctx, time.Minute); err != nil {
					return
				}
				s.Sent()
				took()
			}
		})
	}
	return func() { stop(); wg.Wait() }
}

var crowds = []int{1, 16, 128, 1024}

// BenchmarkPublish is the time the camera spends in Publish when it publishes as fast as it can.
func BenchmarkPublish(b *testing.B) {
	for _, viewers := range crowds {
		b.Run(fmt.Sprint(viewers), func(b *testing.B) {
			hub := NewHub(nil)
			defer watchers(hub, viewers, func() {})()
			buffer := NewBuffer(0)
			b.ReportAllocs()
			for b.Loop() {
				hub.Publish(NewFrame(buffer, 0))
			}
		})
	}
}

// BenchmarkDelivery is the time from Publish until every viewer has the frame.
func BenchmarkDelivery(b *testing.B) {
	for _, viewers := range crowds {
		b.Run(fmt.Sprint(viewers), func(b *testing.B) {
			hub := NewHub(nil)
			var missing sync.WaitGroup
			defer watchers(hub, viewers, missing.Done)()
			buffer := NewBuffer(0)
			b.ReportAllocs()
			for b.Loop() {
				missing.Add(viewers)
				hub.Publish(NewFrame(buffer, 0))
				missing.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers), "ns/viewer")
		})
	}
}

// What a frame costs in allocations, its delivery to every viewer included, must not grow with their number.
func TestNothingIsAllocatedPerViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		per := map[int]float64{}
		for _, viewers := range []int{0, 1, 256} {
			hub := NewHub(nil)
			end := watchers(hub, viewers, func() {})
			buffer := NewBuffer(0)
			deliver := func() {
				hub.Publish(NewFrame(buffer, 0))
				synctest.Wait()
			}
			deliver() // every viewer has its timer now
			per[viewers] = testing.AllocsPerRun(100, deliver)
			end()
		}
		// The frame and its channel, and some slack for what the runtime itself does meanwhile.
		if per[0] > 3 || per[256] > per[0]+3 {
			t.Errorf("allocations per frame, by viewers: %v", per)
		}
	})
}
