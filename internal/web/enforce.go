package web

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/camgw/camgw/internal/access"
)

// reach is what a route is about, and so how far somebody must see to get there.
type reach uint8

const (
	undecided  reach = iota // no route may be
	toAll                   // nobody is asked; it tells nothing that is not in the source code
	toCamera                // one camera: it does not exist for who may not see it
	inSight                 // cameras, as far as somebody sees them
	everything              // all of them at once: only for who sees every camera
)

// route is one address and who may do what there.
type route struct {
	pattern string
	reach   reach
	roles   roles

	picture bool // pages of the same site may show it, and a link elsewhere may not lead to it
	link    bool // ?sig= opens it
	page    bool // links and frames on other sites may lead to it
	socket  bool // it becomes a WebSocket
	dear    bool // it costs many times what others do, and its sender's budget of requests as much

	free []string // methods for everybody, although the others are not

	find   finder        // of a route to a camera
	camera cameraHandler // likewise
	answer http.HandlerFunc
}

// roles are the least that each method needs; [access.None] where nobody is asked. HEAD needs what GET does.
type roles map[string]access.Role

// showing are those of a route that shows something.
func showing(r access.Role) roles { return roles{http.MethodGet: r, http.MethodHead: r} }

// cameraHandler answers for one camera.
type cameraHandler func(w http.ResponseWriter, r *http.Request, c *camera)

// finder finds the camera that a request is about among those its sender may see. If there is none, it says so in words that are
// the same for one that does not exist and one that is out of sight.
type finder func(r *http.Request, visible []*camera) (c *camera, missing string)

// mistake tells what has not been decided about a route.
func (rt *route) mistake() string {
	switch {
	case rt.reach == undecided:
		return "it is not said what it is about"
	case len(rt.roles) == 0:
		return "it has no methods"
	case (rt.reach == toCamera) != (rt.find != nil && rt.camera != nil), (rt.reach == toCamera) == (rt.answer != nil):
		return "a route to a camera finds one, and no other does"
	}
	for method, role := range rt.roles {
		if (role == access.None) != (rt.reach == toAll || slices.Contains(rt.free, method)) {
			return method + ": it is not said who may"
		}
	}
	return ""
}

// role is what a method needs. OPTIONS tells no more than GET would, or than the least of what there is.
func (rt *route) role(method string) (needed access.Role, ok bool) {
	if needed, ok = rt.roles[method]; ok || method != http.MethodOptions {
		return needed, ok
	}
	if needed, ok = rt.roles[http.MethodGet]; ok {
		return needed, true
	}
	needed = access.Admin
	for _, r := range rt.roles {
		needed = min(needed, r)
	}
	return needed, true
}

// methods are those there are, as Allow lists them.
func (rt *route) methods() string {
	var all []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if _, ok := rt.roles[m]; ok {
			all = append(all, m)
		}
	}
	return strings.Join(append(all, http.MethodOptions), ", ")
}

// enforce stands before every handler: where the request was sent from, whether there is such a method, who sent it, what he may.
// Nothing of a body has been read by then, and no connection was upgraded.
func (s *Server) enforce(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := s.perimeter.Load()
		if s.preflight(p, rt, w, r) {
			return
		}
		if detail := p.keepOut(rt, r); detail != "" {
			s.rejections[RejectOrigin].Add(1)
			if rt.socket {
				s.socketRefusals[SocketOrigin].Add(1)
			}
			s.fail(w, problem{Status: http.StatusForbidden, Detail: detail})
			return
		}
		needed, ok := rt.role(r.Method)
		if !ok {
			s.noMethod(rt, w, r)
			return
		}
		from, client := p.client(r)
		v := &visit{client: client, from: from}
		if rt.reach != toAll && !slices.Contains(rt.free, r.Method) {
			var err error
			if v.grant, err = s.identify(rt, w, r, from); err != nil {
				s.unknown(rt, w, r, v, err)
				return
			}
			if !v.grant.May(needed) {
				s.rejections[RejectRole].Add(1)
				s.fail(w, problem{Status: http.StatusForbidden, Detail: fmt.Sprintf("this needs the role %s, and you have the role %s", needed, v.grant.Role)})
				return
			}
			if rt.reach == everything && !v.grant.Sees("") {
				s.rejections[RejectRole].Add(1)
				s.fail(w, problem{Status: http.StatusForbidden, Detail: "this is about all cameras, and you may see some of them"})
				return
			}
		}
		r = v.with(r)
		if rt.reach != toCamera {
			if s.allowed(rt, w, r) {
				rt.answer(w, r)
			}
			return
		}
		c, missing := rt.find(r, s.visible(v.grant))
		switch {
		case c == nil:
			s.notFound(w, missing)
		case s.allowed(rt, w, r):
			rt.camera(w, r, c)
		}
	})
}

// allowed answers OPTIONS, and lets all else through.
func (s *Server) allowed(rt *route, w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok && rt.dear {
			s.connections.charge(c, dearPrice-1)
		}
		return true
	}
	w.Header().Set("Allow", rt.methods())
	w.WriteHeader(http.StatusNoContent)
	return false
}

func (s *Server) noMethod(rt *route, w http.ResponseWriter, r *http.Request) {
	all := rt.methods()
	w.Header().Set("Allow", all)
	detail := "the methods here are " + all
	if _, post := rt.roles[http.MethodPost]; r.Method == http.MethodGet && post {
		detail += "; a GET must change nothing, because any page a browser shows can send one"
		if strings.HasSuffix(rt.pattern, "/control") {
			detail += " (the operator may allow it all the same: --allow-get-control)"
		}
	}
	s.fail(w, problem{Status: http.StatusMethodNotAllowed, Detail: detail})
}

// unknown answers who has not shown who he is. It says the same whatever is wrong.
func (s *Server) unknown(rt *route, w http.ResponseWriter, r *http.Request, v *visit, why error) {
	if rt.page && r.Method != http.MethodOptions && shows(r) {
		// Even who has failed too often: what failed may be an old session.
		s.rejections[RejectAuth].Add(1)
		s.signInPage(w, r)
		return
	}
	if limited, ok := errors.AsType[*access.Limited](why); ok {
		s.tooMany(w, limited)
		return
	}
	s.rejections[RejectAuth].Add(1)
	if !errors.Is(why, errNoCredentials) {
		s.log.Debug("credentials refused", "client", v.client, "route", rt.pattern, "why", why)
	}
	w.Header().Set("WWW-Authenticate", challenge(r))
	detail := "this needs a user and password, or a token"
	if rt.link {
		detail = "this needs a user and password, a token, or a signed link"
	}
	s.fail(w, problem{Status: http.StatusUnauthorized, Detail: detail + "; what was sent, if anything, is not or no longer valid"})
}

// tooMany answers who has failed too often. It does not say whether this time was right.
func (s *Server) tooMany(w http.ResponseWriter, limited *access.Limited) {
	s.rejections[RejectRate].Add(1)
	w.Header().Set("Retry-After", retryAfter(limited))
	s.fail(w, problem{Status: http.StatusTooManyRequests, Detail: "too many attempts with wrong credentials from your address"})
}

func retryAfter(limited *access.Limited) string {
	return strconv.Itoa(max(1, int(math.Ceil(limited.RetryAfter.Seconds()))))
}

// challenge asks for a password where that helps. A browser would interrupt a page that asks by script with a window of its own.
func challenge(r *http.Request) string {
	scripted := r.Header.Get("X-Camgw-Page") != "" || r.Header.Get("Upgrade") != "" && r.Header.Get("Origin") != "" ||
		slices.Contains([]string{"cors", "same-origin", "websocket"}, r.Header.Get("Sec-Fetch-Mode"))
	if scripted {
		return `Bearer realm="camgw"`
	}
	return `Basic realm="camgw", charset="UTF-8"`
}

// shows tells whether the answer will be looked at by a person in a browser.
func shows(r *http.Request) bool {
	return r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}
