package web

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/camgw/camgw/internal/fanout"
)

// peer is a client of the WebSocket.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	news []Status // of the last "cameras" that was skipped over
}

// picture is a binary message, taken apart.
type picture struct {
	flags                    byte
	channel                  uint32
	seq                      uint64
	captured, received, sent uint64
	width, height            uint16
	skipped                  uint32
	jpeg                     []byte
}

func (r *rig) transport() *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return r.lines.dial(), nil }}
}

// socket opens a WebSocket and reads its greeting.
func (r *rig) socket() *peer {
	r.t.Helper()
	conn, _, err := websocket.Dial(r.t.Context(), "ws://gateway/api/v1/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: r.transport()}})
	if err != nil {
		r.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	p := &peer{t: r.t, conn: conn}
	r.t.Cleanup(func() { conn.CloseNow() })
	if hello := p.text("hello"); hello.Version != 1 || !strings.HasPrefix(hello.Server, "camgw") {
		r.t.Errorf("hello is %+v", hello)
	}
	return p
}

func (p *peer) say(format string, args ...any) {
	p.t.Helper()
	if err := p.conn.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatal(err)
	}
}

// read reads one message; one of the two is nil.
func (p *peer) read() (*socketAnswer, *picture, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	kind, message, err := p.conn.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	if kind == websocket.MessageText {
		var a struct {
			socketAnswer
			Cameras []Status
		}
		if err := json.Unmarshal(message, &a); err != nil {
			return nil, nil, err
		}
		if a.Type == "cameras" {
			p.news = a.Cameras
		}
		return &a.socketAnswer, nil, nil
	}
	if len(message) < pictureHeader || message[0] != 1 || binary.LittleEndian.Uint16(message[2:]) != pictureHeader {
		return nil, nil, fmt.Errorf("binary message begins with % x", message[:min(len(message), 8)])
	}
	le := binary.LittleEndian
	return nil, &picture{
		flags: message[1], channel: le.Uint32(message[4:]), seq: le.Uint64(message[8:]),
		captured: le.Uint64(message[16:]), received: le.Uint64(message[24:]), sent: le.Uint64(message[32:]),
		width: le.Uint16(message[40:]), height: le.Uint16(message[42:]), skipped: le.Uint32(message[44:]), jpeg: message[pictureHeader:],
	}, nil
}

// text wants a text of this type.
func (p *peer) text(kind string) socketAnswer {
	p.t.Helper()
	a, f, err := p.read()
	if err != nil || a == nil || a.Type != kind {
		p.t.Fatalf("want a message %q: %+v, picture %v, %v", kind, a, f != nil, err)
	}
	return *a
}

// want wants this picture on a channel.
func (p *peer) want(channel int, f *fanout.Frame) *picture {
	p.t.Helper()
	a, got, err := p.read()
	if err != nil || got == nil {
		p.t.Fatalf("want picture %d on %d: %+v, %v", f.Seq, channel, a, err)
	}
	if int(got.channel) != channel || got.seq != f.Seq || !bytes.Equal(got.jpeg, f.JPEG()) {
		p.t.Fatalf("want picture %d on %d, %d bytes: got %d on %d, %d bytes, %.20x", f.Seq, channel, len(f.JPEG()), got.seq, got.channel, len(got.jpeg), got.jpeg)
	}
	return got
}

// closed wants the end, with this code.
func (p *peer) closed(code websocket.StatusCode) {
	p.t.Helper()
	for {
		_, _, err := p.read()
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != code {
			p.t.Fatalf("closed with %v, want %v", err, code)
		}
		return
	}
}

// accounted checks that every picture offered was sent or skipped.
func (r *rig) accounted(t *testing.T) {
	t.Helper()
	for i, c := range r.cameras {
		for transport, st := range c.hub.Stats().Transports {
			skipped := uint64(0)
			for _, n := range st.Skipped {
				skipped += n
			}
			if st.Offered != st.Sent+skipped {
				t.Errorf("camera %d, %v: offered %d, sent %d, skipped %v", i, fanout.Transport(transport), st.Offered, st.Sent, st.Skipped)
			}
		}
	}
}

func (p *peer) write(kind websocket.MessageType, text string) error {
	return p.conn.Write(context.Background(), kind, []byte(text))
}
