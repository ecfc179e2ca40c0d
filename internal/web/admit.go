package web

import (
	"fmt"
	"net"
	"net/http"
	"sync"
)

// places are the viewers being served, to be bounded in three ways.
type places struct {
	mu       sync.Mutex
	taken    int
	byCamera map[*camera]int
	byHost   map[string]int
}

// place is one viewer's.
type place struct {
	of     *places
	camera *camera
	host   string

	holders int // under of.mu
}

// admit takes a place for a viewer of c at a remote address. If there is none, full says which bound was reached.
func (s *Server) admit(c *camera, remote string) (p *place, full string) {
	host := hostOf(remote)
	o, all := s.limits.Load(), &s.places
	all.mu.Lock()
	defer all.mu.Unlock()
	switch {
	case all.taken >= o.MaxViewers:
		return nil, fmt.Sprintf("all %d viewers' places are taken", o.MaxViewers)
	case o.MaxViewersPerCamera > 0 && all.byCamera[c] >= o.MaxViewersPerCamera:
		return nil, fmt.Sprintf("all %d viewers' places of this camera are taken", o.MaxViewersPerCamera)
	case host != "" && o.MaxViewersPerAddress > 0 && all.byHost[host] >= o.MaxViewersPerAddress:
		return nil, fmt.Sprintf("all %d viewers' places of your address are taken", o.MaxViewersPerAddress)
	}
	all.taken++
	all.byCamera[c]++
	all.byHost[host]++
	return &place{all, c, host, 1}, ""
}

// hostOf is what is counted by address. Clients of a Unix socket have none, and are not counted by it: they are a proxy's.
func hostOf(remote string) string {
	if remote == "@" {
		return ""
	}
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// share lets a second viewer have the place, so that one can take over from the other. It returns nil if the place has
// been given back.
func (p *place) share() *place {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	if p.holders == 0 {
		return nil
	}
	p.holders++
	return p
}

// free gives the place back. It must be called once by each that has it.
func (p *place) free() {
	all := p.of
	all.mu.Lock()
	defer all.mu.Unlock()
	if p.holders--; p.holders > 0 {
		return
	}
	all.taken--
	if all.byCamera[p.camera]--; all.byCamera[p.camera] == 0 {
		delete(all.byCamera, p.camera) // it may have been removed
	}
	if all.byHost[p.host]--; all.byHost[p.host] == 0 {
		delete(all.byHost, p.host)
	}
}

// count is how many places are taken.
func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// seats are the connections that listen: WebSockets, and streams of events. What they watch is counted apart, but they
// cost something even when they watch nothing; so there are as many as places.
type seats struct {
	mu     sync.Mutex
	taken  int
	byHost map[string]int
}

// seat is one connection's.
type seat struct {
	of   *seats
	host string
}

// take takes a seat for a remote address. If there is none, full says which bound was reached.
func (all *seats) take(o *Limits, remote string) (t *seat, full string) {
	host := hostOf(remote)
	all.mu.Lock()
	defer all.mu.Unlock()
	switch {
	case all.taken >= o.MaxViewers:
		return nil, fmt.Sprintf("all %d places for connections of this kind are taken", o.MaxViewers)
	case host != "" && o.MaxViewersPerAddress > 0 && all.byHost[host] >= o.MaxViewersPerAddress:
		return nil, fmt.Sprintf("all %d places for connections of this kind from your address are taken", o.MaxViewersPerAddress)
	}
	all.taken++
	if all.byHost == nil {
		all.byHost = make(map[string]int)
	}
	all.byHost[host]++
	return &seat{all, host}, ""
}

// leave gives the seat back. It must be called once.
func (t *seat) leave() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.of.taken--
	if t.of.byHost[t.host]--; t.of.byHost[t.host] == 0 {
		delete(t.of.byHost, t.host)
	}
}

func (s *Server) refuse(w http.ResponseWriter, full string) {
	s.rejections[RejectLimit].Add(1)
	w.Header().Set("Retry-After", "5")
	s.fail(w, problem{Status: http.StatusServiceUnavailable, Detail: full})
}
