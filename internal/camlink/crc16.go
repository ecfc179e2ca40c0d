package camlink

// crc16Table holds the CRC-16/X-25 remainder of every byte value.
var crc16Table = func() (t [256]uint16) {
	const reflected = 0x8408 // 0x1021, bits reversed
	for i := range t {
		crc := uint16(i)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ reflected
			} else {
				crc >>= 1
			}
		}
		t[i] = crc
	}
	return t
}()

// crc16 returns the CRC-16/X-25 of b.
func crc16(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, c := range b {
		crc = crc>>8 ^ crc16Table[byte(crc)^c]
	}
	return ^crc
}
