package config

import (
	"errors"
	"strings"
	"testing"
)

func TestListeners(t *testing.T) {
	c, err := fromFile(`[http]
listen = "unix:/run/camgw/http.sock"
also_listen = ["127.0.0.1:8080", "unix:/run/camgw/second.sock"]
socket_mode = "0666"
socket_group = "www-data"
tls_cert = "/etc/camgw/tls/cert.pem"
tls_key = "/etc/camgw/tls/key.pem"
[limits]
max_connections = 500
max_connections_per_address = 20
[[camera]]
port = "sim:"
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "unix:/run/camgw/http.sock" || len(c.AlsoListen) != 2 || c.Socket != (Socket{0o666, "www-data"}) ||
		c.Connections != (Connections{500, 20}) || !c.TLS.Enabled() || c.TLS.Key.Path != "/etc/camgw/tls/key.pem" ||
		c.TLS.Cert.Given != `camgw.toml:6: http.tls_cert = "/etc/camgw/tls/cert.pem"` || c.TLS.Cert.Origin != File {
		t.Errorf("%+v", c.Config)
	}
}

// TestListenerMistakes: each is told with what would be right where it was written.
func TestListenerMistakes(t *testing.T) {
	long := "unix:/" + strings.Repeat("x", 107)
	for _, tt := range []struct{ file, want string }{
		{`listen = "unix:http.sock"`, `camgw.toml:2: http.listen = "unix:http.sock": the path of a Unix socket must begin with a slash; try: listen = "unix:/run/camgw/http.sock"`},
		{`also_listen = ["unix:/run/"]`, `camgw.toml:2: http.also_listen = "unix:/run/": not the path of a file; try: also_listen = ["unix:/run/camgw/http.sock"]`},
		{`listen = "` + long + `"`, `camgw.toml:2: http.listen = "` + long + `": the kernel takes at most 107 bytes as the path of a Unix socket; try: listen = "unix:/run/camgw/http.sock"`},
		{`also_listen = ["127.0.0.1:8080"]`, `camgw.toml:2: http.also_listen = "127.0.0.1:8080": this address is given twice`},
		{`also_listen = ["localhost"]`, `camgw.toml:2: http.also_listen = "localhost": not an address of the form host:port; try: also_listen = ["127.0.0.1:8081"]`},
		{`socket_mode = "9"`, `camgw.toml:2: http.socket_mode = "9": must be an octal number from 0600 to 0777; try: socket_mode = "0660"`},
		{`socket_mode = "066"`, `camgw.toml:2: http.socket_mode = "066": must be an octal number from 0600 to 0777; try: socket_mode = "0660"`},
		{`tls_cert = "/a"`, `camgw.toml:2: http.tls_cert = "/a": its key is missing; try: tls_key = "/etc/camgw/tls/key.pem"`},
		{`tls_key = "/a"`, `camgw.toml:2: http.tls_key = "/a": its certificate is missing; try: tls_cert = "/etc/camgw/tls/cert.pem"`},
		{"[limits]\nmax_connections = 15", `camgw.toml:3: limits.max_connections = 15: must be 0 (it follows from max_viewers) or from 16 to 100000`},
		{"[limits]\nmax_connections_per_address = -1", `camgw.toml:3: limits.max_connections_per_address = -1: must be from 0 (a quarter of all) to 100000`},
	} {
		_, err := fromFile("[http]\n" + tt.file + "\n[[camera]]\nport = \"sim:\"\n")
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s\ngot  %v\nwant %s", tt.file, err, tt.want)
		}
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("%s: %T", tt.file, err)
		}
	}
	for path, want := range map[string]string{
		"/a": "--tls-cert /a: its key is missing; try: --tls-key /etc/camgw/tls/key.pem",
	} {
		_, err := flags(func(f *Flags) { f.TLSCert = path }).Config()
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
