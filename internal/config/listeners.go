package config

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Socket is what Unix sockets are like.
type Socket struct {
	Mode  fs.FileMode
	Group string // name or number; "": the process's own
}

// Connections are how many there may be. 0: it follows from other limits.
type Connections struct{ Max, PerAddress int }

// TLS are the files of the certificate; whether they can be used, the gateway knows. The zero value is plain HTTP.
type TLS struct{ Cert, Key NamedFile }

// Enabled tells whether there is a certificate.
func (t TLS) Enabled() bool { return t.Cert.Path != "" }

// NamedFile is a file that the operator named.
type NamedFile struct {
	Path   string
	Given  string // what names it in messages
	Origin Origin
}

// SocketPath is the path of a Unix socket that an address is, such as unix:/run/camgw/http.sock.
func SocketPath(address string) (path string, ok bool) { return strings.CutPrefix(address, "unix:") }

// maxSocketPath is how many bytes the kernel takes as the path of a Unix socket.
const maxSocketPath = 107

// listeners checks what listen stands not for alone.
func (f *Flags) listeners(c *Config) error {
	var errs []error
	c.AlsoListen = f.AlsoListen
	for i, address := range f.AlsoListen {
		if address == f.Listen || slices.Contains(f.AlsoListen[:i], address) {
			errs = append(errs, f.wrong("http.also_listen", address, "this address is given twice", ""))
			continue
		}
		errs = append(errs, f.checkListen("http.also_listen", address, "127.0.0.1:8081"))
	}
	mode, err := strconv.ParseUint(orDefault(f, "http.socket_mode", f.SocketMode, DefaultSocketMode), 8, 32)
	if err != nil || mode > 0o777 || mode&0o600 != 0o600 {
		errs = append(errs, f.wrong("http.socket_mode", f.SocketMode, "must be an octal number from 0600 to 0777",
			f.try("http.socket_mode", DefaultSocketMode)))
	}
	c.Connections = Connections{f.MaxConnections, f.MaxConnectionsPerAddress}
	if n := f.MaxConnections; n != 0 && (n < 16 || n > 100000) {
		errs = append(errs, f.wrong("limits.max_connections", n, "must be 0 (it follows from max_viewers) or from 16 to 100000", ""))
	}
	if n := f.MaxConnectionsPerAddress; n < 0 || n > 100000 {
		errs = append(errs, f.wrong("limits.max_connections_per_address", n, "must be from 0 (a quarter of all) to 100000", ""))
	}
	c.Socket = Socket{fs.FileMode(mode), f.SocketGroup}
	c.TLS.Cert, c.TLS.Key = f.named("http.tls_cert", f.TLSCert), f.named("http.tls_key", f.TLSKey)
	switch {
	case f.TLSCert != "" && f.TLSKey == "":
		errs = append(errs, f.wrong("http.tls_cert", f.TLSCert, "its key is missing", f.beside("http.tls_cert", "http.tls_key", "/etc/camgw/tls/key.pem")))
	case f.TLSCert == "" && f.TLSKey != "":
		errs = append(errs, f.wrong("http.tls_key", f.TLSKey, "its certificate is missing", f.beside("http.tls_key", "http.tls_cert", "/etc/camgw/tls/cert.pem")))
	}
	return errors.Join(errs...)
}

// named is a file of a key.
func (f *Flags) named(path, name string) NamedFile {
	if name == "" {
		return NamedFile{}
	}
	what, origin := f.what(path, name)
	return NamedFile{name, what, origin}
}

// beside is how the value of another key is written where the one of path is.
func (f *Flags) beside(path, other, v string) string {
	k := keyOf(other)
	switch f.from[path].origin {
	case File:
		return k.name + " = " + literal(v)
	case Environment:
		return k.variable() + "=" + v
	}
	return "--" + k.flag + " " + v
}

// checkSocket checks the path of a Unix socket, which is nobody's but this machine's. Given is the address with it.
func (f *Flags) checkSocket(key, given, path string) error {
	right := f.try(key, "unix:/run/camgw/http.sock")
	switch {
	case !strings.HasPrefix(path, "/"):
		return f.wrong(key, given, "the path of a Unix socket must begin with a slash", right)
	case len(path) > maxSocketPath:
		return f.wrong(key, given, "the kernel takes at most 107 bytes as the path of a Unix socket", right)
	case strings.ContainsRune(path, 0), strings.HasSuffix(path, "/"):
		return f.wrong(key, given, "not the path of a file", right)
	}
	return nil
}
