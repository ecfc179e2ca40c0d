package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// eventsAlive is how often a silent stream of events says that it is there.
const eventsAlive = 15 * time.Second

// events answers with the news as server-sent events: at once when something changes and, with ?interval=, figures.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	var interval time.Duration
	if text := r.URL.Query().Get("interval"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err == nil {
			interval, err = newsInterval(seconds)
		} else {
			err = errors.New("bad interval " + strconv.Quote(text) + ": a number of seconds")
		}
		if err != nil {
			s.fail(w, problem{Status: http.StatusBadRequest, Detail: err.Error()})
			return
		}
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would collect the events
	header.Set("Connection", "close")     // no more requests of somebody whose access has ended
	if r.Method == http.MethodHead {
		return
	}
	who := visitOf(r)
	seat, full := s.seats.take(s.limits.Load(), who.client)
	if full != "" {
		s.refuse(w, full)
		return
	}
	defer seat.leave()
	s.listeners.Add(1)
	defer s.listeners.Add(-1)
	s.listenersEver.Add(1)

	control := http.NewResponseController(w)
	put := func(text []byte) error {
		if err := allow(control, s.options.WriteTimeout); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		return control.Flush()
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	g := &guest{grant: who.grant, client: who.client, transport: "events", quit: cancel}
	s.enter(g)
	defer s.leave(g)
	err := s.news.follow(ctx, who.grant, interval, eventsAlive, func(message []byte) error {
		if message == nil {
			return put([]byte(": alive\n\n"))
		}
		return put(append(append([]byte("event: cameras\ndata: "), message...), "\n\n"...))
	})
	s.log.Debug("events ended", "client", who.client, "why", err)
}
