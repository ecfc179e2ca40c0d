package linkmodel

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"slices"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
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
