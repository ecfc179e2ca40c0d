// Command sbom prints what a built camgw contains, as CycloneDX 1.6: the Go modules that its build information names, the Go
// runtime and the page's JavaScript, with their versions, hashes and licenses. It is run from the top of the tree.
//
//	SOURCE_DATE_EPOCH=SECONDS sbom VERSION PROGRAM
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Stdout, os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, args []string, epoch string) error {
	if len(args) != 2 {
		return errors.New("usage: SOURCE_DATE_EPOCH=SECONDS sbom VERSION PROGRAM")
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	p := program{version: args[0], built: time.Unix(seconds, 0)}
	bytes, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	p.sha256 = sha256.Sum256(bytes)
	if p.info, err = buildinfo.ReadFile(args[1]); err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	if p.uPlot, err = uPlotVersion("internal/web/page/uPlot.js"); err != nil {
		return err
	}
	text, err := os.ReadFile("deploy/package/copyright")
	if err != nil {
		return err
	}
	l, err := parseCopyright(string(text))
	if err != nil {
		return fmt.Errorf("deploy/package/copyright: %w", err)
	}
	d, err := describe(p, l)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(d)
}

// uPlotVersion is the one that the file's first line tells.
func uPlotVersion(name string) (string, error) {
	js, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`^/\*! https://github\.com/leeoniya/uPlot \(v([0-9.]+)\) \*/`).FindSubmatch(js)
	if m == nil {
		return "", fmt.Errorf("%s: the first line does not tell the version", name)
	}
	return string(m[1]), nil
}
