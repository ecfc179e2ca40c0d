package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/camgw/camgw/internal/serialport/ptytest"
)

// TestScripts runs the commands as a person would: testdata/script. Beside those of testscript there are
// hostcam NAME ARGS... (a camera, until the test ends), plug NODE PLACE VID PID SERIAL TARGET, unplug PLACE, daemon ARGS...
// (a gateway, whose address becomes $URL), serves FILE (a web server with nothing but that file, likewise) and answers CODE FILE (the
// address that stands in the file comes to be answered with this code).
func TestScripts(t *testing.T) {
	// Told apart from those of the outer test: what is started here ends with the script.
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			u := ptytest.USB{Root: e.WorkDir}
			e.Setenv("TEST_SYS", u.Sys())
			e.Setenv("TEST_DEV", u.Dev())
			e.Setenv("SOURCE_DATE_EPOCH", "1700000000")
			e.Setenv("DAEMON", programs.camgw) // built with the tag man
			tape, err := filepath.Abs("testdata/bad-wire.tape")
			e.Setenv("TAPE", tape)
			e.Setenv("REPORT", filepath.Join(filepath.Dir(tape), "bad-wire.json"))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"hostcam": func(ts *testscript.TestScript, _ bool, args []string) {
				link := ts.MkAbs(args[0])
				p := startProcess(t, programs.hostcam, append([]string{"--link", link}, args[1:]...)...)
				ts.Defer(func() { p.kill(os.Kill) })
				waitFor(ts, "hostcam's link", func() bool { _, err := os.Stat(link); return err == nil })
			},
			"daemon": func(ts *testscript.TestScript, _ bool, args []string) {
				d := startDaemon(t, args...)
				ts.Defer(func() { d.kill(os.Interrupt) })
				ts.Setenv("URL", d.url)
			},
			"serves": func(ts *testscript.TestScript, _ bool, args []string) {
				body := ts.ReadFile(args[0])
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
				ts.Defer(s.Close)
				ts.Setenv("URL", s.URL)
			},
			"answers": func(ts *testscript.TestScript, _ bool, args []string) {
				address := strings.TrimSpace(ts.ReadFile(args[1]))
				within(t, ample, "answer "+args[0], func() bool {
					resp, err := http.Get(address)
					ts.Check(err)
					ts.Check(resp.Body.Close())
					return strconv.Itoa(resp.StatusCode) == args[0]
				})
			},
			"plug": func(ts *testscript.TestScript, _ bool, args []string) {
				u := ptytest.USB{Root: ts.Getenv("WORK")}
				ts.Check(u.Plug(args[0], ptytest.Adapter{Place: args[1], VID: args[2], PID: args[3], Serial: args[4]}, ts.MkAbs(args[5])))
			},
			"unplug": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ptytest.USB{Root: ts.Getenv("WORK")}.Unplug(args[0]))
			},
			"jpeg": func(ts *testscript.TestScript, neg bool, args []string) {
				b := ts.ReadFile(args[0])
				if whole := len(b) > 100 && b[:2] == "\xff\xd8" && b[len(b)-2:] == "\xff\xd9"; whole == neg {
					ts.Fatalf("%s, %d bytes: whole JPEG %v", args[0], len(b), whole)
				}
			},
		},
	})
}

func waitFor(ts *testscript.TestScript, what string, ok func() bool) {
	for begin := time.Now(); !ok(); {
		if time.Since(begin) > 5*time.Second {
			ts.Fatalf("%s: not within 5 s", what)
		}
		time.Sleep(5 * time.Millisecond) // of another process there is no event to wait for
	}
}
