package gateway

import (
	"errors"
	"io/fs"
	"log/slog"

	"github.com/camgw/camgw/internal/certificate"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/metrics"
)

// loadPair reads the certificate, if there is one. The error is a *config.Error.
func loadPair(files config.TLS, log *slog.Logger) (*certificate.Pair, error) {
	if !files.Enabled() {
		return nil, nil
	}
	pair, err := certificate.Load(files.Cert.Path, files.Key.Path, log)
	if err == nil {
		return pair, nil
	}
	named, try := files.Cert, "the certificate in PEM; of an ACME client, the one with the whole chain: fullchain.pem"
	if fault, ok := errors.AsType[*certificate.Error](err); ok && fault.Key {
		named, try = files.Key, "the key of this certificate, in PEM and not encrypted: openssl pkey -in KEY -out key.pem"
	}
	if errors.Is(err, fs.ErrPermission) {
		try = "let the user that the daemon runs as read it: docs/operations.md, HTTPS"
	}
	return nil, &config.Error{What: named.Given, Why: err.Error(), Try: try, Origin: named.Origin}
}

// certificateStats is what the metrics tell of a pair.
func certificateStats(pair *certificate.Pair) func() metrics.Certificate {
	if pair == nil {
		return nil
	}
	return func() metrics.Certificate {
		s := pair.State()
		return metrics.Certificate{Expires: s.Expires, Reloads: s.Reloads, Failures: s.Failures}
	}
}
