package web

import (
	"encoding/binary"
	"errors"
	"time"
)

const (
	// A message may come in frames as small as its sender likes, empty ones too, and control frames between them: counting
	// messages alone bounds nothing.
	frameRate    = 2 * socketRate // frames per second from the client, at most, over time
	frameBurst   = 2 * socketBurst
	controlRate  = 10 // of them pings, pongs and closes
	controlBurst = 100
)

// errFrames ends a WebSocket whose client sends frames in numbers.
var errFrames = errors.New("too many frames per second")

// frameMeter counts the frames of a client as their bytes pass by. Whether they are well formed is the library's to judge.
type frameMeter struct {
	all, control bucket

	header [14]byte // of the frame that has begun
	have   int      // bytes of it
	left   uint64   // of the payload to come
}

func newFrameMeter() frameMeter {
	return frameMeter{all: bucket{rate: frameRate, size: frameBurst}, control: bucket{rate: controlRate, size: controlBurst}}
}

// pass takes note of bytes that were read. It reports whether there were too many frames.
func (m *frameMeter) pass(p []byte, now time.Time) (flood bool) {
	for len(p) > 0 {
		if m.left > 0 {
			n := min(m.left, uint64(len(p)))
			m.left -= n
			p = p[n:]
			continue
		}
		m.header[m.have] = p[0]
		m.have++
		p = p[1:]
		want, length := frameHeader(m.header[:m.have])
		if m.have < want {
			continue
		}
		m.have, m.left = 0, length
		if !m.all.take(now) || m.header[0]&0x08 != 0 && !m.control.take(now) {
			return true
		}
	}
	return false
}

// frameHeader tells from the beginning of a frame how long its header is, and, when that is all there, its payload (RFC 6455, 5.2).
func frameHeader(h []byte) (size int, payload uint64) {
	if len(h) < 2 {
		return 2, 0
	}
	size, payload = 2, uint64(h[1]&0x7F)
	switch payload {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	extended := size
	if h[1]&0x80 != 0 {
		size += 4
	}
	if len(h) >= size {
		switch extended {
		case 4:
			payload = uint64(binary.BigEndian.Uint16(h[2:]))
		case 10:
			payload = binary.BigEndian.Uint64(h[2:])
		}
	}
	return size, payload
}
