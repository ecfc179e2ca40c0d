package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/config"
)

// configFile is a configuration file under test.
type configFile string

func newConfigFile(t *testing.T, text string) configFile {
	t.Helper()
	f := configFile(filepath.Join(t.TempDir(), "camgw.toml"))
	f.write(t, text)
	return f
}

func (f configFile) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(string(f), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload sends the signal, and waits for what the log says of it.
func (d *daemon) reload(t *testing.T, want string) {
	t.Helper()
	before := len(d.log.String())
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	within(t, ample, "the log to say "+want, func() bool { return strings.Contains(d.log.String()[before:], want) })
}

// witness is a viewer that wants every picture, and notes when each came.
type witness struct {
	mu   sync.Mutex
	got  []part
	err  error
	done chan struct{}
}

func (d *daemon) witness(t *testing.T, ctx context.Context, path string) *witness {
	t.Helper()
	v, err := d.watch(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			p, err := v.next(10 * time.Second)
			w.mu.Lock()
			if err != nil {
				w.err = err
			} else {
				p.jpeg = nil
				w.got = append(w.got, p)
			}
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return w
}

func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

// more waits for n more pictures.
func (w *witness) more(t *testing.T, n int) {
	t.Helper()
	n += w.count()
	within(t, ample, "pictures", func() bool { return w.count() >= n })
}

// whole checks that there was no gap: each picture is the one after, in time.
func (w *witness) whole(t *testing.T, longest time.Duration) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		t.Errorf("the viewer was dropped: %v", w.err)
	}
	for i := 1; i < len(w.got); i++ {
		if a, b := w.got[i-1], w.got[i]; b.seq != a.seq+1 || b.at.Sub(a.at) > longest {
			t.Errorf("picture %d came %v after picture %d", b.seq, b.at.Sub(a.at), a.seq)
		}
	}
}

// TestReloadUnderViewers: a second camera comes, a bad file changes nothing, a camera goes; and the viewer of the first one
// gets every picture of it, in time.
func TestReloadUnderViewers(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 160, 120, 3000)
	first := startHostcam(t, "--frames", album.dir, "--fps", "20")
	second := startHostcam(t, "--frames", album.dir, "--fps", "20")
	camera := func(name string, h *hostcam) string {
		return fmt.Sprintf("[[camera]]\nname = %q\nport = %q\n", name, h.link)
	}
	file := newConfigFile(t, camera("door", first))
	d := startDaemon(t, "--config", string(file))
	d.awaitState(t, ample, "idle")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	door := d.witness(t, ctx, "/cam/door/stream.mjpg?mode=all")
	door.more(t, 20)

	file.write(t, camera("door", first)+camera("yard", second))
	d.reload(t, `msg="configuration reloaded" added=[yard] changed=[] removed=[] unchanged=[door]`)
	yard := d.witness(t, ctx, "/cam/yard/stream.mjpg")
	yard.more(t, 20)

	// All of this is wrong, and of the rest nothing is done either.
	file.write(t, camera("shed", second)+"[limits]\nmax_viewers = 1\nmax_viewrs_per_camera = 1\n")
	wrong := fmt.Sprintf("%s:6: limits.max_viewrs_per_camera: there is no such key; try: max_viewers_per_camera", file)
	d.reload(t, `msg="configuration not reloaded: all stays as it was" error="`+wrong+`"`)
	if got := d.metric(t, "camgw_config_last_reload_successful"); got != 0 {
		t.Errorf("the metric says %v", got)
	}
	if got := d.metric(t, "camgw_clients_limit"); got != 512 {
		t.Errorf("the limit is %v", got)
	}
	if all := d.cameras(t); len(all) != 2 || all[0].ID != "door" || all[1].ID != "yard" {
		t.Errorf("%+v", all)
	}
	out, err := exec.Command(programs.camgw, "config", "check", string(file)).CombinedOutput()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != exitConfig || string(out) != "camgw: "+wrong+"\n" {
		t.Errorf("config check: %v\n%s", err, out)
	}
	yard.more(t, 10)

	// A changed camera is opened anew, and its viewers wait for it.
	file.write(t, camera("door", first)+camera("yard", second)+"baud = 921600\n")
	d.reload(t, `msg="configuration reloaded" added=[] changed=[yard] removed=[] unchanged=[door]`)
	within(t, ample, "the second camera at its new rate", func() bool { return d.cameras(t)[1].Baud == 921600 })
	yard.more(t, 20)

	file.write(t, camera("door", first)+"[limits]\nmax_viewers = 1\n")
	d.reload(t, `msg="configuration reloaded" added=[] changed=[] removed=[yard] unchanged=[door]`)
	<-yard.done
	within(t, ample, "the end of the viewer to be counted", func() bool { return d.metric(t, "camgw_client_removals_total") == 1 })
	if b := d.get(t, "/metrics"); bytes.Contains(b, []byte(`camera="yard"`)) {
		t.Error("the removed camera has metrics")
	}
	within(t, ample, "the device to be let go", func() bool { return !second.read(t).Linked })
	if _, err := d.watch(ctx, "/stream"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a second viewer of one: %v", err)
	}
	if got := d.metric(t, "camgw_config_last_reload_successful"); got != 1 {
		t.Errorf("the metric says %v", got)
	}
	door.more(t, 20)
	door.whole(t, 2*time.Second)
	cancel()
	<-door.done
	d.kill(syscall.SIGTERM)
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestEveryFlagHasAKey: what can be said on the command line can be said in the file, under the same name.
func TestEveryFlagHasAKey(t *testing.T) {
	reference := config.Reference()
	flags := regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(serveCommand().Flags().FlagUsages(), -1)
	if len(flags) < 16 {
		t.Errorf("only %d flags were found", len(flags))
	}
	for _, f := range flags {
		key := strings.ReplaceAll(f[1], "-", "_")
		switch key {
		case "config":
			continue
		case "set":
			key = "settings"
		case "host", "cors_origin", "frame_ancestor": // one at a time
			key += "s"
		case "trusted_proxy":
			key = "trusted_proxies"
		}
		if !strings.Contains(reference, "\n#"+key+" = ") && !strings.Contains(reference, "\n"+key+" = ") {
			t.Errorf("--%s has no key %s in the file", f[1], key)
		}
	}
}

// TestConfigurationOfTheDaemon: exit codes, where the file is looked for, and what the commands print.
func TestConfigurationOfTheDaemon(t *testing.T) {
	t.Parallel()
	good := newConfigFile(t, "[[camera]]\nname = \"door\"\nport = \"sim:\"\n")
	bad := newConfigFile(t, "[[camera]]\nport = \"sim:\"\nsettings = { quality = 64 }\n")
	hook := newConfigFile(t, "[defaults]\nrecovery_hook = [\"/nowhere/hook\", \"x\"]\n[[camera]]\nport = \"sim:\"\n")
	for _, tt := range []struct {
		args, env    []string
		code         int
		stdout, said string // what stands there, among other things
	}{
		{args: []string{"serve", "--config", string(bad)}, code: exitConfig,
			said: fmt.Sprintf(`camgw: %s:3: camera.settings.quality = 64: "64" is no value for quality; try: 0 to 63`, bad)},
		{args: []string{"serve", "--config", string(hook)}, code: exitConfig,
			said: fmt.Sprintf(`camgw: %s:2: defaults.recovery_hook = ["/nowhere/hook", "x"]: stat /nowhere/hook: no such file or directory; try: the full path`, hook)},
		{args: []string{"config", "check", string(hook)}, code: exitConfig, said: string(hook) + ":2: defaults.recovery_hook"},
		{args: []string{"config", "check", string(good)}, env: []string{"CAMGW_DEFAULTS_RECOVERY_HOOK=/nowhere/hook x"}, code: exitConfig,
			said: "camgw: CAMGW_DEFAULTS_RECOVERY_HOOK=/nowhere/hook x: stat"},
		{args: []string{"serve", "--config", string(good), "--recovery-hook", "/nowhere/hook"}, code: exitUsage, said: "camgw: --recovery-hook /nowhere/hook: stat"},
		{args: []string{"serve"}, env: []string{"CAMGW_CONFIG=" + string(bad)}, code: exitConfig, said: string(bad) + ":3: camera.settings.quality"},
		{args: []string{"serve", "--config", "/nowhere/camgw.toml"}, code: exitConfig,
			said: "camgw: /nowhere/camgw.toml: no such file or directory; try: camgw config init > /nowhere/camgw.toml"},
		{args: []string{"serve", "--config", "/etc"}, code: exitConfig, said: "camgw: /etc: is a directory"},
		{args: []string{"serve", "--config", string(good), "--max-viewers", "0"}, code: exitUsage, said: "camgw: --max-viewers 0: must be from 1 to 100000"},
		{args: []string{"serve", "--config="}, env: []string{"CAMGW_LIMITS_MAX_VIEWERS=x", "CAMGW_CAMERAS=sim:"}, code: exitConfig,
			said: "camgw: CAMGW_LIMITS_MAX_VIEWERS=x: must be a whole number; try: CAMGW_LIMITS_MAX_VIEWERS=512"},
		{args: []string{"serve", "--config="}, code: exitUsage, said: "camgw: --port: no camera given"},
		{args: []string{"config", "check", string(good)}, said: "camgw.toml: good; cameras: 1"},
		{args: []string{"config", "check", "--config", string(good)}, env: []string{"CAMGW_HTTP_LISTN=x"},
			said: "camgw: CAMGW_HTTP_LISTN: there is no such variable; try: CAMGW_HTTP_LISTEN"},
		{args: []string{"config", "check", "one", "two"}, code: exitUsage, said: "accepts at most 1 arg"},
		{args: []string{"config", "init"}, stdout: "#listen = \"127.0.0.1:8080\""},
		{args: []string{"config", "show", "--origin"}, env: []string{"CAMGW_CONFIG=" + string(good), "CAMGW_LIMITS_MAX_VIEWERS=7"}, stdout: "# CAMGW_LIMITS_MAX_VIEWERS\n"},
		{args: []string{"config", "show", "--config", string(good), "--mode", "all"}, stdout: "mode = \"all\"\n"},
	} {
		cmd := exec.Command(programs.camgw, tt.args...)
		cmd.Env = append(os.Environ(), tt.env...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.said) {
			t.Errorf("%v: exit code %d, %v\n%s%s", tt.args, code, err, &stdout, &stderr)
		}
	}
	// Without a file a hang-up means that the terminal is gone.
	d := startService(t, []string{"--default-signal=HUP"}, "--config=", "--port", "sim:") // these tests may run where it is ignored
	d.kill(syscall.SIGHUP)
	if status, ok := d.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGHUP {
		t.Errorf("ended by %v", d.cmd.ProcessState)
	}
}
