package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pictures is how many different pictures a camera has: the same one again and again would lie in every cache.
const pictures = 4

// stampMagic begins the stamp, which load/stamp.h describes: the end of every picture.
const stampMagic = "\xFF\xFE\x00\x1ACAMSTAMP"

const stampTail = len(stampMagic) + 16 + 2

// Camera plays stamped JPEGs at a steady rate. The same size gives the same pictures, on every machine.
type Camera struct {
	pictures [][]byte
	size     int
}

// NewCamera makes a camera whose pictures have about size bytes each, from 1,000 to 1,000,000.
func NewCamera(size int) (*Camera, error) {
	if size < 1000 || size > 1_000_000 {
		return nil, fmt.Errorf("pictures of %d bytes: must be from 1,000 to 1,000,000", size)
	}
	first := paint(0, size)
	quality, err := fit(first, size-stampTail)
	if err != nil {
		return nil, err
	}
	c := &Camera{}
	for i := range pictures {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, paint(i, size), &jpeg.Options{Quality: quality}); err != nil {
			return nil, fmt.Errorf("encode picture: %w", err)
		}
		p := addStamp(b.Bytes())
		c.pictures = append(c.pictures, p)
		c.size += len(p)
	}
	c.size /= pictures
	return c, nil
}

// Size is the mean size of the pictures in bytes.
func (c *Camera) Size() int { return c.size }

// paint draws picture i of a scene that moves, with noise as of a sensor, as large as a JPEG of size bytes usually is.
func paint(i, size int) *image.YCbCr {
	const pixelsPerByte = 14
	height := int(math.Sqrt(float64(size*pixelsPerByte)*3/4)) / 16 * 16
	width := height * 4 / 3 / 16 * 16
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	rng := rand.New(rand.NewPCG(uint64(i), uint64(size)))
	across := waves(width, 50, 23, 8*i)
	down := waves(height, 40, 17, -5*i)
	noise := rng.Uint64()
	for k := range img.Y {
		noise = bits.RotateLeft64(noise, 7)
		if k%9 == 0 {
			noise = rng.Uint64()
		}
		img.Y[k] = uint8(128 + across[k%img.YStride] + down[k/img.YStride] + int(noise%16) - 8)
	}
	slow := waves(width/2+height/2, 50, 31, 4*i)
	for k := range img.Cb {
		x, y := k%img.CStride, k/img.CStride
		img.Cb[k] = uint8(128 + slow[x+y])
		img.Cr[k] = uint8(128 - slow[x+height/2-y-1])
	}
	return img
}

// waves is a sine of n samples.
func waves(n int, height, length float64, shift int) []int {
	w := make([]int, n)
	for i := range w {
		w[i] = int(height * math.Sin(float64(i+shift)/length))
	}
	return w
}

// fit finds the highest quality at which img takes no more than size bytes.
func fit(img image.Image, size int) (int, error) {
	low, high := 0, 100
	for high-low > 1 {
		middle := (low + high) / 2
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: middle}); err != nil {
			return 0, fmt.Errorf("encode picture: %w", err)
		}
		if b.Len() <= size {
			low = middle
		} else {
			high = middle
		}
	}
	if low == 0 {
		return 0, fmt.Errorf("no quality makes a picture of %d bytes", size)
	}
	return low, nil
}

// addStamp returns picture with an empty stamp before its EOI.
func addStamp(picture []byte) []byte {
	p := bytes.Clone(picture[:len(picture)-2])
	p = append(p, stampMagic...)
	p = append(p, make([]byte, 16)...)
	return append(p, 0xFF, 0xD9)
}

func setStamp(picture []byte, sequence, takenNS uint64) {
	at := len(picture) - stampTail + len(stampMagic)
	binary.LittleEndian.PutUint64(picture[at:], sequence)
	binary.LittleEndian.PutUint64(picture[at+8:], takenNS)
}

// Stamp tells one picture from all others of its camera.
type Stamp struct {
	Sequence uint64
	TakenNS  uint64 // CLOCK_MONOTONIC, see [Monotonic]
}

// Examine reads the stamp of a picture. It is false unless every other byte is that of c's picture of this number.
func (c *Camera) Examine(picture []byte) (Stamp, bool) {
	at := len(picture) - stampTail
	if at < 0 || string(picture[at:at+len(stampMagic)]) != stampMagic || string(picture[len(picture)-2:]) != "\xFF\xD9" {
		return Stamp{}, false
	}
	tail := picture[at+len(stampMagic):]
	s := Stamp{binary.LittleEndian.Uint64(tail), binary.LittleEndian.Uint64(tail[8:])}
	p := c.pictures[s.Sequence%pictures]
	return s, len(p) == len(picture) && bytes.Equal(p[:at], picture[:at])
}

// Differences tells in words how a picture that [Camera.Examine] refuses differs from the one it may have been.
func (c *Camera) Differences(picture []byte) string {
	at := len(picture) - stampTail
	if at < 0 || string(picture[at:at+len(stampMagic)]) != stampMagic {
		return fmt.Sprintf("its last bytes are no stamp: % x", picture[max(at, 0):])
	}
	tail := picture[at+len(stampMagic):]
	sequence := binary.LittleEndian.Uint64(tail)
	p := c.pictures[sequence%pictures]
	said := fmt.Sprintf("by its stamp it is %d, of %d ns and %d bytes", sequence, binary.LittleEndian.Uint64(tail[8:]), len(p))
	first, last, n := -1, 0, 0
	for i := range min(at, len(p)-stampTail) {
		if picture[i] != p[i] {
			if n++; first < 0 {
				first = i
			}
			last = i
		}
	}
	if n > 0 {
		said += fmt.Sprintf("; %d bytes from %d to %d are others", n, first, last)
	}
	return said
}

// Play writes picture after picture to w, fps a second, each stamped the moment before, until ctx ends or whoever reads w
// has gone. It owns c meanwhile.
func (c *Camera) Play(ctx context.Context, w io.Writer, fps float64) error {
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := uint64(0); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		p := c.pictures[n%pictures]
		now, err := Monotonic()
		if err != nil {
			return err
		}
		setStamp(p, n, now)
		if _, err := w.Write(p); errors.Is(err, unix.EPIPE) || errors.Is(err, os.ErrClosed) {
			return nil
		} else if err != nil {
			return fmt.Errorf("send picture: %w", err)
		}
		due := begun.Add(time.Duration(float64(n+1) / fps * float64(time.Second)))
		timer.Reset(time.Until(due))
	}
}

// Monotonic reads the clock that all processes of this machine share, in nanoseconds.
func Monotonic() (uint64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0, fmt.Errorf("monotonic clock: %w", err)
	}
	return uint64(t.Nano()), nil
}

// Pipe returns a pipe that takes a whole picture at once.
func Pipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	raw, err := w.SyscallConn()
	if err == nil {
		var sizeErr error
		err = raw.Control(func(fd uintptr) { _, sizeErr = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
		err = errors.Join(err, sizeErr)
	}
	if err != nil {
		r.Close()
		w.Close()
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	return r, w, nil
}
