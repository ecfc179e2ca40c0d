package camlink_test

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"
)

const firmwareDir = "../../firmware"

// records is a stream as the C tool reads it: a length and so many bytes, or length 0 for silence.
func records(stream []input) []byte {
	var b []byte
	for _, in := range stream {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(in)))
		b = append(b, in...)
	}
	return b
}

// The Go and the C implementation were written apart from the same page: where they find different things in the same
// bytes, one of them is wrong, or the page is unclear.
func TestSameEventsAsC(t *testing.T) {
	if out, err := exec.Command("make", "-C", firmwareDir, "events").CombinedOutput(); err != nil {
		t.Fatalf("make events: %v\n%s", err, out)
	}
	seen := map[string]int{}
	for seed := range uint64(400) {
		stream := randomStream(seed)
		cmd := exec.Command(firmwareDir+"/build/events", "--stream")
		cmd.Stdin = bytes.NewReader(records(stream))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("seed %d: events: %v", seed, err)
		}
		inC, inGo := string(out), events(0, stream)
		if inC != inGo {
			t.Fatalf("seed %d: %s", seed, firstDifference(inC, inGo))
		}
		for line := range strings.Lines(inGo) {
			kind, rest, _ := strings.Cut(line, " ")
			if kind == "reject" {
				kind = rest[strings.Index(rest, "reason"):]
			}
			seen[strings.TrimSpace(kind)]++
		}
	}
	// The comparison is worth something only if all of the events occurred.
	for _, kind := range []string{"packet", "text", "frame", "lost", "end",
		"reason=incomplete", "reason=too_large", "reason=aborted", "reason=format"} {
		if seen[kind] < 10 {
			t.Errorf("only %d of %q in all streams", seen[kind], kind)
		}
	}
}

func firstDifference(inC, inGo string) string {
	c, g := strings.Split(inC, "\n"), strings.Split(inGo, "\n")
	for i := range min(len(c), len(g)) {
		if c[i] != g[i] {
			before := strings.Join(g[max(0, i-5):i], "\n")
			return "after\n" + before + "\nC says\n" + c[i] + "\nGo says\n" + g[i]
		}
	}
	return "one is longer"
}
