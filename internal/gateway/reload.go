package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/metrics"
	"github.com/camgw/camgw/internal/serialport"
)

// loads remembers what became of the configuration.
type loads struct {
	mu   sync.Mutex
	last metrics.Config
}

func (l *loads) done(err error, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last.Successful = err == nil; err == nil {
		l.last.Loaded = now
	}
}

func (l *loads) stats() metrics.Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// reload puts the configuration that o.Load returns into effect, or nothing of it. It is called by the goroutine in run.
func (g *gateway) reload(o Options) error {
	next, err := o.Load()
	var p plan
	if err == nil {
		p, err = prepare(next, g.log)
	}
	if err == nil {
		err = fixed(g.config, next)
	}
	if err == nil {
		err = serialport.Reserve(serialPorts(next.Cameras))
	}
	g.loads.done(err, time.Now())
	if err != nil {
		for _, one := range each(err) {
			g.log.Error("configuration not reloaded: all stays as it was", "error", one)
		}
		return err
	}
	// From here on nothing can fail.
	g.exchange(p)
	g.server.Limit(p.limits)
	g.server.SetPerimeter(p.perimeter)
	g.keeper.Sessions(next.Session)
	g.met.done(nil, time.Now())
	g.meet(p.people)
	g.config = next
	return nil
}

// exchange makes the cameras those of the plan. Who is in both, and the same, notices nothing.
func (g *gateway) exchange(p plan) {
	var (
		units, leaving, coming          []*unit
		added, changed, removed, stayed []string
	)
	for _, one := range p.parts {
		id := one.config.ID
		i := slices.IndexFunc(g.units, func(u *unit) bool { return u.config.ID == id })
		switch {
		case i < 0:
			u := newUnit(one, g.log)
			units, coming, added = append(units, u), append(coming, u), append(added, id)
		case g.units[i].config.Same(one.config):
			g.units[i].rehook(one, g.log)
			units, stayed = append(units, g.units[i]), append(stayed, id)
		default:
			u := g.units[i].successor(one, g.log)
			leaving = append(leaving, g.units[i])
			units, coming, changed = append(units, u), append(coming, u), append(changed, id)
		}
	}
	for _, u := range g.units {
		if !slices.ContainsFunc(p.parts, func(one part) bool { return one.config.ID == u.config.ID }) {
			leaving, removed = append(leaving, u), append(removed, u.config.ID)
		}
	}
	// Viewers first: those of a removed camera end while it still gives pictures.
	g.units = units
	g.running.Store(&units)
	g.server.SetCameras(views(units))
	// Then all who leave, before anybody comes: a port may pass from one to another.
	for _, u := range leaving {
		u.cancel()
	}
	if !stopped(leaving, shutdownLimit) {
		g.log.Error("a camera did not end in time; its port may stay busy")
	}
	for _, u := range coming {
		u.start(g.ctx)
	}
	g.log.Info("configuration reloaded", "added", added, "changed", changed, "removed", removed, "unchanged", stayed)
}

// fixed tells what cannot change while the daemon runs: a configuration is in effect as a whole, or not at all.
func fixed(now, next config.Config) error {
	var errs []error
	for _, k := range []struct {
		name    string
		is, was any
	}{
		{"http.listen", next.Listen, now.Listen},
		{"http.webserver_stream_listen", next.StreamListen, now.StreamListen},
		{"http.also_listen", strings.Join(next.AlsoListen, " "), strings.Join(now.AlsoListen, " ")},
		{"http.socket_mode", next.Socket.Mode, now.Socket.Mode},
		{"http.socket_group", next.Socket.Group, now.Socket.Group},
		{"http.tls_cert", next.TLS.Cert.Path, now.TLS.Cert.Path},
		{"http.tls_key", next.TLS.Key.Path, now.TLS.Key.Path},
		{"http.allow_get_control", next.AllowGetControl, now.AllowGetControl},
	} {
		if k.is != k.was {
			errs = append(errs, &config.Error{
				What: k.name, Why: fmt.Sprintf("it is %#v and cannot become %#v while the daemon runs", k.was, k.is),
				Try: "a restart, or the old value and another reload", Origin: config.File,
			})
		}
	}
	if (now.Users == "") != (next.Users == "") {
		was, is := "nobody is asked who he is", "somebody would be"
		if now.Users != "" {
			was, is = now.Users+" says who may do what", "nobody would"
		}
		errs = append(errs, &config.Error{What: "auth.users", Why: was + ", and " + is + " after this; that cannot change while the daemon runs",
			Try: "a restart, or the old value and another reload", Origin: config.File})
	}
	return errors.Join(errs...)
}

// each takes joined errors apart.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
