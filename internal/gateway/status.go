package gateway

import (
	"fmt"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/camlink"
	"github.com/camgw/camgw/internal/web"
)

// webStatus tells the API what a camera knows of itself.
func webStatus(port string, cam *camera.Camera) web.Status {
	st, s := cam.Status(), cam.Stats()
	out := web.Status{
		Port:   port,
		State:  web.State(st.State),
		Cause:  webCause(st.Cause),
		Reason: st.Reason,
		Baud:   st.Baud,
		Width:  st.Width,
		Height: st.Height,
		Frames: web.FrameCounts{
			Received:  s.Received,
			Published: s.Published,
			Rejected:  make(map[string]uint64, len(s.Rejected)),
			Lost:      s.Lost,
			Skipped:   s.DeviceSkipped,
		},
		Errors: web.LinkErrors{
			Checksum:  s.Link.Errors[camlink.ErrorPayload],
			JunkBytes: s.Link.Discarded,
			Resyncs:   s.Link.Errors[camlink.ErrorHeader] + s.Link.Errors[camlink.ErrorVersion] + s.Link.Errors[camlink.ErrorLength],
			Lost:      s.Link.Lost,
		},
		LinkBytes: s.ReceivedBytes,
	}
	if t := st.Trouble; t != nil {
		out.LastError = &web.Trouble{Time: float64(t.At.UnixMilli()) / 1000, Cause: webCause(t.Cause), Detail: t.Reason}
	}
	if r := st.Recovery; r != nil {
		out.Recovery = &web.Recovery{Step: r.Step.String(), Reason: r.Why.String(), Time: float64(r.At.UnixMilli()) / 1000, OK: r.OK}
	}
	if st.Quality >= 0 {
		out.Quality = &st.Quality
	}
	if a := st.Auto; a != nil {
		out.Auto = &web.AutoQuality{TargetFPS: a.TargetFPS, Best: a.Best, Worst: a.Worst}
	}
	for i, n := range s.Rejected {
		out.Frames.Rejected[camera.Rejection(i).String()] = n
	}
	if d := st.Device; d != nil {
		out.Device = &web.Device{
			Board: d.Board, Sensor: d.Sensor, Firmware: d.Firmware, SDK: d.SDK, Name: d.Name,
			MAC: d.MAC, BootID: fmt.Sprintf("%08x", d.BootID), Transport: d.Transport,
			ResetReason: d.ResetReason, TestCard: d.TestCard,
		}
	}
	return out
}

func webCause(c camera.Cause) web.Cause {
	switch c {
	case camera.CauseNone:
		return web.CauseNone
	case camera.CausePortError:
		return web.CauseOther
	case camera.CauseStopped:
		return web.CauseShutdown
	}
	return web.Cause(c) // the rest have the same names; a test holds them to it
}
