package main

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var updateScreenshots = flag.Bool("update-screenshots", false, "write the pictures of the page that docs/images has")

// desk and phone are the windows that the page is looked at through.
var (
	desk  = window{width: 1280, height: 800}
	phone = window{width: 390, height: 844, phone: true}
)

// pageProbe reads what is on a canvas: the number that hostcam draws into each picture, and the colours of its bars.
const pageProbe = `window.probe = (() => {
  const digits = ["0E11131519110E", "040C040404040E", "0E11010204081F", "1F02040201110E", "02060A121F0202",
    "1F101E0101110E", "0608101E11110E", "1F010204080808", "0E11110E11110E", "0E11110F01020C"]
    .map((hex) => hex.match(/../g).map((row) => parseInt(row, 16)));
  const copy = document.createElement("canvas");
  const context = copy.getContext("2d", { willReadFrequently: true });
  const pixels = (canvas, x, y, width, height) => {
    copy.width = width; copy.height = height;
    context.drawImage(canvas, -x, -y);
    return context.getImageData(0, 0, width, height).data;
  };
  // number is the one that the picture on a canvas has, or -1.
  const number = (canvas) => {
    const scale = Math.floor(canvas.width / (6 * 26));
    if (scale < 1) return -1;
    const width = 44 * scale, data = pixels(canvas, 0, 0, width, 12 * scale);
    const lit = (x, y) => data[4 * (Math.floor((y + 0.5) * scale) * width + Math.floor((x + 0.5) * scale)) + 1] > 128;
    let value = 0;
    for (let i = 1; i <= 6; i++) {
      let best = -1, least = 4;
      digits.forEach((rows, digit) => {
        let wrong = 0;
        rows.forEach((row, y) => { for (let x = 0; x < 5; x++) if (lit(2 + 6 * i + x, 3 + y) !== Boolean(row >> (4 - x) & 1)) wrong++; });
        if (wrong < least) { least = wrong; best = digit; }
      });
      if (best < 0) return -1;
      value = value * 10 + best;
    }
    return value;
  };
  // bars are the colours of the eight bars, as letters: a capital for a channel that is bright.
  const bars = (canvas) => {
    const words = [];
    for (let i = 0; i < 8; i++) {
      const [r, g, b] = pixels(canvas, Math.floor((i + 0.5) * canvas.width / 8), Math.floor(canvas.height * 0.27), 1, 1);
      words.push([r > 100 ? "R" : "-", g > 100 ? "G" : "-", b > 100 ? "B" : "-"].join(""));
    }
    return words.join(" ");
  };
  return { number, bars, canvas: (id) => document.querySelector('canvas[aria-label="Camera ' + id + '"]') };
})();`

const (
	upright  = "RGB RG- -GB -G- R-B R-- --B ---"
	mirrored = "--- --B R-- R-B -G- -GB RG- RGB"
	negative = "--- --B R-- R-B -G- -GB RG- RGB"
)

// openPage opens the page and waits until every camera named shows pictures.
func openPage(t testing.TB, b *browser, d *daemon, path string, w window, ids ...string) *tab {
	t.Helper()
	p := b.open(t, d, path, w)
	p.await(20*time.Second, "the page", `document.querySelector("main > section")`)
	p.eval(pageProbe, nil)
	for _, id := range ids {
		p.await(20*time.Second, "pictures of "+id, fmt.Sprintf(`probe.canvas(%q) && probe.number(probe.canvas(%[1]q)) > 0`, id))
	}
	return p
}

// go_ goes to another view.
func (p *tab) goTo(hash string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`location.hash = %q`, hash), nil)
}

// TestPageShowsEachCamera: each place on the page shows its own camera, as it is now, and nothing on the page needs more
// than its policy allows.
func TestPageShowsEachCamera(t *testing.T) {
	small := startHostcam(t, "--fps", "8", "--size", "320x240")
	large := startHostcam(t, "--fps", "8", "--size", "800x600", "--usb")
	d := startDaemon(t, "--port", "small="+small.link, "--port", "large="+large.link)
	_, header, _ := d.ask(t, http.MethodGet, "/", "")
	policy := header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	p := openPage(t, startBrowser(t), d, "/", desk, "small", "large")
	for id, width := range map[string]int{"small": 320, "large": 800} {
		if got := p.text(fmt.Sprintf(`probe.canvas(%q).width`, id)); got != strconv.Itoa(width) {
			t.Errorf("%s is shown %s pixels wide", id, got)
		}
		p.await(5*time.Second, id+" as it is", fmt.Sprintf(`probe.bars(probe.canvas(%q)) === %q`, id, upright))
	}
	if got := p.text(`document.querySelector("#summary").textContent`); got != "2 of 2 live" {
		t.Errorf("the page says %q", got)
	}
	// The view of one, and what it says there, is what the gateway knows.
	p.eval(`document.querySelector('.tile-link[href="#/cam/large"]').click()`, nil)
	p.await(5*time.Second, "the view", `document.querySelector(".stage canvas") && probe.number(document.querySelector(".stage canvas")) > 0`)
	p.await(10*time.Second, "figures", `document.querySelector(".figure-value").textContent === "8.0 fps" && document.querySelectorAll(".chart canvas").length === 7`)
	if said := p.text("document.body.innerText"); !strings.Contains(said, "800 × 600") || !strings.Contains(said, "USB") {
		t.Errorf("the view says %s", said)
	}
	// The one that nobody looks at any more rests.
	within(t, 10*time.Second, "the small camera to rest", func() bool { return !small.read(t).Awake })
	p.clean()
}

// TestPageSetsEverything changes every setting of a device by keyboard and pointer on the page, and finds it in effect on the
// device, and shown.
func TestPageSetsEverything(t *testing.T) {
	cam := startHostcam(t, "--sensor", "OV3660", "--fps", "10")
	d := startDaemon(t, "--port", cam.link)
	d.awaitConfig(t, 10*time.Second)
	b := startBrowser(t)
	p := openPage(t, b, d, "/#/cam/cam1/settings", desk, "cam1")
	p.await(5*time.Second, "the settings", `document.querySelectorAll(".control").length > 20`)

	// effective waits until the gateway and the page agree on a value that is not the one before.
	changed := map[string]bool{}
	change := func(name string) {
		t.Helper()
		before := fmt.Sprint(d.awaitConfig(t, 5*time.Second)[name].Value)
		field := fmt.Sprintf(`document.querySelector('.control[data-name="%s"]').querySelector("input:not([id$=-auto]), select")`, name)
		kind := p.text(field + `.type`)
		shown := field + `.value`
		if kind == "checkbox" {
			shown = `Number(` + field + `.checked)`
		}
		p.await(5*time.Second, name+" shown as it is", fmt.Sprintf(`%s == %q`, shown, before))
		switch kind {
		case "range":
			p.eval(field+`.focus()`, nil)
			key := "End"
			if p.text(field+`.value === `+field+`.max`) == "true" {
				key = "Home"
			}
			p.key(key)
		case "checkbox":
			p.eval(field+`.scrollIntoView({block: "center"})`, nil)
			p.click(field)
		case "number":
			p.eval(field+`.select()`, nil)
			p.call("Input.insertText", map[string]any{"text": "40"}, nil)
			p.key("Tab")
		case "select-one":
			p.eval(fmt.Sprintf(`{ const s = %s; s.selectedIndex = (s.selectedIndex + 1) %% s.options.length; s.dispatchEvent(new Event("change", {bubbles: true})) }`, field), nil)
		default:
			t.Fatalf("%s is a %s", name, kind)
		}
		var now string
		within(t, 5*time.Second, name+" ("+kind+", "+before+") changed on the device", func() bool {
			now = fmt.Sprint(d.awaitConfig(t, 5*time.Second)[name].Value)
			return now != before
		})
		p.await(3*time.Second, name+" shown as "+now, fmt.Sprintf(`%s == %q && !document.querySelector('.control[data-name="%s"]').classList.contains("sending")`, shown, now, name))
		if fault := p.text(fmt.Sprintf(`document.querySelector('.control[data-name="%s"] .control-error').textContent`, name)); fault != "" {
			t.Errorf("%s: %s", name, fault)
		}
		changed[name] = true
	}
	offered := func(selector string) []string {
		var names []string
		p.eval(fmt.Sprintf(`[...document.querySelectorAll(".control")].filter((c) => { const f = c.querySelector("input:not([id$=-auto]), select"); return f && !f.disabled && f.matches(%q) }).map((c) => c.dataset.name)`, selector), &names)
		return slices.DeleteFunc(names, func(name string) bool { return changed[name] })
	}
	for _, name := range offered(":not(.switch)") {
		change(name)
	}
	// Each switch opens what only means something with it.
	for _, name := range offered(".switch") {
		change(name)
		for _, opened := range offered(":not(.switch)") {
			change(opened)
		}
	}
	p.eval(`document.querySelector('[id$="-auto"]').click()`, nil)
	p.await(5*time.Second, "automatic quality", `!document.querySelector('.control[data-name="target_fps"] input').disabled`)
	for _, name := range offered("*") {
		change(name)
	}
	all := d.awaitConfig(t, 5*time.Second)
	for name, c := range all {
		if c.Supported && !c.ReadOnly && !changed[name] {
			t.Errorf("the page does not offer %s", name)
		}
	}
	t.Logf("%d settings changed", len(changed))

	// A preset sets several; reverting all sets what was there at first.
	p.eval(`[...document.querySelectorAll(".chip")].find((c) => c.textContent === "Slow link").click()`, nil)
	within(t, 5*time.Second, "the preset on the device", func() bool {
		all := d.awaitConfig(t, 5*time.Second)
		return all["size"].Value == "320x240" && fmt.Sprint(all["target_fps"].Value) == "5"
	})
	p.await(5*time.Second, "revert", `!document.querySelector(".settings-actions button").disabled`)
	p.eval(`document.querySelector(".settings-actions button").click()`, nil)
	within(t, 5*time.Second, "the first settings on the device", func() bool {
		all := d.awaitConfig(t, 5*time.Second)
		return all["size"].Value == "640x480" && fmt.Sprint(all["quality"].Value) == "12" && fmt.Sprint(all["hmirror"].Value) == "0" && fmt.Sprint(all["effect"].Value) == "0"
	})
	p.await(5*time.Second, "the picture as it was", fmt.Sprintf(`probe.bars(probe.canvas("cam1")) === %q`, upright))
	p.clean()

	// What cannot be is told at the control, in the gateway's words.
	p.eval(`{ const s = document.querySelector('.control[data-name="size"] select'); s.add(new Option("no such size", "17x17")); s.value = "17x17"; s.dispatchEvent(new Event("change")) }`, nil)
	p.await(5*time.Second, "the error at the control", `document.querySelector('.control[data-name="size"] .control-error').textContent.includes("17x17")`)
	p.await(5*time.Second, "the size in effect", `document.querySelector('.control[data-name="size"] select').value === "640x480"`)
}

// TestPageFollowsTheDevice: what is set shows in the picture; a reboot is shown, heals by itself and loses no setting.
func TestPageFollowsTheDevice(t *testing.T) {
	cam := startHostcam(t, "--fps", "10")
	d := startDaemon(t, "--port", "door="+cam.link)
	p := openPage(t, startBrowser(t), d, "/#/cam/door/settings", desk, "door")
	p.eval(`window.news = []; new MutationObserver(() => news.push(document.querySelector("#news").textContent)).observe(document.querySelector("#news"), {childList: true, characterData: true, subtree: true})`, nil)
	p.await(5*time.Second, "the settings", `document.querySelector('.control[data-name="hmirror"]')`)
	p.eval(`document.querySelector('.control[data-name="hmirror"] input').click()`, nil)
	p.await(3*time.Second, "the mirrored picture", fmt.Sprintf(`probe.bars(probe.canvas("door")) === %q`, mirrored))

	before := d.status(t).Device
	_ = cam.cmd.Process.Signal(syscall.SIGHUP)
	p.await(5*time.Second, "the reboot in words", `news.some((n) => /door (Rebooting|No signal|Connecting)/.test(n))`)
	p.await(5*time.Second, "its end in words", `news.some((n) => n.includes("door is back"))`)
	p.await(5*time.Second, "the mirrored picture again", fmt.Sprintf(`document.querySelector(".stage .trouble").hidden && probe.bars(probe.canvas("door")) === %q`, mirrored))
	p.await(5*time.Second, "the setting shown", `document.querySelector('.control[data-name="hmirror"] input').checked`)
	t.Logf("said: %s", p.text(`news.join(" | ")`))
	_ = before
	p.clean()
}

// TestPageWithoutSignal: a camera that is pulled out shows as that within two seconds, with the cause and the next step,
// and its picture is back within two seconds of its return.
func TestPageWithoutSignal(t *testing.T) {
	cam, other := startHostcam(t, "--fps", "10"), startHostcam(t, "--fps", "10")
	d := startDaemon(t, "--port", "door="+cam.link, "--port", "yard="+other.link)
	b := startBrowser(t)
	for _, tt := range []struct{ name, path string }{{"grid", "/"}, {"view", "/#/cam/door"}} {
		t.Run(tt.name, func(t *testing.T) {
			p := openPage(t, b, d, tt.path, desk, "door")
			const trouble = `probe.canvas("door").closest(".screen").querySelector(".trouble")`
			for range 2 {
				leases := strings.Count(cam.log.String(), "unlinked")
				_ = cam.cmd.Process.Signal(syscall.SIGUSR1)
				gone := p.await(2*time.Second, "no signal", `!`+trouble+`.hidden && /No signal/.test(`+trouble+`.innerText) && /Unplugged/.test(`+trouble+`.innerText)`)
				if advice := p.text(`document.querySelector(".trouble-advice").textContent`); len(advice) < 10 {
					t.Errorf("the next step is %q", advice)
				}
				// A device that has power of its own listens at the old rate until its lease is over.
				within(t, 8*time.Second, "the device to notice", func() bool { return strings.Count(cam.log.String(), "unlinked") > leases })
				stood := p.text(`probe.number(probe.canvas("door"))`)
				_ = cam.cmd.Process.Signal(syscall.SIGUSR2)
				back := p.await(2*time.Second, "the picture", trouble+`.hidden && probe.number(probe.canvas("door")) > `+stood)
				t.Logf("gone after %v, back after %v", gone.Round(time.Millisecond), back.Round(time.Millisecond))
			}
			p.clean()
		})
	}
}

// TestPageOutlivesTheGateway: the page says that the gateway is away, and goes on by itself when it is back.
func TestPageOutlivesTheGateway(t *testing.T) {
	cam := startHostcam(t, "--fps", "10")
	d := startDaemon(t, "--port", "door="+cam.link)
	p := openPage(t, startBrowser(t), d, "/", desk, "door")
	d.kill(os.Interrupt)
	p.await(5*time.Second, "words", `document.querySelector("#summary").textContent.includes("does not answer") && document.querySelector(".trouble").innerText.includes("gateway")`)
	address := strings.TrimPrefix(d.url, "http://")
	startDaemon(t, "--listen", address, "--port", "door="+cam.link)
	p.await(15*time.Second, "the picture", `document.querySelector(".trouble").hidden && document.querySelector("#summary").textContent === "1 of 1 live"`)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		if strings.HasPrefix(problem, "exception") || strings.HasPrefix(problem, "a request") {
			t.Errorf("the page: %s", problem)
		}
	}
}

// TestPageWithoutWebSocket: where WebSockets are barred the page shows streams instead.
func TestPageWithoutWebSocket(t *testing.T) {
	cam := startHostcam(t, "--fps", "10")
	d := startDaemon(t, "--port", "door="+cam.link)
	b := startBrowser(t)
	p := b.open(t, d, "/healthz", desk)
	p.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": `window.WebSocket = class { static OPEN = 1; readyState = 3; constructor() { setTimeout(() => this.onclose?.(), 5) } close() {} send() {} }`}, nil)
	p.call("Page.navigate", map[string]any{"url": d.url + "/"}, nil)
	p.await(10*time.Second, "a stream", `document.querySelector(".glass img")?.naturalWidth === 640 && !document.querySelector(".glass img").hidden`)
	p.await(5*time.Second, "the state", `document.querySelector("#summary").textContent === "1 of 1 live"`)
	_ = cam.cmd.Process.Signal(syscall.SIGUSR1)
	p.await(3*time.Second, "no signal", `document.querySelector(".trouble").innerText.includes("Unplugged")`)
	_ = cam.cmd.Process.Signal(syscall.SIGUSR2)
	p.await(4*time.Second, "signal", `document.querySelector(".trouble").hidden`)
	p.clean()
}

// TestPageIsCurrent: what the page shows is at most one frame time behind what the daemon has received. Both are told by the
// number in the picture: as it is on the canvas at each of its animation frames, and as another viewer gets it.
func TestPageIsCurrent(t *testing.T) {
	const fps, seconds = 10, 12
	cam := startHostcam(t, "--fps", strconv.Itoa(fps))
	d := startDaemon(t, "--port", "door="+cam.link)
	p := openPage(t, startBrowser(t), d, "/#/cam/door", desk, "door")
	p.eval(`window.seen = {}; (function look() {
		const n = probe.number(probe.canvas("door"));
		if (n > 0) seen[n] ??= performance.timeOrigin + performance.now();
		requestAnimationFrame(look);
	})()`, nil)
	v, err := d.watch(t.Context(), "/cam/door/stream.mjpg")
	if err != nil {
		t.Fatal(err)
	}
	received := map[int]time.Time{}
	for begin := time.Now(); time.Since(begin) < seconds*time.Second; {
		part, err := v.next(3 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if n := cardNumber(t, part.jpeg); n > 0 {
			if _, again := received[n]; !again {
				received[n] = part.at
			}
		}
	}
	time.Sleep(300 * time.Millisecond) // for the last ones to be shown
	seen := map[string]float64{}
	p.eval(`seen`, &seen)
	var behind []time.Duration
	missed := 0
	for n, at := range received {
		shown, ok := seen[strconv.Itoa(n)]
		if !ok {
			missed++
			continue
		}
		behind = append(behind, time.UnixMicro(int64(shown*1000)).Sub(at))
	}
	slices.Sort(behind)
	if len(behind) < fps*seconds*8/10 {
		t.Fatalf("%d pictures received, %d seen", len(received), len(behind))
	}
	median, last := behind[len(behind)/2], behind[len(behind)*98/100]
	t.Logf("%d pictures, %d not seen; behind the other viewer: median %v, 98 %% %v, most %v", len(received), missed,
		median.Round(time.Millisecond/10), last.Round(time.Millisecond/10), behind[len(behind)-1].Round(time.Millisecond/10))
	if last > time.Second/fps {
		t.Errorf("the page is %v behind", last)
	}
	if missed > len(received)/20 {
		t.Errorf("%d of %d pictures were never on the page", missed, len(received))
	}
	p.clean()
}

// cardNumber reads the number in a picture of the test card; -1: there is none.
func cardNumber(t testing.TB, b []byte) int {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	digits := [10][7]byte{
		{0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E}, {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E}, {0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F},
		{0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E}, {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02}, {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
		{0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E}, {0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}, {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E},
		{0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C},
	}
	scale := img.Bounds().Dx() / (6 * 26)
	lit := func(x, y int) bool { return grey(img, (2*x+1)*scale/2, (2*y+1)*scale/2) > 128 }
	n := 0
	for i := 1; i <= 6; i++ {
		best, least := -1, 4
		for digit, rows := range digits {
			wrong := 0
			for y, row := range rows {
				for x := range 5 {
					if lit(2+6*i+x, 3+y) != (row>>(4-x)&1 != 0) {
						wrong++
					}
				}
			}
			if wrong < least {
				best, least = digit, wrong
			}
		}
		if best < 0 {
			return -1
		}
		n = n*10 + best
	}
	return n
}

func grey(img image.Image, x, y int) uint32 {
	_, g, _, _ := img.At(x, y).RGBA()
	return g >> 8
}

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
	p.await(3*time.Second, "no signal", `document.querySelector(".trouble:not([hidden])")`)
	p.eval(string(axe)+"; 0", nil)
	for _, w := range []window{desk, phone} {
		for _, w.dark = range []bool{false, true} {
			p.resize(w)
			for _, view := range []string{"#/", "#/cam/door", "#/cam/door/settings", "#/cam/door/connect", "#/cam/yard", "#/cam/yard/settings", "#/cam/nobody"} {
				p.goTo(view)
				p.await(5*time.Second, view, `document.querySelector(".tile, .content > *, .unknown")`)
				if strings.HasSuffix(view, "door/settings") {
					p.await(5*time.Second, "settings", `document.querySelectorAll(".control").length > 20`)
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

// TestPageKeepsItsMemory: nine cameras in one tab for as long as CAMGW_PAGE_SOAK says (30 seconds), and no more memory
// in use at the end than after the first seconds.
func TestPageKeepsItsMemory(t *testing.T) {
	soak := 30 * time.Second
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
	type memory struct{ heap, nodes, rss int }
	measure := func() memory {
		p.call("HeapProfiler.collectGarbage", map[string]any{}, nil)
		var r struct {
			Metrics []struct {
				Name  string
				Value float64
			}
		}
		p.call("Performance.getMetrics", map[string]any{}, &r)
		m := memory{rss: b.rssKB(t)}
		for _, metric := range r.Metrics {
			switch metric.Name {
			case "JSHeapUsedSize":
				m.heap = int(metric.Value) >> 10
			case "Nodes":
				m.nodes = int(metric.Value)
			}
		}
		return m
	}
	numbers := func() (n []int) {
		p.eval(`[...document.querySelectorAll(".glass canvas")].map(probe.number)`, &n)
		return n
	}
	time.Sleep(min(soak/3, time.Minute)) // caches fill
	first, from, begin := measure(), numbers(), time.Now()
	last := first
	for time.Since(begin) < soak {
		time.Sleep(min(soak/6, 30*time.Second))
		last = measure()
		t.Logf("after %v: %d kB heap, %d nodes, %d kB resident", time.Since(begin).Round(time.Second), last.heap, last.nodes, last.rss)
	}
	to, took := numbers(), time.Since(begin).Seconds()
	for i := range to {
		if rate := float64(to[i]-from[i]) / took; rate < 8 {
			t.Errorf("%s shows %.1f pictures per second", ids[i], rate)
		}
	}
	if last.heap > first.heap+1024 || last.nodes > first.nodes+50 || last.rss > first.rss+40<<10 {
		t.Errorf("at first %+v, in the end %+v", first, last)
	}
	p.clean()
}

// key presses a key that has no character.
func (p *tab) key(key string) {
	p.t.Helper()
	code := map[string]int{"Home": 36, "End": 35, "Tab": 9}[key]
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		p.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
	}
}

// click presses the pointer on an element.
func (p *tab) click(element string) {
	p.t.Helper()
	var at struct{ X, Y float64 }
	p.eval(`(() => { const b = `+element+`.getBoundingClientRect(); return {x: b.x + b.width / 2, y: b.y + b.height / 2} })()`, &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
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
			_ = cams[n/2].cmd.Process.Signal(syscall.SIGUSR1)
			p.await(5*time.Second, "no signal", `document.querySelector(".trouble:not([hidden])")`)
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
							p.await(10*time.Second, "pictures", fmt.Sprintf(`[...document.querySelectorAll(".screen")].filter((s) => s.dataset.level === "live").length >= %d`, min(n-1, map[bool]int{true: 1, false: 1}[name == "grid"])))
						}
						time.Sleep(1200 * time.Millisecond) // as a person would see it
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
