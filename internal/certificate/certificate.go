// Package certificate keeps the key pair of a TLS server current: its files are read again when they have changed, and a pair
// that cannot be used never takes the place of one that can.
package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// lookEvery is how often the files are looked at, at most; they are looked at when somebody connects, or asks for the state.
	lookEvery = 2 * time.Second

	// maxFile bounds what is read as a certificate or a key: more can only be the wrong file.
	maxFile = 1 << 20
)

// Pair is a certificate with its key, out of two files in PEM. Its methods may be called from anywhere.
type Pair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu                sync.Mutex
	current           *tls.Certificate // never nil; its Leaf neither
	read              prints           // of the files when they were last read
	looked            time.Time
	reloads, failures uint64
}

// State is what has become of a pair.
type State struct {
	Expires  time.Time // when the certificate in use does
	Reloads  uint64    // changed files that were taken
	Failures uint64    // changed files that could not be used
}

// Error is a file that cannot be used.
type Error struct {
	Key bool // it is the key's, or both do not belong together; else the certificate's
	Err error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Load reads a pair: the certificate with those between it and its issuer's root, and the key, which must not be encrypted. The
// error is an *Error.
func Load(certFile, keyFile string, log *slog.Logger) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, log: log, looked: time.Now()}
	p.read = p.prints() // before: what changes meanwhile is read again
	var err error
	if p.current, err = load(certFile, keyFile); err != nil {
		return nil, err
	}
	if fault := validity(p.current, time.Now()); fault != nil {
		log.Warn("clients will refuse the TLS certificate", "file", certFile, "error", fault)
	}
	return p, nil
}

// Config is that of a server with the pair: TLS 1.2 and later, and HTTP/1.1 alone, because a stream takes its connection over.
func (p *Pair) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.look()
			return p.current, nil
		},
	}
}

// State looks at the files if it is time to, and tells what has become of the pair.
func (p *Pair) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look()
	return State{p.current.Leaf.NotAfter, p.reloads, p.failures}
}

// look reads the files again if they have changed. It needs mu.
func (p *Pair) look() {
	now := time.Now()
	if now.Sub(p.looked) < lookEvery {
		return
	}
	p.looked = now
	prints := p.prints()
	if prints == p.read {
		return
	}
	p.read = prints
	next, err := load(p.certFile, p.keyFile)
	if err == nil {
		if err = validity(next, now); err != nil && validity(p.current, now) != nil {
			err = nil // it is no worse than the one before
		}
	}
	if err != nil {
		p.failures++
		p.log.Error("the changed TLS certificate cannot be used: the one before stays in use", "file", p.certFile,
			"error", err, "expires", p.current.Leaf.NotAfter)
		return
	}
	p.current = next
	p.reloads++
	p.log.Info("TLS certificate read again", "file", p.certFile, "expires", next.Leaf.NotAfter)
}

// prints tell whether files have changed since.
type prints [2]struct {
	size     int64
	modified int64  // Unix time in nanoseconds
	changed  int64  // the same, of owner and permissions too
	inode    uint64 // another, if it was renamed into place
}

func (p *Pair) prints() (all prints) {
	for i, name := range []string{p.certFile, p.keyFile} {
		if info, err := os.Stat(name); err == nil {
			all[i].size, all[i].modified = info.Size(), info.ModTime().UnixNano()
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				all[i].changed, all[i].inode = st.Ctim.Nano(), st.Ino
			}
		}
	}
	return all
}

func load(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := read(certFile)
	if err != nil {
		return nil, &Error{false, err}
	}
	key, err := read(keyFile)
	if err != nil {
		return nil, &Error{true, err}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, &Error{isCertificate(cert), err}
	}
	return &pair, nil
}

// isCertificate tells whether a text has one in PEM.
func isCertificate(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err == nil
		}
	}
	return false
}

func read(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		if pathError, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathError.Err
		}
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("not a file"))
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errors.New("larger than 1 MiB; this cannot be it")
	}
	return content, err
}

// validity says why clients refuse a certificate now.
func validity(c *tls.Certificate, now time.Time) error {
	switch {
	case now.After(c.Leaf.NotAfter):
		return fmt.Errorf("it expired on %s", c.Leaf.NotAfter.Format(time.DateOnly))
	case now.Before(c.Leaf.NotBefore):
		return fmt.Errorf("it is not valid before %s", c.Leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}
