package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/systemd"
)

// lookEvery is how often the gateway looks after itself, at least. A watchdog in a hurry is served sooner.
const lookEvery = 2 * time.Second

// supervise tells n how the gateway is doing until stop is called, which waits for it.
func (g *gateway) supervise(ctx context.Context, n *systemd.Notifier) (stop func()) {
	if n == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.look(ctx, n)
	}()
	return func() {
		cancel()
		// Not for ever: what hangs must not keep the gateway from ending.
		select {
		case <-ended:
		case <-time.After(lookEvery):
		}
	}
}

// look feeds the watchdog while everything makes progress, and keeps the status current.
func (g *gateway) look(ctx context.Context, n *systemd.Notifier) {
	every, limit, patience := lookEvery, n.Watchdog(), 15*time.Second
	if limit > 0 {
		every, patience = min(every, limit/4), limit/2
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var progress systemd.Progress
	fed, complained := time.Now(), false
	for {
		waiting := progress.Look(g.pulses())
		switch {
		case waiting == nil:
			if limit > 0 {
				n.Feed()
			}
			if complained {
				g.log.Info("everything makes progress again")
			}
			fed, complained = time.Now(), false
		case !complained && time.Since(fed) >= patience:
			g.log.Error("no progress; a watchdog is not fed until there is", "waiting_for", strings.Join(waiting, ", "), "since", fed)
			complained = true
		}
		status := g.headline()
		if complained {
			status += "; no progress: " + strings.Join(waiting, ", ")
		}
		n.Status(status)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pulses are the signs of life of every goroutine that pictures pass through.
func (g *gateway) pulses() []systemd.Pulse {
	var all []systemd.Pulse
	for _, u := range *g.running.Load() {
		turns, resting := u.hub.Pulse()
		all = append(all,
			systemd.Pulse{Name: "camera " + u.config.ID, Beats: u.now.Load().Camera.Beats()},
			systemd.Pulse{Name: "viewers of " + u.config.ID, Beats: turns, Resting: resting})
	}
	return all
}

// headline is what systemctl status shows.
func (g *gateway) headline() string {
	linked, viewers := 0, 0
	units := *g.running.Load()
	for _, u := range units {
		switch u.now.Load().Camera.Status().State {
		case camera.Streaming, camera.Idle:
			linked++
		}
		viewers += u.hub.Viewers()
	}
	s := fmt.Sprintf("%d of %d cameras linked, %d viewers", linked, len(units), viewers)
	return strings.Replace(s, " 1 viewers", " 1 viewer", 1)
}
