package linkmodel

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/fanout"
)

const frameMillis = 200 // between two captures

// happening is something of a scenario's script.
type happening struct {
	at   int64 // microseconds
	kind faultKind
}

// A scenario is a course of events in which nothing goes wrong, until faults are added to it.
type scenario struct {
	name     string
	features uint32
	// The highest rate that the device says and makes, that the adapter makes, and that the wire carries; 0: any.
	deviceMax, lineMax      uint32
	adapterMax, garbleAbove int
	usb, oneWay, blind      bool
	settings                []camera.Setting
	views                   [][2]int64 // microseconds; somebody watches from, to
	script                  []happening
	forge                   func(*world, camlink.Packet, []byte) []byte // what becomes of a packet of the host's
	damage                  func(*world, int) bool                      // whether this chunk is damaged
	lasts                   int64                                       // microseconds, at least
	rate                    int                                         // at the end, if no fault is added
	bound                   int64                                       // of recovery, microseconds; 0: recoveryBound
}

const second = 1000000

// recoveryBound is how long after the last disturbance the link must be well again, microseconds; docs/link-model.md tells how it adds up.
const recoveryBound = 14 * second

// watchMargin is how long after a viewer has come or gone the host may not know, microseconds.
const watchMargin = 400000

func (s *scenario) watched(from, to int64) bool {
	return slices.ContainsFunc(s.views, func(v [2]int64) bool { return v[0] <= to && from < v[1] })
}

// lastView is the last time, until now, that a viewer came or went.
func (s *scenario) lastView(now int64) int64 {
	var last int64
	for _, v := range s.views {
		for _, at := range v {
			if at <= now {
				last = max(last, at)
			}
		}
	}
	return last
}

const uart = camlink.FeatureCredit | camlink.FeatureBaud

var always = [][2]int64{{0, 1 << 40}}

func scenarios() []*scenario {
	rate := func(s *scenario) *scenario {
		if s.features == 0 {
			s.features = uint32(uart)
		}
		if s.lineMax == 0 {
			s.lineMax = 3000000
		}
		return s
	}
	all := []*scenario{
		{name: "cold", lasts: 2 * second, rate: 3000000},
		{name: "watched", views: always, lasts: 2500000, rate: 3000000},
		{name: "viewers come and go", views: [][2]int64{{600000, 1200000}, {2800000, 3300000}}, lasts: 5 * second, rate: 3000000},
		{name: "wire carries 1 M", views: always, garbleAbove: 1000000, lasts: second, rate: 1000000},
		{name: "wire carries the base rate", views: always, garbleAbove: camlink.BaseBaud, lasts: second, rate: camlink.BaseBaud},
		{name: "adapter makes 1.5 M", views: always, adapterMax: 1500000, lasts: second, rate: 1500000},
		{name: "device refuses above 1.5 M", views: always, lineMax: 1500000, lasts: second, rate: 1500000},
		{name: "host was killed", views: always, script: []happening{{1200000, faultKill}}, lasts: 2500000, rate: 3000000},
		{name: "settings", settings: []camera.Setting{{Key: camlink.KeyQuality, Value: 20}}, views: always, lasts: second, rate: 3000000},
		{name: "damage", views: always, lasts: 2 * second, rate: 1500000, bound: 20 * second,
			damage: func(w *world, baud int) bool {
				w.damaged++
				return baud > 1500000 && w.damaged%3 == 0
			}},
		{name: "version refused", lasts: 2500000, rate: 3000000,
			forge: func(w *world, p camlink.Packet, data []byte) []byte {
				if p.Type == camlink.TypeHelloReq && w.now < 1300000 {
					return forgeVersion(p, data)
				}
				return data
			}},
		{name: "one way", oneWay: true, features: uint32(camlink.FeatureOneWay), views: always, lasts: 3500000, rate: camlink.BaseBaud},
		{name: "sensor is silent until reset", blind: true, views: always, lasts: 10 * second, rate: 3000000, bound: 60 * second},
		{name: "usb", usb: true, settings: []camera.Setting{{Key: camlink.KeyQuality, Value: 20}}, views: always, lasts: 2 * second},
		{name: "leaves", views: [][2]int64{{0, 2 * second}}, script: []happening{{2500000, faultQuit}}, lasts: 4 * second, rate: 3000000},
	}
	for _, s := range all {
		rate(s)
	}
	return all
}

// thePictures are all that the camera ever takes; they take two chunks at the highest rate.
var thePictures = func() [][]byte {
	var all [][]byte
	for i := range 3 {
		img := image.NewGray(image.Rect(0, 0, 64, 48))
		for y := range 48 {
			for x := range 64 {
				img.SetGray(x, y, color.Gray{uint8(x*x*(i+3) + y*y*y)})
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}); err != nil {
			panic(err)
		}
		all = append(all, b.Bytes())
	}
	return all
}()

// ---- the verdict

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

// ---- one run

// run lets a scenario happen with some faults.
func run(t *testing.T, s *scenario, faults []fault, step *stepper, tables *tables) (w *world) {
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(s, faults, step, tables)
		tables.runs++
		for !w.over {
			w.hostLives(t)
			if !w.over {
				time.Sleep(restart * time.Microsecond)
			}
		}
		if w.wrong == "" {
			w.afterwards()
		}
		tables.steps += w.steps
		tables.packets += len(w.sent)
		tables.virtual += time.Duration(w.now) * time.Microsecond
	})
	return w
}

// hostLives is one life of the daemon's camera.
func (w *world) hostLives(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.cancel = cancel
	hub := fanout.NewHub(nil)
	cam := camera.New(camera.Options{
		ID: "model", Port: "model:", Hub: hub, Settings: w.scenario.settings, Published: w.published,
		Open: func(context.Context) (camera.Port, error) { return w.openPort(), nil },
	})
	ended := make(chan error)
	go func() { ended <- cam.Run(ctx) }()
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		w.watch(ctx, hub)
	}()
	var err error
	select {
	case err = <-ended:
	case <-w.finished:
		cancel()
		err = <-ended
	}
	cancel()
	<-seen
	if err != nil {
		w.fail("Run: %v", err)
	}
	w.dead = true
	st := cam.Stats()
	var rejected uint64
	for _, n := range st.Rejected {
		rejected += n
	}
	if st.Received != st.Published+rejected {
		w.fail("received %d, published %d, rejected %v", st.Received, st.Published, st.Rejected)
	}
}

// watch is the viewers of a scenario.
func (w *world) watch(ctx context.Context, hub *fanout.Hub) {
	for _, v := range w.scenario.views {
		if wait := time.Duration(v[0]-w.clock()) * time.Microsecond; wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
		sub := hub.Subscribe(fanout.Terms{Transport: fanout.MJPEG})
		for {
			left := time.Duration(v[1]-w.clock()) * time.Microsecond
			if left <= 0 || ctx.Err() != nil {
				break
			}
			if _, err := sub.Next(ctx, left); err == nil {
				sub.Sent()
			}
		}
		sub.Close()
	}
}

// afterwards: a device whose host has gone returns to its beacon, at once if it heard the good-bye.
func (w *world) afterwards() {
	ended := w.now
	told := w.host.state == closed && !w.scenario.oneWay && w.dev.state != beacon && w.now >= w.muteUntil
	w.until(ended + drainAtMost/4)
	if told && w.dev.state != beacon && w.dev.state != down && len(w.faults) == 0 {
		w.fail("the host said good-bye, and the device is %s", w.dev.state)
	}
	w.until(ended + firstLease + drainAtMost + muteTime)
	want := beacon
	if w.scenario.oneWay {
		want = free
	}
	if w.dev.state != want {
		w.fail("the host has gone, and the device is %s", w.dev.state)
	}
}

// pair is a state of both ends and the line between them.
type pair struct {
	host, device state
	sameRate     bool
}

// tables is the model and what was seen of it.
type tables struct {
	device, host           table
	deviceTaken, hostTaken taken
	pairs                  map[pair]int
	runs, steps, packets   int
	virtual                time.Duration
}

func readTables(t testing.TB) *tables {
	return &tables{
		device: readTable(t, "The device"), host: readTable(t, "The host"),
		deviceTaken: taken{}, hostTaken: taken{}, pairs: map[pair]int{},
	}
}

func (tt *tables) String() string {
	return fmt.Sprintf("%d runs, %v on the line, %d steps of the device, %d packets; %d states of both ends; %d of %d and %d of %d transitions of device and host",
		tt.runs, tt.virtual.Round(time.Second), tt.steps, tt.packets, len(tt.pairs),
		len(tt.deviceTaken), len(tt.device.all()), len(tt.hostTaken), len(tt.host.all()))
}
