package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// screen is a browser with one page open.
type screen interface {
	show(url string)
	// value awaits what an expression gives, as text.
	value(expression string) string
}

// browsers are those there are, each with the protocol it speaks.
var browsers = map[string]func(*bench) screen{
	"chromium": chromiumScreen,
	"firefox":  firefoxScreen,
	"webkit":   webkitScreen,
}

// stampSampler looks at each animation frame at what a picture or canvas shows, and notes its number when it is another one.
var stampSampler = fmt.Sprintf(`(() => {
	const columns = %d, rows = %d;
	const copy = document.createElement("canvas");
	const context = copy.getContext("2d", {willReadFrequently: true});
	const read = (source) => {
		copy.width = source.naturalWidth ?? source.width;
		copy.height = source.naturalHeight ?? source.height;
		if (!copy.width) return -1;
		context.drawImage(source, 0, 0);
		const data = context.getImageData(0, 0, copy.width, copy.height).data;
		let number = -1;
		for (let row = 0; row < rows; row++) {
			let bits = 0;
			for (let column = 0; column < columns; column++) {
				const at = 4 * (Math.floor((row + 0.5) * copy.height / rows) * copy.width + Math.floor((column + 0.5) * copy.width / columns));
				const difference = data[at] - data[at + 2];
				if (Math.abs(difference) < 80) return -1;
				bits = bits << 1 | (difference > 0);
			}
			if (row %% 2) bits = ~bits & 255;
			if (row && bits !== number) return -1;
			number = bits;
		}
		return number;
	};
	window.sample = (find, count) => new Promise((done, failed) => {
		const seen = [];
		const end = performance.now() + 30000;
		(function look() {
			let number = -1;
			try {
				const source = find();
				if (source) number = read(source);
			} catch (e) {
				return failed(e);
			}
			if (number !== seen.at(-1) && (number >= 0 || seen.length)) seen.push(number);
			if (seen.length >= count || performance.now() > end) done(JSON.stringify(seen));
			else requestAnimationFrame(look);
		})();
	});
})()`, stampColumns, stampRows)

// watchOn has a browser watch what find gives.
func (b *bench) watchOn(s screen, find string) {
	b.Helper()
	s.value(stampSampler)
	text := s.value(fmt.Sprintf(`sample(() => %s, %d)`, find, enoughPictures+10))
	var numbers []int
	if err := json.Unmarshal([]byte(text), &numbers); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	for i, n := range numbers {
		if n < 0 {
			b.Fatalf("a picture that cannot be read, after %d good ones", i)
		}
	}
	checkShown(b, numbers)
}

const pageCanvas = `document.querySelector('canvas[aria-label="Camera ` + pagesCamera + `"]')`

// imagesShow puts what the page has into a document, in each browser, and then opens our own page there.
func imagesShow(b *bench, what block) {
	for name, start := range browsers {
		b.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, b.gateway, b.album)
			s := start(b)
			s.show(b.url + "/") // other answers allow a document nothing
			html, err := json.Marshal(b.here(what.text))
			if err != nil {
				b.Fatal(err)
			}
			s.value(fmt.Sprintf(`document.querySelectorAll("link").forEach((style) => style.remove()), document.body.innerHTML = %s`, html))
			if f, ok := s.(*firefox); ok {
				f.watchScreen() // it lets no script read the pixels of a stream
			} else {
				b.watchOn(s, `document.querySelector("img")`)
			}
			s.show(b.url + "/")
			b.watchOn(s, pageCanvas)
		})
	}
	b.Run("chromium from another port", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, b.gateway, b.album)
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html><style>body { margin: 0 }</style>"+b.here(what.text))
		}))
		b.Cleanup(site.Close)
		d := *b.gateway
		d.url = site.URL // the same site as the gateway's: pages of others are refused (TestSignIn)
		p := startBrowser(t).open(t, &d, "/", window{width: stampWidth, height: stampHeight})
		p.await(clientPatience, "the picture", `document.querySelector("img")?.naturalWidth > 0`)
		var last, others int
		within(b, clientPatience, "pictures on the screen", func() bool {
			img, err := png.Decode(bytes.NewReader(p.screenshot()))
			if err != nil {
				b.Fatal(err)
			}
			n, err := readStamp(img)
			if err != nil {
				b.Fatal(err)
			}
			if n != last {
				last, others = n, others+1
			}
			return others > 10
		})
		// Which is why the pages of printers have to come from the same address.
		if got := (chromium{p}).value(fmt.Sprintf(`fetch(%q).then(() => "read", () => "refused")`, b.url+"/cam/"+pagesCamera+"/snapshot.jpg")); got != "refused" {
			t.Errorf("a script of another site has %s a picture", got)
		}
	})
}

// programsOfPage: what our own page offers to paste is what stands here, and so has been tried.
func programsOfPage(b *bench) {
	s := chromiumScreen(b)
	s.show(b.url + "/#/cam/" + pagesCamera + "/connect")
	var programs [][2]string
	text := s.value(`new Promise((done) => (function look() {
		const all = [...document.querySelectorAll(".program")];
		if (all.length) done(JSON.stringify(all.map((p) => [p.querySelector("summary").textContent, p.querySelector("pre").textContent])));
		else requestAnimationFrame(look);
	})())`)
	if err := json.Unmarshal([]byte(text), &programs); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	if len(programs) < 10 {
		b.Errorf("%d programs", len(programs))
	}
	for _, p := range programs {
		page := strings.ReplaceAll(strings.ToLower(p[0]), " ", "-") + ".md"
		if p[0] == "Web page" {
			page = "browser.md"
		}
		found := false
		for _, block := range pageBlocks(b, page) {
			found = found || strings.Contains(block.text, strings.ReplaceAll(p[1], b.url, pagesGateway))
		}
		if !found {
			b.Errorf("%s does not have what the page says of %s:\n%s", page, p[0], p[1])
		}
	}
}

// chromium is one tab of it.
type chromium struct{ *tab }

func chromiumScreen(b *bench) screen {
	program(b, "chromium")
	return chromium{startBrowser(b).open(b, b.gateway, "/healthz", desk)}
}

func (c chromium) show(url string) {
	c.t.Helper()
	c.call("Page.navigate", map[string]any{"url": url}, nil)
	c.await(clientPatience, url, fmt.Sprintf(`document.readyState === "complete" && location.href === %q`, url))
}

func (c chromium) value(expression string) string {
	c.t.Helper()
	var s string
	c.eval("(async () => String(await ("+expression+")))()", &s)
	return s
}

// firefox is spoken to by WebDriver BiDi, which it has built in.
type firefox struct {
	b       *bench
	conn    *websocket.Conn
	context string
	last    int
}

// firefoxSettings keep it from talking to anybody but us.
const firefoxSettings = `user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("services.settings.server", "data:,none");
`

func firefoxScreen(b *bench) screen {
	b.Helper()
	program(b, "firefox-esr")
	if err := os.WriteFile(b.path("user.js"), []byte(firefoxSettings), 0o644); err != nil {
		b.Fatal(err)
	}
	b.start("firefox-esr --headless --no-remote --profile . --remote-debugging-port=0 about:blank")
	var at struct {
		Host string `json:"ws_host"`
		Port int    `json:"ws_port"`
	}
	within(b, clientPatience, "Firefox", func() bool {
		text, err := os.ReadFile(b.path("WebDriverBiDiServer.json"))
		return err == nil && json.Unmarshal(text, &at) == nil
	})
	ctx, cancel := context.WithTimeout(b.Context(), clientPatience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s:%d/session", at.Host, at.Port), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(1 << 24)
	f := &firefox{b: b, conn: conn}
	f.call("session.new", map[string]any{"capabilities": map[string]any{}}, nil)
	var tree struct{ Contexts []struct{ Context string } }
	f.call("browsingContext.getTree", map[string]any{}, &tree)
	f.context = tree.Contexts[0].Context
	return f
}

// call asks Firefox to do something, and awaits its answer.
func (f *firefox) call(method string, params, result any) {
	f.b.Helper()
	f.last++
	text, err := json.Marshal(map[string]any{"id": f.last, "method": method, "params": params})
	if err != nil {
		f.b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(f.b.Context(), clientPatience)
	defer cancel()
	if err := f.conn.Write(ctx, websocket.MessageText, text); err != nil {
		f.b.Fatal(err)
	}
	for {
		_, text, err := f.conn.Read(ctx)
		if err != nil {
			f.b.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID             int
			Result         json.RawMessage
			Error, Message string
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			f.b.Fatal(err)
		}
		if answer.ID != f.last {
			continue // an event
		}
		if answer.Error != "" {
			f.b.Fatalf("%s: %s: %s", method, answer.Error, answer.Message)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				f.b.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

func (f *firefox) show(url string) {
	f.b.Helper()
	f.call("browsingContext.navigate", map[string]any{"context": f.context, "url": url, "wait": "complete"}, nil)
}

func (f *firefox) value(expression string) string {
	f.b.Helper()
	var r struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	f.call("script.evaluate", map[string]any{"expression": "(async () => String(await (" + expression + ")))()",
		"target": map[string]any{"context": f.context}, "awaitPromise": true}, &r)
	if r.Type != "success" {
		f.b.Fatalf("%s: %s", expression, r.ExceptionDetails.Text)
	}
	return r.Result.Value
}

// watchScreen looks at the image with screenshots of it.
func (f *firefox) watchScreen() {
	f.b.Helper()
	f.value(`new Promise((done) => (function look() { document.querySelector("img").naturalWidth ? done() : requestAnimationFrame(look) })())`)
	var box struct{ X, Y, Width, Height float64 }
	if err := json.Unmarshal([]byte(f.value(`JSON.stringify(document.querySelector("img").getBoundingClientRect())`)), &box); err != nil {
		f.b.Fatal(err)
	}
	var numbers []int
	for begin := time.Now(); len(numbers) < enoughPictures+10 && time.Since(begin) < clientPatience; {
		var shot struct{ Data []byte }
		f.call("browsingContext.captureScreenshot", map[string]any{"context": f.context,
			"clip": map[string]any{"type": "box", "x": box.X, "y": box.Y, "width": box.Width, "height": box.Height}}, &shot)
		img, err := png.Decode(bytes.NewReader(shot.Data))
		if err != nil {
			f.b.Fatal(err)
		}
		n, err := readStamp(img)
		if err != nil {
			f.b.Fatal(err)
		}
		if len(numbers) == 0 || n != numbers[len(numbers)-1] {
			numbers = append(numbers, n)
		}
	}
	checkShown(f.b, numbers)
}

// webkit is WebKitGTK's own small browser, spoken to by WebDriver.
type webkit struct {
	b       *bench
	session string
}

func webkitScreen(b *bench) screen {
	b.Helper()
	program(b, "WebKitWebDriver")
	display := b.display()
	driver := b.start("WebKitWebDriver --host=127.0.0.1 --port=0", "DISPLAY="+display, "GDK_BACKEND=x11")
	at := driver.listens(b)
	w := &webkit{b: b, session: "http://" + at + "/session"}
	var s struct{ SessionID string }
	w.call("", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"timeouts": map[string]any{"script": clientPatience.Milliseconds()},
	}}}, &s)
	w.session += "/" + s.SessionID
	b.Cleanup(func() {
		if r, err := http.NewRequest(http.MethodDelete, w.session, nil); err == nil {
			if res, err := http.DefaultClient.Do(r); err == nil {
				res.Body.Close()
			}
		}
	})
	return w
}

func (w *webkit) call(path string, params, result any) {
	w.b.Helper()
	text, err := json.Marshal(params)
	if err != nil {
		w.b.Fatal(err)
	}
	client := http.Client{Timeout: clientPatience}
	res, err := client.Post(w.session+path, "application/json", bytes.NewReader(text))
	if err != nil {
		w.b.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		w.b.Fatalf("%s: %s, %v %s", path, res.Status, err, answer.Value)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Value, result); err != nil {
			w.b.Fatalf("%s: %v %s", path, err, answer.Value)
		}
	}
}

func (w *webkit) show(url string) {
	w.b.Helper()
	w.call("/url", map[string]any{"url": url}, nil)
}

func (w *webkit) value(expression string) string {
	w.b.Helper()
	var s string
	w.call("/execute/sync", map[string]any{"script": "return (async () => String(await (" + expression + ")))()", "args": []any{}}, &s)
	return s
}

// listens is the address that a program listens at, which does not say so itself.
func (p *process) listens(b *bench) string {
	b.Helper()
	var at string
	within(b, clientPatience, "a port", func() bool {
		dir := fmt.Sprintf("/proc/%d", p.cmd.Process.Pid)
		table, err := os.ReadFile(dir + "/net/tcp")
		if err != nil {
			b.Fatal(err)
		}
		open, err := os.ReadDir(dir + "/fd")
		if err != nil {
			b.Fatal(err)
		}
		sockets := map[string]bool{}
		for _, fd := range open {
			if name, err := os.Readlink(dir + "/fd/" + fd.Name()); err == nil {
				sockets[name] = true
			}
		}
		for line := range strings.Lines(string(table)) {
			const address, state, inode, listening = 1, 3, 9, "0A"
			f := strings.Fields(line)
			if len(f) > inode && f[state] == listening && sockets["socket:["+f[inode]+"]"] {
				var port int
				if _, err := fmt.Sscanf(f[address], "0100007F:%X", &port); err == nil {
					at = fmt.Sprintf("127.0.0.1:%d", port)
				}
			}
		}
		return at != ""
	})
	return at
}

// display starts an X server without a screen, and gives its name.
func (b *bench) display() string {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	x := exec.Command(program(b, "Xvfb"), "-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	err = x.Start()
	w.Close()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = x.Process.Signal(syscall.SIGTERM)
		_ = x.Wait()
	})
	_ = r.SetReadDeadline(time.Now().Add(clientPatience))
	var number int
	if _, err := fmt.Fscanln(r, &number); err != nil {
		b.Fatalf("Xvfb says no display: %v", err)
	}
	return fmt.Sprintf(":%d", number)
}
