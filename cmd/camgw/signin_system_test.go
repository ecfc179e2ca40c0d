package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/web"
)

const (
	signInUser     = "ann"
	signInPassword = "a password with ü & <b>"
)

// startGuarded starts a daemon that asks, and is called cams.test by its browser: over plain HTTP by a name, as in a home network,
// a browser tells less of where a request was made than it does of 127.0.0.1.
func startGuarded(t *testing.T, args ...string) (d *daemon, users string) {
	t.Helper()
	users = filepath.Join(t.TempDir(), "users.toml")
	manageUsers(t, users, signInPassword+"\n", "user", "add", signInUser, "--role", "operator", "--password-stdin")
	d = startDaemon(t, append([]string{"--users", users, "--host", "cams.test"}, args...)...)
	d.url = strings.Replace(d.url, "127.0.0.1", "cams.test", 1)
	return d, users
}

func manageUsers(t *testing.T, users, input string, args ...string) {
	t.Helper()
	cmd := exec.Command(programs.camgw, append(args, "--users", users)...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("camgw %v: %v\n%s", args, err, out)
	}
}

// signIn fills in the form as a person would, or a password manager.
func (p *tab) signIn(user, password string) {
	p.t.Helper()
	p.await(ample, "the form", `document.querySelector(".signin form")`)
	for id, value := range map[string]string{"user": user, "password": password} {
		p.eval(fmt.Sprintf(`document.getElementById(%q).focus()`, id), nil)
		p.call("Input.insertText", map[string]any{"text": value}, nil)
	}
	p.leaves("signing in", func() { p.eval(`setTimeout(() => document.querySelector(".signin button").click())`, nil) })
}

// TestSignIn: a person signs in, watches, gives a player a link, is safe from other sites' pages meanwhile, and is out when that is said, or
// when somebody removes him.
func TestSignIn(t *testing.T) {
	cam := startHostcam(t, "--fps", "8", "--size", "320x240")
	d, users := startGuarded(t, "--port", "door="+cam.link)
	b := startBrowser(t, "--host-resolver-rules=MAP *.test 127.0.0.1")
	p := b.open(t, d, "/", phone)
	p.await(ample, "the form", `document.querySelector(".signin form")`)
	if fits := p.text(`document.documentElement.scrollWidth <= innerWidth && document.querySelector("form").method === "post"`); fits != "true" {
		t.Errorf("the form on a phone: %s", fits)
	}
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	p.eval(string(axe)+"; 0", nil)
	for _, w := range []window{desk, phone} {
		for _, w.dark = range []bool{false, true} {
			p.resize(w)
			var violations []struct{ ID, Help string }
			p.eval(`axe.run(document).then((r) => r.violations)`, &violations)
			for _, v := range violations {
				t.Errorf("%+v: %s: %s", w, v.ID, v.Help)
			}
		}
	}
	p.resize(desk)

	p.signIn(signInUser, "not this one")
	p.await(ample, "what went wrong", `document.querySelector("#why:not([hidden])")?.textContent.includes("do not go together")`)
	if at := p.text(`location.pathname`); at != "/" {
		t.Errorf("the form is now at %s", at)
	}
	p.signIn(signInUser, signInPassword)
	p.await(ample, "the page", `document.querySelector("main > section")`)
	p.eval(pageProbe, nil)
	p.await(ample, "pictures", `probe.canvas("door") && probe.number(probe.canvas("door")) > 0`)
	if cookie := p.text(`document.cookie`); cookie != "" {
		t.Errorf("scripts can read the session: %s", cookie)
	}

	// A player gets a link, which opens this camera's pictures and nothing else.
	p.goTo("#/cam/door/connect")
	p.await(ample, "the button", `document.querySelector(".connect-link button")`)
	p.eval(`document.querySelector(".connect-link button").click()`, nil)
	p.await(ample, "the link", `[...document.querySelectorAll(".address a")].some((a) => a.href.includes("stream.mjpg?sig="))`)
	link := p.text(`[...document.querySelectorAll(".address a")].find((a) => a.href.includes("snapshot.jpg?sig=")).href`)
	link = strings.Replace(link, "cams.test", "127.0.0.1", 1)
	for address, want := range map[string]int{link: 200, strings.Replace(link, "snapshot.jpg", "status", 1): 401, strings.Split(link, "?")[0]: 401} {
		if res, err := http.Get(address); err != nil || res.StatusCode != want {
			t.Errorf("%s: %v %v, want %d", address, res, err, want)
		} else {
			_ = res.Body.Close()
		}
	}
	evil(t, b, d)

	// Out, in again, and removed by somebody else while watching.
	p.leaves("signing out", func() {
		p.eval(`setTimeout(() => document.querySelector('.tools button[title^="Sign out"]').click())`, nil)
	})
	manageUsers(t, users, signInPassword+"\n", "user", "add", "vic", "--role", "viewer", "--password-stdin")
	within(t, ample, "the new user", func() bool { return strings.Count(d.log.String(), "users read") > 1 })
	p.signIn("vic", signInPassword)
	p.await(ample, "the page for who may only watch", `document.querySelector("main > section")`)
	p.goTo("#/cam/door/settings")
	p.await(ample, "settings that cannot be changed", `document.querySelector(".settings-locked:not([hidden])") && document.querySelector(".settings fieldset") &&
		!document.querySelector(".settings fieldset:not(:disabled)") && document.querySelector(".presets").hidden && document.querySelector(".settings-actions").hidden`)
	p.leaves("signing out", func() {
		p.eval(`setTimeout(() => document.querySelector('.tools button[title^="Sign out"]').click())`, nil)
	})
	p.signIn(signInUser, signInPassword)
	p.await(ample, "the page again", `document.querySelector("main > section")`)
	p.eval(pageProbe, nil)
	p.await(ample, "pictures again", `document.querySelector(".stage canvas, .tile canvas")`)
	p.leaves("removed", func() { manageUsers(t, users, "", "user", "remove", signInUser) })
	p.await(ample, "the form, after the user was removed", `document.querySelector(".signin form")`)
	within(t, ample, "the end of it in the log", func() bool { return strings.Contains(d.log.String(), `msg="access ended"`) })
	if log := d.log.String(); strings.Contains(log, "not this one") || strings.Contains(log, signInPassword) || strings.Contains(log, "sig=") {
		t.Error("the log tells secrets")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		if strings.Contains(problem, "exception") || strings.Contains(problem, "Policy") {
			t.Errorf("the page: %s", problem)
		}
	}
}

// evil opens a page of another site in the browser that is signed in, which tries all that a page can.
func evil(t *testing.T, b *browser, d *daemon) {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>evil</title><body><script>
const at = %q, result = {};
const image = (path) => new Promise((done) => { const i = new Image(); i.onload = () => done("shown"); i.onerror = () => done("refused"); i.src = at + path; setTimeout(() => done("nothing"), 3000); });
const read = (path, init) => fetch(at + path, init).then((r) => "read " + r.status, () => "refused");
const sent = (path, init) => fetch(at + path, { mode: "no-cors", credentials: "include", ...init }).then((r) => r.type, () => "refused");
const socket = () => new Promise((done) => { const s = new WebSocket(at.replace("http", "ws") + "/api/v1/ws"); s.onopen = () => done("open"); s.onerror = () => done("refused"); });
const frame = () => new Promise((done) => { const f = document.createElement("iframe"); f.onload = () => { try { done(f.contentDocument === null ? "hidden" : "blank"); } catch { done("hidden"); } }; f.src = at + "/"; document.body.append(f); });
(async () => {
  result.stream = await image("/cam/door/stream.mjpg");
  result.snapshot = await image("/cam/door/snapshot.jpg");
  result.fetch = await read("/api/v1/cameras", { credentials: "include" });
  result.patch = await read("/api/v1/cameras/door/config", { method: "PATCH", credentials: "include", headers: { "Content-Type": "application/json" }, body: '{"quality":63}' });
  result.control = await sent("/control", { method: "POST", body: new URLSearchParams({ var: "quality", val: "63" }) });
  result.out = await sent("/api/v1/session", { method: "DELETE" });
  result.socket = await socket();
  document.title = JSON.stringify(result);
})();
</script>`, d.url)
	}))
	defer site.Close()
	p := b.open(t, &daemon{process: d.process, url: strings.Replace(site.URL, "127.0.0.1", "evil.test", 1)}, "/", desk)
	p.await(30*time.Second, "the other site", `document.title.startsWith("{")`)
	var got map[string]string
	if err := json.Unmarshal([]byte(p.text(`document.title`)), &got); err != nil {
		t.Fatal(err)
	}
	// A request without an answer that may be read is "opaque"; what became of it the daemon knows.
	for what, bad := range map[string][]string{
		"stream": {"shown"}, "snapshot": {"shown"}, "fetch": {"read 200"}, "patch": {"read 200"}, "socket": {"open"},
	} {
		for _, b := range bad {
			if got[what] == b {
				t.Errorf("another site, %s: %s", what, b)
			}
		}
	}
	if strings.Contains(d.log.String(), "settings changed") {
		t.Error("another site has changed settings")
	}
	t.Logf("another site: %v", got)
}

// hostile is what a device might call itself: markup, what runs, what turns writing around, what is no text, and too much of it.
var hostile = []string{
	`<img src=x onerror="document.title='owned'">`, `<script>document.title="owned"</script>`, `javascript:document.title="owned"`, `"><svg onload=document.title='owned'>`,
	"\u202egpj.gnitool\u202c", "a\x00b\x1b[31m\r\nc\u2028d", "\xff\xfe\xc0", "{{7*7}}${7*7}", strings.Repeat("W", 64<<10), strings.Repeat("e\u0301\u0301\u0301", 9000),
}

// TestHostileNames (CVE-2024-29193, CVE-2024-29191, go2rtc): what devices call themselves neither runs on the page nor breaks it.
func TestHostileNames(t *testing.T) {
	var cameras []web.Camera
	for i, name := range hostile {
		hub := fanout.NewHub(web.Envelope)
		device := &web.Device{Name: name, Board: name, Sensor: name, Firmware: name, SDK: name, MAC: name, BootID: name, ResetReason: name, Transport: name}
		cameras = append(cameras, web.Camera{ID: fmt.Sprintf("c%d", i), Hub: hub, Status: func() web.Status {
			return web.Status{State: web.Offline, Cause: web.CauseOther, Reason: name, Port: name, Device: device, LastError: &web.Trouble{Time: 1, Cause: web.CauseOther, Detail: name}}
		}})
	}
	site := httptest.NewServer(web.New(web.Options{Cameras: cameras}).Handler())
	defer site.Close()
	b := startBrowser(t)
	p := b.open(t, &daemon{process: b.process, url: site.URL}, "/", desk)
	p.await(ample, "the page", fmt.Sprintf(`document.querySelectorAll(".tile").length === %d`, len(hostile)))
	for _, w := range []window{desk, phone} {
		p.resize(w)
		views := []string{"#/"}
		for i := range hostile {
			views = append(views, fmt.Sprintf("#/cam/c%d", i), fmt.Sprintf("#/cam/c%d/settings", i), fmt.Sprintf("#/cam/c%d/connect", i))
		}
		for _, view := range append(views, "#/cam/"+`%3Cimg%20src=x%20onerror=document.title='owned'%3E`) {
			p.goTo(view)
			p.await(ample, view, `document.querySelector(".tile, .content > *, .unknown")`)
			var found struct {
				Title                string
				Images, Scripts, Odd int
				Wide                 bool
				Longest              int
			}
			p.eval(`new Promise((done) => setTimeout(() => done({
				title: document.title, images: document.querySelectorAll("img[src=x], svg[onload]").length, scripts: document.querySelectorAll("body script").length,
				odd: (document.body.innerText.match(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g) ?? []).length,
				wide: document.documentElement.scrollWidth > innerWidth, longest: Math.max(0, ...[...document.querySelectorAll("body *")].filter((e) => !e.children.length).map((e) => e.textContent.length)),
			}), 30))`, &found)
			if found.Title == "owned" || found.Images+found.Scripts+found.Odd > 0 || found.Wide || found.Longest > 2000 {
				t.Errorf("%s %+v: %+v", view, w, found)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		if !strings.Contains(problem, "503") && !strings.Contains(problem, "WebSocket") {
			t.Errorf("the page: %.200s", problem)
		}
	}
}
