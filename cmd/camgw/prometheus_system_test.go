package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deploy is what operators get.
const deploy = "../../deploy"

// prometheus is Debian's, with the scrape file and the rules that operators get, sixty times as fast: what they call a minute
// is a second here.
type prometheus struct {
	*process
	url   string
	begin time.Time
}

var minutes = regexp.MustCompile(`(for: |\[)(\d+)(m|h)\b`)

func startPrometheus(t *testing.T, targets []string, flags ...string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	rules := minutes.ReplaceAllStringFunc(slurp(t, deploy+"/prometheus/camgw.rules.yml"), func(s string) string {
		if unit, ok := strings.CutSuffix(s, "h"); ok {
			return unit + "m"
		}
		return strings.TrimSuffix(s, "m") + "s"
	})
	config := strings.NewReplacer("15s", "1s", "'127.0.0.1:8080'", "'"+strings.Join(targets, "', '")+"'").
		Replace(slurp(t, deploy+"/prometheus/prometheus.yml"))
	for name, text := range map[string]string{"camgw.rules.yml": rules, "prometheus.yml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t, "127.0.0.1")
	p := &prometheus{url: "http://" + address, begin: time.Now()}
	p.process = startProcess(t, "prometheus", append([]string{"--config.file=" + dir + "/prometheus.yml", "--storage.tsdb.path=" + dir + "/data",
		"--web.listen-address=" + address, "--log.level=warn"}, flags...)...)
	within(t, ample, "Prometheus", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	t.Cleanup(func() { p.kill(syscall.SIGTERM) }) // else its last writes meet the removal of its folder
	return p
}

func slurp(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sample is one series of an answer.
type sample struct {
	Metric map[string]string
	Value  [2]any   // of query
	Values [][2]any // of query_range
}

func (p *prometheus) ask(t testing.TB, path string, values url.Values, data any) {
	t.Helper()
	resp, err := http.Get(p.url + "/api/v1/" + path + "?" + values.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s %v: %v\n%s", path, values, err, b)
	}
}

func (p *prometheus) query(t testing.TB, expr string) []sample {
	t.Helper()
	var data struct{ Result []sample }
	p.ask(t, "query", url.Values{"query": {expr}}, &data)
	return data.Result
}

// value is that of an expression with one result.
func (p *prometheus) value(t testing.TB, expr string) string {
	t.Helper()
	result := p.query(t, expr)
	if len(result) != 1 {
		return ""
	}
	return result[0].Value[1].(string)
}

// during asks for the whole run.
func (p *prometheus) during(t testing.TB, expr string) []sample {
	t.Helper()
	var data struct{ Result []sample }
	p.ask(t, "query_range", url.Values{"query": {expr}, "step": {"1"},
		"start": {fmt.Sprintf("%.3f", float64(p.begin.UnixMilli())/1000)}, "end": {fmt.Sprintf("%.3f", float64(time.Now().UnixMilli())/1000)}}, &data)
	return data.Result
}

// fired are the alerts that have ever fired, as "name instance camera".
func (p *prometheus) fired(t testing.TB) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, s := range p.query(t, `max_over_time(ALERTS{alertstate="firing"}[1h])`) {
		all[strings.TrimSpace(s.Metric["alertname"]+" "+s.Metric["instance"]+" "+s.Metric["camera"])] = true
	}
	return all
}

// keepWatching keeps a viewer at a path, whatever becomes of its stream.
func keepWatching(ctx context.Context, wg *sync.WaitGroup, d *daemon, path string) {
	wg.Go(func() {
		for ctx.Err() == nil {
			v, err := d.watch(ctx, path)
			for err == nil {
				_, err = v.next(10 * time.Second)
			}
			if v != nil {
				v.conn.Close()
			}
			pause(ctx, 200*time.Millisecond)
		}
	})
}

// laggard reads 100 kB/s of a stream, whatever it has.
func laggard(ctx context.Context, wg *sync.WaitGroup, d *daemon, path string) {
	wg.Go(func() {
		for ctx.Err() == nil {
			v, err := d.watch(ctx, path)
			if err != nil {
				pause(ctx, 200*time.Millisecond)
				continue
			}
			err = v.conn.(*net.TCPConn).SetReadBuffer(16 << 10)
			for b := make([]byte, 4096); err == nil; pause(ctx, 40*time.Millisecond) {
				_, err = v.conn.Read(b)
			}
			v.conn.Close()
		}
	})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// TestPrometheus: a real Prometheus with the operators' own files scrapes a gateway that is well and one that has every
// trouble there is. Every family arrives, every expression of the dashboard has an answer, and alerts tell the two apart.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	small, large, huge := newAlbum(t, 10, 160, 120, 6000), newAlbum(t, 10, 320, 240, 20000), newAlbum(t, 5, 320, 240, 30000)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	well := startDaemon(t, "--set", "door:quality=auto", "--set", "door:target_fps=8",
		"--port", "door="+startHostcam(t, "--fps", "10", "--size", "320x240").link,
		"--port", "rest="+startHostcam(t, "--fps", "10").link, // nobody watches it
		"--port", "shed=sim:fps=10,size=320x240,temperature=41.5")
	keepWatching(ctx, &wg, well, "/cam/door/stream.mjpg")
	keepWatching(ctx, &wg, well, "/cam/shed/stream.mjpg?mode=all")

	cams := map[string]*hostcam{
		"noisy":  startHostcam(t, "--frames", small.dir, "--fps", "10", "--flip", "1e-4", "--usb"),
		"fast":   startHostcam(t, "--frames", huge.dir, "--fps", "8", "--flip", "1.5e-5"), // passes its test, and damages a third of the pictures
		"late":   startHostcam(t, "--frames", large.dir, "--baud-max", "115200"),
		"flap":   startHostcam(t, "--frames", small.dir, "--fps", "10"),
		"reboot": startHostcam(t, "--frames", small.dir, "--fps", "10"),
		"frozen": startHostcam(t, "--frames", small.dir, "--fps", "10"),
		"crowd":  startHostcam(t, "--frames", large.dir, "--fps", "15"),
	}
	address := freeAddress(t, "127.0.0.1")
	args := []string{"--listen", address, "--max-viewers", "11", "--port", "absent=" + t.TempDir() + "/ttyUSB7"}
	for _, name := range slices.Sorted(maps.Keys(cams)) {
		args = append(args, "--port", name+"="+cams[name].link)
	}
	ill := startDaemon(t, args...)
	within(t, 30*time.Second, "every camera linked", func() bool {
		for _, c := range append(well.cameras(t), ill.cameras(t)...) {
			if c.ID != "absent" && c.State != "idle" && c.State != "streaming" {
				return false
			}
		}
		return true
	})
	// The third has all the descriptors open that it may have.
	full := startDaemon(t, "--port", "shed=sim:fps=2,size=320x240")
	for range 30 {
		keepWatching(ctx, &wg, full, "/stream")
	}
	crowded := strings.TrimPrefix(full.url, "http://")
	p := startPrometheus(t, []string{strings.TrimPrefix(well.url, "http://"), address, crowded})
	within(t, ample, "scrapes, and viewers in their places", func() bool {
		return full.metric(t, "camgw_clients") == 30 && len(p.query(t, "up == 1")) == 3
	})
	limit := uint64(full.usage(t).descriptors) + 1
	if err := unix.Prlimit(full.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"noisy", "fast", "late", "flap", "reboot", "frozen"} {
		keepWatching(ctx, &wg, ill, "/cam/"+name+"/stream.mjpg")
	}
	for range 5 {
		laggard(ctx, &wg, ill, "/cam/crowd/stream.mjpg")
	}
	within(t, ample, "a first picture, and every place taken", func() bool {
		return ill.metric(t, `camgw_frames_published_total{camera="frozen"}`) > 0 && ill.metric(t, "camgw_clients") == 11
	})
	if err := cams["frozen"].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			_ = cams["reboot"].cmd.Process.Signal(syscall.SIGHUP)
			_ = cams["flap"].cmd.Process.Signal([]syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2}[n%2])
			pause(ctx, 1500*time.Millisecond)
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if v, err := ill.watch(ctx, "/cam/crowd/stream.mjpg"); err == nil { // there was a place for a moment
				v.conn.Close()
			}
			pause(ctx, 2*time.Second)
		}
	})

	fires := func(limit time.Duration, instance string, alerts ...string) {
		t.Helper()
		var missing []string
		begin := time.Now()
		for {
			fired := p.fired(t)
			missing = slices.DeleteFunc(slices.Clone(alerts), func(a string) bool {
				name, camera, _ := strings.Cut(a, " ")
				return fired[strings.TrimSpace(name+" "+instance+" "+camera)]
			})
			if len(missing) == 0 || time.Since(begin) > limit {
				break
			}
			pause(ctx, 300*time.Millisecond)
		}
		if len(missing) > 0 {
			t.Errorf("not fired within %v: %q", limit, missing)
		}
		t.Logf("after %v: %q", time.Since(begin).Round(time.Second), alerts)
	}
	ofRun := []string{"CamgwClientsNearLimit", "CamgwClientsRefused", "CamgwCameraDown absent", "CamgwCameraDown frozen", "CamgwCameraStale frozen",
		"CamgwSerialFlapping flap", "CamgwDeviceRebootLoop reboot", "CamgwLinkCorruption noisy", "CamgwFramesRejected noisy", "CamgwRateFallback fast",
		"CamgwFramesLate late", "CamgwViewersLagging crowd"}
	fires(60*time.Second, address, ofRun...)
	fires(15*time.Second, crowded, "CamgwDescriptorsNearLimit")
	everyFamily(t, p)
	everyExpression(t, p)
	native(t, well)
	if rest := 60*time.Second - time.Since(p.begin); rest > 0 {
		pause(ctx, rest) // so that the gateway that is well has been so for an hour of the rules'
	}
	if *updateScreenshots {
		drawDashboard(t, p, filepath.Join("..", "..", "docs", "images", "dashboard.webp"))
	}

	started := fmt.Sprintf(`process_start_time_seconds{instance=%q}`, address)
	last := p.value(t, started)
	// Three starts within the rule's quarter of an hour, which is 15 seconds here, and too few for a machine that is busy.
	for begin := time.Now(); !p.fired(t)["CamgwRestarting "+address] && time.Since(begin) < time.Minute; {
		ill.kill(syscall.SIGKILL)
		ill.process = startDaemon(t, args...).process
		within(t, ample, "a scrape of the new process", func() bool {
			now := p.value(t, started)
			was := last
			last = cmp.Or(now, last)
			return last != was
		})
	}
	fires(0, address, "CamgwRestarting")
	ill.kill(os.Interrupt)
	fires(10*time.Second, address, "CamgwDown")

	// What a run cannot bring about; the rules' own tests do.
	others := []string{"CamgwPanic", "CamgwConfigRejected", "CamgwCaptureFailing", "CamgwLineOverrun",
		"CamgwConnectionsDropped", "CamgwCertificateExpiring", "CamgwCertificateNotTaken", "CamgwUsersRejected", "CamgwPasswordGuessing"}
	tested := append(ofRun, "CamgwDescriptorsNearLimit", "CamgwRestarting", "CamgwDown")
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(slurp(t, deploy+"/prometheus/camgw.rules.yml"), -1) {
		if !slices.Contains(others, m[1]) && !slices.ContainsFunc(tested, func(a string) bool { return strings.HasPrefix(a, m[1]) }) {
			t.Errorf("%s is not put to the test", m[1])
		}
	}
	for alert := range p.fired(t) {
		if !strings.Contains(alert, " "+address) && alert != "CamgwDescriptorsNearLimit "+crowded {
			t.Errorf("a gateway that is well: %s", alert)
		}
		for _, name := range others {
			if strings.HasPrefix(alert, name) {
				t.Errorf("nothing of the kind has happened: %s", alert)
			}
		}
	}
}

// everyFamily: what docs/metrics.md lists, Prometheus has.
func everyFamily(t *testing.T, p *prometheus) {
	t.Helper()
	var names []string
	p.ask(t, "label/__name__/values", nil, &names)
	listed := regexp.MustCompile("(?m)^\\| `(camgw_\\w+)`").FindAllStringSubmatch(slurp(t, "../../docs/metrics.md"), -1)
	if len(listed) < 60 {
		t.Fatalf("docs/metrics.md lists %d families", len(listed))
	}
	for _, m := range listed {
		if strings.HasPrefix(m[1], "camgw_tls_") || strings.HasPrefix(m[1], "camgw_auth_users_last_reload_") {
			continue // of gateways that speak TLS (TestTLS), or have users
		}
		if !slices.Contains(names, m[1]) && !slices.Contains(names, m[1]+"_bucket") {
			t.Errorf("Prometheus has no %s", m[1])
		}
	}
}

// everyExpression: Prometheus answers what the dashboard asks, and has something to tell.
func everyExpression(t *testing.T, p *prometheus) {
	t.Helper()
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			if len(p.during(t, inRun(target.Expr))) == 0 {
				t.Errorf("%s: nothing for %s", panel.Title, target.Expr)
			}
		}
	}
}

// dashboard is what the tests read of the one for Grafana.
type dashboard struct {
	Panels []dashboardPanel
}

type dashboardPanel struct {
	Title, Type string
	Targets     []struct{ Expr, LegendFormat string }
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(slurp(t, deploy+"/grafana/camgw.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// inRun puts into an expression what Grafana would.
func inRun(expr string) string {
	return strings.NewReplacer("$__rate_interval", "4s", "$instance", ".*", "$camera", ".*").Replace(expr)
}

// native: a Prometheus that takes native histograms gets them.
func native(t *testing.T, d *daemon) {
	t.Helper()
	p := startPrometheus(t, []string{strings.TrimPrefix(d.url, "http://")}, "--enable-feature=native-histograms")
	// 10 pictures a second. A fine bucket is a twelfth wide, where the classic one reaches from .066 to .1.
	within(t, ample, "a native histogram with a median of a tenth of a second", func() bool {
		median, err := strconv.ParseFloat(p.value(t, `histogram_quantile(0.5, rate(camgw_frame_interval_seconds{camera="shed"}[4s]))`), 64)
		return err == nil && median > .085 && median < .115
	})
	p.kill(syscall.SIGTERM)
}
