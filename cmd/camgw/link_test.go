package main

import (
	"slices"
	"testing"

	"github.com/camgw/camgw/internal/config"
)

func TestBaseURLs(t *testing.T) {
	encrypted := config.TLS{Cert: config.NamedFile{Path: "cert.pem"}, Key: config.NamedFile{Path: "key.pem"}}
	for _, c := range []struct {
		config config.Config
		want   []string
	}{
		{config.Config{Listen: "127.0.0.1:8080"}, []string{"http://127.0.0.1:8080"}},
		{config.Config{Listen: "[::1]:80"}, []string{"http://[::1]"}},
		{config.Config{Listen: "192.0.2.1:443", TLS: encrypted}, []string{"https://192.0.2.1"}},
		{config.Config{Listen: "192.0.2.1:80", TLS: encrypted}, []string{"https://192.0.2.1:80"}},
		{config.Config{Listen: "unix:/run/camgw/http.sock"}, nil},
		{config.Config{Listen: "unix:/run/camgw/http.sock", AlsoListen: []string{"192.0.2.1:8080", "127.0.0.1:8081"}},
			[]string{"http://192.0.2.1:8080", "http://127.0.0.1:8081"}},
	} {
		if got := baseURLs(c.config); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.config, got, c.want)
		}
	}
	if all := baseURLs(config.Config{Listen: ":8080"}); len(all) == 0 {
		t.Error("a gateway at all addresses is reached at none")
	}
}
