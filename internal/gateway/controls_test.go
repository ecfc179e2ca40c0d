package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/web"
)

// TestErrorsOfSettings: everything a camera says of a setting has an answer in the API.
func TestErrorsOfSettings(t *testing.T) {
	for _, pair := range webErrors {
		if got := webError(errors.Join(errors.New("x"), pair.camera)); got != pair.web {
			t.Errorf("%v becomes %v", pair.camera, got)
		}
	}
	if err := webError(context.Canceled); err != context.Canceled {
		t.Errorf("a caller that left becomes %v", err)
	}
	err := errors.Join(
		&camera.SettingError{Name: "qualty", Value: "1", Kind: camera.ErrUnknownSetting},
		&camera.SettingError{Name: "contrast", Value: "x", Kind: camera.ErrBadValue, Want: "a whole number"},
		&camera.SettingError{Name: "size", Value: "9x9", Kind: camera.ErrOutOfRange, Min: camlink.SizeValue(96, 96), Max: camlink.SizeValue(1600, 1200)},
		&camera.SettingError{Name: "target_fps", Value: "900", Kind: camera.ErrOutOfRange, Min: 0, Max: 605},
		&camera.SettingError{Name: "xclk_hz", Value: "1", Kind: camera.ErrReadOnly},
		&camera.SettingError{Name: "denoise", Value: "1", Kind: camera.ErrUnsupported},
	)
	got, ok := webError(err).(web.Mistakes)
	if !ok || len(got) != 6 {
		t.Fatalf("%v", got)
	}
	for i := range got {
		if got[i].Detail == "" {
			t.Errorf("%+v has no words", got[i])
		}
		got[i].Detail = ""
	}
	want := web.Mistakes{
		{Name: "qualty", Value: "1", Reason: "unknown"},
		{Name: "contrast", Value: "x", Reason: "bad_value"},
		{Name: "size", Value: "9x9", Reason: "out_of_range", Min: "96x96", Max: "1600x1200"},
		{Name: "target_fps", Value: "900", Reason: "out_of_range", Min: 0.0, Max: 60.5},
		{Name: "xclk_hz", Value: "1", Reason: "read_only"},
		{Name: "denoise", Value: "1", Reason: "unsupported"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOperatorsMistakes(t *testing.T) {
	setting := func(key, value string) config.Setting {
		return config.Setting{Key: key, Value: value, Given: "--set " + key + "=" + value}
	}
	cfg := simulated("a", "b")
	for i := range cfg.Cameras {
		cfg.Cameras[i].Settings = []config.Setting{setting("qualty", "5"), setting("quality", "64"), setting("size", "big"),
			setting("chunk_bytes", "9"), setting("contrast", "1")}
	}
	err := Run(t.Context(), cfg, Options{Logger: quiet()})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 4 {
		t.Fatalf("error %v", err)
	}
	for i, want := range []string{
		`--set qualty=5: there is no setting "qualty"; try: quality`,
		`--set size=big: "big" is no value for size; try: WIDTHxHEIGHT or one of 96X96,`,
		`--set quality=64: "64" is no value for quality; try: 0 to 63`,
		`--set chunk_bytes=9: chunk_bytes is read only; try: one of size,`,
	} {
		one := joined.Unwrap()[i]
		if _, mistake := one.(*config.Error); !mistake || !strings.HasPrefix(one.Error(), want) {
			t.Errorf("%v\nwant %s", one, want)
		}
	}
}

// TestSettingsThroughTheAPI: from the operator's configuration to the device and back to the API, in one process.
func TestSettingsThroughTheAPI(t *testing.T) {
	cfg := simulated("door")
	cfg.Cameras[0].Address = "" // sizes are chosen below
	cfg.Cameras[0].Settings = []config.Setting{{Key: "size", Value: "qqvga"}, {Key: "quality", Value: "auto"}}
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan net.Addr, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, Options{Logger: quiet(), Ready: func(a net.Addr) { addr <- a }})
	}()
	base := "http://" + (<-addr).String()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, body string) (code int, answer map[string]any) {
		req, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusOK && resp.ContentLength == 0 {
			return resp.StatusCode, nil
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatalf("%s %s: %s %v", method, path, resp.Status, err)
		}
		return resp.StatusCode, answer
	}
	// A snapshot waits until the camera is linked and has its settings.
	if resp, err := client.Get(base + "/capture"); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("capture: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	_, got := ask("GET", "/api/v1/cameras/door/config", "")
	if s := got["size"].(map[string]any); s["value"] != "160x120" || s["name"] != "QQVGA" {
		t.Errorf("size %v", s)
	}
	if q := got["quality"].(map[string]any); q["auto"] != true {
		t.Errorf("quality %v", q)
	}
	if len(got) != len(camlink.ConfigKeys()) {
		t.Errorf("%d settings", len(got))
	}
	_, status := ask("GET", "/api/v1/cameras/door", "")
	if a, ok := status["auto_quality"].(map[string]any); !ok || a["target_fps"] != 10.0 || status["quality"] == nil {
		t.Errorf("status %v", status)
	}
	// Every number of framesize means the same size to the page's names and to the camera.
	_, cws := ask("GET", "/status", "")
	if cws["framesize"] != 1.0 {
		t.Errorf("framesize %v, want that of QQVGA", cws["framesize"])
	}
	for number, want := range map[string]string{"0": "96x96", "6": "320x240", "10": "640x480", "15": "1600x1200"} {
		if code, answer := ask("POST", "/control?var=framesize&val="+number, ""); code != http.StatusOK {
			t.Errorf("framesize %s: %d %v", number, code, answer)
		}
		_, got := ask("GET", "/api/v1/cameras/door/config", "")
		if s := got["size"].(map[string]any); s["value"] != want {
			t.Errorf("framesize %s is %v, want %s", number, s, want)
		}
	}
	for number := range 25 { // too large for this sensor, or not among its sizes; but never an unknown name
		code, answer := ask("POST", "/control?clamp=1&var=framesize&val="+string(rune('0'+number/10))+string(rune('0'+number%10)), "")
		if code != http.StatusOK {
			t.Errorf("framesize %d: %d %v", number, code, answer)
		}
	}
	code, set := ask("PATCH", "/api/v1/cameras/door/config", `{"quality":20}`)
	if code != http.StatusOK || len(set) != 2 || set["quality"].(map[string]any)["auto"] != nil || set["target_fps"].(map[string]any)["value"] != 0.0 {
		t.Errorf("%d %v", code, set)
	}
	if code, wrong := ask("PATCH", "/api/v1/cameras/door/config", `{"quality":64}`); code != http.StatusUnprocessableEntity ||
		wrong["errors"].([]any)[0].(map[string]any)["max"] != 63.0 {
		t.Errorf("%d %v", code, wrong)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
