package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// manners are how a viewer behaves.
type manners struct {
	mode    string        // latest, lockstep or all
	fps     int           // cap; 0: none
	window  int           // of a WebSocket subscription; 0: none
	dawdle  time.Duration // rests so long after each picture, and has little room for more
	receive int           // bytes of the socket's receive buffer; 0: as the kernel has it
}

func (m manners) query() string {
	q := "?mode=" + m.mode
	if m.fps > 0 {
		q += "&fps=" + strconv.Itoa(m.fps)
	}
	return q
}

// shown is one picture as a viewer got it.
type shown struct {
	jpeg     []byte // good until the next one
	sequence uint64 // the daemon's; 0: a picture of the daemon's own, that says why there is none
}

// source gives a viewer its pictures. An error that is a *nonsense says that the daemon spoke no sense; all others that the
// connection is no more.
type source interface {
	next(patience time.Duration) (shown, error)
	close()
	reset() // as close, but the peer learns of it by a RST
}

// nonsense is what no connection's end can explain.
type nonsense struct{ what string }

func (n *nonsense) Error() string { return n.what }

// refusal is an answer other than 200.
type refusal struct{ status int }

func (r *refusal) Error() string { return http.StatusText(r.status) }

const dialLimit = 5 * time.Second

// dial connects to the daemon. The connection ends with ctx.
func dial(ctx context.Context, address string, receive int) (*net.TCPConn, func() bool, error) {
	dialCtx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(dialCtx, "tcp4", address)
	if err != nil {
		return nil, nil, err
	}
	conn := c.(*net.TCPConn)
	if receive > 0 {
		_ = conn.SetReadBuffer(receive) // it is a wish
	}
	return conn, context.AfterFunc(ctx, func() { conn.Close() }), nil
}

// mjpeg is a stream over HTTP, read as strictly as the strictest client does.
type mjpeg struct {
	conn *net.TCPConn
	in   *bufio.Reader
	stop func() bool
	b    []byte
}

func openMJPEG(ctx context.Context, address, camera string, m manners) (*mjpeg, error) {
	conn, stop, err := dial(ctx, address, m.receive)
	if err != nil {
		return nil, err
	}
	s := &mjpeg{conn: conn, in: bufio.NewReaderSize(conn, 4<<10), stop: stop}
	if err := s.begin(address, "/cam/"+camera+"/stream.mjpg"+m.query()); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *mjpeg) begin(address, path string) error {
	_ = s.conn.SetDeadline(time.Now().Add(dialLimit)) // a closed connection fails below
	if _, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address); err != nil {
		return err
	}
	line, err := s.line()
	if err != nil {
		return err
	}
	if words := strings.Fields(line); len(words) > 1 && words[1] != "200" {
		status, _ := strconv.Atoi(words[1])
		return &refusal{status}
	}
	for line != "" {
		if line, err = s.line(); err != nil {
			return err
		}
	}
	return s.expect("--camgw")
}

func (s *mjpeg) line() (string, error) {
	b, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", &nonsense{"a line without an end"}
	}
	return string(bytes.TrimRight(b, "\r\n")), err
}

func (s *mjpeg) expect(want string) error {
	line, err := s.line()
	if err == nil && line != want {
		err = &nonsense{fmt.Sprintf("%q where %q belongs", line, want)}
	}
	return err
}

func (s *mjpeg) next(patience time.Duration) (shown, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience)) // a closed connection fails below
	size, sequence := -1, uint64(0)
	for {
		line, err := s.line()
		if err != nil {
			return shown{}, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Content-Length":
			if size, err = strconv.Atoi(value); err != nil {
				return shown{}, &nonsense{line}
			}
		case "X-Frame-Sequence":
			if sequence, err = strconv.ParseUint(value, 10, 64); err != nil {
				return shown{}, &nonsense{line}
			}
		case "Content-Type", "X-Timestamp", "X-Frame-Age", "X-Frame-Rate":
		default:
			return shown{}, &nonsense{fmt.Sprintf("a part's header %q", line)}
		}
	}
	const largest = 1 << 20
	if size < 0 || size > largest {
		return shown{}, &nonsense{fmt.Sprintf("a part of %d bytes", size)}
	}
	if cap(s.b) < size {
		s.b = make([]byte, size)
	}
	b := s.b[:size]
	if _, err := io.ReadFull(s.in, b); err != nil {
		return shown{}, err
	}
	if err := s.expect(""); err != nil {
		return shown{}, err
	}
	return shown{b, sequence}, s.expect("--camgw")
}

func (s *mjpeg) close() {
	s.stop()
	s.conn.Close()
}

func (s *mjpeg) reset() {
	_ = s.conn.SetLinger(0)
	s.close()
}

// socket is a subscription over a WebSocket of its own.
type socket struct {
	ctx    context.Context
	conn   *websocket.Conn
	tcp    *net.TCPConn
	window int
	b      bytes.Buffer
}

func openSocket(ctx context.Context, address, camera string, m manners) (*socket, error) {
	s := &socket{ctx: ctx, window: m.window}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp4", address)
			if err != nil {
				return nil, err
			}
			s.tcp = c.(*net.TCPConn)
			if m.receive > 0 {
				_ = s.tcp.SetReadBuffer(m.receive) // it is a wish
			}
			return c, nil
		},
	}}
	dialCtx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, answer, err := websocket.Dial(dialCtx, "ws://"+address+"/api/v1/ws", &websocket.DialOptions{HTTPClient: &client})
	if err != nil {
		if answer != nil {
			return nil, &refusal{answer.StatusCode}
		}
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	s.conn = conn
	text := fmt.Sprintf(`{"type":"subscribe","channel":7,"camera":%q,"mode":%q,"fps":%d,"window":%d}`, camera, m.mode, m.fps, m.window)
	if err := conn.Write(dialCtx, websocket.MessageText, []byte(text)); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// ended is a subscription's end, with the daemon's reason.
type ended struct{ reason string }

func (e *ended) Error() string { return "ended: " + e.reason }

func (s *socket) next(patience time.Duration) (shown, error) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for {
		kind, r, err := s.conn.Reader(ctx)
		if err != nil {
			return shown{}, err
		}
		s.b.Reset()
		if _, err := s.b.ReadFrom(r); err != nil {
			return shown{}, err
		}
		b := s.b.Bytes()
		if kind == websocket.MessageText {
			if err := s.told(b); err != nil {
				return shown{}, err
			}
			continue
		}
		const header = 48
		if len(b) < header || b[0] != 1 || binary.LittleEndian.Uint32(b[4:]) != 7 || binary.LittleEndian.Uint16(b[2:]) != header {
			return shown{}, &nonsense{fmt.Sprintf("a binary message of %d bytes that begins % x", len(b), b[:min(len(b), header)])}
		}
		sequence := binary.LittleEndian.Uint64(b[8:])
		if s.window > 0 {
			if err := s.conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"ack","channel":7,"sequence":%d}`, sequence)); err != nil {
				return shown{}, err
			}
		}
		return shown{b[header:], sequence}, nil
	}
}

func (s *socket) told(text []byte) error {
	var m struct{ Type, Reason, Detail string }
	if err := json.Unmarshal(text, &m); err != nil {
		return &nonsense{fmt.Sprintf("a message %q", text)}
	}
	switch m.Type {
	case "hello", "subscribed":
		return nil
	case "ended":
		return &ended{m.Reason}
	}
	return &nonsense{fmt.Sprintf("a message %q", text)}
}

func (s *socket) close() { _ = s.conn.CloseNow() }

func (s *socket) reset() {
	if s.tcp != nil {
		_ = s.tcp.SetLinger(0)
	}
	s.close()
}

// snapshot asks for one picture.
func snapshot(ctx context.Context, client *http.Client, address, camera string) (shown, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/cam/"+camera+"/snapshot.jpg", nil)
	if err != nil {
		return shown{}, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return shown{}, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return shown{}, err
	}
	if answer.StatusCode != http.StatusOK {
		return shown{}, &refusal{answer.StatusCode}
	}
	sequence, err := strconv.ParseUint(answer.Header.Get("X-Frame-Sequence"), 10, 64)
	if err != nil {
		return shown{}, &nonsense{"a snapshot without a sequence"}
	}
	return shown{b, sequence}, nil
}

// isPicture tells whether a picture of the daemon's own can be shown.
func isPicture(b []byte) bool {
	_, err := jpeg.DecodeConfig(bytes.NewReader(b))
	return err == nil && bytes.HasSuffix(b, []byte("\xFF\xD9"))
}
