package systemd

import (
	"slices"
	"testing"
)

func TestProgress(t *testing.T) {
	var p Progress
	for i, look := range []struct {
		parts   []Pulse
		waiting []string
	}{
		{[]Pulse{{"b", 5, false}, {"a", 7, false}}, nil}, // first seen
		{[]Pulse{{"b", 6, false}, {"a", 9, false}}, nil},
		{[]Pulse{{"b", 6, false}, {"a", 9, false}}, []string{"a", "b"}},
		{[]Pulse{{"b", 6, false}, {"a", 10, false}}, []string{"b"}},
		{[]Pulse{{"b", 7, false}, {"a", 10, false}}, nil},                 // a since the feed, though not since the look
		{[]Pulse{{"b", 7, true}, {"a", 11, false}}, nil},                  // b has gone to rest
		{[]Pulse{{"b", 7, false}, {"a", 12, false}}, nil},                 // and is just back
		{[]Pulse{{"b", 7, false}, {"a", 13, false}}, []string{"b"}},       // but does nothing
		{[]Pulse{{"a", 14, false}}, nil},                                  // b is gone
		{[]Pulse{{"a", 15, false}, {"b", 7, false}}, nil},                 // another of its name
		{[]Pulse{{"a", 1, false}, {"b", 8, false}, {"c", 0, false}}, nil}, // a began anew
		{nil, nil},
	} {
		if got := p.Look(look.parts); !slices.Equal(got, look.waiting) {
			t.Errorf("look %d: waiting for %q, want %q", i, got, look.waiting)
		}
	}
}
