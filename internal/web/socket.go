package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/camgw/camgw/internal/fanout"
)

const (
	socketVersion  = 1
	socketMessage  = 4 << 10 // bytes of a message from the client, at most
	socketRate     = 500     // messages per second from the client, at most, over time
	socketBurst    = 1000    // and at once
	socketChannels = 64      // subscriptions of one connection, at most
	subscribeRate  = 20      // and per second, over time; each disturbs the camera's pump
	subscribeBurst = 2 * socketChannels
	socketPing     = 15 * time.Second

	// socketFragment is the most that is written between two chances for a control message; see also [progress].
	socketFragment = 32 << 10

	// socketBuffer of the library's writer joins the header of a picture with its first bytes. It is small because what
	// passes through it is copied.
	socketBuffer = 512

	// socketLinger is how long the end of a connection waits for the client to agree.
	socketLinger = time.Second
)

// socket is one WebSocket connection. The goroutine of its handler reads; each picture is written by the goroutine of its
// viewer, and the library keeps their messages apart.
type socket struct {
	server *Server
	log    *slog.Logger
	visit  *visit
	guest  guest
	conn   *websocket.Conn
	wire   *socketConn
	gone   chan struct{} // closed when nothing can be said any more

	mu       sync.Mutex
	channels map[int]*channel
	why      error // why it ends; nil: it does not

	work sync.WaitGroup // goroutines and viewers

	// The reader's alone.
	unwatch       func() // ends the news; nil: there are none
	budget        bucket
	subscriptions bucket
	flooded       bool // it was ended for that
}

// socketAnswer is everything that the gateway says.
type socketAnswer struct {
	Type    string   `json:"type"`
	Version int      `json:"version,omitempty"`
	Server  string   `json:"server,omitempty"`
	Channel int      `json:"channel,omitempty"`
	Camera  string   `json:"camera,omitempty"`
	Mode    string   `json:"mode,omitempty"`
	FPS     *float64 `json:"fps,omitempty"`
	Window  *int     `json:"window,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Detail  string   `json:"detail,omitempty"`
}

// socketRequest is everything that a client may say.
type socketRequest struct {
	Type     string
	Channel  int
	Camera   string
	Mode     string
	FPS      float64
	Window   int
	Sequence uint64
	Interval float64
}

// Why sockets and their subscriptions end, beside what ends streams.
var (
	errUnsubscribed = errors.New("the viewer unsubscribed")
	errReplaced     = errors.New("the viewer changed the subscription")
	errStalled      = errors.New("the viewer acknowledges nothing")
	errPolicy       = errors.New("the viewer broke the rules")
	errSubscribing  = fmt.Errorf("more than %d subscriptions per second", subscribeRate)
)

// socket answers /api/v1/ws.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	who := visitOf(r)
	seat, full := s.seats.take(s.limits.Load(), who.client)
	if full != "" {
		s.socketRefusals[SocketFull].Add(1)
		s.refuse(w, full)
		return
	}
	defer seat.leave()
	k := &socket{
		server: s, visit: who, log: s.log.With("client", who.client), gone: make(chan struct{}),
		channels: make(map[int]*channel), budget: bucket{rate: socketRate, size: socketBurst}, subscriptions: bucket{rate: subscribeRate, size: subscribeBurst},
	}
	upgrade := &upgrade{ResponseWriter: w, socket: k}
	var err error
	k.conn, err = websocket.Accept(upgrade, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // keepOut has looked
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		upgrade.fail(err)
		return
	}
	s.sockets.Add(1)
	defer s.sockets.Add(-1)
	s.socketsEver.Add(1)
	scope, _ := r.Context().Value(scopeKey{}).(*scope)
	if scope != nil {
		scope.join(k)
		defer scope.leave(k)
	}
	k.run(r.Context())
	if c, ok := r.Context().Value(connectionKey{}).(*connection); ok && k.flooded {
		s.connections.charge(c, floodPrice)
	}
}

// upgrade is the http.ResponseWriter of a handshake. It keeps refusals back, so that they are told as problems, and has
// what the library writes bounded in time.
type upgrade struct {
	http.ResponseWriter
	socket *socket
	status int
}

func (u *upgrade) WriteHeader(status int) {
	u.status = status
	if status == http.StatusSwitchingProtocols {
		u.ResponseWriter.WriteHeader(status)
	}
}

func (u *upgrade) Write(p []byte) (int, error) { return len(p), nil }

// Hijack is part of http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, both, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if tcp, ok := wire(conn).(*net.TCPConn); ok {
		if err := u.socket.server.boundTCP(tcp); err != nil {
			u.socket.log.Debug("connection not bounded", "error", err)
		}
	}
	metered := &socketConn{Conn: conn, meter: newFrameMeter()}
	metered.of, metered.timeout = conn, u.socket.server.options.WriteTimeout
	u.socket.wire = metered
	// What the client has sent already passes the meter too: the library takes over what is buffered, and then reads by itself.
	early, err := both.Reader.Peek(both.Reader.Buffered())
	if err == nil && metered.meter.pass(early, time.Now()) {
		metered.flooded.Store(true)
	}
	return metered, bufio.NewReadWriter(both.Reader, bufio.NewWriterSize(metered, socketBuffer)), nil
}

func (u *upgrade) fail(err error) {
	s := u.socket.server
	s.socketRefusals[SocketHandshake].Add(1)
	if u.socket.wire != nil || u.status < 400 {
		u.socket.log.Debug("no WebSocket", "error", err)
		return
	}
	u.Header().Del("Content-Type")
	detail := err.Error()
	if u.status == http.StatusUpgradeRequired {
		detail = "this address speaks WebSocket: see docs/websocket.md"
	}
	s.fail(u.ResponseWriter, problem{Status: u.status, Detail: detail})
}

// socketConn gives each write its time, and counts the frames that are read.
type socketConn struct {
	net.Conn
	patience
	meter   frameMeter // the reader's
	flooded atomic.Bool
}

// Read is part of net.Conn.
func (c *socketConn) Read(p []byte) (int, error) {
	if c.flooded.Load() {
		return 0, errFrames
	}
	n, err := c.Conn.Read(p)
	if c.meter.pass(p[:n], time.Now()) {
		c.flooded.Store(true)
		return 0, errFrames
	}
	return n, err
}

// cut ends the connection at once. TLS would wait to say good-bye.
func (c *socketConn) cut() { _ = wire(c.Conn).Close() } // what fails then is being ended

// Write is part of net.Conn.
func (c *socketConn) Write(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// run serves the connection until it ends, and returns when nothing of it is left.
func (k *socket) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		k.end(context.Cause(ctx), websocket.StatusGoingAway, "the gateway is shutting down")
	})
	k.conn.SetReadLimit(socketMessage)
	k.log.Debug("WebSocket opened")
	k.guest = guest{grant: k.visit.grant, client: k.visit.client, transport: fanout.WebSocket.String(), quit: k.leave}
	k.server.enter(&k.guest)
	if k.say(socketAnswer{Type: "hello", Version: socketVersion, Server: "camgw " + k.server.options.Version}) == nil {
		k.work.Go(k.ping)
		k.read()
	}
	stop()
	k.server.leave(&k.guest)
	k.end(errGone, 0, "")
	close(k.gone)
	if k.unwatch != nil {
		k.unwatch()
	}
	if err := k.conn.CloseNow(); err != nil {
		k.log.Debug("close", "error", err)
	}
	k.wire.Abort()
	k.work.Wait()
	k.log.Debug("WebSocket closed", "why", k.why)
}

// leave ends the connection for who may no longer be here.
func (k *socket) leave(why error) { k.end(why, websocket.StatusPolicyViolation, why.Error()) }

// read handles messages until the connection ends.
func (k *socket) read() {
	for {
		kind, message, err := k.conn.Read(context.Background())
		if err != nil {
			switch {
			case k.wire.flooded.Load():
				k.flooded = true
				k.server.socketRefusals[SocketFrames].Add(1)
				k.end(errPolicy, websocket.StatusPolicyViolation, errFrames.Error())
			case errors.Is(err, websocket.ErrMessageTooBig):
				k.server.socketRefusals[SocketTooLarge].Add(1)
				k.end(errPolicy, websocket.StatusMessageTooBig, "") // which the library has said already
			}
			k.end(errGone, 0, "")
			return
		}
		var refused SocketRefusal
		switch {
		case k.ending():
			continue // only the client's consent is waited for
		case !k.budget.take(time.Now()):
			refused = SocketFlood
			err = fmt.Errorf("more than %d messages per second", socketRate)
		case kind != websocket.MessageText || !isObject(message):
			refused = SocketNoJSON
			err = errors.New("a message must be one JSON object, sent as text")
		default:
			k.server.socketMessages.Add(1)
			if err = k.handle(message); err == nil {
				continue
			}
			if !errors.Is(err, errSubscribing) {
				return
			}
			refused = SocketFlood
		}
		k.flooded = k.flooded || refused == SocketFlood
		k.server.socketRefusals[refused].Add(1)
		_ = k.say(socketAnswer{Type: "error", Detail: err.Error()}) // it ends in any case
		k.end(errPolicy, websocket.StatusPolicyViolation, err.Error())
	}
}

func isObject(message []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(message, " \t\r\n"), []byte("{")) && json.Valid(message)
}

// handle does what a message asks for. An error is the connection's.
func (k *socket) handle(message []byte) error {
	var q socketRequest
	if err := json.Unmarshal(message, &q); err != nil {
		detail := "the message cannot be understood"
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			detail = fmt.Sprintf("%s cannot be a JSON %s", strings.ToLower(wrong.Field), wrong.Value)
		}
		return k.object(q, detail)
	}
	if q.Type == "subscribe" || q.Type == "ack" || q.Type == "unsubscribe" {
		if q.Channel < 1 || q.Channel > 65535 {
			return k.object(q, "channel must be from 1 to 65535")
		}
	}
	switch q.Type {
	case "subscribe":
		return k.subscribe(q)
	case "unsubscribe":
		return k.unsubscribe(q.Channel)
	case "ack":
		if c := k.channel(q.Channel); c != nil {
			c.acknowledge(q.Sequence)
		}
		return nil // an acknowledgement may cross the end of its channel
	case "watch":
		return k.watch(q)
	}
	return k.object(q, fmt.Sprintf("unknown type %q: there are subscribe, ack, unsubscribe and watch", q.Type))
}

// object tells what is wrong with a message.
func (k *socket) object(q socketRequest, detail string) error {
	k.server.socketRefusals[SocketBadRequest].Add(1)
	answer := socketAnswer{Type: "error", Detail: detail}
	if q.Channel >= 1 && q.Channel <= 65535 {
		answer.Channel = q.Channel
	}
	return k.say(answer)
}

// watch begins to send news, or ends that.
func (k *socket) watch(q socketRequest) error {
	interval, err := newsInterval(q.Interval)
	if err != nil && q.Interval != 0 {
		return k.object(q, err.Error())
	}
	if k.unwatch != nil {
		k.unwatch()
		k.unwatch = nil
	}
	if q.Interval == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	k.work.Go(func() {
		defer close(done)
		// A failure to write ends the connection; there is nothing more to do about it here.
		_ = k.server.news.follow(ctx, k.visit.grant, interval, 0, k.write)
	})
	k.unwatch = func() { cancel(); <-done }
	return nil
}

// ping finds out about peers that are gone without a word.
func (k *socket) ping() {
	ticker := time.NewTicker(socketPing)
	defer ticker.Stop()
	for {
		select {
		case <-k.gone:
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), k.server.options.WriteTimeout)
		err := k.conn.Ping(ctx)
		cancel()
		if err != nil {
			k.end(err, 0, "")
			return
		}
	}
}

func (k *socket) say(answer socketAnswer) error {
	message, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return k.write(message)
}

// write sends a text. Its time is the wire's; a failure ends the connection.
func (k *socket) write(message []byte) error {
	err := k.conn.Write(context.Background(), websocket.MessageText, message)
	if err != nil {
		k.end(err, 0, "")
	}
	return err
}

// end lets all subscriptions end after the picture being written, and then the connection. Without a code the client is
// told nothing more. The first call counts.
func (k *socket) end(why error, code websocket.StatusCode, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.why != nil {
		return
	}
	k.why = why
	var waiting []*channel
	for _, c := range k.channels {
		c.end(why)
		waiting = append(waiting, c)
	}
	k.work.Go(func() {
		if code != 0 {
			patience := time.AfterFunc(shutdownGrace-socketLinger, k.wire.Abort)
			for _, c := range waiting {
				<-c.told
			}
			patience.Stop()
		}
		// Close waits for the client's answer, and would do so for longer.
		force := time.AfterFunc(socketLinger, k.wire.cut)
		defer force.Stop()
		var err error
		if code == 0 {
			k.wire.Abort()
			err = k.conn.CloseNow()
		} else {
			err = k.conn.Close(code, text)
		}
		if err != nil {
			k.log.Debug("close", "error", err)
		}
	})
}

// ending tells whether the connection is about to end.
func (k *socket) ending() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.why != nil
}

func (k *socket) channel(number int) *channel {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.channels[number]
}
