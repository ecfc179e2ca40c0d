package camlink

import "fmt"

// Type says what a packet's payload is.
type Type uint8

// From the device.
const (
	TypeHello       Type = 0x01
	TypePong        Type = 0x02
	TypeResult      Type = 0x03
	TypeConfig      Type = 0x04
	TypeBaudPattern Type = 0x05
	TypeStats       Type = 0x06
	TypeLog         Type = 0x07
	TypeFrameBegin  Type = 0x10
	TypeFrameChunk  Type = 0x11
	TypeFrameAbort  Type = 0x12
)

// From the host.
const (
	TypeHelloReq   Type = 0x40
	TypePing       Type = 0x41
	TypeConfigGet  Type = 0x42
	TypeConfigSet  Type = 0x43
	TypeCredit     Type = 0x44
	TypeBaudSet    Type = 0x46
	TypeBaudProbe  Type = 0x47
	TypeBaudCommit Type = 0x48
	TypeStatsReq   Type = 0x49
	TypeLogLevel   Type = 0x4A
	TypeReset      Type = 0x4B
)

// String returns the name the protocol page gives t, or its number.
func (t Type) String() string {
	switch t {
	case TypeHello:
		return "HELLO"
	case TypePong:
		return "PONG"
	case TypeResult:
		return "RESULT"
	case TypeConfig:
		return "CONFIG"
	case TypeBaudPattern:
		return "BAUD_PATTERN"
	case TypeStats:
		return "STATS"
	case TypeLog:
		return "LOG"
	case TypeFrameBegin:
		return "FRAME_BEGIN"
	case TypeFrameChunk:
		return "FRAME_CHUNK"
	case TypeFrameAbort:
		return "FRAME_ABORT"
	case TypeHelloReq:
		return "HELLO_REQ"
	case TypePing:
		return "PING"
	case TypeConfigGet:
		return "CONFIG_GET"
	case TypeConfigSet:
		return "CONFIG_SET"
	case TypeCredit:
		return "CREDIT"
	case TypeBaudSet:
		return "BAUD_SET"
	case TypeBaudProbe:
		return "BAUD_PROBE"
	case TypeBaudCommit:
		return "BAUD_COMMIT"
	case TypeStatsReq:
		return "STATS_REQ"
	case TypeLogLevel:
		return "LOG_LEVEL"
	case TypeReset:
		return "RESET"
	}
	return fmt.Sprintf("type 0x%02X", uint8(t))
}

// Flags are the four flag bits of a header. Bits without a name here are ignored.
type Flags uint8

const (
	// FlagLast marks the final chunk of a frame.
	FlagLast Flags = 1 << 0
	// FlagResponse marks the answer to the request with the same Ref.
	FlagResponse Flags = 1 << 1
)
