package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/config"
)

// nasty is a string that steers terminals, ends lines, closes quotes and tags, and is no UTF-8.
const nasty = "\x1b[2J\x1b]0;owned\a\r\n\"'><script>alert(1)</script>\xff\xc0\x80\x00\u202e{{}}${x}"

// hostileServer is a serial server to a device that links, and then says everything at once. It counts what it wrote.
type hostileServer struct {
	net.Listener
	wrote atomic.Int64
	limit int64
}

func newHostileServer(t *testing.T, limit int64) *hostileServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &hostileServer{Listener: l, limit: limit}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	return s
}

func (s *hostileServer) serve(c net.Conn) {
	dec := camlink.NewDecoder()
	var seq uint16
	flood := false
	for {
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			return
		}
		n, err := c.Read(dec.Room())
		if err != nil && n == 0 && !isTimeout(err) {
			return
		}
		dec.Fed(n)
		var out []byte
		say := func(t camlink.Type, f camlink.Flags, ref uint16, payload []byte) {
			out = camlink.AppendPacket(out, camlink.Header{Type: t, Flags: f, Seq: seq, Ref: ref}, payload)
			seq++
		}
		for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
			if ev.Kind == camlink.EventPacket && ev.Packet.Type == camlink.TypeHelloReq {
				say(camlink.TypeHello, camlink.FlagResponse, ev.Packet.Ref, camlink.Hello{ProtoMin: 1, ProtoMax: 1, BootID: 7, Features: camlink.FeatureCredit,
					Transport: 200, ResetReason: 200, Firmware: nasty, Board: nasty, SDK: nasty, Sensor: nasty, Name: nasty}.Append(nil))
				flood = true
			}
		}
		for i := uint32(0); flood && len(out) < 64<<10 && s.wrote.Load() < s.limit; i++ {
			say(camlink.TypeLog, 0, 0, camlink.Log{Level: camlink.Level(i), Tag: nasty[:20], Text: nasty}.Append(nil))
			say(camlink.TypeStats, camlink.FlagResponse, 0, camlink.Stats{UptimeS: i, CameraErrors: i << 31, Temperature: 32767}.Append(nil))
			say(camlink.TypePong, camlink.FlagResponse, 0, camlink.Pong{HostNanos: 1 << 62, NextFrame: i << 28}.Append(nil))
			say(camlink.TypeFrameBegin, 0, 0, camlink.FrameBegin{Number: i * 77777, Length: 1<<20 - i, Format: 1}.Append(nil))
			say(camlink.TypeConfig, camlink.FlagResponse, 1, camlink.Config{{Key: camlink.KeyQuality, Value: -1 << 31}, {Key: camlink.KeyTargetFPS, Value: 1<<31 - 1}}.Append(nil))
			out = append(out, "rst:0x1 text\x1b[31m of a device\n"...)
		}
		if len(out) > 0 {
			if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
				return
			}
			n, err := c.Write(out)
			s.wrote.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}

// TestHostileNeighbour: one camera does its worst, two megabytes of it. The other one's viewer, who asked for every frame, gets every
// frame, and nothing that the first says of itself leaves the gateway as it came.
func TestHostileNeighbour(t *testing.T) {
	server := newHostileServer(t, 2<<20)
	cfg := simulated("door")
	cfg.Delivery.AllPatience, cfg.Delivery.AllBuffer = 10*time.Second, 1<<20
	cfg.Cameras = append(cfg.Cameras, config.Camera{ID: "evil", Port: "tcp://" + server.Addr().String(), Kind: config.TCP, Address: server.Addr().String()})
	var log safeLog
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan net.Addr, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, Options{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Version: "test", Ready: func(a net.Addr) { addr <- a }})
	}()
	base := "http://" + (<-addr).String()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	// A viewer of each: the hostile one's pictures are wanted too.
	evil, err := client.Get(base + "/cam/evil/stream.mjpg")
	if err != nil {
		t.Fatal(err)
	}
	defer evil.Body.Close()
	door, err := client.Get(base + "/cam/door/stream.mjpg?mode=all")
	if err != nil {
		t.Fatal(err)
	}
	defer door.Body.Close()
	lines := bufio.NewReader(door.Body)
	for last, frames := 0, 0; frames < 50 || server.wrote.Load() < server.limit; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s, after %d frames: %v", door.Status, frames, err)
		}
		value, found := strings.CutPrefix(strings.TrimSpace(line), "X-Frame-Sequence: ")
		if !found {
			continue
		}
		seq, err := strconv.Atoi(value)
		if err != nil || last != 0 && seq != last && seq != last+1 { // the same again is a repeat
			t.Fatalf("frame %s after %d", value, last)
		}
		last, frames = seq, frames+1
		if frames > 2500 {
			t.Fatalf("the flood has not been read: %d bytes", server.wrote.Load())
		}
	}

	for _, path := range []string{"/api/v1/cameras", "/metrics", "/cam/evil/snapshot.jpg"} {
		resp, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		switch path {
		case "/metrics":
			checkClean(t, path, strings.NewReplacer("\n", "").Replace(string(body)))
		case "/api/v1/cameras":
			var all any
			if err := json.Unmarshal(body, &all); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			checkStrings(t, path, all)
			if !strings.Contains(string(body), "owned") {
				t.Errorf("the hostile device was not seen at all: %s", body)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	logged := strings.Split(strings.TrimSpace(log.b.String()), "\n")
	if len(logged) > 200 {
		t.Errorf("%d lines of log", len(logged))
	}
	for _, line := range logged {
		var record any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("log: %v", err)
		}
		checkStrings(t, "log", record)
	}
}

// checkStrings looks at every string in a JSON value.
func checkStrings(t *testing.T, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case string:
		checkClean(t, where, v)
	case []any:
		for _, e := range v {
			checkStrings(t, where, e)
		}
	case map[string]any:
		for k, e := range v {
			checkClean(t, where, k)
			checkStrings(t, where, e)
		}
	}
}

func checkClean(t *testing.T, where, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7F && r < 0xA0 || r == 0x202E || r == utf8.RuneError }) {
		t.Errorf("%s: %q", where, s)
	}
}
