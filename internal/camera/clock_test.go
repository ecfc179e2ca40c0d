package camera

import (
	"testing"
	"time"
)

func TestClockTakesTheShortestRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	var c clock
	if _, ok := c.best(); ok {
		t.Fatal("a sample before the first exchange")
	}
	// The device's clock is 1 s ahead. Ways of 1 ms each, then 20 ms there and 1 ms back.
	c.add(10*ms, 12*ms, 1011*ms, 1011*ms)
	c.add(50*ms, 72*ms, 1070*ms, 1071*ms)
	best, ok := c.best()
	if !ok || best.offset != time.Second || best.roundTrip != 2*ms {
		t.Errorf("best %+v, want offset 1 s by the short exchange", best)
	}
	// It is forgotten after 32 more.
	for i := range 32 {
		at := time.Duration(100+10*i) * ms
		c.add(at, at+4*ms, at+1002*ms+ms, at+1002*ms+ms)
	}
	if best, _ = c.best(); best.roundTrip != 4*ms || best.offset != time.Second+ms {
		t.Errorf("best %+v, want one of the newer exchanges", best)
	}
	c.add(0, 5*ms, 0, 10*ms) // the device claims to have held it longer than it was away
	if best, _ = c.best(); best.roundTrip < 0 {
		t.Errorf("an impossible exchange was taken: %+v", best)
	}
	c.reset()
	if _, ok := c.best(); ok {
		t.Error("a sample after reset")
	}
}
