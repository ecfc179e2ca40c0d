package camlink

import "fmt"

const (
	pingSize   = 8
	pongSize   = 28
	resultSize = 4
	creditSize = 8
	resetSize  = 8

	// resetMagic guards RESET: "RESE".
	resetMagic = 0x45534552
)

// Ping asks for a Pong, and carries the host's clock to it.
type Ping struct {
	HostNanos uint64 // monotonic, nanoseconds
}

// Append appends the payload of m to dst.
func (m Ping) Append(dst []byte) []byte { return le.AppendUint64(dst, m.HostNanos) }

// ParsePing returns the payload of a PING as fields.
func ParsePing(payload []byte) (Ping, error) {
	if err := need(TypePing, payload, pingSize); err != nil {
		return Ping{}, err
	}
	return Ping{HostNanos: le.Uint64(payload)}, nil
}

// Pong answers a Ping.
type Pong struct {
	HostNanos  uint64 // as in the Ping
	DeviceRxUS uint64 // device clock when the Ping was received, microseconds
	DeviceTxUS uint64 // device clock when this was handed to the line, microseconds
	NextFrame  uint32 // number the next FRAME_BEGIN will carry
}

// Append appends the payload of m to dst.
func (m Pong) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, m.HostNanos)
	dst = le.AppendUint64(dst, m.DeviceRxUS)
	dst = le.AppendUint64(dst, m.DeviceTxUS)
	return le.AppendUint32(dst, m.NextFrame)
}

// ParsePong returns the payload of a PONG as fields.
func ParsePong(payload []byte) (Pong, error) {
	p := payload
	if err := need(TypePong, p, pongSize); err != nil {
		return Pong{}, err
	}
	return Pong{HostNanos: le.Uint64(p), DeviceRxUS: le.Uint64(p[8:]), DeviceTxUS: le.Uint64(p[16:]), NextFrame: le.Uint32(p[24:])}, nil
}

// Status is how a request ended.
type Status uint8

const (
	StatusOK Status = iota
	StatusUnsupported
	StatusInvalid
	StatusBusy
	StatusFailed
	StatusVersion
)

// String returns the name the protocol page gives s, in lower case.
func (s Status) String() string {
	names := [...]string{"ok", "unsupported", "invalid", "busy", "failed", "version"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// Result answers a request that has no answer of its own, or that failed.
type Result struct {
	Request Type // the request's
	Status  Status
	Detail  uint16
}

// Append appends the payload of m to dst.
func (m Result) Append(dst []byte) []byte {
	return le.AppendUint16(append(dst, byte(m.Request), byte(m.Status)), m.Detail)
}

// ParseResult returns the payload of a RESULT as fields.
func ParseResult(payload []byte) (Result, error) {
	p := payload
	if err := need(TypeResult, p, resultSize); err != nil {
		return Result{}, err
	}
	return Result{Request: Type(p[0]), Status: Status(p[1]), Detail: le.Uint16(p[2:])}, nil
}

// Credit lets the device send frames up to a number, and replaces the Credit before it.
type Credit struct {
	Limit             uint32 // number of the last frame allowed, compared by signed difference
	MinIntervalMillis uint16 // between the begins of two frames, milliseconds
	LeaseMillis       uint16 // silence of the host after which the link ends, milliseconds; 0 ends it at once
}

// Append appends the payload of m to dst.
func (m Credit) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, m.Limit)
	dst = le.AppendUint16(dst, m.MinIntervalMillis)
	return le.AppendUint16(dst, m.LeaseMillis)
}

// ParseCredit returns the payload of a CREDIT as fields.
func ParseCredit(payload []byte) (Credit, error) {
	p := payload
	if err := need(TypeCredit, p, creditSize); err != nil {
		return Credit{}, err
	}
	return Credit{Limit: le.Uint32(p), MinIntervalMillis: le.Uint16(p[4:]), LeaseMillis: le.Uint16(p[6:])}, nil
}

// ResetMode says what a device boots into.
type ResetMode uint8

const (
	ResetReboot   ResetMode = 0
	ResetDownload ResetMode = 1 // the ROM's download mode, to be flashed
)

// Reset makes the device boot.
type Reset struct {
	Mode ResetMode
}

// Append appends the payload of m to dst.
func (m Reset) Append(dst []byte) []byte {
	return le.AppendUint32(append(dst, byte(m.Mode), 0, 0, 0), resetMagic)
}

// ParseReset returns the payload of a RESET as fields.
func ParseReset(payload []byte) (Reset, error) {
	p := payload
	if err := need(TypeReset, p, resetSize); err != nil {
		return Reset{}, err
	}
	if magic := le.Uint32(p[4:]); magic != resetMagic {
		return Reset{}, fmt.Errorf("%v with 0x%08x: %w", TypeReset, magic, ErrMagic)
	}
	return Reset{Mode: ResetMode(p[0])}, nil
}
