package simcam

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// Options say what a simulated camera is and what is wrong with it. The zero value is
// a good camera with a test card on a UART; see also [ParseOptions].
type Options struct {
	// Who it is. Empty fields get defaults; the default MAC follows from Name.
	Name, Board, Sensor string
	MAC                 [6]byte

	// What it sees. FPS is 10, the size 640x480 and Quality 12 when 0. A size the sensor does not
	// have becomes the largest it has inside. At most one of Source and Frames is used, Source first.
	FPS           float64
	Width, Height int
	Quality       int     // 1 to 63, lower is better
	Temperature   float64 // of its chip, in degrees Celsius; 0: it has no thermometer
	Source        Source
	Frames        [][]byte // JPEGs sent in turn, never written to

	// Its line.
	USB        bool // without a rate; bytes arrive at once
	BaseBaud   int  // where it beacons; 115200 when 0
	MaxBaud    int  // the most it agrees to; 3,000,000 when 0
	AdapterMax int  // the most Line.SetBaud agrees to; no limit when 0
	OneWay     bool // it sends and never listens, at BaseBaud

	// What goes wrong.
	GarbleAbove        int           // baud; above it bytes arrive as rubbish. 0: never
	Mute               bool          // nothing it says arrives; see also Device.Mute
	BootText           string        // said at every boot, at BaseBaud
	Flip, Drop, Insert float64       // probability per byte from the device, 0 to 1
	Stall, StallEvery  time.Duration // pauses of the line from the device, and the time between two; none if either is 0
	Hang               time.Duration // so long after Open, Line.Read never returns, as with a driver that hangs; 0: it does
	Seed               uint64        // of all of its randomness; 0 is a different one every time
	ProtoMin, ProtoMax uint8         // what HELLO says of the versions it speaks; both 1 when 0
	WireVersion        uint8         // the version in its packets; 1 when 0

	// Hooks for tests. They run in the device's goroutine and must not call its methods.

	// Lose is asked about every packet, in both directions, whether it gets lost. The payload is borrowed.
	Lose func(camlink.Packet) bool
	// Mangle may change the header and the payload of any packet of the device before it is encoded.
	Mangle func(*camlink.Header, []byte)
}

const (
	defaultFPS     = 10
	defaultWidth   = 640
	defaultHeight  = 480
	defaultQuality = 12
	defaultMaxBaud = 3000000
	minBaud        = 9600
	maxBaud        = 5000000
	maxFPS         = 120
)

func (o Options) withDefaults() Options {
	o.Name = defaulted(o.Name, "sim")
	o.Board = defaulted(o.Board, "simcam")
	o.Sensor = defaulted(o.Sensor, "test card")
	o.FPS = defaulted(o.FPS, defaultFPS)
	o.Width = defaulted(o.Width, defaultWidth)
	o.Height = defaulted(o.Height, defaultHeight)
	o.Quality = defaulted(o.Quality, defaultQuality)
	o.BaseBaud = defaulted(o.BaseBaud, camlink.BaseBaud)
	o.MaxBaud = defaulted(o.MaxBaud, defaultMaxBaud)
	o.ProtoMin = defaulted(o.ProtoMin, camlink.Version)
	o.ProtoMax = defaulted(o.ProtoMax, camlink.Version)
	if o.Stall <= 0 || o.StallEvery <= 0 {
		o.Stall, o.StallEvery = 0, 0
	}
	if o.MAC == [6]byte{} {
		h := fnv.New64a()
		h.Write([]byte(o.Name))
		copy(o.MAC[:], h.Sum(nil))
		o.MAC[0] = o.MAC[0]&^1 | 2 // unicast, locally administered
	}
	return o
}

func defaulted[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// optionParsers set one option each from its text. Errors say what would be right.
var optionParsers = map[string]func(o *Options, value string) error{
	"name":   func(o *Options, v string) error { return parseText(v, &o.Name) },
	"board":  func(o *Options, v string) error { return parseText(v, &o.Board) },
	"sensor": func(o *Options, v string) error { return parseText(v, &o.Sensor) },
	"mac": func(o *Options, v string) error {
		mac, err := net.ParseMAC(v)
		if err != nil || len(mac) != len(o.MAC) {
			return errors.New("want six bytes like 02:00:00:00:00:01")
		}
		o.MAC = [6]byte(mac)
		return nil
	},
	"fps":     func(o *Options, v string) error { return parseFloat(v, 0.1, maxFPS, &o.FPS) },
	"quality": func(o *Options, v string) error { return parseInt(v, 1, 63, &o.Quality) },
	"temperature": func(o *Options, v string) error {
		return parseFloat(v, -40, 125, &o.Temperature)
	},
	"size": func(o *Options, v string) error {
		for _, s := range sizes {
			if v == s.String() {
				o.Width, o.Height = s.width, s.height
				return nil
			}
		}
		return fmt.Errorf("want one of %s", sizeList())
	},
	"baud": func(o *Options, v string) error {
		o.USB = false
		return parseInt(v, minBaud, maxBaud, &o.MaxBaud)
	},
	"oneway":       func(o *Options, v string) error { return parseBool(v, &o.OneWay) },
	"mute":         func(o *Options, v string) error { return parseBool(v, &o.Mute) },
	"garble-above": func(o *Options, v string) error { return parseInt(v, minBaud, maxBaud, &o.GarbleAbove) },
	"flip":         func(o *Options, v string) error { return parseFloat(v, 0, 1, &o.Flip) },
	"drop":         func(o *Options, v string) error { return parseFloat(v, 0, 1, &o.Drop) },
	"insert":       func(o *Options, v string) error { return parseFloat(v, 0, 1, &o.Insert) },
	"stall":        func(o *Options, v string) error { return parseDuration(v, &o.Stall) },
	"stall-every":  func(o *Options, v string) error { return parseDuration(v, &o.StallEvery) },
	"hang":         func(o *Options, v string) error { return parseDuration(v, &o.Hang) },
	"seed": func(o *Options, v string) error {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return errors.New("want a whole number from 0")
		}
		o.Seed = n
		return nil
	},
}

// ParseOptions reads what stands after "sim:" in the name of a port: options like
// "fps=15,size=800x600", separated by commas. The line is USB unless "baud" gives the highest rate of a
// UART; with "oneway" that is its only rate. An option that is unknown, out of range, given twice or
// useless without another is an error that names it.
func ParseOptions(spec string) (Options, error) {
	o := Options{USB: true}
	given := map[string]bool{}
	if strings.TrimSpace(spec) != "" {
		for field := range strings.SplitSeq(spec, ",") {
			key, value, found := strings.Cut(field, "=")
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			parse, known := optionParsers[key]
			switch {
			case !known:
				return Options{}, fmt.Errorf("unknown option %q; there are %s", key, optionList())
			case !found:
				return Options{}, fmt.Errorf("option %q needs a value: %s=VALUE", key, key)
			case given[key]:
				return Options{}, fmt.Errorf("option %q is given twice", key)
			}
			if err := parse(&o, value); err != nil {
				return Options{}, fmt.Errorf("%s=%s: %w", key, value, err)
			}
			given[key] = true
		}
	}
	if given["garble-above"] && !given["baud"] {
		return Options{}, errors.New("garble-above needs baud: a USB line has no rate")
	}
	if given["stall"] != given["stall-every"] {
		return Options{}, errors.New("stall and stall-every need each other")
	}
	if o.OneWay && !o.USB {
		o.BaseBaud = o.MaxBaud
	}
	return o, nil
}

func optionList() string {
	return strings.Join(slices.Sorted(maps.Keys(optionParsers)), ", ")
}

func sizeList() string {
	names := make([]string, len(sizes))
	for i, s := range sizes {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}

func parseText(v string, to *string) error {
	if len(v) < 1 || len(v) > 32 || strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7E }) {
		return errors.New("want 1 to 32 printable ASCII characters")
	}
	*to = v
	return nil
}

func parseInt(v string, low, high int, to *int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return fmt.Errorf("want a whole number from %d to %d", low, high)
	}
	*to = n
	return nil
}

func parseFloat(v string, low, high float64, to *float64) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(f) || f < low || f > high {
		return fmt.Errorf("want a number from %v to %v", low, high)
	}
	*to = f
	return nil
}

func parseBool(v string, to *bool) error {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return errors.New("want true or false")
	}
	*to = b
	return nil
}

func parseDuration(v string, to *time.Duration) error {
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 || d > time.Minute {
		return errors.New("want a time up to 1m, like 200ms")
	}
	*to = d
	return nil
}
