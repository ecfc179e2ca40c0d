package camlink_test

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
)

var colour = regexp.MustCompile(`\x1b\[[\x20-\x40\x5b-\x60\x7b-\x7e]*[A-Za-z]`)

// plainLines is protocol section 2.2 again: the lines of a stream in which there is no packet.
func plainLines(b []byte) []string {
	var lines []string
	for {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		if !ended {
			return lines
		}
		b = rest
		text := colour.ReplaceAll(line, nil)
		text = bytes.ReplaceAll(text, []byte{'\r'}, nil)
		bad := bytes.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7E })
		if !bad && len(text) >= 4 && len(text) <= camlink.MaxText {
			lines = append(lines, string(text))
		}
	}
}

// FuzzText: a device's console gives the lines that the plain reading of the page does, and work and memory are bounded.
func FuzzText(f *testing.F) {
	for _, s := range []string{"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET)\n", "\x1b[0;32mI (29) boot: v3.1\x1b[0m\nabc\nabcd\n",
		"\x1b[", "\x1b(B\nabcd\n", "\x1b[\r0mabcd\n", "caf\xc3\xa9s\nabcde\n\xffabcd\n"} {
		f.Add([]byte(s), []byte{3, 1, 40})
	}
	for _, v := range readVectors(f) {
		f.Add(v.bytes(), []byte{7})
	}
	f.Fuzz(func(t *testing.T, b, plan []byte) {
		b = bytes.ReplaceAll(b, []byte{0xFF, 0xA7}, []byte{0xFF, 0xA8}) // no packets
		var got []string
		d := camlink.NewDecoder()
		for _, in := range cut(b, plan) {
			d.Fed(copy(d.Room(), in[:min(len(in), 4096)]))
			for ev, ok := d.Next(); ok; ev, ok = d.Next() {
				if ev.Kind != camlink.EventText {
					t.Fatal("a packet")
				}
				got = append(got, ev.Text)
			}
		}
		if len(b) > 4096 {
			return // not all of it was fed
		}
		// The last byte may be the beginning of a sync.
		if want := plainLines(b); !slices.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}
