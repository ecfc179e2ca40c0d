package chaos

import (
	"context"
	"sync"
)

// gate is what passing viewers come in by. While it is shut nobody does, and those inside are sent away.
type gate struct {
	inside sync.WaitGroup

	mu     sync.Mutex
	opened chan struct{} // closed while the gate is open
	ctx    context.Context
	cancel context.CancelFunc // nil while it is shut
}

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) open(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ctx, g.cancel = context.WithCancel(ctx)
	close(g.opened)
}

// shut sends everybody away and waits until they have left.
func (g *gate) shut() {
	g.mu.Lock()
	if g.cancel != nil {
		g.cancel()
		g.cancel = nil
		g.opened = make(chan struct{})
	}
	g.mu.Unlock()
	g.inside.Wait()
}

// enter waits for the gate to be open. Who came in leaves when inside ends, and says so by left. It fails when ctx ends.
func (g *gate) enter(ctx context.Context) (inside context.Context, left func(), err error) {
	for ctx.Err() == nil {
		g.mu.Lock()
		opened := g.opened
		if g.cancel != nil {
			g.inside.Add(1)
			defer g.mu.Unlock()
			return g.ctx, g.inside.Done, nil
		}
		g.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-opened:
		}
	}
	return nil, nil, context.Cause(ctx)
}
