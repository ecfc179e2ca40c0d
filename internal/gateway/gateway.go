// Package gateway is the composition root: it builds cameras, hubs, web
// server and metrics from a configuration, runs them, and ends them in order.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/metrics"
	"github.com/camgw/camgw/internal/serialport"
	"github.com/camgw/camgw/internal/systemd"
	"github.com/camgw/camgw/internal/web"
)

// Options are what a gateway needs beside its configuration.
type Options struct {
	Logger            *slog.Logger // required
	Version, Revision string

	// Ready is called once, when requests are being answered, with the
	// address of the listener. It may be nil.
	Ready func(addr net.Addr)

	// Each value of Reloads lets the configuration that Load then returns replace the present one, or none of it if it
	// cannot; Reloaded, which may be nil, is told when that is done. nil: the configuration stays as it is.
	Reloads  <-chan os.Signal
	Load     func() (config.Config, error)
	Reloaded func(err error)

	// Notifier is told how the gateway is doing; nil: nobody is.
	Notifier *systemd.Notifier

	// Inherited sockets are served in place of the addresses in the configuration. Run closes them.
	Inherited systemd.Listeners
}

// shutdownLimit is when Run gives up waiting for what does not end.
const shutdownLimit = 5 * time.Second

// Run serves until ctx ends. Configuration mistakes (a *config.Error) and a busy listen
// address are errors at once; a missing camera never is.
func Run(ctx context.Context, cfg config.Config, o Options) error {
	defer o.Inherited.Close()
	g, err := build(cfg, o)
	if err != nil {
		return err
	}
	// Before any socket exists.
	if err := serialport.Reserve(serialPorts(cfg.Cameras)); err != nil {
		return err
	}
	on, err := listen(cfg, o.Inherited)
	if err != nil {
		return err
	}
	return g.run(ctx, on, o)
}

// gateway is everything that runs.
type gateway struct {
	log    *slog.Logger
	server *web.Server
	keeper *access.Keeper
	loads  loads // has its own lock, like the next
	met    loads // of the file of users
	config config.Config

	// Of the goroutine in run.
	units  []*unit
	ctx    context.Context // of the cameras; nil before they run
	people people

	running atomic.Pointer[[]*unit] // units, for those who only look
}

func build(cfg config.Config, o Options) (*gateway, error) {
	g := &gateway{log: o.Logger, config: cfg, keeper: access.New(access.Options{Logger: o.Logger, Session: cfg.Session})}
	p, err := prepare(cfg, o.Logger)
	if err != nil {
		return nil, err
	}
	for _, one := range p.parts {
		g.units = append(g.units, newUnit(one, o.Logger))
	}
	units := g.units // of the first configuration; g.units itself is not for others to read
	g.running.Store(&units)
	g.loads.done(nil, time.Now())
	g.met.done(nil, time.Now())
	// The server's own counters are among the sources of the handler it serves.
	var server *web.Server
	registry := metrics.NewRegistry(metrics.Sources{
		Cameras:     g.sources,
		Web:         func() web.Stats { return server.Stats() },
		Config:      g.loads.stats,
		Access:      g.keeper.Stats,
		Users:       g.met.stats,
		Certificate: certificateStats(p.pair),
		Version:     o.Version, Revision: o.Revision,
	})
	var secure *tls.Config
	if p.pair != nil {
		secure = p.pair.Config()
	}
	server = web.New(web.Options{
		TLS:     secure,
		Cameras: views(g.units), Logger: o.Logger, Metrics: metrics.NewHandler(registry),
		Version: o.Version, AllowGetControl: cfg.AllowGetControl, Limits: p.limits,
		Perimeter: p.perimeter, Access: g.keeper,
	})
	g.server = server
	g.meet(p.people)
	return g, nil
}

// run starts everything and ends it in this order: viewers first, so that they get whole
// pictures to the last; then cameras, which tell their devices good-bye and close their ports.
func (g *gateway) run(ctx context.Context, on systemd.Listeners, o Options) error {
	serverCtx, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()
	cameraCtx, stopCameras := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCameras()

	g.ctx = cameraCtx
	for _, u := range g.units {
		u.start(g.ctx)
	}
	serving := len(on.HTTP) + len(on.Streams)
	served := make(chan error, serving)
	for _, l := range on.HTTP {
		go func() { served <- g.server.Serve(serverCtx, l) }()
	}
	for _, l := range on.Streams {
		go func() { served <- g.server.ServeStreamOnly(serverCtx, l) }()
		g.log.Info("serving /stream alone", "address", l.Addr().String())
	}

	for _, l := range on.HTTP {
		g.log.Info("serving", "address", l.Addr().String(), "cameras", len(g.units), "tls", g.config.TLS.Enabled() && l.Addr().Network() != "unix")
	}
	if o.Ready != nil {
		o.Ready(on.HTTP[0].Addr())
	}
	o.Notifier.Ready()
	stopSupervising := g.supervise(ctx, o.Notifier)

	looks := time.NewTicker(meetEvery)
	defer looks.Stop()
	var failure error
	for running := true; running; {
		select {
		case <-ctx.Done():
			g.log.Info("shutting down", "cause", context.Cause(ctx).Error())
			running = false
		case failure = <-served:
			serving--
			running = false
		case <-looks.C:
			g.meetAgain()
		case <-o.Reloads:
			err := o.Notifier.Reload(func() error { return g.reload(o) })
			if o.Reloaded != nil {
				o.Reloaded(err)
			}
		}
	}
	stopSupervising()
	o.Notifier.Stopping()
	stopServer()
	for range serving {
		failure = errors.Join(failure, <-served) // bounded by Serve
	}
	stopCameras()
	if !stopped(g.units, shutdownLimit) {
		return errors.Join(failure, errors.New("shutdown: a camera did not end in time"))
	}
	return failure
}
