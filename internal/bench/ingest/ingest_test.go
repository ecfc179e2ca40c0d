package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// Reading costs something, for whoever only reads.
func TestCat(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	camera, err := bench.NewCamera(6000)
	if err != nil {
		t.Fatal(err)
	}
	l := lab{warmUp: 100 * time.Millisecond, window: 400 * time.Millisecond, cores: bench.Cores{Server: -1}}
	cost, err := l.measure(t.Context(), row{"test", 0, 500_000, time.Millisecond}, camera, l.cat)
	if err != nil || cost <= 0 || cost > 1000 {
		t.Errorf("%v ms of CPU per MB, %v", cost, err)
	}
}

func TestArguments(t *testing.T) {
	for _, bad := range [][]string{{"-pairs", "0"}, {"-window", "0s"}, {"-warm-up", "-1s"}, {"more"}} {
		if err := run(t.Context(), bad, t.Output()); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
