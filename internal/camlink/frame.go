package camlink

import "fmt"

const (
	frameBeginSize = 32
	frameChunkSize = 4
	frameAbortSize = 5

	// FormatJPEG is the only format of a frame there is.
	FormatJPEG = 1
)

// FrameBegin announces a frame.
type FrameBegin struct {
	Number          uint32
	Length          uint32 // of the data, bytes
	CaptureUS, TxUS uint64 // device clock, microseconds
	Width, Height   uint16 // pixels
	Format          uint8  // FormatJPEG
	Quality         uint8
	Skipped         uint16 // pictures taken but not sent since the frame before
}

// Append appends the payload of m to dst.
func (m FrameBegin) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, m.Number)
	dst = le.AppendUint32(dst, m.Length)
	dst = le.AppendUint64(dst, m.CaptureUS)
	dst = le.AppendUint64(dst, m.TxUS)
	dst = le.AppendUint16(dst, m.Width)
	dst = le.AppendUint16(dst, m.Height)
	dst = append(dst, m.Format, m.Quality)
	return le.AppendUint16(dst, m.Skipped)
}

// ParseFrameBegin returns the payload of a FRAME_BEGIN as fields.
func ParseFrameBegin(payload []byte) (FrameBegin, error) {
	p := payload
	if err := need(TypeFrameBegin, p, frameBeginSize); err != nil {
		return FrameBegin{}, err
	}
	return FrameBegin{
		Number:    le.Uint32(p),
		Length:    le.Uint32(p[4:]),
		CaptureUS: le.Uint64(p[8:]),
		TxUS:      le.Uint64(p[16:]),
		Width:     le.Uint16(p[24:]),
		Height:    le.Uint16(p[26:]),
		Format:    p[28],
		Quality:   p[29],
		Skipped:   le.Uint16(p[30:]),
	}, nil
}

// FrameChunk is a piece of the frame that FrameBegin announced.
type FrameChunk struct {
	Offset uint32 // of Data within the frame
	Data   []byte // up to MaxChunk bytes
}

// Append appends the payload of m to dst. A sender of many chunks gives [AppendPacket] offset and data as two pieces
// instead, and saves a copy.
func (m FrameChunk) Append(dst []byte) []byte {
	return append(le.AppendUint32(dst, m.Offset), m.Data...)
}

// ParseFrameChunk returns the payload of a FRAME_CHUNK as fields. Data is borrowed from it.
func ParseFrameChunk(payload []byte) (FrameChunk, error) {
	if err := need(TypeFrameChunk, payload, frameChunkSize); err != nil {
		return FrameChunk{}, err
	}
	return FrameChunk{Offset: le.Uint32(payload), Data: payload[frameChunkSize:]}, nil
}

// AbortReason says why a device gave up a frame.
type AbortReason uint8

const (
	AbortCamera AbortReason = 1
	AbortLink   AbortReason = 2
)

// String returns the name of the reason.
func (r AbortReason) String() string {
	switch r {
	case AbortCamera:
		return "camera"
	case AbortLink:
		return "link"
	}
	return fmt.Sprintf("abort reason %d", uint8(r))
}

// FrameAbort gives up the frame in progress.
type FrameAbort struct {
	Number uint32
	Reason AbortReason
}

// Append appends the payload of m to dst.
func (m FrameAbort) Append(dst []byte) []byte {
	return append(le.AppendUint32(dst, m.Number), byte(m.Reason))
}

// ParseFrameAbort returns the payload of a FRAME_ABORT as fields.
func ParseFrameAbort(payload []byte) (FrameAbort, error) {
	p := payload
	if err := need(TypeFrameAbort, p, frameAbortSize); err != nil {
		return FrameAbort{}, err
	}
	return FrameAbort{Number: le.Uint32(p), Reason: AbortReason(p[4])}, nil
}
