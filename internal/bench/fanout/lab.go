package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// lab runs one server with its camera and viewers at a time.
type lab struct {
	options
	cores bench.Cores
}

// runLimit bounds a run beyond its warm-up and window: start, link, and 20 s until every viewer has a picture.
const runLimit = 40 * time.Second

// audience are a row's viewers of the server at port.
func (l lab) audience(r row, port int, path string) bench.Audience {
	return bench.Audience{
		Program: filepath.Join(l.bin, "bench", "viewers"),
		Port:    port, Path: path,
		Count: r.Viewers, Stalled: r.stalled(),
		WarmUp: l.warmUp, Window: l.window,
	}
}

// floor measures the floor: the camera's pictures straight into its standard input.
func (l lab) floor(ctx context.Context, r row, camera *bench.Camera) (bench.Report, error) {
	in, pictures, err := bench.Pipe()
	if err != nil {
		return bench.Report{}, err
	}
	defer pictures.Close()
	said, out, err := os.Pipe()
	if err != nil {
		in.Close()
		return bench.Report{}, fmt.Errorf("pipe: %w", err)
	}
	defer said.Close()
	server, err := bench.Start(ctx, bench.Command{Core: l.cores.Server, Path: filepath.Join(l.bin, "bench", "floor"), Stdin: in, Stdout: out})
	in.Close()
	out.Close()
	if err != nil {
		return bench.Report{}, err
	}
	defer server.Stop()
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		return bench.Report{}, fmt.Errorf("its port: %w; it said: %q", err, server.Said())
	}
	port, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return bench.Report{}, fmt.Errorf("its port: %w", err)
	}
	return play(ctx, r, camera, pictures, func() (bench.Report, error) {
		return l.audience(r, port, "/").Watch(ctx, server)
	})
}

// gateway measures camgw: the camera's pictures into hostcam, and out of hostcam's terminal into camgw.
func (l lab) gateway(ctx context.Context, r row, camera *bench.Camera) (bench.Report, error) {
	dir, err := os.MkdirTemp("", "camgw-bench")
	if err != nil {
		return bench.Report{}, fmt.Errorf("folder for the terminal: %w", err)
	}
	defer os.RemoveAll(dir)
	in, pictures, err := bench.Pipe()
	if err != nil {
		return bench.Report{}, err
	}
	defer pictures.Close()
	tty := filepath.Join(dir, "cam.tty")
	device, err := bench.Start(ctx, bench.Command{Core: -1, Path: filepath.Join(l.bin, "hostcam"), Stdin: in,
		Args: []string{"--usb", "--frames", "-", "--link", tty}})
	in.Close()
	if err != nil {
		return bench.Report{}, err
	}
	defer device.Stop()
	if err := bench.Until(ctx, func() bool { _, err := os.Stat(tty); return err == nil }); err != nil {
		return bench.Report{}, fmt.Errorf("hostcam's terminal: %w; it said: %q", err, device.Said())
	}
	args := append([]string{"--max-viewers", strconv.Itoa(r.Viewers)}, l.args...)
	server, err := bench.StartGateway(ctx, l.cores.Server, l.camgw, tty, args...)
	if err != nil {
		return bench.Report{}, err
	}
	defer server.Stop()
	report, err := play(ctx, r, camera, pictures, func() (bench.Report, error) {
		return l.audience(r, server.Port, l.path).Watch(ctx, server.Process)
	})
	if err != nil {
		return report, fmt.Errorf("%w; it said: %q", err, server.Said())
	}
	return report, nil
}

// play keeps the camera going while watch runs. It is watch that stays in this goroutine: it starts a program.
func play(ctx context.Context, r row, camera *bench.Camera, to *os.File, watch func() (bench.Report, error)) (bench.Report, error) {
	playing, stop := context.WithCancel(ctx)
	played := make(chan error, 1)
	go func() { played <- camera.Play(playing, to, r.FPS) }()
	report, err := watch()
	stop()
	to.Close() // a write under way ends
	return report, errors.Join(err, <-played)
}
