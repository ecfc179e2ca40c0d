package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/access"
)

// visit is one request as far as it has been let in: who it is from, and what it may see. Handlers find cameras through it alone,
// so that what is out of somebody's sight is not there for any of them.
type visit struct {
	grant  access.Grant
	client string     // where it comes from, for the log and the API
	from   netip.Addr // the same, for what is counted by address; zero for a Unix socket
}

type visitKey struct{}

// visitOf is what [Server.enforce] has left in a request's context.
func visitOf(r *http.Request) *visit {
	return r.Context().Value(visitKey{}).(*visit)
}

func (v *visit) with(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
}

// anybody is who comes while nobody is asked.
var anybody = access.Grant{Role: access.Admin, Kind: access.Anonymous}

// asks tells whether anybody is asked who he is.
func (s *Server) asks() bool { return s.options.Access != nil && s.options.Access.Required() }

// errNoCredentials is a request that says nothing about who it is from.
var errNoCredentials = errors.New("no credentials")

// sessionCookie holds a browser's session. Cookies know no ports: a second gateway on the same host would overwrite it.
const sessionCookie = "camgw_session"

// identify finds out who a request is from. Credentials that it sends on purpose decide alone; then a signed link, where the route
// takes one; then the browser's session.
func (s *Server) identify(rt *route, w http.ResponseWriter, r *http.Request, from netip.Addr) (access.Grant, error) {
	if !s.asks() {
		return anybody, nil
	}
	keeper := s.options.Access
	if given := r.Header.Values("Authorization"); len(given) > 0 {
		if len(given) > 1 {
			return access.Grant{}, access.ErrUnknown
		}
		scheme, rest, _ := strings.Cut(given[0], " ")
		switch {
		case strings.EqualFold(scheme, "Basic"):
			user, password, ok := r.BasicAuth()
			if !ok {
				return access.Grant{}, access.ErrUnknown
			}
			return s.password(w, r, from, user, password)
		case strings.EqualFold(scheme, "Bearer"):
			return keeper.Token(from, strings.TrimLeft(rest, " "))
		}
		return access.Grant{}, access.ErrUnknown
	}
	failure := errNoCredentials
	if rt.link {
		if sig := r.URL.Query().Get("sig"); sig != "" {
			id := r.PathValue("id")
			if c := find(s.cameras(), id); c != nil {
				id = c.ID // a link is to a camera, by whichever of its names it is called
			}
			g, err := keeper.Link(from, id, sig)
			if err == nil {
				return g, nil
			}
			failure = err
		}
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil && cookie.Value != "" {
		g, err := keeper.Session(from, cookie.Value)
		if err == nil || failure == errNoCredentials {
			return g, err
		}
	}
	return access.Grant{}, failure
}

// password lets a user in. Others' passwords may have to be checked first, which on a small machine can take longer than a request may
// take to arrive and its answer to be written: both begin anew after it. net/http would end the request when the deadline for reading
// comes, although nothing is to be read.
func (s *Server) password(w http.ResponseWriter, r *http.Request, from netip.Addr, user, password string) (access.Grant, error) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // where there is no connection there is no deadline either
	g, err := s.options.Access.Password(r.Context(), from, user, password)
	_ = c.SetReadDeadline(time.Now().Add(readTimeout))
	_ = allow(c, s.options.WriteTimeout)
	return g, err
}

// visible are the cameras somebody may see, in their order. The slice must not be written to.
func (s *Server) visible(g access.Grant) []*camera {
	all := s.cameras()
	if g.Sees("") {
		return all
	}
	seen := make([]*camera, 0, len(all))
	for _, c := range all {
		if g.Sees(c.ID) {
			seen = append(seen, c)
		}
	}
	return seen
}
