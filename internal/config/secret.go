package config

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Secret is a text that is never shown: whatever prints it prints three stars. Who needs it converts it.
type Secret string

const stars = "***"

// String is part of fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return stars
}

// GoString is part of fmt.GoStringer.
func (s Secret) GoString() string { return quote(s.String()) }

// LogValue is part of slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is part of encoding.TextMarshaler, which JSON obeys too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// fileSuffix makes the name of the key that names the file a secret stands in.
const fileSuffix = "_file"

// fromFile reads a secret that stands in a file of its own. A newline at its end is an editor's.
func (s *Sources) fromFile(name string) (Secret, error) {
	if s.ReadFile == nil {
		return "", errors.New("files cannot be read here")
	}
	b, err := s.ReadFile(name)
	if err != nil {
		return "", err
	}
	content := strings.TrimRight(string(b), "\r\n")
	if content == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return Secret(content), nil
}

// credential is where systemd puts a credential of this name (LoadCredential=table.key:/path); "" without any.
func (s *Sources) credential(k key) string {
	if s.Credentials == "" {
		return ""
	}
	return s.Credentials + "/" + k.path()
}
