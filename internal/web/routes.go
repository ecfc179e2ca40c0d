package web

import (
	"net/http"
	"strconv"
	"strings"
)

// cameraHandler answers for one camera.
type cameraHandler func(w http.ResponseWriter, r *http.Request, c *camera)

func (s *Server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(pattern string, h http.HandlerFunc) {
		s.routes[pattern] = true
		mux.Handle(pattern, s.onlyReading(h))
	}
	stream := func(w http.ResponseWriter, r *http.Request, c *camera) { s.stream(w, r, c, boundary) }

	handle("/cam/{id}/stream.mjpg", s.byID(stream))
	handle("/cam/{id}/snapshot.jpg", s.byID(s.snapshot))
	handle("/stream", s.byIndex(0, stream))
	handle("/snapshot.jpg", s.byIndex(0, s.snapshot))
	handle("/mjpeg/{n}", s.byNumber(stream))
	handle("/jpg", s.byIndex(0, s.snapshot))
	handle("/{$}", s.root)
	handle("/webcam/{$}", s.root)
	handle("/assets/{file}", s.asset)
	handle("/api/v1/cameras", s.listCameras)
	handle("/api/v1/cameras/{id}", s.byID(s.showCamera))
	handle("/healthz", s.health)
	handle("/readyz", s.ready)
	if s.options.Metrics != nil {
		handle("/metrics", s.options.Metrics.ServeHTTP)
	}
	handle("/", func(w http.ResponseWriter, r *http.Request) { s.notFound(w, "there is nothing at this address") })
	return mux
}

// onlyReading lets GET and HEAD through. Nothing here changes state.
func (s *Server) onlyReading(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			h(w, r)
		case http.MethodOptions:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			s.fail(w, problem{Status: http.StatusMethodNotAllowed, Detail: "only GET, HEAD and OPTIONS are answered"})
		}
	})
}

func (s *Server) byID(h cameraHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		for i, c := range s.cameras {
			if c.ID == id {
				s.byIndex(i, h)(w, r)
				return
			}
		}
		s.notFound(w, "there is no camera of this name")
	}
}

// byNumber takes the number of the camera, from 1, out of the path.
func (s *Server) byNumber(h cameraHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseUint(r.PathValue("n"), 10, 16)
		if err != nil {
			n = 0
		}
		s.byIndex(int(n)-1, h)(w, r)
	}
}

func (s *Server) byIndex(i int, h cameraHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if i < 0 || i >= len(s.cameras) {
			s.notFound(w, "there is no camera of this number")
			return
		}
		h(w, r, s.cameras[i])
	}
}

// root is the page, or what mjpg-streamer has at the same address: ?action=stream and ?action=snapshot, with _N for camera
// N, from 0. Some clients send "?action=stream?dummy=param.mjpg".
func (s *Server) root(w http.ResponseWriter, r *http.Request) {
	action, _, _ := strings.Cut(r.URL.Query().Get("action"), "?")
	if action == "" {
		if r.URL.Path != "/" {
			s.notFound(w, "there is nothing at this address")
			return
		}
		s.page(w, r)
		return
	}
	action, number, numbered := strings.Cut(action, "_")
	index := 0
	if numbered {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			s.notFound(w, "there is no camera of this number")
			return
		}
		index = int(n)
	}
	switch action {
	case "stream":
		s.byIndex(index, func(w http.ResponseWriter, r *http.Request, c *camera) { s.stream(w, r, c, streamerBoundary) })(w, r)
	case "snapshot":
		s.byIndex(index, s.snapshot)(w, r)
	default:
		s.notFound(w, "the actions are stream and snapshot")
	}
}

func (s *Server) notFound(w http.ResponseWriter, detail string) {
	s.rejections[RejectNotFound].Add(1)
	s.fail(w, problem{Status: http.StatusNotFound, Detail: detail})
}
