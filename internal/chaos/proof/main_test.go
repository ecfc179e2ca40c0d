package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPatchesApply: a bug that can no longer be planted proves nothing, and nobody notices until all of them are tried.
func TestPatchesApply(t *testing.T) {
	patches, err := filepath.Glob("../testdata/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("%d patches, %v", len(patches), err)
	}
	for _, patch := range patches {
		if _, err := head(patch); err != nil {
			t.Error(err)
		}
		apply := exec.Command("patch", "--directory=../../..", "--strip=1", "--fuzz=0", "--dry-run", "--force", "--input="+absolute(patch))
		if out, err := apply.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", patch, err, out)
		}
	}
}
