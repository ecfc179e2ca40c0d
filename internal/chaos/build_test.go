package chaos

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestSteppedClock: a daemon that was built here tells another time when its clock was stepped, and nothing else of it is.
func TestSteppedClock(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "camgw")
	if err := Build(t.Context(), "../..", program, false); err != nil {
		t.Fatal(err)
	}
	clock, err := newWallClock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer clock.close()
	for _, leap := range append([]time.Duration{0}, leaps...) {
		if err := clock.set(leap); err != nil {
			t.Fatal(err)
		}
		// Its first words begin with the time.
		cmd := exec.Command(program, "serve", "--config=", "--listen", "127.0.0.1:0", "--port", "demo=sim:")
		cmd.Env = append(cmd.Environ(), clockVariable+"="+clock.path)
		out, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var stamp [40]byte
		n, _ := out.Read(stamp[:])
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		const head = "time="
		told, err := time.Parse("2006-01-02T15:04:05.999Z07:00", string(stamp[len(head):min(n, len(stamp))][:24]))
		if err != nil {
			t.Fatalf("%q: %v", stamp[:n], err)
		}
		if off := time.Until(told) - leap; off < -5*time.Second || off > time.Second {
			t.Errorf("stepped by %v it tells %v, which is %v off", leap, told, off)
		}
	}
}
