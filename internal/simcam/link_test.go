package simcam

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mac := [6]byte{2, 0, 0, 0, 0, 9}
		d := New(Options{Name: "door", Board: "esp32cam", Sensor: "OV2640", MAC: mac, MaxBaud: 2000000})
		h := connect(t, d)
		m := h.link()
		want := camlink.Hello{
			ProtoMin: 1, ProtoMax: 1, BootID: m.BootID, NowUS: m.NowUS, ResetReason: camlink.ResetPowerOn,
			MaxPayload: 80, MaxFrame: maxFrame, BaudNow: 115200, BaudMax: 2000000,
			Features: camlink.FeatureCredit | camlink.FeatureBaud | camlink.FeaturePersist | camlink.FeatureDownload |
				camlink.FeatureLamp | camlink.FeatureTestCard,
			MAC: mac, NextFrame: 1,
			Firmware: "simcam", Board: "esp32cam", SDK: "none", Sensor: "OV2640", Name: "door",
		}
		if m != want {
			t.Errorf("HELLO\n got %+v\nwant %+v", m, want)
		}
		if !d.Stats().Linked {
			t.Error("not linked")
		}
		h.silent(camlink.TypeHello, 2*time.Second)
	})
}

func TestDefaultMACFollowsName(t *testing.T) {
	a, b := New(Options{Name: "a"}).opts.MAC, New(Options{Name: "b"}).opts.MAC
	if a == b || a != New(Options{Name: "a"}).opts.MAC || a[0]&3 != 2 {
		t.Errorf("MACs %x and %x, want different, stable, local unicast ones", a, b)
	}
}

func TestBeaconCadence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := connect(t, New(usb()))
		for i := range 5 {
			p := h.want(camlink.TypeHello, time.Minute)
			if at := time.Since(start); at != time.Duration(i)*beaconEvery || p.Ref != 0 || p.Flags != 0 {
				t.Fatalf("HELLO %d after %v with ref %d and flags %d", i, at, p.Ref, p.Flags)
			}
		}
	})
}

func TestBeaconAnswersAnyPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(usb()))
		h.want(camlink.TypeHello, time.Millisecond)
		h.send(camlink.TypePing, camlink.Ping{}.Append(nil))
		if p := h.want(camlink.TypeHello, time.Millisecond); p.Ref != 0 || p.Flags != 0 {
			t.Errorf("PING answered with ref %d and flags %d", p.Ref, p.Flags)
		}
		// What devices say comes back from a wire that echoes.
		h.send(camlink.TypeHello, nil)
		h.silent(camlink.TypeHello, 100*time.Millisecond)
	})
}

// A host that talks faster than HELLOs leave gets one, not one each.
func TestBeaconsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(uart()))
		h.want(camlink.TypeHello, time.Second)
		for range 20 {
			h.send(camlink.TypeStatsReq, nil)
		}
		hellos := 0
		for {
			if _, ok := h.next(50 * time.Millisecond); !ok {
				break
			}
			hellos++
		}
		if hellos < 2 || hellos > 5 {
			t.Errorf("%d HELLOs in answer to 20 packets", hellos)
		}
	})
}

func TestVersionsMustOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{USB: true, ProtoMin: 2, ProtoMax: 3})
		h := connect(t, d)
		if s := h.status(camlink.TypeHelloReq, helloReq); s != camlink.StatusVersion {
			t.Errorf("status %v, want version", s)
		}
		if d.Stats().Linked {
			t.Error("linked")
		}
		if s := h.status(camlink.TypeHelloReq, helloReq[:5]); s != camlink.StatusInvalid {
			t.Errorf("status of a short request %v, want invalid", s)
		}
	})
}

func TestLeaseEnds(t *testing.T) {
	lease := camlink.Credit{Limit: 0, LeaseMillis: 700}.Append(nil)
	tests := []struct {
		name   string
		say    func(h *host)
		wanted time.Duration
	}{
		{"before any credit", func(*host) {}, firstLease},
		{"of the credit", func(h *host) { h.send(camlink.TypeCredit, lease) }, 700 * time.Millisecond},
		{"at once", func(h *host) { h.send(camlink.TypeCredit, camlink.Credit{}.Append(nil)) }, 0},
		{"renewed by any packet", func(h *host) {
			h.send(camlink.TypeCredit, lease)
			time.Sleep(600 * time.Millisecond)
			h.send(camlink.TypePing, camlink.Ping{}.Append(nil))
		}, 1300 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := New(usb())
				h := connect(t, d)
				h.link()
				start := time.Now()
				tt.say(h)
				p := h.want(camlink.TypeHello, 10*time.Second)
				if took := time.Since(start); took != tt.wanted || p.Flags != 0 || d.Stats().Linked {
					t.Errorf("HELLO after %v, want %v; linked %v", took, tt.wanted, d.Stats().Linked)
				}
			})
		})
	}
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(uart()))
		h.link()
		time.Sleep(time.Second)
		start := time.Now()
		m := parse(t, camlink.ParsePong, h.call(camlink.TypePing, camlink.Ping{HostNanos: 77}.Append(nil)))
		if m.HostNanos != 77 || m.NextFrame != 1 {
			t.Errorf("PONG %+v", m)
		}
		// 24 bytes there and 44 back at 115,200 baud are all the time there is.
		there, back := lineTime(24, 115200), lineTime(44, 115200)
		if took := time.Since(start); (took - there - back).Abs() > time.Microsecond {
			t.Errorf("round trip of %v, want %v", took, there+back)
		}
		if m.DeviceTxUS != m.DeviceRxUS || m.DeviceRxUS < 1000000 {
			t.Errorf("received at %d us, sent at %d us", m.DeviceRxUS, m.DeviceTxUS)
		}
	})
}

func TestRequestsThatFail(t *testing.T) {
	tests := []struct {
		name    string
		typ     camlink.Type
		payload []byte
		want    camlink.Status
	}{
		{"unknown type", 0x45, nil, camlink.StatusUnsupported},
		{"short PING", camlink.TypePing, []byte{1}, camlink.StatusInvalid},
		{"short CREDIT", camlink.TypeCredit, []byte{1}, camlink.StatusInvalid},
		{"short CONFIG_GET", camlink.TypeConfigGet, []byte{1}, camlink.StatusInvalid},
		{"short CONFIG_SET", camlink.TypeConfigSet, []byte{1}, camlink.StatusInvalid},
		{"short LOG_LEVEL", camlink.TypeLogLevel, []byte{1}, camlink.StatusInvalid},
		{"short BAUD_SET", camlink.TypeBaudSet, []byte{1}, camlink.StatusInvalid},
		{"short BAUD_PROBE", camlink.TypeBaudProbe, []byte{1}, camlink.StatusInvalid},
		{"short BAUD_COMMIT", camlink.TypeBaudCommit, []byte{1}, camlink.StatusInvalid},
		{"BAUD_SET on USB", camlink.TypeBaudSet, camlink.BaudSet{Baud: 1000000, ConfirmMillis: 300}.Append(nil), camlink.StatusUnsupported},
		{"BAUD_COMMIT of nothing", camlink.TypeBaudCommit, camlink.BaudCommit{}.Append(nil), camlink.StatusInvalid},
		{"RESET without magic", camlink.TypeReset, make([]byte, 8), camlink.StatusInvalid},
		{"RESET to nowhere", camlink.TypeReset, camlink.Reset{Mode: 9}.Append(nil), camlink.StatusInvalid},
	}
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(usb()))
		h.link()
		for _, tt := range tests {
			if got := h.status(tt.typ, tt.payload); got != tt.want {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(usb())
		h := connect(t, d)
		before := h.link()
		if s := h.status(camlink.TypeReset, camlink.Reset{}.Append(nil)); s != camlink.StatusOK {
			t.Fatalf("RESET: %v", s)
		}
		after := parse(t, camlink.ParseHello, h.want(camlink.TypeHello, time.Second))
		if after.BootID == before.BootID || d.Stats().Boots != 2 {
			t.Errorf("boot id %d then %d, %d boots", before.BootID, after.BootID, d.Stats().Boots)
		}

		h.link()
		if s := h.status(camlink.TypeReset, camlink.Reset{Mode: camlink.ResetDownload}.Append(nil)); s != camlink.StatusOK {
			t.Fatalf("RESET to download: %v", s)
		}
		h.send(camlink.TypeHelloReq, helloReq)
		if p, ok := h.next(5 * time.Second); ok {
			t.Errorf("the ROM said %v", p.Type)
		}
		if !slices.Contains(h.text, "waiting for download") {
			t.Errorf("text %q", h.text)
		}
		d.Reboot()
		h.want(camlink.TypeHello, time.Second)
	})
}

func TestLogFollowsLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(usb()))
		h.link()
		h.credit(1, 0)
		m := parse(t, camlink.ParseLog, h.want(camlink.TypeLog, time.Second))
		if m.Tag != "simcam" || m.Text != "sensor awake" || m.Level != camlink.LevelInfo {
			t.Errorf("LOG %+v", m)
		}
		h.frames(2 * time.Second)
		if s := h.status(camlink.TypeLogLevel, camlink.LogLevel{Level: camlink.LevelWarning}.Append(nil)); s != camlink.StatusOK {
			t.Fatalf("LOG_LEVEL: %v", s)
		}
		h.credit(2, 0)
		h.silent(camlink.TypeLog, 2*time.Second)
		c := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigGet, camlink.ConfigGet{camlink.KeyLogLevel}.Append(nil)))
		if len(c) != 1 || c[0].Value != int32(camlink.LevelWarning) {
			t.Errorf("CONFIG %+v", c)
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(uart())
		h := connect(t, d)
		h.link()
		h.credit(5, 0)
		h.frames(1500 * time.Millisecond)
		broken := camlink.AppendPacket(nil, camlink.Header{Type: camlink.TypePing}, make([]byte, 8))
		broken[20] ^= 1
		h.line.Write(broken)
		time.Sleep(100 * time.Millisecond)
		m := parse(t, camlink.ParseStats, h.call(camlink.TypeStatsReq, nil))
		if m.UptimeS != 1 || m.Sent != 5 || m.RxErrors != 1 || m.Temperature != camlink.NoTemperature {
			t.Errorf("STATS %+v", m)
		}
		d.fw.opts.Temperature = -3.26
		if m := parse(t, camlink.ParseStats, h.call(camlink.TypeStatsReq, nil)); m.Temperature != -33 {
			t.Errorf("%d tenths of a degree", m.Temperature)
		}
		s := d.Stats()
		if m.Captured != s.Captured || m.SkippedCredit != s.SkippedCredit || s.TxBytes <= m.TxBytes || m.TxBytes == 0 {
			t.Errorf("STATS %+v, Stats %+v", m, s)
		}
	})
}

func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{OneWay: true, BaseBaud: 921600, Source: numbers{pad: 1000}, FPS: 5})
		h := connect(t, d)
		h.line.SetBaud(921600)
		m := parse(t, camlink.ParseHello, h.want(camlink.TypeHello, time.Second))
		if m.Features != camlink.FeatureOneWay || m.BaudNow != 921600 {
			t.Errorf("HELLO %+v", m)
		}
		start := time.Now()
		h.send(camlink.TypeHelloReq, helloReq)
		hellos, begins := 0, 0
		for time.Since(start) < 10*time.Second {
			p, ok := h.next(time.Second)
			if !ok {
				t.Fatal("silence")
			}
			switch p.Type {
			case camlink.TypeHello:
				hellos++
			case camlink.TypeFrameBegin:
				begins++
			case camlink.TypeFrameChunk:
			default:
				t.Errorf("%v from a one-way device", p.Type)
			}
		}
		if hellos != 10 || begins < 49 || begins > 51 || d.Stats().Linked {
			t.Errorf("%d HELLOs and %d frames in 10 s, want 10 and 50; linked %v", hellos, begins, d.Stats().Linked)
		}
	})
}
