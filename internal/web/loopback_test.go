package web

import (
	"context"
	"net"
	"testing"
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
