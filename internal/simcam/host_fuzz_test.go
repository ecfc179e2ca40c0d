package simcam

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// FuzzHost: a host may say what it likes, when it likes. The device answers no more than it is asked, its counters add up, its lease
// ends, and a good host that follows links and gets a picture.
func FuzzHost(f *testing.F) {
	f.Add([]byte{0, 3, 4, 10, 6, 5, 0, 0, 1, 50, 7, 3, 4, 1, 200})
	f.Add([]byte{1, 3, 4, 10, 5, 0, 1, 50, 8, 20, 9, 0, 4, 9, 4, 4, 1, 10, 10, 1, 30, 1, 255, 1, 255, 1, 255})
	f.Add([]byte{2, 3, 4, 2, 0x43, 16, 1, 0, 1, 0, 255, 255, 255, 255, 31, 0, 0, 0, 255, 255, 255, 127, 1, 20, 11, 1, 3, 100})
	f.Add([]byte{1, 3, 8, 30, 1, 5, 8, 31, 12, 3, 1, 100, 0, 12, 0xFF, 0xA7, 16, 0x40, 0, 0, 255, 255, 0, 0, 1, 2, 1, 50})
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) { beset(t, data) })
	})
}

func beset(t *testing.T, data []byte) {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		c := data[0]
		data = data[1:]
		return c
	}
	take := func(n int) []byte {
		n = min(n, len(data))
		b := data[:n]
		data = data[n:]
		return b
	}
	kind := next()
	opts := Options{USB: kind&1 == 0, Source: numbers{pad: int(kind)}, Seed: 1}
	d := New(opts)
	line, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// fresh gives the line back and takes it again, as a gateway that was killed and its successor do.
	fresh := func() {
		if err := line.Close(); err != nil {
			t.Fatal(err)
		}
		if line, err = d.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var seq uint16
	send := func(typ camlink.Type, payload []byte) {
		b := camlink.AppendPacket(nil, camlink.Header{Type: typ, Seq: seq, Ref: seq + 1}, payload)
		seq++
		if _, err := line.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 1<<16)
	dec := camlink.NewDecoder()
	begun := time.Now()
	for len(data) > 0 && time.Since(begun) < 30*time.Second {
		switch next() % 13 {
		case 0:
			if _, err := line.Write(take(int(next()))); err != nil {
				t.Fatal(err)
			}
		case 1: // time passes, and the host reads
			end := time.Now().Add(time.Duration(next()) * 10 * time.Millisecond)
			for time.Now().Before(end) {
				if err := line.SetReadTimeout(time.Until(end)); err != nil {
					t.Fatal(err)
				}
				n, err := line.Read(buf[:min(len(buf), len(dec.Room()))])
				if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal(err)
				}
				dec.Fed(copy(dec.Room(), buf[:n]))
				for _, ok := dec.Next(); ok; _, ok = dec.Next() {
				}
			}
		case 2:
			typ := camlink.Type(next())
			send(typ, take(int(next())%81))
		case 3:
			send(camlink.TypeHelloReq, helloReq)
		case 4: // demand
			send(camlink.TypeCredit, camlink.Credit{Limit: d.Stats().NextFrame + uint32(next()), LeaseMillis: 3000}.Append(nil))
		case 5:
			send(camlink.TypeCredit, camlink.Credit{Limit: uint32(next()) << (next() % 32), MinIntervalMillis: uint16(next()),
				LeaseMillis: binary.LittleEndian.Uint16([]byte{next(), next()})}.Append(nil))
		case 6:
			send(camlink.TypePing, make([]byte, 8))
		case 7:
			send(camlink.TypeConfigGet, take(int(next())%81))
		case 8:
			send(camlink.TypeBaudSet, camlink.BaudSet{Baud: uint32(next()) * 20000, Token: uint32(next()) & 1, ConfirmMillis: uint16(next()) * 16}.Append(nil))
		case 9:
			send(camlink.TypeBaudProbe, camlink.BaudProbe{Token: uint32(next()) & 1, First: uint16(next()), Count: uint16(next() % 20)}.Append(nil))
		case 10:
			send(camlink.TypeBaudCommit, camlink.BaudCommit{Token: uint32(next()) & 1}.Append(nil))
		case 11:
			if opts.USB {
				break
			}
			if _, err := line.SetBaud(int(camlink.BaseBaud) * (1 + int(next()%26))); err != nil {
				t.Fatal(err)
			}
		case 12:
			switch next() % 4 {
			case 0:
				fresh()
			case 1:
				d.Reboot()
			case 2:
				d.Unplug()
				if _, err := line.Read(buf); err != io.EOF {
					t.Fatalf("unplugged: %v", err)
				}
				d.Plug()
				fresh()
			case 3:
				send(camlink.TypeReset, camlink.Reset{Mode: camlink.ResetReboot}.Append(nil))
			}
		}
		if s := d.Stats(); s.Sent+s.SkippedCredit+s.SkippedBusy+s.Errors > s.Captured || s.Captured > s.Sent+s.SkippedCredit+s.SkippedBusy+s.Errors+3 {
			t.Fatalf("pictures do not add up: %+v", s)
		}
	}
	// The line falls silent: no lease is longer than a minute.
	time.Sleep(2 * time.Millisecond)
	fresh()
	time.Sleep(66 * time.Second)
	if s := d.Stats(); s.Linked || s.Awake {
		t.Fatalf("66 seconds without a host: %+v", s)
	}
	h := &host{t: t, line: line, dec: camlink.NewDecoder()}
	defer line.Close()
	if err := line.Flush(); err != nil {
		t.Fatal(err)
	}
	if d.fw.download {
		return // waits to be flashed
	}
	hello := h.link()
	h.credit(hello.NextFrame+1, 0)
	if _, ok := h.frame(3 * time.Second); !ok {
		t.Fatalf("no picture for a good host: %+v", d.Stats())
	}
}

// FuzzOptions: what stands behind sim: gives options in their ranges, or an error; never both, and a device can be made of them.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{"", "fps=15,size=800x600", "baud=2000000,garble-above=1000000,flip=1e-5", "oneway=1,baud=460800", "stall=200ms,stall-every=1s",
		"mac=02:00:00:00:00:01,name=a b,seed=18446744073709551615", "fps=NaN", "temperature=-41", "fps=1,fps=2", "drop=1e-400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		o, err := ParseOptions(spec)
		if err != nil {
			return
		}
		again, err := ParseOptions(spec)
		if err != nil || o.FPS != again.FPS {
			t.Fatal("another time something else")
		}
		for _, p := range []float64{o.Flip, o.Drop, o.Insert} {
			if !(p >= 0 && p <= 1) {
				t.Fatalf("probability %v", p)
			}
		}
		if !(o.FPS >= 0 && o.FPS <= maxFPS) || o.Quality < 0 || o.Quality > 63 || o.Stall < 0 || o.Stall > time.Minute || o.Hang < 0 {
			t.Fatalf("%+v", o)
		}
		if !o.USB && (o.MaxBaud < minBaud || o.MaxBaud > maxBaud) {
			t.Fatalf("%d baud", o.MaxBaud)
		}
		_ = New(o)
	})
}
