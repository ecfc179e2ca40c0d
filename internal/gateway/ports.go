package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/serialport"
	"github.com/camgw/camgw/internal/simcam"
	"github.com/camgw/camgw/internal/tape"
)

// opener returns how a camera's port is opened.
func opener(c config.Camera, log *slog.Logger) (camera.OpenFunc, error) {
	opts := serialport.Options{Logger: log.With("camera", c.ID)}
	mistake := func(err error, try string) error {
		return &config.Error{What: cmp.Or(c.Given, "--port "+c.Port), Why: err.Error(), Try: try, Origin: c.Origin}
	}
	switch c.Kind {
	case config.Simulated:
		simOpts, err := simcam.ParseOptions(c.Address)
		if err != nil {
			return nil, mistake(err, "")
		}
		device := simcam.New(simOpts)
		return func(ctx context.Context) (camera.Port, error) { return port(device.Open(ctx)) }, nil
	case config.Replay:
		tapeOpts, err := tape.ParseOptions(c.Address)
		if err != nil {
			return nil, mistake(err, "")
		}
		player, err := tape.NewPlayer(tapeOpts)
		if err != nil {
			return nil, mistake(err, "")
		}
		return func(ctx context.Context) (camera.Port, error) { return port(player.Open(ctx)) }, nil
	case config.TCP:
		return func(ctx context.Context) (camera.Port, error) {
			return port(serialport.DialTCP(ctx, c.Address, opts))
		}, nil
	default:
		if err := serialport.CheckName(c.Address); err != nil {
			return nil, mistake(err, "a name listed by: camgw ports")
		}
		return func(context.Context) (camera.Port, error) {
			p, err := serialport.Open(c.Address, opts)
			return port(serialLine{p}, err)
		}, nil
	}
}

// serialLine is a serial port whose driver may count line errors.
type serialLine struct{ *serialport.Port }

// LineCounts is part of camera.LineCounter.
func (l serialLine) LineCounts() (camera.LineCounts, bool) {
	e, ok := l.LineErrors()
	return camera.LineCounts{
		camera.LineOverrun: e.Overrun, camera.LineFraming: e.Frame, camera.LineParity: e.Parity,
		camera.LineBreak: e.Break, camera.LineBufOverrun: e.BufOverrun,
	}, ok
}

// port keeps a nil pointer from becoming a Port that is not nil, and gives
// errors the cause that cameras understand.
func port[P camera.Port](p P, err error) (camera.Port, error) {
	if err == nil {
		return p, nil
	}
	if open, ok := errors.AsType[*serialport.OpenError](err); ok {
		return nil, faultyOpen{open}
	}
	return nil, err
}

// faultyOpen lets an OpenError tell its cause to a camera.
type faultyOpen struct{ *serialport.OpenError }

// Fault is part of camera.Faulter.
func (f faultyOpen) Fault() camera.Cause {
	switch f.Cause {
	case serialport.CauseAbsent:
		return camera.CauseAbsent
	case serialport.CausePermission:
		return camera.CausePermission
	case serialport.CauseBusy:
		return camera.CauseBusy
	case serialport.CauseNotTTY:
		return camera.CauseNotATTY
	}
	return camera.CausePortError
}

// Unwrap keeps the chain whole past the embedded error's own Unwrap.
func (f faultyOpen) Unwrap() error { return f.OpenError }
