package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// go2rtcServes: the real go2rtc, set up as the page says, takes our stream and gives it to ffmpeg over RTSP.
func go2rtcServes(b *bench, what block) {
	go2rtcReads(b, what)
	built, err := filepath.Abs("../../bin/tools/go2rtc")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(built); err != nil {
		b.Fatalf("go2rtc: %v; try: make bin/tools/go2rtc", err)
	}
	rtsp := freeAddress(b, "127.0.0.1")
	config := b.here(what.text) + fmt.Sprintf("\nrtsp:\n  listen: %s\napi:\n  listen: \"\"\nwebrtc:\n  listen: \"\"\n", rtsp)
	if err := os.WriteFile(b.path("go2rtc.yaml"), []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	p := b.start(built + " -config go2rtc.yaml")
	within(b, clientPatience, "go2rtc's RTSP", func() bool { return strings.Contains(p.log.String(), "[rtsp] listen") })
	out, err := exec.Command(program(b, "ffmpeg"), "-v", "error", "-rtsp_transport", "tcp", "-i", "rtsp://"+rtsp+"/"+pagesCamera, "-frames:v", fmt.Sprint(enoughPictures+10),
		"-fps_mode", "passthrough", "-s", fmt.Sprintf("%dx%d", stampWidth, stampHeight), "-f", "rawvideo", "-pix_fmt", "rgb24", "-").Output()
	if err != nil {
		b.Fatalf("ffmpeg at go2rtc: %v", err)
	}
	b.shown(rawPictures(out))
}
