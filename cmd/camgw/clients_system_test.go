package main

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestClients: the programs that people own take our streams as their pages in docs/clients say, each at least
// fifty pictures, whole and in order. What stands on those pages is what is run here.
func TestClients(t *testing.T) {
	album := newStampAlbum(t)
	cam := startHostcam(t, "--frames", album.dir, "--fps", "20")
	d := startDaemon(t, "--port", pagesCamera+"="+cam.link)
	d.awaitState(t, ample, "idle")

	// With one viewer always there the numbers go on while others come and go.
	keeper, err := d.watch(t.Context(), "/cam/"+pagesCamera+"/stream.mjpg?fps=2")
	if err != nil {
		t.Fatal(err)
	}
	kept := make(chan error, 1)
	go func() {
		for {
			p, err := keeper.next(3 * time.Second)
			if err == nil {
				_, err = album.number(p.jpeg)
			}
			if err != nil {
				kept <- err
				return
			}
		}
	}()
	t.Run("pages", func(t *testing.T) {
		for page, trials := range clientTrials {
			t.Run(strings.TrimSuffix(page, ".md"), func(t *testing.T) {
				t.Parallel()
				blocks := pageBlocks(t, page)
				if len(blocks) != len(trials) {
					t.Fatalf("%d blocks, of which %d are tested", len(blocks), len(trials))
				}
				for i, try := range trials {
					t.Run(fmt.Sprint(i+1), func(t *testing.T) {
						t.Parallel()
						try(newBench(t, d, album), blocks[i])
					})
				}
			})
		}
		for name, try := range readers {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				try(newBench(t, d, album))
			})
		}
	})
	select {
	case err := <-kept:
		t.Errorf("the viewer that was there all the time: %v", err)
	default:
	}
	keeper.conn.Close()
	d.balance(t)
}

// bench is where one client is tried: a gateway, the pictures of its camera, and a folder to work in.
type bench struct {
	*testing.T
	gateway *daemon
	url     string // what the client is told to be the gateway
	album   *stampAlbum
	dir     string
}

func newBench(t *testing.T, d *daemon, album *stampAlbum) *bench {
	// Clients that refuse to be root need to get here as somebody else.
	dir, err := os.MkdirTemp("", "camgw-client")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return &bench{t, d, d.url, album, dir}
}

// packages are Debian's, by the program.
var packages = map[string]string{
	"ffmpeg": "ffmpeg", "ffplay": "ffmpeg", "mpv": "mpv", "vlc": "vlc-bin", "cvlc": "vlc-bin", "gst-launch-1.0": "gstreamer1.0-tools", "curl": "curl",
	"wget": "wget", "node": "nodejs", "/usr/bin/python3": "python3", "nginx": "nginx-light", "firefox-esr": "firefox-esr", "Xvfb": "xvfb",
	"WebKitWebDriver": "webkit2gtk-driver", "setpriv": "util-linux", "motion": "motion",
}

// program finds a program.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && !strings.Contains(name, "/") {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, packages[name])
	}
	return path
}

// path is that of a file in the bench's folder.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// here is what stands on a page, for this gateway.
func (b *bench) here(text string) string { return strings.ReplaceAll(text, pagesGateway, b.url) }

// standIn puts a program of this name before the real one, which is run with more arguments.
func (b *bench) standIn(name, command string) {
	b.Helper()
	if err := os.MkdirAll(b.path("bin"), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(b.path("bin/"+name), []byte("#!/bin/sh\nexec "+command+"\n"), 0o755); err != nil {
		b.Fatal(err)
	}
}

// start runs one command as a person would type it.
func (b *bench) start(command string, env ...string) *process {
	b.Helper()
	p := &process{t: b, cmd: exec.Command("sh", "-c", "exec "+b.here(command)), log: &logBuffer{}, done: make(chan struct{})}
	p.cmd.Dir = b.dir
	p.cmd.Env = append(append(os.Environ(), "PATH="+b.path("bin")+":"+os.Getenv("PATH"), "HOME="+b.dir), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.done)
	}()
	b.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what it has started, too
		<-p.done
		if b.Failed() {
			b.Logf("%s\nsaid:\n%s", command, tail(p.log.String(), 4000))
		}
	})
	return p
}

// clientPatience is how long a client may take for its pictures: two slow cores start a browser and record
// with a race detector in between.
const clientPatience = 40 * time.Second

// finish waits for the end of a command that ends by itself.
func (b *bench) finish(p *process, exit int) {
	b.Helper()
	select {
	case <-p.done:
		if code := p.cmd.ProcessState.ExitCode(); code != exit {
			b.Fatalf("%v", p.cmd.ProcessState)
		}
	case <-time.After(clientPatience):
		b.Fatalf("no end within %v", clientPatience)
	}
}

// shown judges what a client has shown.
func (b *bench) shown(numbers []int, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	checkShown(b, numbers)
}

// decoded is what ffmpeg finds in a file.
func (b *bench) decoded(file string) ([]int, error) {
	b.Helper()
	out, err := exec.Command(program(b, "ffmpeg"), "-v", "error", "-i", file, "-fps_mode", "passthrough", "-s", fmt.Sprintf("%dx%d", stampWidth, stampHeight),
		"-f", "rawvideo", "-pix_fmt", "rgb24", "-").Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return rawPictures(out)
}

// open gets one of the addresses on a page.
func (b *bench) open(address string, patience time.Duration) *http.Response {
	b.Helper()
	client := http.Client{Timeout: patience}
	res, err := client.Get(b.here(address))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s", address, res.Status)
	}
	return res
}

// parts reads a stream with Go's mime/multipart.
func (b *bench) parts(res *http.Response, count int) []int {
	b.Helper()
	kind, parameters, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/x-mixed-replace" {
		b.Fatalf("a stream of %q: %v", kind, err)
	}
	var numbers []int
	for in := multipart.NewReader(res.Body, parameters["boundary"]); len(numbers) < count; {
		part, err := in.NextPart()
		if err != nil {
			b.Fatal(err)
		}
		jpeg, err := io.ReadAll(part)
		if err != nil {
			b.Fatal(err)
		}
		n, err := b.album.number(jpeg)
		if err != nil {
			b.Fatalf("%v: %v", part.Header, err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// picture gets one picture from an address.
func (b *bench) picture(address string, patience time.Duration) int {
	b.Helper()
	res := b.open(address, patience)
	defer res.Body.Close()
	jpeg, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	n, err := b.album.number(jpeg)
	if err != nil || res.Header.Get("Content-Type") != "image/jpeg" {
		b.Fatalf("%s: %q, %v", address, res.Header.Get("Content-Type"), err)
	}
	return n
}
