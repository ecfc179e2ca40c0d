// Package metrics exports the daemon's counters to Prometheus. The counters
// live in the objects they count; one collector reads them at scrape, so that
// nothing on a frame's way knows of it. Names follow docs/metrics.md.
//
// Labels are bounded: the configured camera ids, and closed lists in the code.
// Nothing a client or a device says ever becomes a label value, but for the fixed
// strings of camgw_camera_info.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/fanout"
	"github.com/camgw/camgw/internal/web"
)

// Camera is one camera to be read at scrape.
type Camera struct {
	ID, Port string
	Status   func() camera.Status
	Stats    func() camera.Stats
	Hub      func() fanout.Stats
}

// Config is what became of the configuration when it was last loaded.
type Config struct {
	Successful bool      // the last time
	Loaded     time.Time // the last time that it was successful
}

// Certificate is what has become of the server's TLS certificate.
type Certificate struct {
	Expires           time.Time
	Reloads, Failures uint64 // changed files that were taken, and that could not be used
}

// Sources is everything that is read at scrape.
type Sources struct {
	Cameras func() []Camera // those there are now
	Web     func() web.Stats
	Config  func() Config       // nil: it cannot be loaded again
	Access  func() access.Stats // nil: nobody is asked who he is
	Users   func() Config       // what became of the file of users; read if Access says that there is one

	Certificate func() Certificate // nil: there is none

	Version, Revision string // of the build
}

// NewRegistry returns a registry of the daemon's own families and those of the Go
// runtime and the process.
func NewRegistry(s Sources) *prometheus.Registry {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(&collector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// NewHandler serves a registry. Scrapes are bounded in number and time, and counted.
func NewHandler(r *prometheus.Registry) http.Handler {
	return promhttp.InstrumentMetricHandler(r, promhttp.HandlerFor(r, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4,
		Timeout:             5 * time.Second,
		EnableOpenMetrics:   true,
		Registry:            r,
	}))
}

// collector implements prometheus.Collector.
type collector struct{ Sources }

// Describe is part of prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	buildInfo.set(ch, 1, c.Version, c.Revision, runtime.Version())
	for _, cam := range c.Cameras() {
		id := cam.ID
		collectCamera(ch, id, cam.Port, cam.Status(), cam.Stats())
		collectHub(ch, id, cam.Hub())
	}
	collectWeb(ch, c.Web())
	if c.Config != nil {
		loaded := c.Config()
		configSuccessful.set(ch, truth(loaded.Successful))
		configLoaded.set(ch, float64(loaded.Loaded.UnixMilli())/1000)
	}
	if c.Certificate != nil {
		s := c.Certificate()
		tlsExpiry.set(ch, float64(s.Expires.Unix()))
		tlsReloads.set(ch, float64(s.Reloads), "success")
		tlsReloads.set(ch, float64(s.Failures), "failure")
	}
	if c.Access != nil {
		c.collectAccess(ch)
	}
}

func (c *collector) collectAccess(ch chan<- prometheus.Metric) {
	s := c.Access()
	authRequired.set(ch, truth(s.Required))
	for _, kind := range access.Kinds() {
		authSuccesses.set(ch, float64(s.Successes[kind]), kind.String())
	}
	for r, n := range s.Failures {
		authFailures.set(ch, float64(n), access.Reason(r).String())
	}
	authCacheHits.set(ch, float64(s.CacheHits))
	authChecks.set(ch, float64(s.Checks))
	authWaiting.set(ch, float64(s.Waiting))
	authRemembered.set(ch, float64(s.Remembered))
	accounts.set(ch, float64(s.Users), access.User.String())
	accounts.set(ch, float64(s.Tokens), access.Token.String())
	if s.Required {
		users := c.Users()
		usersSuccessful.set(ch, truth(users.Successful))
		usersLoaded.set(ch, float64(users.Loaded.UnixMilli())/1000)
	}
}

func collectCamera(ch chan<- prometheus.Metric, id, port string, st camera.Status, s camera.Stats) {
	info := camera.Device{}
	if st.Device != nil {
		info = *st.Device
	}
	cameraInfo.set(ch, 1, id, port, "camlink/1", info.Firmware, info.Board, info.Sensor)
	linked := st.State == camera.Streaming || st.State == camera.Idle
	cameraUp.set(ch, truth(linked && st.Cause == camera.CauseNone), id)
	for _, state := range []camera.State{camera.Offline, camera.Connecting, camera.Idle, camera.Streaming} {
		cameraState.set(ch, truth(st.State == state), id, string(state))
	}

	serialUp.set(ch, truth(s.Opens > sum(s.Disconnects[:])), id)
	serialBaud.set(ch, float64(st.Baud), id)
	serialReceived.set(ch, float64(s.ReceivedBytes), id)
	serialSent.set(ch, float64(s.SentBytes), id)
	serialDiscarded.set(ch, float64(s.Link.Discarded), id)
	for i, cause := range camera.OpenCauses() {
		serialOpenFailures.set(ch, float64(s.OpenFailures[i]), id, string(cause))
	}
	for i, n := range s.Disconnects {
		serialDisconnects.set(ch, float64(n), id, camera.Disconnect(i).String())
	}

	for i, n := range s.LineErrors {
		serialLineErrors.set(ch, float64(n), id, camera.LineError(i).String())
	}

	for i, name := range camera.PacketTypes() {
		linkPackets.set(ch, float64(s.Packets[i]), id, name)
	}
	linkLost.set(ch, float64(s.Link.Lost), id)
	for i, n := range s.Link.Errors {
		linkErrors.set(ch, float64(n), id, camera.LinkErrorName(i))
	}
	linkHandshakes.set(ch, float64(s.Links), id)
	linkBreaks.set(ch, float64(s.LinksLost), id)
	linkFallbacks.set(ch, float64(s.BaudFallbacks), id)
	linkRoundTrip.set(ch, s.RoundTrip, id)

	framesReceived.set(ch, float64(s.Received), id)
	framesPublished.set(ch, float64(s.Published), id)
	for i, n := range s.Rejected {
		framesRejected.set(ch, float64(n), id, camera.Rejection(i).String())
	}
	framesLost.set(ch, float64(s.Lost), id)
	framesRepaired.set(ch, float64(s.Repaired), id)
	frameSize.observed(ch, s.FrameSize, id)
	frameInterval.observed(ch, s.FrameInterval, id)
	frameTransfer.observed(ch, s.FrameTransfer, id)
	frameWidth.set(ch, float64(st.Width), id)
	frameHeight.set(ch, float64(st.Height), id)

	if st.Quality >= 0 {
		cameraQuality.set(ch, float64(st.Quality), id)
	}
	target := 0.0
	if a := st.Auto; a != nil {
		target = a.TargetFPS
		cameraBest.set(ch, float64(a.Best), id)
		cameraWorst.set(ch, float64(a.Worst), id)
	}
	cameraTarget.set(ch, target, id)
	for i, n := range s.Settings {
		deviceSettings.set(ch, float64(n), id, camera.SettingFate(i).String())
	}

	for step, whys := range s.Recoveries {
		for why, n := range whys {
			recoveries.set(ch, float64(n), id, camera.Rung(step).String(), camera.Ailment(why).String())
		}
	}
	hookFailures.set(ch, float64(s.HookFailures), id)

	for i, n := range s.Reboots {
		deviceBoots.set(ch, float64(n), id, camera.Reset(i).String())
	}
	deviceErrors.set(ch, float64(s.CaptureFailures), id)
	deviceDamaged.set(ch, float64(s.DeviceDamaged), id)
	deviceOverruns.set(ch, float64(s.DeviceOverruns), id)
	deviceSkipped.set(ch, float64(s.DeviceSkipped), id)
	if s.HaveDevice {
		d := s.DeviceStats
		deviceUptime.set(ch, float64(d.UptimeS), id)
		deviceHeap.set(ch, float64(d.HeapFree), id, "internal")
		deviceHeap.set(ch, float64(d.PSRAMFree), id, "psram")
		if celsius, ok := s.Temperature(); ok {
			deviceTemperature.set(ch, celsius, id)
		}
	}
}

func collectHub(ch chan<- prometheus.Metric, id string, s fanout.Stats) {
	if !s.Last.IsZero() {
		frameLast.set(ch, float64(s.Last.UnixMilli())/1000, id)
	}
	frameReceiptAge.observed(ch, s.Receipt, id)
	for m, ages := range s.Delivery {
		frameAge.observed(ch, ages, id, fanout.Mode(m).String())
	}
	frameMemory.set(ch, float64(s.FrameMemory), id)
	for i, t := range s.Transports {
		transport := fanout.Transport(i).String()
		clients.set(ch, float64(t.Viewers), id, transport)
		clientsLagging.set(ch, float64(t.Lagging), id, transport)
		clientConnections.set(ch, float64(t.Joined), id, transport)
		clientOffered.set(ch, float64(t.Offered), id, transport)
		clientSent.set(ch, float64(t.Sent), id, transport)
		clientBytes.set(ch, float64(t.SentBytes), id, transport)
		for r, n := range t.Skipped {
			clientSkipped.set(ch, float64(n), id, transport, fanout.Reason(r).String())
		}
	}
}

func collectWeb(ch chan<- prometheus.Metric, s web.Stats) {
	clientsLimit.set(ch, float64(s.ViewerLimit))
	clientsCameraLimit.set(ch, float64(s.CameraLimit))
	clientsAddressLimit.set(ch, float64(s.HostLimit))
	clientRemovals.set(ch, float64(s.Removals))
	httpConnections.set(ch, float64(s.Connections.Open))
	httpConnectionsLimit.set(ch, float64(s.Connections.Limit))
	httpConnectionsAddressLimit.set(ch, float64(s.Connections.AddressLimit))
	httpAccepted.set(ch, float64(s.Connections.Accepted))
	httpAcceptFailures.set(ch, float64(s.Connections.Failures))
	for i, n := range s.Connections.Dropped {
		httpDropped.set(ch, float64(n), web.Drop(i).String())
	}
	panics.set(ch, float64(s.Panics), "http")
	sockets.set(ch, float64(s.Sockets.Open))
	socketsOpened.set(ch, float64(s.Sockets.Opened))
	socketMessages.set(ch, float64(s.Sockets.Messages))
	for i, n := range s.Sockets.Refusals {
		socketRefusals.set(ch, float64(n), web.SocketRefusal(i).String())
	}
	listeners.set(ch, float64(s.Listeners))
	listenersEver.set(ch, float64(s.Listened))
	clientRevocations.set(ch, float64(s.Revocations))
	for i, n := range s.Rejections {
		clientRejections.set(ch, float64(n), web.Rejection(i).String())
	}
	for r, n := range s.Requests {
		httpRequests.set(ch, float64(n), r.Route, r.Method, statusCode(r.Code))
	}
	for route, h := range s.Durations {
		httpDurations.observed(ch, h, route)
	}
	for _, c := range s.Cameras {
		clientRepeats.set(ch, float64(c.Repeats), c.ID)
		clientPlaceholders.set(ch, float64(c.Placeholders), c.ID)
		for i, n := range c.Ends {
			clientDisconnections.set(ch, float64(n), c.ID, web.End(i).String())
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func sum(counts []uint64) (total uint64) {
	for _, n := range counts {
		total += n
	}
	return total
}
