package bench

import (
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		s    Sample
		want float64
	}{
		{nil, 0}, {Sample{7}, 7}, {Sample{9, 1, 5}, 5}, {Sample{4, 1, 3, 2}, 2.5},
	} {
		before := slices.Clone(c.s)
		if got := c.s.Median(); got != c.want {
			t.Errorf("%v: %v, want %v", c.s, got, c.want)
		}
		if !slices.Equal(c.s, before) {
			t.Errorf("%v became %v", before, c.s)
		}
	}
}

func TestShow(t *testing.T) {
	if got, want := (Sample{9.04, 8.76, 12}).Show(1), "9.0 (8.8-12.0)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A machine that is half as fast in the second pair does not show in the ratios.
func TestOver(t *testing.T) {
	camgw, floor := Sample{11, 22, 12}, Sample{10, 20, 10}
	if got, want := camgw.Over(floor), (Sample{1.1, 1.1, 1.2}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("runs without a partner were accepted")
		}
	}()
	camgw.Over(floor[:2])
}
