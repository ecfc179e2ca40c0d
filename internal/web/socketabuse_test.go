package web

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// frame is one of a client's, with a mask of zeros.
func frame(opcode byte, final bool, payload []byte) []byte {
	if final {
		opcode |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		return append([]byte{opcode, 0x80 | byte(n), 0, 0, 0, 0}, payload...)
	default:
		return append([]byte{opcode, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}, payload...)
	}
}

// rawSocket opens a WebSocket for a client of its own kind, whose answers are thrown away.
func (r *rig) rawSocket(headers string) (*client, string) {
	r.t.Helper()
	c := r.ask("GET /api/v1/ws HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + headers + "\r\n")
	var head []string
	for line := c.line(); line != ""; line = c.line() {
		head = append(head, line)
	}
	if !strings.HasPrefix(head[0], "HTTP/1.1 101") {
		r.t.Fatal(head[0])
	}
	go io.Copy(io.Discard, c.in) //nolint:errcheck // ends with the connection
	return c, strings.Join(head, "\n")
}

// flood sends a frame again and again until the connection is closed, and returns how often that went.
func (c *client) flood(first, again []byte, most int) (n int) {
	if _, err := c.conn.Write(first); err != nil {
		c.t.Fatal(err)
	}
	for n < most {
		if _, err := c.conn.Write(again); err != nil {
			return n
		}
		n++
	}
	return n
}

// TestTinyFragments_CVE_2026_48779: a message in frames of no bytes is none that is ever too large, and none that is ever whole.
// Frames are counted by themselves; control frames more strictly.
func TestTinyFragments_CVE_2026_48779(t *testing.T) {
	for _, tt := range []struct {
		name         string
		first, again []byte
		most         int
	}{
		{"empty fragments", frame(1, false, nil), frame(0, false, nil), frameBurst},
		{"fragments of a byte", frame(1, false, []byte("{")), frame(0, false, []byte(" ")), frameBurst},
		{"pings", frame(1, true, []byte("{}")), frame(9, true, []byte("x")), controlBurst},
		{"pongs nobody asked for", frame(1, true, []byte("{}")), frame(10, true, nil), controlBurst},
		{"pings within a message", frame(1, false, nil), append(frame(9, true, nil), frame(0, false, nil)...), controlBurst},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, "a")
				c, _ := r.rawSocket("")
				if n := c.flood(tt.first, tt.again, 10*frameBurst); n > tt.most+1 { // the last of them is read, and refused
					t.Errorf("%d frames at once were borne", n)
				}
				synctest.Wait()
				st := r.server.Stats()
				if st.Sockets.Refusals[SocketFrames] != 1 {
					t.Errorf("refusals %v", st.Sockets.Refusals)
				}
				time.Sleep(2 * socketLinger)
				if st := r.server.Stats(); st.Sockets.Open != 0 || st.Connections.Open != 0 {
					t.Errorf("%d sockets and %d connections left", st.Sockets.Open, st.Connections.Open)
				}
			})
		})
	}
}

// TestFramesWithinTheRate: a client that sends what a busy page does is not cut off.
func TestFramesWithinTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		c, _ := r.rawSocket("")
		const seconds, rate = 10, socketRate / 2 // after which a ping would want its answer
		for range seconds * rate {
			if _, err := c.conn.Write(frame(1, true, []byte(`{"type":"ack","channel":1,"sequence":1}`))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second / rate)
		}
		if st := r.server.Stats().Sockets; st.Open != 1 || st.Messages != seconds*rate {
			t.Errorf("%+v", st)
		}
	})
}

// TestDecompressionBomb: nothing is ever decompressed, whatever a client offers.
func TestDecompressionBomb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		c, head := r.rawSocket("Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n")
		if strings.Contains(strings.ToLower(head), "extensions") {
			t.Errorf("compression was agreed on:\n%s", head)
		}
		compressed := frame(1, true, bytes.Repeat([]byte{0}, 100))
		compressed[0] |= 0x40 // RSV1
		if n := c.flood(compressed, frame(1, true, []byte("{}")), 100); n > 1 {
			t.Errorf("%d messages after a compressed one", n)
		}
	})
	for _, target := range []string{"/", "/api/v1/cameras"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{}, "a")
			body := "PATCH /api/v1/cameras/a/config HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
			if res, _ := r.ask(body).answer("PATCH"); res.StatusCode < 400 {
				t.Errorf("%s: a compressed body: %s", target, res.Status)
			}
		})
	}
}

// TestSubscriptionsAreBounded: of one connection, and their ends leave nothing.
func TestSubscriptionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		p := r.socket()
		for n := 1; n <= socketChannels+3; n++ {
			p.say(`{"type":"subscribe","channel":%d,"camera":"a"}`, n)
			want := "subscribed"
			if n > socketChannels {
				want = "error"
			}
			p.text(want)
		}
		if st := r.server.Stats(); st.Viewers != socketChannels || st.Sockets.Refusals[SocketBadRequest] != 3 {
			t.Errorf("%d viewers, refusals %v", st.Viewers, st.Sockets.Refusals)
		}
		p.conn.CloseNow()
		synctest.Wait()
		time.Sleep(time.Second)
		if n := r.server.Stats().Viewers; n != 0 {
			t.Errorf("%d viewers left", n)
		}
	})
}

// TestSubscribingIsBounded: to subscribe again and again is a flood, whatever becomes of it.
func TestSubscribingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		c, _ := r.rawSocket("")
		again := frame(1, true, []byte(`{"type":"subscribe","channel":1,"camera":"a"}`))
		c.flood(again, again, 2*subscribeBurst) // what comes after the refusal is thrown away
		time.Sleep(2 * socketLinger)
		if st := r.server.Stats(); st.Sockets.Refusals[SocketFlood] != 1 || st.Connections.Open != 0 || st.Viewers != 0 {
			t.Errorf("refusals %v, %d connections, %d viewers", st.Sockets.Refusals, st.Connections.Open, st.Viewers)
		}
	})
}

// TestFloodIsCharged: who was ended for flooding has less of its address's budget for coming again.
func TestFloodIsCharged(t *testing.T) {
	s := New(Options{Limits: Limits{MaxConnectionsPerAddress: 50}, Perimeter: Perimeter{Hosts: []string{"gateway"}}})
	address := newLoopback(t, s)
	shaken, refused := 0, 0
	for range 2 * requestBurst / floodPrice {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn, "GET /api/v1/ws HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		switch line := c.line(); {
		case strings.HasPrefix(line, "HTTP/1.1 101"):
			shaken++
			c.flood(frame(9, true, nil), frame(9, true, nil), 100*controlBurst)
		case strings.HasPrefix(line, "HTTP/1.1 429"):
			refused++
		default:
			t.Errorf("answer %q", line)
		}
		c.ended(5 * time.Second)
		conn.Close()
		for begin := time.Now(); s.Stats().Connections.Open > 0; time.Sleep(time.Millisecond) {
			if time.Since(begin) > 5*time.Second {
				t.Fatal("connections stay")
			}
		}
	}
	if shaken < requestBurst/floodPrice-1 || refused == 0 {
		t.Errorf("%d floods, and %d refused", shaken, refused)
	}
}

// TestMessagesAreBounded: a message larger than 4 KiB ends its connection, also when it comes in fragments.
func TestMessagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		c, _ := r.rawSocket("")
		c.flood(frame(1, false, []byte("{")), frame(0, false, bytes.Repeat([]byte(" "), 512)), socketMessage/512+1)
		time.Sleep(2 * socketLinger)
		if st := r.server.Stats(); st.Sockets.Refusals[SocketTooLarge] != 1 || st.Connections.Open != 0 {
			t.Errorf("refusals %v, %d connections", st.Sockets.Refusals, st.Connections.Open)
		}
	})
}

// FuzzFrameMeter: frames are counted alike however their bytes are cut.
func FuzzFrameMeter(f *testing.F) {
	f.Add(append(frame(1, true, make([]byte, 200)), frame(9, true, nil)...), uint8(3))
	f.Add([]byte{0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5}, uint8(1))
	f.Fuzz(func(t *testing.T, bytes []byte, step uint8) {
		now := time.Unix(1, 0)
		whole, cut := newFrameMeter(), newFrameMeter()
		if whole.pass(bytes, now) {
			return
		}
		for rest := bytes; len(rest) > 0; {
			n := min(int(step)%16+1, len(rest))
			if cut.pass(rest[:n], now) {
				t.Fatal("a flood only when cut")
			}
			rest = rest[n:]
		}
		if whole != cut {
			t.Errorf("%+v\n%+v", whole, cut)
		}
		if used := whole.all.used; used > float64(len(bytes))/2 {
			t.Errorf("%v frames in %d bytes", used, len(bytes))
		}
	})
}
