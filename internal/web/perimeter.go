package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Perimeter is what keeps other people's web pages out: browsers carry out what any page tells them, from inside the network
// and with the credentials they have.
type Perimeter struct {
	// Hosts are the names the server answers to, without port, beside localhost and every IP address. A page whose own name is
	// made to point here (DNS rebinding) would else be one of ours to its browser. Lower case.
	Hosts []string

	// Origins are other sites whose pages may do what their visitors may: "https://mainsail.lan".
	Origins []string

	// FrameAncestors are other origins that may show the page in a frame.
	FrameAncestors []string

	// TrustedProxies may say for whom they ask, by X-Forwarded-For and X-Forwarded-Proto. TrustUnix is the same for whoever
	// connects over a Unix socket.
	TrustedProxies []netip.Prefix
	TrustUnix      bool
}

// perimeter is a Perimeter in effect. It is never written.
type perimeter struct {
	Perimeter
	protection *http.CrossOriginProtection // of what changes something
	policy     string                      // Content-Security-Policy of what is no page
	pagePolicy string
}

// SetPerimeter is for requests that come from now on. What it is given must not be written to any more.
func (s *Server) SetPerimeter(of Perimeter) {
	p := &perimeter{Perimeter: of, protection: http.NewCrossOriginProtection()}
	for _, origin := range of.Origins {
		// The configuration has checked them. One that is no origin could not be sent by a browser either.
		if err := p.protection.AddTrustedOrigin(origin); err != nil {
			s.log.Error("origin not trusted", "error", err)
		}
	}
	frames := strings.Join(append([]string{"frame-ancestors 'self'"}, of.FrameAncestors...), " ")
	p.policy = "default-src 'none'; " + frames
	p.pagePolicy = contentSecurityPolicy + "; " + frames
	s.perimeter.Store(p)
}

// near is around all routes: the headers that say what a browser may do with an answer, and whether the request is meant for us.
func (s *Server) near(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := s.perimeter.Load()
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", p.policy)
		header.Set("Cross-Origin-Resource-Policy", "same-site")
		if len(p.Origins) > 0 {
			header.Set("Vary", "Origin")
		}
		if !p.answersTo(r.Host) {
			s.rejections[RejectHost].Add(1)
			s.fail(w, problem{Status: http.StatusMisdirectedRequest, Detail: "this gateway does not answer to the name " + quoteName(r.Host) +
				"; use its IP address, or add the name to http.hosts in its configuration"})
			return
		}
		if origin := p.listed(r); origin != "" {
			header.Set("Access-Control-Allow-Origin", origin)
			header.Set("Access-Control-Expose-Headers", "X-Timestamp, X-Frame-Sequence, X-Frame-Age, Retry-After")
			header.Set("Cross-Origin-Resource-Policy", "cross-origin")
		} else if nextDoor(r) {
			header.Set("Cross-Origin-Resource-Policy", "cross-origin")
		}
		if err := p.protection.Check(r); err != nil {
			s.rejections[RejectOrigin].Add(1)
			s.fail(w, problem{Status: http.StatusForbidden, Detail: notOurs})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// zoneLetters are those of a zone in an address (RFC 6874: unreserved ones; the escaped % before them is "25").
const zoneLetters = "abcdefghijklmnopqrstuvwxyz0123456789-._~"

// answersTo tells whether a Host header is one of ours. No browser leaves it out; some old programs do.
func (p *perimeter) answersTo(host string) bool {
	if host == "" {
		return true
	}
	name := hostname(host)
	if a, err := netip.ParseAddr(name); err == nil {
		return strings.Trim(a.Zone(), zoneLetters) == "" // ParseAddr takes any zone, "x@evil.example" too
	}
	if strings.ContainsAny(host, "[]") {
		return false // the brackets are for addresses
	}
	return name == "localhost" || slices.Contains(p.Hosts, name)
}

// hostname is a host without port, brackets, case and the dot behind the root.
func hostname(host string) string {
	if name, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = name
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// quoteName is a name that somebody sent, fit to be read.
func quoteName(name string) string {
	const most = 80
	if len(name) > most {
		name = name[:most] + "..."
	}
	return `"` + clean(name, most+3) + `"`
}

// listed is the origin a request was sent from, if it is one of p.Origins. Pictures in pages are asked for without an origin; the
// page that shows them is then named by Referer, which a page can leave out but not make up.
func (p *perimeter) listed(r *http.Request) string {
	if len(p.Origins) == 0 {
		return ""
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		if u, err := url.Parse(r.Header.Get("Referer")); err == nil && u.Host != "" {
			origin = u.Scheme + "://" + u.Host
		}
	}
	if slices.Contains(p.Origins, origin) {
		return origin
	}
	return ""
}

// nextDoor tells whether the page that asks is at another port of the same host, as a printer's is. For Chromium two ports of one IP address are
// not the same site where an answer's policy is concerned, although it says "same-site" in its request.
func nextDoor(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "same-site" {
		return true
	}
	u, err := url.Parse(r.Header.Get("Referer"))
	return err == nil && u.Host != "" && hostname(u.Host) == hostname(r.Host)
}

// relation is where a request was sent from.
type relation uint8

const (
	program  relation = iota // nothing says that it was a browser
	own                      // our own page, or a person who typed the address
	sameSite                 // another port of the same host, or another host of the same domain
	foreign
)

// relation believes Sec-Fetch-Site, which no page can set. Browsers leave it out over plain HTTP; then there is the origin.
func (p *perimeter) relation(r *http.Request) relation {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return own
	case "same-site":
		return sameSite
	case "":
	default:
		return foreign
	}
	all := r.Header.Values("Origin")
	if len(all) == 0 {
		return program
	}
	u, err := url.Parse(all[0])
	switch {
	case len(all) > 1 || err != nil || u.Host == "": // "null" too
		return foreign
	case strings.EqualFold(u.Host, r.Host):
		return own
	case hostname(u.Host) == hostname(r.Host):
		return sameSite
	}
	return foreign
}

const (
	notOurs  = "another site asked for this change; only this gateway's own pages and programs may"
	notShown = "another site's page asked for this; only this gateway's own pages and programs may, unless http.cors_origins in its configuration lists the site"
	notBound = "another site asked for this connection; only this gateway's own pages and programs may" +
		" (behind a reverse proxy: it must pass the Host header on)"
)

// keepOut says what is wrong when another site's page has sent a browser to a route.
func (p *perimeter) keepOut(rt *route, r *http.Request) (detail string) {
	if p.listed(r) != "" {
		return ""
	}
	from := p.relation(r)
	if rt.socket {
		if from > own || from == program && ambient(r) {
			return notBound
		}
		return ""
	}
	if changing(rt, r.Method) {
		return p.keepChanging(from, r)
	}
	mode, to := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	switch {
	case from <= own:
		return ""
	case rt.page && mode == "navigate" && to == "document":
		return "" // somebody has followed a link
	case rt.page && mode == "navigate" && (from == sameSite || len(p.FrameAncestors) > 0):
		return "" // a frame: the browser itself holds it to the policy
	case rt.picture && from == sameSite && r.Header.Get("Origin") == "":
		return "" // shown, but not read: a printer's page at another port
	}
	return notShown
}

// changing tells whether a method of a route does something. GET of a route that has POST too does the same.
func changing(rt *route, method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	case http.MethodGet:
		_, get := rt.roles[http.MethodGet]
		_, post := rt.roles[http.MethodPost]
		return get && post && rt.reach == toCamera
	}
	return false
}

// keepChanging is stricter than [http.CrossOriginProtection], which has let the request through already if its method is one that
// changes things.
func (p *perimeter) keepChanging(from relation, r *http.Request) (detail string) {
	if from > own {
		return notOurs
	}
	if from == own {
		return ""
	}
	// Neither Origin nor Sec-Fetch-Site. A browser sends one of them with every method but GET.
	if ambient(r) {
		return notOurs
	}
	if u, err := url.Parse(r.Header.Get("Referer")); err != nil || u.Host != "" && !strings.EqualFold(u.Host, r.Host) {
		return notOurs
	}
	return ""
}

// ambient tells whether a request has nothing but a browser's cookie, which comes along by itself and proves no wish.
func ambient(r *http.Request) bool {
	_, err := r.Cookie(sessionCookie)
	return err == nil && r.Header.Get("Authorization") == ""
}

// preflight answers a listed origin's question whether it may ask. Browsers send no credentials with it.
func (s *Server) preflight(p *perimeter, rt *route, w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" || r.Header.Get("Origin") == "" || p.listed(r) == "" {
		return false
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Methods", rt.methods())
	header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	header.Set("Access-Control-Max-Age", "600")
	header.Set("Allow", rt.methods())
	w.WriteHeader(http.StatusNoContent)
	return true
}

// trusts tells whether a proxy at this address may speak for others. Zero is a Unix socket.
func (p *perimeter) trusts(a netip.Addr) bool {
	if !a.IsValid() {
		return p.TrustUnix
	}
	return slices.ContainsFunc(p.TrustedProxies, func(all netip.Prefix) bool { return all.Contains(a) })
}

// peerOf is the address at the other end of a request's connection.
func peerOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// client is who a request comes from. Of what X-Forwarded-For lists, each entry was written by the one behind it: it is believed
// from the end, as long as whoever wrote it is trusted.
func (p *perimeter) client(r *http.Request) (from netip.Addr, shown string) {
	from, shown = peerOf(r), r.RemoteAddr
	if !p.trusts(from) {
		return from, shown
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := forwarded(hop)
		if err != nil {
			break
		}
		from, shown = a, a.String()
		if !p.trusts(a) {
			break
		}
	}
	return from, shown
}

// forwarded reads one entry of X-Forwarded-For; some proxies add the port.
func forwarded(hop string) (netip.Addr, error) {
	hop = strings.TrimSpace(hop)
	if at, err := netip.ParseAddrPort(hop); err == nil {
		return at.Addr().Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return a.Unmap().WithZone(""), err
}

// encrypted tells whether the client's browser came by HTTPS, to us or to a trusted proxy.
func (p *perimeter) encrypted(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	all := r.Header.Values("X-Forwarded-Proto")
	if len(all) == 0 || !p.trusts(peerOf(r)) {
		return false
	}
	protos := strings.Split(all[len(all)-1], ",")
	return strings.EqualFold(strings.TrimSpace(protos[len(protos)-1]), "https")
}
