package tape

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// written is a tape of records made by hand.
func written(records ...record) []byte {
	b := []byte(magic + `{"started":"2026-01-01T00:00:00Z","port":"p","version":"v"}` + "\n")
	for _, r := range records {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.at))
		b = append(b, byte(r.kind), 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(r.payload)))
		b = append(b, r.payload...)
	}
	return b
}

// FuzzPlayer: any file is refused or played to its end; bytes come only of the file, and the tape's time does not run backwards, which
// who judges a line by it could not bear.
func FuzzPlayer(f *testing.F) {
	sec := time.Second
	f.Add(written(record{0, opened, nil}, record{sec, received, []byte("abc")}, record{2 * sec, silent, nil}, record{2 * sec, rated, []byte{0, 194, 1, 0}},
		record{3 * sec, sent, []byte("x")}, record{3 * sec, failed, nil}, record{3 * sec, closed, nil}, record{4 * sec, opened, nil},
		record{5 * sec, failed, []byte("a fault")}), byte(0))
	f.Add(written(record{sec, opened, nil}, record{0, received, []byte("earlier")}, record{-1, silent, nil}, record{1 << 62, silent, nil}), byte(1))
	f.Add(written(record{0, opened, nil}, record{sec, rated, []byte{1}}, record{sec, 'q', []byte("?")})[:100], byte(2))
	f.Add([]byte(magic+"{}\n"), byte(3))
	f.Add([]byte(magic+"[]\n"), byte(3))
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		name := filepath.Join(t.TempDir(), "tape")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) { playAny(t, name, b, how) })
	})
}

func playAny(t *testing.T, name string, b []byte, how byte) {
	o := Options{File: name, Speed: []float64{0, 1, maxSpeed, minSpeed}[how%4], Loop: how&4 != 0}
	p, err := NewPlayer(o)
	if err != nil {
		return
	}
	var heard []byte
	var before time.Duration
	last := 0
	buf := make([]byte, 1+int(how)*8)
	for range 4 {
		line, err := p.Open(context.Background())
		if err != nil {
			break
		}
		if err := line.SetReadTimeout(time.Hour); err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			n, err := line.Read(buf)
			heard = append(heard, buf[:n]...)
			if e := line.Elapsed(); e < before {
				t.Fatalf("the time went from %v to %v", before, e)
			} else {
				before = e
			}
			rate, changes := line.Rate()
			if rate < 0 || changes < last {
				t.Fatalf("rate %d, changed %d times after %d", rate, changes, last)
			}
			last = changes
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
		}
		if err := line.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if !o.Loop && len(heard) > len(b) {
		t.Fatalf("%d bytes of a file of %d", len(heard), len(b))
	}
}

// FuzzRoundTrip: what is recorded is what is played, whatever reads gave.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x03abc\x00\x02de\xff\x01f\xfe\x02gh"))
	f.Fuzz(func(t *testing.T, program []byte) {
		var reads []any
		for b := program; len(b) > 0; {
			n := int(b[0])
			b = b[1:]
			switch {
			case n == 0:
				reads = append(reads, os.ErrDeadlineExceeded)
			case n == 255:
				reads = append(reads, io.EOF)
			case n == 254:
				reads = append(reads, errors.New("a fault"))
			default:
				n = min(n, len(b))
				if n > 0 {
					reads = append(reads, string(b[:n]))
				}
				b = b[n:]
			}
		}
		var file bytes.Buffer
		r, err := NewRecorder(&file, Label{Port: string(program)})
		if err != nil && 6*len(program) > maxLine-100 { // as much as it can take in JSON
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		port := r.Wrap(&scripted{reads: reads})
		take := func(read func([]byte) (int, error)) (all []byte, ends string) {
			buf := make([]byte, 300)
			for range len(reads) {
				n, err := read(buf)
				all = append(all, buf[:n]...)
				if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					ends += err.Error() + "\n"
				}
			}
			return all, ends
		}
		want, wantEnds := take(port.Read)
		if err := port.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "tape")
		if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := NewPlayer(Options{File: name})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		line, err := p.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got, gotEnds := take(line.Read)
		if !bytes.Equal(got, want) || gotEnds != wantEnds {
			t.Fatalf("recorded %q %q, played %q %q", want, wantEnds, got, gotEnds)
		}
	})
}

// FuzzOptions: what stands behind replay: gives a file and a speed that can be played, or an error.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{"a", "a?speed=4", "a?speed=max&loop=1", "a?b?speed=0.01", "?", "a?speed=NaN", "a?speed=1e-400", "a?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		o, err := ParseOptions(spec)
		if err != nil {
			return
		}
		if o.File == "" || o.Speed != 0 && !(o.Speed >= minSpeed && o.Speed <= maxSpeed) {
			t.Fatalf("%+v", o)
		}
	})
}
