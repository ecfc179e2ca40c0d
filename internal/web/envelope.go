package web

import (
	"strconv"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// The layout of a stream is fixed by its strictest readers. The first boundary is byte 0 of the body (ffmpeg,
// VLC); it is a bare token, because some take the header's text after "boundary=" as it stands (Fluidd); the
// part's type is exactly "image/jpeg" after one space (GStreamer); Content-Length is always there (go2rtc,
// Mainsail); and the next boundary goes out with the picture, because browsers and VLC show a picture only
// when they see what follows it. No line may exceed 127 bytes (ffmpeg).
const (
	boundary = "camgw"
	trailer  = "\r\n--" + boundary + "\r\n"

	// streamerBoundary is the one that mjpg-streamer's own clients have built in.
	streamerBoundary = "boundarydonotcross"
)

// Envelope is the wire layout of a frame in a stream, for [fanout.NewHub]: the part's header before it, with the
// picture's age in milliseconds when it was received, and the boundary of the next part behind it.
func Envelope(f *fanout.Frame) (header, trailing []byte) {
	header = appendPartHeader(make([]byte, 0, fanout.Headroom), len(f.JPEG()), f.Time())
	if !f.Captured.IsZero() {
		// Before the empty line. Without the capture time there is no age, rather than one of 0.
		header = append(header[:len(header)-2], "X-Frame-Age: "...)
		header = strconv.AppendInt(header, f.Age().Milliseconds(), 10)
		header = append(header, "\r\n\r\n"...)
	}
	return header, []byte(trailer)
}

func appendPartHeader(b []byte, size int, taken time.Time) []byte {
	b = append(b, "Content-Type: image/jpeg\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(size), 10)
	b = append(b, "\r\nX-Timestamp: "...)
	b = appendTimestamp(b, taken)
	return append(b, "\r\n\r\n"...)
}

// appendTimestamp writes t as seconds since 1970 with six decimals, as mjpg-streamer does.
func appendTimestamp(b []byte, t time.Time) []byte {
	us := max(t.UnixMicro(), 0)
	b = strconv.AppendInt(b, us/1e6, 10)
	fraction := strconv.Itoa(int(us%1e6) + 1e6)
	return append(append(b, '.'), fraction[1:]...)
}
