package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
)

//go:embed openapi.yaml
var openAPIText []byte

// openAPIFile is the description of everything in routes.go, by its test.
var openAPIFile = func() asset {
	sum := sha256.Sum256(openAPIText)
	return asset{"application/yaml", `"` + hex.EncodeToString(sum[:8]) + `"`, openAPIText}
}()

func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) { openAPIFile.serve(w, r) }
