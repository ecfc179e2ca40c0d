package camera_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
)

// program is what a hostile device does, a few bytes a step. When it has ended every byte of it is 0.
type program struct{ b []byte }

func (p *program) byte() byte {
	if len(p.b) == 0 {
		return 0
	}
	c := p.b[0]
	p.b = p.b[1:]
	return c
}

func (p *program) uint16() uint16 { return uint16(p.byte()) | uint16(p.byte())<<8 }
func (p *program) uint32() uint32 { return uint32(p.uint16()) | uint32(p.uint16())<<16 }

func (p *program) bytes(n int) []byte {
	n = min(n, len(p.b))
	b := p.b[:n]
	p.b = p.b[n:]
	return b
}

// What a hostile device answers of itself, as an honest one would. Without any it would never get far.
const (
	autoHello = 1 << iota
	autoPong
	autoConfig
	autoRate
	autoResult
	autoFrames // whenever there is credit
	autoSlow   // answers only one request of a read
)

// tiny is the shortest picture that is taken for one: 64x48, and a scan of one byte.
var tiny = []byte{
	0xFF, 0xD8, 0xFF, 0xC0, 0, 8, 8, 0, 48, 0, 64, 0, 0xFF, 0xDA, 0, 2, 1, 0xFF, 0xD9,
}

// hostile is the host's end of a line to a device whose program is written by somebody who means ill.
type hostile struct {
	t       testing.TB
	program *program
	ends    time.Time     // of its time; a program must not last for ever
	feed    func() []byte // instead of a program; nil ends it
	move    func(h *hostile, op byte)
	look    func() // before each read

	timeout time.Duration
	out     []byte // on its way to the host
	grain   int    // most bytes of one read; 0: no bound
	hangUp  bool
	fails   bool // the next read or write does
	rateful bool

	dec     *camlink.Decoder
	request camlink.Packet // the host's newest
	auto    byte
	seq     uint16
	hello   camlink.Hello
	number  uint32
	limit   uint32
	token   uint32
	packets int // of the host since the last read
}

func newHostile(t testing.TB, p *program) *hostile {
	return &hostile{
		t: t, program: p, ends: time.Now().Add(hostileTime), dec: camlink.NewDecoder(), number: 1,
		hello: camlink.Hello{
			ProtoMin: 1, ProtoMax: 1, BootID: 1, MaxPayload: camlink.MaxHostPayload, MaxFrame: 1 << 20, BaudMax: 3000000, NextFrame: 1,
			Features: camlink.FeatureCredit | camlink.FeatureBaud | camlink.FeaturePersist, Board: "hostile\x1b[2J\xff\x00",
		},
	}
}

// hostileTime is how long a program may last.
const hostileTime = 5 * time.Second

var errPort = errors.New("the port failed")

func (h *hostile) Read(b []byte) (int, error) {
	if h.look != nil {
		h.look()
	}
	h.packets = 0
	for begin := time.Now(); ; {
		switch {
		case h.hangUp || !time.Now().Before(h.ends):
			return 0, io.EOF
		case h.fails:
			h.fails = false
			return 0, errPort
		case len(h.out) > 0:
			n := len(h.out)
			if h.grain > 0 {
				n = min(n, h.grain)
			}
			n = copy(b, h.out[:n])
			h.out = h.out[n:]
			time.Sleep(4*time.Millisecond + time.Duration(n)*10*time.Microsecond) // the line has a rate, or two that answer each other would stop the clock
			return n, nil
		case h.feed != nil:
			if h.out = h.feed(); h.out == nil {
				h.hangUp = true
			} else if len(h.out) == 0 {
				time.Sleep(h.timeout)
				return 0, os.ErrDeadlineExceeded
			}
		case len(h.program.b) == 0:
			h.hangUp = true
		default:
			h.step(begin)
			if time.Since(begin) >= h.timeout && len(h.out) == 0 {
				return 0, os.ErrDeadlineExceeded
			}
		}
	}
}

func (h *hostile) Write(b []byte) (int, error) {
	if h.fails {
		h.fails = false
		return 0, errPort
	}
	n := copy(h.dec.Room(), b)
	h.dec.Fed(n)
	for ev, ok := h.dec.Next(); ok; ev, ok = h.dec.Next() {
		if ev.Kind != camlink.EventPacket {
			h.t.Fatalf("the host wrote %q", ev.Text)
		}
		h.packets++
		h.heard(ev.Packet)
	}
	if c := h.dec.Counters(); n != len(b) || c.Discarded != 0 {
		h.t.Fatalf("the host wrote %x", b)
	}
	return len(b), nil
}

func (h *hostile) SetBaud(rate int) (int, error) {
	switch {
	case h.fails:
		h.fails = false
		return 0, errPort
	case !h.rateful:
		return 0, fmt.Errorf("rate: %w", errors.ErrUnsupported)
	}
	return rate, nil
}

func (h *hostile) Flush() error { h.out = nil; return nil }

func (h *hostile) SetReadTimeout(d time.Duration) error {
	if d <= 0 {
		h.t.Fatalf("read timeout %v", d)
	}
	h.timeout = d
	return nil
}

func (h *hostile) Close() error { return nil }

func (h *hostile) packet(t camlink.Type, f camlink.Flags, ref uint16, payload []byte) {
	h.out = camlink.AppendPacket(h.out, camlink.Header{Type: t, Flags: f, Seq: h.seq, Ref: ref}, payload)
	h.seq++
}

// heard takes a packet of the host.
func (h *hostile) heard(p camlink.Packet) {
	if p.Type < camlink.TypeHelloReq || len(p.Payload) > camlink.MaxHostPayload {
		h.t.Fatalf("the host sent %v of %d bytes", p.Type, len(p.Payload))
	}
	p.Payload = append([]byte(nil), p.Payload...)
	h.request = p
	if c, err := camlink.ParseCredit(p.Payload); err == nil && p.Type == camlink.TypeCredit {
		h.limit = c.Limit
	}
	if s, err := camlink.ParseBaudSet(p.Payload); err == nil && p.Type == camlink.TypeBaudSet {
		h.token = s.Token
	}
	if h.auto&autoSlow == 0 || len(h.out) == 0 {
		h.answer(p, false)
	}
}

// answer gives the answer of an honest device, if it is one of those that are given without being told to.
func (h *hostile) answer(p camlink.Packet, told bool) {
	does := func(bit byte) bool { return told || h.auto&bit != 0 }
	const response = camlink.FlagResponse
	switch p.Type {
	case camlink.TypeHelloReq:
		if does(autoHello) {
			h.packet(camlink.TypeHello, response, p.Ref, h.hello.Append(nil))
		}
	case camlink.TypePing:
		if m, err := camlink.ParsePing(p.Payload); err == nil && does(autoPong) {
			h.packet(camlink.TypePong, response, p.Ref, camlink.Pong{HostNanos: m.HostNanos, DeviceRxUS: m.HostNanos / 1000,
				DeviceTxUS: m.HostNanos / 1000, NextFrame: h.number}.Append(nil))
		}
	case camlink.TypeConfigGet, camlink.TypeConfigSet:
		if does(autoConfig) {
			h.packet(camlink.TypeConfig, response, p.Ref, h.settings(p).Append(nil))
		}
	case camlink.TypeBaudProbe:
		if m, err := camlink.ParseBaudProbe(p.Payload); err == nil && does(autoRate) {
			for i := range m.Count {
				h.packet(camlink.TypeBaudPattern, response, p.Ref, camlink.BaudPattern{Token: m.Token, Index: m.First + i}.Append(nil))
			}
		}
	case camlink.TypeBaudSet, camlink.TypeBaudCommit:
		if does(autoRate) {
			h.packet(camlink.TypeResult, response, p.Ref, camlink.Result{Request: p.Type}.Append(nil))
		}
	case camlink.TypeStatsReq:
		if does(autoResult) {
			h.packet(camlink.TypeStats, response, p.Ref, camlink.Stats{UptimeS: uint32(h.seq), Temperature: 300}.Append(nil))
		}
	case camlink.TypeReset:
		if does(autoResult) {
			h.packet(camlink.TypeResult, response, p.Ref, camlink.Result{Request: p.Type}.Append(nil))
		}
	case camlink.TypeCredit:
		if h.auto&autoFrames != 0 && int32(h.limit-h.number) >= 0 {
			h.frame(tiny, 4096)
		}
	}
}

// settings answers a request of settings: every key has the range 0 to 100.
func (h *hostile) settings(p camlink.Packet) camlink.Config {
	var c camlink.Config
	if set, err := camlink.ParseConfigSet(p.Payload); err == nil && p.Type == camlink.TypeConfigSet {
		for _, s := range set {
			c = append(c, camlink.ConfigItem{Key: s.Key, Value: s.Value, Max: 100})
		}
		return c
	}
	for _, k := range camlink.ConfigKeys() {
		c = append(c, camlink.ConfigItem{Key: k, Value: 1, Max: 100})
	}
	return c
}

// frame sends a whole picture.
func (h *hostile) frame(data []byte, chunk int) {
	ref := uint16(h.number)
	h.packet(camlink.TypeFrameBegin, 0, ref, camlink.FrameBegin{Number: h.number, Length: uint32(len(data)), Format: camlink.FormatJPEG}.Append(nil))
	for at := 0; at < len(data); at += chunk {
		piece := data[at:min(at+chunk, len(data))]
		var f camlink.Flags
		if at+len(piece) == len(data) {
			f = camlink.FlagLast
		}
		h.packet(camlink.TypeFrameChunk, f, ref, camlink.FrameChunk{Offset: uint32(at), Data: piece}.Append(nil))
	}
	h.number++
}

// step carries out the next step of the program.
func (h *hostile) step(begin time.Time) {
	p := h.program
	switch op := p.byte() % 20; op {
	case 0: // bytes as they are
		h.out = append(h.out, p.bytes(int(p.byte()))...)
	case 1: // a packet of any kind
		t, f, ref := camlink.Type(p.byte()), camlink.Flags(p.byte()), p.uint16()
		h.packet(t, f, ref, p.bytes(int(p.byte())))
	case 2: // an answer of any kind to what was asked last
		t := camlink.Type(p.byte())
		h.packet(t, camlink.FlagResponse, h.request.Ref, p.bytes(int(p.byte())))
	case 3: // the right answer
		h.answer(h.request, true)
	case 4:
		h.auto = p.byte()
	case 5: // time passes
		if wait := time.Duration(p.byte()) * 10 * time.Millisecond; wait > 0 {
			time.Sleep(min(wait, max(h.timeout-time.Since(begin), 0)))
		}
	case 6:
		h.frame(append(tiny[:len(tiny):len(tiny)], p.bytes(int(p.byte()))...), 1+int(p.byte()))
	case 7: // a picture as it should not be
		data := p.bytes(1 + int(p.byte()))
		if len(data) > 0 {
			h.frame(data, 1+int(p.byte()))
		}
	case 8:
		b := camlink.FrameBegin{Number: h.number + uint32(p.byte()) - 128, Length: p.uint32() >> (p.byte() % 32), CaptureUS: uint64(p.uint32()) << (p.byte() % 64),
			TxUS: uint64(p.uint32()) << (p.byte() % 64), Format: 1 + p.byte()/255, Skipped: p.uint16()}
		h.packet(camlink.TypeFrameBegin, 0, uint16(b.Number), b.Append(nil))
	case 9:
		c := camlink.FrameChunk{Offset: uint32(p.uint16()), Data: p.bytes(int(p.byte()))}
		h.packet(camlink.TypeFrameChunk, camlink.Flags(p.byte()), uint16(h.number), c.Append(nil))
	case 10: // who it is, from now on
		h.hello.BootID, h.hello.ProtoMin, h.hello.ProtoMax = uint32(p.byte()), p.byte()%3, p.byte()%3
		h.hello.Features, h.hello.Transport = camlink.Feature(p.uint16()), camlink.Transport(p.byte())
		h.hello.BaudMax, h.hello.NextFrame = p.uint32(), p.uint32()
		h.hello.Name = string(p.bytes(int(p.byte())))
	case 11:
		h.packet(camlink.TypeHello, camlink.Flags(p.byte()), h.request.Ref, h.hello.Append(nil))
	case 12: // a PONG that lies
		m, _ := camlink.ParsePing(h.request.Payload)
		shift := p.byte() % 64
		h.packet(camlink.TypePong, camlink.FlagResponse, h.request.Ref, camlink.Pong{HostNanos: m.HostNanos + uint64(p.uint32())<<shift,
			DeviceRxUS: uint64(p.uint32()) << shift, DeviceTxUS: uint64(p.uint32()) << (p.byte() % 64), NextFrame: p.uint32()}.Append(nil))
	case 13: // settings that lie
		var c camlink.Config
		for range p.byte() % 40 {
			c = append(c, camlink.ConfigItem{Key: camlink.ConfigKey(p.byte()), Flags: camlink.ConfigFlags(p.byte()), Value: int32(p.uint32()),
				Min: int32(p.uint32()), Max: int32(p.uint32())})
		}
		h.packet(camlink.TypeConfig, camlink.FlagResponse, h.request.Ref, c.Append(nil))
	case 14:
		h.packet(camlink.TypeLog, 0, 0, camlink.Log{Level: camlink.Level(p.byte()), Tag: string(p.bytes(int(p.byte()) % 20)), Text: string(p.bytes(int(p.byte())))}.Append(nil))
	case 15: // the same again, many times
		if n := len(h.out); n > 0 {
			for range p.byte() {
				h.out = append(h.out, h.out[:n]...)
				if len(h.out) > 1<<16 {
					break
				}
			}
		}
	case 16:
		h.hangUp = true
	case 17:
		h.fails = true
	case 18:
		h.grain = int(p.byte())
	default:
		if h.move != nil {
			h.move(h, p.byte())
		}
	}
}

// knownStates are those that docs/api.md knows.
var knownStates = map[camera.State][]camera.Cause{
	camera.Offline: {camera.CauseUnplugged, camera.CausePortError, camera.CauseNoAnswer, camera.CauseWrongBaud, camera.CauseRebooting,
		camera.CauseVersion, camera.CauseStopped},
	camera.Connecting: {camera.CauseNone, camera.CauseNoAnswer, camera.CauseRebooting},
	camera.Streaming:  {camera.CauseNone, camera.CauseSilent},
	camera.Idle:       {camera.CauseNone},
}
