package camlink_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
	"pgregory.net/rapid"
)

func TestAppendPacketRefusesTooMuch(t *testing.T) {
	b := camlink.AppendPacket([]byte("before"), camlink.Header{}, make([]byte, 4), make([]byte, camlink.MaxChunk))
	if len(b) != len("before")+camlink.MaxPacket {
		t.Errorf("the longest packet has %d bytes", len(b)-len("before"))
	}
	defer func() {
		if recover() == nil {
			t.Error("a payload one byte too long was taken")
		}
	}()
	camlink.AppendPacket(nil, camlink.Header{}, make([]byte, 5), make([]byte, camlink.MaxChunk))
}

func TestFedRefusesTooMuch(t *testing.T) {
	d := camlink.NewDecoder()
	defer func() {
		if recover() == nil {
			t.Error("more bytes than there was room for were taken")
		}
	}()
	d.Fed(len(d.Room()) + 1)
}

// Room must never run dry, whatever is undecided, or a reader would spin.
func TestRoomNeverRunsDry(t *testing.T) {
	d := camlink.NewDecoder()
	chunk := camlink.AppendPacket(nil, camlink.Header{Type: camlink.TypeFrameChunk}, make([]byte, camlink.MaxPayload))
	for fed := 0; fed < 1<<20; {
		room := d.Room()
		if len(room) < 4096 {
			t.Fatalf("room for %d bytes after %d", len(room), fed)
		}
		n := 0
		for n < min(len(room), 1000+fed%3000) {
			at := (fed + n) % len(chunk)
			n += copy(room[n:min(len(room), 1000+fed%3000)], chunk[at:])
		}
		d.Fed(n)
		fed += n
		for _, ok := d.Next(); ok; _, ok = d.Next() {
		}
	}
	if c := d.Counters(); c.Packets != c.Bytes/camlink.MaxPacket || c.Discarded != 0 {
		t.Errorf("%+v", c)
	}
	if first := camlink.NewDecoder(); len(first.Room()) < 64<<10 {
		t.Errorf("only %d bytes of room in a new decoder", len(first.Room()))
	}
}

func TestDecoderReset(t *testing.T) {
	r := newReceiver(0)
	packet := func(seq uint16) []byte {
		return camlink.AppendPacket(nil, camlink.Header{Type: camlink.TypeLog, Seq: seq}, make([]byte, 30))
	}
	r.take(packet(1))
	r.take(input("half a li"))
	r.take(packet(2)[:20])
	r.dec.Reset()
	r.take(input("ne, and then\n"))
	r.take(packet(900))
	c := r.dec.Counters()
	want := camlink.DecoderCounters{Bytes: 2*46 + 9 + 20 + 13, Packets: 2, Discarded: 9 + 20 + 13}
	if c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if text := "\ntext ne, and then\n"; !strings.Contains(r.end(), text) {
		t.Errorf("no %q in\n%s", text, r.end())
	}
}

// One damaged packet among others, in every way a line can damage it: all the others arrive, and nothing else does.
func TestDamageLosesOnlyTheDamagedPacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Many bytes that look like a sync, to lead the scan astray.
		tricky := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0xFF, 0xA7, 0x10, 0x00})), 0, 300)
		var sent []string
		for i := range rapid.IntRange(1, 12).Draw(t, "packets") {
			h := camlink.Header{Type: camlink.Type(rapid.Byte().Draw(t, "type")), Seq: uint16(i)}
			sent = append(sent, string(camlink.AppendPacket(nil, h, tricky.Draw(t, "payload"))))
		}
		victim := rapid.IntRange(0, len(sent)-1).Draw(t, "victim")
		b := []byte(sent[victim])
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"flip", "drop", "insert", "cut"}).Draw(t, "damage") {
		case "flip":
			b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case "drop":
			b = slices.Delete(b, at, min(len(b), at+rapid.IntRange(1, 80).Draw(t, "lost")))
		case "insert":
			b = slices.Insert(b, at, tricky.Draw(t, "inserted")...)
		case "cut":
			b = b[:at]
		}
		r := newReceiver(0)
		for i, p := range sent {
			if i == victim {
				r.take(input(b))
			} else {
				r.take(input(p))
			}
		}
		r.take(nil)
		if fault := r.check(); fault != "" {
			t.Fatal(fault)
		}
		without := func(i int) []string { return slices.Delete(slices.Clone(sent), i, i+1) }
		want := without(victim)
		switch last := victim == len(sent)-1; {
		case bytes.Contains(b, []byte(sent[victim])):
			want = sent // the damage left its bytes whole: an insertion before it, for instance
		case !last && strings.Contains(string(b)+sent[victim+1], sent[victim]):
			// A victim cut just before a CRC byte of FF is made whole by the sync of the next packet, which is the one then lost.
			want = without(victim + 1)
		}
		if !slices.Equal(r.packets, want) && !slices.Equal(r.packets, without(victim)) {
			t.Fatalf("victim %d: got %d packets of %d\n%x", victim, len(r.packets), len(sent), b)
		}
	})
}

func TestNeverAWrongFrame(t *testing.T) {
	delivered := 0
	for seed := range uint64(1000) {
		b, s := randomBytes(seed)
		r := newReceiver(0)
		for _, in := range s.split(b, 700) {
			r.take(in)
		}
		if fault := r.check(); fault != "" {
			t.Fatalf("seed %d: %s", seed, fault)
		}
		for _, f := range r.frames {
			if !bytes.Equal(f.Data, s.sent[f.Number]) {
				t.Fatalf("seed %d: frame %d is not what was sent", seed, f.Number)
			}
		}
		delivered += len(r.frames)
	}
	if delivered < 1000 {
		t.Errorf("only %d frames were delivered in all: nothing was tested", delivered)
	}
}

func TestSplitsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, _ := randomBytes(rapid.Uint64().Draw(t, "seed"))
		want := events(0, []input{b})
		var in []input
		for rest := b; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 5000)).Draw(t, "n")
			in = append(in, rest[:n])
			rest = rest[n:]
		}
		if got := events(0, in); got != want {
			t.Fatalf("in %d pieces\n%s\nwhole\n%s", len(in), got, want)
		}
	})
}

// Silence between packets, or in ones that go on, must change nothing in a sound stream.
func TestSilenceIsHarmlessInSoundStream(t *testing.T) {
	for seed := range uint64(50) {
		s := newSender(seed)
		for range 10 {
			s.frame(1+s.rnd.IntN(2000), 256)
			s.control()
		}
		want := events(0, []input{s.out})
		if got := events(0, s.split(s.out, 60)); got != want {
			t.Fatalf("seed %d: with silence\n%s\nwithout\n%s", seed, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	names := []struct {
		value fmt.Stringer
		want  string
	}{
		{camlink.ErrorHeader, "header"}, {camlink.ErrorVersion, "version"}, {camlink.ErrorLength, "length"},
		{camlink.ErrorPayload, "payload"}, {camlink.ErrorKind(9), "error 9"},
		{camlink.ReasonIncomplete, "incomplete"}, {camlink.ReasonTooLarge, "too_large"}, {camlink.ReasonAborted, "aborted"},
		{camlink.ReasonFormat, "format"}, {camlink.Reason(9), "reason 9"},
		{camlink.TypeBaudPattern, "BAUD_PATTERN"}, {camlink.TypeReset, "RESET"}, {camlink.Type(0x2F), "type 0x2F"},
		{camlink.StatusVersion, "version"}, {camlink.Status(77), "status 77"},
		{camlink.FeatureCredit | camlink.FeatureOneWay | 1<<31, "credit|one_way|0x80000000"}, {camlink.Feature(0), "none"},
		{camlink.ConfigReadOnly | camlink.ConfigClamped, "read_only|clamped"},
		{camlink.ResetDeepSleep, "deep sleep"}, {camlink.ResetReason(8), "reset reason 8"},
		{camlink.TransportUSBCDC, "USB-CDC"}, {camlink.Transport(3), "transport 3"},
		{camlink.LevelDebug, "debug"}, {camlink.Level(5), "level 5"},
		{camlink.AbortLink, "link"}, {camlink.AbortReason(0), "abort reason 0"},
		{camlink.KeySize, "size"}, {camlink.KeyMinIntervalMS, "min_interval_ms"}, {camlink.KeyVFlip, "vflip"},
		{camlink.KeyAEC2, "aec2"}, {camlink.KeyDenoise, "denoise"}, {camlink.KeyXCLKHz, "xclk_hz"},
		{camlink.KeyLogLevel, "log_level"}, {camlink.ConfigKey(0), "key 0"}, {camlink.KeyAWBGain, "awb_gain"}, {camlink.ConfigKey(35), "key 35"},
	}
	for _, n := range names {
		if got := n.value.String(); got != n.want {
			t.Errorf("%T is %q, want %q", n.value, got, n.want)
		}
	}
}

func TestChunkSize(t *testing.T) {
	for baud, want := range map[int]int{0: 4096, 115200: 256, 460800: 512, 921600: 1024, 1000000: 1024, 1500000: 2048, 2000000: 2048, 3000000: 2048, 12000000: 4096} {
		if got := camlink.ChunkSize(baud); got != want {
			t.Errorf("at %d baud: %d, want %d", baud, got, want)
		}
	}
}
