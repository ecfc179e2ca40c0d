package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPageShowsEachCamera: each place on the page shows its own camera, as it is now, and nothing on the page needs more
// than its policy allows.
func TestPageShowsEachCamera(t *testing.T) {
	small := startHostcam(t, "--fps", "8", "--size", "320x240", "--name", `<b onclick="x">"small"</b>`)
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
		p.await(ample, id+" as it is", fmt.Sprintf(`probe.bars(probe.canvas(%q)) === %q`, id, upright))
	}
	if got := p.text(`document.querySelector('.tile[aria-label="Camera small"] .tile-name').textContent`); got != `<b onclick="x">"small"</b>` {
		t.Errorf("the device's name is shown as %s", got)
	}
	if got := p.text(`document.querySelector("#summary").textContent`); got != "2 of 2 live" {
		t.Errorf("the page says %q", got)
	}
	// The view of one, and what it says there, is what the gateway knows.
	p.eval(`document.querySelector('.tile-link[href="#/cam/large"]').click()`, nil)
	p.await(ample, "the view", `document.querySelector(".stage canvas") && probe.number(document.querySelector(".stage canvas")) > 0`)
	var shift float64
	p.eval(`new Promise((done) => { let sum = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; }).observe({type: "layout-shift", buffered: true}); setTimeout(() => done(sum), 300) })`, &shift)
	t.Logf("layout shift %.4f", shift)
	if shift > 0.02 {
		t.Errorf("what is on the page moved about: %.3f", shift)
	}
	p.await(ample, "figures", `document.querySelector(".figure-value").textContent === "8.0 fps" && document.querySelectorAll(".chart canvas").length === 7`)
	if said := p.text("document.body.innerText"); !strings.Contains(said, "800 × 600") || !strings.Contains(said, "USB") {
		t.Errorf("the view says %s", said)
	}
	// The one that nobody looks at any more rests.
	within(t, ample, "the small camera to rest", func() bool { return !small.read(t).Awake })
	p.clean()
}

// TestPageSetsEverything changes every setting of a device by keyboard and pointer on the page, and finds it in effect on the
// device, and shown.
func TestPageSetsEverything(t *testing.T) {
	cam := startHostcam(t, "--sensor", "OV3660", "--fps", "10")
	d := startDaemon(t, "--port", cam.link)
	d.awaitConfig(t, ample)
	b := startBrowser(t)
	p := openPage(t, b, d, "/#/cam/cam1/settings", desk, "cam1")
	p.await(ample, "the settings", `document.querySelectorAll(".control").length > 20`)

	// effective waits until the gateway and the page agree on a value that is not the one before.
	changed := map[string]bool{}
	change := func(name string) {
		t.Helper()
		before := fmt.Sprint(d.awaitConfig(t, ample)[name].Value)
		field := fmt.Sprintf(`document.querySelector('.control[data-name="%s"]').querySelector("input:not([id$=-auto]), select")`, name)
		kind := p.text(field + `.type`)
		shown := field + `.value`
		if kind == "checkbox" {
			shown = `Number(` + field + `.checked)`
		}
		p.await(ample, name+" shown as it is", fmt.Sprintf(`%s == %q`, shown, before))
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
		within(t, ample, name+" ("+kind+", "+before+") changed on the device", func() bool {
			now = fmt.Sprint(d.awaitConfig(t, ample)[name].Value)
			return now != before
		})
		p.await(ample, name+" shown as "+now, fmt.Sprintf(`%s == %q && !document.querySelector('.control[data-name="%s"]').classList.contains("sending")`, shown, now, name))
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
	p.await(ample, "automatic quality", `!document.querySelector('.control[data-name="target_fps"] input').disabled`)
	for _, name := range offered("*") {
		change(name)
	}
	all := d.awaitConfig(t, ample)
	for name, c := range all {
		if c.Supported && !c.ReadOnly && !changed[name] {
			t.Errorf("the page does not offer %s", name)
		}
	}
	t.Logf("%d settings changed", len(changed))

	// A preset sets several; reverting all sets what was there at first.
	p.eval(`[...document.querySelectorAll(".chip")].find((c) => c.textContent === "Slow link").click()`, nil)
	within(t, ample, "the preset on the device", func() bool {
		all := d.awaitConfig(t, ample)
		return all["size"].Value == "320x240" && fmt.Sprint(all["target_fps"].Value) == "5"
	})
	p.await(ample, "revert", `!document.querySelector(".settings-actions button").disabled`)
	p.eval(`document.querySelector(".settings-actions button").click()`, nil)
	within(t, ample, "the first settings on the device", func() bool {
		all := d.awaitConfig(t, ample)
		return all["size"].Value == "640x480" && fmt.Sprint(all["quality"].Value) == "12" && fmt.Sprint(all["hmirror"].Value) == "0" && fmt.Sprint(all["effect"].Value) == "0"
	})
	p.await(ample, "the picture as it was", fmt.Sprintf(`probe.bars(probe.canvas("cam1")) === %q`, upright))
	p.clean()

	// What cannot be is told at the control, in the gateway's words.
	p.eval(`{ const s = document.querySelector('.control[data-name="size"] select'); s.add(new Option("no such size", "17x17")); s.value = "17x17"; s.dispatchEvent(new Event("change")) }`, nil)
	p.await(ample, "the error at the control", `document.querySelector('.control[data-name="size"] .control-error').textContent.includes("17x17")`)
	p.await(ample, "the size in effect", `document.querySelector('.control[data-name="size"] select').value === "640x480"`)
}

// TestPageFollowsTheDevice: what is set shows in the picture; a reboot is shown, heals by itself and loses no setting.
func TestPageFollowsTheDevice(t *testing.T) {
	cam := startHostcam(t, "--fps", "10")
	d := startDaemon(t, "--port", "door="+cam.link)
	p := openPage(t, startBrowser(t), d, "/#/cam/door/settings", desk, "door")
	p.eval(`window.news = []; new MutationObserver(() => news.push(document.querySelector("#news").textContent)).observe(document.querySelector("#news"), {childList: true, characterData: true, subtree: true})`, nil)
	p.await(ample, "the settings", `document.querySelector('.control[data-name="hmirror"]')`)
	p.eval(`document.querySelector('.control[data-name="hmirror"] input').click()`, nil)
	p.await(3*time.Second, "the mirrored picture", fmt.Sprintf(`probe.bars(probe.canvas("door")) === %q`, mirrored))

	// A device that is up within a tenth of a second may be seen only when it is.
	_ = cam.cmd.Process.Signal(syscall.SIGHUP)
	p.await(5*time.Second, "the reboot in words", `news.some((n) => /door (Rebooting|No signal|Connecting|has rebooted)/.test(n))`)
	p.await(5*time.Second, "its end in words", `/door (is back|has rebooted)/.test(news.at(-1))`)
	p.await(ample, "the mirrored picture again", fmt.Sprintf(`document.querySelector(".stage .trouble").hidden && probe.bars(probe.canvas("door")) === %q`, mirrored))
	p.await(ample, "the setting shown", `document.querySelector('.control[data-name="hmirror"] input').checked`)
	t.Logf("said: %s", p.text(`news.join(" | ")`))
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
				within(t, ample, "the device to notice", func() bool { return strings.Count(cam.log.String(), "unlinked") > leases })
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
	p.await(ample, "the picture", `document.querySelector(".trouble").hidden && document.querySelector("#summary").textContent === "1 of 1 live"`)
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
	p.await(ample, "a stream", `document.querySelector(".glass img")?.naturalWidth === 640 && !document.querySelector(".glass img").hidden`)
	p.await(ample, "the state", `document.querySelector("#summary").textContent === "1 of 1 live"`)
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
	var parts []part // read when all have come: under the race detector that takes as long as a picture is there
	for begin := time.Now(); time.Since(begin) < seconds*time.Second; {
		p, err := v.next(3 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	time.Sleep(300 * time.Millisecond) // for the last ones to be shown
	seen := map[string]float64{}
	p.eval(`seen`, &seen)
	received := map[int]time.Time{}
	for _, p := range parts {
		if n := cardNumber(t, p.jpeg); n > 0 {
			if _, again := received[n]; !again {
				received[n] = p.at
			}
		}
	}
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
