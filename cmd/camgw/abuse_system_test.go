package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var abuse = flag.Int("abuse", 0, "run TestAbuse, on a machine that does nothing else, and measure so many times as long, with so many times as many who say nothing")

// abuseWindow is how long ages are gathered for one figure.
const abuseWindow = 500 * time.Millisecond

// gathering is the ages of the pictures that healthy viewers get.
type gathering struct {
	mu   sync.Mutex
	ages []time.Duration
}

// watchAges lets n viewers watch until the test ends.
func watchAges(t *testing.T, d *daemon, n int) *gathering {
	t.Helper()
	g := &gathering{}
	for range n {
		v, err := d.watch(t.Context(), "/stream")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for last := uint64(0); ; {
				p, err := v.next(10 * time.Second)
				if t.Context().Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("a healthy viewer was dropped: %v", err)
					return
				}
				if p.seq != last {
					last = p.seq
					g.mu.Lock()
					g.ages = append(g.ages, p.at.Sub(p.taken))
					g.mu.Unlock()
				}
			}
		}()
	}
	return g
}

// p99 measures for one window.
func (g *gathering) p99(t *testing.T) time.Duration {
	t.Helper()
	g.mu.Lock()
	g.ages = g.ages[:0]
	g.mu.Unlock()
	time.Sleep(abuseWindow) // what is measured
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.ages) == 0 {
		return abuseWindow // what comes next is as old
	}
	slices.Sort(g.ages)
	return g.ages[len(g.ages)*99/100]
}

func (g *gathering) windows(t *testing.T, n int) (all []time.Duration) {
	t.Helper()
	for range n * *abuse {
		all = append(all, g.p99(t))
	}
	return all
}

// quantile is the value below which so much of all are.
func quantile(all []time.Duration, part float64) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[int(float64(len(all)-1)*part)]
}

// moved tells whether an attack has aged what healthy viewers see by more than a fifth. What else the machine does disturbs some windows,
// an attack all of those that are its own: the lower quartile of these may not stand above what is usual without it.
func moved(without, during []time.Duration) bool {
	return quantile(during, 0.25) > quantile(without, 0.5)*6/5
}

// drops are the connections dropped, by reason, and those accepted.
func (d *daemon) drops(t *testing.T) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(string(d.get(t, "/metrics"))) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, label, _ := strings.Cut(series, "{")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch _, reason, _ := strings.Cut(label, `"`); name {
		case "camgw_http_connections_dropped_total", "camgw_websocket_refusals_total", "camgw_client_disconnections_total", "camgw_client_rejections_total":
			if _, of, more := strings.Cut(label, `reason="`); more {
				reason = of
			}
			all[strings.TrimRight(reason, `"}`)] += n
		case "camgw_http_connections_accepted_total":
			all["accepted"] = n
		case "camgw_http_requests_total":
			if _, code, found := strings.Cut(label, `code="`); found {
				all[code[:3]] += n
			}
		}
	}
	return all
}

// plainDaemon is the daemon as it is shipped: what the race detector costs would be measured else.
func plainDaemon(t *testing.T, args ...string) *daemon {
	t.Helper()
	program := filepath.Join(t.TempDir(), "camgw")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := &daemon{process: startProcess(t, program, append([]string{"serve", "--config=", "--listen", "127.0.0.1:0"}, args...)...)}
	d.awaitAddress(t)
	return d
}

// peak is the most memory that a process has had, in KiB.
func (p *process) peak(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fresh asks over a new connection, as somebody who comes during an attack does.
func (d *daemon) fresh(t *testing.T, path string) time.Duration {
	t.Helper()
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	begin := time.Now()
	resp, err := client.Get(d.url + path)
	if err != nil {
		t.Errorf("a newcomer got no answer: %v", err)
		return 0
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a newcomer got %s", resp.Status)
	}
	return time.Since(begin)
}

// TestAbuse: whatever attackers do, the age of what healthy viewers see stays where it was, newcomers are answered, memory stays
// bounded, all is counted, and nothing is left of it.
func TestAbuse(t *testing.T) {
	if *abuse == 0 {
		t.Skip("it measures, and wants the machine for itself: make test-abuse")
	}
	album := newAlbum(t, 20, 320, 240, 10000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "20")
	// With a bound that is written down, this machine's other addresses are strangers like any.
	d := plainDaemon(t, "--max-connections-per-address", "400", "--port", cam.link)
	d.awaitState(t, 10*time.Second, "idle")
	g := watchAges(t, d, 20)
	time.Sleep(time.Second) // until all flow
	quiet, quietRoutines, quietPeak := d.usage(t), d.metric(t, "go_goroutines"), d.peak(t)

	type result struct {
		name     string
		before   []time.Duration
		during   []time.Duration
		load     float64 // of a processor, on the daemon's side
		newcomer time.Duration
		report   attackReport
		counted  map[string]float64
	}
	var results []*result
	for _, attack := range []struct {
		name    string
		count   int
		reasons []string // of which the daemon's counters must tell
	}{
		{"silent", 20000 * *abuse, []string{"displaced"}},
		{"slowloris", 300, []string{"silent"}},
		{"slow read", 150, []string{"client"}},
		{"resets", 8, []string{"client"}},
		{"websockets", 8, []string{"flood", "frames"}},
		{"pipelined", 8, []string{"429"}},
		{"bodies", 60, []string{"413"}},
	} {
		r := &result{name: attack.name, before: g.windows(t, 4)}
		results = append(results, r)
		was := d.drops(t)
		end := assault(t, attack.name, d, attack.count)
		time.Sleep(2 * abuseWindow) // until it is at its height
		begin, cpu := time.Now(), d.metric(t, "process_cpu_seconds_total")
		for all := false; !all || len(r.during) < 40**abuse && moved(r.before, r.during); {
			// What else the machine does comes and goes; what an attack costs stays. So a figure that is too high is taken for longer.
			r.during = append(r.during, g.windows(t, 8)...)
			all = attack.name != "silent" || d.drops(t)["accepted"]-was["accepted"] >= float64(attack.count) || time.Since(begin) > time.Minute
		}
		r.load = (d.metric(t, "process_cpu_seconds_total") - cpu) / time.Since(begin).Seconds()
		r.newcomer = d.fresh(t, "/healthz")
		t.Logf("%s: before %v, during %v", r.name, r.before, r.during)
		r.report = end()
		within(t, 15*time.Second, "the end of all that "+attack.name+" has opened", func() bool { return d.metric(t, "camgw_http_connections") <= 22 })
		r.counted = d.drops(t)
		for reason, n := range was {
			if r.counted[reason] -= n; r.counted[reason] == 0 {
				delete(r.counted, reason)
			}
		}
		for _, reason := range attack.reasons {
			if r.counted[reason] == 0 {
				t.Errorf("%s: nothing is counted as %s: %v", attack.name, reason, r.counted)
			}
		}
		if r.report.Connections == 0 {
			t.Errorf("%s did not connect", attack.name)
		}
	}
	last := g.windows(t, 4)

	for i, r := range results {
		after := last
		if i+1 < len(results) {
			after = results[i+1].before
		}
		around := append(slices.Clone(r.before), after...)
		base, under, median := quantile(around, 0.5), quantile(r.during, 0.25), quantile(r.during, 0.5)
		percent := func(to time.Duration) float64 { return 100 * (float64(to)/float64(base) - 1) }
		t.Logf("%-10s p99 age without %.1f ms, with: median %.1f ms (%+.0f %%), lower quartile %+.0f %%; %.0f %% of a processor; newcomer %v; %+v; counted %v",
			r.name, 1000*base.Seconds(), 1000*median.Seconds(), percent(median), percent(under), 100*r.load, r.newcomer.Round(100*time.Microsecond), r.report, r.counted)
		if moved(around, r.during) {
			t.Errorf("%s ages what healthy viewers see from %v to %v: %v, and %v around it", r.name, base, under, r.during, around)
		}
	}
	// Every connection that said nothing is accounted for: those that were not closed by the daemon were open at the end.
	silent := results[0]
	unexplained := silent.counted["accepted"] - silent.counted["displaced"] - silent.counted["silent"] - silent.counted["full"]
	if limit := d.metric(t, "camgw_http_connections_limit"); silent.report.Connections < int64(20000**abuse) || unexplained > limit+30 {
		t.Errorf("of %d silent connections %v are not accounted for: %v", silent.report.Connections, unexplained, silent.counted)
	}
	peak := d.peak(t)
	t.Logf("memory %d KiB at most, %d before", peak, quietPeak)
	if peak > quietPeak+96<<10 {
		t.Errorf("memory rose from %d to %d KiB", quietPeak, peak)
	}
	within(t, 10*time.Second, "goroutines and descriptors as before", func() bool {
		now := d.usage(t)
		return now.descriptors <= quiet.descriptors+4 && d.metric(t, "go_goroutines") <= quietRoutines+4
	})
	if n := d.metric(t, "camgw_http_accept_failures_total"); n != 0 {
		t.Errorf("%v connections could not be accepted", n)
	}
	if n := d.metric(t, "camgw_panics_recovered_total"); n != 0 {
		t.Errorf("%v panics", n)
	}
}

// TestFloodWithFewDescriptors: a gateway that may open 1,024 files, flooded by 20,000 who say nothing from many addresses and then
// from one, opens its camera's port when that comes back, and shows it to newcomers.
func TestFloodWithFewDescriptors(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 96, 96, 2000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "10")
	d := &daemon{process: startProcess(t, "prlimit", "--nofile=1024:1024", programs.camgw, "serve", "--config=", "--listen", "127.0.0.1:0",
		"--max-connections-per-address", "200", "--port", cam.link)}
	d.awaitAddress(t)
	d.awaitState(t, 10*time.Second, "idle")
	before := d.usage(t)
	if n := d.metric(t, "camgw_http_connections_limit"); n != 1024-64-21-4 {
		t.Errorf("%v connections allowed", n)
	}
	for _, attack := range []struct{ name, reason string }{{"silent", "displaced"}, {"one host", "address"}} {
		end := assault(t, attack.name, d, 20000)
		within(t, 20*time.Second, "the flood", func() bool { return d.drops(t)[attack.reason] > 2000 })
		cam.kill(syscall.SIGKILL)
		os.Remove(cam.link) // a killed process leaves it, udev would not
		d.awaitState(t, 5*time.Second, "offline")
		cam.start(t)
		d.awaitState(t, 15*time.Second, "idle", "streaming")
		d.fresh(t, "/snapshot.jpg")
		if n := d.usage(t).descriptors; n > 1024 {
			t.Errorf("%d descriptors", n)
		}
		end()
		within(t, 15*time.Second, "its end", func() bool { return d.metric(t, "camgw_http_connections") <= 2 })
	}
	if n := d.metric(t, "camgw_http_accept_failures_total"); n != 0 {
		t.Errorf("%v connections could not be accepted", n)
	}
	within(t, 10*time.Second, "descriptors as before", func() bool { return d.usage(t).descriptors <= before.descriptors+2 })
	d.balance(t)
}
