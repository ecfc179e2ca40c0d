// Package internal_test holds the house rules: which package may import
// which, and that each says what it is for.
package internal_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/camgw/camgw/"

// rules is the import table of docs/design.md. A package that is not listed fails the test: where a new
// one stands has to be decided.
var rules = map[string]struct {
	ours  []string // packages of ours it may import
	never []string // others it must not import; a trailing slash means everything below
	std   bool     // nothing but the standard library beside them
}{
	"cmd/camgw":           {ours: []string{"internal/access", "internal/config", "internal/gateway", "internal/serialport", "internal/systemd"}},
	"internal/access":     {never: []string{"net/http", "github.com/prometheus/", "go.bug.st/", "github.com/spf13/", "github.com/pelletier/"}},
	"internal/camlink":    {never: []string{"time", "log", "log/slog", "net", "os"}, std: true},
	"internal/serialport": {},
	"internal/histogram":  {never: []string{"time", "log", "log/slog", "net", "os"}, std: true},
	"internal/fanout": {ours: []string{"internal/histogram"},
		never: []string{"net/http", "github.com/prometheus/", "go.bug.st/", "log/slog"}, std: true},
	"internal/camera": {ours: []string{"internal/camlink", "internal/fanout", "internal/histogram"},
		never: []string{"net/http", "github.com/prometheus/", "go.bug.st/", "github.com/spf13/"}, std: true},
	"internal/web": {ours: []string{"internal/access", "internal/fanout", "internal/histogram"},
		never: []string{"github.com/prometheus/", "go.bug.st/", "github.com/spf13/"}},
	"internal/metrics": {ours: []string{"internal/access", "internal/camera", "internal/fanout", "internal/histogram", "internal/web"},
		never: []string{"go.bug.st/", "github.com/spf13/"}},
	"internal/config":      {ours: []string{"internal/access"}, never: []string{"os"}}, // of time the types alone: TestConfigReadsNoClock
	"internal/tape":        {std: true},
	"internal/simcam":      {ours: []string{"internal/camlink"}, never: []string{"net/http", "github.com/prometheus/", "go.bug.st/"}},
	"internal/certificate": {never: []string{"net/http", "github.com/prometheus/", "go.bug.st/", "github.com/spf13/"}, std: true},
	"internal/unixsocket":  {never: []string{"net/http", "github.com/prometheus/", "go.bug.st/", "github.com/spf13/"}},
	"internal/gateway": {ours: []string{"internal/access", "internal/camera", "internal/camlink", "internal/certificate", "internal/unixsocket", "internal/config", "internal/fanout",
		"internal/metrics", "internal/serialport", "internal/simcam", "internal/systemd", "internal/tape", "internal/web"}, never: []string{"github.com/spf13/"}},
	"internal/systemd":            {never: []string{"net/http", "github.com/prometheus/", "go.bug.st/", "github.com/spf13/"}},
	"internal/serialport/ptytest": {},
	"internal/linkmodel":          {std: true}, // tests alone
	"internal/bench":              {ours: []string{"internal/camlink"}, never: []string{"github.com/prometheus/", "go.bug.st/", "github.com/spf13/"}},
	"internal/bench/damage":       {ours: []string{"internal/bench", "internal/camlink"}, std: true},
	"internal/bench/fanout":       {ours: []string{"internal/bench"}, std: true},
	"internal/bench/ingest":       {ours: []string{"internal/bench"}, std: true},
	"deploy/package/sbom":         {std: true},
	"internal/chaos":              {ours: []string{"internal/bench"}, never: []string{"github.com/prometheus/", "go.bug.st/", "github.com/spf13/"}},
	"internal/chaos/run":          {ours: []string{"internal/chaos"}, std: true},
	"internal/chaos/soak":         {ours: []string{"internal/bench", "internal/chaos"}, std: true},
	"internal/chaos/proof":        {ours: []string{"internal/bench", "internal/chaos"}, std: true},
}

// only says who alone may import a module.
var only = map[string]string{
	"go.bug.st/serial":             "internal/serialport",
	"github.com/spf13/cobra":       "cmd/camgw",
	"github.com/prometheus/client": "internal/metrics",
	"github.com/pelletier/go-toml": "internal/config",
	"github.com/coreos/go-systemd": "internal/systemd",
}

type pkg struct {
	ImportPath, Name, Doc string
	Imports, GoFiles      []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,GoFiles", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := d.Decode(&p); err {
		case nil:
			if len(p.GoFiles) > 0 {
				all = append(all, p)
			}
		case io.EOF:
			return all
		default:
			t.Fatal(err)
		}
	}
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		rule, ok := rules[name]
		if !ok {
			t.Errorf("%s has no place in the import table", name)
			continue
		}
		seen[name] = true
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok {
				if !slices.Contains(rule.ours, ours) {
					t.Errorf("%s must not import %s", name, ours)
				}
				continue
			}
			for _, no := range rule.never {
				if imp == no || strings.HasSuffix(no, "/") && strings.HasPrefix(imp, no) {
					t.Errorf("%s must not import %s", name, imp)
				}
			}
			if first, _, _ := strings.Cut(imp, "/"); rule.std && strings.Contains(first, ".") {
				t.Errorf("%s must not import third-party %s", name, imp)
			}
			for prefix, owner := range only {
				if strings.HasPrefix(imp, prefix) && name != owner {
					t.Errorf("%s must not import %s: only %s may", name, imp, owner)
				}
			}
		}
	}
	for name := range rules {
		if !seen[name] {
			t.Errorf("the import table lists %s, which does not exist", name)
		}
	}
}

// TestConfigReadsNoClock: package config has durations, and nothing else of time.
func TestConfigReadsNoClock(t *testing.T) {
	files, err := filepath.Glob("config/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	use := regexp.MustCompile(`\btime\.[A-Z]\w*`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range use.FindAllString(string(b), -1) {
			if !slices.Contains([]string{"time.Time", "time.RFC3339", "time.Duration", "time.ParseDuration", "time.Hour", "time.Minute", "time.Second", "time.Millisecond"}, what) {
				t.Errorf("%s uses %s", name, what)
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment must begin with %q", p.ImportPath, want)
		}
	}
}
