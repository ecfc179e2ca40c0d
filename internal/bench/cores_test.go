package bench

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

func TestChooseCores(t *testing.T) {
	pairs := func(cpu int) []int { return []int{cpu &^ 1, cpu | 1} }
	alone := func(cpu int) []int { return []int{cpu} }
	for _, c := range []struct {
		name     string
		all      []int
		siblings func(int) []int
		want     Cores
		ok       bool
	}{
		{"two", []int{0, 1}, alone, Cores{0, 1}, true},
		{"not the twin", []int{2, 3, 4}, pairs, Cores{2, 4}, true},
		{"only a twin", []int{0, 1}, pairs, Cores{}, false},
		{"one", []int{5}, alone, Cores{}, false},
		{"none", nil, alone, Cores{}, false},
		{"kernel does not tell", []int{1, 2}, func(int) []int { return nil }, Cores{1, 2}, true},
	} {
		if got, err := choose(c.all, c.siblings); got != c.want || (err == nil) != c.ok {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func TestCPUList(t *testing.T) {
	if got, err := parseCPUList("0-2,7"); err != nil || !slices.Equal(got, []int{0, 1, 2, 7}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "1-", "1,,2"} {
		if got, err := parseCPUList(bad); err == nil {
			t.Errorf("%q gave %v", bad, got)
		}
	}
}

func TestCPUModel(t *testing.T) {
	for in, want := range map[string]string{
		"processor\t: 0\nmodel name\t: Some(R) CPU @ 2: GHz\nmodel name\t: other\n": "Some(R) CPU @ 2: GHz",
		"processor\t: 0\nModel\t\t: Raspberry Pi 4\n":                               "Raspberry Pi 4",
	} {
		if got := cpuModel(bufio.NewScanner(strings.NewReader(in))); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
