package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Programs that cannot run here are here by their rules: what they ask, how they take a stream apart, and how long they wait.

// streamOf is the address of the stream on the pages.
const streamOf = pagesGateway + "/cam/" + pagesCamera + "/stream.mjpg"

// readers are libraries that programs are written with.
var readers = map[string]func(*bench){
	"go multipart": func(b *bench) {
		checkShown(b, b.parts(b.open(streamOf, clientPatience), enoughPictures))
	},
	"python email": func(b *bench) { b.script(program(b, "/usr/bin/python3"), "email_parser.py") },
	"the page":     programsOfPage,
}

// script runs one of the readers in testdata, which says the SHA-256 of each picture.
func (b *bench) script(interpreter, name string) {
	b.Helper()
	file, err := filepath.Abs(filepath.Join("testdata/clients", name))
	if err != nil {
		b.Fatal(err)
	}
	p := b.start(fmt.Sprintf("%s %s %s %d", interpreter, file, streamOf, enoughPictures+10))
	b.finish(p, 0)
	b.shown(b.hashes(p.log.String()))
}

// hashes reads the hash of one picture per line.
func (b *bench) hashes(output string) ([]int, error) {
	known := map[string]int{}
	for hash, n := range b.album.numbers {
		known[fmt.Sprintf("%x", hash)] = n
	}
	var numbers []int
	for line := range strings.Lines(output) {
		n, ok := known[strings.TrimSpace(line)]
		if !ok {
			return numbers, fmt.Errorf("after %d pictures: %s", len(numbers), line)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// addressesAnswer gets what a program is told to ask for.
func addressesAnswer(b *bench, what block) {
	all := what.addresses()
	if len(all) == 0 {
		b.Fatalf("no address in\n%s", what.text)
	}
	for _, a := range all {
		switch kind := b.open(a, 5*time.Second).Header.Get("Content-Type"); {
		case kind == "image/jpeg":
			b.picture(a, 5*time.Second)
		case strings.HasPrefix(kind, "multipart/"):
			b.parts(b.open(a, 5*time.Second), 3)
		case kind != "application/json":
			b.Errorf("%s is %s", a, kind)
		}
	}
}

// still and stream are the addresses in a block.
func (b *bench) still(what block) string  { return b.oneWith(what, "snapshot") }
func (b *bench) stream(what block) string { return b.oneWith(what, "stream") }

func (b *bench) oneWith(what block, word string) string {
	b.Helper()
	for _, a := range what.addresses() {
		if strings.Contains(a, word) {
			return a
		}
	}
	b.Fatalf("no address with %s in\n%s", word, what.text)
	return ""
}

// homeAssistantReads: a still out of the stream is what lies between the first SOI and the first EOI, in ten seconds; one from the still address is
// all there is; and a browser gets the stream from Home Assistant, which copies it, type and all.
func homeAssistantReads(b *bench, what block) {
	const patience = 10 * time.Second
	client := http.Client{Timeout: patience}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := client.Get(b.here(b.stream(what)))
		if err != nil {
			return
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
		chunk := make([]byte, 102400)
		for {
			n, err := res.Body.Read(chunk)
			if _, broken := w.Write(chunk[:n]); err != nil || broken != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	}))
	b.Cleanup(proxy.Close)

	b.asksAgain(func() int { return b.picture(b.still(what), patience) })
	b.asksAgain(func() int {
		n, err := b.album.number(firstJPEG(b, b.open(b.stream(what), patience)))
		if err != nil {
			b.Fatal(err)
		}
		return n
	})
	checkShown(b, b.parts(b.open(proxy.URL, patience), enoughPictures))
}

// asksAgain gets single pictures until there were enough different ones.
func (b *bench) asksAgain(get func() int) {
	b.Helper()
	var numbers []int
	within(b, clientPatience, "different pictures", func() bool {
		if n := get(); len(numbers) == 0 || n != numbers[len(numbers)-1] {
			numbers = append(numbers, n)
		}
		return len(numbers) > enoughPictures
	})
	checkShown(b, numbers)
}

func firstJPEG(b *bench, res *http.Response) []byte {
	b.Helper()
	defer res.Body.Close()
	var data []byte
	chunk := make([]byte, 1024)
	for {
		n, err := res.Body.Read(chunk)
		data = append(data, chunk[:n]...)
		begin, end := bytes.Index(data, []byte{0xFF, 0xD8}), bytes.Index(data, []byte{0xFF, 0xD9})
		if begin >= 0 && end >= 0 {
			return data[begin : end+2]
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// go2rtcReads: lines up to a boundary may be empty and nothing else, a part needs its length, and the length is right.
func go2rtcReads(b *bench, what block) {
	res := b.open(b.stream(what), clientPatience)
	if kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); kind != "multipart/x-mixed-replace" {
		b.Fatalf("a stream of %q", kind)
	}
	var numbers []int
	for in := bufio.NewReader(res.Body); len(numbers) < enoughPictures; {
		line, err := in.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if line == "\r\n" {
			continue
		}
		if !strings.HasPrefix(line, "--") {
			b.Fatalf("%q instead of a boundary", line)
		}
		header, err := textproto.NewReader(in).ReadMIMEHeader()
		if err != nil {
			b.Fatal(err)
		}
		size, err := strconv.Atoi(header.Get("Content-Length"))
		if err != nil {
			b.Fatalf("%v: %v", header, err)
		}
		jpeg := make([]byte, size)
		if _, err := io.ReadFull(in, jpeg); err != nil {
			b.Fatal(err)
		}
		n, err := b.album.number(jpeg)
		if err != nil {
			b.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	checkShown(b, numbers)
}

// mjpgStreamerReads: its own input asks by HTTP/1.0 and has the boundary built in.
func mjpgStreamerReads(b *bench, what block) {
	if !strings.Contains(what.text, "input_http.so") || !strings.Contains(what.text, "/?action=stream") {
		b.Fatalf("not about input_http:\n%s", what.text)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(clientPatience))
	if _, err := io.WriteString(conn, "GET /?action=stream HTTP/1.0\r\n\r\n"); err != nil {
		b.Fatal(err)
	}
	var numbers []int
	var data []byte
	chunk := make([]byte, 4096)
	for len(numbers) < enoughPictures {
		const boundary = "--boundarydonotcross"
		n, err := conn.Read(chunk)
		if err != nil {
			b.Fatal(err)
		}
		data = append(data, chunk[:n]...)
		_, part, ok := bytes.Cut(data, []byte("Content-Length: "))
		if !ok {
			continue
		}
		digits, rest, ok := bytes.Cut(part, []byte("\r\n"))
		if !ok {
			continue
		}
		_, rest, ok = bytes.Cut(rest, []byte("\r\n\r\n"))
		size, err := strconv.Atoi(string(digits))
		if err != nil {
			b.Fatal(err)
		}
		if !ok || len(rest) < size+len("\r\n"+boundary) {
			continue
		}
		if !bytes.HasPrefix(rest[size:], []byte("\r\n"+boundary)) {
			b.Fatalf("%q after a picture", rest[size:size+20])
		}
		number, err := b.album.number(rest[:size])
		if err != nil {
			b.Fatal(err)
		}
		numbers, data = append(numbers, number), rest[size:]
	}
	checkShown(b, numbers)
}

// blynkPlays: its widget, like VLC's of old, wants a stream that is not in chunks.
func blynkPlays(b *bench, what block) {
	for _, a := range what.addresses() {
		res := b.open(a, clientPatience)
		if len(res.TransferEncoding) != 0 {
			b.Errorf("%s is encoded: %v", a, res.TransferEncoding)
		}
		checkShown(b, b.parts(res, enoughPictures))
	}
}

// octoPrintAsks: a snapshot within five seconds, with its type; its page shows the stream as an image.
func octoPrintAsks(b *bench, what block) {
	b.asksAgain(func() int { return b.picture(b.still(what), 5*time.Second) })
	b.parts(b.open(b.stream(what), 5*time.Second), 10)
}

// printerAsks: what moonraker.conf tells a printer's page, which is at another address: images need no leave, and the address
// gets one more key each time.
func printerAsks(b *bench, what block) {
	b.asksAgain(func() int {
		return b.picture(fmt.Sprintf("%s?bypassCache=%d", b.still(what), time.Now().UnixMilli()), 5*time.Second)
	})
	b.parts(b.open(b.stream(what)+"?cacheBust=1", 5*time.Second), 10)
}

// readsAs runs a printer page's reader behind the printer's own nginx.
func readsAs(name string) trial {
	return func(b *bench, what block) {
		b.url = b.nginx(what) + "/cams"
		b.script(program(b, "node"), name)
	}
}

// timelapseAsks: wget, with two seconds for it.
func timelapseAsks(b *bench, what block) {
	b.asksAgain(func() int {
		b.finish(b.start(program(b, "wget")+" -q -T 2 -t 1 -O frame.jpg "+b.still(what)), 0)
		jpeg, err := os.ReadFile(b.path("frame.jpg"))
		if err != nil {
			b.Fatal(err)
		}
		n, err := b.album.number(jpeg)
		if err != nil {
			b.Fatal(err)
		}
		return n
	})
}

// pythonReads runs the page's program.
func pythonReads(b *bench, what block) {
	if err := os.WriteFile(b.path("watch.py"), []byte(b.here(what.text)), 0o644); err != nil {
		b.Fatal(err)
	}
	p := b.start(program(b, "/usr/bin/python3") + " watch.py " + strings.TrimPrefix(b.url, "http://"))
	b.awaitFiles("door-*.jpg")
	p.kill(os.Interrupt)
	b.shown(b.kept("door-*.jpg"))
}

// motionSees lets motion keep each picture, which it always takes for something that moves.
func motionSees(b *bench, what block) {
	config := b.here(what.text) + fmt.Sprintf(`
daemon off
setup_mode off
width %d
height %d
framerate 25
target_dir %s
emulate_motion on
picture_output on
picture_quality 90
picture_filename seen-%%v-%%Y%%m%%d%%H%%M%%S-%%q
movie_output off
text_left
text_right
webcontrol_port 0
stream_port 0
`, stampWidth, stampHeight, b.dir)
	if err := os.WriteFile(b.path("motion.conf"), []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	p := b.start(program(b, "motion") + " -n -c motion.conf")
	b.awaitFiles("seen-*.jpg")
	p.kill(os.Interrupt)
	// In its names the second and the number within it do not always belong together.
	b.shown(pictureFiles(b.path("seen-*.jpg"), byTime))
}
