package camlink_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
)

const (
	vectorDir    = "../../firmware/test/vectors"
	protocolPage = "../../docs/protocol.md"
)

type vector struct {
	name, rule, comment string
	maxFrame            uint32
	expect              string
	stream              []input // each line of the body on its own
}

// bytes returns the stream without its silences.
func (v vector) bytes() []byte { return slices.Concat(v.stream...) }

func readVector(path string) (vector, error) {
	v := vector{maxFrame: camlink.DefaultMaxFrame}
	f, err := os.Open(path)
	if err != nil {
		return v, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() && lines.Text() != "" {
		key, value, ok := strings.Cut(lines.Text(), ": ")
		if !ok {
			return v, fmt.Errorf("no key in %q", lines.Text())
		}
		if err := v.set(key, value); err != nil {
			return v, err
		}
	}
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "#"):
		case line == "silence":
			v.stream = append(v.stream, nil)
		default:
			b, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
			if err != nil || len(b) == 0 {
				return v, fmt.Errorf("no bytes in %q: %v", line, err)
			}
			v.stream = append(v.stream, b)
		}
	}
	if v.name+".txt" != filepath.Base(path) || v.comment == "" || len(v.stream) == 0 {
		return v, errors.New("a vector needs its file's name, a comment and a body")
	}
	if !regexp.MustCompile(`^([a-z ].*\n)*end .*\n$`).MatchString(v.expect) {
		return v, errors.New("the last event is not end, or not the only one")
	}
	return v, lines.Err()
}

func (v *vector) set(key, value string) error {
	switch key {
	case "name":
		v.name = value
	case "rule":
		v.rule = value
	case "comment":
		v.comment = value
	case "max-frame":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return err
		}
		v.maxFrame = uint32(n)
	case "expect":
		event, _, _ := strings.Cut(value, " ")
		if !slices.Contains([]string{"packet", "text", "frame", "reject", "lost", "end"}, event) {
			return fmt.Errorf("unknown event %q", event)
		}
		v.expect += value + "\n"
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

// readVectors returns all vectors by name.
func readVectors(tb testing.TB) map[string]vector {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no vectors in %s: %v", vectorDir, err)
	}
	all := map[string]vector{}
	for _, path := range paths {
		v, err := readVector(path)
		if err != nil {
			tb.Fatalf("%s: %v", path, err)
		}
		all[v.name] = v
	}
	return all
}

func TestVectors(t *testing.T) {
	for name, v := range readVectors(t) {
		t.Run(name, func(t *testing.T) {
			if got := events(v.maxFrame, v.stream); got != v.expect {
				t.Errorf("%s\ngot\n%swant\n%s", v.comment, got, v.expect)
			}
			var single []input
			for _, in := range v.stream {
				if in == nil {
					single = append(single, nil)
				}
				for b := range slices.Chunk(in, 1) {
					single = append(single, b)
				}
			}
			if got := events(v.maxFrame, single); got != v.expect {
				t.Errorf("byte by byte:\ngot\n%swant\n%s", got, v.expect)
			}
		})
	}
}

// The page and the folder must not drift apart: what the page promises to show is shown, and what is shown is a rule of the page.
func TestVectorsMatchProtocolPage(t *testing.T) {
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	vectors := readVectors(t)
	named := map[string]bool{}
	// A vector's name is all of a code span, has a hyphen, and starts like one of the groups.
	for _, m := range regexp.MustCompile("`((?:packet|resync|version|length|silence|text|frame|messages)-[a-z0-9-]+)`").FindAllStringSubmatch(string(page), -1) {
		named[m[1]] = true
		if _, ok := vectors[m[1]]; !ok {
			t.Errorf("the page names the vector %s, and there is no such file", m[1])
		}
	}
	if len(named) < 25 {
		t.Errorf("found the names of only %d vectors in the page", len(named))
	}
	for name, v := range vectors {
		if !named[name] {
			t.Errorf("the page does not name the vector %s", name)
		}
		heading := regexp.MustCompile(`(?m)^#+ ` + regexp.QuoteMeta(v.rule) + `\.? `)
		if !heading.Match(page) {
			t.Errorf("vector %s shows a rule of section %s, which the page does not have", name, v.rule)
		}
	}
}
