package config

import (
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata and deploy/camgw.toml")

// fromFile loads what stands in a file, without flags and environment.
func fromFile(text string) (Loaded, error) {
	return Load(Sources{Flags: Defaults(), Given: func(string) bool { return false }, File: "camgw.toml", Text: []byte(text)})
}

// TestMistakesInFiles holds every mistake to its exact words. A case is its name, the file, and what is said.
func TestMistakesInFiles(t *testing.T) {
	const name = "testdata/mistakes.txt"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cases := strings.Split("\n"+string(b), "\n=== ")[1:]
	if len(cases) < 40 {
		t.Errorf("only %d mistakes", len(cases))
	}
	for _, one := range cases {
		title, rest, _ := strings.Cut(one+"\n", "\n")
		text, want, _ := strings.Cut(rest, "--- said\n")
		want = strings.TrimSpace(want)
		t.Run(title, func(t *testing.T) {
			_, err := fromFile(text)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, e := range flat([]error{err}) {
				m, ok := e.(*Error)
				if !ok || m.Origin != File {
					t.Errorf("%v is no mistake of the file's", e)
				}
			}
			got := err.Error()
			fmt.Fprintf(&out, "=== %s\n%s--- said\n%s\n", title, strings.TrimSuffix(text, "\n")+"\n", got)
			if got != want && !*update {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(out.String(), "\n\n--- said", "\n--- said")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReference: the file that is shipped is what the code says of its keys, says what is meant as it stands, and means the
// defaults when every key in it is no comment any more.
func TestReference(t *testing.T) {
	const name = "../../deploy/camgw.toml"
	if *update {
		if err := os.WriteFile(name, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != Reference() {
		t.Errorf("%s is not what config.Reference makes; write it anew with: go test ./internal/config -update", name)
	}
	shipped, err := fromFile(string(b))
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^#(\w+ = )`)
	whole := commented.ReplaceAllString(string(b), "$1")
	for _, k := range keys {
		if !regexp.MustCompile(`(?m)^` + k.name + ` = `).MatchString(whole) {
			t.Errorf("%s is not in it", k.path())
		}
	}
	full, err := fromFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.at == nil {
			continue
		}
		if full.flags.from[k.path()].origin != File {
			t.Errorf("%s is not read from it", k.path())
		}
	}
	flags := Defaults()
	flags.Ports = []string{"/dev/ttyUSB0"}
	want, err := flags.Config()
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []Config{shipped.Config, full.Config} {
		if len(got.Cameras) != 1 || !got.Cameras[0].Same(want.Cameras[0]) {
			t.Errorf("cameras %+v, want %+v", got.Cameras, want.Cameras)
		}
		got.Cameras = want.Cameras
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

// TestDocumented: docs/configuration.md has every key with its default, its flag and its variable.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := Defaults()
	for _, k := range keys {
		v := "{}"
		if k.at != nil {
			v = literal(value(k.at(&defaults)))
		}
		row := fmt.Sprintf("| `%s` | `%s` | `--%s` | `%s` |", k.name, v, k.flag, k.variable())
		if !strings.Contains(string(b), row) {
			t.Errorf("no row %s", row)
		}
	}
	for _, k := range cameraKeys {
		if !strings.Contains(string(b), "| `"+k.name+"` |") {
			t.Errorf("no row of a camera's %s", k.name)
		}
	}
}

func TestKeysAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range keys {
		for _, name := range []string{k.path(), k.variable(), "--" + k.flag} {
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if k.doc == "" || !slices.ContainsFunc(tables, func(t struct{ name, doc string }) bool { return t.name == k.table }) {
			t.Errorf("%s is not described", k.path())
		}
	}
}

const wholeFile = `
[http]
listen = "127.0.0.1:9000"
webserver_stream_listen = "[::1]:81"
allow_get_control = true
insecure_no_auth = true
[delivery]
mode = "all"
max_fps = 12.5
lockstep_timeout = "500ms"
all_patience = "1m"
all_buffer = 131072
[limits]
max_viewers = 9
max_viewers_per_camera = 8
max_viewers_per_address = 7
[defaults]
baud = 921600
settings = { size = "SVGA", quality = 12, target_fps = 12.5, vflip = true }
recovery_hook = ["/usr/bin/env", "a b", "\"'"]
[[camera]]
name = "door"
port = "/dev/ttyUSB0"
[camera.settings]
quality = "auto"
[[camera]]
port = "tcp://10.0.0.7:4000"
baud = 0
[[camera]]
port = "sim:fps=5"
settings.size = "VGA"
[auth]
users = "users.toml"
session = "12h"
`

func TestWholeFile(t *testing.T) {
	got, err := fromFile(wholeFile)
	if err != nil {
		t.Fatal(err)
	}
	settings := func(pairs ...string) (all []Setting) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, Setting{Key: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	want := Config{
		Listen: "127.0.0.1:9000", StreamListen: "[::1]:81", MaxViewers: 9, AllowGetControl: true, InsecureNoAuth: true, Users: "users.toml", Session: 12 * time.Hour,
		Socket:       Socket{Mode: 0o660},
		Delivery:     Delivery{8, 7, "all", 12.5, 500 * time.Millisecond, time.Minute, 131072},
		RecoveryHook: Hook{[]string{"/usr/bin/env", "a b", `"'`}, `camgw.toml:20: defaults.recovery_hook = ["/usr/bin/env", "a b", "\"'"]`, File},
		Cameras: []Camera{
			{ID: "door", Port: "/dev/ttyUSB0", Address: "/dev/ttyUSB0", Baud: 921600, Settings: settings("size", "SVGA", "target_fps", "12.5", "vflip", "true", "quality", "auto")},
			{ID: "cam2", Port: "tcp://10.0.0.7:4000", Kind: TCP, Address: "10.0.0.7:4000", Settings: settings("quality", "12", "size", "SVGA", "target_fps", "12.5", "vflip", "true")},
			{ID: "cam3", Port: "sim:fps=5", Kind: Simulated, Address: "fps=5", Baud: 921600, Settings: settings("quality", "12", "target_fps", "12.5", "vflip", "true", "size", "VGA")},
		},
	}
	if len(got.Cameras) != 3 {
		t.Fatalf("%+v", got.Cameras)
	}
	for i, c := range got.Cameras {
		if !c.Same(want.Cameras[i]) || c.Kind != want.Cameras[i].Kind || c.Address != want.Cameras[i].Address {
			t.Errorf("camera %d: %+v\nwant %+v", i, c, want.Cameras[i])
		}
	}
	got.Cameras = want.Cameras
	if !reflect.DeepEqual(got.Config, want) {
		t.Errorf("got  %+v\nwant %+v", got.Config, want)
	}
}

// TestEditors: what Windows' editors put into a file changes nothing of it, nor of the lines.
func TestEditors(t *testing.T) {
	a, err := fromFile(wholeFile)
	if err != nil {
		t.Fatal(err)
	}
	b, err := fromFile("\ufeff" + strings.ReplaceAll(wholeFile, "\n", "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a.Config, b.Config) || a.Show(true) != b.Show(true) {
		t.Errorf("%+v\n%+v", a.Config, b.Config)
	}
	_, err = fromFile("\ufeff[http]\r\nlisten = localhost\r\n")
	if want := `camgw.toml:2: listen: a text must stand in quotes; try: listen = "localhost"`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestOrigins: each line says where its value comes from.
func TestOrigins(t *testing.T) {
	l := layers(t, wholeFile, map[string]string{"CAMGW_DELIVERY_MODE": "lockstep", "CAMGW_DEFAULTS_SETTINGS": "size=UXGA"},
		func(f *Flags) { f.MaxViewers, f.Sets = 5, []string{"door:hmirror=true"} }, "max-viewers", "set")
	const want = `[http]
listen = "127.0.0.1:9000"           # camgw.toml:3
also_listen = []                    # default
socket_mode = "0660"                # default
socket_group = ""                   # default
tls_cert = ""                       # default
tls_key = ""                        # default
webserver_stream_listen = "[::1]:81" # camgw.toml:4
allow_get_control = true            # camgw.toml:5
insecure_no_auth = true             # camgw.toml:6
hosts = []                          # default
cors_origins = []                   # default
frame_ancestors = []                # default
trusted_proxies = []                # default

[auth]
users = "users.toml"                # camgw.toml:33
session = "12h"                     # camgw.toml:34

[delivery]
mode = "lockstep"                   # CAMGW_DELIVERY_MODE
max_fps = 12.5                      # camgw.toml:9
lockstep_timeout = "500ms"          # camgw.toml:10
all_patience = "1m"                 # camgw.toml:11
all_buffer = "131072"               # camgw.toml:12

[limits]
max_viewers = 5                     # --max-viewers
max_viewers_per_camera = 8          # camgw.toml:15
max_viewers_per_address = 7         # camgw.toml:16
max_connections = 0                 # default
max_connections_per_address = 0     # default

[defaults]
baud = 921600                       # camgw.toml:18
recovery_hook = ["/usr/bin/env", "a b", "\"'"] # camgw.toml:20

[[camera]]
name = "door"                       # camgw.toml:22
port = "/dev/ttyUSB0"               # camgw.toml:23
baud = 921600                       # camgw.toml:18
settings.hmirror = "true"           # --set
settings.size = "UXGA"              # CAMGW_DEFAULTS_SETTINGS
settings.target_fps = "12.5"        # camgw.toml:19
settings.vflip = "true"             # camgw.toml:19
settings.quality = "auto"           # camgw.toml:25

[[camera]]
name = "cam2"                       # default
port = "tcp://10.0.0.7:4000"        # camgw.toml:27
baud = 0                            # camgw.toml:28
settings.size = "UXGA"              # CAMGW_DEFAULTS_SETTINGS
settings.quality = "12"             # camgw.toml:19
settings.target_fps = "12.5"        # camgw.toml:19
settings.vflip = "true"             # camgw.toml:19

[[camera]]
name = "cam3"                       # default
port = "sim:fps=5"                  # camgw.toml:30
baud = 921600                       # camgw.toml:18
settings.quality = "12"             # camgw.toml:19
settings.target_fps = "12.5"        # camgw.toml:19
settings.vflip = "true"             # camgw.toml:19
settings.size = "VGA"               # camgw.toml:31
`
	squeeze := func(s string) string { return regexp.MustCompile(` +#`).ReplaceAllString(s, " #") }
	if got := l.Show(true); squeeze(got) != squeeze(want) {
		t.Errorf("%s", got)
	}
}

// TestShowMeansTheSame: what is shown is a file that makes the same configuration.
func TestShowMeansTheSame(t *testing.T) {
	first, err := fromFile(wholeFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, origins := range []bool{false, true} {
		second, err := fromFile(first.Show(origins))
		if err != nil {
			t.Fatalf("%v\n%s", err, first.Show(origins))
		}
		a, b := first.Config, second.Config
		for i := range a.Cameras {
			slices.SortFunc(a.Cameras[i].Settings, func(x, y Setting) int { return strings.Compare(x.Key, y.Key) })
			slices.SortFunc(b.Cameras[i].Settings, func(x, y Setting) int { return strings.Compare(x.Key, y.Key) })
			if !a.Cameras[i].Same(b.Cameras[i]) {
				t.Errorf("%+v\n%+v", a.Cameras[i], b.Cameras[i])
			}
		}
		a.Cameras, b.Cameras = nil, nil
		a.RecoveryHook.Given, b.RecoveryHook.Given = "", "" // it stands on another line
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%+v\n%+v", a, b)
		}
	}
}

// TestSecrets uses keys of its own: the ways to a secret are there before the first key that is one.
func TestSecrets(t *testing.T) {
	var place Secret
	secrets := append(slices.Clone(keys), key{"http", "token", "", secret, func(*Flags) any { return &place }, ""})
	files := map[string]string{"/run/a": "from a\n", "/run/b": "from b\r\n", "/creds/http.token": "from systemd", "/run/empty": "\n"}
	read := func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	const camera = "[[camera]]\nport = \"/dev/a\"\n"
	for _, tt := range []struct {
		name, file  string
		env         map[string]string
		credentials string
		want, wrong string
	}{
		{"nowhere", "", nil, "", "", ""},
		{"in the file", "token = \"plain\"", nil, "", "plain", ""},
		{"in a file of its own", "token_file = \"/run/a\"", nil, "", "from a", ""},
		{"of systemd", "", nil, "/creds", "from systemd", ""},
		{"systemd over the file", "token = \"plain\"", nil, "/creds", "from systemd", ""},
		{"environment over systemd", "", map[string]string{"CAMGW_HTTP_TOKEN": "env"}, "/creds", "env", ""},
		{"file of the environment", "token = \"plain\"", map[string]string{"CAMGW_HTTP_TOKEN_FILE": "/run/b"}, "/creds", "from b", ""},
		{"none of systemd's", "token = \"plain\"", nil, "/elsewhere", "plain", ""},
		{"both", "token = \"plain\"\ntoken_file = \"/run/a\"", nil, "", "", "camgw.toml:3: http.token_file: token is given too; try: one of the two"},
		{"both of the environment", "", map[string]string{"CAMGW_HTTP_TOKEN": "env", "CAMGW_HTTP_TOKEN_FILE": "/run/b"}, "", "",
			"CAMGW_HTTP_TOKEN_FILE=/run/b: CAMGW_HTTP_TOKEN is given too; try: one of the two"},
		{"missing", "token_file = \"/run/c\"", nil, "", "", "camgw.toml:2: http.token_file: open /run/c: file does not exist; try: a file that the daemon may read, with the secret in it"},
		{"empty", "", map[string]string{"CAMGW_HTTP_TOKEN_FILE": "/run/empty"}, "", "",
			"CAMGW_HTTP_TOKEN_FILE=/run/empty: /run/empty is empty; try: a file that the daemon may read, with the secret in it"},
		{"no text", "token = 12345", nil, "", "", `camgw.toml:2: http.token: must be a text in quotes, not "***"; try: token = "..."`},
		{"no path", "token_file = 1", nil, "", "", `camgw.toml:2: http.token_file: must be a path in quotes; try: token_file = "/etc/camgw/token"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place = ""
			l, err := load(Sources{
				Flags: Defaults(), Given: func(string) bool { return false }, File: "camgw.toml", Text: []byte("[http]\n" + tt.file + "\n" + camera),
				Env: func(name string) string { return tt.env[name] }, ReadFile: read, Credentials: tt.credentials,
			}, secrets)
			if tt.wrong != "" {
				if err == nil || err.Error() != tt.wrong {
					t.Errorf("got  %v\nwant %s", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(place) != tt.want {
				t.Errorf("%q, want %q", string(place), tt.want)
			}
			_ = l
		})
	}
	place = "hunter2"
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", place)
	for _, shown := range []string{fmt.Sprint(place), fmt.Sprintf("%v %+v %#v %s %q", place, place, place, place, place), literal(place), plain(place), log.String()} {
		if strings.Contains(shown, "hunter") || !strings.Contains(shown, stars) {
			t.Errorf("shown as %s", shown)
		}
	}
}

// FuzzFile: no file ends the daemon, and whatever is wrong with one is told as the operator's mistake.
func FuzzFile(f *testing.F) {
	b, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, one := range strings.Split("\n"+string(b), "\n=== ")[1:] {
		_, rest, _ := strings.Cut(one+"\n", "\n")
		text, _, _ := strings.Cut(rest, "--- said\n")
		f.Add(text)
	}
	f.Add(wholeFile)
	f.Add(Reference())
	f.Fuzz(func(t *testing.T, text string) {
		l, err := fromFile(text)
		for _, e := range flat([]error{err}) {
			if m, ok := e.(*Error); !ok || !strings.HasPrefix(m.What, "camgw.toml") || m.Why == "" {
				t.Errorf("%#v", e)
			}
		}
		if err == nil {
			if _, err := fromFile(l.Show(true)); err != nil {
				t.Errorf("what is shown is wrong: %v\n%s", err, l.Show(true))
			}
		}
	})
}
