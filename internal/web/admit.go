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
}

// admit takes a place for a viewer of c at a remote address. If there is none, full says which bound was reached.
func (s *Server) admit(c *camera, remote string) (p *place, full string) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	o, all := &s.options, &s.places
	all.mu.Lock()
	defer all.mu.Unlock()
	switch {
	case all.taken >= o.MaxViewers:
		return nil, fmt.Sprintf("all %d viewers' places are taken", o.MaxViewers)
	case o.MaxViewersPerCamera > 0 && all.byCamera[c] >= o.MaxViewersPerCamera:
		return nil, fmt.Sprintf("all %d viewers' places of this camera are taken", o.MaxViewersPerCamera)
	case o.MaxViewersPerAddress > 0 && all.byHost[host] >= o.MaxViewersPerAddress:
		return nil, fmt.Sprintf("all %d viewers' places of your address are taken", o.MaxViewersPerAddress)
	}
	all.taken++
	all.byCamera[c]++
	all.byHost[host]++
	return &place{all, c, host}, ""
}

// free gives the place back. It must be called once.
func (p *place) free() {
	all := p.of
	all.mu.Lock()
	defer all.mu.Unlock()
	all.taken--
	all.byCamera[p.camera]--
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

func (s *Server) refuse(w http.ResponseWriter, full string) {
	s.rejections[RejectLimit].Add(1)
	w.Header().Set("Retry-After", "5")
	s.fail(w, problem{Status: http.StatusServiceUnavailable, Detail: full})
}
