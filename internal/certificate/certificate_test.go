package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair makes a certificate and its key in PEM.
func pair(t *testing.T, serial int64, from, until time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "camgw"}, DNSNames: []string{"camgw"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// folder has a pair in two files.
type folder struct {
	*testing.T
	cert, key string
}

func (f folder) put(cert, key []byte) {
	f.Helper()
	for name, content := range map[string][]byte{f.cert: cert, f.key: key} {
		if content == nil {
			continue
		}
		if err := os.WriteFile(name+".new", content, 0o600); err != nil {
			f.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			f.Fatal(err)
		}
	}
}

func newFolder(t *testing.T) folder {
	dir := t.TempDir()
	return folder{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// served is the serial number of the certificate that a client would get now.
func served(t *testing.T, p *Pair) int64 {
	t.Helper()
	c, err := p.Config().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf.SerialNumber.Int64()
}

// TestRenewal: a changed pair is taken within two seconds; a bad one, half of one, or one that clients would refuse is not, is
// told of once, and does not keep the next good one away.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := newFolder(t)
		now := time.Now()
		year := now.AddDate(1, 0, 0)
		cert1, key1 := pair(t, 1, now, year)
		f.put(cert1, key1)
		p, err := Load(f.cert, f.key, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if n := served(t, p); n != 1 || !p.State().Expires.Equal(year.UTC().Truncate(time.Second)) {
			t.Fatalf("certificate %d, %+v", n, p.State())
		}
		step := func(what string, want int64, reloads, failures uint64) {
			t.Helper()
			time.Sleep(lookEvery)
			if got, s := served(t, p), p.State(); got != want || s.Reloads != reloads || s.Failures != failures {
				t.Errorf("%s: certificate %d and %+v, want %d after %d changes and %d failures\n%s", what, got, s, want, reloads, failures, log.String())
			}
		}
		step("nothing changed", 1, 0, 0)
		cert2, key2 := pair(t, 2, now, year)
		f.put(cert2, nil)
		if n := served(t, p); n != 1 {
			t.Error("the files are looked at for every client")
		}
		step("the certificate without its key", 1, 0, 1)
		step("the same, again", 1, 0, 1)
		f.put(nil, key2)
		step("both", 2, 1, 1)
		f.put([]byte("no certificate"), nil)
		step("nonsense", 2, 1, 2)
		if err := os.Remove(f.cert); err != nil {
			t.Fatal(err)
		}
		step("a file that is gone", 2, 1, 3)
		f.put(pair(t, 3, now.AddDate(-1, 0, 0), now.Add(-time.Hour)))
		step("an old one", 2, 1, 4)
		f.put(pair(t, 4, now.Add(time.Hour), year))
		step("one from the future", 2, 1, 5)
		f.put(pair(t, 5, now, year))
		step("a good one at last", 5, 2, 5)
		if n := strings.Count(log.String(), "level=ERROR"); n != 5 {
			t.Errorf("%d errors in the log:\n%s", n, log.String())
		}
		// When the one in use has expired, any other is as good.
		time.Sleep(2 * 365 * 24 * time.Hour)
		f.put(pair(t, 6, now, year))
		step("one that has expired too", 6, 3, 5)
	})
}

// TestStateAloneFindsARenewal: a scrape over a connection that is kept open is no handshake.
func TestStateAloneFindsARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		now := time.Now()
		f.put(pair(t, 1, now, now.AddDate(0, 1, 0)))
		p, err := Load(f.cert, f.key, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		until := now.AddDate(0, 3, 0)
		f.put(pair(t, 2, now, until))
		time.Sleep(lookEvery)
		if s := p.State(); s.Reloads != 1 || !s.Expires.Equal(until.UTC().Truncate(time.Second)) {
			t.Errorf("%+v", s)
		}
	})
}

// TestBadFiles: the error says which of the two is at fault.
func TestBadFiles(t *testing.T) {
	now := time.Now()
	cert, key := pair(t, 1, now, now.AddDate(1, 0, 0))
	_, other := pair(t, 2, now, now.AddDate(1, 0, 0))
	secret := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	for _, tt := range []struct {
		name      string
		cert, key []byte
		keyFault  bool
		want      string
	}{
		{"no certificate file", nil, key, false, "no such file or directory"},
		{"no key file", cert, nil, true, "no such file or directory"},
		{"another's key", cert, other, true, "private key does not match public key"},
		{"nonsense for a certificate", []byte("x"), key, false, "failed to find any PEM data in certificate input"},
		{"nonsense for a key", cert, []byte("x"), true, "failed to find any PEM data in key input"},
		{"swapped", key, cert, false, "PEM"},
		{"encrypted", cert, secret, true, "key"},
		{"damaged", bytes.Replace(cert, []byte("MI"), []byte("AA"), 1), key, false, ""},
		{"huge", bytes.Repeat([]byte("x"), maxFile+1), key, false, "larger than 1 MiB"},
	} {
		f := newFolder(t)
		f.put(tt.cert, tt.key)
		_, err := Load(f.cert, f.key, slog.New(slog.DiscardHandler))
		fault, ok := errors.AsType[*Error](err)
		if !ok || fault.Key != tt.keyFault || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, the key's: %v", tt.name, err, ok && fault.Key)
		}
	}
	f := newFolder(t)
	f.put(nil, key)
	if err := os.Mkdir(f.cert, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(f.cert, f.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Load("/nonexistent", f.key, slog.New(slog.DiscardHandler)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestExpiredAtStart is warned of, because it may be better than no camera.
func TestExpiredAtStart(t *testing.T) {
	var log bytes.Buffer
	f := newFolder(t)
	f.put(pair(t, 1, time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0)))
	if _, err := Load(f.cert, f.key, slog.New(slog.NewTextHandler(&log, nil))); err != nil || !strings.Contains(log.String(), "expired") {
		t.Errorf("%v\n%s", err, log.String())
	}
}
