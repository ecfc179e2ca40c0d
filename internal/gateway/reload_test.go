package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/web"
)

// daemon is a gateway in this process whose configuration can be changed.
type daemon struct {
	t       *testing.T
	base    string
	client  *http.Client
	reloads chan os.Signal
	told    chan error
	log     *lockedBuffer

	mu   sync.Mutex
	next config.Config
	err  error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, cfg config.Config) *daemon {
	t.Helper()
	d := &daemon{t: t, reloads: make(chan os.Signal), told: make(chan error), log: &lockedBuffer{},
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan net.Addr, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, Options{
			Logger: slog.New(slog.NewTextHandler(d.log, nil)), Version: "test", Ready: func(a net.Addr) { addr <- a },
			Reloads: d.reloads,
			Load: func() (config.Config, error) {
				d.mu.Lock()
				defer d.mu.Unlock()
				return d.next, d.err
			},
			Reloaded: func(err error) { d.told <- err },
		})
	}()
	d.base = "http://" + (<-addr).String()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// reload lets the daemon load what is given.
func (d *daemon) reload(cfg config.Config, err error) error {
	d.mu.Lock()
	d.next, d.err = cfg, err
	d.mu.Unlock()
	d.reloads <- os.Interrupt // which one makes no difference
	return <-d.told
}

func (d *daemon) get(path string) (int, string) {
	d.t.Helper()
	resp, err := d.client.Get(d.base + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (d *daemon) ids() string {
	d.t.Helper()
	var list struct{ Cameras []web.Status }
	if _, body := d.get("/api/v1/cameras"); json.Unmarshal([]byte(body), &list) != nil {
		d.t.Fatal(body)
	}
	var ids []string
	for _, c := range list.Cameras {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, " ")
}

// viewer reads a stream and knows nothing of parts but where they begin.
type viewer struct {
	body  io.ReadCloser
	lines *bufio.Reader
}

func (d *daemon) watch(path string) *viewer {
	d.t.Helper()
	resp, err := d.client.Get(d.base + path)
	if err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatal(resp, err)
	}
	d.t.Cleanup(func() { resp.Body.Close() })
	return &viewer{resp.Body, bufio.NewReader(resp.Body)}
}

// pictures reads so many parts.
func (v *viewer) pictures(n int) error {
	for n > 0 {
		line, err := v.lines.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "Content-Length:") {
			n--
		}
	}
	return nil
}

// TestReload: cameras come, change and go, and who watches another one notices nothing.
func TestReload(t *testing.T) {
	cfg := simulated("door", "yard")
	d := start(t, cfg)
	door, yard := d.watch("/cam/door/stream.mjpg"), d.watch("/cam/yard/stream.mjpg")
	for _, v := range []*viewer{door, yard} {
		if err := v.pictures(3); err != nil {
			t.Fatal(err)
		}
	}

	// Another order, one more, one changed.
	next := simulated("shed", "yard", "door")
	next.Cameras[1].Address = "size=160x120,fps=20,name=changed"
	next.Cameras[1].Port = "sim:changed"
	next.MaxViewers = 3
	if err := d.reload(next, nil); err != nil {
		t.Fatal(err)
	}
	if ids := d.ids(); ids != "shed yard door" {
		t.Errorf("cameras %s", ids)
	}
	if _, body := d.get("/metrics"); !strings.Contains(body, `camgw_camera_up{camera="shed"}`) || !strings.Contains(body, "camgw_clients_limit 3\n") ||
		!strings.Contains(body, "camgw_config_last_reload_successful 1\n") {
		t.Errorf("metrics:\n%s", body)
	}
	shed := d.watch("/stream") // the first one now
	if resp, err := d.client.Get(d.base + "/cam/door/stream.mjpg"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the fourth viewer of three: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	for name, v := range map[string]*viewer{"unchanged": door, "changed": yard, "new": shed} {
		if err := v.pictures(30); err != nil {
			t.Errorf("the viewer of the %s camera: %v", name, err)
		}
	}
	var st web.Status
	if _, body := d.get("/api/v1/cameras/yard"); json.Unmarshal([]byte(body), &st) != nil || st.Device == nil || st.Device.Name != "changed" || st.Port != "sim:changed" {
		t.Errorf("%s", body)
	}

	// One less: its viewers end, and nothing is left of it but that they did.
	last := simulated("shed", "door")
	if err := d.reload(last, nil); err != nil {
		t.Fatal(err)
	}
	if err := yard.pictures(1000); !errors.Is(err, io.EOF) {
		t.Errorf("the viewer of the removed camera: %v", err)
	}
	if code, _ := d.get("/cam/yard/snapshot.jpg"); code != http.StatusNotFound {
		t.Errorf("the removed camera: %d", code)
	}
	_, body := d.get("/metrics")
	if strings.Contains(body, `camera="yard"`) || !strings.Contains(body, "camgw_client_removals_total 1\n") {
		t.Errorf("metrics:\n%s", body)
	}
	for name, v := range map[string]*viewer{"unchanged": door, "new": shed} {
		if err := v.pictures(30); err != nil {
			t.Errorf("the viewer of the %s camera: %v", name, err)
		}
	}
	for _, want := range []string{"added=[shed] changed=[yard] removed=[] unchanged=[door]", "added=[] changed=[] removed=[yard] unchanged=\"[shed door]\""} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, d.log)
		}
	}
}

// TestReloadOfNothing: whatever is wrong, all stays as it was, and the log and the metrics say so.
func TestReloadOfNothing(t *testing.T) {
	cfg := simulated("door")
	d := start(t, cfg)
	door := d.watch("/cam/door/stream.mjpg")
	change := func(f func(*config.Config)) config.Config {
		c := simulated("yard")
		f(&c)
		return c
	}
	for _, tt := range []struct {
		next config.Config
		err  error
		want string
	}{
		{err: errors.New("line 3 is wrong"), want: "line 3 is wrong"},
		{next: change(func(c *config.Config) { c.Cameras[0].Address = "colour=red" }), want: "colour"},
		{next: change(func(c *config.Config) {
			c.Cameras[0].Settings = []config.Setting{{Key: "quality", Value: "64", Given: "camgw.toml:7: camera.settings.quality = 64"}}
		}), want: `camgw.toml:7: camera.settings.quality = 64: \"64\" is no value for quality; try: 0 to 63`},
		{next: change(func(c *config.Config) { c.Listen = "127.0.0.1:1" }),
			want: `http.listen: it is \"127.0.0.1:0\" and cannot become \"127.0.0.1:1\" while the daemon runs; try: a restart, or the old value and another reload`},
		{next: change(func(c *config.Config) { c.StreamListen = "127.0.0.1:81" }), want: "http.webserver_stream_listen: it is"},
		{next: change(func(c *config.Config) { c.AllowGetControl = true }), want: "http.allow_get_control: it is false and cannot become true"},
	} {
		if err := d.reload(tt.next, tt.err); err == nil {
			t.Errorf("%s: accepted", tt.want)
		}
		if !strings.Contains(d.log.String(), "configuration not reloaded: all stays as it was") || !strings.Contains(d.log.String(), tt.want) {
			t.Errorf("the log lacks %s:\n%s", tt.want, d.log)
		}
		if _, body := d.get("/metrics"); !strings.Contains(body, "camgw_config_last_reload_successful 0\n") {
			t.Error("the metric says that it was loaded")
		}
		if ids := d.ids(); ids != "door" {
			t.Errorf("cameras %s", ids)
		}
	}
	if err := door.pictures(30); err != nil {
		t.Errorf("the viewer: %v", err)
	}
	if err := d.reload(cfg, nil); err != nil {
		t.Error(err)
	}
	if _, body := d.get("/metrics"); !strings.Contains(body, "camgw_config_last_reload_successful 1\n") {
		t.Error("the metric says that the last one failed")
	}
	if !strings.Contains(d.log.String(), "unchanged=[door]") {
		t.Errorf("%s", d.log)
	}
}

// TestReloadOfNames: which names, sites and frames are let near changes with a reload, for whoever comes after it.
func TestReloadOfNames(t *testing.T) {
	cfg := simulated("door")
	d := start(t, cfg)
	ask := func() (int, http.Header) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, d.base+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "cams.example.net"
		r.Header.Set("Origin", "https://mainsail.lan")
		resp, err := d.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header
	}
	if code, header := ask(); code != http.StatusMisdirectedRequest || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("before: %d %v", code, header)
	}
	cfg.Browsing = config.Browsing{Hosts: []string{"cams.example.net"}, CORSOrigins: []string{"https://mainsail.lan"}, FrameAncestors: []string{"https://ha.lan"}}
	if err := d.reload(cfg, nil); err != nil {
		t.Fatal(err)
	}
	if code, header := ask(); code != http.StatusOK || header.Get("Access-Control-Allow-Origin") != "https://mainsail.lan" || !strings.Contains(header.Get("Content-Security-Policy"), "https://ha.lan") {
		t.Errorf("after: %d %v", code, header)
	}
	for _, name := range ownNames() {
		if name != strings.ToLower(name) || strings.Contains(name, ":") {
			t.Errorf("this machine is called %q", name)
		}
	}
}

// TestReloadStorm: reloads among requests, for the race detector.
func TestReloadStorm(t *testing.T) {
	sets := []config.Config{simulated("a"), simulated("b", "a"), simulated("b"), simulated("a", "c")}
	d := start(t, sets[0])
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	var clients sync.WaitGroup
	for _, path := range []string{"/stream", "/cam/b/stream.mjpg", "/metrics", "/api/v1/cameras", "/snapshot.jpg", "/cam/c/snapshot.jpg"} {
		clients.Go(func() {
			for ctx.Err() == nil {
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
				resp, err := d.client.Do(req)
				if err != nil {
					continue // ctx has ended
				}
				_, _ = io.CopyN(io.Discard, resp.Body, 20000)
				resp.Body.Close()
			}
		})
	}
	for i := range 40 {
		if err := d.reload(sets[(i+1)%len(sets)], nil); err != nil {
			t.Error(err)
		}
	}
	cancel()
	clients.Wait()
	if ids := d.ids(); ids != "a" {
		t.Errorf("cameras %s", ids)
	}
}
