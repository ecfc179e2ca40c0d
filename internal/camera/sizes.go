package camera

import (
	"strconv"
	"strings"
)

// pictureSizes are the sizes of Espressif's driver by the names it gives them. The wire knows width and height only:
// the driver's numbers for them have changed between its versions.
var pictureSizes = []struct {
	name          string
	width, height uint16
}{
	{"96X96", 96, 96}, {"QQVGA", 160, 120}, {"128X128", 128, 128}, {"QCIF", 176, 144}, {"HQVGA", 240, 176},
	{"240X240", 240, 240}, {"QVGA", 320, 240}, {"320X320", 320, 320}, {"CIF", 400, 296}, {"HVGA", 480, 320},
	{"VGA", 640, 480}, {"SVGA", 800, 600}, {"XGA", 1024, 768}, {"HD", 1280, 720}, {"SXGA", 1280, 1024},
	{"UXGA", 1600, 1200}, {"FHD", 1920, 1080}, {"P_HD", 720, 1280}, {"P_3MP", 864, 1536}, {"QXGA", 2048, 1536},
	{"QHD", 2560, 1440}, {"WQXGA", 2560, 1600}, {"P_FHD", 1080, 1920}, {"QSXGA", 2560, 1920}, {"5MP", 2592, 1944},
}

// SizeName returns the name of a picture size, or "" if it has none.
func SizeName(width, height int) string {
	for _, s := range pictureSizes {
		if int(s.width) == width && int(s.height) == height {
			return s.name
		}
	}
	return ""
}

// parseSize reads a name or WIDTHxHEIGHT.
func parseSize(text string) (width, height uint16, ok bool) {
	for _, s := range pictureSizes {
		if strings.EqualFold(s.name, text) {
			return s.width, s.height, true
		}
	}
	before, after, found := strings.Cut(strings.ToLower(text), "x")
	w, werr := strconv.ParseUint(before, 10, 16)
	h, herr := strconv.ParseUint(after, 10, 16)
	ok = found && werr == nil && herr == nil && w > 0 && h > 0
	return uint16(w), uint16(h), ok
}

func sizeNames() string {
	names := make([]string, len(pictureSizes))
	for i, s := range pictureSizes {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}
