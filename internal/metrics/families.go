package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/camgw/camgw/internal/histogram"
)

// family is one metric family: its description and, but for histograms, the kind of its values.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// families lists what the collector describes. It is filled once, while the
// package is initialised.
var families []*family

func define(kind prometheus.ValueType, name, help string, labels ...string) *family {
	f := &family{prometheus.NewDesc("camgw_"+name, help, labels, nil), kind}
	families = append(families, f)
	return f
}

func gauge(name, help string, labels ...string) *family {
	return define(prometheus.GaugeValue, name, help, labels...)
}

func counter(name, help string, labels ...string) *family {
	return define(prometheus.CounterValue, name, help, labels...)
}

func distribution(name, help string, labels ...string) *family {
	return define(prometheus.UntypedValue, name, help, labels...)
}

func (f *family) set(ch chan<- prometheus.Metric, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
}

// observed exports a histogram, by its own buckets and, to scrapers that take them, by the fine ones.
func (f *family) observed(ch chan<- prometheus.Metric, h histogram.Histogram, labels ...string) {
	buckets := make(map[float64]uint64, len(h.Layout.Bounds))
	var count uint64
	for i, bound := range h.Layout.Bounds {
		count += h.Counts[i]
		buckets[bound] = count
	}
	ch <- native{prometheus.MustNewConstHistogram(f.desc, h.Count(), h.Sum, buckets, labels...), &h}
}

func statusCode(code int) string { return strconv.Itoa(code) }

var (
	buildInfo = gauge("build_info", "Build information; always 1.", "version", "revision", "goversion")

	configSuccessful = gauge("config_last_reload_successful", "1 if the configuration could be loaded the last time; 0 while an older one stays in effect.")
	configLoaded     = gauge("config_last_reload_success_timestamp_seconds", "When the configuration in effect was loaded, Unix time.")

	authRequired    = gauge("auth_required", "1 if whoever comes has to say who he is; 0 if there is no file of users.")
	authSuccesses   = counter("auth_successes_total", "Times somebody was let in, by what he showed.", "method")
	authFailures    = counter("auth_failures_total", "Times somebody was not let in, although he showed something.", "reason")
	authCacheHits   = counter("auth_cache_hits_total", "Passwords that were known to be right.")
	authChecks      = counter("auth_password_checks_total", "Passwords for which bcrypt was computed.")
	authWaiting     = gauge("auth_passwords_waiting", "Passwords that wait to be checked; one is at a time.")
	authRemembered  = gauge("auth_addresses_remembered", "Addresses whose wrong passwords and tokens are remembered.")
	accounts        = gauge("auth_accounts", "Users and tokens that there are.", "kind")
	usersSuccessful = gauge("auth_users_last_reload_successful", "1 if the file of users could be read the last time; 0 while an older one stays in effect.")
	usersLoaded     = gauge("auth_users_last_reload_success_timestamp_seconds", "When the users in effect were read, Unix time.")

	cameraInfo  = gauge("camera_info", "What a camera is; always 1.", "camera", "port", "protocol", "firmware", "board", "sensor")
	cameraUp    = gauge("camera_up", "1 while a camera is linked and gives pictures when asked.", "camera")
	cameraState = gauge("camera_state", "1 for the state a camera is in.", "camera", "state")

	serialUp           = gauge("serial_up", "1 while the camera's port is open.", "camera")
	serialBaud         = gauge("serial_baud_rate", "Line rate in baud; 0 where the line has none.", "camera")
	serialReceived     = counter("serial_received_bytes_total", "Bytes read from the port.", "camera")
	serialSent         = counter("serial_sent_bytes_total", "Bytes written to the port.", "camera")
	serialDiscarded    = counter("serial_discarded_bytes_total", "Bytes that were part of no packet.", "camera")
	serialOpenFailures = counter("serial_open_failures_total", "Ports that could not be opened.", "camera", "reason")
	serialDisconnects  = counter("serial_disconnects_total", "Open ports that were given up.", "camera", "reason")

	serialLineErrors = counter("serial_line_errors_total", "Errors that the port's driver counted while the port was open; 0 where it counts none.", "camera", "type")

	linkPackets    = counter("link_packets_total", "Packets accepted.", "camera", "type")
	linkErrors     = counter("link_packet_errors_total", "Packets that failed a check.", "camera", "reason")
	linkLost       = counter("link_packets_lost_total", "Packets missing by sequence number.", "camera")
	linkHandshakes = counter("link_handshakes_total", "Handshakes completed.", "camera")
	linkBreaks     = counter("link_breaks_total", "Links lost while the port stayed open.", "camera")
	linkFallbacks  = counter("link_rate_fallbacks_total", "Line rates given up because they damaged too many frames.", "camera")
	linkRoundTrip  = gauge("link_round_trip_seconds", "Shortest of the last 32 PING round trips; 0 before the first.", "camera")

	framesReceived  = counter("frames_received_total", "Frames whose fate is known: published plus rejected.", "camera")
	framesPublished = counter("frames_published_total", "Frames handed to the viewers.", "camera")
	framesRejected  = counter("frames_rejected_total", "Frames received and not published.", "camera", "reason")
	framesLost      = counter("frames_lost_total", "Frames of which not even the beginning arrived.", "camera")
	framesRepaired  = counter("frames_repaired_total", "Frames published after padding behind the end was cut off.", "camera")
	frameSize       = distribution("frame_size_bytes", "Size of the JPEGs published.", "camera")
	frameInterval   = distribution("frame_interval_seconds", "Time between two publications.", "camera")
	frameTransfer   = distribution("frame_transfer_duration_seconds", "Time a frame took on the wire.", "camera")
	frameAge        = distribution("frame_age_seconds", "Age of a picture when it had been written whole to a viewer.", "camera", "mode")
	frameReceiptAge = distribution("frame_receipt_age_seconds", "Age of a picture when it was received; of those whose capture time is known.", "camera")
	frameMemory     = gauge("frame_memory_bytes", "Memory of the frames held for viewers, the newest included.", "camera")
	frameLast       = gauge("frame_last_timestamp_seconds", "When the newest frame arrived, Unix time.", "camera")
	frameWidth      = gauge("frame_width_pixels", "Width of the newest frame; 0 before the first.", "camera")
	frameHeight     = gauge("frame_height_pixels", "Height of the newest frame; 0 before the first.", "camera")

	cameraQuality = gauge("camera_quality", "JPEG quality of the newest frame, 0 to 63, lower is better.", "camera")
	cameraTarget  = gauge("camera_target_fps", "Frames per second that the device moves quality for; 0 while quality is fixed.", "camera")
	cameraBest    = gauge("camera_quality_best", "Lowest number that the device may move quality to.", "camera")
	cameraWorst   = gauge("camera_quality_worst", "Highest number that the device may move quality to.", "camera")

	recoveries   = counter("recoveries_total", "Steps taken to recover a camera.", "camera", "step", "reason")
	hookFailures = counter("recovery_hook_failures_total", "Runs of the recovery hook that failed.", "camera")

	deviceSettings = counter("device_settings_total", "Settings sent to the device, by what became of them.", "camera", "result")

	deviceBoots       = counter("device_reboots_total", "Reboots seen, by what the device gave as the reason.", "camera", "reason")
	deviceSkipped     = counter("device_frames_skipped_total", "Pictures the device took and did not send: newer ones were ready first.", "camera")
	deviceUptime      = gauge("device_uptime_seconds", "Time since the device booted.", "camera")
	deviceErrors      = counter("device_capture_failures_total", "Captures that failed, as the device tells.", "camera")
	deviceDamaged     = counter("device_damaged_packets_total", "Packets that reached the device damaged, as it tells.", "camera")
	deviceOverruns    = counter("device_overrun_bytes_total", "Bytes that the device lost before it read them, as it tells.", "camera")
	deviceHeap        = gauge("device_heap_free_bytes", "Free memory of the device.", "camera", "region")
	deviceTemperature = gauge("device_temperature_celsius", "Temperature of the device.", "camera")

	clients              = gauge("clients", "Viewers connected now.", "camera", "transport")
	clientsLagging       = gauge("clients_lagging", "Viewers that skipped a frame for being slow within the last 10 seconds.", "camera", "transport")
	clientsLimit         = gauge("clients_limit", "Viewers allowed at once.")
	clientsCameraLimit   = gauge("clients_per_camera_limit", "Viewers allowed at one camera; 0: no bound of its own.")
	clientsAddressLimit  = gauge("clients_per_address_limit", "Viewers allowed from one address; 0: no bound of its own.")
	clientConnections    = counter("client_connections_total", "Viewers accepted.", "camera", "transport")
	clientDisconnections = counter("client_disconnections_total", "Streams that ended.", "camera", "reason")
	clientRemovals       = counter("client_removals_total", "Streams ended because their camera was taken out of the configuration, together with its own series.")
	clientRevocations    = counter("client_revocations_total", "Streams, WebSockets and streams of events ended because their access was revoked, or expired.")
	clientRejections     = counter("client_rejections_total", "Requests refused.", "reason")
	clientOffered        = counter("client_frames_offered_total", "Frames published while a viewer was there, summed over viewers: sent plus skipped.", "camera", "transport")
	clientSent           = counter("client_frames_sent_total", "Frames written whole to viewers.", "camera", "transport")
	clientSkipped        = counter("client_frames_skipped_total", "Frames not sent to a viewer.", "camera", "transport", "reason")
	clientBytes          = counter("client_sent_bytes_total", "Bytes of the frames sent to viewers.", "camera", "transport")
	clientRepeats        = counter("client_frames_repeated_total", "Pictures sent again because no new one came.", "camera")
	clientPlaceholders   = counter("client_placeholders_total", "No-signal pictures sent.", "camera")

	sockets        = gauge("websockets", "WebSockets open now. Their subscriptions are clients of transport ws.")
	socketsOpened  = counter("websockets_opened_total", "WebSockets ever opened.")
	socketMessages = counter("websocket_messages_total", "Messages from WebSocket clients that were understood.")
	socketRefusals = counter("websocket_refusals_total", "Handshakes and messages of WebSocket clients that were refused.", "reason")
	listeners      = gauge("event_listeners", "Streams of server-sent events open now.")
	listenersEver  = counter("event_listeners_opened_total", "Streams of server-sent events ever opened.")

	httpRequests    = counter("http_requests_total", "Requests answered.", "handler", "method", "code")
	httpDurations   = distribution("http_request_duration_seconds", "Time to answer a request; streams and WebSockets are not among them.", "handler")
	httpConnections = gauge("http_connections", "Connections open now.")

	httpConnectionsLimit        = gauge("http_connections_limit", "Connections allowed at once.")
	httpConnectionsAddressLimit = gauge("http_connections_per_address_limit", "Connections allowed from one address beyond this machine.")
	httpAccepted                = counter("http_connections_accepted_total", "Connections that came, those closed at once included.")
	httpDropped                 = counter("http_connections_dropped_total", "Connections closed that had not got an answer.", "reason")
	httpAcceptFailures          = counter("http_accept_failures_total", "Connections that could not be accepted: descriptors or memory were short, as a rule.")

	tlsExpiry  = gauge("tls_certificate_expiry_timestamp_seconds", "When the TLS certificate in use expires, Unix time.")
	tlsReloads = counter("tls_certificate_reloads_total", "Changes of the TLS certificate's files that were found; after a failure the one before stays in use.", "result")

	panics = counter("panics_recovered_total", "Panics caught before they ended the daemon.", "component")
)
