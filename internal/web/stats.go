package web

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/histogram"
)

// Rejection is why a request did not get what it asked for.
type Rejection uint8

const (
	RejectLimit     Rejection = iota // as many viewers as allowed are being served
	RejectNotFound                   // no such camera or address
	RejectNoPicture                  // a snapshot of a camera that gave none in time
	RejectAuth                       // no credentials, or none that are good
	RejectRole                       // credentials that are good for less
	RejectRate                       // wrong credentials too often
	RejectHost                       // a name that is not ours
	RejectOrigin                     // another site sent a browser here
	rejections
)

func (r Rejection) String() string {
	return [rejections]string{"limit", "not_found", "no_picture", "auth", "role", "rate", "host", "origin"}[r]
}

// SocketRefusal is why a WebSocket, or a message of its client, was refused.
type SocketRefusal uint8

const (
	SocketHandshake  SocketRefusal = iota // the request was no handshake
	SocketOrigin                          // another site sent a browser here
	SocketFull                            // as many connections as allowed are open
	SocketFlood                           // too many messages per second; ends the connection
	SocketFrames                          // too many frames per second, of whatever size; ends the connection
	SocketNoJSON                          // no JSON object; ends the connection
	SocketTooLarge                        // ends the connection
	SocketBadRequest                      // what was asked for makes no sense, or cannot be
	socketRefusals
)

func (r SocketRefusal) String() string {
	return [socketRefusals]string{"handshake", "origin", "full", "flood", "frames", "no_json", "too_large", "bad_request"}[r]
}

// SocketStats is what the server has counted of WebSockets. Their subscriptions are viewers, and counted as such.
type SocketStats struct {
	Open     int
	Opened   uint64
	Messages uint64 // from clients, understood
	Refusals [socketRefusals]uint64
}

// Request is what requests are counted by. All three come from closed lists, whatever clients send.
type Request struct {
	Route  string // pattern of the route, "/" for everything that has none
	Method string // GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or other
	Code   int    // status answered
}

// CameraStats is what web has counted for one camera, apart from what its hub counts.
type CameraStats struct {
	ID           string
	Repeats      uint64       // pictures sent again because no new one came
	Placeholders uint64       // no-signal pictures sent
	FillerBytes  uint64       // bytes of both
	Ends         [ends]uint64 // streams ended, by [End]
}

// Stats is what the server has counted since it was made.
type Stats struct {
	Viewers     int // streams open and snapshots waiting
	ViewerLimit int
	CameraLimit int    // viewers of one camera; 0: no bound of its own
	HostLimit   int    // viewers of one address; 0: no bound of its own
	Revocations uint64 // streams, WebSockets and streams of events ended because their access was revoked, or expired
	Removals    uint64 // streams ended because their camera was removed, which its own counters no longer tell
	Connections ConnectionStats
	Panics      uint64             // recovered in handlers
	Rejections  [rejections]uint64 // by [Rejection]
	Requests    map[Request]uint64
	Durations   map[string]histogram.Histogram // seconds to answer, by route; streams and WebSockets are not among them
	Sockets     SocketStats
	Listeners   int           // streams of events open
	Listened    uint64        // streams of events ever opened
	Cameras     []CameraStats // in the order of [Server.SetCameras]
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	limits := s.limits.Load()
	st := Stats{
		Viewers:     s.places.count(),
		Revocations: s.revocations.Load(),
		Removals:    s.removals.Load(),
		ViewerLimit: limits.MaxViewers,
		CameraLimit: limits.MaxViewersPerCamera,
		HostLimit:   limits.MaxViewersPerAddress,
		Connections: s.connections.stats(limits),
		Panics:      s.panics.Load(),
		Rejections:  [rejections]uint64(load(s.rejections[:])),
		Requests:    s.requests.snapshot(),
		Durations:   s.durations.snapshot(),
		Sockets: SocketStats{
			Open:     int(s.sockets.Load()),
			Opened:   s.socketsEver.Load(),
			Messages: s.socketMessages.Load(),
			Refusals: [socketRefusals]uint64(load(s.socketRefusals[:])),
		},
		Listeners: int(s.listeners.Load()),
		Listened:  s.listenersEver.Load(),
	}
	for _, c := range s.cameras() {
		st.Cameras = append(st.Cameras, CameraStats{
			ID:           c.ID,
			Repeats:      c.repeats.Load(),
			Placeholders: c.placeholders.Load(),
			FillerBytes:  c.fillerBytes.Load(),
			Ends:         [ends]uint64(load(c.ends[:])),
		})
	}
	return st
}

func load(counters []atomic.Uint64) []uint64 {
	values := make([]uint64, len(counters))
	for i := range counters {
		values[i] = counters[i].Load()
	}
	return values
}

// requestCounts counts requests. Its size is bounded by routes, methods and codes.
type requestCounts struct {
	mu     sync.Mutex
	counts map[Request]uint64
}

func (c *requestCounts) add(r Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[Request]uint64)
	}
	c.counts[r]++
}

func (c *requestCounts) snapshot() map[Request]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := make(map[Request]uint64, len(c.counts))
	for r, n := range c.counts {
		copied[r] = n
	}
	return copied
}

// durations are what times to answer are counted in.
var durations = histogram.Layout{Bounds: []float64{.001, .005, .025, .1, .5, 2.5, 10}, Low: -14}

// requestTimes counts how long answers took. Its size is bounded by the routes.
type requestTimes struct {
	mu     sync.Mutex
	routes map[string]*histogram.Histogram
}

func (c *requestTimes) add(route string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.routes[route]
	if h == nil {
		if c.routes == nil {
			c.routes = make(map[string]*histogram.Histogram)
		}
		fresh := histogram.New(&durations)
		h = &fresh
		c.routes[route] = h
	}
	h.Observe(took.Seconds())
}

func (c *requestTimes) snapshot() map[string]histogram.Histogram {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := make(map[string]histogram.Histogram, len(c.routes))
	for route, h := range c.routes {
		copied[route] = *h
	}
	return copied
}

func foldMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
