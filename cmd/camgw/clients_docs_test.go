package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// clientPages is where the pages about clients are.
const clientPages = "../../docs/clients"

// The pages speak of this gateway and this camera.
const pagesGateway, pagesCamera = "http://pi:8080", "door"

// block is what stands between fences on a page, for a reader to copy.
type block struct{ language, text string }

// pageBlocks are the blocks of a page, in order.
func pageBlocks(t testing.TB, page string) []block {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(clientPages, page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	var open bool
	for line := range strings.Lines(string(b)) {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open:
			open = false
		case fence:
			open = true
			blocks = append(blocks, block{language: strings.TrimSpace(language)})
		case open:
			blocks[len(blocks)-1].text += line
		}
	}
	if open {
		t.Fatalf("%s: the last fence is open", page)
	}
	return blocks
}

// commands are the commands in a block of shell.
func (b block) commands() []string {
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// TestClientPagesAreTested: nothing can be copied from a page that no test has tried, and the index has each page once.
func TestClientPagesAreTested(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(clientPages, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(clientPages, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	tested := maps.Clone(clientTrials)
	for _, file := range files {
		page := filepath.Base(file)
		if page == "README.md" {
			continue
		}
		trials, ok := tested[page]
		delete(tested, page)
		if blocks := pageBlocks(t, page); !ok || len(blocks) != len(trials) {
			t.Errorf("%s has %d blocks, of which %d are tested", page, len(blocks), len(trials))
		}
		if n := strings.Count(string(index), "]("+page+")"); n != 1 {
			t.Errorf("the index has %s %d times", page, n)
		}
	}
	for page := range tested {
		t.Errorf("there is no page %s", page)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllSubmatch(index, -1) {
		if _, err := os.Stat(filepath.Join(clientPages, string(link[1]))); err != nil {
			t.Errorf("the index leads astray: %v", err)
		}
	}
}

// address is one of the gateway's on a page.
var address = regexp.MustCompile(regexp.QuoteMeta(pagesGateway) + `[^\s'"<>#,)]*`)

// addresses are those in a block, each once.
func (b block) addresses() []string {
	found := address.FindAllString(b.text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}
