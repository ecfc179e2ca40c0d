package web

import (
	"bytes"
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

	// advanced stands behind each part, and before the first, where ?advance_headers=1 asks for it: Chrome shows a picture
	// when it has read the header of the next, and would otherwise be one picture behind. That header cannot tell how long a
	// picture will be that has not been taken yet.
	advanced = "--" + boundary + "\r\nContent-Type: image/jpeg\r\n\r\n"
)

// dialect is how a stream's parts look to its viewer. Parts lie in memory in the ordinary one: header, picture, [trailer].
type dialect struct {
	boundary string
	first    string // the body's first bytes
	tail     []byte // in place of the trailer; nil: the trailer
	bare     bool   // the part's own header is left out
}

var (
	ordinary = dialect{boundary: boundary, first: "--" + boundary + "\r\n"}
	streamer = dialect{boundary: streamerBoundary, first: "--" + streamerBoundary + "\r\n", tail: []byte("\r\n--" + streamerBoundary + "\r\n")}
	advance  = dialect{boundary: boundary, first: advanced, tail: []byte("\r\n" + advanced), bare: true}
)

// skipped is how many bytes at the beginning of a part its viewer does not get.
func (d *dialect) skipped(part []byte) int {
	if !d.bare {
		return 0
	}
	return bytes.Index(part, []byte("\r\n\r\n")) + 4
}

// Envelope is the wire layout of a frame in a stream, for [fanout.NewHub]: the part's header before it, which says what
// docs/api.md lists, and the boundary of the next part behind it.
func Envelope(f *fanout.Frame) (header, trailing []byte) {
	header = appendPartHeader(make([]byte, 0, fanout.Headroom), len(f.JPEG()), f.Time())
	header = header[:len(header)-2] // before the empty line
	if !f.Captured.IsZero() {
		// Without the capture time there is no age, rather than one of 0.
		header = append(header, "X-Frame-Age: "...)
		header = strconv.AppendInt(header, f.Age().Milliseconds(), 10)
		header = append(header, "\r\n"...)
	}
	header = append(header, "X-Frame-Sequence: "...)
	header = strconv.AppendUint(header, f.Seq, 10)
	header = append(header, "\r\nX-Frame-Rate: "...)
	header = strconv.AppendFloat(header, f.Rate, 'f', 1, 64)
	return append(header, "\r\n\r\n"...), []byte(trailer)
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
