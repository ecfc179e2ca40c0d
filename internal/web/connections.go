package web

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"
)

// connections are those that are open. They are bounded before a byte of them is read: by descriptors and memory in all, and
// by address. When all places are taken, who has waited longest without asking for anything makes way for a newcomer, so that
// ten thousand who connect and say nothing keep nobody out; who is being answered, a stream above all, is never touched.
type connections struct {
	mu       sync.Mutex
	open     map[net.Conn]*connection // by what was accepted, below TLS
	byHost   map[netip.Addr]*visitor
	waiting  list.List // of *connection; who has waited longest is first
	accepted uint64
	dropped  [drops]uint64
	failures uint64 // to accept

	complained time.Time // when a failure was last logged
}

// connection is one of them. Its fields are under connections.mu.
type connection struct {
	conn   net.Conn      // as it was accepted
	host   netip.Addr    // invalid: has no bound of its own
	place  *list.Element // among those that wait; nil: it is being answered, or has been told to go
	since  time.Time     // when it began to wait
	asked  int           // requests that it has begun to send, and that were read or given up
	served bool          // its last request reached a handler

	displaced bool
	gone      chan struct{} // closed when its descriptor is
	budget    *bucket       // of requests; its address's, or its own if that has no bound
}

// visitor is one address, as long as it has connections, or has lately asked for much.
type visitor struct {
	open   int
	budget bucket
}

// Drop is why a connection was closed that had not got an answer.
type Drop uint8

const (
	DropFull      Drop = iota // all places were taken, and nobody waited who could make way
	DropAddress               // its address had as many as allowed
	DropRate                  // its address has used up its budget of requests, and would begin TLS
	DropDisplaced             // it waited without asking, and made way for a newcomer
	DropSilent                // it sent no whole request in time
	DropMalformed             // what it sent is no request, or has too large a header
	DropHandshake             // TLS was not agreed on
	drops
)

func (d Drop) String() string {
	return [drops]string{"full", "address", "rate", "displaced", "silent", "malformed", "handshake"}[d]
}

type connectionKey struct{}

// enter gives a new connection a place, or says that there is none. Most is how many there may be, and bound how many of its
// host; 0: no bound of its own. Cost is what beginning it takes of such a host's budget of requests; 0: nothing. One that is displaced
// must be told to go; its descriptor is closed when its channel gone is.
func (all *connections) enter(conn net.Conn, host netip.Addr, most, bound int, cost float64) (displaced *connection, ok bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.accepted++
	if all.open == nil {
		all.open, all.byHost = make(map[net.Conn]*connection), make(map[netip.Addr]*visitor)
	}
	v := all.byHost[host]
	if bound > 0 && v != nil && v.open >= bound {
		all.dropped[DropAddress]++
		return nil, false
	}
	if bound > 0 && v == nil {
		all.forget(most)
		v = &visitor{budget: newBudget()}
		all.byHost[host] = v
	}
	if bound > 0 && cost > 0 {
		if !v.budget.take(time.Now()) {
			all.dropped[DropRate]++
			return nil, false
		}
		v.budget.charge(time.Now(), cost-1)
	}
	if len(all.open) >= most {
		first := all.waiting.Front()
		if first == nil {
			all.dropped[DropFull]++
			return nil, false
		}
		displaced = first.Value.(*connection)
		displaced.displaced = true
		all.dropped[DropDisplaced]++
		all.rest(displaced)
	}
	c := &connection{conn: conn, since: time.Now(), gone: make(chan struct{})}
	all.open[conn] = c
	if bound > 0 {
		v.open++
		c.host, c.budget = host, &v.budget
	} else {
		own := newBudget()
		c.budget = &own
	}
	c.place = all.waiting.PushBack(c)
	return displaced, true
}

func newBudget() bucket { return bucket{rate: requestRate, size: requestBurst} }

// forget forgets addresses that have left and used nothing of their budget lately, once there are more of them than may be
// connected. It needs mu.
func (all *connections) forget(most int) {
	if len(all.byHost) < 2*most {
		return
	}
	now := time.Now()
	for host, v := range all.byHost {
		if v.open == 0 && v.budget.idle(now) {
			delete(all.byHost, host)
		}
	}
}

// rest takes a connection out of those that wait. It needs mu.
func (all *connections) rest(c *connection) {
	if c.place != nil {
		all.waiting.Remove(c.place)
		c.place = nil
	}
}

// find returns the connection below conn, which must be open.
func (all *connections) find(conn net.Conn) *connection {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.open[wire(conn)]
}

// asks is for a connection of which a request was read, or the beginning of one.
func (all *connections) asks(conn net.Conn) {
	all.mu.Lock()
	defer all.mu.Unlock()
	c := all.open[wire(conn)]
	all.rest(c)
	c.asked++
	c.served = false
}

// serves is for a connection whose request has reached a handler. It reports whether there is a budget for it, and whether it was too
// late: the connection has been told to go, and whatever began now would be cut off.
func (all *connections) serves(c *connection) (afforded, late bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	c.served = true
	return c.budget.take(time.Now()), c.displaced
}

// charge takes n further requests from the budget of a connection, or of its address, for one that was let in: on credit, if there are
// not so many left.
func (all *connections) charge(c *connection, n float64) {
	all.mu.Lock()
	defer all.mu.Unlock()
	c.budget.charge(time.Now(), n)
}

// waits is for a connection that has got its answer and may ask again.
func (all *connections) waits(conn net.Conn) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if c := all.open[wire(conn)]; !c.displaced {
		c.since = time.Now()
		c.place = all.waiting.PushBack(c)
	}
}

// leave is for a connection whose descriptor is closed.
func (all *connections) leave(conn net.Conn) {
	shaken := true
	if secure, ok := conn.(*tls.Conn); ok {
		shaken = secure.ConnectionState().HandshakeComplete
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	c := all.open[wire(conn)]
	delete(all.open, c.conn)
	all.rest(c)
	if v := all.byHost[c.host]; v != nil {
		if v.open--; v.open == 0 && v.budget.idle(time.Now()) {
			delete(all.byHost, c.host)
		}
	}
	close(c.gone)
	late := time.Since(c.since) >= readHeaderTimeout
	switch {
	case c.displaced, c.served: // counted already; or nothing is wrong with it
	case !shaken:
		all.dropped[DropHandshake]++
	case late:
		all.dropped[DropSilent]++
	case c.asked > 0:
		all.dropped[DropMalformed]++
	}
}

// wire is what is below TLS.
func wire(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}

// address is what connections are bounded by: an IPv4 address, or the network of an IPv6 address, of which a host may have
// every address. A Unix socket has none: who may use it its permissions say, and it is a proxy's.
func address(conn net.Conn) netip.Addr {
	host := remote(conn)
	if host.Is6() && !host.IsLoopback() {
		if network, err := host.Prefix(64); err == nil {
			host = network.Addr()
		}
	}
	return host
}

// remote is the address at the other end; of a Unix socket there is none.
func remote(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// connectionBound is how many connections the address of conn may have; 0: as many as there may be. A trusted proxy brings
// everybody's.
func (s *Server) connectionBound(conn net.Conn) (host netip.Addr, bound int) {
	if host = address(conn); !host.IsValid() || s.perimeter.Load().trusts(remote(conn)) {
		return host, 0
	}
	return host, s.limits.Load().connectionsOf(host)
}

// connectionsOf is how many connections an address may have; 0: there is no bound of its own. This machine's own addresses are
// a reverse proxy's as a rule, so that they have one only if it was asked for.
func (o *Limits) connectionsOf(host netip.Addr) int {
	switch {
	case !host.IsValid():
		return 0
	case o.MaxConnectionsPerAddress > 0:
		return o.MaxConnectionsPerAddress
	case host.IsLoopback():
		return 0
	}
	return max(o.MaxConnections/4, 1)
}

// Connections is how many connections MaxViewers makes sense with: two for each, because a viewer's page listens too, and some
// for who only asks.
func (o *Limits) Connections() int { return 2*o.MaxViewers + 256 }

// ConnectionStats is what the server has counted of connections, of all its listeners.
type ConnectionStats struct {
	Open         int
	Limit        int
	AddressLimit int // of one address beyond this machine
	Accepted     uint64
	Dropped      [drops]uint64 // by [Drop]
	Failures     uint64        // to accept
}

func (all *connections) stats(o *Limits) ConnectionStats {
	all.mu.Lock()
	defer all.mu.Unlock()
	return ConnectionStats{
		Open: len(all.open), Limit: o.MaxConnections, AddressLimit: o.connectionsOf(netip.IPv4Unspecified()),
		Accepted: all.accepted, Dropped: all.dropped, Failures: all.failures,
	}
}
