package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/gateway"
)

func snapshotCommand() *cobra.Command {
	var (
		f       config.Flags
		port    string
		to      string
		timeout time.Duration
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "snapshot {--port PORT | URL} -o FILE",
		Short: "Take one picture, from a camera or from a running gateway",
		Long: `Take one picture: with --port straight from a camera that no gateway holds,
with a URL from a gateway that is running. The URL may be its address alone
(http://127.0.0.1:8080), which is its first camera, or that of a camera's
snapshot (http://127.0.0.1:8080/api/v1/cameras/door/snapshot.jpg).`,
		Example: `  camgw snapshot --port /dev/ttyUSB0 --set size=UXGA -o door.jpg
  camgw snapshot http://127.0.0.1:8080 -o - | display`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1) == (port != "") {
				return usageError{cmd, errors.New("one camera is wanted: --port PORT, or the URL of a gateway")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := openOutput(cmd, to)
			if err != nil {
				return err
			}
			defer out.discard()
			var picture []byte
			if port == "" {
				picture, err = fetchPicture(cmd.Context(), args[0], timeout)
			} else {
				picture, err = takePicture(cmd, f, port, timeout, verbose)
			}
			if err != nil {
				return err
			}
			if _, err := out.Write(picture); err != nil {
				return fmt.Errorf("-o %s: %w", to, err)
			}
			return out.keep()
		},
	}
	cmd.Flags().StringVar(&port, "port", "", "port of the camera")
	completePorts(cmd, "port")
	cmd.Flags().StringVarP(&to, "output", "o", "", "file for the JPEG; - is standard output")
	cmd.Flags().IntVar(&f.Baud, "baud", 0, "line rate to use instead of negotiating the best one")
	deviceFlags(cmd, &f)
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long to wait for the picture")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "say on standard error what is going on")
	return cmd
}

// oneCamera checks the flags of a command that uses one camera by itself.
func oneCamera(f config.Flags, port string) (config.Camera, error) {
	f.Ports, f.Listen, f.MaxViewers = []string{port}, config.DefaultListen, 1
	cfg, err := f.Config()
	if err != nil {
		return config.Camera{}, err
	}
	return cfg.Cameras[0], nil
}

func takePicture(cmd *cobra.Command, f config.Flags, port string, timeout time.Duration, verbose bool) ([]byte, error) {
	cam, err := oneCamera(f, port)
	if err != nil {
		return nil, err
	}
	return gateway.Snapshot(cmd.Context(), cam, talk(cmd, verbose), timeout)
}

// maxPicture is far above what any camera sends.
const maxPicture = 64 << 20

func fetchPicture(ctx context.Context, address string, timeout time.Duration) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, &config.Error{What: address, Why: "not the URL of a gateway", Try: "http://127.0.0.1:8080, or --port for a port"}
	}
	if strings.Trim(u.Path, "/") == "" && u.RawQuery == "" {
		u.Path = "/snapshot.jpg"
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w; try: start the gateway, or check its address", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPicture))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", u.Redacted(), problemText(resp.Status, body))
	case !bytes.HasPrefix(body, []byte{0xFF, 0xD8}):
		return nil, fmt.Errorf("%s: the answer is no JPEG; try: the address of a snapshot, such as http://%s/snapshot.jpg", u.Redacted(), u.Host)
	}
	return body, nil
}

// problemText says what a gateway answered instead of a picture.
func problemText(status string, body []byte) string {
	var p struct{ Detail string }
	if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" {
		return status
	}
	return status + ": " + p.Detail
}
