package camlink

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	sync0 = 0xFF
	sync1 = 0xA7

	// crcSpan is how many bytes of the header its CRC covers.
	crcSpan = 10
)

// Header is what a packet says about itself, apart from its length.
type Header struct {
	Type  Type
	Flags Flags
	// Seq counts the packets of one direction and wraps. It measures loss and nothing else.
	Seq uint16
	// Ref is the id of a request and of its answer, or the low 16 bits of a frame's number.
	Ref uint16
}

// Packet is a packet whose checksums were right.
type Packet struct {
	Header
	// Payload is borrowed from the Decoder until its next call.
	Payload []byte
}

// AppendPacket appends one packet, whose payload is the concatenation of the pieces, to dst. It panics if the
// payload is longer than MaxPayload: that is a fault in the caller, not in its data.
func AppendPacket(dst []byte, h Header, payload ...[]byte) []byte {
	size := 0
	for _, p := range payload {
		size += len(p)
	}
	if size > MaxPayload {
		panic(fmt.Sprintf("camlink: payload of %d bytes", size))
	}
	start := len(dst)
	dst = append(dst, sync0, sync1, Version<<4|byte(h.Flags&0x0F), byte(h.Type))
	dst = binary.LittleEndian.AppendUint16(dst, h.Seq)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(size))
	dst = binary.LittleEndian.AppendUint16(dst, h.Ref)
	dst = binary.LittleEndian.AppendUint16(dst, crc16(dst[start:]))
	if size == 0 {
		return dst
	}
	for _, p := range payload {
		dst = append(dst, p...)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// packetSize is the size of a packet with a payload of n bytes.
func packetSize(n int) int {
	if n == 0 {
		return HeaderSize
	}
	return HeaderSize + n + trailerSize
}

// checkHeader checks the header at the start of b, which holds at least HeaderSize bytes and begins with the sync. It
// returns the size of the whole packet, or 0 and what is wrong. The order of the checks is part of the protocol.
func checkHeader(b []byte) (size int, wrong ErrorKind) {
	b = b[:HeaderSize]
	if crc16(b[:crcSpan]) != binary.LittleEndian.Uint16(b[crcSpan:]) {
		return 0, ErrorHeader
	}
	if b[2]>>4 != Version {
		return 0, ErrorVersion
	}
	n := int(binary.LittleEndian.Uint16(b[6:]))
	if n > MaxPayload {
		return 0, ErrorLength
	}
	return packetSize(n), 0
}

// payloadGood reports whether the payload of b, a packet of full size with a good header, is as its CRC says. The CRC is of the header
// too: bytes lost between two headers must not leave one with the other's payload.
func payloadGood(b []byte) bool {
	if len(b) == HeaderSize {
		return true
	}
	end := len(b) - trailerSize
	return crc32.ChecksumIEEE(b[:end]) == binary.LittleEndian.Uint32(b[end:])
}

// viewPacket returns b, a packet found good, as a Packet that borrows b.
func viewPacket(b []byte) Packet {
	p := Packet{Header: Header{
		Type:  Type(b[3]),
		Flags: Flags(b[2] & 0x0F),
		Seq:   binary.LittleEndian.Uint16(b[4:]),
		Ref:   binary.LittleEndian.Uint16(b[8:]),
	}}
	if len(b) > HeaderSize {
		end := len(b) - trailerSize
		p.Payload = b[HeaderSize:end:end]
	}
	return p
}
