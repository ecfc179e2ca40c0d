package web

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// newLoopback serves s on a port of the loopback interface until the test or benchmark ends.
func newLoopback(tb testing.TB, s *Server) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// BenchmarkWrite is the time from publishing a 21 kB picture until every viewer on the loopback interface has read it.
func BenchmarkWrite(b *testing.B) {
	picture := testJPEG(640, 480, 1)
	picture = append(picture, make([]byte, max(0, 21000-len(picture)))...)[:21000]
	for _, viewers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(viewers), func(b *testing.B) {
			hub := fanout.NewHub(Envelope)
			s := New(Options{Perimeter: testPerimeter,
				RepeatAfter: time.Hour, // a repeat would be taken for a frame
				Cameras:     []Camera{{ID: "cam", Hub: hub, Status: func() Status { return Status{State: Streaming} }}},
			})
			server := newLoopback(b, s)
			var got sync.WaitGroup
			audience(b, hub, server, "/stream", boundary, viewers, &got)
			b.SetBytes(int64(viewers * len(picture)))
			b.ReportAllocs()
			for b.Loop() {
				got.Add(viewers)
				hub.Publish(newFrame(picture, 640, 480))
				got.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers), "ns/frame")
		})
	}
}
