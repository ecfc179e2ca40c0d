package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/camgw/camgw/internal/fanout"
)

const (
	// fresh is how old a picture may be to be given as the present one.
	fresh = 500 * time.Millisecond

	// snapshotWait is how long a snapshot waits for a picture. Clients that take timelapses give up after 2 s.
	snapshotWait = 1800 * time.Millisecond
)

// snapshot answers with one picture: the newest if it is fresh, else the next one. Asking for it is what wakes
// a resting camera.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request, c *camera) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		s.snapshotHead(w, r, c)
		return
	}
	place, full := s.admit(c, visitOf(r).client)
	if full != "" {
		s.refuse(w, full)
		return
	}
	defer place.free()
	sub := c.Hub.Subscribe(fanout.Terms{Transport: fanout.Snapshot, MaxAge: fresh})
	defer sub.Close()
	frame, err := sub.Next(r.Context(), snapshotWait)
	if errors.Is(err, fanout.ErrIdle) {
		s.noPicture(w, c)
		return
	}
	if err != nil { // nobody waits for the answer, or the server ends
		s.fail(w, problem{Status: http.StatusServiceUnavailable, Detail: "the gateway is shutting down", Cause: CauseShutdown})
		return
	}
	picture := frame.JPEG()
	describe(w.Header(), frame)
	control := http.NewResponseController(w)
	if err := allow(control, s.options.WriteTimeout); err != nil {
		return
	}
	if _, err := w.Write(picture); err != nil {
		return
	}
	if err := control.Flush(); err != nil {
		return
	}
	sub.Sent()
}

// snapshotHead tells what a GET would get as far as that is known without waking the camera.
func (s *Server) snapshotHead(w http.ResponseWriter, r *http.Request, c *camera) {
	if frame := c.Hub.Latest(); frame != nil && time.Since(frame.Received) <= fresh {
		describe(w.Header(), frame)
		return
	}
	if c.status().down() {
		s.noPicture(w, c)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
}

func describe(header http.Header, frame *fanout.Frame) {
	header.Set("Content-Type", "image/jpeg")
	header.Set("Content-Length", strconv.Itoa(len(frame.JPEG())))
	header.Set("Last-Modified", frame.Time().UTC().Format(http.TimeFormat))
	header.Set("X-Timestamp", string(appendTimestamp(nil, frame.Time())))
	header.Set("X-Frame-Sequence", strconv.FormatUint(frame.Seq, 10))
	if !frame.Captured.IsZero() {
		header.Set("X-Frame-Age", strconv.FormatInt(frame.Age().Milliseconds(), 10))
	}
}

func (s *Server) noPicture(w http.ResponseWriter, c *camera) {
	s.rejections[RejectNoPicture].Add(1)
	st := c.status()
	title, advice := st.words()
	w.Header().Set("Retry-After", "2")
	s.fail(w, problem{Status: http.StatusServiceUnavailable, Detail: title + ": " + advice, Cause: st.Cause})
}
