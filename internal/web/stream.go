package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

// stream answers with the pictures of c until the viewer leaves.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, c *camera, d dialect) {
	if isTrue(r.URL.Query().Get("advance_headers")) && d.boundary == boundary {
		d = advance
	}
	terms, err := s.terms(r)
	if err != nil {
		s.fail(w, problem{Status: http.StatusBadRequest, Detail: err.Error()})
		return
	}
	header := w.Header()
	header.Set("Content-Type", "multipart/x-mixed-replace; boundary="+d.boundary)
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	header.Set("Connection", "close")
	header.Set("X-Accel-Buffering", "no") // nginx would collect the pictures
	if r.Method == http.MethodHead {
		return
	}
	who := visitOf(r)
	place, full := s.admit(c, who.client)
	if full != "" {
		s.refuse(w, full)
		return
	}
	v := &stream{
		server: s, camera: c, place: place, dialect: d,
		log:   s.log.With("camera", c.ID, "client", who.client, "mode", terms.Mode.String()),
		guest: guest{grant: who.grant, client: who.client, camera: c.ID, transport: terms.Transport.String(), mode: terms.Mode.String()},
	}
	handed := false
	defer func() {
		if !handed {
			place.free()
		}
	}()
	if c.Hub.Viewers() > 0 {
		// Others watch, so that the newest picture is as live as the next. Else it is from before the camera rested.
		terms.MaxAge = s.options.RepeatAfter
	}
	terms.FillFirst = c.status().down()

	// net/http takes this as "not chunked". VLC, Blynk and plain parsers cannot read a chunked stream.
	header.Set("Transfer-Encoding", "identity")
	control := http.NewResponseController(w)
	if err := start(w, control, d); err != nil {
		s.ended(c, err)
		return
	}
	v.log.Debug("viewer joined")
	scope, _ := r.Context().Value(scopeKey{}).(*scope)
	if scope == nil {
		handed = true
		v.answer(r.Context(), w, control, terms)
		return
	}
	// From here on the connection is not net/http's: a stream costs neither its goroutines nor its buffers.
	conn, _, err := control.Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		handed = true
		v.answer(r.Context(), w, control, terms)
		return
	}
	if err != nil {
		s.ended(c, err)
		return
	}
	handed = true
	scope.carry(v, conn, terms)
}

// terms reads ?mode= and ?fps=, within what the options allow.
func (s *Server) terms(r *http.Request) (fanout.Terms, error) {
	query := r.URL.Query()
	fps := 0.0
	if text := query.Get("fps"); text != "" {
		var err error
		if fps, err = strconv.ParseFloat(text, 64); err != nil || fps == 0 {
			return fanout.Terms{}, badFPS(text)
		}
	}
	t, _, err := s.agree(fanout.MJPEG, query.Get("mode"), fps)
	t.RepeatAfter = s.options.RepeatAfter
	return t, err
}

// agree makes the terms of a viewer from what it asks for (nothing: an empty mode, a rate of 0) and what the options allow.
// The rate agreed upon is 0 if there is no cap.
func (s *Server) agree(transport fanout.Transport, mode string, asked float64) (t fanout.Terms, fps float64, err error) {
	o := s.limits.Load()
	t = fanout.Terms{Transport: transport, Mode: o.Mode, Buffer: o.AllBuffer}
	if mode != "" {
		if t.Mode, err = fanout.ParseMode(mode); err != nil {
			return t, 0, err
		}
	}
	fps = o.MaxFPS
	if asked != 0 {
		if !(asked >= MinFPS && asked <= MaxFPS) {
			return t, 0, badFPS(strconv.FormatFloat(asked, 'g', -1, 64))
		}
		if fps == 0 || asked < fps {
			fps = asked
		}
	}
	if fps > 0 {
		t.Interval = time.Duration(float64(time.Second) / fps)
	}
	switch t.Mode {
	case fanout.Lockstep:
		t.Patience = o.LockstepTimeout
	case fanout.All:
		t.Patience = o.AllPatience
	}
	return t, fps, nil
}

func badFPS(text string) error {
	return fmt.Errorf("bad fps %q: a number from %v to %v", text, MinFPS, MaxFPS)
}

// The rates that a viewer may ask for.
const (
	MinFPS = 0.1
	MaxFPS = 1000.0
)

// start sends the response header and the first boundary at once: clients wait for the header only so long.
func start(w http.ResponseWriter, control *http.ResponseController, d dialect) error {
	w.WriteHeader(http.StatusOK)
	if _, err := io.WriteString(w, d.first); err != nil {
		return err
	}
	return control.Flush()
}

// stream is one viewer of one camera, apart from how its bytes go out. Its methods are part of [fanout.Sink].
type stream struct {
	dialect
	server *Server
	camera *camera
	place  *place
	log    *slog.Logger
	guest  guest
	viewer *fanout.Viewer // under scope.mu
	conn   net.Conn       // what carries it, if the scope does; under scope.mu

	// Of whoever calls the Sink.
	filling    bool // a no-signal picture, and not a repeat
	fillerSize int
}

// Fill chooses what stands in for a frame that did not come: the last picture again, or, when the camera has been
// away for long enough, the no-signal picture. It keeps the connection alive for clients that give up on silence,
// and makes Chrome, which is always one part behind, show the last picture.
func (v *stream) Fill(last *fanout.Frame, since time.Time) (part []byte, forget bool) {
	c := v.camera
	st, ok := v.server.ask(c)
	if !ok {
		return nil, false
	}
	old := time.Since(since) >= v.server.options.StaleAfter
	switch {
	case last == nil && (old || st.down()), old && st.down():
		// Nothing from before the interruption is shown after it.
		part, err := c.noSignal.get(c.placard(st))
		if err != nil {
			v.log.Error("no picture to show", "error", err)
			return nil, true
		}
		v.filling, v.fillerSize = true, len(part)
		return part, true
	case last != nil:
		v.filling, v.fillerSize = false, len(last.Part())
		return last.Part(), false
	}
	return nil, false
}

// ask is the camera's status, for callers that no handler's net catches: a fault must cost a picture, not the daemon.
func (s *Server) ask(c *camera) (st Status, ok bool) {
	defer s.caught(c)
	return c.status(), true
}

// caught is deferred around what asks a camera.
func (s *Server) caught(c *camera) {
	if fault := recover(); fault != nil {
		s.panics.Add(1)
		s.log.Error("panic in a camera's status", "camera", c.ID, "panic", fault)
	}
}

// Filled counts what Fill chose.
func (v *stream) Filled() {
	if v.filling {
		v.camera.placeholders.Add(1)
	} else {
		v.camera.repeats.Add(1)
	}
	v.camera.fillerBytes.Add(uint64(v.fillerSize))
}

// attach begins the stream. It is on the roll before there is anything that could end it.
func (v *stream) attach(terms fanout.Terms, sink fanout.Sink) *fanout.Viewer {
	v.server.enter(&v.guest)
	viewer := v.camera.Hub.Attach(terms, sink)
	v.guest.attach(viewer)
	return viewer
}

// left counts the end of the stream and frees its place.
func (v *stream) left(why error, account fanout.Account) {
	v.server.leave(&v.guest)
	end := v.server.ended(v.camera, why)
	level := slog.LevelDebug
	switch end {
	case EndSlow, EndLockstep, EndBehind, EndRemoved, EndRevoked, EndDismissed:
		level = slog.LevelInfo
	}
	v.log.Log(context.Background(), level, "viewer left", "why", end, "sent", account.Sent)
	v.place.free()
}

// End is why a stream ended.
type End uint8

const (
	EndClient     End = iota // the viewer closed the connection, or is gone
	EndSlow                  // the viewer did not read for the write timeout
	EndWriteError            // writing failed for another reason
	EndShutdown              // the server ended
	EndLockstep              // the viewer kept its lockstep group waiting
	EndBehind                // the viewer asked for all frames and could not keep up
	EndRemoved               // the camera was taken out of the configuration
	EndRevoked               // the viewer's access was revoked, or has expired
	EndDismissed             // an administrator ended it
	ends
)

func (e End) String() string {
	return [ends]string{"client", "slow", "write_error", "shutdown", "lockstep", "behind", "removed", "revoked", "dismissed"}[e]
}

// errGone is the end of a viewer that hung up.
var errGone = errors.New("viewer hung up")

// endOf tells why a stream ended from the error it ended with.
func endOf(err error) End {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errStalled):
		return EndSlow
	case errors.Is(err, errShutdown):
		return EndShutdown
	case errors.Is(err, errRemoved):
		return EndRemoved
	case errors.Is(err, errRevoked):
		return EndRevoked
	case errors.Is(err, errDismissed):
		return EndDismissed
	case errors.Is(err, fanout.ErrLockstep):
		return EndLockstep
	case errors.Is(err, fanout.ErrBehind):
		return EndBehind
	case errors.Is(err, errGone), errors.Is(err, errUnsubscribed), errors.Is(err, errReplaced), errors.Is(err, errPolicy), errors.Is(err, context.Canceled),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ETIMEDOUT),
		errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return EndClient
	}
	return EndWriteError
}
