package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/camgw/camgw/internal/access"
)

// table lists every address there is, with who may do what there. Nothing is served that is not in it.
func (s *Server) table() []route {
	watch := showing(access.Viewer)
	state := func(pattern string, find finder, h cameraHandler) route {
		return route{pattern: pattern, reach: toCamera, roles: watch, find: find, camera: h}
	}
	picture := func(pattern string, find finder, h cameraHandler) route {
		rt := state(pattern, find, h)
		rt.picture = true
		return rt
	}
	linked := func(pattern string, h cameraHandler) route {
		rt := picture(pattern, byID, h)
		rt.link = true
		return rt
	}
	list := func(pattern string, h http.HandlerFunc) route {
		return route{pattern: pattern, reach: inSight, roles: watch, answer: h}
	}
	root := func(pattern string, page bool) route {
		return route{pattern: pattern, reach: inSight, roles: watch, answer: s.root, picture: true, page: page}
	}
	open := func(pattern string, h http.HandlerFunc) route {
		return route{pattern: pattern, reach: toAll, roles: showing(access.None), answer: h}
	}
	operate := func(pattern string, find finder, h cameraHandler, r roles) route {
		return route{pattern: pattern, reach: toCamera, roles: r, find: find, camera: h}
	}
	control := roles{http.MethodPost: access.Operator}
	if s.options.AllowGetControl {
		control[http.MethodGet] = access.Operator
	}
	configure := roles{http.MethodGet: access.Viewer, http.MethodHead: access.Viewer, http.MethodPatch: access.Operator}
	session := roles{http.MethodGet: access.Viewer, http.MethodHead: access.Viewer, http.MethodPost: access.None, http.MethodDelete: access.None}
	first := byIndex(0)

	all := []route{
		linked("/cam/{id}/stream.mjpg", s.ordinaryStream),
		linked("/cam/{id}/snapshot.jpg", s.snapshot),
		linked("/cam/{id}/capture", s.snapshot),
		picture("/stream", first, s.ordinaryStream),
		picture("/mjpeg/{n}", byNumber, s.ordinaryStream),
		picture("/snapshot.jpg", first, s.snapshot),
		picture("/snapshot", first, s.snapshot),
		picture("/jpg", first, s.snapshot),
		picture("/capture", first, s.snapshot),
		root("/{$}", true),
		root("/webcam/{$}", false),

		state("/state", first, s.streamerState),
		state("/status", first, s.webServerState),
		state("/cam/{id}/status", byID, s.webServerState),
		state("/api/v1/cameras/{id}", byID, s.knowingOf(s.showCamera)),
		state("/api/v1/cameras/{id}/history", byID, s.knowingOf(s.history)),
		list("/api/v1/cameras", s.knowing(s.listCameras)),
		list("/api/v1/events", s.knowing(s.events, "interval")),
		list("/openapi.yaml", s.openAPI),
		{pattern: "/api/v1/ws", reach: inSight, roles: roles{http.MethodGet: access.Viewer}, answer: s.socket, socket: true},

		operate("/api/v1/cameras/{id}/config", byID, s.knowingOf(s.config, "clamp", "persist"), configure),
		operate("/api/v1/cameras/{id}/links", byID, s.knowingOf(s.makeLink), roles{http.MethodPost: access.Operator}),
		operate("/control", first, s.control, control),
		operate("/cam/{id}/control", byID, s.control, control),

		{pattern: "/api/v1/viewers", reach: everything, roles: showing(access.Admin), answer: s.knowing(s.listViewers)},
		{pattern: "/api/v1/viewers/{viewer}", reach: everything, roles: roles{http.MethodDelete: access.Admin}, answer: s.knowing(s.dismissViewer)},

		{pattern: "/api/v1/session", reach: inSight, roles: session, free: []string{http.MethodPost, http.MethodDelete}, answer: s.knowing(s.session)},
		open("/assets/{file}", s.asset),
		open("/healthz", s.health),
		open("/readyz", s.ready),
	}
	if s.options.Metrics != nil {
		all = append(all, route{pattern: "/metrics", reach: everything, roles: watch, answer: s.options.Metrics.ServeHTTP, dear: true})
	}
	return all
}

func (s *Server) mux() *http.ServeMux {
	table := s.table()
	for i := range table {
		s.routes[table[i].pattern] = &table[i]
	}
	return s.muxOf(table)
}

// streamMux is the mux of [Server.ServeStreamOnly]. Its routes are among those of mux.
func (s *Server) streamMux() *http.ServeMux {
	return s.muxOf([]route{*s.routes["/stream"]})
}

// muxOf serves the routes given, and nothing else. It panics if nobody has decided who may use one.
func (s *Server) muxOf(table []route) *http.ServeMux {
	mux := http.NewServeMux()
	for i := range table {
		rt := &table[i]
		if mistake := rt.mistake(); mistake != "" {
			panic("web: " + rt.pattern + ": " + mistake)
		}
		mux.Handle(rt.pattern, s.enforce(rt))
	}
	mux.HandleFunc("/", s.nothing)
	return mux
}

func (s *Server) ordinaryStream(w http.ResponseWriter, r *http.Request, c *camera) {
	s.stream(w, r, c, ordinary)
}

func (s *Server) nothing(w http.ResponseWriter, _ *http.Request) {
	s.notFound(w, "there is nothing at this address")
}

// knowing refuses query keys that are none of those given. It is for the API, where a misspelt ?persist would else be
// lost without a word; on the addresses of pictures players add keys of their own.
func (s *Server) knowing(h http.HandlerFunc, keys ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.knows(w, r, keys) {
			h(w, r)
		}
	}
}

// knowingOf is knowing for a route to a camera.
func (s *Server) knowingOf(h cameraHandler, keys ...string) cameraHandler {
	return func(w http.ResponseWriter, r *http.Request, c *camera) {
		if s.knows(w, r, keys) {
			h(w, r, c)
		}
	}
}

func (s *Server) knows(w http.ResponseWriter, r *http.Request, keys []string) bool {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.fail(w, problem{Status: http.StatusBadRequest, Detail: "the query cannot be read"})
		return false
	}
	for key := range query {
		if slices.Contains(keys, key) {
			continue
		}
		detail := fmt.Sprintf("unknown query key %q: there is none here", clean(key, nameLimit))
		if len(keys) > 0 {
			detail = fmt.Sprintf("unknown query key %q: the keys here are %s", clean(key, nameLimit), strings.Join(keys, ", "))
		}
		s.fail(w, problem{Status: http.StatusBadRequest, Detail: detail})
		return false
	}
	return true
}

// What is answered where there is no camera, and where there is one that the asker may not see.
const (
	noSuchName   = "there is no camera of this name"
	noSuchNumber = "there is no camera of this number"
)

// byID takes the camera's ID, or the MAC address of its device, out of the path.
func byID(r *http.Request, visible []*camera) (c *camera, missing string) {
	return find(visible, r.PathValue("id")), noSuchName
}

// byNumber takes the number of the camera, from 1, out of the path. Only those in sight are counted.
func byNumber(r *http.Request, visible []*camera) (c *camera, missing string) {
	n, err := strconv.ParseUint(r.PathValue("n"), 10, 16)
	if err != nil {
		n = 0
	}
	return byIndex(int(n)-1)(r, visible)
}

// byIndex is the camera of this number, from 0, of those in sight.
func byIndex(i int) finder {
	return func(_ *http.Request, visible []*camera) (c *camera, missing string) {
		if i < 0 || i >= len(visible) {
			return nil, noSuchNumber
		}
		return visible[i], ""
	}
}

// find returns the camera of this ID, else the first whose device has this MAC address, written without colons, else nil.
func find(among []*camera, id string) *camera {
	for _, c := range among {
		if c.ID == id {
			return c
		}
	}
	if !macLike.MatchString(id) {
		return nil
	}
	for _, c := range among {
		if d := c.Status().Device; d != nil && strings.ReplaceAll(d.MAC, ":", "") == id {
			return c
		}
	}
	return nil
}

var macLike = regexp.MustCompile(`^[0-9a-f]{12}$`)

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
			s.notFound(w, noSuchNumber)
			return
		}
		index = int(n)
	}
	c, missing := byIndex(index)(r, s.visible(visitOf(r).grant))
	switch {
	case action != "stream" && action != "snapshot":
		s.notFound(w, "the actions are stream and snapshot")
	case c == nil:
		s.notFound(w, missing)
	case action == "stream":
		s.stream(w, r, c, streamer)
	default:
		s.snapshot(w, r, c)
	}
}

func (s *Server) notFound(w http.ResponseWriter, detail string) {
	s.rejections[RejectNotFound].Add(1)
	s.fail(w, problem{Status: http.StatusNotFound, Detail: detail})
}
