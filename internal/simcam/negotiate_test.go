package simcam

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

const token = 0xC0FFEE

// confirm is how long a trial of baud may take.
func confirm(baud int) time.Duration { return 300*time.Millisecond + 2*lineTime(16*1052, baud) }

// try asks for a rate and follows if the device agrees.
func (h *host) try(baud int) camlink.Status {
	h.t.Helper()
	m := camlink.BaudSet{Baud: uint32(baud), Token: token, ConfirmMillis: uint16(confirm(baud).Milliseconds())}
	status := h.status(camlink.TypeBaudSet, m.Append(nil))
	if status == camlink.StatusOK {
		h.setBaud(baud)
	}
	return status
}

func (h *host) setBaud(baud int) {
	h.t.Helper()
	if got, err := h.line.SetBaud(baud); got != baud || err != nil {
		h.t.Fatalf("SetBaud(%d) = %d, %v", baud, got, err)
	}
}

// probe returns how many of the 16 patterns come back intact.
func (h *host) probe() int {
	h.t.Helper()
	good := 0
	for first := uint16(0); first < 16; first += 4 {
		h.send(camlink.TypeBaudProbe, camlink.BaudProbe{Token: token, First: first, Count: 4}.Append(nil))
		for want := first; want < first+4; want++ {
			p, ok := h.next(50 * time.Millisecond)
			if !ok {
				break
			}
			if p.Type != camlink.TypeBaudPattern {
				h.t.Fatalf("probe answered with %v", p.Type)
			}
			if m := parse(h.t, camlink.ParseBaudPattern, p); m.Token != token || m.Index != want {
				h.t.Fatalf("pattern %+v, want index %d", m, want)
			}
			if !bytes.Equal(p.Payload[8:], camlink.PatternBytes(token, want)) {
				h.t.Fatalf("pattern %d is not as the protocol says", want)
			}
			good++
		}
	}
	return good
}

var commit = camlink.BaudCommit{Token: token}.Append(nil)

func TestClimb(t *testing.T) {
	for _, baud := range camlink.Ladder() {
		synctest.Test(t, func(t *testing.T) {
			d := New(uart())
			h := connect(t, d)
			h.link()
			if s := h.try(baud); s != camlink.StatusOK {
				t.Fatalf("BAUD_SET %d: %v", baud, s)
			}
			if got := h.probe(); got != 16 {
				t.Fatalf("%d baud: %d patterns of 16", baud, got)
			}
			for range 2 { // a host that missed the answer commits again
				if s := h.status(camlink.TypeBaudCommit, commit); s != camlink.StatusOK {
					t.Fatalf("BAUD_COMMIT: %v", s)
				}
			}
			if s := h.status(camlink.TypeBaudProbe, camlink.BaudProbe{Token: token, Count: 1}.Append(nil)); s != camlink.StatusInvalid {
				t.Errorf("probe of a committed rate: %v", s)
			}
			time.Sleep(time.Second)
			c := parse(t, camlink.ParseConfig, h.call(camlink.TypeConfigGet, camlink.ConfigGet{camlink.KeyChunkBytes}.Append(nil)))
			if c[0].Value != int32(camlink.ChunkSize(baud)) {
				t.Errorf("chunks of %d bytes at %d baud", c[0].Value, baud)
			}
			if m := h.link(); m.BaudNow != uint32(baud) {
				t.Errorf("HELLO says %d baud, want %d", m.BaudNow, baud)
			}
			// The rate goes with the lease.
			time.Sleep(firstLease + time.Millisecond)
			if got := d.Stats().Baud; got != camlink.BaseBaud {
				t.Errorf("%d baud after the lease", got)
			}
		})
	}
}

// What the emulated wire carries must be what 8N1 allows, less the protocol's own bytes.
func TestThroughput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{Source: numbers{pad: 25000 - 2}, FPS: 100, Seed: 1})
		h := connect(t, d)
		h.link()
		h.try(2000000)
		h.status(camlink.TypeBaudCommit, commit)
		h.credit(1000, 0)
		h.frame(time.Second)
		got := h.frames(5 * time.Second)
		packets := (25000 + 2047) / 2048
		perFrame := lineTime(25000+packets*20+48, 2000000)
		if want := float64(5*time.Second) / float64(perFrame); float64(len(got)) < 0.98*want || float64(len(got)) > want+1 {
			t.Errorf("%d frames in 5 s, the line allows %.1f", len(got), want)
		}
	})
}

func TestRateRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := uart()
		o.MaxBaud = 2000000
		d := New(o)
		h := connect(t, d)
		h.link()
		for _, baud := range []int{3000000, 2000001, 1200} {
			if s := h.try(baud); s != camlink.StatusInvalid {
				t.Errorf("BAUD_SET %d: %v, want invalid", baud, s)
			}
		}
		if s := h.status(camlink.TypeBaudSet, camlink.BaudSet{Baud: 1000000}.Append(nil)); s != camlink.StatusInvalid {
			t.Errorf("BAUD_SET without time to confirm: %v, want invalid", s)
		}
		if got := d.Stats().Baud; got != camlink.BaseBaud {
			t.Errorf("%d baud", got)
		}
	})
}

func TestRateNotConfirmed(t *testing.T) {
	tests := []struct {
		name string
		lose camlink.Type // on the way
	}{
		{"the host falls silent", 0},
		{"BAUD_COMMIT lost", camlink.TypeBaudCommit},
		{"BAUD_PATTERN lost", camlink.TypeBaudPattern},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := uart()
				o.Lose = func(p camlink.Packet) bool { return p.Type == tt.lose }
				d := New(o)
				h := connect(t, d)
				h.link()
				h.try(2000000)
				if d.Stats().Baud != 2000000 {
					t.Fatal("not on trial")
				}
				switch tt.lose {
				case camlink.TypeBaudCommit:
					h.send(camlink.TypeBaudCommit, commit)
				case camlink.TypeBaudPattern:
					if n := h.probe(); n != 0 {
						t.Fatalf("%d patterns", n)
					}
				}
				time.Sleep(confirm(2000000))
				if got := d.Stats().Baud; got != camlink.BaseBaud {
					t.Fatalf("%d baud, want the rate before", got)
				}
				h.setBaud(camlink.BaseBaud)
				h.call(camlink.TypePing, camlink.Ping{}.Append(nil)) // still linked
				if tt.lose == camlink.TypeBaudCommit {
					return
				}
				if s := h.status(camlink.TypeBaudCommit, commit); s != camlink.StatusInvalid {
					t.Errorf("late BAUD_COMMIT: %v", s)
				}
			})
		})
	}
}

// A device whose RESULT got lost has switched all the same.
func TestResultLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := uart()
		o.Lose = func(p camlink.Packet) bool {
			return p.Type == camlink.TypeResult && p.Payload[0] == byte(camlink.TypeBaudSet)
		}
		d := New(o)
		h := connect(t, d)
		h.link()
		h.send(camlink.TypeBaudSet, camlink.BaudSet{Baud: 1000000, Token: token, ConfirmMillis: 500}.Append(nil))
		h.silent(camlink.TypeResult, 200*time.Millisecond)
		h.setBaud(1000000)
		if got := h.probe(); got != 16 {
			t.Errorf("%d patterns of 16", got)
		}
	})
}

func TestReturnFromTrialOfTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(uart())
		h := connect(t, d)
		h.link()
		h.try(2000000)
		h.try(1000000)
		time.Sleep(confirm(1000000))
		if got := d.Stats().Baud; got != camlink.BaseBaud {
			t.Errorf("%d baud, want the last one that was proven", got)
		}
	})
}

// TestHelloEndsATrialOfAProvenRate: who comes anew need not know that the rate is on trial, and the one before cannot prove it any more.
func TestHelloEndsATrialOfAProvenRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tried := range []int{camlink.BaseBaud, 2000000} {
			h := connect(t, New(uart()))
			h.link()
			if s := h.try(tried); s != camlink.StatusOK {
				t.Fatalf("BAUD_SET %d: %v", tried, s)
			}
			h.link()
			want := camlink.StatusOK // the trial of another rate goes on
			if tried == camlink.BaseBaud {
				want = camlink.StatusInvalid
			}
			if s := h.status(camlink.TypeBaudCommit, camlink.BaudCommit{Token: token}.Append(nil)); s != want {
				t.Errorf("BAUD_COMMIT at %d after HELLO_REQ: %v, want %v", tried, s, want)
			}
		}
	})
}

func TestGarbleAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := uart()
		o.GarbleAbove = 1000000
		d := New(o)
		h := connect(t, d)
		h.link()
		for _, baud := range camlink.Ladder() {
			if s := h.try(baud); s != camlink.StatusOK {
				t.Fatalf("BAUD_SET %d: %v", baud, s)
			}
			want := 16
			if baud > o.GarbleAbove {
				want = 0
			}
			if got := h.probe(); got != want {
				t.Errorf("%d baud: %d patterns, want %d", baud, got, want)
			}
			time.Sleep(confirm(baud))
			h.setBaud(camlink.BaseBaud)
		}
		if h.dec.Counters().Discarded == 0 || d.Stats().Baud != camlink.BaseBaud {
			t.Errorf("%d bytes of rubbish, %d baud", h.dec.Counters().Discarded, d.Stats().Baud)
		}
	})
}

func TestRatesThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(uart())
		h := connect(t, d)
		h.setBaud(57600)
		h.send(camlink.TypeHelloReq, helloReq)
		if p, ok := h.next(2 * time.Second); ok || d.Stats().Linked {
			t.Fatalf("%v crossed a line with two rates; linked %v", p.Type, d.Stats().Linked)
		}
		if h.dec.Counters().Bytes == 0 {
			t.Error("not even rubbish came")
		}
		h.setBaud(camlink.BaseBaud)
		h.link()
	})
}

func TestAdapterLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(Options{AdapterMax: 2000000}))
		if _, err := h.line.SetBaud(3000000); err == nil || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("SetBaud above the limit = %v", err)
		}
		h.setBaud(2000000)
		h.line.Close()
		h = connect(t, New(usb()))
		if _, err := h.line.SetBaud(115200); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("SetBaud on USB = %v", err)
		}
	})
}

// Above 1,500,000 baud a host must leave 1 ms between packets.
func TestFIFOOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(uart())
		h := connect(t, d)
		h.link()
		h.try(3000000)
		probe := camlink.BaudProbe{Token: token, Count: 1}.Append(nil)
		for range 2 {
			h.send(camlink.TypeBaudProbe, probe)
			h.want(camlink.TypeBaudPattern, 100*time.Millisecond)
		}
		if got := d.Stats().RxOverruns; got != 0 {
			t.Fatalf("%d overruns of a well behaved host", got)
		}
		h.send(camlink.TypeBaudProbe, probe)
		h.send(camlink.TypeBaudProbe, probe)
		h.want(camlink.TypeBaudPattern, 50*time.Millisecond)
		h.silent(camlink.TypeBaudPattern, 50*time.Millisecond)
		if got := d.Stats().RxOverruns; got != 1 {
			t.Errorf("%d overruns, want 1", got)
		}
	})
}
