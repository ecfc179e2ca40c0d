package web

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/fanout"
)

func TestPage(t *testing.T) {
	s := New(Options{Cameras: []Camera{{ID: "a", Hub: fanout.NewHub(Envelope), Status: func() Status { return Status{} }}}})
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
		if found := regexp.MustCompile(pattern).FindString(html); found != "" {
			t.Errorf("%s: %q", name, found)
		}
	}
	linked := regexp.MustCompile(`"(assets/[^"]+)"`).FindAllStringSubmatch(html, -1)
	if len(linked) != 3 {
		t.Errorf("the page links %v", linked)
	}
	for _, match := range linked {
		file := ask("/"+match[1], "")
		if file.Code != 200 || file.Header().Get("X-Content-Type-Options") != "nosniff" || file.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", match[1], file.Code, file.Header())
		}
		if again := ask("/"+match[1], file.Header().Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s asked again: %d", match[1], again.Code)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "://"} {
			body := strings.ReplaceAll(file.Body.String(), `xmlns="http://www.w3.org/2000/svg"`, "")
			if strings.Contains(body, bad) {
				t.Errorf("%s has %s", match[1], bad)
			}
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
