package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/camgw/camgw/internal/serialport"
)

// The system tests run the real daemon, built with the race detector, against
// hostcam: the firmware's own core behind a pty with an emulated wire.

// programs are what the tests run, built once.
var programs struct{ camgw, hostcam string }

func TestMain(m *testing.M) {
	if name := os.Getenv(attackVariable); name != "" {
		os.Exit(attackMain(name))
	}
	testscript.Main(suite{m}, map[string]func(){"camgw": func() {
		machine = serialport.Machine{Sys: os.Getenv("TEST_SYS"), Dev: os.Getenv("TEST_DEV")}
		main()
	}})
}

type suite struct{ *testing.M }

func (s suite) Run() int { return buildAndRun(s.M) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "camgw-system")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs.camgw = filepath.Join(dir, "camgw")
	programs.hostcam, _ = filepath.Abs("../../bin/hostcam")
	for _, build := range [][]string{
		{"go", "build", "-race", "-tags", "man", "-buildvcs=false", "-o", programs.camgw, "."},
		{"make", "-s", "-C", "../../firmware/ports/posix"},
	} {
		if out, err := exec.Command(build[0], build[1:]...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%s", strings.Join(build, " "), err, out)
			return 1
		}
	}
	return m.Run()
}

// ample is for waits that measure nothing: far more than any of them takes, even on a busy machine.
const ample = 20 * time.Second

// within polls for a condition of another process. There is no event to wait
// for across that boundary, so that it looks often and gives up in time.
func within(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(begin) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		<-tick.C
	}
	return time.Since(begin)
}

// process is a program under test.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
}

// logBuffer keeps what a program says.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startProcess(t testing.TB, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), log: &logBuffer{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), tail(p.log.String(), 6000))
		}
	})
	return p
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

// kill sends a signal and waits for the end; it returns how long that took.
func (p *process) kill(sig os.Signal) time.Duration {
	begin := time.Now()
	_ = p.cmd.Process.Signal(sig) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.t.Errorf("%s does not end on %v", p.cmd.Path, sig)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return time.Since(begin)
}

// hostcam is a device under test.
type hostcam struct {
	*process
	link, stats string
	args        []string
}

func startHostcam(t testing.TB, args ...string) *hostcam {
	t.Helper()
	dir := t.TempDir()
	h := &hostcam{link: filepath.Join(dir, "cam.tty"), stats: filepath.Join(dir, "stats.json")}
	h.args = append([]string{"--link", h.link, "--stats-file", h.stats}, args...)
	h.start(t)
	return h
}

func (h *hostcam) start(t testing.TB) {
	t.Helper()
	h.process = startProcess(t, programs.hostcam, h.args...)
	within(t, ample, "hostcam's link", func() bool {
		_, err := os.Stat(h.link)
		return err == nil
	})
}

// hostcamStats are the fields of the stats file that the tests look at.
type hostcamStats struct {
	Captured, Sent, Skipped, Flips, Drops, Inserts, Truncated, Reboots, Stalls uint64

	NoEOI   uint64 `json:"bad_jpeg_no_eoi"`
	Padding uint64 `json:"bad_jpeg_padding"`
	Empty   uint64 `json:"bad_jpeg_empty"`
	Cut     uint64 `json:"bad_jpeg_cut"`
	Noise   uint64 `json:"noise_lines"`
	Awake   bool   `json:"sensor_awake"`
	Linked  bool   `json:"linked"`
	Quality int    `json:"quality"`
	BaudNow int    `json:"baud_now"`
	Host    int    `json:"host_baud"`
	Out     uint64 `json:"bytes_out"`

	BytesLost uint64  `json:"bytes_lost"` // nobody took them
	Uptime    float64 `json:"uptime_s"`
}

// read returns the newest statistics; hostcam writes them each second and at exit.
func (h *hostcam) read(t testing.TB) hostcamStats {
	t.Helper()
	var s hostcamStats
	b, err := os.ReadFile(h.stats)
	if err != nil {
		return s
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("hostcam's statistics: %v\n%s", err, b)
	}
	return s
}

// daemon is a camgw under test.
type daemon struct {
	*process
	url string
}

var servingOn = regexp.MustCompile(`msg=serving address=(\S+)`)

func startDaemon(t testing.TB, args ...string) *daemon {
	t.Helper()
	d := &daemon{process: startProcess(t, programs.camgw, append([]string{"serve", "--config=", "--listen", "127.0.0.1:0"}, args...)...)}
	d.awaitAddress(t)
	t.Cleanup(func() {
		if s := d.log.String(); strings.Contains(s, "DATA RACE") || strings.Contains(s, "panic:") {
			t.Errorf("the daemon's log has a data race or a panic:\n%s", tail(s, 8000))
		}
	})
	return d
}

func (d *daemon) awaitAddress(t testing.TB) {
	t.Helper()
	within(t, ample, "the daemon's address", func() bool {
		m := servingOn.FindStringSubmatch(d.log.String())
		if m != nil {
			d.url = "http://" + m[1]
		}
		return m != nil
	})
}

// cameraStatus are the fields of the API that the tests look at.
type cameraStatus struct {
	ID, State, Cause, Reason string

	Baud, Width, Height, Viewers int
	FPS                          float64
	Age                          *float64 `json:"last_frame_age_seconds"`
	Device                       *struct{ Board, Sensor, MAC string }
	Frames                       struct {
		Received, Published, Lost uint64
		Rejected                  map[string]uint64
	}
}

func (d *daemon) status(t testing.TB) cameraStatus {
	t.Helper()
	var list struct{ Cameras []cameraStatus }
	b := d.get(t, "/api/v1/cameras")
	if err := json.Unmarshal(b, &list); err != nil || len(list.Cameras) == 0 {
		t.Fatalf("cameras: %v\n%s", err, b)
	}
	return list.Cameras[0]
}

// asked is how often tests have asked.
var asked atomic.Uint32

func (d *daemon) get(t testing.TB, path string) []byte {
	t.Helper()
	// From another address each time: tests ask more often than anybody may.
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(asked.Add(1)))}}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get(d.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v\n%s", path, resp.Status, err, b)
	}
	return b
}

// metric sums the values of a family, or of one of its series.
func (d *daemon) metric(t testing.TB, name string) float64 {
	t.Helper()
	var sum float64
	found := false
	for line := range strings.Lines(string(d.get(t, "/metrics"))) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, found = sum+v, true
	}
	if !found {
		t.Fatalf("no metric %s", name)
	}
	return sum
}

// awaitState waits until the camera is in one of the states.
func (d *daemon) awaitState(t testing.TB, limit time.Duration, states ...string) cameraStatus {
	t.Helper()
	var s cameraStatus
	within(t, limit, "state "+strings.Join(states, " or "), func() bool {
		s = d.status(t)
		for _, want := range states {
			if s.State == want {
				return true
			}
		}
		return false
	})
	return s
}

// balance checks that every frame is accounted for, once nobody watches any more.
func (d *daemon) balance(t testing.TB) {
	t.Helper()
	within(t, ample, "all viewers gone", func() bool { return d.metric(t, "camgw_clients") == 0 })
	s := d.status(t)
	var rejected uint64
	for _, n := range s.Frames.Rejected {
		rejected += n
	}
	if s.Frames.Received != s.Frames.Published+rejected {
		t.Errorf("received %d, but published %d and rejected %v", s.Frames.Received, s.Frames.Published, s.Frames.Rejected)
	}
	offered, sent, skipped := d.metric(t, "camgw_client_frames_offered_total"),
		d.metric(t, "camgw_client_frames_sent_total"), d.metric(t, "camgw_client_frames_skipped_total")
	if offered != sent+skipped {
		t.Errorf("offered %.0f, but sent %.0f and skipped %.0f", offered, sent, skipped)
	}
}

// usage is what a process holds.
type usage struct{ descriptors, threads, rssKB int }

func (p *process) usage(t testing.TB) usage {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d", p.cmd.Process.Pid)
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		t.Fatal(err)
	}
	field := func(name string) int {
		_, rest, _ := strings.Cut(string(status), name+":")
		n, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usage{len(fds), field("Threads"), field("VmRSS")}
}

// freeAddress is an address that nobody listens on, for programs that do not tell which port they were given.
func freeAddress(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
