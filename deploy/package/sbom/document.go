package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// What of CycloneDX 1.6 is used: https://cyclonedx.org/docs/1.6/json/.
type document struct {
	Schema       string       `json:"$schema"`
	BOMFormat    string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Scope      string     `json:"scope,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licenses   []license  `json:"licenses"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// program is what a document is made of.
type program struct {
	version string // the release
	sha256  [32]byte
	info    *debug.BuildInfo
	uPlot   string // its version; the page's JavaScript is compiled in
	built   time.Time
}

// describe lists what the program contains. The same program gives the same bytes: nothing in it is random, or the time of day.
// Which module wants which the program does not know, so that all hang on it.
func describe(p program, l licences) (*document, error) {
	main := component{
		Type: "application", Name: "camgw", Version: p.version,
		PURL:   "pkg:golang/" + p.info.Main.Path + "@" + url.PathEscape(p.version) + "#cmd/camgw",
		Hashes: []hash{{"SHA-256", hex.EncodeToString(p.sha256[:])}},
	}
	main.Ref = main.PURL
	licence, ok := l["*"]
	if !ok {
		return nil, fmt.Errorf("copyright does not name camgw itself; try: a paragraph with Files: *")
	}
	main.Licenses = []license{spdx(licence)}
	for _, s := range p.info.Settings {
		if slices.Contains([]string{"GOOS", "GOARCH", "GOARM", "CGO_ENABLED", "-tags"}, s.Key) {
			main.Properties = append(main.Properties, property{"camgw:build:" + s.Key, s.Value})
		}
	}

	add := func(file string, c component) (component, error) {
		_, licence, err := l.of(file)
		c.Type, c.Scope, c.Ref, c.Licenses = "library", "required", c.PURL, []license{spdx(licence)}
		return c, err
	}
	goVersion := strings.TrimPrefix(p.info.GoVersion, "go")
	all := make([]component, 0, len(p.info.Deps)+2)
	for _, of := range []struct {
		file string
		c    component
	}{
		{"std", component{Name: "std", Version: p.info.GoVersion, PURL: "pkg:golang/std@" + goVersion}},
		{"internal/web/page/uPlot.js", component{Name: "uplot", Version: p.uPlot, PURL: "pkg:npm/uplot@" + p.uPlot}},
	} {
		c, err := add(of.file, of.c)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for _, m := range p.info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		// go.sum's own hash: SHA-256 over the names and hashes of the module's files.
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("%s %s has the hash %q; try: a module from a proxy, not a folder", m.Path, m.Version, m.Sum)
		}
		c, err := add(m.Path, component{Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + url.PathEscape(m.Version),
			Hashes: []hash{{"SHA-256", hex.EncodeToString(sum)}}})
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b component) int { return strings.Compare(a.PURL, b.PURL) })

	d := &document{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: serial(p.sha256), Metadata: metadata{p.built.UTC().Format(time.RFC3339), main}, Components: all}
	on := dependency{Ref: main.Ref}
	for _, c := range all {
		on.DependsOn = append(on.DependsOn, c.Ref)
		d.Dependencies = append(d.Dependencies, dependency{Ref: c.Ref})
	}
	d.Dependencies = append([]dependency{on}, d.Dependencies...)
	return d, nil
}

func spdx(id string) (l license) {
	l.License.ID = id
	return l
}

// serial is a UUID of version 8 (RFC 9562) that follows from the program.
func serial(sha [32]byte) string {
	u := sha[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
