package linkmodel

import (
	"testing"
)

// TestScenarios: without faults each scenario ends well, at the rate it should.
func TestScenarios(t *testing.T) {
	step := newStepper(t)
	tables := readTables(t)
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			w := run(t, s, nil, step, tables)
			if w.wrong == "" && !s.usb && w.baud != s.rate {
				w.wrong = "the rate is wrong"
			}
			if w.wrong != "" {
				t.Fatalf("%s\n%s", w.wrong, w.story())
			}
			t.Logf("%d packets, %.3f s, recovered in %.3f s", len(w.sent), float64(w.now)/1e6, float64(w.slowest)/1e6)
		})
	}
	t.Log(tables)
}
