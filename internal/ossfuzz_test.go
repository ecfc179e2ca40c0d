package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOSSFuzzBuildsEveryTarget: a new fuzz target is not forgotten where it would run longest, and has seeds to begin with.
func TestOSSFuzzBuildsEveryTarget(t *testing.T) {
	out, err := exec.Command("../tools/fuzz.sh", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	there := strings.Fields(string(out))
	script, err := os.ReadFile("../deploy/oss-fuzz/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	var built []string
	for _, m := range regexp.MustCompile(`(?m)^(?:c_target (\w+)|go_target (\S+) (\w+))$`).FindAllStringSubmatch(string(script), -1) {
		if m[1] != "" {
			built = append(built, "c."+m[1])
			continue
		}
		built = append(built, m[2]+"."+m[3])
	}
	slices.Sort(there)
	slices.Sort(built)
	if len(there) < 15 || !slices.Equal(there, built) {
		t.Errorf("there are   %v\nare built   %v", there, built)
	}
	for _, name := range there {
		if c, ok := strings.CutPrefix(name, "c."); ok {
			if seeds, err := filepath.Glob("../firmware/test/corpus/" + c + "/*"); err != nil || len(seeds) == 0 {
				t.Errorf("%s has no corpus", name)
			}
		}
	}
}
