package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Gateway is a camgw that serves one camera.
type Gateway struct {
	*Process
	Port int // of its HTTP, on 127.0.0.1

	client http.Client
}

// CameraStatus is what camgw says of its camera.
type CameraStatus struct {
	State  string
	Frames struct {
		Published uint64
		Rejected  map[string]uint64
		Lost      uint64
	}
}

// StartGateway runs the camgw at path on a core, with the camera at tty, and returns when the two have shaken hands. On
// failure nothing is left running.
func StartGateway(ctx context.Context, core int, path, tty string, args ...string) (*Gateway, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args = append([]string{"serve", "--port", "cam=" + tty, "--listen", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}, args...)
	process, err := Start(ctx, Command{Core: core, Path: path, Args: args})
	if err != nil {
		return nil, err
	}
	// A connection kept alive would be one more in what is measured.
	g := &Gateway{Process: process, Port: port, client: http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	if err := g.linked(ctx); err != nil {
		g.Stop()
		return nil, fmt.Errorf("camgw: %w; it said: %q", err, g.Said())
	}
	return g, nil
}

// Camera asks for the state of the camera.
func (g *Gateway) Camera() (CameraStatus, error) {
	answer, err := g.client.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/cameras/cam", g.Port))
	if err != nil {
		return CameraStatus{}, fmt.Errorf("camera's status: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return CameraStatus{}, fmt.Errorf("camera's status: %s", answer.Status)
	}
	var s CameraStatus
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return CameraStatus{}, fmt.Errorf("camera's status: %w", err)
	}
	return s, nil
}

// linked waits for the handshake.
func (g *Gateway) linked(ctx context.Context) error {
	var last error
	err := Until(ctx, func() bool {
		select {
		case <-g.Done():
			last = errors.New("it has ended")
			return true
		default:
		}
		s, err := g.Camera()
		last = err
		return err == nil && (s.State == "idle" || s.State == "streaming")
	})
	if err != nil {
		return errors.Join(fmt.Errorf("wait for its camera: %w", err), last)
	}
	return last
}

// Version is what the camgw at path calls itself: its name and its commit.
func Version(ctx context.Context, path string) string {
	out, err := exec.CommandContext(ctx, path, "version").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) < 2 {
		return "a camgw of unknown version"
	}
	return words[0] + " " + words[1]
}

// Until asks again and again, for 10 s at most: no event crosses from another program.
func Until(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// freePort finds a TCP port that nobody listens on.
func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
