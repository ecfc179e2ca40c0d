package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// authority issues certificates for this machine, as an ACME client's files have them.
type authority struct {
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(a.path(name)+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(a.path(name)+".new", a.path(name)); err != nil {
		t.Fatal(err)
	}
}

// issue writes a new pair into cert.pem and key.pem.
func (a *authority) issue(t *testing.T, until time.Time) (serial int64) {
	t.Helper()
	a.serial++
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(100 + a.serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "cert.pem", "CERTIFICATE", der)
	a.write(t, "key.pem", "PRIVATE KEY", secret)
	return 100 + a.serial
}

func (a *authority) config(t *testing.T) *tls.Config {
	t.Helper()
	b, err := os.ReadFile(a.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return &tls.Config{RootCAs: pool}
}

// secure starts a daemon that speaks HTTPS, and plain HTTP on a Unix socket.
func (a *authority) secure(t *testing.T, args ...string) (d *daemon, socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "http.sock")
	d = startDaemon(t, append([]string{"--tls-cert", a.path("cert.pem"), "--tls-key", a.path("key.pem"), "--also-listen", "unix:" + socket}, args...)...)
	d.url = strings.Replace(d.url, "http://", "https://", 1)
	return d, socket
}

func (a *authority) curl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("curl", append([]string{"-sS", "--max-time", "10", "--cacert", a.path("ca.pem")}, args...)...).CombinedOutput()
	if err != nil {
		t.Errorf("curl %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestTLS: pages, pictures, streams and WebSockets over HTTPS, a renewed certificate under a running viewer, and plain HTTP on
// the Unix socket beside it.
func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	expires := time.Now().AddDate(0, 0, 10).Truncate(time.Second)
	first := a.issue(t, expires)
	album := newAlbum(t, 10, 320, 240, 20000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "10", "--usb")
	d, socket := a.secure(t, "--port", cam.link)
	address := strings.TrimPrefix(d.url, "https://")

	within(t, ample, "a camera", func() bool { return strings.Contains(a.curl(t, d.url+"/api/v1/cameras"), `"state":"idle"`) })
	if got := a.curl(t, "-o", a.path("still.jpg"), "-w", "%{http_code} %{http_version} %{ssl_verify_result}", d.url+"/snapshot.jpg"); got != "200 1.1 0" {
		t.Errorf("a snapshot: %s", got)
	}
	if got := a.curl(t, "--http2", "-o", "/dev/null", "-w", "%{http_version}", d.url+"/"); got != "1.1" {
		t.Errorf("HTTP/%s was agreed on", got)
	}
	if out, err := exec.Command("curl", "-sS", "--tls-max", "1.1", "--cacert", a.path("ca.pem"), d.url+"/").CombinedOutput(); err == nil {
		t.Errorf("TLS 1.1 was agreed on: %s", out)
	}
	if got := a.curl(t, "http://"+address+"/"); !strings.Contains(got, "Client sent an HTTP request to an HTTPS server") {
		t.Errorf("plain HTTP to the port of HTTPS: %s", got)
	}
	plain := func(path string) string { return a.curl(t, "--unix-socket", socket, "http://localhost"+path) }
	if got := plain("/healthz"); !strings.Contains(got, `"alive":true`) {
		t.Errorf("the Unix socket: %s", got)
	}
	out, err := exec.Command("ffmpeg", "-v", "error", "-tls_verify", "1", "-ca_file", a.path("ca.pem"), "-f", "mpjpeg", "-i", d.url+"/stream",
		"-frames:v", "10", "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("ffmpeg: %v\n%s", err, out)
	}

	// A viewer, whose stream outlives the certificate it began with.
	conn, err := tls.Dial("tcp", address, a.config(t))
	if err != nil {
		t.Fatal(err)
	}
	v, err := watchOn(conn, "/stream")
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		probe, err := tls.Dial("tcp", address, a.config(t))
		if err != nil {
			t.Fatal(err)
		}
		defer probe.Close()
		return probe.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	value := func(name string) string {
		for line := range strings.Lines(plain("/metrics")) {
			if series, n, _ := strings.Cut(strings.TrimSpace(line), " "); series == name {
				return n
			}
		}
		return ""
	}
	if n := serial(); n != first {
		t.Errorf("certificate %d", n)
	}
	if got := value("camgw_tls_certificate_expiry_timestamp_seconds"); got != fmt.Sprintf("%g", float64(expires.Unix())) {
		t.Errorf("expires %s, want %d", got, expires.Unix())
	}
	second := a.issue(t, expires.AddDate(0, 3, 0))
	within(t, ample, "the renewed certificate", func() bool { return serial() == second })
	if err := os.WriteFile(a.path("cert.pem"), []byte("half a certific"), 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, ample, "a failure that is counted", func() bool { return value(`camgw_tls_certificate_reloads_total{result="failure"}`) >= "1" })
	if n := serial(); n != second {
		t.Errorf("certificate %d after a bad one", n)
	}
	if !strings.Contains(d.log.String(), "the changed TLS certificate cannot be used") {
		t.Error("the log does not tell of the bad certificate")
	}
	for range 20 { // those of the time before it are waiting to be read
		if p, err := v.next(5 * time.Second); err != nil || !album.known[sha256.Sum256(p.jpeg)] {
			t.Fatalf("the viewer: %v", err)
		}
	}
	conn.Close()
	if got := value(`camgw_http_connections_dropped_total{reason="handshake"}`); got == "" || got == "0" {
		t.Errorf("%q handshakes counted as failed", got)
	}
	if took := d.kill(syscall.SIGTERM); took > 5*time.Second {
		t.Errorf("gone only after %v", took)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the Unix socket stays: %v", err)
	}
}

// TestTLSSlowViewer: who does not read is ended as over plain TCP, and delays nobody.
func TestTLSSlowViewer(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, time.Now().AddDate(0, 1, 0))
	d, socket := a.secure(t, "--port", "sim:fps=20,size=640x480")
	address := strings.TrimPrefix(d.url, "https://")
	dial := func() *viewer {
		conn, err := tls.Dial("tcp", address, a.config(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.NetConn().Close() })
		if err := conn.NetConn().(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
			t.Fatal(err)
		}
		v, err := watchOn(conn, "/stream")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	dial() // reads no further
	good := dial()
	ended := time.Now().Add(30 * time.Second)
	for {
		if _, err := good.next(5 * time.Second); err != nil {
			t.Fatalf("the good viewer: %v", err)
		}
		if strings.Contains(a.curl(t, "--unix-socket", socket, "http://localhost/metrics"), `camgw_client_disconnections_total{camera="cam1",reason="slow"} 1`) {
			break
		}
		if time.Now().After(ended) {
			t.Fatal("the viewer that does not read stays")
		}
	}
}

// TestTLSInABrowser: the page, and pictures in it by its WebSocket.
func TestTLSInABrowser(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, time.Now().AddDate(0, 1, 0))
	d, _ := a.secure(t, "--port", "door=sim:size=320x240")
	b := startBrowser(t, "--ignore-certificate-errors")
	p := b.open(t, d, "/", desk)
	p.await(clientPatience, "the canvas", pageCanvas+"?.width === 320")
}

// TestTLSMistakes: each with the file, what is wrong, and the next step; and nothing is started.
func TestTLSMistakes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, time.Now().AddDate(0, 1, 0))
	for _, tt := range []struct{ cert, key, want string }{
		{"missing.pem", "key.pem", "--tls-cert " + a.path("missing.pem") + ": no such file or directory; try: the certificate in PEM; of an ACME client, the one with the whole chain: fullchain.pem"},
		{"cert.pem", "missing.pem", "--tls-key " + a.path("missing.pem") + ": no such file or directory; try: the key of this certificate"},
		{"ca.pem", "key.pem", "--tls-key " + a.path("key.pem") + ": tls: private key does not match public key; try: the key of this certificate"},
		{"key.pem", "key.pem", "--tls-cert " + a.path("key.pem") + ": tls: failed to find"},
	} {
		out, err := exec.Command(programs.camgw, "serve", "--config=", "--listen", "127.0.0.1:0", "--port", "sim:", "--tls-cert", a.path(tt.cert), "--tls-key", a.path(tt.key)).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s and %s: %v\n%s\nwant %s", tt.cert, tt.key, err, out, tt.want)
		}
	}
}

// TestUnixSocket: one that a killed daemon left is no obstacle; one that is served is, and its holder is named.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "http.sock")
	args := []string{"--listen", "unix:" + socket, "--socket-mode", "0600", "--port", "sim:size=96x96"}
	first := startDaemon(t, args...)
	if info, err := os.Lstat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	out, err := exec.Command(programs.camgw, append([]string{"serve", "--config="}, args...)...).CombinedOutput()
	if want := fmt.Sprintf("camgw: listen on unix:%s: camgw (process %d) listens there already; try: another path, or end it\n", socket, first.cmd.Process.Pid); err == nil || string(out) != want {
		t.Errorf("%v\n%s\nwant %s", err, out, want)
	}
	first.kill(syscall.SIGKILL)
	startDaemon(t, args...)
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	v, err := watchOn(conn, "/stream")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := v.next(5 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNginxBeforeAUnixSocket: as docs/operations.md has it.
func TestNginxBeforeAUnixSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "http.sock")
	d := startDaemon(t, "--also-listen", "unix:"+socket, "--socket-mode", "0666", "--port", "sim:size=96x96")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```nginx\n")
	server, _, _ := strings.Cut(rest, "```")
	if !found || !strings.Contains(server, "unix:/run/camgw/http.sock") {
		t.Fatal("docs/operations.md has no nginx for a Unix socket")
	}
	listen := freeAddress(t, "127.0.0.1")
	server = strings.Replace(strings.ReplaceAll(server, "/run/camgw/http.sock", socket), "listen 80;", "listen "+listen+";", 1)
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("daemon off;\nmaster_process off;\nuser root;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/b;\nproxy_temp_path %[1]s/p;\n"+
		"fastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\nscgi_temp_path %[1]s/s;\n%[2]s}\n", dir, server)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	startProcess(t, "nginx", "-p", dir, "-c", config)
	var conn net.Conn
	within(t, ample, "nginx", func() bool {
		conn, err = net.Dial("tcp", listen)
		return err == nil
	})
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /snapshot.jpg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
		t.Errorf("%v\n%.300s", err, b)
	}
	front := *d
	front.url = "http://" + listen
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "mpjpeg", "-i", front.url+"/stream", "-frames:v", "5", "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("ffmpeg through nginx: %v\n%s", err, out)
	}
}
