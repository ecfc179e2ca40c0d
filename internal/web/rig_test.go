package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/camgw/camgw/internal/fanout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a server with cameras that the test plays, and viewers that connect to it without a network.
type rig struct {
	t       *testing.T
	server  *Server
	cameras []*testCamera
	lines   pipeListener
	stop    func() error // ends Serve and returns what it returned; may be called again
}

// testPerimeter has the names that tests call the server by.
var testPerimeter = Perimeter{Hosts: []string{"gateway", "example.com", "a", "x"}}

// testCamera is a camera that publishes when the test says so.
type testCamera struct {
	hub    *fanout.Hub
	mu     sync.Mutex
	status Status
	number uint32
	asked  atomic.Int64 // for its status
}

func (c *testCamera) set(st Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = st
}

func (c *testCamera) get() Status {
	c.asked.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// publish makes the next picture, unlike the one before, and returns it.
func (c *testCamera) publish() *fanout.Frame {
	c.number++
	f := newFrame(testJPEG(32, 24, byte(c.number)), 32, 24)
	f.Number = c.number
	c.hub.Publish(f)
	return f
}

func newFrame(picture []byte, width, height int) *fanout.Frame {
	b := fanout.NewBuffer(len(picture))
	copy(b.JPEG(), picture)
	f := fanout.NewFrame(b, len(picture))
	f.Width, f.Height = width, height
	return f
}

func testJPEG(width, height int, shade byte) []byte {
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		picture.Set(i%width, i/width, color.RGBA{shade, byte(i), byte(i >> 4), 255})
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// newRig starts a server of the cameras named, which are all streaming.
func newRig(t *testing.T, o Options, names ...string) *rig {
	r := &rig{t: t, lines: newPipeListener()}
	o.Perimeter.Hosts = append(o.Perimeter.Hosts, testPerimeter.Hosts...)
	for _, name := range names {
		c := &testCamera{hub: fanout.NewHub(Envelope), status: Status{State: Streaming, Cause: CauseNone}}
		r.cameras = append(r.cameras, c)
		o.Cameras = append(o.Cameras, Camera{ID: name, Hub: c.hub, Status: c.get})
	}
	r.server = New(o)
	r.stop = serve(t, r.server, r.lines)
	t.Cleanup(func() {
		if n := r.server.Stats().Panics; n != 0 {
			t.Errorf("%d handlers panicked", n)
		}
	})
	return r
}

func serve(t *testing.T, s *Server, l net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return stop
}

// pipeListener accepts the far ends of net.Pipe, whose time is the test's.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   *sync.Once
}

func newPipeListener() pipeListener {
	return pipeListener{conns: make(chan net.Conn), closed: make(chan struct{}), once: new(sync.Once)}
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l pipeListener) dial() net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	return near
}

// client is one connection, read byte by byte.
type client struct {
	t        *testing.T
	conn     net.Conn
	in       *bufio.Reader
	boundary string
}

// ask opens a connection and sends a request line and headers, as they are.
func (r *rig) ask(request string) *client {
	r.t.Helper()
	return newClient(r.t, r.lines.dial(), request)
}

func newClient(t *testing.T, conn net.Conn, request string) *client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	c := &client{t: t, conn: conn, in: bufio.NewReader(conn), boundary: boundary}
	if request == "" { // sent by the caller, and perhaps answered already
		return c
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatalf("send %q: %v", request, err)
	}
	return c
}

// get is what a plain client sends.
func get(target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: gateway\r\n\r\n"
}

// answer reads a whole answer that is not a stream.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	if err := res.Body.Close(); err != nil {
		c.t.Fatalf("close body: %v", err)
	}
	return res, string(body)
}

// stream reads the header of a stream and its first boundary, strictly.
func (c *client) stream() (header []string) {
	c.t.Helper()
	for {
		line := c.line()
		if line == "" {
			break
		}
		header = append(header, line)
	}
	if !strings.HasSuffix(header[0], " 200 OK") {
		c.t.Fatalf("status line %q", header[0])
	}
	if got := c.line(); got != "--"+c.boundary {
		c.t.Fatalf("first line of the body is %q", got)
	}
	return header
}

// line reads one line, which must end in CR LF and be shorter than ffmpeg's limit.
func (c *client) line() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read a line: %v (after %q)", err, line)
	}
	if len(line) >= 127 || !strings.HasSuffix(line, "\r\n") {
		c.t.Fatalf("line %q", line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

var timestamp = regexp.MustCompile(`^X-Timestamp: ([0-9]+\.[0-9]{6})$`)

// errEnd is a stream that ended where a part may end.
var errEnd = errors.New("the stream ended after a whole part")

// part reads one part and the boundary behind it, strictly.
func (c *client) part() (picture []byte, stamp time.Time, err error) {
	if _, err := c.in.Peek(1); errors.Is(err, io.EOF) {
		return nil, time.Time{}, errEnd
	}
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("part header %q: %w", lines, err)
		}
		bare := strings.TrimSuffix(line, "\r\n")
		if len(line) != len(bare)+2 || len(line) >= 127 {
			return nil, time.Time{}, fmt.Errorf("line %q", line)
		}
		if bare == "" {
			break
		}
		lines = append(lines, bare)
	}
	if len(lines) < 3 {
		return nil, time.Time{}, fmt.Errorf("part header %q", lines)
	}
	size, err := strconv.Atoi(strings.TrimPrefix(lines[1], "Content-Length: "))
	match := timestamp.FindStringSubmatch(lines[2])
	if lines[0] != "Content-Type: image/jpeg" || err != nil || size <= 0 || match == nil {
		return nil, time.Time{}, fmt.Errorf("part header %q", lines)
	}
	rest := make([]byte, size+len("\r\n--\r\n")+len(c.boundary))
	if _, err := io.ReadFull(c.in, rest); err != nil {
		return nil, time.Time{}, fmt.Errorf("picture of %d bytes: %w", size, err)
	}
	if got := string(rest[size:]); got != "\r\n--"+c.boundary+"\r\n" {
		return nil, time.Time{}, fmt.Errorf("behind the picture: %q", got)
	}
	us, err := strconv.ParseInt(strings.Replace(match[1], ".", "", 1), 10, 64)
	return rest[:size], time.UnixMicro(us), err
}

// want reads one part and fails the test unless it is the frame's picture.
func (c *client) want(f *fanout.Frame) {
	c.t.Helper()
	picture, stamp, err := c.part()
	if err != nil {
		c.t.Fatalf("part: %v", err)
	}
	if !bytes.Equal(picture, f.JPEG()) {
		c.t.Fatalf("the part is not picture %d", f.Seq)
	}
	if !stamp.Equal(f.Time().Truncate(time.Microsecond)) {
		c.t.Errorf("picture %d: X-Timestamp %v, taken %v", f.Seq, stamp, f.Time())
	}
}

// other reads one part that must be none of the test's own pictures, and returns its size.
func (c *client) other() (image.Config, []byte) {
	c.t.Helper()
	picture, stamp, err := c.part()
	if err != nil {
		c.t.Fatalf("part: %v", err)
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		c.t.Fatalf("decode: %v", err)
	}
	if age := time.Since(stamp); age < 0 || age > stampEvery+time.Millisecond {
		c.t.Errorf("a drawn picture is stamped %v ago", age)
	}
	return config, picture
}

// discardPart reads one part and the boundary behind it, and allocates nothing.
func discardPart(in *bufio.Reader, boundary string) error {
	size := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == len("\r\n") {
			_, err := in.Discard(size + len("\r\n--\r\n") + len(boundary))
			return err
		}
		if digits, ok := bytes.CutPrefix(line, contentLength); ok {
			for _, d := range digits[:len(digits)-len("\r\n")] {
				size = 10*size + int(d-'0')
			}
		}
	}
}

var contentLength = []byte("Content-Length: ")

// audience connects viewers who read at once and tell of each part they have had. It returns when the hub has them all.
func audience(t testing.TB, hub *fanout.Hub, address, target, boundary string, viewers int, got *sync.WaitGroup) {
	t.Helper()
	var readers sync.WaitGroup
	t.Cleanup(readers.Wait) // after every connection is closed
	for range viewers {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, get(target)); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReaderSize(conn, 64<<10)
		for line := ""; line != "--"+boundary+"\r\n"; {
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		readers.Go(func() {
			for discardPart(in, boundary) == nil {
				got.Done()
			}
		})
	}
	for hub.Viewers() < viewers { // a stream is answered before it is attached
		time.Sleep(time.Millisecond)
	}
}
