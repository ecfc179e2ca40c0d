// Package camlink hides how pictures and control messages become bytes on a serial line, and how they are found
// again in what arrives. docs/protocol.md is the norm; this package is its Go half and firmware/core its C half,
// and both run the golden vectors of firmware/test/vectors.
//
// It has three layers, each usable without the one above it. [AppendPacket] and [Decoder] turn packets into bytes
// and bytes into packets and lines of text. [Assembler] turns packets into whole frames. The message types ([Hello],
// [Credit], ...) turn payloads into fields.
//
// It is pure: bytes in, values out. Whoever owns the line owns the clock too, and tells the decoder of silence.
// Nothing here is safe for concurrent use.
package camlink

// Version is the major version of the protocol spoken here.
const Version = 1

// Sizes in bytes.
const (
	HeaderSize = 12
	// MaxPayload is the longest payload: the largest chunk and its offset.
	MaxPayload = 4 + MaxChunk
	// MaxPacket is the longest packet.
	MaxPacket = HeaderSize + MaxPayload + trailerSize
	// MaxChunk is the most picture data one FRAME_CHUNK may carry.
	MaxChunk = 4096
	// MaxHostPacket is the longest packet a host may send: it must fit the receive FIFO of a device.
	MaxHostPacket = 96
	// MaxHostPayload is the longest payload a host may send.
	MaxHostPayload = MaxHostPacket - HeaderSize - trailerSize
	// MaxText is the longest line of text reported; longer ones are noise.
	MaxText = 256

	trailerSize = 4
)

const (
	// BaseBaud is the rate at which both ends of a UART meet.
	BaseBaud = 115200
	// SilenceMillis is for how long, in milliseconds, a line must have been silent before [Decoder.Silence] is called.
	SilenceMillis = 30
	// DefaultMaxFrame is the largest frame in bytes that an [Assembler] takes when it was not told otherwise.
	DefaultMaxFrame = 1 << 20
)

// Ladder returns the rates to try on a UART, fastest first. The slice is the caller's.
func Ladder() []int { return []int{3000000, 2000000, 1500000, 1000000, 460800} }

// ChunkSize returns how much picture data a device should put in one FRAME_CHUNK at baud, or on USB for 0: about
// 10 ms of line time.
func ChunkSize(baud int) int {
	switch {
	case baud <= 0:
		return MaxChunk
	case baud <= 115200:
		return 256
	case baud <= 460800:
		return 512
	case baud <= 1000000:
		return 1024
	case baud <= 3000000:
		return 2048
	default:
		return MaxChunk
	}
}
