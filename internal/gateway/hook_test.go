package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/config"
)

type safeLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHook(t *testing.T) {
	t.Setenv("CAMGW_TOKEN", "secret")
	cc := config.Camera{ID: "door", Port: "usb-path:9-9.9", Kind: config.Serial, Address: "usb-path:9-9.9"}
	rec := camera.Recovery{Step: camera.RungHook, Why: camera.AilmentNoAnswer, Attempt: 3, Reason: "no answer on /dev/x; $(reboot)"}
	for _, tt := range []struct {
		name, script string
		args         []string
		fails        string
		says         []string
		not          string
	}{
		{name: "environment", script: `echo "$CAMGW_CAMERA|$CAMGW_PORT|$CAMGW_REASON|$CAMGW_ATTEMPT|$CAMGW_MESSAGE|$CAMGW_USB_PATH|$CAMGW_DEVICE|$CAMGW_TOKEN|"`,
			says: []string{`text="door|usb-path:9-9.9|no_answer|3|no answer on /dev/x; $(reboot)|9-9.9|||"`, "the recovery hook is done"}, not: "secret"},
		{name: "arguments are one each", script: `for a; do echo "<$a>"; done`, args: []string{"a b", "$HOME;", "*"},
			says: []string{`text="<a b>"`, "text=<$HOME;>", "text=<*>"}},
		{name: "failure", script: "echo no hub >&2; exit 3", fails: "exit status 3", says: []string{`text="no hub"`}},
		{name: "no input", script: `read x && echo "got $x" || echo nothing`, says: []string{"text=nothing"}},
		{name: "too much to say", script: "i=0; while [ $i -lt 200 ]; do echo line$i; i=$((i+1)); done", says: []string{"text=line49", "the rest of its output is left out"}, not: "text=line50"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := &safeLog{}
			hook := recoveryHook(append([]string{script(t, tt.script)}, tt.args...), cc, slog.New(slog.NewTextHandler(log, nil)))
			err := hook(t.Context(), rec)
			if (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("error %v, want %q", err, tt.fails)
			}
			for _, s := range tt.says {
				if !strings.Contains(log.b.String(), s) {
					t.Errorf("%q is not in the log:\n%s", s, &log.b)
				}
			}
			if tt.not != "" && strings.Contains(log.b.String(), tt.not) {
				t.Errorf("%q is in the log:\n%s", tt.not, &log.b)
			}
		})
	}
}

// TestHookEnds: with the daemon, and its children with it.
func TestHookEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	alive := filepath.Join(t.TempDir(), "alive")
	hook := recoveryHook([]string{script(t, fmt.Sprintf("sleep 60 & touch %s; wait", alive))}, config.Camera{ID: "x"}, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- hook(ctx, camera.Recovery{}) }()
	for begin := time.Now(); ; {
		if _, err := os.Stat(alive); err == nil {
			break
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatal("the hook does not start")
		}
		time.Sleep(5 * time.Millisecond) // of another process there is no event
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a killed hook is no success")
		}
	case <-time.After(time.Second): // the child has the output open: it is dead, then
		t.Error("the hook outlives its end")
	}
}

func TestHookMistake(t *testing.T) {
	for _, h := range []config.Hook{
		{Argv: []string{"/none/hook", "x"}, Given: "--recovery-hook /none/hook --recovery-hook x", Origin: config.CommandLine},
		{Argv: []string{"/none/hook", "x"}, Given: `camgw.toml:3: defaults.recovery_hook = ["/none/hook", "x"]`, Origin: config.File},
	} {
		err := checkHook(h)
		mistake, ok := errors.AsType[*config.Error](err)
		if want := h.Given + ": stat /none/hook: no such file or directory; try: the full path of a program that may be executed"; !ok || mistake.Error() != want || mistake.Origin != h.Origin {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if recoveryHook(nil, config.Camera{}, nil) != nil || checkHook(config.Hook{}) != nil {
		t.Error("no hook is a hook")
	}
}

// TestReloadOfHook: it comes, changes and goes with the configuration, and the camera stays the same one.
func TestReloadOfHook(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	program := script(t, fmt.Sprintf(`echo "$1" >> %q`, ran))
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Config{MaxViewers: 1, Delivery: config.Delivery{Mode: config.DefaultMode}, Cameras: []config.Camera{
			{ID: "away", Port: "/none/tty", Kind: config.Serial, Address: "/none/tty"},
		}}
		g, err := build(cfg, Options{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		g.ctx = ctx
		g.units[0].start(ctx)
		first := g.units[0].now.Load().Camera
		began := float64(time.Now().UnixMilli()) / 1000
		if st := webStatus("", first); st.Recovery != nil {
			t.Errorf("a recovery of nothing: %+v", st.Recovery)
		}
		since := func() string {
			b, err := os.ReadFile(ran)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			_ = os.Remove(ran)
			return strings.Join(slices.Compact(strings.Fields(string(b))), " ")
		}
		for _, tt := range []struct {
			argv []string
			runs string
		}{{nil, ""}, {[]string{program, "one"}, "one"}, {[]string{program, "two"}, "two"}, {nil, ""}} {
			next := cfg
			next.RecoveryHook.Argv = tt.argv
			if err := g.reload(Options{Load: func() (config.Config, error) { return next, nil }}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Minute) // some steps of the ladder
			synctest.Wait()
			if got := since(); got != tt.runs {
				t.Errorf("with the hook %v ran %q", tt.argv, got)
			}
		}
		if g.units[0].now.Load().Camera != first {
			t.Error("the camera was exchanged")
		}
		if r := webStatus("", first).Recovery; r == nil || r.Step != "hook" || r.Reason != "no_port" || r.OK || r.Time < began+40*60 || r.Time > began+60*60 {
			t.Errorf("status tells %+v", r)
		}
		cancel()
		<-g.units[0].ended
	})
}
