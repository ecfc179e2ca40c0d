package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// maxURL is what RFC 9110 (4.1) wants everybody to take at least.
	maxURL = 8000
	// maxQueryKeys is far more than any address here has.
	maxQueryKeys = 64

	requestRate  = 200 // requests per second of one address, or one connection of a proxy's, at most, over time
	requestBurst = 400 // and at once

	// dearPrice is what a request costs of that budget whose answer takes some milliseconds to make, and what agreeing on TLS does:
	// 20 scrapes or connections a second, 40 at once.
	dearPrice = 10

	// floodPrice is what a WebSocket that is ended for flooding costs of that budget, so that coming again at once buys little.
	floodPrice = 100
)

// excessive refuses requests that are larger or come faster than anybody's who means well. It reports whether it has answered.
func (s *Server) excessive(w http.ResponseWriter, r *http.Request) bool {
	p := problem{}
	if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
		switch afforded, late := s.connections.serves(c); {
		case late:
			p = problem{Status: http.StatusServiceUnavailable, Detail: "all places for connections are taken"}
		case !afforded:
			p = problem{Status: http.StatusTooManyRequests, Detail: fmt.Sprintf("more than %d requests per second", requestRate)}
		}
		if p.Status != 0 {
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "1")
		}
	}
	switch {
	case p.Status != 0:
	case len(r.RequestURI) > maxURL:
		p = problem{Status: http.StatusRequestURITooLong, Detail: fmt.Sprintf("an address may have %d bytes", maxURL)}
	case strings.Count(r.URL.RawQuery, "&") >= maxQueryKeys:
		p = problem{Status: http.StatusRequestURITooLong, Detail: fmt.Sprintf("a query may have %d keys", maxQueryKeys)}
	default:
		return false
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", s.perimeter.Load().policy)
	s.fail(w, p)
	return true
}

// bucket bounds how often something may happen: rate times a second over time, size times at once.
type bucket struct {
	rate, size float64
	used       float64
	at         time.Time
}

// idle tells whether nothing of it is in use.
func (b *bucket) idle(now time.Time) bool { return b.used <= now.Sub(b.at).Seconds()*b.rate }

// take takes one, if there is one.
func (b *bucket) take(now time.Time) bool {
	b.refill(now)
	if b.used+1 > b.size {
		return false
	}
	b.used++
	return true
}

// charge takes n, whether they are there or not. What is owed is never more than n: many charges at once do not lock anybody out for long.
func (b *bucket) charge(now time.Time, n float64) {
	b.refill(now)
	b.used = min(b.used+n, max(b.used, b.size+n))
}

func (b *bucket) refill(now time.Time) {
	b.used = max(b.used-now.Sub(b.at).Seconds()*b.rate, 0)
	b.at = now
}
