package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// TestRecordingHasTheSameAccount: what a line's frames came to while it was recorded is what they come to when it is played.
func TestRecordingHasTheSameAccount(t *testing.T) {
	t.Parallel()
	cam := startHostcam(t, "--seed", "9", "--flip", "1e-5", "--drop", "1e-5", "--truncate", "0.1", "--bad-jpeg", "0.1", "--noise",
		"--reboot-every", "2.5", "--size", "160x120", "--fps", "15")
	file := filepath.Join(t.TempDir(), "line.tape")
	type account struct {
		Received, Published, Lost, Repaired uint64

		Rejected map[string]uint64
	}
	said := func(args ...string) []byte {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.Command(programs.camgw, args...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.Bytes())
		}
		return out
	}
	var live struct{ Frames account }
	if err := json.Unmarshal(said("capture-raw", "--port", cam.link, "-o", file, "--duration", "6s", "--json"), &live); err != nil {
		t.Fatal(err)
	}
	var played struct {
		Account account
		Frames  []struct{ SHA256 string }
	}
	if err := json.Unmarshal(said("replay", "--report", file), &played); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(live.Frames, played.Account) || int(live.Frames.Published) != len(played.Frames) {
		t.Errorf("recorded %+v, played %+v and %d pictures", live.Frames, played.Account, len(played.Frames))
	}
	if live.Frames.Published == 0 || live.Frames.Published == live.Frames.Received {
		t.Errorf("this was no test: %+v", live.Frames)
	}
}
