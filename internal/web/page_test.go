package web

import (
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/fanout"
)

func TestPage(t *testing.T) {
	s := New(Options{Perimeter: testPerimeter, Cameras: []Camera{{ID: "a", Hub: fanout.NewHub(Envelope), Status: func() Status { return Status{} }}}})
	ask := func(target, tag string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", target, nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		s.Handler().ServeHTTP(rec, r)
		return rec
	}
	page := ask("/", "")
	policy := page.Header().Get("Content-Security-Policy")
	if page.Code != 200 || page.Header().Get("Content-Type") != "text/html; charset=utf-8" || policy == "" {
		t.Fatalf("%d %v", page.Code, page.Header())
	}
	for _, bad := range []string{"unsafe", "*", "http:", "https:", "data:"} {
		if strings.Contains(policy, bad) {
			t.Errorf("the policy has %q: %s", bad, policy)
		}
	}
	html := page.Body.String()
	// What the policy would block, the page must not have.
	for name, pattern := range map[string]string{
		"inline script": `<script(?:[^>]*)>[^<]`, "inline style": `<style|\sstyle=`, "event attribute": `\son[a-z]+=`, "another host": `(?:src|href)="(?:https?:)?//`,
		"rooted address": `(?:src|href)="/`,
	} {
		if found := regexp.MustCompile(pattern).FindString(html + string(assets["signin.html"].body)); found != "" {
			t.Errorf("%s: %q", name, found)
		}
	}
	// The page is what it links, and what that imports or fetches in turn.
	reached := map[string]bool{"index.html": true}
	var queue []string
	reach := func(name string) {
		if !reached[name] {
			reached[name] = true
			queue = append(queue, name)
		}
	}
	reach("signin.html") // shown in place of the page
	for _, match := range regexp.MustCompile(`"assets/([^"]+)"`).FindAllStringSubmatch(html+string(assets["signin.html"].body), -1) {
		reach(match[1])
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		file := ask("/assets/"+name, "")
		if file.Code != 200 || file.Header().Get("X-Content-Type-Options") != "nosniff" || file.Header().Get("Content-Type") == "" ||
			file.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d %v", name, file.Code, file.Header())
		}
		if again := ask("/assets/"+name, file.Header().Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s asked again: %d", name, again.Code)
		}
		body := file.Body.String()
		if path.Ext(name) != ".js" {
			continue
		}
		for _, match := range regexp.MustCompile(`(?:from|import|import\() ?"\./([^"]+)"|"assets/([^"]+)"`).FindAllStringSubmatch(body, -1) {
			if name != "uPlot.js" {
				reach(match[1] + match[2])
			}
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "://"} {
			for line := range strings.Lines(body) {
				allowed := strings.Contains(line, "http://www.w3.org/2000/svg") || // a name, not an address
					strings.HasPrefix(strings.TrimSpace(line), "//") || strings.HasPrefix(line, "/*!") ||
					name == "snippets.js" && strings.Contains(line, "rtsp://127.0.0.1") // for the reader to paste
				if strings.Contains(line, bad) && !allowed {
					t.Errorf("%s has %s: %s", name, bad, line)
				}
			}
		}
	}
	for name := range assets {
		if !reached[name] && !strings.Contains(name, "LICENSE") {
			t.Errorf("nothing uses %s", name)
		}
	}
}

func TestAssetsHaveTypes(t *testing.T) {
	for name, a := range assets {
		if a.contentType == "" || len(a.body) == 0 {
			t.Errorf("%s: type %q, %d bytes", name, a.contentType, len(a.body))
		}
	}
}
