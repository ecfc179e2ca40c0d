package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/serialport"
)

const (
	hookTimeout = 30 * time.Second
	// A child that a killed hook left behind may hold its output open for so long.
	hookGrace = 2 * time.Second
	// What a hook says is for the log, and not to fill it.
	hookLines = 50
	hookBytes = 64 << 10
)

// checkHook says what is wrong with the operator's hook before it is needed.
func checkHook(h config.Hook) error {
	if len(h.Argv) == 0 {
		return nil
	}
	if _, err := exec.LookPath(h.Argv[0]); err != nil {
		return &config.Error{What: h.Given, Why: errors.Unwrap(err).Error(), Try: "the full path of a program that may be executed", Origin: h.Origin}
	}
	return nil
}

// recoveryHook returns what runs the operator's program for a camera; nil if there is none. The program gets neither shell nor
// standard input. What it is told is in its environment, without anything else named CAMGW_.
func recoveryHook(argv []string, cc config.Camera, log *slog.Logger) func(context.Context, camera.Recovery) error {
	if len(argv) == 0 {
		return nil
	}
	log = log.With("camera", cc.ID, "hook", argv[0])
	return func(ctx context.Context, r camera.Recovery) error {
		ctx, cancel := context.WithTimeout(ctx, hookTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = hookEnvironment(cc, r)
		// In a group of its own, so that the end comes to its children too.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		cmd.WaitDelay = hookGrace
		out := &capped{limit: hookBytes}
		cmd.Stdout, cmd.Stderr = out, out
		started := time.Now()
		err := cmd.Run()
		out.tell(log)
		took := time.Since(started).Round(time.Millisecond)
		if context.Cause(ctx) == context.DeadlineExceeded {
			err = fmt.Errorf("it was killed after %v", hookTimeout)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
		log.Info("the recovery hook is done", "took", took)
		return nil
	}
}

func hookEnvironment(cc config.Camera, r camera.Recovery) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CAMGW_") {
			env = append(env, v)
		}
	}
	set := func(name, value string) { env = append(env, "CAMGW_"+name+"="+value) }
	set("CAMERA", cc.ID)
	set("PORT", cc.Port)
	set("REASON", r.Why.String())
	set("MESSAGE", r.Reason)
	set("ATTEMPT", strconv.Itoa(r.Attempt))
	device, place := "", ""
	if cc.Kind == config.Serial {
		if path, err := (serialport.Machine{}).Resolve(cc.Address); err == nil {
			if device, err = filepath.EvalSymlinks(path); err != nil {
				device = ""
			}
			place = serialport.Describe(path).USBPath
		}
		if place == "" {
			place, _ = strings.CutPrefix(cc.Address, "usb-path:")
			if place == cc.Address {
				place = ""
			}
		}
	}
	set("DEVICE", device) // empty while it is not there
	set("USB_PATH", place)
	return env
}

// capped keeps the beginning of what is written to it.
type capped struct {
	bytes.Buffer
	limit int
	cut   bool
}

func (c *capped) Write(p []byte) (int, error) {
	room := c.limit - c.Len()
	c.cut = c.cut || len(p) > room
	c.Buffer.Write(p[:min(len(p), max(room, 0))])
	return len(p), nil
}

// tell logs it, a line each.
func (c *capped) tell(log *slog.Logger) {
	n := 0
	for line := range strings.Lines(c.String()) {
		line = strings.ToValidUTF8(strings.TrimRight(line, "\r\n"), "?")
		if line == "" {
			continue
		}
		if n++; n > hookLines {
			c.cut = true
			break
		}
		log.Info("recovery hook", "text", line)
	}
	if c.cut {
		log.Info("recovery hook: the rest of its output is left out")
	}
}
