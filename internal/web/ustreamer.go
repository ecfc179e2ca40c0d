package web

import (
	"math"
	"net/http"
)

// streamerState answers /state as ustreamer does, for programs that ask it whether the camera is there: /stream and /snapshot
// are ustreamer's too. Names and units are its own; who its clients are is not told.
func (s *Server) streamerState(w http.ResponseWriter, _ *http.Request, c *camera) {
	st := c.status()
	fps := func(rate float64) int { return int(math.Round(rate)) }
	type resolution struct {
		Width  int `json:"width"`
		Height int `json:"height"`
	}
	type encoder struct {
		Type    string `json:"type"`
		Quality int    `json:"quality"`
	}
	type source struct {
		Resolution  resolution `json:"resolution"`
		Online      bool       `json:"online"`
		DesiredFPS  int        `json:"desired_fps"`
		CapturedFPS int        `json:"captured_fps"`
	}
	type stream struct {
		QueuedFPS   int      `json:"queued_fps"`
		Clients     int      `json:"clients"`
		ClientsStat struct{} `json:"clients_stat"`
	}
	type result struct {
		InstanceID string  `json:"instance_id"`
		Encoder    encoder `json:"encoder"`
		Source     source  `json:"source"`
		Stream     stream  `json:"stream"`
	}
	answer := struct {
		OK     bool   `json:"ok"`
		Result result `json:"result"`
	}{OK: true, Result: result{
		InstanceID: c.ID,
		Encoder:    encoder{Type: "HW"}, // the camera itself
		Source:     source{Resolution: resolution{st.Width, st.Height}, Online: !st.down(), CapturedFPS: fps(st.FPS)},
		Stream:     stream{QueuedFPS: fps(st.FPS), Clients: st.Viewers},
	}}
	if st.Quality != nil {
		// From 0 (best) to 63, to 100 (best) to 1.
		answer.Result.Encoder.Quality = 100 - *st.Quality*99/63
	}
	if st.Link.AskedFPS != nil {
		answer.Result.Source.DesiredFPS = fps(*st.Link.AskedFPS)
	}
	s.reply(w, http.StatusOK, "application/json", answer)
}
