package camlink_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
	"pgregory.net/rapid"
)

// message is one message type, whatever its fields.
type message struct {
	typ   camlink.Type
	size  int  // of the shortest payload
	open  bool // the payload has no fixed end: what follows belongs to it
	parse func([]byte) (appender, error)
	draw  func(*rapid.T) appender
}

type appender interface{ Append(dst []byte) []byte }

func messageOf[M appender](typ camlink.Type, size int, open bool, parse func([]byte) (M, error), gen *rapid.Generator[M]) message {
	return message{typ, size, open,
		func(b []byte) (appender, error) { return parse(b) },
		func(t *rapid.T) appender { return gen.Draw(t, typ.String()) },
	}
}

func anyString(most int) *rapid.Generator[string] { return rapid.StringN(0, -1, most) }

func bytesOf(n int) *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), n, n) }

var messages = []message{
	messageOf(camlink.TypeHello, 48, true, camlink.ParseHello, rapid.Custom(func(t *rapid.T) camlink.Hello {
		m := rapid.Make[camlink.Hello]().Draw(t, "fields")
		for _, s := range []*string{&m.Firmware, &m.Board, &m.SDK, &m.Sensor, &m.Name} {
			*s = anyString(255).Draw(t, "text")
		}
		return m
	})),
	messageOf(camlink.TypePong, 28, false, camlink.ParsePong, rapid.Make[camlink.Pong]()),
	messageOf(camlink.TypeResult, 4, false, camlink.ParseResult, rapid.Make[camlink.Result]()),
	messageOf(camlink.TypeConfig, 0, true, camlink.ParseConfig, rapid.Map(rapid.SliceOfN(rapid.Make[camlink.ConfigItem](), 1, 256), func(s []camlink.ConfigItem) camlink.Config { return s })),
	messageOf(camlink.TypeBaudPattern, 1032, false, camlink.ParseBaudPattern, rapid.Custom(func(t *rapid.T) camlink.BaudPattern {
		return camlink.BaudPattern{Token: rapid.Uint32().Draw(t, "token"), Index: rapid.Uint16().Draw(t, "index"), Pattern: bytesOf(1024).Draw(t, "pattern")}
	})),
	messageOf(camlink.TypeStats, 52, false, camlink.ParseStats, rapid.Make[camlink.Stats]()),
	messageOf(camlink.TypeLog, 10, true, camlink.ParseLog, rapid.Custom(func(t *rapid.T) camlink.Log {
		m := camlink.Log{TimeUS: rapid.Uint64().Draw(t, "time"), Level: camlink.Level(rapid.Byte().Draw(t, "level")), Tag: anyString(240).Draw(t, "tag")}
		m.Text = anyString(240-len(m.Tag)).Draw(t, "text")
		return m
	})),
	messageOf(camlink.TypeFrameBegin, 32, false, camlink.ParseFrameBegin, rapid.Make[camlink.FrameBegin]()),
	messageOf(camlink.TypeFrameChunk, 4, true, camlink.ParseFrameChunk, rapid.Custom(func(t *rapid.T) camlink.FrameChunk {
		return camlink.FrameChunk{Offset: rapid.Uint32().Draw(t, "offset"), Data: rapid.SliceOfN(rapid.Byte(), 0, 4096).Draw(t, "data")}
	})),
	messageOf(camlink.TypeFrameAbort, 5, false, camlink.ParseFrameAbort, rapid.Make[camlink.FrameAbort]()),
	messageOf(camlink.TypeHelloReq, 12, false, camlink.ParseHelloReq, rapid.Make[camlink.HelloReq]()),
	messageOf(camlink.TypePing, 8, false, camlink.ParsePing, rapid.Make[camlink.Ping]()),
	messageOf(camlink.TypeConfigGet, 0, true, camlink.ParseConfigGet, rapid.Map(rapid.SliceOfN(rapid.Make[camlink.ConfigKey](), 1, camlink.MaxConfigKeys), func(s []camlink.ConfigKey) camlink.ConfigGet { return s })),
	messageOf(camlink.TypeConfigSet, 0, true, camlink.ParseConfigSet, rapid.Map(rapid.SliceOfN(rapid.Make[camlink.ConfigSetting](), 1, camlink.MaxConfigSettings), func(s []camlink.ConfigSetting) camlink.ConfigSet { return s })),
	messageOf(camlink.TypeCredit, 8, false, camlink.ParseCredit, rapid.Make[camlink.Credit]()),
	messageOf(camlink.TypeBaudSet, 12, false, camlink.ParseBaudSet, rapid.Make[camlink.BaudSet]()),
	messageOf(camlink.TypeBaudProbe, 8, true, camlink.ParseBaudProbe, rapid.Custom(func(t *rapid.T) camlink.BaudProbe {
		return camlink.BaudProbe{Token: rapid.Uint32().Draw(t, "token"), First: rapid.Uint16().Draw(t, "first"), Count: rapid.Uint16().Draw(t, "count"), Pattern: bytesOf(64).Draw(t, "pattern")}
	})),
	messageOf(camlink.TypeBaudCommit, 4, false, camlink.ParseBaudCommit, rapid.Make[camlink.BaudCommit]()),
	messageOf(camlink.TypeLogLevel, 4, false, camlink.ParseLogLevel, rapid.Make[camlink.LogLevel]()),
	messageOf(camlink.TypeReset, 8, false, camlink.ParseReset, rapid.Make[camlink.Reset]()),
}

func TestMessageRoundTrip(t *testing.T) {
	for _, m := range messages {
		t.Run(m.typ.String(), rapid.MakeCheck(func(t *rapid.T) {
			sent := m.draw(t)
			before := []byte("before")
			b := sent.Append(before)
			payload, kept := bytes.CutPrefix(b, before)
			if !kept || len(payload) > camlink.MaxPayload || m.typ >= 0x40 && len(payload) > camlink.MaxHostPayload {
				t.Fatalf("%d bytes: %q...", len(payload), b[:min(len(b), 10)])
			}
			got, err := m.parse(payload)
			if err != nil || !reflect.DeepEqual(got, sent) {
				t.Fatalf("%v\nsent %+v\ngot  %+v", err, sent, got)
			}
			if m.open {
				return
			}
			longer := append(slices.Clip(payload), "what a later version adds"...)
			if got, err := m.parse(longer); err != nil || !reflect.DeepEqual(got, sent) {
				t.Fatalf("with a tail: %v\nsent %+v\ngot  %+v", err, sent, got)
			}
		}))
	}
}

func TestShortMessages(t *testing.T) {
	for _, m := range messages {
		for n := range m.size {
			_, err := m.parse(make([]byte, n))
			if !errors.Is(err, camlink.ErrShort) || !strings.Contains(err.Error(), m.typ.String()) {
				t.Errorf("%v of %d bytes: %v", m.typ, n, err)
			}
		}
		_, err := m.parse(make([]byte, m.size))
		if wantMagic := m.typ == camlink.TypeReset; errors.Is(err, camlink.ErrMagic) != wantMagic || !wantMagic && err != nil {
			t.Errorf("%v of %d bytes: %v", m.typ, m.size, err)
		}
	}
}

func TestListsCutShort(t *testing.T) {
	if _, err := camlink.ParseConfigGet([]byte{1}); !errors.Is(err, camlink.ErrShort) {
		t.Errorf("half a key: %v; it must not be taken for none, which means all", err)
	}
	if got, err := camlink.ParseConfigGet([]byte{1, 0, 2}); err != nil || !slices.Equal(got, camlink.ConfigGet{1}) {
		t.Errorf("one and a half keys: %v, %v", got, err)
	}
	if _, err := camlink.ParseConfigSet(make([]byte, 7)); !errors.Is(err, camlink.ErrShort) {
		t.Errorf("most of a setting: %v", err)
	}
	if got, err := camlink.ParseConfig(make([]byte, 47)); err != nil || len(got) != 2 {
		t.Errorf("almost three items: %v, %v", got, err)
	}
	log := append(make([]byte, 9), 4, 't', 'a', 'g')
	if _, err := camlink.ParseLog(log); !errors.Is(err, camlink.ErrShort) {
		t.Errorf("a tag that overruns: %v", err)
	}
}

func TestHelloTLVs(t *testing.T) {
	fixed := camlink.Hello{}.Append(nil)
	got, err := camlink.ParseHello(slices.Concat(fixed, []byte{2, 1, 'a', 77, 2, '?', '?', 2, 1, 'b', 1, 0, 4, 9, 'o', 'v'}))
	if err != nil || got.Board != "b" || got.Firmware != "" || got.Sensor != "" {
		t.Errorf("%v, %+v", err, got)
	}
	long := strings.Repeat("x", 300)
	m := camlink.Hello{Firmware: long, Board: long, SDK: long, Sensor: long, Name: long}
	got, err = camlink.ParseHello(m.Append(nil))
	if err != nil || got.Name != long[:255] || got.Firmware != long[:255] {
		t.Errorf("long strings: %v, %d bytes", err, len(got.Name))
	}
}

func TestLogIsCut(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, m := range []camlink.Log{{Text: long}, {Tag: long, Text: long}, {Tag: "cam", Text: long}} {
		b := m.Append(nil)
		if len(b) != 250 {
			t.Errorf("%d bytes", len(b))
		}
		got, err := camlink.ParseLog(append(b, "a tail"...))
		if err != nil || len(got.Tag)+len(got.Text) != 240 {
			t.Errorf("%v, %+v", err, got)
		}
	}
}

func TestConfigKeys(t *testing.T) {
	for _, k := range camlink.ConfigKeys() {
		if got, ok := camlink.ParseConfigKey(k.String()); !ok || got != k {
			t.Errorf("%d has the name %q, which stands for %d", uint16(k), k, uint16(got))
		}
	}
	if k, ok := camlink.ParseConfigKey("key 35"); ok {
		t.Errorf("a name of no key stands for %d", uint16(k))
	}
	if w, h := camlink.SplitSize(camlink.SizeValue(65535, 480)); w != 65535 || h != 480 {
		t.Errorf("%dx%d", w, h)
	}
}

// sample is a packet and the message in it.
type sample struct {
	header camlink.Header
	m      appender
}

func request(t camlink.Type, seq, ref uint16, m appender) sample {
	return sample{camlink.Header{Type: t, Seq: seq, Ref: ref}, m}
}

func response(t camlink.Type, seq, ref uint16, m appender) sample {
	return sample{camlink.Header{Type: t, Flags: camlink.FlagResponse, Seq: seq, Ref: ref}, m}
}

// The comments of the vector messages-host say the same.
var hostSamples = []sample{
	request(camlink.TypeHelloReq, 0, 1, camlink.HelloReq{Min: 1, Max: 1, Nonce: 0x11223344, MaxPayload: 4100}),
	request(camlink.TypePing, 1, 2, camlink.Ping{HostNanos: 1000000000}),
	request(camlink.TypeCredit, 2, 0, camlink.Credit{Limit: 10, LeaseMillis: 3000}),
	request(camlink.TypeStatsReq, 3, 7, camlink.ConfigGet{}), // no payload
	request(camlink.TypeConfigGet, 4, 8, camlink.ConfigGet{camlink.KeySize, camlink.KeyQuality, camlink.KeyLogLevel}),
	request(camlink.TypeConfigSet, 5, 9, camlink.ConfigSet{
		{Key: camlink.KeySize, Value: camlink.SizeValue(640, 480)},
		{Key: camlink.KeyBrightness, Flags: camlink.ConfigSetPersist, Value: -2},
	}),
	request(camlink.TypeBaudSet, 6, 10, camlink.BaudSet{Baud: 2000000, Token: 0x01020304, ConfirmMillis: 350}),
	request(camlink.TypeBaudProbe, 7, 11, camlink.BaudProbe{Token: 0x01020304, First: 4, Count: 4}),
	request(camlink.TypeBaudCommit, 8, 12, camlink.BaudCommit{Token: 0x01020304}),
	request(camlink.TypeLogLevel, 9, 13, camlink.LogLevel{Level: camlink.LevelWarning}),
	request(camlink.TypeReset, 10, 14, camlink.Reset{Mode: camlink.ResetReboot}),
}

// And so do those of messages-device, but that its HELLO has one TLV that no encoder here would write.
var deviceSamples = []sample{
	response(camlink.TypeHello, 0, 1, camlink.Hello{
		ProtoMin: 1, ProtoMax: 1, BootID: 0x11223344, NowUS: 2500000, ResetReason: camlink.ResetPowerOn,
		Transport: camlink.TransportUART, MaxPayload: 4100, MaxFrame: 262144, BaudNow: 115200, BaudMax: 3000000,
		Features:  camlink.FeatureCredit | camlink.FeatureBaud | 1<<3,
		SensorPID: 0x2642, MAC: [6]byte{0xA0, 0xB7, 0x65, 0x01, 0x23, 0x45}, NextFrame: 1,
		Firmware: "1.0.0", Board: "ai-thinker", SDK: "v5.4", Sensor: "OV2640", Name: "porch",
	}),
	response(camlink.TypePong, 1, 2, camlink.Pong{HostNanos: 1000000000, DeviceRxUS: 3000000, DeviceTxUS: 3000040, NextFrame: 7}),
	response(camlink.TypeResult, 2, 10, camlink.Result{Request: camlink.TypeBaudSet, Status: camlink.StatusInvalid, Detail: 3}),
	response(camlink.TypeConfig, 3, 9, camlink.Config{
		{Key: camlink.KeyBrightness, Flags: camlink.ConfigClamped, Value: -2, Min: -2, Max: 2},
		{Key: 999, Flags: camlink.ConfigUnsupported},
	}),
	response(camlink.TypeBaudPattern, 4, 11, camlink.BaudPattern{Token: 0x01020304, Index: 4}),
	response(camlink.TypeBaudPattern, 5, 11, camlink.BaudPattern{Token: 0x9E3779B9}),
	response(camlink.TypeStats, 6, 7, camlink.Stats{
		UptimeS: 3600, Captured: 72000, Sent: 71000, SkippedCredit: 900, SkippedBusy: 100, CameraErrors: 3, TxBytes: 1800000000,
		RxErrors: 2, RxOverruns: 1, HeapFree: 150000, HeapMin: 120000, PSRAMFree: 3900000, Temperature: -125,
	}),
	request(camlink.TypeLog, 7, 0, camlink.Log{TimeUS: 3000000, Level: camlink.LevelWarning, Tag: "cam", Text: "low light"}),
	request(camlink.TypeFrameBegin, 8, 4464, camlink.FrameBegin{
		Number: 70000, Length: 25600, CaptureUS: 5000000000, TxUS: 5000012000, Width: 1600, Height: 1200,
		Format: camlink.FormatJPEG, Quality: 10, Skipped: 3,
	}),
	request(camlink.TypeFrameChunk, 9, 4464, camlink.FrameChunk{Data: []byte{0xFF, 0xD8, 0xFF, 0xE0}}),
	request(camlink.TypeFrameAbort, 10, 4464, camlink.FrameAbort{Number: 70000, Reason: camlink.AbortLink}),
}

func TestMessageVectors(t *testing.T) {
	vectors := readVectors(t)
	for name, samples := range map[string][]sample{"messages-host": hostSamples, "messages-device": deviceSamples} {
		rest := vectors[name].bytes()
		for _, s := range samples {
			payload := s.m.Append(nil)
			if s.header.Type == camlink.TypeHello {
				// The unknown TLV stands before the one of the SDK.
				at := bytes.Index(payload, []byte("\x03\x04v5.4"))
				payload = slices.Insert(payload, at, 99, 1, '?')
			}
			want := camlink.AppendPacket(nil, s.header, payload)
			if !bytes.HasPrefix(rest, want) {
				t.Fatalf("%s: %v\nencoded %x\nvector  %x", name, s.header.Type, want, rest[:min(len(want), len(rest))])
			}
			rest = rest[len(want):]
			// What the zero and nil fields stand for is in the payload: both must come out the same.
			for _, m := range messages {
				if m.typ != s.header.Type {
					continue
				}
				got, err := m.parse(payload)
				if err != nil || !bytes.Equal(got.Append(nil), s.m.Append(nil)) {
					t.Errorf("%s: %v parsed as %+v, %v", name, m.typ, got, err)
				}
			}
		}
		if len(rest) != 0 {
			t.Errorf("%s: %d bytes without a sample", name, len(rest))
		}
	}
}

func TestPatternBytes(t *testing.T) {
	b := camlink.PatternBytes(1, 65535)
	if len(b) != camlink.PatternSize || !bytes.Equal(b[:256], slices.Concat(
		bytes.Repeat([]byte{0}, 64), bytes.Repeat([]byte{0xFF}, 64), bytes.Repeat([]byte{0x55}, 64), bytes.Repeat([]byte{0xAA}, 64))) {
		t.Errorf("%d bytes: %x", len(b), b[:256])
	}
	if bytes.Equal(b, camlink.PatternBytes(1, 65534)) || bytes.Equal(b, camlink.PatternBytes(2, 65535)) {
		t.Error("two patterns are the same")
	}
}
