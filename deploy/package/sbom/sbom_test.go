package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The program looks for the tree's files where it is run.
func TestMain(m *testing.M) {
	if err := os.Chdir("../../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func readCopyright(t *testing.T) licences {
	t.Helper()
	text, err := os.ReadFile("deploy/package/copyright")
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseCopyright(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func golist(t *testing.T, arch string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	slices.Sort(all)
	return slices.Compact(all)
}

// TestCopyrightNamesWhatIsLinked, all of it and nothing else, with the licence that its own file gives.
func TestCopyrightNamesWhatIsLinked(t *testing.T) {
	l := readCopyright(t)
	used := map[string]bool{"*": true, "std/*": true, "internal/web/page/uPlot.*": true}
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		modules := golist(t, arch, "-deps", "./cmd/camgw")
		if len(modules) < 10 {
			t.Fatalf("%s links only %q", arch, modules)
		}
		for _, line := range modules {
			module, dir, _ := strings.Cut(line, "\t")
			pattern, licence, err := l.of(module)
			if err != nil {
				t.Error(err)
				continue
			}
			used[pattern] = true
			if is := licenceOf(t, dir); is != licence {
				t.Errorf("copyright gives %s the licence %s, its own file %q", module, licence, is)
			}
		}
	}
	for pattern := range l {
		if !used[pattern] {
			t.Errorf("copyright names %s, which is not in the program", pattern)
		}
	}
}

// TestLicencesOfTestModules: what only tests use goes into no package, but who builds camgw needs the right to use it.
func TestLicencesOfTestModules(t *testing.T) {
	for _, line := range golist(t, "amd64", "-deps", "-test", "./...") {
		module, dir, _ := strings.Cut(line, "\t")
		if is := licenceOf(t, dir); is == "" {
			t.Errorf("%s has a licence that nobody has looked at", module)
		}
	}
}

// licenceOf tells which licence lies in a module's folder by words that only that one has. "": none of those known here.
func licenceOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "LICEN[SC]E*"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no license: %v", dir, err)
		return ""
	}
	var text string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text += " " + strings.Join(strings.Fields(string(b)), " ")
	}
	for _, known := range []struct{ id, words string }{
		{"Apache-2.0", "Apache License Version 2.0"},
		{"MPL-2.0", "Mozilla Public License Version 2.0"},
		{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
		{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
		{"BSD-3-Clause", "Neither the name"},
		{"BSD-2-Clause", "Redistributions in binary form must reproduce the above copyright notice"},
	} {
		if strings.Contains(text, known.words) {
			return known.id
		}
	}
	return ""
}

func TestCopyrightMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "there is no Files field",
		"Files: a/*\nCopyright: me\n":  "files a/* have no License",
		"Files: a/*\n\nLicense: MIT\n": "files a/* have no License",
		"Files: *\nLicense: MIT\n\nFiles: *\nLicense: ISC\n": "files * stand there twice",
	} {
		if _, err := parseCopyright(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
	l := licences{"*": "Apache-2.0", "a/b/*": "MIT", "page/x.*": "ISC"}
	for name, want := range map[string]string{"a/b": "MIT", "a/b/v2": "MIT", "page/x.js": "ISC", "a": "", "a/bc": "", "other": ""} {
		if _, got, err := l.of(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v, not %q", name, got, err, want)
		}
	}
}

// TestDocument builds the program and holds the document to what go version says of it.
func TestDocument(t *testing.T) {
	program := filepath.Join(t.TempDir(), "camgw")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, "./cmd/camgw")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := run(w, []string{"v1.2.3", program}, "86400"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two runs differ")
	}
	var d document
	if err := json.Unmarshal(first.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	sum, err := exec.Command("sha256sum", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Metadata.Component.Hashes[0].Content; !strings.HasPrefix(string(sum), got+" ") {
		t.Errorf("the program's hash is %s, not %s", sum, got)
	}
	if d.Metadata.Timestamp != "1970-01-02T00:00:00Z" || d.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("%+v", d.Metadata)
	}
	listed := map[string]component{}
	for _, c := range d.Components {
		if c.Licenses[0].License.ID == "" || listed[c.Name].Name != "" {
			t.Errorf("%+v", c)
		}
		listed[c.Name] = c
	}
	out, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := 0
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[0] == "dep" {
			modules++
			if c := listed[f[1]]; c.Version != f[2] || len(c.Hashes) != 1 {
				t.Errorf("%s %s is listed as %+v", f[1], f[2], c)
			}
		}
	}
	if modules < 10 || len(listed) != modules+2 || listed["std"].Version == "" || listed["uplot"].Version == "" {
		t.Errorf("%d modules, and %d components", modules, len(listed))
	}
	if on := d.Dependencies[0]; on.Ref != d.Metadata.Component.Ref || len(on.DependsOn) != len(d.Components) {
		t.Errorf("%+v", on)
	}
}

func TestDocumentRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"usage": {"v1"}, "no such file": {"v1", "no/such/file"}, "deploy/package/copyright: ": {"v1", "deploy/package/copyright"},
	} {
		if err := run(&bytes.Buffer{}, args, "0"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
	if err := run(&bytes.Buffer{}, []string{"v1", "go.mod"}, ""); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
		t.Error(err)
	}
}
