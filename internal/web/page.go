package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed page
var pageFiles embed.FS

// asset is one embedded file, ready to be sent.
type asset struct {
	contentType string
	etag        string
	body        []byte
}

// assets are the files of the page by name. They are part of the program: if one cannot be read, the
// program was built wrong.
var assets = func() map[string]asset {
	// Not from the system's table, which may be missing or odd.
	types := map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
	}
	entries, err := fs.ReadDir(pageFiles, "page")
	if err != nil {
		panic(err)
	}
	all := make(map[string]asset)
	for _, entry := range entries {
		body, err := pageFiles.ReadFile("page/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		contentType := types[path.Ext(entry.Name())]
		if contentType == "" {
			contentType = mime.TypeByExtension(path.Ext(entry.Name()))
		}
		all[entry.Name()] = asset{contentType, `"` + hex.EncodeToString(sum[:8]) + `"`, body}
	}
	return all
}()

// contentSecurityPolicy lets the page use its own files and talk to its own server, and nothing else. Names that
// devices send can then at worst be shown. Pictures fetched one by one are blobs. Who may frame it is the perimeter's.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'"

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", s.perimeter.Load().pagePolicy)
	assets["index.html"].serve(w, r)
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := assets[r.PathValue("file")]
	if !ok {
		s.notFound(w, "there is no such file")
		return
	}
	w.Header().Set("Content-Security-Policy", s.perimeter.Load().pagePolicy)
	a.serve(w, r)
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("Cache-Control", "no-cache") // ask each time; the tag makes that cheap
	header.Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}
