package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind of a key's value.
type kind int

const (
	text kind = iota
	truth
	whole
	number
	duration
	size    // bytes, as text such as "8MiB", or a whole number
	secret  // text that is shown nowhere, and may stand in a file of its own
	mapping // settings by name
	list    // texts
)

// words say what a value of the kind is, in mistakes.
var words = [...]string{
	text: "a text in quotes", truth: "true or false", whole: "a whole number", number: "a number",
	duration: `a time in quotes, such as "2s" or "500ms"`, size: `a number of bytes, such as "8MiB"`,
	secret: "a text in quotes", mapping: "a table of settings, such as { quality = 12 }",
	list: "a list of texts in quotes",
}

// key is one thing that can be configured outside of cameras. The list of them is the only one: the file, the environment, what
// is shown, and the reference file follow from it.
type key struct {
	table, name string
	flag        string // of serve; "": it has none
	kind        kind
	at          func(*Flags) any // pointer to its place; for a mapping nil
	doc         string           // comment in the reference file
}

// path is the key's name in messages.
func (k key) path() string { return k.table + "." + k.name }

// variable is its name in the environment.
func (k key) variable() string {
	return Prefix + strings.ToUpper(k.table+"_"+k.name)
}

// Prefix begins the names of all variables of the environment that are the daemon's.
const Prefix = "CAMGW_"

// Variables that are no key of the file.
const (
	FileVariable    = Prefix + "CONFIG"  // path of the file
	CamerasVariable = Prefix + "CAMERAS" // --port, several with spaces between
)

var keys = []key{
	{"http", "listen", "listen", text, func(f *Flags) any { return &f.Listen },
		"Where HTTP is answered, \"host:port\". Beyond loopback it needs users ([auth]), or\ninsecure_no_auth."},
	{"http", "also_listen", "also-listen", list, func(f *Flags) any { return &f.AlsoListen },
		"More addresses where the same is answered, each \"host:port\" or \"unix:/path\", a Unix\nsocket for a reverse proxy on this machine: [\"unix:/run/camgw/http.sock\"]. listen may\nbe a Unix socket too."},
	{"http", "socket_mode", "socket-mode", text, func(f *Flags) any { return &f.SocketMode },
		"Who may connect to Unix sockets, as chmod has it: \"0660\" is the owner and the group."},
	{"http", "socket_group", "socket-group", text, func(f *Flags) any { return &f.SocketGroup },
		"The group of Unix sockets; the daemon's user must be in it. \"\": the daemon's own."},
	{"http", "tls_cert", "tls-cert", text, func(f *Flags) any { return &f.TLSCert },
		"A certificate in PEM, with those between it and its issuer: all addresses but Unix\nsockets then speak HTTPS. The file is read again when it changes. \"\": plain HTTP."},
	{"http", "tls_key", "tls-key", text, func(f *Flags) any { return &f.TLSKey },
		"The file with its key, in PEM, not encrypted."},
	{"http", "webserver_stream_listen", "webserver-stream-listen", text, func(f *Flags) any { return &f.StreamListen },
		"A second address, at which there is nothing but /stream: programs made for\nEspressif's CameraWebServer look for it at port 81. \"\": none."},
	{"http", "allow_get_control", "allow-get-control", truth, func(f *Flags) any { return &f.AllowGetControl },
		"Let /control change settings by GET, for programs that cannot POST. Any web page\nthat a person on your network opens can then do it too."},
	{"http", "insecure_no_auth", "insecure-no-auth", truth, func(f *Flags) any { return &f.InsecureNoAuth },
		"Allow the addresses above to be reached by others, although nobody is asked for\na password."},
	{"http", "hosts", "host", list, func(f *Flags) any { return &f.Hosts },
		"Names that the gateway answers to, beside IP addresses, localhost, this machine's name\nand that with .local: [\"cameras.example.net\"]. Others get 421: a page whose own name\nis made to point here could else pass for one of the gateway's."},
	{"http", "cors_origins", "cors-origin", list, func(f *Flags) any { return &f.CORSOrigins },
		"Other sites whose pages may do what whoever looks at them may: [\"http://mainsail.lan\"].\nMainsail and Fluidd on another machine or port need it."},
	{"http", "frame_ancestors", "frame-ancestor", list, func(f *Flags) any { return &f.FrameAncestors },
		"Other sites that may show the page in a frame: [\"http://homeassistant.local:8123\"]."},
	{"http", "trusted_proxies", "trusted-proxy", list, func(f *Flags) any { return &f.TrustedProxies },
		"Reverse proxies that are believed for whom they ask (X-Forwarded-For) and whether he\ncame by HTTPS (X-Forwarded-Proto): addresses, networks, and \"unix\" for whoever\nconnects over a Unix socket. [\"127.0.0.1\"]"},

	{"auth", "users", "users", text, func(f *Flags) any { return &f.Users },
		"The file that says who may do what. camgw user and camgw token write it, and what they\nchange is in effect within seconds. \"\": " + DefaultUsers + " if there is one.\n\"none\": nobody is asked who he is."},
	{"auth", "session", "session", duration, func(f *Flags) any { return &f.Session },
		"How long the page stays signed in, \"5m\" to \"8760h\" (a year)."},

	{"delivery", "mode", "mode", text, func(f *Flags) any { return &f.Mode },
		"What viewers get that do not ask with ?mode=: \"latest\" (the newest picture; a slow\nviewer skips), \"lockstep\" (all of this mode see the same pictures) or \"all\" (every\npicture in order; the camera slows down for it)."},
	{"delivery", "max_fps", "max-fps", number, func(f *Flags) any { return &f.MaxFPS },
		"Pictures per second that a viewer may have, and gets unless it asks for fewer with\n?fps=; 0.1 to 1000. 0: as many as there are."},
	{"delivery", "lockstep_timeout", "lockstep-timeout", duration, func(f *Flags) any { return &f.LockstepTimeout },
		"Who keeps a lockstep group waiting for longer is disconnected; \"100ms\" to \"1m\"."},
	{"delivery", "all_patience", "all-patience", duration, func(f *Flags) any { return &f.AllPatience },
		"A viewer of all is disconnected when a picture has waited for it for so long;\n\"100ms\" to \"1m\"."},
	{"delivery", "all_buffer", "all-buffer", size, func(f *Flags) any { return &f.AllBuffer },
		"And when so many bytes wait for it; \"64KiB\" to \"1024MiB\"."},

	{"limits", "max_viewers", "max-viewers", whole, func(f *Flags) any { return &f.MaxViewers },
		"Viewers at once, 1 to 100000. The next gets 503."},
	{"limits", "max_viewers_per_camera", "max-viewers-per-camera", whole, func(f *Flags) any { return &f.MaxViewersPerCamera },
		"The same for one camera. 0: no bound of its own."},
	{"limits", "max_viewers_per_address", "max-viewers-per-address", whole, func(f *Flags) any { return &f.MaxViewersPerAddress },
		"The same for one address that viewers come from. 0: no bound of its own."},
	{"limits", "max_connections", "max-connections", whole, func(f *Flags) any { return &f.MaxConnections },
		"Connections at once, 16 to 100000, whatever they are for. When all are taken, who has\nwaited longest without asking makes way. 0: two for each viewer and 256 more. It is\nnever more than the limit on open files allows."},
	{"limits", "max_connections_per_address", "max-connections-per-address", whole, func(f *Flags) any { return &f.MaxConnectionsPerAddress },
		"The same for one address, or IPv6 network of 64 bits; the next is closed. 0: a quarter\nof max_connections, and no bound for this machine itself."},

	{"defaults", "baud", "baud", whole, func(f *Flags) any { return &f.Baud },
		"The only rate to use after the handshake at 115200, 9600 to 12000000. Also for\nfirmware that has a fixed rate, and for one-way wiring. 0: negotiate the best."},
	{"defaults", "settings", "set", mapping, nil,
		"Settings of the device, as docs/api.md lists them. They are sent whenever the device\nmay have lost them: { size = \"SVGA\", quality = \"auto\" }."},
	{"defaults", "recovery_hook", "recovery-hook", list, func(f *Flags) any { return &f.RecoveryHook },
		"A program for a camera that nothing else brings back, and its arguments:\n[\"/usr/local/bin/reset-usb\", \"--port\"]. No shell is between. docs/configuration.md tells\nwhat it gets to know. []: none."},
}

// tables are the file's, in the order of the reference file.
var tables = []struct{ name, doc string }{
	{"http", "The web server. The first nine need a restart to change."},
	{"auth", "Who may do what. docs/security.md tells of roles, tokens and links."},
	{"delivery", "What viewers get."},
	{"limits", "How many may watch, and come at all."},
	{"defaults", "What every camera has that does not say otherwise."},
}

// cameraKeys are those of a [[camera]].
var cameraKeys = []struct {
	name string
	kind kind
	doc  string
}{
	{"name", text, "a-z, 0-9, - and _, at most 32: the camera's id in URLs, API and metrics."},
	{"port", text, "A serial port (best by a name that stays: ls /dev/serial/by-id), a serial server\n(\"tcp://host:port\") or a simulated camera (\"sim:\")."},
	{"baud", whole, "As in [defaults], for this camera alone."},
	{"settings", mapping, "As in [defaults]; what is set here wins: { vflip = true }."},
}

// camera is the table that there are several of.
const cameraTable = "camera"

// Defaults are the flags of `camgw serve` when none is given.
func Defaults() Flags {
	return Flags{
		Listen: DefaultListen, MaxViewers: DefaultMaxViewers, Mode: DefaultMode,
		SocketMode: DefaultSocketMode, Session: DefaultSession, LockstepTimeout: DefaultLockstepTimeout, AllPatience: DefaultAllPatience, AllBuffer: DefaultAllBuffer,
	}
}

// value is what a pointer of a key points at.
func value(at any) any {
	switch p := at.(type) {
	case *string:
		return *p
	case *bool:
		return *p
	case *int:
		return *p
	case *float64:
		return *p
	case *time.Duration:
		return *p
	case *Secret:
		return *p
	case *[]string:
		return *p
	}
	panic(fmt.Sprintf("config: a key of type %T", at))
}

// literal is a value as it stands in the file.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case time.Duration:
		return quote(shortDuration(v))
	case Secret:
		return quote(v.String())
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []string:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = quote(one)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = literal(one)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for name, one := range v {
			parts = append(parts, bare(name)+" = "+literal(one))
		}
		slices.Sort(parts)
		if len(parts) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return fmt.Sprint(v)
}

// quote writes a TOML string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// bare writes a key of TOML, in quotes if it needs them.
func bare(name string) string {
	for _, r := range name {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return quote(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}

// shortDuration is 1m instead of 1m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// put is assign, but leaves what was there if the value is not of the key's kind.
func (k key) put(f *Flags, v any) bool {
	at := k.at(f)
	before := value(at)
	if !k.assign(at, v) {
		set(at, before)
		return false
	}
	return true
}

// assign puts a value of the file into the place of a key. It reports whether it is one of the key's kind.
func (k key) assign(at, v any) bool {
	switch p := at.(type) {
	case *string:
		if n, ok := v.(int64); ok && k.kind == size {
			v = strconv.FormatInt(n, 10)
		}
		s, ok := v.(string)
		*p = s
		return ok
	case *Secret:
		s, ok := v.(string)
		*p = Secret(s)
		return ok
	case *bool:
		b, ok := v.(bool)
		*p = b
		return ok
	case *int:
		n, ok := v.(int64)
		*p = int(n)
		return ok && int64(*p) == n
	case *float64:
		switch v := v.(type) {
		case int64:
			*p = float64(v)
			return true
		case float64:
			*p = v
			return true
		}
		return false
	case *time.Duration:
		s, ok := v.(string)
		if !ok {
			return false
		}
		d, err := time.ParseDuration(s)
		*p = d
		return err == nil
	case *[]string:
		all, ok := v.([]any)
		*p = nil
		for _, one := range all {
			s, isText := one.(string)
			*p, ok = append(*p, s), ok && isText
		}
		return ok
	}
	panic(fmt.Sprintf("config: a key of type %T", at))
}

// read turns the text of a variable of the environment into what stands in the file for it.
func (k key) read(s string) any {
	switch k.kind {
	case truth:
		switch strings.ToLower(s) {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	case whole:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case number:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	case list:
		var all []any
		for one := range strings.FieldsSeq(s) {
			all = append(all, one)
		}
		return all
	default:
		return s
	}
	return nil
}

// Nearest is the name that was probably meant; "" if none is near. Names are in lower case, with underscores.
func Nearest(given string, names []string) string {
	given = strings.ToLower(strings.ReplaceAll(given, "-", "_"))
	best, found := 1+max(1, len(given)/3), ""
	for _, name := range names {
		if d := distance(given, name); d < best {
			best, found = d, name
		}
	}
	if found != "" {
		return found
	}
	// A name cut short, or one with something in front: viewers for max_viewers.
	if len(given) >= 3 {
		for _, name := range names {
			if strings.HasPrefix(name, given) || strings.HasSuffix(name, "_"+given) || strings.HasPrefix(given, name+"_") {
				return name
			}
		}
	}
	return ""
}

// distance is how many letters have to be added, taken away, replaced or swapped with the next to make b of a.
func distance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
