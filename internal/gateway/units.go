package gateway

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/certificate"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/metrics"
	"github.com/camgw/camgw/internal/web"
)

// plan is all that a configuration comes to, before any of it is in effect.
type plan struct {
	parts  []part
	limits web.Limits
	pair   *certificate.Pair // nil: plain HTTP
	people people

	perimeter web.Perimeter
}

// part is one camera's share of it.
type part struct {
	config   config.Camera
	open     camera.OpenFunc
	settings []camera.Setting
	hook     []string
}

// prepare finds every mistake of a configuration that config cannot know of.
func prepare(cfg config.Config, log *slog.Logger) (plan, error) {
	settings, err := wantedSettings(cfg.Cameras)
	if err != nil {
		return plan{}, err
	}
	mode, err := fanout.ParseMode(cfg.Delivery.Mode)
	if err != nil {
		return plan{}, err
	}
	if err := checkHook(cfg.RecoveryHook); err != nil {
		return plan{}, err
	}
	who, err := readPeople(cfg.Users)
	if err != nil {
		return plan{}, err
	}
	d, b := cfg.Delivery, cfg.Browsing
	p := plan{people: who, perimeter: web.Perimeter{
		Hosts: append(ownNames(), b.Hosts...), Origins: b.CORSOrigins, FrameAncestors: b.FrameAncestors,
		TrustedProxies: b.TrustedProxies, TrustUnix: b.TrustUnix,
	}, limits: web.Limits{
		MaxViewers: cfg.MaxViewers, MaxViewersPerCamera: d.MaxViewersPerCamera, MaxViewersPerAddress: d.MaxViewersPerAddress,
		MaxConnections: cfg.Connections.Max, MaxConnectionsPerAddress: cfg.Connections.PerAddress,
		Mode: mode, MaxFPS: d.MaxFPS, LockstepTimeout: d.LockstepTimeout, AllPatience: d.AllPatience, AllBuffer: d.AllBuffer,
	}}
	if p.pair, err = loadPair(cfg.TLS, log); err != nil {
		return plan{}, err
	}
	files, err := descriptors()
	if err != nil {
		return plan{}, err
	}
	p.limits = withinDescriptors(p.limits, cfg.Cameras, files)
	if p.limits.MaxConnections < p.limits.MaxViewers {
		log.Warn("the limit on open files lets in fewer than may watch", "connections", p.limits.MaxConnections, "max_viewers", p.limits.MaxViewers,
			"try", "LimitNOFILE=65536 in the unit, or ulimit -n")
	}
	for _, cc := range cfg.Cameras {
		open, err := opener(cc, log)
		if err != nil {
			return plan{}, err
		}
		p.parts = append(p.parts, part{cc, open, settings[cc.ID], cfg.RecoveryHook.Argv})
	}
	return p, nil
}

// Check tells whether a gateway could be made of a configuration. It opens nothing.
func Check(cfg config.Config) error {
	_, err := prepare(cfg, slog.New(slog.DiscardHandler))
	return err
}

// ownNames are what this machine is called by others in its network.
func ownNames() []string {
	name, err := os.Hostname()
	if err != nil {
		return nil
	}
	name = strings.ToLower(name)
	short, _, _ := strings.Cut(name, ".")
	return []string{name, short, short + ".local"}
}

func serialPorts(cameras []config.Camera) (n int) {
	for _, c := range cameras {
		if c.Kind == config.Serial {
			n++
		}
	}
	return n
}

// unit is one camera being served. The camera itself may be exchanged for another; the hub, and with it the viewers, stays.
type unit struct {
	config config.Camera
	hub    *fanout.Hub
	now    *atomic.Pointer[attached] // shared with the unit that it takes over from

	// Of the goroutine in gateway.run.
	hook   []string
	cancel context.CancelFunc
	ended  chan struct{} // closed when the camera has ended; nil while it was not started
}

// attached is the camera behind a hub.
type attached struct {
	*camera.Camera
	port string
}

func newUnit(p part, log *slog.Logger) *unit {
	u := &unit{hub: fanout.NewHub(web.Envelope), now: new(atomic.Pointer[attached])}
	u.attach(p, log)
	return u
}

// attach puts a new camera behind the hub.
func (u *unit) attach(p part, log *slog.Logger) {
	u.config, u.hook = p.config, p.hook
	u.now.Store(&attached{camera.New(camera.Options{
		ID: p.config.ID, Port: p.config.Port, Open: p.open, Hub: u.hub, Baud: p.config.Baud, Settings: p.settings, Logger: log,
		Hook: recoveryHook(p.hook, p.config, log),
	}), p.config.Port})
}

// successor is a unit with another camera behind the same hub. It takes u's place; u only has its old camera to end.
func (u *unit) successor(p part, log *slog.Logger) *unit {
	next := &unit{hub: u.hub, now: u.now}
	next.attach(p, log)
	return next
}

// rehook gives the camera the hook of a part that is the same in all else.
func (u *unit) rehook(p part, log *slog.Logger) {
	if !slices.Equal(u.hook, p.hook) {
		u.hook = p.hook
		u.now.Load().SetHook(recoveryHook(p.hook, u.config, log))
	}
}

func (u *unit) start(ctx context.Context) {
	ctx, u.cancel = context.WithCancel(ctx)
	u.ended = make(chan struct{})
	cam := u.now.Load()
	go func() {
		defer close(u.ended)
		_ = cam.Run(ctx) // nil by its contract
	}()
}

// stopped waits for cameras that were told to end, for so long at most.
func stopped(units []*unit, limit time.Duration) bool {
	late := time.NewTimer(limit)
	defer late.Stop()
	for _, u := range units {
		select {
		case <-u.ended:
		case <-late.C:
			return false
		}
	}
	return true
}

// views are the units as the web server needs them.
func views(units []*unit) []web.Camera {
	all := make([]web.Camera, len(units))
	for i, u := range units {
		now := u.now
		all[i] = web.Camera{
			ID: u.config.ID, Hub: u.hub, Controls: controls{now},
			Status: func() web.Status { a := now.Load(); return webStatus(a.port, a.Camera) },
		}
	}
	return all
}

// sources are the cameras there are now, for the metrics.
func (g *gateway) sources() []metrics.Camera {
	units := *g.running.Load()
	all := make([]metrics.Camera, len(units))
	for i, u := range units {
		a := u.now.Load()
		all[i] = metrics.Camera{ID: u.config.ID, Port: a.port, Status: a.Status, Stats: a.Stats, Hub: u.hub.Stats}
	}
	return all
}
