package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// layers loads the same keys from as many sources as are given.
func layers(t *testing.T, file string, env map[string]string, change func(*Flags), given ...string) Loaded {
	t.Helper()
	f := Defaults()
	if change != nil {
		change(&f)
	}
	s := Sources{Flags: f, Given: func(name string) bool { return slices.Contains(given, name) }, Env: func(name string) string { return env[name] }}
	for name := range env {
		s.Names = append(s.Names, name)
	}
	if file != "" {
		s.File, s.Text = "camgw.toml", []byte(file)
	}
	l, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestPrecedence: flag over environment over file over default, for each key by itself.
func TestPrecedence(t *testing.T) {
	const file = "[limits]\nmax_viewers = 1\nmax_viewers_per_camera = 1\nmax_viewers_per_address = 1\n[[camera]]\nname = \"a\"\nport = \"/dev/a\"\n"
	l := layers(t, file, map[string]string{"CAMGW_LIMITS_MAX_VIEWERS_PER_CAMERA": "2", "CAMGW_LIMITS_MAX_VIEWERS_PER_ADDRESS": "2"},
		func(f *Flags) { f.MaxViewersPerAddress, f.MaxFPS = 3, 99 }, "max-viewers-per-address")
	if l.MaxViewers != 1 || l.Delivery.MaxViewersPerCamera != 2 || l.Delivery.MaxViewersPerAddress != 3 {
		t.Errorf("%+v", l.Config)
	}
	show := l.Show(true)
	for _, want := range []string{
		"max_viewers = 1 # camgw.toml:2", "max_viewers_per_camera = 2 # CAMGW_LIMITS_MAX_VIEWERS_PER_CAMERA",
		"max_viewers_per_address = 3 # --max-viewers-per-address", `mode = "latest" # default`, `port = "/dev/a" # camgw.toml:7`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(show), " "), want) {
			t.Errorf("%s is not shown:\n%s", want, show)
		}
	}

	for _, tt := range []struct {
		env    map[string]string
		change func(*Flags)
		want   string
	}{
		{nil, nil, "a=/dev/a"},
		{map[string]string{"CAMGW_CAMERAS": "b=/dev/b  /dev/c"}, nil, "b=/dev/b cam2=/dev/c"},
		{map[string]string{"CAMGW_CAMERAS": "b=/dev/b"}, func(f *Flags) { f.Ports = []string{"d=/dev/d"} }, "d=/dev/d"},
	} {
		l := layers(t, file, tt.env, tt.change, "port")
		var got []string
		for _, c := range l.Cameras {
			got = append(got, c.ID+"="+c.Port)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%v, want %s", got, tt.want)
		}
	}
}

// TestSettingsPrecedence: the camera's own over those for all; of each, flag over environment over file.
func TestSettingsPrecedence(t *testing.T) {
	const file = `
[defaults]
settings = { size = "file", quality = "file", vflip = "file", lamp = "file", effect = "file" }
[[camera]]
name = "door"
port = "/dev/a"
settings = { quality = "own", vflip = "own", lamp = "own" }
`
	l := layers(t, file, map[string]string{"CAMGW_DEFAULTS_SETTINGS": "size=env vflip=env door:vflip=envown effect=env"},
		func(f *Flags) { f.Sets = []string{"effect=flag", "door:lamp=flagown"} }, "set")
	got := map[string]string{}
	for _, s := range l.Cameras[0].Settings {
		if _, twice := got[s.Key]; twice {
			t.Errorf("%s twice", s.Key)
		}
		got[s.Key] = s.Value
	}
	want := map[string]string{"size": "env", "quality": "own", "vflip": "envown", "lamp": "flagown", "effect": "flag"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestListPrecedence: a list is taken from one source, whole.
func TestListPrecedence(t *testing.T) {
	const file = "[defaults]\nrecovery_hook = [\"/bin/file\", \"a b\"]\n[[camera]]\nport = \"/dev/a\"\n"
	const variable = "CAMGW_DEFAULTS_RECOVERY_HOOK"
	flag := func(f *Flags) { f.RecoveryHook = []string{"/bin/flag", "-x"} }
	for _, tt := range []struct {
		file   string
		env    map[string]string
		change func(*Flags)
		want   Hook
		show   string
	}{
		{"[[camera]]\nport = \"/dev/a\"\n", nil, nil, Hook{}, "recovery_hook = [] # default"},
		{file, nil, nil, Hook{[]string{"/bin/file", "a b"}, `camgw.toml:2: defaults.recovery_hook = ["/bin/file", "a b"]`, File}, `recovery_hook = ["/bin/file", "a b"] # camgw.toml:2`},
		{file, map[string]string{variable: " "}, nil, Hook{[]string{"/bin/file", "a b"}, `camgw.toml:2: defaults.recovery_hook = ["/bin/file", "a b"]`, File}, `# camgw.toml:2`},
		{file, map[string]string{variable: "/bin/env  -y z "}, nil, Hook{[]string{"/bin/env", "-y", "z"}, variable + "=/bin/env -y z", Environment},
			`recovery_hook = ["/bin/env", "-y", "z"] # ` + variable},
		{file, map[string]string{variable: "/bin/env"}, flag, Hook{[]string{"/bin/flag", "-x"}, "--recovery-hook /bin/flag --recovery-hook -x", CommandLine},
			`recovery_hook = ["/bin/flag", "-x"] # --recovery-hook`},
	} {
		var given []string
		if tt.change != nil {
			given = append(given, "recovery-hook")
		}
		l := layers(t, tt.file, tt.env, tt.change, given...)
		if !reflect.DeepEqual(l.RecoveryHook, tt.want) {
			t.Errorf("got  %+v\nwant %+v", l.RecoveryHook, tt.want)
		}
		if show := strings.Join(strings.Fields(l.Show(true)), " "); !strings.Contains(show, tt.show) {
			t.Errorf("%s is not shown:\n%s", tt.show, show)
		}
	}
}

func TestMistakesInEnvironment(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"CAMGW_HTTP_LISTEN", "8080", `CAMGW_HTTP_LISTEN=8080: not an address of the form host:port; try: CAMGW_HTTP_LISTEN=127.0.0.1:8080`},
		{"CAMGW_HTTP_LISTEN", ":80", `CAMGW_HTTP_LISTEN=:80: anybody who reaches this address could watch, as there are no users; try: camgw setup, or camgw user add NAME --role admin, to ask for a password; or CAMGW_HTTP_INSECURE_NO_AUTH=true on a network you trust`},
		{"CAMGW_HTTP_ALLOW_GET_CONTROL", "maybe", `CAMGW_HTTP_ALLOW_GET_CONTROL=maybe: must be true or false; try: CAMGW_HTTP_ALLOW_GET_CONTROL=false`},
		{"CAMGW_LIMITS_MAX_VIEWERS", "many", `CAMGW_LIMITS_MAX_VIEWERS=many: must be a whole number; try: CAMGW_LIMITS_MAX_VIEWERS=512`},
		{"CAMGW_LIMITS_MAX_VIEWERS", "0", `CAMGW_LIMITS_MAX_VIEWERS=0: must be from 1 to 100000`},
		{"CAMGW_DELIVERY_MAX_FPS", "x", `CAMGW_DELIVERY_MAX_FPS=x: must be a number; try: CAMGW_DELIVERY_MAX_FPS=0`},
		{"CAMGW_DELIVERY_LOCKSTEP_TIMEOUT", "2", `CAMGW_DELIVERY_LOCKSTEP_TIMEOUT=2: must be a time, such as 2s or 500ms; try: CAMGW_DELIVERY_LOCKSTEP_TIMEOUT=2s`},
		{"CAMGW_DELIVERY_MODE", "al", `CAMGW_DELIVERY_MODE=al: must be one of latest, lockstep, all; try: CAMGW_DELIVERY_MODE=all`},
		{"CAMGW_CAMERAS", "A=/dev/a", `CAMGW_CAMERAS: A=/dev/a: "A" is no camera name: a-z, 0-9, - and _, at most 32`},
		{"CAMGW_DEFAULTS_SETTINGS", "quality", `CAMGW_DEFAULTS_SETTINGS: quality: a setting is given as KEY=VALUE or NAME:KEY=VALUE; try: quality=12`},
	} {
		_, err := Load(Sources{Flags: Defaults(), Given: func(string) bool { return false }, File: "camgw.toml", Text: []byte("[[camera]]\nport = \"/dev/a\"\n"),
			Env: func(name string) string {
				if name == tt.name {
					return tt.value
				}
				return ""
			}})
		if err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
		if m, ok := errors.AsType[*Error](err); !ok || m.Origin != Environment {
			t.Errorf("%v is no mistake of the environment's", err)
		}
	}
}

// TestUnknownVariables: they are told and do no harm; Kubernetes makes some for every service.
func TestUnknownVariables(t *testing.T) {
	l := layers(t, "", map[string]string{
		"CAMGW_HTTP_LISTN": "x", "CAMGW_SERVICE_HOST": "10.0.0.1", "CAMGW_SET": "x", "CAMGW_PORT": "x", "CAMGW_MAX_FPS": "3", "CAMGW_CONFIG": "", "CAMGW_CAMERAS": "/dev/a", "PATH": "/bin", "CAMGW_LIMITS_MAX_VIEWERS": "",
	}, nil)
	want := []string{"CAMGW_HTTP_LISTN: there is no such variable; try: CAMGW_HTTP_LISTEN",
		"CAMGW_MAX_FPS: there is no such variable; try: CAMGW_DELIVERY_MAX_FPS", "CAMGW_PORT: there is no such variable; try: CAMGW_CAMERAS",
		"CAMGW_SERVICE_HOST: there is no such variable", "CAMGW_SET: there is no such variable; try: CAMGW_DEFAULTS_SETTINGS"}
	if !slices.Equal(l.Warnings, want) {
		t.Errorf("got  %q\nwant %q", l.Warnings, want)
	}
}
