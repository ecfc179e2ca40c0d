package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// album is a folder of pictures that a hostcam plays.
type album struct {
	dir   string
	known map[[32]byte]bool
	size  int // bytes of the largest
}

// newAlbum makes n different noisy JPEGs of about size bytes each.
func newAlbum(t testing.TB, n, width, height, size int) *album {
	t.Helper()
	a := &album{dir: t.TempDir(), known: make(map[[32]byte]bool)}
	noise := 127
	for i := range n {
		var b []byte
		b, noise = noisyJPEG(t, uint64(i+1), width, height, size, noise)
		a.known[sha256.Sum256(b)] = true
		a.size = max(a.size, len(b))
		if err := os.WriteFile(filepath.Join(a.dir, fmt.Sprintf("%04d.jpg", i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// noisyJPEG finds the amount of noise that makes a picture of the size wanted, within a tenth. It looks at noise first: what
// did for one picture mostly does for the next.
func noisyJPEG(t testing.TB, seed uint64, width, height, size, noise int) ([]byte, int) {
	t.Helper()
	for low, high := 0, 255; ; noise = (low + high) / 2 {
		r := rand.New(rand.NewPCG(seed, 1))
		img := image.NewGray(image.Rect(0, 0, width, height))
		for y := range height {
			for x := range width {
				v := (x*200/width+y*50/height)&0xFF + r.IntN(noise+1) - noise/2
				img.Pix[y*img.Stride+x] = uint8(min(max(v, 0), 255))
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}); err != nil {
			t.Fatal(err)
		}
		switch {
		case b.Len() < size*9/10:
			low = noise + 1
		case b.Len() > size*11/10:
			high = noise - 1
		default:
			return b.Bytes(), noise
		}
		if low > high {
			return b.Bytes(), noise
		}
	}
}

// part is one picture as a viewer got it.
type part struct {
	jpeg  []byte
	at    time.Time // when it was whole
	taken time.Time // as X-Timestamp says
	seq   uint64    // as X-Frame-Sequence says; 0: none
}

// viewer reads a stream as strictly as the strictest client.
type viewer struct {
	conn net.Conn
	in   *lineReader
}

// watch connects to a stream.
func (d *daemon) watch(ctx context.Context, path string) (*viewer, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return watchOn(conn, path)
}

// watchOn asks for a stream on a connection.
func watchOn(conn net.Conn, path string) (*viewer, error) {
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		return nil, err
	}
	v := &viewer{conn, newLineReader(conn)}
	line, err := v.in.line()
	if err != nil || line != "HTTP/1.1 200 OK" {
		return nil, fmt.Errorf("answer %q, %w", line, err)
	}
	for line != "" {
		if line, err = v.in.line(); err != nil {
			return nil, err
		}
		if strings.HasPrefix(strings.ToLower(line), "transfer-encoding") {
			return nil, fmt.Errorf("the stream is encoded: %q", line)
		}
	}
	if line, err = v.in.line(); err != nil || line != "--camgw" {
		return nil, fmt.Errorf("the body begins with %q, %w", line, err)
	}
	return v, nil
}

// next reads one part and the boundary that follows it.
func (v *viewer) next(patience time.Duration) (part, error) {
	if err := v.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return part{}, err
	}
	size := -1
	var p part
	for {
		line, err := v.in.line()
		if err != nil {
			return part{}, err
		}
		if line == "" {
			break
		}
		if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if size, err = strconv.Atoi(n); err != nil {
				return part{}, err
			}
		}
		if n, ok := strings.CutPrefix(line, "X-Frame-Sequence: "); ok {
			if p.seq, err = strconv.ParseUint(n, 10, 64); err != nil {
				return part{}, err
			}
		}
		if stamp, ok := strings.CutPrefix(line, "X-Timestamp: "); ok {
			seconds, err := strconv.ParseFloat(stamp, 64)
			if err != nil {
				return part{}, err
			}
			p.taken = time.UnixMicro(int64(seconds * 1e6))
		}
	}
	if size < 0 {
		return part{}, fmt.Errorf("a part without Content-Length")
	}
	p.jpeg = make([]byte, size)
	if _, err := io.ReadFull(v.in.r, p.jpeg); err != nil {
		return part{}, err
	}
	p.at = time.Now()
	for _, want := range []string{"", "--camgw"} {
		if line, err := v.in.line(); err != nil || line != want {
			return part{}, fmt.Errorf("after the picture: %q, %w", line, err)
		}
	}
	return p, nil
}
