package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestBrowsing(t *testing.T) {
	f := Defaults()
	f.Ports = []string{"sim:"}
	f.Hosts = []string{"Cameras.Example.net.", "mjpgstreamer1"}
	f.CORSOrigins = []string{"HTTP://Mainsail.local:80", "https://[2001:DB8::1]:8443", "http://192.168.1.9"}
	f.FrameAncestors = []string{"https://ha.example:8123"}
	f.TrustedProxies = []string{"127.0.0.1", "10.1.2.3/8", "::ffff:192.168.1.1", "unix", "fd00::/8"}
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	want := Browsing{
		Hosts:          []string{"cameras.example.net", "mjpgstreamer1"},
		CORSOrigins:    []string{"http://mainsail.local", "https://[2001:db8::1]:8443", "http://192.168.1.9"},
		FrameAncestors: []string{"https://ha.example:8123"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.1/32"), netip.MustParsePrefix("fd00::/8")},
		TrustUnix:      true,
	}
	if got := c.Browsing; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestBrowsingMistakes(t *testing.T) {
	for path, bad := range map[string][]string{
		"http.hosts":           {"", "*", "*.example", "http://a", "a:80", "a/b", "a b", "-a", "a..b", "[::1]", strings.Repeat("a", 254)},
		"http.cors_origins":    {"", "*", "null", "mainsail.local", "//mainsail.local", "ftp://a", "http://", "http://a/", "http://a/b", "http://u@a", "http://a?b", "http://a#b", "http://*.a", "http://a b", "http://a;b", "http://a,b", "http://a%20", "http://[::1%25eth0]"},
		"http.frame_ancestors": {"*", "'self'", "https:", "http://a; script-src *"},
		"http.trusted_proxies": {"", "proxy", "*", "0.0.0.0/0", "::/0", "10.0.0.0/33", "127.0.0.1:80", "fe80::1%eth0"},
	} {
		for _, one := range bad {
			f := Defaults()
			f.Ports = []string{"sim:"}
			list := map[string]*[]string{"http.hosts": &f.Hosts, "http.cors_origins": &f.CORSOrigins, "http.frame_ancestors": &f.FrameAncestors, "http.trusted_proxies": &f.TrustedProxies}[path]
			*list = []string{one}
			_, err := f.Config()
			var e *Error
			if !errors.As(err, &e) || e.Try == "" || !slices.Contains(strings.Fields(e.What), "--"+keyOf(path).flag) {
				t.Errorf("%s = %q: %v", path, one, err)
			}
		}
	}
}
