package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/fanout"
)

// Why connections end that did not end by themselves.
var (
	errRevoked   = errors.New("access was revoked, or has expired")
	errDismissed = errors.New("an administrator ended it")
)

// roll lists everything that lasts: streams, WebSockets and their subscriptions, streams of events. Each is looked at when it comes
// and goes, when it expires, and when the accounts change; never for a picture.
type roll struct {
	mu   sync.Mutex
	last uint64
	all  map[uint64]*guest
}

// guest is one of them.
type guest struct {
	grant     access.Grant
	client    string
	camera    string // "" of what only listens
	transport string
	mode      string
	since     time.Time
	part      bool            // of a WebSocket, which is a guest itself and ends with all its parts
	quit      func(why error) // ends it, soon; nil: its viewer is ended
	expiry    *time.Timer     // nil: it has no end

	id uint64 // under roll.mu until it is in the roll

	mu     sync.Mutex
	viewer *fanout.Viewer // nil until it is attached, and of what only listens
	why    error          // of an end asked for before that
}

// enter puts a guest on the roll, to be followed by one call of leave. A grant that was withdrawn meanwhile ends it at once.
func (s *Server) enter(g *guest) {
	g.since = time.Now()
	all := &s.roll
	all.mu.Lock()
	if all.all == nil {
		all.all = make(map[uint64]*guest)
	}
	all.last++
	g.id = all.last
	all.all[g.id] = g
	all.mu.Unlock()
	if g.grant.Kind == access.Anonymous && s.options.Access == nil {
		return
	}
	if !g.part && !g.grant.Until.IsZero() {
		g.expiry = time.AfterFunc(time.Until(g.grant.Until), func() { s.revoke(g) })
	}
	if !s.options.Access.Still(g.grant) {
		s.revoke(g)
	}
}

func (s *Server) leave(g *guest) {
	if g.expiry != nil {
		g.expiry.Stop()
	}
	s.roll.mu.Lock()
	delete(s.roll.all, g.id)
	s.roll.mu.Unlock()
}

// attach says which viewer a guest is.
func (g *guest) attach(v *fanout.Viewer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.viewer = v
	if g.why != nil {
		v.End(g.why)
	}
}

// end ends what the guest is. The first reason counts, and the report is whether this was it.
func (g *guest) end(why error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why != nil {
		return false
	}
	g.why = why
	switch {
	case g.quit != nil:
		g.quit(why)
	case g.viewer != nil:
		g.viewer.End(why)
	}
	return true
}

func (s *Server) revoke(g *guest) {
	if g.end(errRevoked) && !g.part {
		s.revocations.Add(1)
		s.log.Info("access ended", "client", g.client, "user", g.grant.Name, "camera", g.camera, "transport", g.transport)
	}
}

// guests are all there are, oldest first.
func (s *Server) guests() []*guest {
	s.roll.mu.Lock()
	defer s.roll.mu.Unlock()
	all := make([]*guest, 0, len(s.roll.all))
	for _, g := range s.roll.all {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *guest) int { return int(int64(a.id) - int64(b.id)) })
	return all
}

// Recheck ends whatever is under way for somebody whose grant no longer holds. It is to be called when the accounts have changed.
func (s *Server) Recheck() {
	if s.options.Access == nil {
		return
	}
	for _, g := range s.guests() {
		if !g.part && !s.options.Access.Still(g.grant) {
			s.revoke(g)
		}
	}
}

// shownViewer is a guest as the API shows it.
type shownViewer struct {
	ID        string      `json:"id"`
	Camera    string      `json:"camera"`
	Transport string      `json:"transport"`
	Mode      string      `json:"mode"`
	Address   string      `json:"address"`
	User      string      `json:"user"`
	Kind      access.Kind `json:"kind"`
	Role      access.Role `json:"role"`
	Since     float64     `json:"since"` // Unix seconds
	Until     *float64    `json:"until"` // when its access expires; nil: it does not
	Sent      uint64      `json:"sent"`
	Skipped   uint64      `json:"skipped"`
}

func (g *guest) show() shownViewer {
	shown := shownViewer{
		ID: strconv.FormatUint(g.id, 10), Camera: g.camera, Transport: g.transport, Mode: g.mode, Address: g.client,
		User: g.grant.Name, Kind: g.grant.Kind, Role: g.grant.Role, Since: unixSeconds(g.since),
	}
	if !g.grant.Until.IsZero() {
		until := unixSeconds(g.grant.Until)
		shown.Until = &until
	}
	g.mu.Lock()
	viewer := g.viewer
	g.mu.Unlock()
	if viewer != nil {
		account := viewer.Account()
		shown.Sent = account.Sent
		for _, n := range account.Skipped {
			shown.Skipped += n
		}
	}
	return shown
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// listViewers tells who is connected.
func (s *Server) listViewers(w http.ResponseWriter, _ *http.Request) {
	all := s.guests()
	shown := make([]shownViewer, len(all))
	for i, g := range all {
		shown[i] = g.show()
	}
	s.reply(w, http.StatusOK, "application/json", struct {
		Viewers []shownViewer `json:"viewers"`
	}{shown})
}

// dismissViewer ends one of them.
func (s *Server) dismissViewer(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("viewer"), 10, 64)
	var g *guest
	if err == nil {
		s.roll.mu.Lock()
		g = s.roll.all[id]
		s.roll.mu.Unlock()
	}
	if g == nil {
		s.notFound(w, "there is no viewer of this number")
		return
	}
	v := visitOf(r)
	g.end(errDismissed)
	s.log.Info("viewer dismissed", "client", v.client, "user", v.grant.Name, "viewer", g.id, "address", g.client, "camera", g.camera)
	w.WriteHeader(http.StatusNoContent)
}
