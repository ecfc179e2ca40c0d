package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestConfigCheckJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "camgw.toml")
	check := func(text string) (code int, r checkReport, said string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code = run(t.Context(), []string{"config", "check", "--json", file}, &out, &errs)
		d := json.NewDecoder(&out)
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%v: %s", err, errs.String())
		}
		return code, r, errs.String()
	}
	camera := "[[camera]]\nname = \"yard\"\nport = \"sim:\"\n"
	if code, r, said := check(camera); code != 0 || !r.Good || r.Cameras != 1 || r.File != file || r.Mistakes == nil || len(r.Mistakes) != 0 || said != "" {
		t.Errorf("%d, %+v, %s", code, r, said)
	}
	code, r, said := check(camera + "[limits]\nmax_viewrs_per_camera = 1\nmax_viewers = -1\n")
	if code != exitConfig || r.Good || len(r.Mistakes) != 2 || said == "" {
		t.Fatalf("%d, %+v, %s", code, r, said)
	}
	want := checkMistake{What: file + ":5: limits.max_viewrs_per_camera", Why: "there is no such key", Try: "max_viewers_per_camera"}
	if r.Mistakes[0] != want {
		t.Errorf("%+v, not %+v", r.Mistakes[0], want)
	}
}
