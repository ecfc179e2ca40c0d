package web

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// problem is an error as RFC 9457 has it, with the camera's cause where there is one.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Cause  Cause  `json:"cause,omitempty"`
}

func (p problem) complete() problem {
	p.Type = "about:blank"
	p.Title = http.StatusText(p.Status)
	return p
}

func (s *Server) fail(w http.ResponseWriter, p problem) {
	s.reply(w, p.Status, "application/problem+json", p.complete())
}

func (s *Server) reply(w http.ResponseWriter, status int, contentType string, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		s.log.Error("encode answer", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body = append(body, '\n')
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.log.Debug("answer not sent", "error", err)
	}
}

func (s *Server) listCameras(w http.ResponseWriter, r *http.Request) {
	s.reply(w, http.StatusOK, "application/json", struct {
		Version string   `json:"version"`
		Cameras []Status `json:"cameras"`
	}{s.options.Version, s.lookAt(s.visible(visitOf(r).grant))})
}

func (s *Server) showCamera(w http.ResponseWriter, _ *http.Request, c *camera) {
	s.reply(w, http.StatusOK, "application/json", c.status())
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	s.reply(w, http.StatusOK, "application/json", struct {
		Alive bool `json:"alive"`
	}{true})
}

// ready answers 200 while the server listens. A camera that is away does not make it unready: the gateway serves
// its viewers all the same, and restarting it would not bring the camera back. As nobody is asked who he is, what there is behind
// it is told only where nobody is asked anywhere.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	serving := s.serving.Load() > 0
	status := http.StatusOK
	if !serving {
		status = http.StatusServiceUnavailable
	}
	if s.asks() {
		s.reply(w, status, "application/json", struct {
			Ready bool `json:"ready"`
		}{serving})
		return
	}
	type state struct {
		ID    string `json:"id"`
		State State  `json:"state"`
		Cause Cause  `json:"cause"`
	}
	all := s.cameras()
	cameras := make([]state, 0, len(all))
	for _, c := range all {
		st := c.status()
		cameras = append(cameras, state{c.ID, st.State, st.Cause})
	}
	s.reply(w, status, "application/json", struct {
		Ready   bool    `json:"ready"`
		Viewers int     `json:"viewers"`
		Cameras []state `json:"cameras"`
	}{serving, s.places.count(), cameras})
}
