package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/fanout"
)

// Camera is one camera as web needs it.
type Camera struct {
	ID     string        // letters, digits, - and _; part of its addresses
	Hub    *fanout.Hub   // made with [Envelope]
	Status func() Status // its present state; called often and from many goroutines

	Controls Controls // nil: it has no settings that can be reached
}

// Options are what a server is made of. The zero value of each has the meaning given.
type Options struct {
	Cameras []Camera     // the first is what /stream and the like show
	Logger  *slog.Logger // nil: silent
	Metrics http.Handler // answers /metrics; nil: there is none
	Version string       // shown by the API

	AllowGetControl bool // /control changes settings by GET too

	TLS *tls.Config // what listeners speak, but for Unix sockets; nil: plain HTTP. It must offer HTTP/1.1 alone

	Limits    // at the beginning; see [Server.Limit]
	Perimeter // likewise; see [Server.SetPerimeter]

	Access *access.Keeper // who may do what; nil: nobody is asked, and everybody is an administrator

	SendBuffer int // bytes that the kernel may hold for a viewer, its own overhead included; 0: 512 KiB

	WriteTimeout time.Duration // a viewer that takes nothing for so long is disconnected; 0: 10 s
	RepeatAfter  time.Duration // the last picture is sent again after so long without a new one; 0: 0.8 s, so that Chrome, which is a picture behind, tells within 2 s
	StaleAfter   time.Duration // the last picture of a vanished camera is shown for so long; 0: 0.8 s
}

// Limits are what viewers may have. The zero value of each has the meaning given.
type Limits struct {
	MaxViewers           int // streams and waiting snapshots at once; 0: 512
	MaxViewersPerCamera  int // of them; 0: no bound of its own
	MaxViewersPerAddress int // of them; 0: no bound of its own

	MaxConnections           int // open at once, whatever they are for; 0: [Limits.Connections]
	MaxConnectionsPerAddress int // of them; 0: a quarter, but this machine's own addresses have no bound of their own

	Mode            fanout.Mode   // of viewers that do not ask for one
	MaxFPS          float64       // what a viewer may have, and gets unless it asks for less; 0: unbounded
	LockstepTimeout time.Duration // a viewer that keeps its group waiting for longer is disconnected; 0: 2 s
	AllPatience     time.Duration // a viewer of all frames is disconnected when one has waited for so long; 0: 5 s
	AllBuffer       int           // and when so many bytes wait for it; 0: 8 MiB
}

// Server answers all HTTP requests.
type Server struct {
	options Options
	log     *slog.Logger
	routes  map[string]*route // by pattern
	handler http.Handler

	// Anybody, atomically.
	roster      atomic.Pointer[[]*camera] // never nil; the slice is never written
	limits      atomic.Pointer[Limits]    // never nil; never written
	perimeter   atomic.Pointer[perimeter] // never nil; never written
	revocations atomic.Uint64             // streams, WebSockets and streams of events ended because their grant no longer held
	removals    atomic.Uint64             // streams ended because their camera was removed
	serving     atomic.Int32              // listeners being served and not ending
	panics      atomic.Uint64
	rejections  [rejections]atomic.Uint64

	sockets        atomic.Int64 // WebSockets open
	socketsEver    atomic.Uint64
	socketMessages atomic.Uint64 // understood
	socketRefusals [socketRefusals]atomic.Uint64
	listeners      atomic.Int64 // streams of events open
	listenersEver  atomic.Uint64

	requests  requestCounts // has its own lock
	durations requestTimes  // has its own lock
	places    places        // has its own lock
	seats     seats         // has its own lock
	news      news          // has its own lock
	observer  observer      // has its own lock
	roll      roll          // has its own lock

	connections connections // has its own lock
}

// camera is a Camera with what web keeps for it.
type camera struct {
	Camera
	noSignal noSignal // has its own lock
	meter    meter    // has its own lock
	stage    stage    // of the goroutine that delivers the hub's frames

	// Anybody, atomically.
	repeats, placeholders, fillerBytes atomic.Uint64
	ends                               [ends]atomic.Uint64
}

// New makes a server. It panics if two cameras have the same ID.
func New(o Options) *Server {
	o.SendBuffer = cmp.Or(o.SendBuffer, 512<<10)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.RepeatAfter = cmp.Or(o.RepeatAfter, 800*time.Millisecond)
	o.StaleAfter = cmp.Or(o.StaleAfter, 800*time.Millisecond)
	s := &Server{options: o, log: o.Logger, routes: make(map[string]*route)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.places.byCamera, s.places.byHost = make(map[*camera]int), make(map[string]int)
	s.Limit(o.Limits)
	s.SetPerimeter(o.Perimeter)
	s.roster.Store(new([]*camera))
	s.SetCameras(o.Cameras)
	s.news.look, s.news.wake = s.look, make(chan struct{}, 1)
	s.handler = s.guard(s.near(s.mux()))
	return s
}

// Handler answers requests without a listener of its own. Streams end with the contexts of their requests.
func (s *Server) Handler() http.Handler { return s.handler }

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // header and body; a stream under way is not bound by it
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10

	// shutdownGrace is how long Serve waits for parts being written before it cuts them off.
	shutdownGrace = 3 * time.Second
)

// errShutdown is the cause that the contexts of all requests end with.
var errShutdown = errors.New("server is shutting down")

// Serve answers requests on l until ctx ends, and closes l. Streams then end, each after a whole part if its
// viewer reads on; Serve returns within about [shutdownGrace], with every connection and goroutine gone. The error is nil
// unless accepting failed. Several listeners may be served at once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.handler)
}

// ServeStreamOnly is [Server.Serve] with nothing but /stream, for programs that look for a stream at port 81, where Espressif's
// CameraWebServer has it.
func (s *Server) ServeStreamOnly(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.guard(s.near(s.streamMux())))
}

func (s *Server) serve(ctx context.Context, below net.Listener, handler http.Handler) error {
	secure := below.Addr().Network() != "unix" && s.options.TLS != nil
	var l net.Listener = newGate(s, below, secure)
	if secure {
		l = tls.NewListener(l, s.options.TLS)
	}
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	sc := &scope{server: s, streams: make(map[*stream]fanout.Sink)}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if err := s.tune(conn); err != nil {
				s.log.Debug("connection not tuned", "client", conn.RemoteAddr(), "error", err)
			}
			return context.WithValue(context.WithValue(ctx, scopeKey{}, sc), connectionKey{}, s.connections.find(conn))
		},
		// A connection that becomes a stream is the scope's from then on; see scope.release.
		// New is reported before Accept is called again, so no Add can come after Serve has returned.
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				sc.connections.Add(1)
			case http.StateActive:
				s.connections.asks(conn)
			case http.StateIdle:
				s.connections.waits(conn)
			case http.StateClosed:
				s.connections.leave(conn)
				sc.connections.Done()
			}
		},
	}
	defer s.observe()()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.serving.Add(1)

	var failure error
	select {
	case err := <-served:
		served <- err
		failure = fmt.Errorf("accept: %w", err)
	case <-ctx.Done():
	}
	s.serving.Add(-1)
	end(errShutdown)
	sc.end()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		s.log.Info("cutting off viewers that do not read", "error", err)
		if err := server.Close(); err != nil {
			s.log.Debug("close", "error", err)
		}
	}
	<-served
	sc.wait(grace)
	return failure
}

// unsentLimit is how many bytes the kernel may hold that it has not put on the wire. Without it a slow viewer
// has megabytes of old pictures in the kernel's buffer, and sees them many seconds late.
const unsentLimit = 128 << 10

// tune makes the kernel notice peers that are gone: an unplugged viewer acknowledges nothing and never closes.
func (s *Server) tune(conn net.Conn) error {
	tcp, ok := wire(conn).(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
	}); err != nil {
		return fmt.Errorf("set keep-alive: %w", err)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	gone := int((s.options.WriteTimeout + 5*time.Second).Milliseconds())
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = errors.Join(
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, gone),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit))
	})
	return errors.Join(err, failed)
}

// guard is around every handler: a deadline for the answer, the request count, and a
// net for panics.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		rec := &recorder{ResponseWriter: w, server: s, request: r}
		defer func() {
			if fault := recover(); fault != nil {
				if fault == http.ErrAbortHandler {
					panic(fault)
				}
				s.panics.Add(1)
				s.log.Error("panic in a handler", "path", r.URL.Path, "panic", fault, "stack", string(debug.Stack()))
				rec.count(http.StatusInternalServerError)
				panic(http.ErrAbortHandler) // the answer may be half written: drop the connection
			}
			rec.count(http.StatusOK)
			if !rec.endless {
				s.durations.add(rec.route(), time.Since(begin))
			}
		}()
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // else net/http reads the body before it answers
		}
		if err := allow(http.NewResponseController(w), s.options.WriteTimeout); err != nil {
			s.log.Debug("no write deadline", "client", r.RemoteAddr, "error", err)
		}
		if !s.excessive(rec, r) {
			next.ServeHTTP(rec, r)
		}
	})
}

// allow gives the next writes of an answer so much time. A writer that knows no deadlines is a test's.
func allow(control *http.ResponseController, d time.Duration) error {
	if err := control.SetWriteDeadline(time.Now().Add(d)); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// recorder counts the request under the status it is answered with, as soon as that is known: a stream's
// handler returns only at its end.
type recorder struct {
	http.ResponseWriter
	server  *Server
	request *http.Request
	counted bool
	endless bool // the answer lasts as long as its client wants
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		r.count(status)
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.count(http.StatusOK)
	return r.ResponseWriter.Write(p)
}

func (r *recorder) count(status int) {
	if r.counted {
		return
	}
	r.counted = true
	kind := r.Header().Get("Content-Type")
	r.endless = status == http.StatusSwitchingProtocols || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "text/event-stream")
	r.server.requests.add(Request{r.route(), foldMethod(r.request.Method), status})
}

// route is the pattern that the request has matched, as counters know it.
func (r *recorder) route() string {
	if route := r.request.Pattern; r.server.routes[route] != nil {
		return route
	}
	return "/"
}
