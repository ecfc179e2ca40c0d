package gateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/serialport"
	"github.com/camgw/camgw/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func simulated(ids ...string) config.Config {
	c := config.Config{Listen: "127.0.0.1:0", MaxViewers: 10, Delivery: config.Delivery{Mode: config.DefaultMode}}
	for _, id := range ids {
		c.Cameras = append(c.Cameras, config.Camera{ID: id, Port: "sim:", Kind: config.Simulated, Address: "size=96x96,fps=25,name=" + id})
	}
	return c
}

// TestRun: the whole daemon in this process, with two simulated cameras, from
// start to end.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan net.Addr, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, simulated("door", "yard"), Options{Logger: quiet(), Version: "test", Ready: func(a net.Addr) { addr <- a }})
	}()
	base := "http://" + (<-addr).String()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (int, string) {
		resp, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, path := range []string{"/cam/door/snapshot.jpg", "/cam/yard/snapshot.jpg", "/", "/metrics", "/healthz", "/readyz"} {
		if code, body := get(path); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	var list struct{ Cameras []web.Status }
	if _, body := get("/api/v1/cameras"); json.Unmarshal([]byte(body), &list) != nil || len(list.Cameras) != 2 ||
		list.Cameras[1].ID != "yard" || list.Cameras[1].Device == nil || list.Cameras[1].Device.Name != "yard" ||
		list.Cameras[1].Frames.Published == 0 {
		t.Errorf("cameras: %s", body)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(shutdownLimit):
		t.Error("did not end in time")
	}
}

func TestBusyAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := simulated("a")
	cfg.Listen = l.Addr().String()
	err = Run(t.Context(), cfg, Options{Logger: quiet()})
	if err == nil || !strings.Contains(err.Error(), cfg.Listen) || !strings.Contains(err.Error(), "address already in use; try:") {
		t.Errorf("error %v", err)
	}
	cfg.Listen, cfg.StreamListen = "127.0.0.1:0", l.Addr().String()
	err = Run(t.Context(), cfg, Options{Logger: quiet()})
	if err == nil || !strings.Contains(err.Error(), cfg.StreamListen) || !strings.Contains(err.Error(), "--webserver-stream-listen") {
		t.Errorf("error %v", err)
	}
}

// TestSecondListener: it has the stream and nothing else, and ends with the first.
func TestSecondListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := simulated("a")
	cfg.StreamListen = l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	ready := make(chan struct{})
	go func() {
		ended <- Run(ctx, cfg, Options{Logger: quiet(), Ready: func(net.Addr) { close(ready) }})
	}()
	<-ready
	var res *http.Response
	for { // its goroutine may not have begun to accept
		if res, err = http.Get("http://" + cfg.StreamListen + "/stream"); err == nil {
			break
		}
	}
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/x-mixed-replace") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

func TestSimulatorMistake(t *testing.T) {
	cfg := simulated("a")
	cfg.Cameras[0].Address = "colour=red"
	err := Run(t.Context(), cfg, Options{Logger: quiet()})
	if _, ok := err.(*config.Error); !ok || !strings.Contains(err.Error(), "colour") {
		t.Errorf("error %v", err)
	}
}

// TestCauses: each cause of a camera has words on the page.
func TestCauses(t *testing.T) {
	known := map[web.Cause]bool{}
	for _, c := range []web.Cause{web.CauseNone, web.CauseUnplugged, web.CauseAbsent, web.CausePermission, web.CauseBusy, web.CauseNotATTY,
		web.CauseNoAnswer, web.CauseWrongBaud, web.CauseRebooting, web.CauseVersion, web.CauseSilent, web.CauseShutdown, web.CauseOther} {
		known[c] = true
	}
	for _, c := range []camera.Cause{camera.CauseNone, camera.CauseAbsent, camera.CauseUnplugged, camera.CausePermission, camera.CauseBusy,
		camera.CauseNotATTY, camera.CausePortError, camera.CauseNoAnswer, camera.CauseWrongBaud, camera.CauseRebooting,
		camera.CauseVersion, camera.CauseSilent, camera.CauseStopped} {
		if !known[webCause(c)] {
			t.Errorf("the cause %q of a camera is unknown to the page", c)
		}
	}
	for _, s := range []camera.State{camera.Offline, camera.Connecting, camera.Streaming, camera.Idle} {
		switch web.State(s) {
		case web.Offline, web.Connecting, web.Streaming, web.Idle:
		default:
			t.Errorf("the state %q of a camera is unknown to the page", s)
		}
	}
}

// TestRecoveryWords: what a camera calls its steps and their reasons is what the API says there are.
func TestRecoveryWords(t *testing.T) {
	api, err := os.ReadFile("../web/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var steps, reasons []string
	for r := range camera.NumRungs {
		steps = append(steps, r.String())
	}
	for a := range camera.NumAilments {
		reasons = append(reasons, a.String())
	}
	for name, words := range map[string][]string{"step": steps, "reason": reasons} {
		if want := name + ": {type: string, enum: [" + strings.Join(words, ", ") + "]}"; !strings.Contains(string(api), want) {
			t.Errorf("openapi.yaml lacks %s", want)
		}
	}
}

// TestOpenErrorsTellTheirCause: what serialport finds out reaches the camera, and stays what it was.
func TestOpenErrorsTellTheirCause(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "ttyUSB0")
	for _, tt := range []struct {
		cam   config.Camera
		cause camera.Cause
	}{
		{config.Camera{Kind: config.Serial, Address: missing}, camera.CauseAbsent},
		{config.Camera{Kind: config.Serial, Address: os.DevNull}, camera.CauseNotATTY},
		{config.Camera{Kind: config.TCP, Address: "127.0.0.1:1"}, camera.CauseAbsent},
	} {
		open, err := opener(tt.cam, quiet())
		if err != nil {
			t.Fatal(err)
		}
		port, err := open(t.Context())
		if port != nil || err == nil {
			t.Fatalf("%s was opened", tt.cam.Address)
		}
		f, ok := err.(camera.Faulter)
		if !ok || f.Fault() != tt.cause {
			t.Errorf("%s: %v has cause %v, want %v", tt.cam.Address, err, f, tt.cause)
		}
	}
	for _, c := range []serialport.Cause{serialport.CauseOther, serialport.CauseAbsent, serialport.CauseBusy,
		serialport.CausePermission, serialport.CauseNotTTY, serialport.CauseInvalid} {
		if got := (faultyOpen{&serialport.OpenError{Cause: c}}).Fault(); got == camera.CauseNone {
			t.Errorf("cause %v is lost", c)
		}
	}
}
