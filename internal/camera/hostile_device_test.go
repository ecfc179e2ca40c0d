package camera_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/fanout"
)

const autoAll = autoHello | autoPong | autoConfig | autoRate | autoResult

// oneHostile is the first device on the port; a good one follows. Feed is asked for bytes when it has been linked for a while.
func oneHostile(t *testing.T, rateful bool, feed func(h *hostile) []byte) func(*ordeal) *hostile {
	given := false
	return func(o *ordeal) *hostile {
		if given {
			return nil
		}
		given = true
		o.viewer = o.hub.Subscribe(fanout.Terms{Transport: fanout.MJPEG})
		h := newHostile(t, &program{})
		h.auto, h.rateful, h.ends = autoAll, rateful, time.Now().Add(10*time.Minute)
		h.feed = func() []byte {
			if time.Since(o.begun) < 6*time.Second {
				return []byte{} // linked, and its rate agreed
			}
			return feed(h)
		}
		return h
	}
}

// honestPayloads are what a device says of each type.
var honestPayloads = map[camlink.Type][]byte{
	camlink.TypeHello: camlink.Hello{ProtoMin: 1, ProtoMax: 1, BootID: 1, Features: camlink.FeatureCredit | camlink.FeatureBaud, MaxPayload: 80,
		BaudMax: 3000000, Board: "b", Name: "n", Sensor: "s"}.Append(nil),
	camlink.TypePong:        camlink.Pong{HostNanos: 1000, DeviceRxUS: 1, DeviceTxUS: 2, NextFrame: 1}.Append(nil),
	camlink.TypeResult:      camlink.Result{Request: camlink.TypeBaudSet}.Append(nil),
	camlink.TypeConfig:      camlink.Config{{Key: camlink.KeySize, Value: 1, Max: 2}, {Key: camlink.KeyTargetFPS, Value: 1, Max: 2}}.Append(nil),
	camlink.TypeBaudPattern: camlink.BaudPattern{Token: 1}.Append(nil)[:40],
	camlink.TypeStats:       camlink.Stats{}.Append(nil),
	camlink.TypeLog:         camlink.Log{Level: 3, Tag: "tag", Text: "text"}.Append(nil),
	camlink.TypeFrameBegin:  camlink.FrameBegin{Number: 1, Length: 19, Format: 1}.Append(nil),
	camlink.TypeFrameChunk:  camlink.FrameChunk{Data: tiny}.Append(nil),
	camlink.TypeFrameAbort:  camlink.FrameAbort{Number: 1}.Append(nil),
}

// TestHostileFields is gpsd's CVE-2025-67269 (a length that underflows) for every field there is: each is set to its extremes, in
// packets that are asked for, in others, in packets that end in the middle of it, and in frames that have begun.
func TestHostileFields(t *testing.T) {
	for _, rateful := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var lies [][]byte
			say := func(h *hostile, typ camlink.Type, payload []byte) {
				for _, f := range []camlink.Flags{0, camlink.FlagLast, camlink.FlagResponse} {
					h.out = nil
					h.packet(camlink.TypeFrameBegin, 0, 1, honestPayloads[camlink.TypeFrameBegin])
					h.packet(typ, f, 1, payload)
					lies = append(lies, bytes.Clone(h.out))
				}
				h.out = nil
			}
			prepared := false
			o := undergo(t, !rateful, oneHostile(t, rateful, func(h *hostile) []byte {
				if !prepared {
					prepared = true
					for typ, payload := range honestPayloads {
						for n := range len(payload) {
							say(h, typ, payload[:n])
						}
						for _, width := range []int{1, 2, 4, 8} {
							for at := 0; at+width <= len(payload); at += width {
								for _, v := range []uint64{0, 1, 1<<64 - 1, 1<<63 - 1, 1 << 63, 1<<31 - 1, 1 << 31, 1 << 15, 1 << 7, 1<<32 - 1} {
									p := bytes.Clone(payload)
									copy(p[at:at+width], binary.LittleEndian.AppendUint64(nil, v))
									say(h, typ, p)
								}
							}
						}
					}
					say(h, camlink.TypeConfig, make([]byte, camlink.MaxPayload))
					say(h, 0x7F, make([]byte, camlink.MaxPayload))
				}
				if len(lies) == 0 {
					return nil
				}
				n := min(len(lies), 50)
				out := bytes.Join(lies[:n], nil)
				lies = lies[n:]
				return out
			}))
			if n := o.cam.Stats().Received; n < 1000 {
				t.Errorf("only %d frames were judged: the lies did not reach a session", n)
			}
		})
	}
}

// floods are what a device may send without end. Each is repeated to a megabyte.
var floods = []struct {
	name string
	one  func(h *hostile, i int)
}{
	{"HELLO unasked", func(h *hostile, _ int) { h.packet(camlink.TypeHello, 0, 0, h.hello.Append(nil)) }},
	{"HELLO as an answer", func(h *hostile, _ int) {
		h.packet(camlink.TypeHello, camlink.FlagResponse, h.request.Ref, h.hello.Append(nil))
	}},
	{"HELLO of other boots", func(h *hostile, i int) {
		h.hello.BootID = uint32(i)
		h.packet(camlink.TypeHello, camlink.Flags(i)&camlink.FlagResponse, h.request.Ref, h.hello.Append(nil))
	}},
	{"HELLO full of names", func(h *hostile, _ int) {
		h.packet(camlink.TypeHello, camlink.FlagResponse, 0, append(camlink.Hello{}.Append(nil), bytes.Repeat([]byte{2, 1, 'x'}, 1300)...))
	}},
	{"LOG", func(h *hostile, _ int) {
		h.packet(camlink.TypeLog, 0, 0, camlink.Log{Level: 1, Tag: "\x1b]0;x\a", Text: strings.Repeat("\xff\x00\n", 70)}.Append(nil))
	}},
	{"STATS", func(h *hostile, i int) {
		h.packet(camlink.TypeStats, camlink.FlagResponse, 0, camlink.Stats{CameraErrors: uint32(i) << 31}.Append(nil))
	}},
	{"CONFIG", func(h *hostile, i int) {
		h.packet(camlink.TypeConfig, camlink.FlagResponse, h.request.Ref, camlink.Config{{Key: camlink.ConfigKey(i), Value: -1 << 31, Max: -1 << 31}}.Append(nil))
	}},
	{"CONFIG of the largest size", func(h *hostile, _ int) {
		h.packet(camlink.TypeConfig, camlink.FlagResponse, h.request.Ref, make([]byte, 4096))
	}},
	{"RESULT", func(h *hostile, i int) {
		h.packet(camlink.TypeResult, camlink.FlagResponse, uint16(i), []byte{byte(i), byte(i >> 8), 0, 0})
	}},
	{"PONG of absurd times", func(h *hostile, i int) {
		h.packet(camlink.TypePong, camlink.FlagResponse, 0, camlink.Pong{HostNanos: uint64(i) << 40, DeviceRxUS: 1 << 63, DeviceTxUS: uint64(i) << 50, NextFrame: uint32(i) << 20}.Append(nil))
	}},
	{"FRAME_BEGIN of the largest size", func(h *hostile, i int) {
		h.packet(camlink.TypeFrameBegin, 0, 0, camlink.FrameBegin{Number: uint32(i), Length: camera.DefaultMaxFrame, Format: 1}.Append(nil))
	}},
	{"FRAME_BEGIN a byte longer each time", func(h *hostile, i int) {
		h.packet(camlink.TypeFrameBegin, 0, 0, camlink.FrameBegin{Number: uint32(i), Length: camera.DefaultMaxFrame - 30000 + uint32(i), Format: 1}.Append(nil))
	}},
	{"the largest size begun, then the smallest picture", func(h *hostile, i int) {
		h.packet(camlink.TypeFrameBegin, 0, 0, camlink.FrameBegin{Number: uint32(2 * i), Length: camera.DefaultMaxFrame, Format: 1}.Append(nil))
		h.number = uint32(2*i + 1)
		h.frame(tiny, 4096)
	}},
	{"numbers all over", func(h *hostile, i int) {
		h.packet(camlink.TypeFrameBegin, 0, 0, camlink.FrameBegin{Number: uint32(i) * 0x7FFFFFFF, Length: 1, Format: 1, Skipped: 65535}.Append(nil))
	}},
	{"chunks of nothing", func(h *hostile, i int) {
		h.packet(camlink.TypeFrameChunk, camlink.FlagLast, uint16(i), []byte{0, 0, 0, 0, 1})
	}},
	{"pictures that are none", func(h *hostile, i int) {
		h.number = uint32(i)
		h.frame([]byte{0xFF, 0xD8, 0xFF, 0xE0, 0xFF, 0xFF}, 4096)
	}},
	{"pictures as fast as can be", func(h *hostile, i int) { h.number = uint32(i); h.frame(tiny, 4096) }},
	{"text without a line's end", func(h *hostile, _ int) { h.out = append(h.out, "endless text "...) }},
	{"short lines", func(h *hostile, _ int) { h.out = append(h.out, "abcd\n"...) }},
	{"boot text", func(h *hostile, _ int) { h.out = append(h.out, "rst:0x1 (POWERON_RESET)\n"...) }},
	{"syncs", func(h *hostile, _ int) { h.out = append(h.out, 0xFF, 0xA7) }},
	{"empty packets", func(h *hostile, i int) { h.packet(camlink.Type(i), camlink.Flags(i>>8), uint16(i), nil) }},
	{"headers of packets that do not come", func(h *hostile, i int) {
		start := len(h.out)
		h.packet(camlink.TypeFrameChunk, 0, uint16(i), make([]byte, camlink.MaxPayload))
		h.out = h.out[:start+camlink.HeaderSize]
	}},
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestHostileFloods: a megabyte of anything costs bounded work and memory, and fills no log. Lengths that are trusted and loops that
// they drive are gpsd's CVE-2025-67269; memory by the device's word is arduino-esp32's CVE-2026-42854.
func TestHostileFloods(t *testing.T) {
	const size = 1 << 20
	// Of CPU time, by the megabyte: far above what any takes (0.3 s under the race detector), far below what a loop would.
	const work = 5 * time.Second
	// Of memory taken, by the byte of input, and held at the end.
	const churn, held = 16, 8 << 20
	for _, flood := range floods {
		t.Run(flood.name, func(t *testing.T) {
			var before, after, rest runtime.MemStats
			var began, took time.Duration
			measure := func() {
				if took == 0 {
					runtime.ReadMemStats(&after)
					took = cpu() - began
					runtime.GC()
					runtime.ReadMemStats(&rest)
				}
			}
			sent := 0
			synctest.Test(t, func(t *testing.T) {
				var pieces [][]byte
				o := undergo(t, true, oneHostile(t, false, func(h *hostile) []byte {
					if sent == 0 && pieces == nil {
						for i := 0; sent < size; i++ {
							flood.one(h, i)
							if len(h.out) >= 16<<10 || sent+len(h.out) >= size {
								sent += len(h.out)
								pieces = append(pieces, h.out)
								h.out = nil
							}
						}
						runtime.GC()
						runtime.ReadMemStats(&before)
						began = cpu()
					}
					if len(pieces) == 0 {
						measure()
						return nil
					}
					piece := pieces[0]
					pieces = pieces[1:]
					return piece
				}))
				if got := o.cam.Stats().ReceivedBytes; got < size/2 { // recovery may have opened the port anew
					t.Errorf("%d bytes received", got)
				}
			})
			measure() // of a flood that the pauses have kept from being read to its end
			taken := int64(after.TotalAlloc - before.TotalAlloc)
			more := int64(rest.HeapAlloc) - int64(before.HeapAlloc)
			t.Logf("%v of CPU time, %.2f bytes taken per byte, %d kB held", took, float64(taken)/size, more>>10)
			if took > work || taken > churn*size || more > held {
				t.Errorf("too much")
			}
		})
	}
}

// TestLinksThatAreLostAtOnce: a device that links and says in the same breath that it is not linked gets growing pauses.
func TestLinksThatAreLostAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var links uint64
		given := false
		undergo(t, true, func(o *ordeal) *hostile {
			if given {
				links = o.cam.Stats().Links
				return nil
			}
			given = true
			h := newHostile(t, &program{})
			h.auto, h.ends = autoAll, time.Now().Add(20*time.Second)
			h.feed = func() []byte {
				h.packet(camlink.TypeHello, 0, 0, h.hello.Append(nil))
				return h.out
			}
			return h
		})
		if links < 5 || links > 30 {
			t.Errorf("%d links", links)
		}
	})
}

// TestShortHello: a HELLO too short for its type changes nothing, even where it answers.
func TestShortHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := false
		undergo(t, true, func(o *ordeal) *hostile {
			if given {
				if s := o.cam.Stats(); s.Links != 0 || o.cam.Status().Device != nil {
					t.Errorf("%d links to %+v", s.Links, o.cam.Status().Device)
				}
				return nil
			}
			given = true
			h := newHostile(t, &program{})
			h.feed = func() []byte {
				h.packet(camlink.TypeHello, camlink.FlagResponse, h.request.Ref, h.hello.Append(nil)[:47])
				return h.out
			}
			return h
		})
	})
}
