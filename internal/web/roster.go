package web

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// errRemoved is the end of the viewers of a camera that is no longer served.
var errRemoved = errors.New("the camera was taken out of the configuration")

// cameras are those being served, in their order. The slice must not be written to.
func (s *Server) cameras() []*camera { return *s.roster.Load() }

// SetCameras makes these the cameras being served, in this order: the first is what /stream and the like show. One with the
// ID and the hub of one served so far is that one: its viewers, history and counters stay. The viewers of those that are no
// longer there end, and their hubs with them ([fanout.Hub.Close]). It panics if two cameras have the same ID, and must not be called twice at once.
func (s *Server) SetCameras(all []Camera) {
	present := s.cameras()
	roster := make([]*camera, 0, len(all))
	seen := make(map[string]bool)
	for _, c := range all {
		if seen[c.ID] {
			panic("web: two cameras with the ID " + c.ID)
		}
		seen[c.ID] = true
		i := slices.IndexFunc(present, func(o *camera) bool { return o.ID == c.ID && o.Hub == c.Hub })
		if i >= 0 {
			roster = append(roster, present[i])
			continue
		}
		roster = append(roster, &camera{Camera: c})
	}
	s.roster.Store(&roster)
	// After that, nobody finds those that are gone. Who has found one just before is ended as soon as it is attached.
	for _, c := range present {
		if !slices.Contains(roster, c) {
			c.Hub.Close(errRemoved)
		}
	}
}

// Limit makes these the limits for viewers that come from now on.
func (s *Server) Limit(l Limits) {
	l.MaxViewers = cmp.Or(l.MaxViewers, 512)
	l.MaxConnections = cmp.Or(l.MaxConnections, l.Connections())
	l.LockstepTimeout = cmp.Or(l.LockstepTimeout, 2*time.Second)
	l.AllPatience = cmp.Or(l.AllPatience, 5*time.Second)
	l.AllBuffer = cmp.Or(l.AllBuffer, 8<<20)
	s.limits.Store(&l)
}

// ended counts the end of a stream.
func (s *Server) ended(c *camera, why error) End {
	end := endOf(why)
	c.ends[end].Add(1)
	if end == EndRemoved {
		s.removals.Add(1)
	}
	return end
}
