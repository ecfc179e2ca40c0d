package simcam

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

func TestNoiseRates(t *testing.T) {
	const n = 200000
	clean := bytes.Repeat([]byte{0x5A}, n)
	random := func() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
	near := func(got int, p float64) bool { return float64(got) > 0.8*p*n && float64(got) < 1.2*p*n }

	flipped := newNoise(Options{Flip: 0.01}, random()).damage(clean)
	changed := 0
	for i, b := range flipped {
		if b != clean[i] {
			changed++
		}
	}
	if len(flipped) != n || !near(changed, 0.01) {
		t.Errorf("flip: %d of %d bytes changed", changed, len(flipped))
	}
	if got := len(newNoise(Options{Drop: 0.02}, random()).damage(clean)); !near(n-got, 0.02) {
		t.Errorf("drop: %d bytes left", got)
	}
	if got := len(newNoise(Options{Insert: 0.02}, random()).damage(clean)); !near(got-n, 0.02) {
		t.Errorf("insert: %d bytes", got)
	}
	if got := newNoise(Options{Drop: 1}, random()).damage(clean); len(got) != 0 {
		t.Errorf("drop of everything leaves %d bytes", len(got))
	}
	if got := newNoise(Options{}, random()).damage(clean); !bytes.Equal(got, clean) {
		t.Error("a good wire damages")
	}
}

// Under every fault the decoder finds what was left whole, and nothing else.
func TestFaultsCostFramesAndNothingElse(t *testing.T) {
	for name, o := range map[string]Options{
		"flip":   {Flip: 1e-4},
		"drop":   {Drop: 1e-4},
		"insert": {Insert: 1e-4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.USB, o.Seed, o.FPS, o.Source = true, 3, 50, numbers{pad: 5000}
				h := connect(t, New(o))
				h.line.SetReadTimeout(10 * time.Millisecond)
				assembler := camlink.Assembler{}
				whole, linked := 0, false
				for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
					if !linked {
						h.send(camlink.TypeHelloReq, helloReq)
					}
					p, ok := h.next(25 * time.Millisecond)
					if !ok {
						h.dec.Silence()
						continue
					}
					if p.Type == camlink.TypeHello && p.Flags&camlink.FlagResponse != 0 && !linked {
						linked = true
						h.credit(1000, 0)
					}
					if f, ok := assembler.Add(p); ok {
						whole++
						if len(f.Data) != 5002 || bytes.ContainsFunc(f.Data[2:], func(r rune) bool { return r != 0 }) {
							t.Fatalf("frame %d was delivered damaged", f.Number)
						}
					}
					if p.Type == camlink.TypeFrameBegin && p.Ref%50 == 0 {
						h.credit(1000, 0)
					}
				}
				c := assembler.Counters()
				if whole < 200 || c.Completed == c.Begun && c.Lost == 0 {
					t.Errorf("%d frames whole, %+v: want some lost and most not", whole, c)
				}
			})
		})
	}
}

func TestSeedRepeatsEverything(t *testing.T) {
	run := func() (out []byte) {
		synctest.Test(t, func(t *testing.T) {
			h := connect(t, New(Options{USB: true, Seed: 42, Flip: 0.01, BootText: "hello\n"}))
			h.line.SetReadTimeout(100 * time.Millisecond)
			b := make([]byte, 4096)
			for range 20 {
				n, _ := h.line.Read(b)
				out = append(out, b[:n]...)
			}
		})
		return out
	}
	if a, b := run(), run(); len(a) == 0 || !bytes.Equal(a, b) {
		t.Errorf("%d and %d bytes differ with the same seed", len(a), len(b))
	}
}

func TestStall(t *testing.T) {
	for _, isUSB := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := connect(t, New(Options{USB: isUSB, Source: numbers{}, FPS: 20, Stall: 400 * time.Millisecond, StallEvery: 2 * time.Second}))
			h.link()
			h.credit(1000, 0)
			last, stalls := time.Now(), 0
			for end := time.Now().Add(9500 * time.Millisecond); time.Now().Before(end); {
				if _, ok := h.next(time.Second); !ok {
					t.Fatal("silence")
				}
				switch gap := time.Since(last); {
				case gap > 500*time.Millisecond:
					t.Errorf("gap of %v", gap)
				case gap > 300*time.Millisecond:
					stalls++
				}
				last = time.Now()
			}
			if stalls != 3 && stalls != 4 {
				t.Errorf("USB %v: %d stalls in 9.5 s, want one in 2.4 s", isUSB, stalls)
			}
		})
	}
}

func TestWireVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, New(Options{USB: true, WireVersion: 2}))
		if p, ok := h.next(1100 * time.Millisecond); ok {
			t.Fatalf("%v was accepted", p.Type)
		}
		if got := h.dec.Counters().Errors; got[camlink.ErrorVersion] != 3 || got[camlink.ErrorHeader] != 0 {
			t.Errorf("errors %v, want three of version and none of header", got)
		}
	})
}

func TestMangle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := usb()
		o.Mangle = func(h *camlink.Header, payload []byte) {
			if h.Type == camlink.TypeFrameBegin {
				copy(payload[4:8], []byte{0xFF, 0xFF, 0xFF, 0x7F})
			}
		}
		h := connect(t, New(o))
		h.link()
		h.credit(1, 0)
		m := parse(t, camlink.ParseFrameBegin, h.want(camlink.TypeFrameBegin, time.Second))
		if m.Length != 0x7FFFFFFF {
			t.Errorf("length %d", m.Length)
		}
	})
}

// A hang begins in time, ignores the read timeout, and ends with the line.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{USB: true, Hang: time.Second})
		line, err := d.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		line.SetReadTimeout(100 * time.Millisecond)
		begin := time.Now()
		var worked atomic.Int64 // until Read returned last
		done := make(chan error)
		go func() {
			b := make([]byte, 100)
			for {
				if _, err := line.Read(b); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					done <- err
					return
				}
				worked.Store(int64(time.Since(begin)))
			}
		}()
		time.Sleep(time.Hour)
		if worked := time.Duration(worked.Load()); worked < 900*time.Millisecond || worked > 1100*time.Millisecond {
			t.Errorf("Read returned for %v", worked)
		}
		d.Unplug()
		if err := <-done; err != io.EOF {
			t.Errorf("error %v", err)
		}
		line.Close()
	})
}
