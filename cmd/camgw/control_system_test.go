package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// control is a setting as the API shows it.
type control struct {
	Value     any
	Min, Max  any
	Supported bool
	ReadOnly  bool `json:"read_only"`
	Name      string
	Auto      bool
	Clamped   bool
}

// ask makes a request and returns the status and the body.
func (d *daemon) ask(t testing.TB, method, path, body string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: 8 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, b
}

// config reads the settings; false while there is no device to ask.
func (d *daemon) config(t testing.TB) (map[string]control, bool) {
	t.Helper()
	code, _, b := d.ask(t, "GET", "/api/v1/cameras/cam1/config", "")
	if code == http.StatusServiceUnavailable {
		return nil, false
	}
	var all map[string]control
	if err := json.Unmarshal(b, &all); code != http.StatusOK || err != nil {
		t.Fatalf("config: %d %v %s", code, err, b)
	}
	return all, true
}

// awaitConfig waits until the device is linked and its settings are known.
func (d *daemon) awaitConfig(t testing.TB, limit time.Duration) map[string]control {
	t.Helper()
	var all map[string]control
	within(t, limit, "settings", func() (ok bool) { all, ok = d.config(t); return ok })
	return all
}

// patch sets something and returns what was set.
func (d *daemon) patch(t testing.TB, query, body string) map[string]control {
	t.Helper()
	code, _, b := d.ask(t, "PATCH", "/api/v1/cameras/cam1/config"+query, body)
	var set map[string]control
	if err := json.Unmarshal(b, &set); code != http.StatusOK || err != nil {
		t.Fatalf("PATCH %s: %d %v %s", body, code, err, b)
	}
	return set
}

// webServerStatus reads /status.
func (d *daemon) webServerStatus(t testing.TB) map[string]float64 {
	t.Helper()
	var state map[string]float64
	if err := json.Unmarshal(d.get(t, "/status"), &state); err != nil {
		t.Fatal(err)
	}
	return state
}

// aliases are CameraWebServer's names for settings that have another one in the API.
var aliases = map[string]string{"size": "framesize", "effect": "special_effect", "lamp": "led_intensity"}

// hidden are settings that CameraWebServer's /status does not know.
var hidden = []string{"min_interval_ms", "log_level", "target_fps", "quality_best", "quality_worst"}

// everything are the settings of docs/protocol.md.
var everything = strings.Fields("size quality min_interval_ms brightness contrast saturation sharpness hmirror vflip awb wb_mode aec " +
	"aec_value ae_level agc agc_gain gainceiling aec2 effect lenc raw_gma bpc wpc dcw colorbar denoise xclk_hz lamp chunk_bytes " +
	"log_level target_fps quality_best quality_worst awb_gain")

// TestEverySettingOverTheWire sets every setting of the device through the API and through the aliases, to both ends of its range,
// and reads it back both ways; and has what is out of range, read only, unsupported and unknown refused by name.
func TestEverySettingOverTheWire(t *testing.T) {
	t.Parallel()
	cam := startHostcam(t, "--sensor", "OV3660", "--fps", "20")
	d := startDaemon(t, "--port", cam.link, "--allow-get-control")
	all := d.awaitConfig(t, ample)
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, slices.Sorted(slices.Values(everything))) {
		t.Fatalf("settings %v", got)
	}
	tested := 0
	for _, name := range everything {
		c := all[name]
		problem := func(body, reason string) {
			t.Helper()
			code, header, b := d.ask(t, "PATCH", "/api/v1/cameras/cam1/config", body)
			if code != http.StatusUnprocessableEntity || header.Get("Content-Type") != "application/problem+json" ||
				!bytes.Contains(b, []byte(`"name":"`+name+`"`)) || !bytes.Contains(b, []byte(`"reason":"`+reason+`"`)) {
				t.Errorf("PATCH %s: %d %s", body, code, b)
			}
		}
		switch {
		case !c.Supported:
			problem(fmt.Sprintf(`{%q:1}`, name), "unsupported")
			continue
		case c.ReadOnly:
			problem(fmt.Sprintf(`{%q:1}`, name), "read_only")
			continue
		}
		tested++
		if name == "size" {
			for _, size := range []string{"96X96", "1600x1200", "QVGA"} {
				if set := d.patch(t, "", fmt.Sprintf(`{"size":%q}`, size))["size"]; set.Clamped || !strings.EqualFold(set.Name, size) && set.Value != size {
					t.Errorf("size %s: %+v", size, set)
				}
			}
			if now, _ := d.config(t); now["size"].Value != "320x240" || now["size"].Name != "QVGA" {
				t.Errorf("size %+v", now["size"])
			}
			problem(`{"size":"5MP"}`, "out_of_range")
			problem(`{"size":"700x500"}`, "out_of_range")
			if set := d.patch(t, "?clamp=1", `{"size":"700x500"}`)["size"]; set.Value != "640x480" || !set.Clamped {
				t.Errorf("size 700x500 becomes %+v", set)
			}
			d.setByAlias(t, "POST", "framesize", "6", http.StatusOK)
			if now, _ := d.config(t); now["size"].Value != "320x240" || d.webServerStatus(t)["framesize"] != 6 {
				t.Errorf("framesize 6: %+v, %v", now["size"], d.webServerStatus(t)["framesize"])
			}
			continue
		}
		low, high := c.Min.(float64), c.Max.(float64)
		for _, want := range []float64{low, high, c.Value.(float64)} {
			if set := d.patch(t, "", fmt.Sprintf(`{%q:%v}`, name, want))[name]; set.Value != want || set.Clamped {
				t.Errorf("%s=%v: %+v", name, want, set)
			}
			if now, _ := d.config(t); now[name].Value != want {
				t.Errorf("%s=%v reads %v", name, want, now[name].Value)
			}
		}
		problem(fmt.Sprintf(`{%q:%v}`, name, high+1), "out_of_range")
		problem(fmt.Sprintf(`{%q:%v,"%s":0}`, name, low-1, map[bool]string{true: "awb", false: "lenc"}[name == "lenc"]), map[bool]string{true: "bad_value", false: "out_of_range"}[name == "target_fps"])
		if now, _ := d.config(t); now[name].Value != c.Value || now["awb"].Value != all["awb"].Value || now["lenc"].Value != all["lenc"].Value {
			t.Errorf("%s=%v was refused, but %v is set, and awb %v, lenc %v", name, low-1, now[name].Value, now["awb"].Value, now["lenc"].Value)
		}
		if set := d.patch(t, "?clamp=1", fmt.Sprintf(`{%q:%v}`, name, high+1))[name]; set.Value != high || !set.Clamped {
			t.Errorf("%s=%v with clamp: %+v", name, high+1, set)
		}

		alias := name
		if other, ok := aliases[name]; ok {
			alias = other
		}
		for i, want := range []float64{high, low, c.Value.(float64)} {
			d.setByAlias(t, []string{"POST", "GET"}[i%2], alias, strconv.FormatFloat(want, 'f', -1, 64), http.StatusOK)
			if now, _ := d.config(t); now[name].Value != want {
				t.Errorf("/control %s=%v reads %v", alias, want, now[name].Value)
			}
			if got, ok := d.webServerStatus(t)[alias]; !slices.Contains(hidden, name) && (!ok || got != want) {
				t.Errorf("/status says %s is %v, want %v", alias, got, want)
			}
		}
		d.setByAlias(t, "POST", alias, strconv.FormatFloat(high+1, 'f', -1, 64), http.StatusUnprocessableEntity)
	}
	if tested < 28 {
		t.Errorf("only %d settings could be set", tested)
	}
	code, _, b := d.ask(t, "PATCH", "/api/v1/cameras/cam1/config", `{"qualty":3,"contrast":2,"sharpnes":1}`)
	for _, want := range []string{`"name":"qualty"`, `"name":"sharpnes"`, `"known":["size","quality","min_interval_ms",`} {
		if code != http.StatusUnprocessableEntity || !bytes.Contains(b, []byte(want)) {
			t.Errorf("unknown names: %d, no %s in %s", code, want, b)
		}
	}
	if now, _ := d.config(t); now["contrast"].Value != all["contrast"].Value {
		t.Errorf("contrast was set beside what is unknown: %+v", now["contrast"])
	}
	d.setByAlias(t, "POST", "face_detect", "1", http.StatusUnprocessableEntity)
	if n := d.metric(t, "camgw_device_settings_total"); n < 200 {
		t.Errorf("%.0f settings counted", n)
	}
}

func (d *daemon) setByAlias(t testing.TB, method, name, value string, want int) {
	t.Helper()
	if code, _, b := d.ask(t, method, "/control?var="+name+"&val="+value, ""); code != want {
		t.Errorf("%s /control %s=%s: %d %s", method, name, value, code, b)
	}
}

// TestSettingsShowInThePicture: what the API says is set is what viewers see, while they watch, and without a frame lost.
func TestSettingsShowInThePicture(t *testing.T) {
	t.Parallel()
	cam := startHostcam(t, "--fps", "15")
	d := startDaemon(t, "--port", cam.link, "--set", "size=QQVGA", "--set", "quality=30")
	v, err := d.watch(t.Context(), "/stream")
	if err != nil {
		t.Fatal(err)
	}
	until := func(what string, ok func(width, height int) bool) {
		t.Helper()
		for range 60 {
			p, err := v.next(5 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			info, err := jpeg.DecodeConfig(bytes.NewReader(p.jpeg))
			if err != nil {
				t.Fatal(err)
			}
			if ok(info.Width, info.Height) {
				return
			}
		}
		t.Fatalf("%s: not in 60 pictures", what)
	}
	until("the operator's size", func(w, h int) bool { return w == 160 && h == 120 })
	if q := d.metric(t, "camgw_camera_quality"); q != 30 {
		t.Errorf("quality %v", q)
	}
	for _, size := range []struct{ w, h int }{{320, 240}, {400, 296}, {96, 96}, {640, 480}} {
		quality := 10 + size.w/40
		d.patch(t, "", fmt.Sprintf(`{"size":"%dx%d","quality":%d}`, size.w, size.h, quality))
		until("the size set", func(w, h int) bool { return w == size.w && h == size.h })
		within(t, 2*time.Second, "the quality in the metrics", func() bool { return d.metric(t, "camgw_camera_quality") == float64(quality) })
	}
	v.conn.Close()
	s := d.status(t)
	if s.Frames.Lost != 0 || s.Frames.Received != s.Frames.Published {
		t.Errorf("frames were lost: %+v", s.Frames)
	}
	if n := d.metric(t, "camgw_link_breaks_total"); n != 0 {
		t.Errorf("the link broke %v times", n)
	}
	d.balance(t)
}

var appliedAfter = regexp.MustCompile(`msg="settings applied" .*after=(\S+)`)

// TestSettingsAfterReboots: whether the device resets itself or is reset, the operator's settings, and over them those of
// the API, are back within a second of the HELLO.
func TestSettingsAfterReboots(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		cam    []string
		signal bool
	}{
		{"SIGHUP", nil, true},
		{"SIGHUP, slow line", []string{"--garble-above", "115200"}, true},
		{"by itself", []string{"--reboot-every", "5"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cam := startHostcam(t, append([]string{"--fps", "10", "--size", "640x480"}, tt.cam...)...)
			d := startDaemon(t, "--port", cam.link, "--set", "size=QVGA", "--set", "cam1:contrast=2", "--set", "quality=21", "--set", "vflip=true", "--set", "sharpness=1")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if _, err := d.watch(ctx, "/stream"); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"size": "320x240", "contrast": 2.0, "quality": 21.0, "vflip": 1.0}
			check := func(when string) {
				t.Helper()
				all := d.awaitConfig(t, ample)
				for name, value := range want {
					if all[name].Value != value {
						t.Errorf("%s: %s is %v, want %v", when, name, all[name].Value, value)
					}
				}
			}
			check("at first")
			const reboots = 3
			for i := range reboots {
				if tt.signal {
					if err := cam.cmd.Process.Signal(syscall.SIGHUP); err != nil {
						t.Fatal(err)
					}
				}
				within(t, ample, "a reboot", func() bool { return d.metric(t, "camgw_device_reboots_total") > float64(i) })
				check(fmt.Sprintf("after reboot %d", i+1))
				if i == 0 && tt.signal {
					d.patch(t, "", `{"contrast":-1,"lamp":77}`)
					want["contrast"], want["lamp"] = -1.0, 77.0
				}
			}
			log := d.log.String()
			applied := appliedAfter.FindAllStringSubmatch(log, -1)
			if len(applied) < reboots+1 {
				t.Fatalf("settings were applied %d times", len(applied))
			}
			for _, m := range applied {
				if took, err := time.ParseDuration(m[1]); err != nil || took > time.Second {
					t.Errorf("settings were back %s after HELLO, %v", m[1], err)
				}
			}
			t.Logf("settings were back after %v", applied[len(applied)-1][1])
			if n := strings.Count(log, "setting not applied"); n != 1 {
				t.Errorf("that sharpness is not there was logged %d times", n)
			}
		})
	}
}

// TestQualityAuto: the device is told what to aim at, and the API and the metrics say so.
func TestQualityAuto(t *testing.T) {
	t.Parallel()
	cam := startHostcam(t, "--fps", "20")
	d := startDaemon(t, "--port", cam.link, "--set", "quality=auto", "--set", "target_fps=12.5", "--set", "quality_best=6", "--set", "quality_worst=50")
	all := d.awaitConfig(t, ample)
	if !all["quality"].Auto || all["target_fps"].Value != 12.5 || all["quality_best"].Value != 6.0 || all["quality_worst"].Value != 50.0 {
		t.Errorf("%+v", all)
	}
	var status struct {
		Quality *int
		Auto    *struct {
			FPS   float64 `json:"target_fps"`
			Best  int     `json:"quality_best"`
			Worst int     `json:"quality_worst"`
		} `json:"auto_quality"`
	}
	if err := json.Unmarshal(d.get(t, "/api/v1/cameras/cam1"), &status); err != nil || status.Quality == nil || status.Auto == nil ||
		status.Auto.FPS != 12.5 || status.Auto.Best != 6 || status.Auto.Worst != 50 {
		t.Errorf("%v %+v", err, status)
	}
	for name, want := range map[string]float64{"camgw_camera_target_fps": 12.5, "camgw_camera_quality_best": 6, "camgw_camera_quality_worst": 50} {
		if got := d.metric(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	set := d.patch(t, "", `{"quality":33}`)
	if set["quality"].Value != 33.0 || set["quality"].Auto || set["target_fps"].Value != 0.0 {
		t.Errorf("%+v", set)
	}
	if got := d.metric(t, "camgw_camera_target_fps"); got != 0 {
		t.Errorf("the target stays %v", got)
	}
	if set := d.patch(t, "", `{"quality":"auto"}`); set["target_fps"].Value != 10.0 {
		t.Errorf("%+v", set)
	}
	if all, _ := d.config(t); all["quality_best"].Value != 6.0 || all["quality_worst"].Value != 50.0 {
		t.Errorf("auto moved its range: %+v", all)
	}
}

// TestSettingsThatCannotBe: mistakes on the command line, a device that is away, requests other sites send.
func TestSettingsThatCannotBe(t *testing.T) {
	for _, tt := range []struct{ set, want string }{
		{"qualty=12", `--set qualty=12: there is no setting "qualty"; try: quality`},
		{"quality=64", `try: 0 to 63`},
		{"size=huge", `QQVGA`},
		{"nobody:quality=3", `there is no camera named "nobody"`},
		{"quality", `KEY=VALUE`},
		{"xclk_hz=1", `xclk_hz is read only`},
	} {
		for _, args := range [][]string{{"serve", "--port", "/dev/null"}, {"demo"}} {
			out, err := exec.Command(programs.camgw, append(args, "--listen", "127.0.0.1:0", "--set", tt.set)...).CombinedOutput()
			if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != exitUsage || !strings.Contains(string(out), tt.want) {
				t.Errorf("%s --set %s: %v\n%s", args[0], tt.set, err, out)
			}
		}
	}

	d := startDaemon(t, "--port", "/dev/camgw-is-not-there", "--set", "quality=12")
	d.awaitState(t, ample, "offline") // before, the port is being opened for the first time
	for _, r := range []struct{ method, path, body string }{
		{"PATCH", "/api/v1/cameras/cam1/config", `{"quality":12}`}, {"GET", "/api/v1/cameras/cam1/config", ""},
		{"GET", "/status", ""}, {"POST", "/control?var=quality&val=12", ""},
	} {
		if code, _, b := d.ask(t, r.method, r.path, r.body); code != http.StatusServiceUnavailable || !bytes.Contains(b, []byte(`"cause":"absent"`)) {
			t.Errorf("%s %s: %d %s", r.method, r.path, code, b)
		}
	}
	code, header, b := d.ask(t, "GET", "/control?var=quality&val=12", "")
	if code != http.StatusMethodNotAllowed || header.Get("Allow") != "POST, OPTIONS" || !bytes.Contains(b, []byte("--allow-get-control")) {
		t.Errorf("GET /control: %d %v %s", code, header, b)
	}
}
