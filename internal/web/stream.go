package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// stream answers with the pictures of c until the viewer leaves.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, c *camera, boundary string) {
	header := w.Header()
	header.Set("Content-Type", "multipart/x-mixed-replace; boundary="+boundary)
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	header.Set("Connection", "close")
	header.Set("X-Accel-Buffering", "no") // nginx would collect the pictures
	if r.Method == http.MethodHead {
		return
	}
	if !s.admit() {
		s.refuse(w)
		return
	}
	defer s.viewers.Add(-1)
	terms := fanout.Terms{Transport: fanout.MJPEG}
	if c.Hub.Viewers() > 0 {
		// Others watch, so that the newest picture is as live as the next. Else it is from before the camera rested.
		terms.MaxAge = s.options.RepeatAfter
	}
	sub := c.Hub.Subscribe(terms)
	defer sub.Close()

	// net/http takes this as "not chunked". VLC, Blynk and plain parsers cannot read a chunked stream.
	header.Set("Transfer-Encoding", "identity")
	v := &viewer{
		camera: c,
		sub:    sub,
		out:    outlet{w: w, control: http.NewResponseController(w), timeout: s.options.WriteTimeout, boundary: boundary},
		repeat: s.options.RepeatAfter,
		stale:  s.options.StaleAfter,
		log:    s.log.With("camera", c.ID, "client", r.RemoteAddr),
	}
	v.log.Debug("viewer joined")
	end := v.run(r.Context())
	c.ends[end].Add(1)
	account := sub.Account()
	level := slog.LevelDebug
	if end == EndSlow {
		level = slog.LevelInfo
	}
	v.log.Log(context.WithoutCancel(r.Context()), level, "viewer left", "why", end, "sent", account.Sent)
}

// viewer is one open stream. It belongs to the goroutine of its request.
type viewer struct {
	camera *camera
	sub    *fanout.Subscription
	out    outlet
	repeat time.Duration
	stale  time.Duration
	log    *slog.Logger

	last  *fanout.Frame // the picture to repeat; nil if there is none worth showing
	since time.Time     // when the last new frame was sent, or else when the viewer came
}

// run sends pictures until ctx ends or the connection fails, always whole parts.
func (v *viewer) run(ctx context.Context) End {
	v.since = time.Now()
	if err := v.out.start(); err != nil {
		return endOf(ctx, err)
	}
	due := v.since.Add(v.repeat)
	if v.camera.status().down() {
		due = v.since
	}
	for {
		frame, err := v.sub.Next(ctx, time.Until(due))
		switch {
		case err == nil:
			if err := v.out.part(frame.Part()); err != nil {
				return endOf(ctx, err)
			}
			v.sub.Sent()
			v.last, v.since = frame, time.Now()
		case errors.Is(err, fanout.ErrIdle):
			if err := v.fill(); err != nil {
				return endOf(ctx, err)
			}
		default:
			return endOf(ctx, err)
		}
		due = time.Now().Add(v.repeat)
	}
}

// fill sends what stands in for a frame that did not come: the last picture again, or, when the camera has been
// away for long enough, the no-signal picture. It keeps the connection alive for clients that give up on silence,
// and makes Chrome, which is always one part behind, show the last picture.
func (v *viewer) fill() error {
	c := v.camera
	st := c.status()
	old := time.Since(v.since) >= v.stale
	switch {
	case v.last == nil && (old || st.down()), old && st.down():
		// Nothing from before the interruption is shown after it.
		v.last = nil
		part, err := c.noSignal.get(c.placard(st))
		if err != nil {
			v.log.Error("no picture to show", "error", err)
			return nil
		}
		if err := v.out.part(part); err != nil {
			return err
		}
		c.placeholders.Add(1)
		c.fillerBytes.Add(uint64(len(part)))
	case v.last != nil:
		part := v.last.Part()
		if err := v.out.part(part); err != nil {
			return err
		}
		c.repeats.Add(1)
		c.fillerBytes.Add(uint64(len(part)))
	}
	return nil
}

// progress is how many bytes a viewer must take per write timeout to stay. Parts up to this size go out in one write.
const progress = 64 << 10

// outlet writes parts to one connection, each write with a deadline.
type outlet struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	timeout  time.Duration
	boundary string
}

// start sends the response header and the first boundary at once: clients wait for the header only so long.
func (o *outlet) start() error {
	o.w.WriteHeader(http.StatusOK)
	if err := o.write([]byte("--" + o.boundary + "\r\n")); err != nil {
		return err
	}
	return o.control.Flush()
}

// part sends one part, which ends with [trailer].
func (o *outlet) part(p []byte) error {
	if o.boundary == boundary {
		if err := o.write(p); err != nil {
			return err
		}
		return o.control.Flush()
	}
	if err := o.write(p[:len(p)-len(trailer)]); err != nil {
		return err
	}
	if err := o.write([]byte("\r\n--" + o.boundary + "\r\n")); err != nil {
		return err
	}
	return o.control.Flush()
}

func (o *outlet) write(p []byte) error {
	for len(p) > 0 {
		if err := allow(o.control, o.timeout); err != nil {
			return err
		}
		n, err := o.w.Write(p[:min(len(p), progress)])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// End is why a stream ended.
type End uint8

const (
	EndClient     End = iota // the viewer closed the connection, or is gone
	EndSlow                  // the viewer did not read for the write timeout
	EndWriteError            // writing failed for another reason
	EndShutdown              // the server ended
	ends
)

func (e End) String() string {
	return [ends]string{"client", "slow", "write_error", "shutdown"}[e]
}

// endOf tells why err, from writing or waiting, ended a stream with context ctx.
func endOf(ctx context.Context, err error) End {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return EndSlow
	case errors.Is(context.Cause(ctx), errShutdown):
		return EndShutdown
	case ctx.Err() != nil && errors.Is(err, ctx.Err()),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ETIMEDOUT),
		errors.Is(err, io.ErrClosedPipe):
		return EndClient
	}
	return EndWriteError
}
