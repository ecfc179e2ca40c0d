package camlink

import "fmt"

// Feature is a set of things a device can do.
type Feature uint32

const (
	FeatureCredit   Feature = 1 << 0 // sends pictures as CREDIT allows
	FeatureBaud     Feature = 1 << 1 // can change the rate of its line
	FeaturePersist  Feature = 1 << 2 // can keep settings over a reboot
	FeatureSoftJPEG Feature = 1 << 4 // compresses in software
	FeatureDownload Feature = 1 << 5 // RESET can start its ROM download mode
	FeatureOTA      Feature = 1 << 6 // takes firmware over this line
	FeatureLamp     Feature = 1 << 7 // has a lamp
	FeatureOneWay   Feature = 1 << 8 // sends and never listens
	FeatureTestCard Feature = 1 << 9 // its pictures are drawn, not taken
)

var featureNames = map[uint32]string{
	uint32(FeatureCredit):   "credit",
	uint32(FeatureBaud):     "baud",
	uint32(FeaturePersist):  "persist",
	uint32(FeatureSoftJPEG): "soft_jpeg",
	uint32(FeatureDownload): "download",
	uint32(FeatureOTA):      "ota",
	uint32(FeatureLamp):     "lamp",
	uint32(FeatureOneWay):   "one_way",
	uint32(FeatureTestCard): "test_card",
}

// Has reports whether all of the features in want are in f.
func (f Feature) Has(want Feature) bool { return f&want == want }

// String lists the features, like "credit|baud".
func (f Feature) String() string { return bitNames(uint32(f), featureNames) }

// ResetReason says why a device booted.
type ResetReason uint8

const (
	ResetUnknown ResetReason = iota
	ResetPowerOn
	ResetExternal
	ResetSoftware
	ResetPanic
	ResetWatchdog
	ResetBrownout
	ResetDeepSleep
)

// String returns the reason in words.
func (r ResetReason) String() string {
	names := [...]string{"unknown", "power on", "external pin", "software", "panic", "watchdog", "brownout", "deep sleep"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reset reason %d", uint8(r))
}

// Transport says what the device believes its line to be.
type Transport uint8

const (
	TransportUART          Transport = 0
	TransportUSBSerialJTAG Transport = 1
	TransportUSBCDC        Transport = 2
)

// String returns the name of the transport.
func (t Transport) String() string {
	switch t {
	case TransportUART:
		return "UART"
	case TransportUSBSerialJTAG:
		return "USB-Serial-JTAG"
	case TransportUSBCDC:
		return "USB-CDC"
	}
	return fmt.Sprintf("transport %d", uint8(t))
}

// USB reports whether the line has no rate.
func (t Transport) USB() bool { return t == TransportUSBSerialJTAG || t == TransportUSBCDC }

const (
	helloSize  = 48
	maxTLVSize = 255

	tagFirmware = 1
	tagBoard    = 2
	tagSDK      = 3
	tagSensor   = 4
	tagName     = 5
)

// Hello says who the device is.
type Hello struct {
	ProtoMin, ProtoMax uint8 // major versions the device speaks
	Minor              uint16
	BootID             uint32 // random, new on every boot
	NowUS              uint64 // device clock: microseconds since boot
	ResetReason        ResetReason
	Transport          Transport
	MaxPayload         uint16 // longest payload the device takes
	MaxFrame           uint32 // largest frame the device will send
	BaudNow, BaudMax   uint32 // 0 on USB
	Features           Feature
	SensorPID          uint16
	MAC                [6]byte
	NextFrame          uint32 // number the next FRAME_BEGIN will carry

	// Up to 255 bytes each; Append cuts longer ones, and leaves empty ones out.
	Firmware, Board, SDK, Sensor, Name string
}

// Append appends the payload of m to dst.
func (m Hello) Append(dst []byte) []byte {
	dst = append(dst, m.ProtoMin, m.ProtoMax)
	dst = le.AppendUint16(dst, m.Minor)
	dst = le.AppendUint32(dst, m.BootID)
	dst = le.AppendUint64(dst, m.NowUS)
	dst = append(dst, byte(m.ResetReason), byte(m.Transport))
	dst = le.AppendUint16(dst, m.MaxPayload)
	dst = le.AppendUint32(dst, m.MaxFrame)
	dst = le.AppendUint32(dst, m.BaudNow)
	dst = le.AppendUint32(dst, m.BaudMax)
	dst = le.AppendUint32(dst, uint32(m.Features))
	dst = le.AppendUint16(dst, m.SensorPID)
	dst = append(dst, m.MAC[:]...)
	dst = le.AppendUint32(dst, m.NextFrame)
	dst = appendTLV(dst, tagFirmware, m.Firmware)
	dst = appendTLV(dst, tagBoard, m.Board)
	dst = appendTLV(dst, tagSDK, m.SDK)
	dst = appendTLV(dst, tagSensor, m.Sensor)
	return appendTLV(dst, tagName, m.Name)
}

func appendTLV(dst []byte, tag byte, s string) []byte {
	if s == "" {
		return dst
	}
	s = cut(s, maxTLVSize)
	dst = append(dst, tag, byte(len(s)))
	return append(dst, s...)
}

// ParseHello returns the payload of a HELLO as fields. Of a repeated TLV the last counts; one that overruns the payload
// ends them.
func ParseHello(payload []byte) (Hello, error) {
	p := payload
	if err := need(TypeHello, p, helloSize); err != nil {
		return Hello{}, err
	}
	m := Hello{
		ProtoMin:    p[0],
		ProtoMax:    p[1],
		Minor:       le.Uint16(p[2:]),
		BootID:      le.Uint32(p[4:]),
		NowUS:       le.Uint64(p[8:]),
		ResetReason: ResetReason(p[16]),
		Transport:   Transport(p[17]),
		MaxPayload:  le.Uint16(p[18:]),
		MaxFrame:    le.Uint32(p[20:]),
		BaudNow:     le.Uint32(p[24:]),
		BaudMax:     le.Uint32(p[28:]),
		Features:    Feature(le.Uint32(p[32:])),
		SensorPID:   le.Uint16(p[36:]),
		MAC:         [6]byte(p[38:44]),
		NextFrame:   le.Uint32(p[44:]),
	}
	for p = p[helloSize:]; len(p) >= 2 && len(p)-2 >= int(p[1]); {
		value := p[2 : 2+int(p[1])]
		switch p[0] {
		case tagFirmware:
			m.Firmware = string(value)
		case tagBoard:
			m.Board = string(value)
		case tagSDK:
			m.SDK = string(value)
		case tagSensor:
			m.Sensor = string(value)
		case tagName:
			m.Name = string(value)
		}
		p = p[2+len(value):]
	}
	return m, nil
}

const helloReqSize = 12

// HelloReq asks a device who it is, and links to it.
type HelloReq struct {
	Min, Max   uint8 // major versions the host speaks
	Minor      uint16
	Nonce      uint32 // random, new for every host
	MaxPayload uint16 // longest payload the host takes
	Flags      uint16 // 0
}

// Append appends the payload of m to dst.
func (m HelloReq) Append(dst []byte) []byte {
	dst = append(dst, m.Min, m.Max)
	dst = le.AppendUint16(dst, m.Minor)
	dst = le.AppendUint32(dst, m.Nonce)
	dst = le.AppendUint16(dst, m.MaxPayload)
	return le.AppendUint16(dst, m.Flags)
}

// ParseHelloReq returns the payload of a HELLO_REQ as fields.
func ParseHelloReq(payload []byte) (HelloReq, error) {
	p := payload
	if err := need(TypeHelloReq, p, helloReqSize); err != nil {
		return HelloReq{}, err
	}
	return HelloReq{
		Min:        p[0],
		Max:        p[1],
		Minor:      le.Uint16(p[2:]),
		Nonce:      le.Uint32(p[4:]),
		MaxPayload: le.Uint16(p[8:]),
		Flags:      le.Uint16(p[10:]),
	}, nil
}
