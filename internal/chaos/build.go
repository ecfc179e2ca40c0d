package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A wall clock that is stepped is stepped for the whole machine, and a time namespace has the other clocks alone. So the daemon
// under test is built from the very source of the real one with another time.Now: two files of the standard library
// and one of the daemon's main package are laid over theirs, as go build -overlay does. Timers and all that is measured with
// the monotonic clock are untouched, as they are by the kernel when somebody sets the time.
const (
	nowReads = "	sec, nsec, mono := runtimeNow()\n	if mono == 0 {\n"
	nowLeaps = "	sec, nsec, mono := runtimeNow()\n	sec, nsec = chaosLeap(sec, nsec)\n	if mono == 0 {\n"

	leapSource = `package time

import "sync/atomic"

// ChaosAhead is by how many nanoseconds the wall clock is ahead of the machine's; nil: by none.
var ChaosAhead atomic.Pointer[int64]

func chaosLeap(sec int64, nsec int32) (int64, int32) {
	p := ChaosAhead.Load()
	if p == nil {
		return sec, nsec
	}
	ahead := atomic.LoadInt64(p)
	sec += ahead / 1e9
	n := int64(nsec) + ahead%1e9
	if n < 0 {
		n, sec = n+1e9, sec-1
	} else if n >= 1e9 {
		n, sec = n-1e9, sec+1
	}
	return sec, int32(n)
}
`
	mapSource = `package main

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	path := os.Getenv("` + clockVariable + `")
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	time.ChaosAhead.Store((*int64)(unsafe.Pointer(&b[0])))
}
`
)

// Build builds the daemon from the source tree at top into the file out, with a wall clock that can be stepped, and with the
// race detector if race is set.
func Build(ctx context.Context, top, out string, race bool) error {
	root, err := goCommand(ctx, top, "env", "GOROOT")
	if err != nil {
		return err
	}
	root = strings.TrimSpace(root)
	source := filepath.Join(root, "src", "time", "time.go")
	b, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("standard library: %w", err)
	}
	if bytes.Count(b, []byte(nowReads)) != 1 {
		return fmt.Errorf("%s: time.Now is not the one that is known here; see what it does now, and change internal/chaos/build.go", source)
	}
	dir, err := os.MkdirTemp("", "camgw-overlay")
	if err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	defer os.RemoveAll(dir)
	over := map[string]string{}
	top, err = filepath.Abs(top)
	if err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	for place, text := range map[string]string{
		source: strings.Replace(string(b), nowReads, nowLeaps, 1),
		filepath.Join(root, "src", "time", "chaosleap.go"):  leapSource,
		filepath.Join(top, "cmd", "camgw", "chaosclock.go"): mapSource,
	} {
		name := filepath.Join(dir, filepath.Base(place))
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("overlay: %w", err)
		}
		over[place] = name
	}
	text, err := json.Marshal(map[string]any{"Replace": over})
	if err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o644); err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	if out, err = filepath.Abs(out); err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	args := []string{"build", "-overlay", list, "-trimpath", "-buildvcs=false", "-ldflags", "-X main.version=chaos", "-o", out}
	if race {
		args = append(args, "-race")
	}
	_, err = goCommand(ctx, top, append(args, "./cmd/camgw")...)
	return err
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return string(out), nil
}
