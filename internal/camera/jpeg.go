package camera

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Sensors make broken JPEGs: cut scans, no EOI, padding after it. What a
// viewer gets has been walked from SOI to EOI here.
var (
	errNoSOI     = errors.New("no SOI at the start")
	errNoEOI     = errors.New("no EOI")
	errSegment   = errors.New("a segment is cut or out of place")
	errNoPicture = errors.New("no frame header and scan")
)

// JPEG markers (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xC0
	markerDHT  = 0xC4
	markerJPG  = 0xC8
	markerDAC  = 0xCC
	markerSOF  = 0xCF // the last of them
	markerRST0 = 0xD0
	markerRST7 = 0xD7
	markerSOI  = 0xD8
	markerEOI  = 0xD9
	markerSOS  = 0xDA
	markerTEM  = 0x01
)

// jpegInfo is what the walk found out.
type jpegInfo struct {
	size          int // bytes from SOI through EOI; what follows is padding
	width, height int
}

// walkJPEG checks the marker structure of a picture. It does not decode: a scan whose
// entropy data lost bytes between two intact markers passes.
func walkJPEG(b []byte) (jpegInfo, error) {
	var info jpegInfo
	if len(b) < 4 || b[0] != 0xFF || b[1] != markerSOI {
		return info, errNoSOI
	}
	scans := 0
	for i := 2; ; {
		if i >= len(b) {
			return info, errNoEOI
		}
		if b[i] != 0xFF {
			return info, errSegment
		}
		for i < len(b) && b[i] == 0xFF {
			i++
		}
		if i >= len(b) {
			return info, errNoEOI
		}
		marker := b[i]
		i++
		switch {
		case marker == markerEOI:
			if scans == 0 || info.width == 0 || info.height == 0 {
				return info, errNoPicture
			}
			info.size = i
			return info, nil
		case marker == markerTEM || marker >= markerRST0 && marker <= markerRST7:
			continue
		case marker == 0 || marker == markerSOI:
			return info, errSegment
		}

		if len(b)-i < 2 {
			return info, errNoEOI
		}
		n := int(binary.BigEndian.Uint16(b[i:]))
		if n < 2 {
			return info, errSegment
		}
		if n > len(b)-i {
			return info, errNoEOI
		}
		if isSOF(marker) {
			if n < 8 {
				return info, errSegment
			}
			info.height = int(binary.BigEndian.Uint16(b[i+3:]))
			info.width = int(binary.BigEndian.Uint16(b[i+5:]))
		}
		i += n
		if marker == markerSOS {
			scans++
			if i = endOfScan(b, i); i < 0 {
				return info, errNoEOI
			}
		}
	}
}

func isSOF(marker byte) bool {
	return marker >= markerSOF0 && marker <= markerSOF &&
		marker != markerDHT && marker != markerJPG && marker != markerDAC
}

// endOfScan returns the index of the first marker after the entropy-coded
// data at b[i:] that is neither a stuffed byte nor a restart, or -1.
func endOfScan(b []byte, i int) int {
	for {
		k := bytes.IndexByte(b[i:], 0xFF)
		if k < 0 || i+k+1 >= len(b) {
			return -1
		}
		i += k
		switch m := b[i+1]; {
		case m == 0 || m >= markerRST0 && m <= markerRST7:
			i += 2
		case m == 0xFF:
			i++
		default:
			return i
		}
	}
}
