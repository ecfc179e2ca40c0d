package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Attacks run in a process of their own with the lowest priority: what is measured is what the daemon does about them, and
// not who gets the processor.

const (
	attackVariable = "CAMGW_TEST_ATTACK" // which one this process is
	targetVariable = "CAMGW_TEST_TARGET" // host:port
	countVariable  = "CAMGW_TEST_COUNT"
)

// attackReport is what an attack tells when it ends.
type attackReport struct {
	Connections int64 // opened
	Cut         int64 // of them, ended by the daemon while the attack went on
	Sent        int64 // bytes, frames or requests, as the attack counts
}

// attacker is an attack under way.
type attacker struct {
	address string
	count   int
	stop    chan struct{}
	work    sync.WaitGroup

	connections, cut, sent atomic.Int64
}

// attacks by name; each returns when it goes on by itself.
var attacks = map[string]func(*attacker){
	"slowloris":  (*attacker).slowloris,
	"silent":     (*attacker).silent,
	"one host":   (*attacker).oneHost,
	"slow read":  (*attacker).slowRead,
	"resets":     (*attacker).resets,
	"websockets": (*attacker).websockets,
	"pipelined":  (*attacker).pipelined,
	"bodies":     (*attacker).bodies,
}

// attackMain is the process of an attack. It ends when its standard input does.
func attackMain(name string) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	count, err := strconv.Atoi(os.Getenv(countVariable))
	if err != nil || attacks[name] == nil {
		fmt.Fprintln(os.Stderr, "no attack", name, err)
		return 2
	}
	a := &attacker{address: os.Getenv(targetVariable), count: count, stop: make(chan struct{})}
	attacks[name](a)
	fmt.Println("under way")
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(a.stop)
	report := attackReport{a.connections.Load(), a.cut.Load(), a.sent.Load()}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		return 1
	}
	return 0 // the kernel closes what is open
}

// assault starts an attack. What it returns ends it.
func assault(t testing.TB, name string, d *daemon, count int) (end func() attackReport) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nice", "-n", "19", self)
	cmd.Env = append(os.Environ(), attackVariable+"="+name, targetVariable+"="+strings.TrimPrefix(d.url, "http://"), fmt.Sprint(countVariable, "=", count), "GOMAXPROCS=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	once := sync.OnceValue(func() (r attackReport) {
		in.Close()
		lines, err := io.ReadAll(out)
		if err == nil {
			err = json.Unmarshal(lines, &r)
		}
		if err = errors.Join(err, cmd.Wait()); err != nil {
			t.Errorf("attack %s: %v: %q", name, err, lines)
		}
		return r
	})
	t.Cleanup(func() { once() })
	// The line, and no byte more.
	line := make([]byte, len("under way\n"))
	if _, err := io.ReadFull(out, line); err != nil {
		t.Fatalf("attack %s: %q, %v", name, line, err)
	}
	return once
}

func (a *attacker) ended() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

func (a *attacker) pause(d time.Duration) {
	select {
	case <-a.stop:
	case <-time.After(d):
	}
}

// dial connects from one of many addresses.
func (a *attacker) dial(n int) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: host(n)}}
	conn, err := d.Dial("tcp", a.address)
	if err == nil {
		a.connections.Add(1)
	}
	return conn, err
}

// host is one of 200 addresses of this machine.
func host(n int) net.IP { return net.IPv4(127, 0, 1, byte(1+n%200)) }

// each keeps count connections busy with one thing; who is cut off comes again.
func (a *attacker) each(one func(n int, conn net.Conn) error) {
	for n := range a.count {
		a.work.Go(func() {
			for !a.ended() {
				conn, err := a.dial(n)
				if err != nil {
					a.pause(100 * time.Millisecond)
					continue
				}
				if err := one(n, conn); err != nil && !a.ended() {
					a.cut.Add(1)
				}
				conn.Close()
				a.pause(10 * time.Millisecond)
			}
		})
	}
}

// drip sends a text again and again, a byte a second.
func (a *attacker) drip(conn net.Conn, text string) error {
	for i := 0; !a.ended(); i++ {
		if _, err := conn.Write([]byte{text[i%len(text)]}); err != nil {
			return err
		}
		a.sent.Add(1)
		a.pause(time.Second)
	}
	return nil
}

func (a *attacker) slowloris() {
	a.each(func(n int, conn net.Conn) error {
		return a.drip(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\nX-Slow: yes\r\n")
	})
}

// silent connects again and again, from many addresses, and says nothing.
func (a *attacker) silent() { a.connect(host) }

// oneHost is silent from one address.
func (a *attacker) oneHost() { a.connect(func(int) net.IP { return net.IPv4(127, 0, 2, 1) }) }

// connect makes count connections, 5,000 a second, and keeps the last of them open, far more than the daemon does.
func (a *attacker) connect(from func(int) net.IP) {
	const kept, batch = 4000, 50
	server, err := net.ResolveTCPAddr("tcp", a.address)
	if err != nil {
		panic(err)
	}
	to := &unix.SockaddrInet4{Port: server.Port, Addr: [4]byte(server.IP.To4())}
	a.work.Go(func() {
		var open []int
		for n := 0; n < a.count && !a.ended(); n++ {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte(from(n).To4())})
			}
			if err == nil {
				err = unix.Connect(fd, to)
			}
			switch {
			case err == nil, errors.Is(err, unix.EINPROGRESS):
				a.connections.Add(1)
				open = append(open, fd)
			default:
				unix.Close(fd)
				a.cut.Add(1)
			}
			if len(open) > kept {
				unix.Close(open[0]) // the daemon gave it up long ago
				open = open[1:]
			}
			if n%batch == batch-1 {
				a.pause(batch * time.Second / 5000)
			}
		}
		a.sent.Store(1) // all are made
		<-a.stop
	})
}

// slowRead asks for streams and pages with the smallest window there is, and takes a byte a second.
func (a *attacker) slowRead() {
	paths := []string{"/", "/snapshot.jpg", "/metrics"}
	a.each(func(n int, conn net.Conn) error {
		if err := conn.(*net.TCPConn).SetReadBuffer(1); err != nil {
			return err
		}
		path := "/stream"
		if n%10 >= 7 {
			path = paths[n%3]
		}
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
			return err
		}
		for one := make([]byte, 1); !a.ended(); a.pause(time.Second) {
			if _, err := conn.Read(one); err != nil {
				return err
			}
			a.sent.Add(1)
		}
		return nil
	})
}

// resets asks for a stream and resets the connection, at once or in the midst of it.
func (a *attacker) resets() {
	a.each(func(n int, conn net.Conn) error {
		_, err := io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if n%2 == 0 && err == nil {
			_, err = conn.Read(make([]byte, 100))
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		a.sent.Add(1)
		return err
	})
}

// websockets floods with messages, pings, empty fragments, and subscriptions, as fast as it can.
func (a *attacker) websockets() {
	text := func(s string) []byte { return clientFrame(0x81, s) }
	a.each(func(n int, conn net.Conn) error {
		_, err := io.WriteString(conn, "GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		if err != nil {
			return err
		}
		a.work.Go(func() { _, _ = io.Copy(io.Discard, conn) })
		var again []byte
		switch n % 4 {
		case 0:
			again = text(`{"type":"ack","channel":1,"sequence":1}`)
		case 1:
			again = clientFrame(0x89, "ping")
		case 2:
			_, err = conn.Write(clientFrame(0x01, ""))
			again = clientFrame(0x00, "")
		case 3:
			again = append(text(`{"type":"subscribe","channel":1,"camera":"cam1"}`), text(`{"type":"unsubscribe","channel":1}`)...)
		}
		for err == nil && !a.ended() {
			_, err = conn.Write(again)
			a.sent.Add(1)
		}
		return err
	})
}

// clientFrame is a frame with a mask of zeros.
func clientFrame(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// pipelined asks for what costs most to answer, without waiting for the answers.
func (a *attacker) pipelined() {
	a.each(func(n int, conn net.Conn) error {
		a.work.Go(func() { _, _ = io.Copy(io.Discard, bufio.NewReaderSize(conn, 1<<16)) })
		path := []string{"/api/v1/cameras", "/metrics", "/api/v1/cameras/cam1/history", "/snapshot.jpg"}[n%4]
		for !a.ended() {
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
				return err
			}
			a.sent.Add(1)
		}
		return nil
	})
}

// bodies sends ones that never end.
func (a *attacker) bodies() {
	chunk := "400\r\n" + strings.Repeat(" ", 1024) + "\r\n"
	a.each(func(n int, conn net.Conn) error {
		path := []string{"PATCH /api/v1/cameras/cam1/config", "POST /control", "POST /stream"}[n%3]
		_, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", path)
		for err == nil && !a.ended() {
			_, err = io.WriteString(conn, chunk)
			a.sent.Add(int64(len(chunk)))
			a.pause(10 * time.Millisecond)
		}
		return err
	})
}
