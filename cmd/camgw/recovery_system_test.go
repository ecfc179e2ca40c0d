package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFrozenCamera: a device that stands still is given what there is, at last the operator's program, which here is what
// revives it. Nothing happens to the camera beside it.
func TestFrozenCamera(t *testing.T) {
	t.Parallel()
	album := newAlbum(t, 10, 160, 120, 3000)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "10")
	well := startHostcam(t, "--frames", album.dir, "--fps", "10")
	dir := t.TempDir()
	hook, ran := filepath.Join(dir, "hook"), filepath.Join(dir, "ran")
	text := fmt.Sprintf("#!/bin/sh\necho reviving $2\nkill -CONT %d && echo \"$CAMGW_CAMERA $CAMGW_REASON $1 $2\" >> %s\n", cam.cmd.Process.Pid, ran)
	if err := os.WriteFile(hook, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, "--port", "ice="+cam.link, "--port", "well="+well.link,
		"--recovery-hook", hook, "--recovery-hook=-x", "--recovery-hook", "hub 1; port 2")
	ctx, cancel := context.WithCancel(t.Context())
	au := watchAll(t, ctx, d, album, 2)
	au.fresh(t, 5, 5*time.Second)
	if err := cam.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	took := within(t, 60*time.Second, "the hook", func() bool { _, err := os.Stat(ran); return err == nil })
	back := au.fresh(t, 3, 8*time.Second)
	t.Logf("the hook ran after %v, pictures were back after %v more", took, back)
	if took < 10*time.Second {
		t.Error("that was too soon for all gentler steps")
	}
	if b, err := os.ReadFile(ran); err != nil || string(b) != "ice no_answer -x hub 1; port 2\n" {
		t.Errorf("the hook was told %q, %v", b, err)
	}
	log := d.log.String()
	for _, want := range []string{"step=reopen why=no_answer attempt=1", "step=hook why=no_answer attempt=2", `text="reviving hub 1; port 2"`} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	for _, line := range strings.Split(string(d.get(t, "/metrics")), "\n") {
		if strings.HasPrefix(line, `camgw_recoveries_total{camera="well"`) && !strings.HasSuffix(line, " 0") {
			t.Errorf("the well camera was treated: %s", line)
		}
	}
	cancel()
	au.wg.Wait()
}
