package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/bench"
)

// daemon is the program under test, through all its lives. It belongs to one goroutine, but for the questions: those
// anybody may ask.
type daemon struct {
	program string
	dir     string
	address string
	log     *logTail
	clock   *wallClock // nil: its clock cannot be stepped
	client  http.Client

	process *bench.Process // nil between two lives
	life    uint16
	asked   *atomic.Bool // that life is to end
	files   unix.Rlimit  // of the process when it began
}

func newDaemon(program, dir string, clock *wallClock) (*daemon, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("free port: %w", err)
	}
	defer l.Close()
	log, err := newLogTail(filepath.Join(dir, "daemon.log"))
	if err != nil {
		return nil, err
	}
	return &daemon{
		program: program, dir: dir, address: l.Addr().String(), log: log, clock: clock,
		client: http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}, nil
}

func (d *daemon) configFile() string { return filepath.Join(d.dir, "camgw.toml") }

// configure writes the configuration file. What is bounded is bounded below what memory is judged by.
func (d *daemon) configure(devices []*device, maxViewers int, mistake string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "[http]\nlisten = %q\n\n[delivery]\nall_buffer = \"1MiB\"\nall_patience = \"3s\"\nlockstep_timeout = \"1s\"\n\n[limits]\nmax_viewers = %d\n%s\n",
		d.address, maxViewers, mistake)
	for _, c := range devices {
		fmt.Fprintf(&b, "\n[[camera]]\nname = %q\nport = %q\n", c.id, c.link())
	}
	if err := os.WriteFile(d.configFile(), []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("daemon's configuration: %w", err)
	}
	return nil
}

// start begins a life. With fullDisk its log goes to a device that has no room. See [bench.Start] for who may call it.
func (d *daemon) start(ctx context.Context, fullDisk bool) error {
	stderr, err := d.log.open()
	if err != nil {
		return err
	}
	defer stderr.Close()
	if fullDisk {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer full.Close()
		stderr = full
	}
	d.life++
	d.asked = new(atomic.Bool)
	env := []string{"GORACE=halt_on_error=0 log_path=" + d.raceLog()}
	if d.clock != nil {
		env = append(env, clockVariable+"="+d.clock.path)
	}
	d.process, err = bench.Start(ctx, bench.Command{Core: -1, Path: d.program, Args: []string{"serve", "--config", d.configFile()}, Stderr: stderr, Env: env})
	if err != nil {
		return err
	}
	return unix.Prlimit(d.process.PID(), unix.RLIMIT_NOFILE, nil, &d.files)
}

func (d *daemon) raceLog() string { return filepath.Join(d.dir, "race") }

// races returns what the race detector has found, if the program has one.
func (d *daemon) races() string {
	files, _ := filepath.Glob(d.raceLog() + ".*") // the pattern is good
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
			return string(b)
		}
	}
	return ""
}

// kill ends a life without a word.
func (d *daemon) kill() {
	d.asked.Store(true)
	d.process.Signal(syscall.SIGKILL)
	<-d.process.Done()
	d.process = nil
}

// stopLimit is how long the daemon may take to end when asked.
const stopLimit = 8 * time.Second

// stop asks the daemon to end and returns how it did.
func (d *daemon) stop() error {
	p := d.process
	d.asked.Store(true)
	p.Signal(syscall.SIGTERM)
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-p.Done():
	case <-limit.C:
		d.kill()
		return fmt.Errorf("it did not end within %v of SIGTERM", stopLimit)
	}
	d.process = nil
	if code := p.ExitCode(); code != 0 {
		return fmt.Errorf("asked to end, it ended with %d", code)
	}
	return nil
}

// starve lets the daemon open no file more; feed takes that back.
func (d *daemon) starve() error {
	open, err := descriptors(d.process.PID())
	if err != nil {
		return err
	}
	few := d.files
	few.Cur = uint64(open)
	return unix.Prlimit(d.process.PID(), unix.RLIMIT_NOFILE, &few, nil)
}

func (d *daemon) feed() error {
	return unix.Prlimit(d.process.PID(), unix.RLIMIT_NOFILE, &d.files, nil)
}

func descriptors(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, fmt.Errorf("descriptors of the daemon: %w", err)
	}
	return len(entries), nil
}

func (d *daemon) get(path string) (io.ReadCloser, error) {
	answer, err := d.client.Get("http://" + d.address + path)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return answer.Body, nil
}

// account are the daemon's metrics, by series as they are written: name{label="value",...}.
type account map[string]float64

// metrics asks for them.
func (d *daemon) metrics() (account, error) {
	body, err := d.get("/metrics")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return parseAccount(body)
}

func parseAccount(r io.Reader) (account, error) {
	a := make(account)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		a[line[:at]] = v
	}
	return a, lines.Err()
}

// sum adds up the series of a family that have these labels, each written as name="value".
func (a account) sum(family string, labels ...string) (sum float64) {
next:
	for series, v := range a {
		name, rest, _ := strings.Cut(series, "{")
		if name != family {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(rest, l) {
				continue next
			}
		}
		sum += v
	}
	return sum
}

// cameraState is what the API says of a camera.
type cameraState struct {
	ID, State, Cause, Reason string

	Frames struct {
		Received, Published, Lost uint64
		Rejected                  map[string]uint64
	}
}

// cameras asks for all of them.
func (d *daemon) cameras() ([]cameraState, error) {
	body, err := d.get("/api/v1/cameras")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var list struct{ Cameras []cameraState }
	if err := json.NewDecoder(body).Decode(&list); err != nil {
		return nil, fmt.Errorf("cameras: %w", err)
	}
	return list.Cameras, nil
}
