package main

import (
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var updateScreenshots = flag.Bool("update-screenshots", false, "write the pictures of the page that docs/images has")

// TestPageIsAccessible: axe finds nothing serious, in no view, light or dark, on a desk or a phone, with or without signal.
func TestPageIsAccessible(t *testing.T) {
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	cam, gone := startHostcam(t, "--fps", "5"), startHostcam(t, "--fps", "5")
	d := startDaemon(t, "--port", "door="+cam.link, "--port", "yard="+gone.link)
	b := startBrowser(t)
	p := openPage(t, b, d, "/", desk, "door", "yard")
	_ = gone.cmd.Process.Signal(syscall.SIGUSR1)
	p.await(ample, "no signal", `document.querySelector(".trouble:not([hidden])")`)
	p.eval(string(axe)+"; 0", nil)
	for _, w := range []window{desk, phone} {
		for _, w.dark = range []bool{false, true} {
			p.resize(w)
			for _, view := range []string{"#/", "#/cam/door", "#/cam/door/settings", "#/cam/door/connect", "#/cam/yard", "#/cam/yard/settings", "#/cam/nobody"} {
				p.goTo(view)
				p.await(ample, view, `document.querySelector(".tile, .content > *, .unknown")`)
				if strings.HasSuffix(view, "door/settings") {
					p.await(ample, "settings", `document.querySelectorAll(".control").length > 20`)
				}
				var found struct {
					Passes     int
					Violations []struct {
						ID, Impact, Help string
						Nodes            []struct {
							HTML, FailureSummary string
						}
					}
				}
				p.eval(`axe.run(document).then((r) => ({passes: r.passes.length, violations: r.violations}))`, &found)
				if found.Passes < 15 {
					t.Errorf("%s %+v: axe looked at %d things only", view, w, found.Passes)
				}
				for _, v := range found.Violations {
					if v.Impact != "serious" && v.Impact != "critical" {
						t.Logf("%s %+v: %s: %s", view, w, v.Impact, v.Help)
						continue
					}
					for _, node := range v.Nodes {
						t.Errorf("%s %+v: %s: %s\n%s\n%s", view, w, v.Impact, v.Help, node.HTML, node.FailureSummary)
					}
				}
			}
		}
	}
	p.clean()
}

// TestPageKeepsItsMemory: nine cameras in one tab for as long as CAMGW_PAGE_SOAK says (40 seconds). After a quarter of
// that all caches are full, and from then on neither the page nor the browser grows.
func TestPageKeepsItsMemory(t *testing.T) {
	soak := 40 * time.Second
	if s := os.Getenv("CAMGW_PAGE_SOAK"); s != "" {
		var err error
		if soak, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	var args, ids []string
	for i := range 9 {
		id := fmt.Sprintf("cam%d", i+1)
		cam := startHostcam(t, "--usb", "--fps", "10", "--size", "320x240")
		args, ids = append(args, "--port", id+"="+cam.link), append(ids, id)
	}
	d := startDaemon(t, args...)
	b := startBrowser(t)
	p := openPage(t, b, d, "/", desk, ids...)
	p.call("Performance.enable", map[string]any{}, nil)
	type memory struct{ heap, nodes, shows, all int } // kB, count, kB of the processes that show the page, kB
	measure := func(after time.Duration) memory {
		p.call("HeapProfiler.collectGarbage", map[string]any{}, nil)
		var r struct {
			Metrics []struct {
				Name  string
				Value float64
			}
		}
		p.call("Performance.getMetrics", map[string]any{}, &r)
		kinds := b.memoryKB(t)
		m := memory{shows: kinds["renderer"] + kinds["gpu-process"]}
		for _, kb := range kinds {
			m.all += kb
		}
		for _, metric := range r.Metrics {
			switch metric.Name {
			case "JSHeapUsedSize":
				m.heap = int(metric.Value) >> 10
			case "Nodes":
				m.nodes = int(metric.Value)
			}
		}
		t.Logf("after %v: %d kB heap, %d nodes, %d kB in all: %v", after.Round(time.Second), m.heap, m.nodes, m.all, kinds)
		return m
	}
	numbers := func() (n []int) {
		p.eval(`[...document.querySelectorAll(".glass canvas")].map(probe.number)`, &n)
		return n
	}
	const samples = 20
	from, begin := numbers(), time.Now()
	var taken []memory
	for i := range samples {
		time.Sleep(time.Until(begin.Add(soak * time.Duration(i+1) / samples)))
		taken = append(taken, measure(time.Since(begin)))
	}
	to, took := numbers(), time.Since(begin).Seconds()
	for i := range to {
		if rate := float64(to[i]-from[i]) / took; rate < 8 {
			t.Errorf("%s shows %.1f pictures per second", ids[i], rate)
		}
	}
	// The least of each: what a measure finds above that was on its way out.
	least := func(some []memory) memory {
		m := some[0]
		for _, s := range some {
			m = memory{min(m.heap, s.heap), min(m.nodes, s.nodes), min(m.shows, s.shows), min(m.all, s.all)}
		}
		return m
	}
	early, late := least(taken[samples/4:samples/2]), least(taken[3*samples/4:])
	if late.heap > early.heap+512 || late.nodes > early.nodes+20 || late.shows > early.shows+8<<10 || late.all > early.all+24<<10 {
		t.Errorf("in the second quarter %+v, in the last %+v", early, late)
	}
	p.clean()
}

// TestPageLooks draws the page with one, four and nine cameras, one of them unplugged, and checks that nothing sticks out
// of it. With -update-screenshots some of that is kept in docs/images.
func TestPageLooks(t *testing.T) {
	names := strings.Fields("door yard printer garage stairs attic shed gate pond")
	kept := map[string]string{
		"4-desk-light-grid": "grid", "9-desk-dark-grid": "grid-nine-dark", "4-desk-dark-view": "view-dark", "4-desk-light-settings": "settings",
		"4-phone-light-grid": "phone-grid", "4-phone-dark-view": "phone-view-dark", "1-desk-light-view": "unplugged",
	}
	shots := os.Getenv("CAMGW_TEST_SHOTS")
	b := startBrowser(t)
	for _, n := range []int{1, 4, 9} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			var args []string
			var cams []*hostcam
			dev, err := os.MkdirTemp("", "dev")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dev)
			for i, name := range names[:n] {
				cam := startHostcam(t, "--fps", "6", "--size", "640x480", "--quality", "20", "--seed", strconv.Itoa(i+1))
				port := filepath.Join(dev, fmt.Sprintf("ttyUSB%d", i))
				if err := os.Symlink(cam.link, port); err != nil {
					t.Fatal(err)
				}
				cam.link = port
				cams = append(cams, cam)
				args = append(args, "--port", name+"="+cam.link)
			}
			d := startDaemon(t, args...)
			p := openPage(t, b, d, "/", desk, names[:n]...)
			pulled := names[n/2]
			if *updateScreenshots && n == 4 {
				p.goTo("#/cam/door")
				time.Sleep(50 * time.Second) // so that there is something to draw a line of
				p.goTo("#/")
				p.await(ample, "pictures", `document.querySelectorAll('.screen[data-level="live"]').length === 4`)
			}
			_ = cams[n/2].cmd.Process.Signal(syscall.SIGUSR1)
			p.await(ample, "no signal", `document.querySelector(".trouble:not([hidden])")`)
			for _, w := range []window{desk, phone} {
				for _, w.dark = range []bool{false, true} {
					p.resize(w)
					views := map[string]string{"grid": "#/", "view": "#/cam/door"}
					if n == 4 {
						views["settings"], views["connect"] = "#/cam/door/settings", "#/cam/door/connect"
					}
					for _, name := range []string{"grid", "view", "settings", "connect"} {
						if views[name] == "" {
							continue
						}
						p.goTo(views[name])
						if pulled != "door" || name == "grid" {
							p.await(ample, "pictures", fmt.Sprintf(`[...document.querySelectorAll(".screen")].filter((s) => s.dataset.level === "live").length >= %d`, min(n-1, map[bool]int{true: 1, false: 1}[name == "grid"])))
						}
						if !w.dark || shots != "" || *updateScreenshots {
							time.Sleep(1200 * time.Millisecond) // as a person would see it; colours alone take no room
						}
						key := fmt.Sprintf("%d-%s-%s-%s", n, map[bool]string{true: "phone", false: "desk"}[w.phone], map[bool]string{true: "dark", false: "light"}[w.dark], name)
						var overflow int
						p.eval(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &overflow)
						if overflow > 0 {
							t.Errorf("%s is %d pixels too wide", key, overflow)
						}
						if shots != "" {
							if err := os.WriteFile(filepath.Join(shots, key+".png"), p.screenshot(), 0o644); err != nil {
								t.Fatal(err)
							}
						}
						if file, ok := kept[key]; ok && *updateScreenshots {
							p.keep(filepath.Join("..", "..", "docs", "images", file+".webp"))
						}
					}
				}
			}
			p.clean()
		})
	}
}

// keep writes what the page looks like into the documentation.
func (p *tab) keep(name string) {
	p.t.Helper()
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"format": "webp", "quality": 82}, &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(picture) > 300<<10 {
		p.t.Errorf("%s has %d bytes", name, len(picture))
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
