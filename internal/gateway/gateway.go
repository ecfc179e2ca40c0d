// Package gateway is the composition root: it builds cameras, hubs, web
// server and metrics from a configuration, runs them, and ends them in order.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/metrics"
	"github.com/camgw/camgw/internal/serialport"
	"github.com/camgw/camgw/internal/web"
)

// Options are what a gateway needs beside its configuration.
type Options struct {
	Logger            *slog.Logger // required
	Version, Revision string

	// Ready is called once, when requests are being answered, with the
	// address of the listener. It may be nil.
	Ready func(addr net.Addr)
}

// shutdownLimit is when Run gives up waiting for what does not end.
const shutdownLimit = 5 * time.Second

// Run serves until ctx ends. Configuration mistakes (a *config.Error) and a busy listen
// address are errors at once; a missing camera never is.
func Run(ctx context.Context, cfg config.Config, o Options) error {
	g, err := build(cfg, o)
	if err != nil {
		return err
	}
	// Before any socket exists.
	if err := serialport.Reserve(g.serialPorts); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return listenError("--listen", cfg.Listen, err)
	}
	var streams net.Listener
	if cfg.StreamListen != "" {
		if streams, err = net.Listen("tcp", cfg.StreamListen); err != nil {
			return errors.Join(listenError("--webserver-stream-listen", cfg.StreamListen, err), listener.Close())
		}
	}
	return g.run(ctx, listener, streams, o)
}

func listenError(flag, addr string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	text := strings.TrimPrefix(err.Error(), "bind: ")
	return fmt.Errorf("listen on %s: %s; try: another address with %s, or find who has it with: ss -ltnp", addr, text, flag)
}

// gateway is everything that runs.
type gateway struct {
	log         *slog.Logger
	cameras     []*camera.Camera
	server      *web.Server
	serialPorts int
}

func build(cfg config.Config, o Options) (*gateway, error) {
	g := &gateway{log: o.Logger}
	var (
		views   []web.Camera
		sources []metrics.Camera
	)
	settings, err := wantedSettings(cfg.Cameras)
	if err != nil {
		return nil, err
	}
	for _, cc := range cfg.Cameras {
		open, err := opener(cc, o.Logger)
		if err != nil {
			return nil, err
		}
		if cc.Kind == config.Serial {
			g.serialPorts++
		}
		hub := fanout.NewHub(web.Envelope)
		cam := camera.New(camera.Options{
			ID: cc.ID, Port: cc.Port, Open: open, Hub: hub, Baud: cc.Baud, Settings: settings[cc.ID], Logger: o.Logger,
		})
		g.cameras = append(g.cameras, cam)
		views = append(views, web.Camera{
			ID: cc.ID, Hub: hub, Controls: controls{cam},
			Status: func() web.Status { return webStatus(cc.Port, cam) },
		})
		sources = append(sources, metrics.Camera{ID: cc.ID, Port: cc.Port, Status: cam.Status, Stats: cam.Stats, Hub: hub.Stats})
	}
	mode, err := fanout.ParseMode(cmp.Or(cfg.Delivery.Mode, config.DefaultMode))
	if err != nil {
		return nil, err
	}
	// The server's own counters are among the sources of the handler it serves.
	var server *web.Server
	registry := metrics.NewRegistry(metrics.Sources{
		Cameras: func() []metrics.Camera { return sources },
		Web:     func() web.Stats { return server.Stats() },
		Version: o.Version, Revision: o.Revision,
	})
	server = web.New(web.Options{
		Cameras: views, Logger: o.Logger, Metrics: metrics.NewHandler(registry),
		Version: o.Version, MaxViewers: cfg.MaxViewers, AllowGetControl: cfg.AllowGetControl,
		MaxViewersPerCamera: cfg.Delivery.MaxViewersPerCamera, MaxViewersPerAddress: cfg.Delivery.MaxViewersPerAddress,
		Mode: mode, MaxFPS: cfg.Delivery.MaxFPS, LockstepTimeout: cfg.Delivery.LockstepTimeout,
		AllPatience: cfg.Delivery.AllPatience, AllBuffer: cfg.Delivery.AllBuffer,
	})
	g.server = server
	return g, nil
}

// run starts everything and ends it in this order: viewers first, so that they get whole
// pictures to the last; then cameras, which tell their devices good-bye and close their ports. streams may be nil.
func (g *gateway) run(ctx context.Context, listener, streams net.Listener, o Options) error {
	serverCtx, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()
	cameraCtx, stopCameras := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCameras()

	var cameras sync.WaitGroup
	for _, cam := range g.cameras {
		cameras.Go(func() {
			_ = cam.Run(cameraCtx) // nil by its contract
		})
	}
	serving := 1
	served := make(chan error, 2)
	go func() { served <- g.server.Serve(serverCtx, listener) }()
	if streams != nil {
		serving++
		go func() { served <- g.server.ServeStreamOnly(serverCtx, streams) }()
		g.log.Info("serving /stream alone", "address", streams.Addr().String())
	}

	g.log.Info("serving", "address", listener.Addr().String(), "cameras", len(g.cameras))
	if o.Ready != nil {
		o.Ready(listener.Addr())
	}

	var failure error
	select {
	case <-ctx.Done():
		g.log.Info("shutting down", "cause", context.Cause(ctx).Error())
	case failure = <-served:
		serving--
	}
	stopServer()
	for range serving {
		failure = errors.Join(failure, <-served) // bounded by Serve
	}
	stopCameras()
	ended := make(chan struct{})
	go func() { cameras.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(shutdownLimit):
		return errors.Join(failure, errors.New("shutdown: a camera did not end in time"))
	}
	return failure
}
