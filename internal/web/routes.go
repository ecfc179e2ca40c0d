package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// cameraHandler answers for one camera.
type cameraHandler func(w http.ResponseWriter, r *http.Request, c *camera)

func (s *Server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	only := func(pattern string, h http.HandlerFunc, methods ...string) {
		s.routes[pattern] = methods
		mux.Handle(pattern, s.only(methods, h))
	}
	handle := func(pattern string, h http.HandlerFunc) { only(pattern, h, http.MethodGet, http.MethodHead) }
	stream := s.ordinaryStream

	handle("/cam/{id}/stream.mjpg", s.byID(stream))
	handle("/cam/{id}/snapshot.jpg", s.byID(s.snapshot))
	handle("/stream", s.byIndex(0, stream))
	handle("/snapshot.jpg", s.byIndex(0, s.snapshot))
	handle("/snapshot", s.byIndex(0, s.snapshot))
	handle("/state", s.byIndex(0, s.streamerState))
	handle("/mjpeg/{n}", s.byNumber(stream))
	handle("/jpg", s.byIndex(0, s.snapshot))
	handle("/{$}", s.root)
	handle("/webcam/{$}", s.root)
	handle("/assets/{file}", s.asset)
	handle("/api/v1/cameras", s.knowing(s.listCameras))
	handle("/api/v1/cameras/{id}", s.knowing(s.byID(s.showCamera)))
	handle("/api/v1/cameras/{id}/history", s.knowing(s.byID(s.history)))
	only("/api/v1/cameras/{id}/config", s.knowing(s.byID(s.config), "clamp", "persist"), http.MethodGet, http.MethodHead, http.MethodPatch)
	only("/api/v1/ws", s.socket, http.MethodGet)
	handle("/api/v1/events", s.knowing(s.events, "interval"))
	handle("/openapi.yaml", s.openAPI)

	control := []string{http.MethodPost}
	if s.options.AllowGetControl {
		control = []string{http.MethodGet, http.MethodPost}
	}
	only("/control", s.byIndex(0, s.control), control...)
	only("/cam/{id}/control", s.byID(s.control), control...)
	handle("/status", s.byIndex(0, s.webServerState))
	handle("/cam/{id}/status", s.byID(s.webServerState))
	handle("/capture", s.byIndex(0, s.snapshot))
	handle("/cam/{id}/capture", s.byID(s.snapshot))

	handle("/healthz", s.health)
	handle("/readyz", s.ready)
	if s.options.Metrics != nil {
		handle("/metrics", s.options.Metrics.ServeHTTP)
	}
	mux.HandleFunc("/", s.nothing)
	return mux
}

// streamMux is the mux of [Server.ServeStreamOnly]. Its routes are among those of mux.
func (s *Server) streamMux() *http.ServeMux {
	mux := http.NewServeMux()
	get := []string{http.MethodGet, http.MethodHead}
	mux.Handle("/stream", s.only(get, s.byIndex(0, s.ordinaryStream)))
	mux.HandleFunc("/", s.nothing)
	return mux
}

func (s *Server) ordinaryStream(w http.ResponseWriter, r *http.Request, c *camera) {
	s.stream(w, r, c, ordinary)
}

func (s *Server) nothing(w http.ResponseWriter, _ *http.Request) {
	s.notFound(w, "there is nothing at this address")
}

// only lets the methods given through, and answers OPTIONS.
func (s *Server) only(methods []string, h http.HandlerFunc) http.Handler {
	all := strings.Join(append(slices.Clone(methods), http.MethodOptions), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case slices.Contains(methods, r.Method):
			h(w, r)
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", all)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", all)
			detail := "the methods here are " + all
			if r.Method == http.MethodGet {
				detail += "; a GET must change nothing, because any page a browser shows can send one" +
					" (the operator may allow it all the same: --allow-get-control)"
			}
			s.fail(w, problem{Status: http.StatusMethodNotAllowed, Detail: detail})
		}
	})
}

// knowing refuses query keys that are none of those given. It is for the API, where a misspelt ?persist would else be
// lost without a word; on the addresses of pictures players add keys of their own.
func (s *Server) knowing(h http.HandlerFunc, keys ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			s.fail(w, problem{Status: http.StatusBadRequest, Detail: "the query cannot be read"})
			return
		}
		for key := range query {
			if slices.Contains(keys, key) {
				continue
			}
			detail := fmt.Sprintf("unknown query key %q: there is none here", key)
			if len(keys) > 0 {
				detail = fmt.Sprintf("unknown query key %q: the keys here are %s", key, strings.Join(keys, ", "))
			}
			s.fail(w, problem{Status: http.StatusBadRequest, Detail: detail})
			return
		}
		h(w, r)
	}
}

// denyCrossOrigin answers a browser that another site has sent here to change something.
func (s *Server) denyCrossOrigin(w http.ResponseWriter, _ *http.Request) {
	s.fail(w, problem{Status: http.StatusForbidden, Detail: "another site asked for this change; only this gateway's own pages and programs may"})
}

func (s *Server) byID(h cameraHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := s.find(r.PathValue("id"))
		if c == nil {
			s.notFound(w, "there is no camera of this name")
			return
		}
		h(w, r, c)
	}
}

// find returns the camera of this ID, else the first whose device has this MAC address, written without colons, else nil.
func (s *Server) find(id string) *camera {
	all := s.cameras()
	for _, c := range all {
		if c.ID == id {
			return c
		}
	}
	if !macLike.MatchString(id) {
		return nil
	}
	for _, c := range all {
		if d := c.Status().Device; d != nil && strings.ReplaceAll(d.MAC, ":", "") == id {
			return c
		}
	}
	return nil
}

var macLike = regexp.MustCompile(`^[0-9a-f]{12}$`)

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
		all := s.cameras()
		if i < 0 || i >= len(all) {
			s.notFound(w, "there is no camera of this number")
			return
		}
		h(w, r, all[i])
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
		s.byIndex(index, func(w http.ResponseWriter, r *http.Request, c *camera) { s.stream(w, r, c, streamer) })(w, r)
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
