package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The classes of attack that other camera servers fell to, each by its name. What healthy viewers feel of them is measured by
// the system tests.

// drip sends one byte a second until the other end is closed, and returns how long that took.
func (c *client) drip(text string) time.Duration {
	begin := time.Now()
	for i := 0; ; i++ {
		if _, err := c.conn.Write([]byte{text[i%len(text)]}); err != nil {
			return time.Since(begin)
		}
		time.Sleep(time.Second)
	}
}

// TestSlowloris: who sends its header a byte a second has five seconds for it, on a new connection and on one that was
// answered before; who says nothing has no longer.
func TestSlowloris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		if took := r.ask("GET / HTTP/1.1\r\n").drip("X-a: b\r\n"); took > readHeaderTimeout+2*time.Second {
			t.Errorf("a header may take %v", took)
		}
		second := r.ask(get("/healthz"))
		second.answer("GET")
		go io.Copy(io.Discard, second.conn)                                                            //nolint:errcheck // ends with the connection
		if took := second.drip("GET / HTTP/1.1\r\nX: y\r\n"); took > readHeaderTimeout+6*time.Second { // from its first four bytes on
			t.Errorf("a second header may take %v", took)
		}
		r.ask("").ended(readHeaderTimeout + time.Second)
		synctest.Wait()
		if got := r.server.Stats().Connections; got.Dropped[DropSilent] != 3 || got.Open != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestSlowReadOfAnswers: a client that asks for what is large and takes a byte a second is cut off, whatever it is.
func TestSlowReadOfAnswers(t *testing.T) {
	for _, target := range []string{"/", "/snapshot.jpg", "/openapi.yaml", "/api/v1/cameras", "/api/v1/events?interval=0.2", "/stream"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{}, "a")
			r.cameras[0].publish()
			c := r.ask(get(target)) // over a pipe, what is not read is not written
			begin := time.Now()
			for one := make([]byte, 1); ; time.Sleep(time.Second) {
				if _, err := c.conn.Read(one); err != nil {
					break
				}
			}
			if took := time.Since(begin); took > 40*time.Second {
				t.Errorf("%s: a byte a second is bearable for %v", target, took)
			}
			synctest.Wait()
			if n := r.server.Stats().Connections.Open; n != 0 {
				t.Errorf("%s: %d connections", target, n)
			}
		})
	}
}

// TestBodyThatNeverEnds: neither announced nor chunked, neither where one is wanted nor where none is.
func TestBodyThatNeverEnds(t *testing.T) {
	for _, line := range []string{"PATCH /api/v1/cameras/a/config", "POST /control", "GET /healthz", "POST /nowhere"} {
		for _, length := range []string{"Content-Length: 1000000000", "Transfer-Encoding: chunked"} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, "a")
				c := r.ask(line + " HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n" + length + "\r\n\r\n")
				answer := make(chan string)
				go func() {
					b, _ := io.ReadAll(c.conn) // until the connection is closed
					answer <- string(b)
				}()
				if took := c.drip("1\r\n{\r\n"); took > readTimeout+5*time.Second {
					t.Errorf("%s with %s: a body may take %v", line, length, took)
				}
				if got := <-answer; !strings.HasPrefix(got, "HTTP/1.1 ") {
					t.Errorf("%s with %s: answer %q", line, length, got)
				}
			})
		}
	}
}

// TestWhatIsNoRequest is answered by net/http, and counted.
func TestWhatIsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		for i, tt := range []struct{ request, status string }{
			{"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", maxHeaderBytes+8<<10), "431"},
			{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", "400"},
			{"GET / HTTP/9.9\r\nHost: a\r\n\r\n", "505"},
			{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400"},
			{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400"},
		} {
			c := r.ask("")
			go io.WriteString(c.conn, tt.request) //nolint:errcheck // the server need not read all of it
			if said := c.ended(10 * time.Second); !strings.HasPrefix(said, "HTTP/1.1 "+tt.status) {
				t.Errorf("%.40q: %.40q", tt.request, said)
			}
			synctest.Wait()
			if n := r.dropped(DropMalformed); n != uint64(i+1) {
				t.Errorf("%.40q: %d counted, want %d", tt.request, n, i+1)
			}
		}
	})
}

// TestAddressAndQueryAreBounded: with 414, before anything looks at them.
func TestAddressAndQueryAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		for _, tt := range []struct {
			target string
			status int
		}{
			{"/healthz?" + strings.Repeat("x", maxURL-len("/healthz?")), 200},
			{"/healthz?" + strings.Repeat("x", maxURL-len("/healthz?")+1), 414},
			{"/" + strings.Repeat("x", maxURL), 414},
			{"/healthz?a" + strings.Repeat("&a", maxQueryKeys-1), 200},
			{"/healthz?a" + strings.Repeat("&a", maxQueryKeys), 414},
			{"/stream?" + strings.Repeat("&", maxQueryKeys), 414},
		} {
			if res, _ := r.ask(get(tt.target)).answer("GET"); res.StatusCode != tt.status {
				t.Errorf("%d bytes: %s, want %d", len(tt.target), res.Status, tt.status)
			}
		}
		var counted uint64
		for q, n := range r.server.Stats().Requests {
			if q.Code == http.StatusRequestURITooLong {
				counted += n
			}
		}
		if counted != 4 {
			t.Errorf("%d counted", counted)
		}
	})
}

// TestPipelinedRequests: a connection has so many requests a second, and is closed then. Of an address that has a bound, all
// connections together have them.
func TestPipelinedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		c := r.ask("")
		go func() {
			for {
				if _, err := io.WriteString(c.conn, get("/healthz")); err != nil {
					return
				}
			}
		}()
		said := c.ended(time.Minute)
		if good, late := strings.Count(said, "HTTP/1.1 200"), strings.Count(said, "HTTP/1.1 429"); good != requestBurst || late != 1 {
			t.Errorf("%d answered and %d refused", good, late)
		}
		// Who asks at half that rate is never refused.
		patient := r.ask("")
		for range 3 * requestBurst {
			go io.WriteString(patient.conn, get("/healthz")) //nolint:errcheck // the answer tells
			if res, _ := patient.answer("GET"); res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
			time.Sleep(2 * time.Second / requestRate)
		}
	})
}

// TestScrapesAreDear: whoever scrapes as fast as others may ask gets a tenth of it, and who scrapes every second always an answer.
func TestScrapesAreDear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, "a")
		hasty := r.ask("")
		go io.WriteString(hasty.conn, strings.Repeat(get("/metrics"), 2*requestBurst)) //nolint:errcheck // ended by the refusal
		if n := strings.Count(hasty.ended(time.Minute), "HTTP/1.1 200"); n != requestBurst/dearPrice {
			t.Errorf("%d scrapes at once", n)
		}
		patient := r.ask("")
		for range 2 * requestBurst {
			go io.WriteString(patient.conn, get("/metrics")) //nolint:errcheck // the answer tells
			if res, _ := patient.answer("GET"); res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestHandshakesAreDear: an address may begin TLS so often and no oftener, others none the less, and it again after a while.
func TestHandshakesAreDear(t *testing.T) {
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	s := New(Options{TLS: &tls.Config{Certificates: lender.TLS.Certificates}, Limits: Limits{MaxConnectionsPerAddress: 50}, Perimeter: testPerimeter})
	server := newLoopback(t, s)
	shake := func(from net.IP) error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
		conn, err := tls.DialWithDialer(&d, "tcp", server, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the lender's certificate
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	begin, good := time.Now(), 0
	for range 200 {
		if shake(net.IPv4(127, 0, 4, 1)) == nil {
			good++
		}
	}
	most := (requestBurst + int(time.Since(begin).Seconds()*requestRate)) / dearPrice
	if good < requestBurst/dearPrice || good > most+1 {
		t.Errorf("%d handshakes of one address, of %d at most", good, most)
	}
	if n := s.Stats().Connections.Dropped[DropRate]; int(n) != 200-good {
		t.Errorf("%d are counted, of %d", n, 200-good)
	}
	if err := shake(net.IPv4(127, 0, 4, 2)); err != nil {
		t.Errorf("another address: %v", err)
	}
	time.Sleep(2 * dearPrice * time.Second / requestRate)
	if err := shake(net.IPv4(127, 0, 4, 1)); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

// TestDebtIsBorne: what is charged beyond the budget is to be waited for, and many charges at once are no more than one.
func TestDebtIsBorne(t *testing.T) {
	now := time.Now()
	b := newBudget()
	good := 0
	for range 10 * 1000 { // ten seconds of coming again each millisecond
		if b.take(now) {
			good++
			b.charge(now, floodPrice-1)
		}
		now = now.Add(time.Millisecond)
	}
	if most := (requestBurst + 10*requestRate) / floodPrice; good > most+1 || good < most-1 {
		t.Errorf("%d floods afforded, want %d", good, most)
	}
	for range 100 {
		b.charge(now, floodPrice)
	}
	if now = now.Add(floodPrice * time.Second / requestRate * 101 / 100); !b.take(now) {
		t.Errorf("%v owed", b.used-b.size)
	}
}

// TestReconnectingBuysNothing: an address has one budget, however often it connects, and its record does not stay for ever.
func TestReconnectingBuysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := connections{}
		o := Limits{MaxConnections: 10, MaxConnectionsPerAddress: 5}
		ask := func(from string) bool {
			conn := remoteConn{addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
			all.enter(conn, address(conn), o.MaxConnections, o.MaxConnectionsPerAddress, 0)
			good, _ := all.serves(all.find(conn))
			all.leave(conn)
			return good
		}
		good := 0
		for range 2 * requestBurst {
			if ask("192.0.2.1:1") {
				good++
			}
		}
		if good != requestBurst || !ask("192.0.2.2:1") {
			t.Errorf("%d requests answered", good)
		}
		if len(all.byHost) == 0 {
			t.Error("what an address has used is forgotten when it leaves")
		}
		time.Sleep(2 * requestBurst / requestRate * time.Second)
		for i := range 3 * o.MaxConnections {
			ask(fmt.Sprintf("198.51.100.%d:1", i))
			time.Sleep(time.Second)
		}
		if n := len(all.byHost); n > 2*o.MaxConnections {
			t.Errorf("%d addresses are remembered", n)
		}
		if !ask("192.0.2.1:1") {
			t.Error("no budget after a pause")
		}
	})
}

// FuzzRequestRead_CVE_2008_2654: whatever a client sends, the server answers or hangs up, without a panic, a viewer or a
// connection left. The class is an off-by-one where a camera server read its request.
func FuzzRequestRead_CVE_2008_2654(f *testing.F) {
	for _, seed := range []string{
		get("/"), get("/stream") + "x", get("/cam/a/snapshot.jpg"), get("/healthz") + get("/healthz"), "\r\n\r\n", "GET", "GET / HTTP/1.0\r\n\r\n",
		"GET /" + strings.Repeat("a", 2048) + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 500) + "\r\n",
		"PATCH /api/v1/cameras/a/config HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"POST /control?var=quality&val=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
		"GET /api/v1/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81\x85\x00\x00\x00\x00hello",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{}, "a") // which fails the test if a handler panics
			c := r.ask("")
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = c.conn.Write(bytes) // the server need not take it
			}()
			_ = c.conn.SetReadDeadline(time.Now().Add(readTimeout + 5*time.Second))
			n, err := io.Copy(io.Discard, io.LimitReader(c.conn, 8<<20))
			if n == 8<<20 {
				t.Errorf("%d bytes of answer", n)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) && r.server.Stats().Viewers == 0 && r.server.Stats().Sockets.Open == 0 && r.server.Stats().Listeners == 0 {
				// Nothing was asked for that lasts: after an answer a connection may be idle for a minute.
				_ = c.conn.SetReadDeadline(time.Now().Add(idleTimeout))
				if _, err := io.Copy(io.Discard, c.conn); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("neither answered nor closed")
				}
			}
			c.conn.Close()
			<-sent
			synctest.Wait()
			time.Sleep(shutdownGrace)
			if st := r.server.Stats(); st.Connections.Open != 0 || st.Viewers != 0 || st.Sockets.Open != 0 {
				t.Errorf("left: %d connections, %d viewers, %d sockets", st.Connections.Open, st.Viewers, st.Sockets.Open)
			}
		})
	})
}
