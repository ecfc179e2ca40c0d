package web

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// dropped is how many connections were dropped for a reason.
func (r *rig) dropped(d Drop) uint64 { return r.server.Stats().Connections.Dropped[d] }

// ended fails the test unless the server closes the connection within a time, and returns what it said before.
func (c *client) ended(limit time.Duration) string {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(limit)) // a pipe whose other end is closed has none
	said, err := io.ReadAll(c.in)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("still connected after %v", limit)
	}
	return string(said)
}

// TestWhoWaitsMakesWay: when all places are taken, the connection that has waited longest without asking is closed for the
// next, and streams and requests being answered are not.
func TestWhoWaitsMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxConnections: 4}}, "a")
		viewer := r.ask(get("/stream"))
		viewer.stream()
		idle := r.ask(get("/healthz")) // answered, and kept open
		if res, _ := idle.answer("GET"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
		time.Sleep(time.Second)
		silent := r.ask("")
		partial := r.ask("GET / HTTP/1.1\r\nHo")
		synctest.Wait()
		if n := r.server.Stats().Connections.Open; n != 4 {
			t.Fatalf("%d connections", n)
		}
		for i, first := range []*client{idle, silent, partial} {
			next := r.ask(get("/healthz"))
			if res, _ := next.answer("GET"); res.StatusCode != 200 {
				t.Errorf("newcomer %d: %s", i, res.Status)
			}
			first.ended(time.Second)
			if n := r.dropped(DropDisplaced); n != uint64(i+1) {
				t.Errorf("%d displaced after newcomer %d", n, i)
			}
		}
		if n := r.server.Stats().Connections.Open; n != 4 {
			t.Errorf("%d connections, want 4", n)
		}
		if _, _, err := viewer.part(); err != nil {
			t.Errorf("the viewer: %v", err)
		}
	})
}

// TestAskedTooLate: who was told to go, and had asked already, is refused in words, rather than given a stream that is cut off at once.
func TestAskedTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, "a")
		late := r.ask("")
		synctest.Wait()
		all := &r.server.connections
		all.mu.Lock()
		all.waiting.Front().Value.(*connection).displaced = true
		all.mu.Unlock()
		if _, err := io.WriteString(late.conn, get("/stream")); err != nil {
			t.Fatal(err)
		}
		if res, body := late.answer("GET"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !res.Close {
			t.Errorf("%s, closed: %v, %q", res.Status, res.Close, body)
		}
	})
}

// TestFullOfStreams: when nobody waits, the newcomer is closed.
func TestFullOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Limits: Limits{MaxConnections: 2}}, "a")
		viewers := []*client{r.ask(get("/stream")), r.ask(get("/stream"))}
		for _, v := range viewers {
			v.stream()
		}
		synctest.Wait() // a stream is answered before it is attached
		f := r.cameras[0].publish()
		if said := r.ask("").ended(time.Second); said != "" || r.dropped(DropFull) != 1 {
			t.Errorf("said %q, dropped %v", said, r.server.Stats().Connections)
		}
		for _, v := range viewers {
			v.want(f)
		}
		viewers[0].conn.Close()
		synctest.Wait()
		if res, _ := r.ask(get("/healthz")).answer("GET"); res.StatusCode != 200 {
			t.Errorf("after one has left: %s", res.Status)
		}
	})
}

// TestConnectionsPerAddress: one address may have so many, and its excess is closed before it has said anything.
func TestConnectionsPerAddress(t *testing.T) {
	s := New(Options{Limits: Limits{MaxConnectionsPerAddress: 3}, Perimeter: Perimeter{Hosts: []string{"gateway"}}})
	address := newLoopback(t, s)
	dial := func(from string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", address)
		if errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	answered := func(conn net.Conn) bool {
		t.Helper()
		if conn == nil {
			return false
		}
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, get("/healthz"))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("neither answered nor closed")
		}
		return strings.HasPrefix(line, "HTTP/1.1 200")
	}
	var mine []net.Conn
	for range 3 {
		mine = append(mine, dial("127.0.0.2"))
		if !answered(mine[len(mine)-1]) {
			t.Fatal("one of three was refused")
		}
	}
	for range 5 {
		if answered(dial("127.0.0.2")) {
			t.Error("the fourth was let in")
		}
	}
	if !answered(dial("127.0.0.3")) {
		t.Error("another address suffers")
	}
	if got := s.Stats().Connections; got.Dropped[DropAddress] != 5 || got.Open != 4 || got.Accepted != 9 {
		t.Errorf("%+v", got)
	}
	mine[0].Close()
	for begin := time.Now(); !answered(dial("127.0.0.2")); { // its end may not have been seen
		if time.Since(begin) > 5*time.Second {
			t.Fatal("a place that was left stays taken")
		}
	}
}

// TestWhatIsOneAddress: a host with IPv6 has a network of addresses.
func TestWhatIsOneAddress(t *testing.T) {
	o := Limits{MaxConnections: 400}
	for _, tt := range []struct {
		remote, host string
		bound        int
	}{
		{"192.0.2.7:1", "192.0.2.7", 100},
		{"[::ffff:192.0.2.7]:1", "192.0.2.7", 100},
		{"[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::", 100},
		{"[fe80::1%eth0]:1", "fe80::", 100},
		{"127.0.0.9:1", "127.0.0.9", 0},
		{"[::1]:1", "::1", 0},
	} {
		addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.remote))
		host := address(remoteConn{addr: addr})
		if host != netip.MustParseAddr(tt.host) || o.connectionsOf(host) != tt.bound {
			t.Errorf("%s is %s, with %d connections", tt.remote, host, o.connectionsOf(host))
		}
	}
	if host := address(remoteConn{addr: &net.UnixAddr{Name: "@", Net: "unix"}}); host.IsValid() || o.connectionsOf(host) != 0 {
		t.Errorf("a Unix socket's client is %s", host)
	}
	if o.MaxConnectionsPerAddress = 5; o.connectionsOf(netip.MustParseAddr("127.0.0.1")) != 5 {
		t.Error("a bound that was asked for is not this machine's")
	}
}

// TestTrustedProxiesHaveNoBound: what they bring is everybody's, each of whom has limits of his own.
func TestTrustedProxiesHaveNoBound(t *testing.T) {
	s := New(Options{Limits: Limits{MaxConnectionsPerAddress: 5}, Perimeter: Perimeter{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::1/128")}}})
	for remote, want := range map[string]int{"192.0.2.7:1": 0, "192.0.2.8:1": 5, "[2001:db8::1]:1": 0, "[2001:db8::2]:1": 5, "127.0.0.1:1": 5} {
		conn := remoteConn{addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(remote))}
		if _, bound := s.connectionBound(conn); bound != want {
			t.Errorf("%s may have %d connections, want %d", remote, bound, want)
		}
	}
}

type remoteConn struct {
	net.Conn
	addr net.Addr
}

func (c remoteConn) RemoteAddr() net.Addr { return c.addr }

// faultyListener fails as the kernel does, and then accepts.
type faultyListener struct {
	pipeListener
	mu     sync.Mutex
	faults []error
	tries  []time.Time
}

func (l *faultyListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.tries = append(l.tries, time.Now())
	if len(l.faults) > 0 {
		defer l.mu.Unlock()
		err := l.faults[0]
		l.faults = l.faults[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	l.mu.Unlock()
	return l.pipeListener.Accept()
}

// TestAcceptWithoutDescriptors: it is tried again, ever more slowly, and what waits for nothing gives its descriptor.
func TestAcceptWithoutDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &faultyListener{pipeListener: newPipeListener(), faults: []error{
			syscall.EMFILE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPROTO, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE,
		}}
		s := New(Options{Perimeter: Perimeter{Hosts: []string{"gateway"}}})
		serve(t, s, l)
		if res, _ := newClient(t, l.dial(), get("/healthz")).answer("GET"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
		if n := s.Stats().Connections.Failures; n != 10 {
			t.Errorf("%d failures counted", n)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range 10 {
			if pause := l.tries[i+1].Sub(l.tries[i]); pause < acceptPauseLeast || pause > acceptPauseMost || i > 0 && pause < l.tries[i].Sub(l.tries[i-1]) {
				t.Errorf("pause %d is %v", i, pause)
			}
		}
	})
}

// TestAcceptWithoutDescriptorsClosesWhoWaits: who has waited for a while makes way, and nobody whose first request may be on its way.
func TestAcceptWithoutDescriptorsClosesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &faultyListener{pipeListener: newPipeListener()}
		s := New(Options{Perimeter: Perimeter{Hosts: []string{"gateway"}}})
		serve(t, s, l)
		silent := newClient(t, l.dial(), "")
		synctest.Wait()
		fault := func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.faults = []error{syscall.EMFILE}
		}
		fault()
		early := newClient(t, l.dial(), get("/healthz")) // the accept under way is for this one
		if res, _ := early.answer("GET"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
		synctest.Wait()
		if n := s.Stats().Connections.Dropped[DropDisplaced]; n != 0 {
			t.Errorf("%d displaced that had only just come", n)
		}
		early.conn.Close()
		time.Sleep(askingTime)
		fault()
		second := newClient(t, l.dial(), "")
		third := newClient(t, l.dial(), get("/healthz"))
		silent.ended(time.Second)
		if res, _ := third.answer("GET"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
		if got := s.Stats().Connections; got.Dropped[DropDisplaced] != 1 || got.Failures != 2 || got.Open != 2 {
			t.Errorf("%+v", got)
		}
		second.ended(readHeaderTimeout + time.Second)
	})
}

// TestBrokenListenerEnds: what no waiting mends is the end of Serve, and not a loop.
func TestBrokenListenerEnds(t *testing.T) {
	l := &faultyListener{pipeListener: newPipeListener(), faults: []error{syscall.EBADF}}
	if err := New(Options{}).Serve(t.Context(), l); !errors.Is(err, syscall.EBADF) {
		t.Errorf("%v", err)
	}
}
