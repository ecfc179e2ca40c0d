package config

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// Browsing is what the pages of other sites may do, and who may speak for others.
type Browsing struct {
	Hosts          []string // names to answer to, lower case, beside IP addresses, localhost and this machine's own
	CORSOrigins    []string // "https://mainsail.lan"
	FrameAncestors []string // likewise
	TrustedProxies []netip.Prefix
	TrustUnix      bool // whoever connects over a Unix socket is one
}

// UnixProxy stands in the list of trusted proxies for those that connect over a Unix socket.
const UnixProxy = "unix"

var validHost = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

func (f *Flags) browsing() (b Browsing, err error) {
	var errs []error
	wrong := func(path, one, why, try string) {
		what, origin := f.what(path, []string{one})
		errs = append(errs, &Error{what, why, try, origin})
	}
	for _, host := range f.Hosts {
		name := strings.ToLower(strings.TrimSuffix(host, "."))
		if len(name) > 253 || !validHost.MatchString(name) {
			wrong("http.hosts", host, "not a name that this machine could be called by: without scheme, port, path or *", f.try("http.hosts", []string{"cameras.example.net"}))
			continue
		}
		b.Hosts = append(b.Hosts, name)
	}
	origins := func(path string, given []string) (all []string) {
		for _, one := range given {
			origin := canonicalOrigin(one)
			switch {
			case one == "*":
				wrong(path, one, "every site there is would be too many", f.try(path, []string{"http://mainsail.local"}))
			case origin == "":
				wrong(path, one, "not an origin: scheme and host, with a port unless it is the usual one, and nothing behind", f.try(path, []string{"http://mainsail.local"}))
			default:
				all = append(all, origin)
			}
		}
		return all
	}
	b.CORSOrigins = origins("http.cors_origins", f.CORSOrigins)
	b.FrameAncestors = origins("http.frame_ancestors", f.FrameAncestors)
	for _, proxy := range f.TrustedProxies {
		if proxy == UnixProxy {
			b.TrustUnix = true
			continue
		}
		p, err := netip.ParsePrefix(proxy)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(proxy); err == nil && a.Zone() == "" {
				a = a.Unmap()
				p = netip.PrefixFrom(a, a.BitLen())
			}
		}
		switch {
		case err != nil || !p.IsValid():
			wrong("http.trusted_proxies", proxy, "not an IP address, a network or "+UnixProxy, f.try("http.trusted_proxies", []string{"127.0.0.1"}))
		case p.Bits() == 0:
			wrong("http.trusted_proxies", proxy, "everybody could say that he is somebody else", f.try("http.trusted_proxies", []string{"127.0.0.1"}))
		default:
			b.TrustedProxies = append(b.TrustedProxies, p.Masked())
		}
	}
	return b, errors.Join(errs...)
}

// canonicalOrigin is an origin as browsers write it; empty if it is none.
func canonicalOrigin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(s, "?#; ,'\"") {
		return ""
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	switch a, err := netip.ParseAddr(host); {
	case err == nil && a.Zone() != "", err != nil && !validHost.MatchString(host):
		return ""
	case err == nil && a.Is6():
		host = "[" + a.String() + "]"
	}
	if port != "" && !(u.Scheme == "http" && port == "80") && !(u.Scheme == "https" && port == "443") {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}
