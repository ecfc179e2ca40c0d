package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "image/png" // players keep what they show as PNG or BMP

	_ "golang.org/x/image/bmp"
)

// trial runs what a block of a page says.
type trial func(b *bench, what block)

// clientTrials are the trials of each page's blocks, in order.
var clientTrials = map[string][]trial{
	"blynk.md":               {blynkPlays},
	"browser.md":             {imagesShow},
	"curl.md":                {each(keepsOne), each(curlKeepsStream), each(curlTellsNews)},
	"ffmpeg.md":              {each(ffplayShows, ffmpegRecords), each(ffmpegRecords)},
	"fluidd.md":              {printerAsks, readsAs("fluidd.mjs")},
	"frigate.md":             {addressesAnswer},
	"go2rtc.md":              {go2rtcServes},
	"gstreamer.md":           {each(gstreamerShows), each(gstreamerKeepsPictures)},
	"home-assistant.md":      {homeAssistantReads},
	"mainsail.md":            {printerAsks, readsAs("mainsail.mjs")},
	"mjpg-streamer.md":       {addressesAnswer, addressesAnswer, mjpgStreamerReads},
	"moonraker-timelapse.md": {timelapseAsks},
	"motion.md":              {motionSees},
	"mpv.md":                 {each(mpvShows)},
	"nginx.md":               {nginxPasses, nginxPasses},
	"octoprint.md":           {octoPrintAsks},
	"opencv.md":              {opencvShows},
	"python.md":              {pythonReads},
	"ustreamer.md":           {addressesAnswer},
	"vlc.md":                 {each(vlcShows), addressesAnswer},
	"zoneminder.md":          {addressesAnswer},
}

// each tries the commands of a block, each in its way, one after another.
func each(ways ...func(b *bench, command string)) trial {
	return func(b *bench, what block) {
		commands := what.commands()
		if len(commands) != len(ways) {
			b.Fatalf("%d commands, of which %d are tested", len(commands), len(ways))
		}
		for i, try := range ways {
			try(b, commands[i])
		}
	}
}

// ffplayShows lets SDL keep what would be on the screen.
func ffplayShows(b *bench, command string) {
	b.standIn("ffplay", program(b, "ffplay")+` -nostats "$@"`)
	p := b.start(command, "SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy", "SDL_VIDEO_DUMMY_SAVE_FRAMES=1")
	b.awaitFiles("SDL_window1-*.bmp")
	p.kill(syscall.SIGTERM)
	names, err := filepath.Glob(b.path("SDL_window1-*.bmp"))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Remove(names[len(names)-1]); err != nil { // it may have been killed at that
		b.Fatal(err)
	}
	b.shown(pictureFiles(b.path("SDL_window1-*.bmp"), strings.Compare))
}

// awaitFiles waits until a program has written so many pictures.
func (b *bench) awaitFiles(pattern string) {
	b.Helper()
	within(b, clientPatience, "pictures in "+pattern, func() bool {
		names, err := filepath.Glob(b.path(pattern))
		return err == nil && len(names) > enoughPictures+15
	})
}

// ffmpegRecords stops a recording as a person does, and looks at what it made.
func ffmpegRecords(b *bench, command string) {
	program(b, "ffmpeg")
	p := b.start(command)
	b.awaitFrames(p, regexp.MustCompile(`frame= *(\d+)`))
	p.kill(os.Interrupt)
	b.shown(b.decoded(b.path(command[strings.LastIndex(command, " ")+1:])))
}

// awaitFrames waits until a program says that it has so many pictures.
func (b *bench) awaitFrames(p *process, says *regexp.Regexp) {
	b.Helper()
	within(b, clientPatience, "pictures", func() bool {
		all := says.FindAllStringSubmatch(p.log.String(), -1)
		if len(all) == 0 {
			return false
		}
		n, err := strconv.Atoi(all[len(all)-1][1])
		return err == nil && n >= enoughPictures+10
	})
}

func mpvShows(b *bench, command string) {
	b.standIn("mpv", program(b, "mpv")+` --no-config --vo=image --vo-image-format=png --vo-image-png-compression=1 --vo-image-outdir=shown --frames=60 "$@"`)
	b.finish(b.start(command), 0)
	b.shown(pictureFiles(b.path("shown/*.png"), strings.Compare))
}

// vlcShows keeps what VLC shows with its own filter for scenes. VLC refuses to be root.
func vlcShows(b *bench, command string) {
	if err := os.Mkdir(b.path("shown"), 0o777); err != nil {
		b.Fatal(err)
	}
	if err := os.Chmod(b.path("shown"), 0o777); err != nil {
		b.Fatal(err)
	}
	vlc := program(b, "vlc")
	if os.Getuid() == 0 {
		vlc = program(b, "setpriv") + " --reuid=65534 --regid=65534 --clear-groups " + vlc
	}
	b.standIn("vlc", vlc+` --intf dummy --no-audio --vout dummy --video-filter scene --scene-format png --scene-ratio 1 --scene-prefix p --scene-path shown "$@"`)
	p := b.start(command)
	b.awaitFiles("shown/p*.png")
	p.kill(syscall.SIGTERM)
	b.shown(pictureFiles(b.path("shown/p*.png"), strings.Compare))
}

func gstreamerShows(b *bench, command string) {
	program(b, "gst-launch-1.0")
	const sink = "autovideosink sync=false"
	if !strings.HasSuffix(command, sink) {
		b.Fatalf("the sink is not %s", sink)
	}
	p := b.start(strings.TrimSuffix(command, sink) + "video/x-raw,format=RGB ! filesink location=shown.rgb sync=false buffer-mode=unbuffered")
	const size = stampWidth * stampHeight * 3
	within(b, clientPatience, "pictures in GStreamer", func() bool {
		s, err := os.Stat(b.path("shown.rgb"))
		return err == nil && s.Size() >= (enoughPictures+10)*size
	})
	p.kill(os.Interrupt)
	raw, err := os.ReadFile(b.path("shown.rgb"))
	if err != nil {
		b.Fatal(err)
	}
	b.shown(rawPictures(raw[:len(raw)/size*size]))
}

func gstreamerKeepsPictures(b *bench, command string) {
	p := b.start(command)
	b.awaitFiles("door-*.jpg")
	p.kill(os.Interrupt)
	b.shown(b.kept("door-*.jpg"))
}

// kept are pictures that a program has written as the camera sent them; at the last it may have been stopped.
func (b *bench) kept(pattern string) ([]int, error) {
	names, err := filepath.Glob(b.path(pattern))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("%d files %s, %w", len(names), pattern, err)
	}
	var numbers []int
	for _, name := range names[:len(names)-1] {
		jpeg, err := os.ReadFile(name)
		if err != nil {
			return numbers, err
		}
		n, err := b.album.number(jpeg)
		if err != nil {
			return numbers, fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// opencvShows runs the page's program with a screen that keeps pictures.
func opencvShows(b *bench, what block) {
	const screen = `import cv2
shown = 0
def imshow(name, picture):
    global shown
    shown += 1
    cv2.imwrite("shown-%04d.png" % shown, picture)
cv2.imshow = imshow
cv2.waitKey = lambda ms: 27 if shown >= 60 else -1
`
	if err := os.WriteFile(b.path("watch.py"), []byte(screen+b.here(what.text)), 0o644); err != nil {
		b.Fatal(err)
	}
	b.finish(b.start(program(b, "/usr/bin/python3")+" watch.py"), 0)
	b.shown(pictureFiles(b.path("shown-*.png"), strings.Compare))
}

// keepsOne looks at the one picture that a command writes.
func keepsOne(b *bench, command string) {
	b.finish(b.start(command), 0)
	jpeg, err := os.ReadFile(b.path(regexp.MustCompile(`-[oO] (\S+)`).FindStringSubmatch(command)[1]))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := b.album.number(jpeg); err != nil {
		b.Error(err)
	}
}

func curlKeepsStream(b *bench, command string) {
	program(b, "curl")
	b.finish(b.start(command), 28) // 28: its time was up
	raw, err := os.ReadFile(b.path(regexp.MustCompile(`-o (\S+)`).FindStringSubmatch(command)[1]))
	if err != nil {
		b.Fatal(err)
	}
	var numbers []int
	for in := multipart.NewReader(bytes.NewReader(raw), "camgw"); ; {
		part, err := in.NextRawPart()
		if err != nil {
			break
		}
		jpeg, err := io.ReadAll(part)
		if err != nil {
			break // the last one was under way
		}
		n, err := b.album.number(jpeg)
		if err != nil {
			b.Fatalf("after %d pictures: %v", len(numbers), err)
		}
		numbers = append(numbers, n)
	}
	checkShown(b, numbers)
}

func curlTellsNews(b *bench, command string) {
	program(b, "curl")
	p := b.start(command)
	within(b, 5*time.Second, "news of the camera", func() bool {
		return strings.Contains(p.log.String(), fmt.Sprintf(`"id":%q`, pagesCamera))
	})
}
