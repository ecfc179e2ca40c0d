package camlink

import "fmt"

const (
	statsSize    = 52
	logSize      = 10
	maxLogSize   = 250
	logLevelSize = 4

	// NoTemperature stands in Stats for a device that cannot tell.
	NoTemperature = -1 << 15
)

// Stats are the device's counters. They start at boot and wrap.
type Stats struct {
	UptimeS       uint32 // seconds
	Captured      uint32 // pictures taken
	Sent          uint32 // frames sent whole
	SkippedCredit uint32 // pictures not sent for want of credit
	SkippedBusy   uint32 // pictures replaced while the line was busy
	CameraErrors  uint32
	TxBytes       uint32
	RxErrors      uint32 // damaged packets received
	RxOverruns    uint32 // bytes lost before the device read them
	HeapFree      uint32 // bytes
	HeapMin       uint32 // least HeapFree since boot
	PSRAMFree     uint32 // bytes
	Temperature   int16  // tenths of a degree Celsius, or NoTemperature
}

// Append appends the payload of m to dst.
func (m Stats) Append(dst []byte) []byte {
	for _, v := range [...]uint32{
		m.UptimeS, m.Captured, m.Sent, m.SkippedCredit, m.SkippedBusy, m.CameraErrors,
		m.TxBytes, m.RxErrors, m.RxOverruns, m.HeapFree, m.HeapMin, m.PSRAMFree,
	} {
		dst = le.AppendUint32(dst, v)
	}
	dst = le.AppendUint16(dst, uint16(m.Temperature))
	return append(dst, 0, 0)
}

// ParseStats returns the payload of a STATS as fields.
func ParseStats(payload []byte) (Stats, error) {
	p := payload
	if err := need(TypeStats, p, statsSize); err != nil {
		return Stats{}, err
	}
	return Stats{
		UptimeS:       le.Uint32(p),
		Captured:      le.Uint32(p[4:]),
		Sent:          le.Uint32(p[8:]),
		SkippedCredit: le.Uint32(p[12:]),
		SkippedBusy:   le.Uint32(p[16:]),
		CameraErrors:  le.Uint32(p[20:]),
		TxBytes:       le.Uint32(p[24:]),
		RxErrors:      le.Uint32(p[28:]),
		RxOverruns:    le.Uint32(p[32:]),
		HeapFree:      le.Uint32(p[36:]),
		HeapMin:       le.Uint32(p[40:]),
		PSRAMFree:     le.Uint32(p[44:]),
		Temperature:   int16(le.Uint16(p[48:])),
	}, nil
}

// Level is how grave a log line is, or which ones a device sends.
type Level uint8

const (
	LevelNone Level = iota
	LevelError
	LevelWarning
	LevelInfo
	LevelDebug
)

// String returns the name of the level.
func (l Level) String() string {
	names := [...]string{"none", "error", "warning", "info", "debug"}
	if int(l) < len(names) {
		return names[l]
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// Log is a line of the device's log. Append cuts Tag and Text to what one packet may carry.
type Log struct {
	TimeUS uint64 // device clock, microseconds
	Level  Level
	Tag    string // up to 240 bytes
	Text   string // up to 240 bytes less the tag
}

// Append appends the payload of m to dst.
func (m Log) Append(dst []byte) []byte {
	tag := cut(m.Tag, maxLogSize-logSize)
	dst = le.AppendUint64(dst, m.TimeUS)
	dst = append(dst, byte(m.Level), byte(len(tag)))
	dst = append(dst, tag...)
	return append(dst, cut(m.Text, maxLogSize-logSize-len(tag))...)
}

// ParseLog returns the payload of a LOG as fields. What is beyond the 250 bytes a LOG may have is ignored.
func ParseLog(payload []byte) (Log, error) {
	p := payload[:min(len(payload), maxLogSize)]
	if err := need(TypeLog, p, logSize); err != nil {
		return Log{}, err
	}
	end := logSize + int(p[9])
	if err := need(TypeLog, p, end); err != nil {
		return Log{}, err
	}
	return Log{TimeUS: le.Uint64(p), Level: Level(p[8]), Tag: string(p[logSize:end]), Text: string(p[end:])}, nil
}

// LogLevel asks the device to send log lines of Level and graver ones.
type LogLevel struct {
	Level Level
}

// Append appends the payload of m to dst.
func (m LogLevel) Append(dst []byte) []byte { return append(dst, byte(m.Level), 0, 0, 0) }

// ParseLogLevel returns the payload of a LOG_LEVEL as fields.
func ParseLogLevel(payload []byte) (LogLevel, error) {
	if err := need(TypeLogLevel, payload, logLevelSize); err != nil {
		return LogLevel{}, err
	}
	return LogLevel{Level: Level(payload[0])}, nil
}
