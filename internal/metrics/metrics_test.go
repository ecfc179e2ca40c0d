package metrics

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/histogram"
	"github.com/camgw/camgw/internal/web"
)

var update = flag.Bool("update", false, "rewrite docs/metrics.md")

// registry has two cameras that were never run, and a server that answered nothing.
func registry(t *testing.T) *prometheus.Registry {
	t.Helper()
	s := Sources{Version: "1.2.3", Revision: "abc"}
	var views []web.Camera
	var cameras []Camera
	for _, id := range []string{"door", "yard"} {
		hub := fanout.NewHub(web.Envelope)
		cam := camera.New(camera.Options{ID: id, Port: "/dev/" + id, Hub: hub,
			Open: func(context.Context) (camera.Port, error) { return nil, os.ErrNotExist }})
		cameras = append(cameras, Camera{ID: id, Port: "/dev/" + id, Status: cam.Status, Stats: cam.Stats, Hub: hub.Stats})
		views = append(views, web.Camera{ID: id, Hub: hub, Status: func() web.Status { return web.Status{} }})
	}
	server := web.New(web.Options{Cameras: views})
	s.Web = server.Stats
	s.Cameras = func() []Camera { return cameras }
	s.Certificate = func() Certificate { return Certificate{Expires: time.Unix(2e9, 0)} }
	s.Config = func() Config { return Config{Successful: true, Loaded: time.Unix(1, 0)} }
	keeper := access.New(access.Options{})
	keeper.Replace(access.Book{})
	s.Access, s.Users = keeper.Stats, s.Config
	return NewRegistry(s)
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(registry(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestZeroInitialised: every reason of a closed list stands there before it first
// happens, so that a rate() sees the first one.
func TestZeroInitialised(t *testing.T) {
	families, err := registry(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	for name, want := range map[string]int{
		"camgw_frames_rejected_total":          2 * int(camera.NumRejections),
		"camgw_serial_open_failures_total":     2 * len(camera.OpenCauses()),
		"camgw_serial_disconnects_total":       2 * int(camera.NumDisconnects),
		"camgw_link_packet_errors_total":       2 * 4,
		"camgw_camera_state":                   2 * 4,
		"camgw_client_frames_skipped_total":    2 * 3 * 4,
		"camgw_frame_age_seconds":              2 * 3,
		"camgw_frame_memory_bytes":             2,
		"camgw_client_disconnections_total":    2 * 9,
		"camgw_client_rejections_total":        8,
		"camgw_auth_failures_total":            int(access.Reasons),
		"camgw_auth_successes_total":           len(access.Kinds()),
		"camgw_auth_accounts":                  2,
		"camgw_websocket_refusals_total":       8,
		"camgw_http_connections_dropped_total": 7,
		"camgw_tls_certificate_reloads_total":  2,
		"camgw_frames_received_total":          2,
		"camgw_device_settings_total":          2 * int(camera.NumSettingFates),
		"camgw_camera_target_fps":              2,
		"camgw_camera_quality":                 0, // unknown as yet
		"camgw_camera_quality_best":            0,
		"camgw_build_info":                     1,
		"camgw_device_temperature_celsius":     0, // no device has told one
		"camgw_frame_last_timestamp_seconds":   0,
	} {
		if series[name] != want {
			t.Errorf("%s has %d series, want %d", name, series[name], want)
		}
	}
}

// TestSeriesBudget: a small Prometheus has to keep them.
func TestSeriesBudget(t *testing.T) {
	scrape := httptest.NewRecorder()
	NewHandler(registry(t)).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	door, other := 0, 0
	for line := range strings.Lines(scrape.Body.String()) {
		switch {
		case strings.Contains(line, `camera="door"`):
			door++
		case !strings.HasPrefix(line, "#") && !strings.Contains(line, `camera="yard"`):
			other++
		}
	}
	if door > 240 || other > 130 {
		t.Errorf("%d series of a camera and %d others", door, other)
	}
}

// TestSeriesVanishWithTheirCamera: nothing of a camera that is no longer there is told.
func TestSeriesVanishWithTheirCamera(t *testing.T) {
	hub := fanout.NewHub(web.Envelope)
	cam := camera.New(camera.Options{ID: "door", Hub: hub})
	cameras := []Camera{{ID: "door", Status: cam.Status, Stats: cam.Stats, Hub: hub.Stats}}
	r := NewRegistry(Sources{Cameras: func() []Camera { return cameras }, Web: func() web.Stats { return web.Stats{} }})
	series := func() (n int) {
		all, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			for _, m := range f.Metric {
				for _, l := range m.Label {
					if l.GetName() == "camera" {
						n++
					}
				}
			}
		}
		return n
	}
	if series() == 0 {
		t.Fatal("a camera without series")
	}
	cameras = nil
	if n := series(); n != 0 {
		t.Errorf("%d series of a camera that is gone", n)
	}
}

// TestNativeHistogram: the fine buckets hold as many values as the classic ones, each where it belongs.
func TestNativeHistogram(t *testing.T) {
	h := histogram.New(&histogram.Layout{Bounds: []float64{.1, 1}, Low: -14})
	for _, v := range []float64{0, .01, 1, 1, 1.05, 4} {
		h.Observe(v)
	}
	f := &family{desc: prometheus.NewDesc("x", "", nil, nil)}
	ch := make(chan prometheus.Metric, 1)
	f.observed(ch, h)
	var out dto.Metric
	if err := (<-ch).Write(&out); err != nil {
		t.Fatal(err)
	}
	got := out.Histogram
	// Bucket i ends at 2^(i/8): .01 is in -53, 1 in 0, 1.05 in 1, 4 in 16.
	var index int32
	found := map[int32]int64{}
	var count int64
	deltas := got.PositiveDelta
	for _, span := range got.PositiveSpan {
		index += span.GetOffset()
		for range span.GetLength() {
			count += deltas[0]
			deltas = deltas[1:]
			found[index] = count
			index++
		}
	}
	if want := map[int32]int64{-53: 1, 0: 2, 1: 1, 16: 1}; !maps.Equal(found, want) || len(deltas) > 0 {
		t.Errorf("buckets %v, want %v", found, want)
	}
	if got.GetSchema() != 3 || got.GetZeroCount() != 1 || got.GetZeroThreshold() != math.Exp2(-14) || got.GetSampleCount() != 6 || len(got.Bucket) != 2 {
		t.Errorf("%v", got)
	}
}

var described = regexp.MustCompile(`fqName: "([^"]+)", help: "([^"]+)".*variableLabels: \{([^}]*)\}`)

// TestDocs holds docs/metrics.md to the families of the code; -update rewrites its table.
func TestDocs(t *testing.T) {
	const page = "../../docs/metrics.md"
	var table strings.Builder
	table.WriteString("| name | labels | meaning |\n| --- | --- | --- |\n")
	for _, f := range families {
		m := described.FindStringSubmatch(f.desc.String())
		if m == nil {
			t.Fatalf("cannot read %s", f.desc)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", m[1], strings.ReplaceAll(m[3], ",", ", "), m[2])
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), "| name |")
	_, after, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatalf("%s has no table", page)
	}
	want := before + table.String() + "\n" + after
	if want == string(b) {
		return
	}
	if !*update {
		t.Fatalf("%s is out of step; go test ./internal/metrics -update", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
