package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// browser is a Chromium, spoken to over its DevTools protocol.
type browser struct {
	*process
	conn *websocket.Conn

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	tabs    map[string]*tab
}

// reply is an answer of the browser.
type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// startBrowser starts a Chromium that talks to nobody but us and the pages it is told to open.
func startBrowser(t testing.TB, more ...string) *browser {
	t.Helper()
	// Its helpers outlive it by a moment and still write here; t.TempDir would call that a failure.
	profile, err := os.MkdirTemp("", "camgw-chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	b := &browser{waiting: map[int]chan reply{}, tabs: map[string]*tab{}}
	b.process = startProcess(t, "chromium", append(more, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
		"--disable-dev-shm-usage", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding", "--disable-background-timer-throttling",
		"--js-flags=--expose-gc", "--remote-debugging-port=0", "--user-data-dir="+profile, "about:blank")...)
	port := filepath.Join(profile, "DevToolsActivePort")
	var where []string
	within(t, 30*time.Second, "Chromium's DevTools", func() bool {
		text, err := os.ReadFile(port)
		where = strings.Fields(string(text))
		return err == nil && len(where) == 2
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b.conn, _, err = websocket.Dial(ctx, "ws://127.0.0.1:"+where[0]+where[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	b.conn.SetReadLimit(256 << 20)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		b.read()
	}()
	t.Cleanup(func() {
		b.conn.CloseNow()
		<-reading
		b.kill(syscall.SIGTERM)
	})
	return b
}

// read hands out what the browser says.
func (b *browser) read() {
	for {
		_, text, err := b.conn.Read(context.Background())
		if err != nil {
			b.mu.Lock()
			for id, c := range b.waiting {
				close(c)
				delete(b.waiting, id)
			}
			b.mu.Unlock()
			return
		}
		var m struct {
			ID        int
			SessionID string `json:"sessionId"`
			Method    string
			Params    json.RawMessage
			reply
		}
		if json.Unmarshal(text, &m) != nil {
			continue
		}
		b.mu.Lock()
		c, tab := b.waiting[m.ID], b.tabs[m.SessionID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case m.ID != 0 && c != nil:
			c <- m.reply
		case tab != nil:
			tab.event(m.Method, m.Params)
		}
	}
}

// call asks the browser, or one of its tabs, to do something.
func (b *browser) call(t testing.TB, session, method string, params any, result any) {
	t.Helper()
	b.mu.Lock()
	b.last++
	id := b.last
	c := make(chan reply, 1)
	b.waiting[id] = c
	b.mu.Unlock()
	message := map[string]any{"id": id, "method": method, "params": params}
	if session != "" {
		message["sessionId"] = session
	}
	text, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.conn.Write(context.Background(), websocket.MessageText, text); err != nil {
		t.Fatal(err)
	}
	select {
	case r, ok := <-c:
		if !ok {
			t.Fatalf("%s: Chromium has gone", method)
		}
		if r.Error != nil {
			t.Fatalf("%s: %s", method, r.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(r.Result, result); err != nil {
				t.Fatalf("%s: %v\n%s", method, err, r.Result)
			}
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("%s: no answer from Chromium", method)
	}
}

// tab is a page that is open.
type tab struct {
	t       testing.TB
	b       *browser
	session string
	origin  string

	mu       sync.Mutex
	problems []string // what a person would find in the console, and requests to others
	requests int
	loads    int // pages that were loaded
}

// window is how a page is looked at.
type window struct {
	width, height int
	dark          bool
	phone         bool
}

// open opens an address of the daemon.
func (b *browser) open(t testing.TB, d *daemon, path string, w window) *tab {
	t.Helper()
	var target struct{ TargetID string }
	b.call(t, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call(t, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &tab{t: t, b: b, session: attached.SessionID, origin: d.url}
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Runtime", "Log", "Network", "Page"} {
		p.call(domain+".enable", map[string]any{}, nil)
	}
	p.resize(w)
	p.call("Page.navigate", map[string]any{"url": d.url + path}, nil)
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		if dir := os.Getenv("CAMGW_TEST_SHOTS"); dir != "" {
			_ = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_")+".png"), p.screenshot(), 0o644)
		}
	})
	return p
}

func (p *tab) resize(w window) {
	p.t.Helper()
	scheme := "light"
	if w.dark {
		scheme = "dark"
	}
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": w.width, "height": w.height, "deviceScaleFactor": 1, "mobile": w.phone}, nil)
	p.call("Emulation.setTouchEmulationEnabled", map[string]any{"enabled": w.phone}, nil)
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

func (p *tab) call(method string, params, result any) {
	p.t.Helper()
	p.b.call(p.t, p.session, method, params, result)
}

// event notes what should not happen on a page.
func (p *tab) event(method string, params json.RawMessage) {
	var e struct {
		Type    string
		Request struct{ URL string }
		URL     string
		Entry   struct{ Level, Text, URL string }
		Args    []struct {
			Value       any
			Description string
		}
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	note := func(format string, args ...any) { p.problems = append(p.problems, fmt.Sprintf(format, args...)) }
	switch method {
	case "Runtime.exceptionThrown":
		note("exception: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "warning" {
			note("console.%s: %v", e.Type, e.Args)
		}
	case "Log.entryAdded":
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			note("log: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case "Page.loadEventFired":
		p.loads++
	case "Network.requestWillBeSent":
		p.requests++
		p.ours(e.Request.URL, note)
	case "Network.webSocketCreated":
		p.ours(strings.Replace(e.URL, "ws", "http", 1), note)
	}
}

// leaves does what loads another page, and waits for that: what is evaluated while a page goes may never be answered.
func (p *tab) leaves(what string, do func()) {
	p.t.Helper()
	loads := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.loads
	}
	before := loads()
	do()
	within(p.t, 60*time.Second, what+": another page", func() bool { return loads() > before })
}

func (p *tab) ours(url string, note func(string, ...any)) {
	if !strings.HasPrefix(url, p.origin+"/") && !strings.HasPrefix(url, "blob:"+p.origin+"/") && url != "about:blank" {
		note("a request to %s", url)
	}
}

// clean reports what happened on the page that should not have.
func (p *tab) clean() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.t.Errorf("the page: %s", problem)
	}
	p.problems = nil
}

// eval runs an expression on the page, awaits it and decodes what it gives.
func (p *tab) eval(expression string, result any) {
	p.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if e := r.ExceptionDetails; e != nil {
		p.t.Fatalf("%s: %s %s", expression, e.Text, e.Exception.Description)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(r.Result.Value, result); err != nil {
		p.t.Fatalf("%s: %v\n%s", expression, err, r.Result.Value)
	}
}

// text is what an expression gives, as text.
func (p *tab) text(expression string) string {
	p.t.Helper()
	var s string
	p.eval("String("+expression+")", &s)
	return s
}

// await waits until an expression is true.
func (p *tab) await(limit time.Duration, what, expression string) time.Duration {
	p.t.Helper()
	begin := time.Now()
	for {
		var ok bool
		p.eval("Boolean("+expression+")", &ok)
		if ok {
			return time.Since(begin)
		}
		if time.Since(begin) > limit {
			p.t.Fatalf("%s: not within %v; the page says: %s", what, limit, p.text("document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// screenshot is what the page looks like, as PNG.
func (p *tab) screenshot() []byte {
	p.t.Helper()
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// memoryKB is what the browser's processes hold, by their kind; what several share counts as a part for each.
func (b *browser) memoryKB(t testing.TB) map[string]int {
	t.Helper()
	out, err := exec.Command("ps", "-e", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	parents := map[int]int{}
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if _, err := fmt.Sscan(line, &pid, &parent); err == nil {
			parents[pid] = parent
		}
	}
	kinds := map[string]int{}
	for pid := range parents {
		at := pid
		for at > 1 && at != b.cmd.Process.Pid {
			at = parents[at]
		}
		if at != b.cmd.Process.Pid {
			continue
		}
		dir := fmt.Sprintf("/proc/%d", pid)
		line, _ := os.ReadFile(dir + "/cmdline") // a process that has ended holds nothing
		rollup, _ := os.ReadFile(dir + "/smaps_rollup")
		_, kind, ok := strings.Cut(string(line), "--type=")
		if !ok {
			kind = "browser"
		}
		kind, _, _ = strings.Cut(kind, "\x00")
		kind, _, _ = strings.Cut(kind, " ")
		if _, rest, ok := strings.Cut(string(rollup), "\nPss:"); ok {
			var kb int
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				kinds[kind] += kb
			}
		}
	}
	return kinds
}
