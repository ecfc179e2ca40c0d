package linkmodel

import (
	"bytes"
	"slices"

	"github.com/camgw/camgw/internal/fanout"
)

func (w *world) linked() bool {
	if w.dead || !w.powered || w.now < w.muteUntil || w.now < w.stallUntil {
		return false
	}
	if w.scenario.oneWay {
		return w.host.state == hearing && w.dev.state == free
	}
	return w.host.state == running && (w.dev.state == atBase || w.dev.state == atFast) && (w.scenario.usb || w.rep.line == w.baud)
}

// well is what every run has to come back to.
func (w *world) well() bool {
	if !w.linked() {
		return false
	}
	since := max(w.last, w.scenario.lastView(w.now))
	if w.scenario.watched(w.now, w.now) {
		return w.pictured > since
	}
	return !w.rep.awake || w.scenario.oneWay
}

// judge looks at the whole after every event.
func (w *world) judge() {
	if w.over {
		return
	}
	w.tables.pairs[pair{w.host.state, w.dev.state, w.rep.line == w.baud}]++
	if !w.dead {
		w.host.keeps()
	}
	apart := w.host.state == running && !w.dead && !w.linked()
	switch {
	case !apart:
		w.apartAt = 0
	case w.apartAt == 0 || w.now < w.stallUntil:
		w.apartAt = w.now
	case w.now-w.apartAt > apartAtMost:
		w.fail("for %d ms the host has believed itself linked at %d baud; the device is %s at %d", (w.now-w.apartAt)/1000, w.baud, w.dev.state, w.rep.line)
	}
	bound := w.scenario.bound
	if bound == 0 {
		bound = recoveryBound
	}
	last := max(w.last, w.scenario.lastView(w.now))
	switch {
	case !w.well():
		w.goodAt = 0
		if w.now-last > bound {
			w.fail("%d ms after %q: host %s at %d baud, device %s at %d baud, last picture at %.3f s",
				(w.now-last)/1000, w.disturbed, w.host.state, w.baud, w.dev.state, w.rep.line, float64(w.pictured)/1e6)
		}
	case w.goodAt == 0:
		w.goodAt, w.wellAt = w.now, w.now
		if w.slowest < w.now-last {
			w.slowest = w.now - last
		}
	case w.now > w.scenario.lasts && w.now-w.goodAt > 300000 && w.host.scripted == len(w.scenario.script):
		w.finish()
	}
}

// published checks a picture before viewers get it.
func (w *world) published(f *fanout.Frame) {
	if !slices.ContainsFunc(thePictures, func(p []byte) bool { return bytes.Equal(p, f.JPEG()) }) {
		w.fail("a picture of %d bytes that the camera never took", len(f.JPEG()))
	}
	w.pictured = w.now
}
