package camlink

import "bytes"

const (
	baudSetSize     = 12
	baudProbeSize   = 8
	baudPatternSize = 8 + PatternSize
	baudCommitSize  = 4

	// PatternSize is how many bytes of pattern a BAUD_PATTERN carries, ProbePatternSize how many a BAUD_PROBE does.
	PatternSize      = 1024
	ProbePatternSize = 64
	// MaxProbeCount is how many patterns one BAUD_PROBE may ask for.
	MaxProbeCount = 16
)

// BaudSet asks the device to try another rate.
type BaudSet struct {
	Baud          uint32
	Token         uint32 // random, names the trial
	ConfirmMillis uint16 // without BaudCommit for so long, the device returns to the rate before; milliseconds
}

// Append appends the payload of m to dst.
func (m BaudSet) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, m.Baud)
	dst = le.AppendUint32(dst, m.Token)
	dst = le.AppendUint16(dst, m.ConfirmMillis)
	return append(dst, 0, 0)
}

// ParseBaudSet returns the payload of a BAUD_SET as fields.
func ParseBaudSet(payload []byte) (BaudSet, error) {
	p := payload
	if err := need(TypeBaudSet, p, baudSetSize); err != nil {
		return BaudSet{}, err
	}
	return BaudSet{Baud: le.Uint32(p), Token: le.Uint32(p[4:]), ConfirmMillis: le.Uint16(p[8:])}, nil
}

// BaudProbe asks for Count patterns at the rate on trial. It carries one too: that proves the way to the device.
type BaudProbe struct {
	Token        uint32
	First, Count uint16 // indices of the patterns; Count is 1 to MaxProbeCount
	// Pattern is what came, borrowed from the payload. Append takes nil for AppendProbePattern's bytes.
	Pattern []byte
}

// Append appends the payload of m, with its pattern, to dst.
func (m BaudProbe) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, m.Token)
	dst = le.AppendUint16(dst, m.First)
	dst = le.AppendUint16(dst, m.Count)
	if m.Pattern == nil {
		return AppendProbePattern(dst)
	}
	return append(dst, m.Pattern...)
}

// ParseBaudProbe returns the payload of a BAUD_PROBE as fields. The CRC of the packet vouches for the pattern.
func ParseBaudProbe(payload []byte) (BaudProbe, error) {
	p := payload
	if err := need(TypeBaudProbe, p, baudProbeSize); err != nil {
		return BaudProbe{}, err
	}
	return BaudProbe{
		Token:   le.Uint32(p),
		First:   le.Uint16(p[4:]),
		Count:   le.Uint16(p[6:]),
		Pattern: p[baudProbeSize:min(len(p), baudProbeSize+ProbePatternSize)],
	}, nil
}

// BaudPattern is one of the patterns that a BaudProbe asked for.
type BaudPattern struct {
	Token uint32
	Index uint16
	// Pattern is what came, borrowed from the payload. Append takes nil for AppendPattern's bytes.
	Pattern []byte
}

// Append appends the payload of m, with its pattern, to dst.
func (m BaudPattern) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, m.Token)
	dst = le.AppendUint16(dst, m.Index)
	dst = append(dst, 0, 0)
	if m.Pattern == nil {
		return AppendPattern(dst, m.Token, m.Index)
	}
	return append(dst, m.Pattern...)
}

// ParseBaudPattern returns the payload of a BAUD_PATTERN as fields. The CRC of the packet vouches for the pattern.
func ParseBaudPattern(payload []byte) (BaudPattern, error) {
	p := payload
	if err := need(TypeBaudPattern, p, baudPatternSize); err != nil {
		return BaudPattern{}, err
	}
	return BaudPattern{Token: le.Uint32(p), Index: le.Uint16(p[4:]), Pattern: p[8:baudPatternSize]}, nil
}

// BaudCommit keeps the rate on trial.
type BaudCommit struct {
	Token uint32
}

// Append appends the payload of m to dst.
func (m BaudCommit) Append(dst []byte) []byte { return le.AppendUint32(dst, m.Token) }

// ParseBaudCommit returns the payload of a BAUD_COMMIT as fields.
func ParseBaudCommit(payload []byte) (BaudCommit, error) {
	if err := need(TypeBaudCommit, payload, baudCommitSize); err != nil {
		return BaudCommit{}, err
	}
	return BaudCommit{Token: le.Uint32(payload)}, nil
}

// PatternBytes returns the PatternSize bytes of pattern index of the trial token.
func PatternBytes(token uint32, index uint16) []byte {
	return AppendPattern(make([]byte, 0, PatternSize), token, index)
}

// AppendPattern appends PatternBytes to dst.
func AppendPattern(dst []byte, token uint32, index uint16) []byte {
	const runs = 256
	dst = appendRuns(dst, runs/4)
	x := token ^ (uint32(index)+1)*0x9E3779B9
	if x == 0 {
		x = 1
	}
	for range (PatternSize - runs) / 4 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		dst = le.AppendUint32(dst, x)
	}
	return dst
}

// AppendProbePattern appends the ProbePatternSize bytes of pattern that a BAUD_PROBE carries to dst.
func AppendProbePattern(dst []byte) []byte { return appendRuns(dst, ProbePatternSize/4) }

// appendRuns appends n each of the bytes that are hardest on a line.
func appendRuns(dst []byte, n int) []byte {
	for _, b := range [...]byte{0x00, 0xFF, 0x55, 0xAA} {
		dst = append(dst, bytes.Repeat([]byte{b}, n)...)
	}
	return dst
}
