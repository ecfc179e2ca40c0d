package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Origin is where a value comes from.
type Origin int

// The origins. The later ones win over the earlier ones, but for CommandLine, which wins over all.
const (
	CommandLine Origin = iota
	Default
	File
	Credential // of systemd
	Environment
)

// source is where one value comes from.
type source struct {
	origin Origin
	place  string // FILE:LINE, or the name of a variable or a flag
}

// Sources are what a configuration is made of.
type Sources struct {
	Flags Flags               // with [Defaults] where none is given
	Given func(string) bool   // whether a flag of this name is given; nil: all are
	File  string              // its name for messages; "": there is none
	Text  []byte              // what stands in it
	Env   func(string) string // a variable of the environment; nil: there are none
	Names []string            // of the variables there are

	ReadFile    func(name string) ([]byte, error) // for secrets in files of their own
	Exists      func(name string) bool            // whether there may be such a file; nil: there is none
	Credentials string                            // directory of systemd's credentials, or ""
}

// Loaded is a valid configuration, and how it came to be.
type Loaded struct {
	Config
	Warnings []string // of what has no effect
	flags    Flags
}

// Load makes one configuration of all sources: a flag wins over the environment, that over the file, and that over the default. All
// mistakes are told at once, each an *Error.
func Load(s Sources) (Loaded, error) { return load(s, keys) }

func load(s Sources, keys []key) (Loaded, error) {
	f := s.Flags
	f.from, f.given = make(map[string]source), make(map[string]bool)
	var errs []error
	var d *document
	if s.File != "" {
		var err error
		if d, err = parse(s.File, s.Text, configuration); err != nil {
			return Loaded{}, err
		}
		f.file = s.File
		errs = append(errs, f.readFile(d, &s, keys)...)
	}
	var warnings []string
	if s.Env != nil {
		errs = append(errs, f.readEnvironment(&s, keys)...)
		warnings = unknownVariables(s.Names, keys)
	}
	for _, k := range keys {
		given := k.flag != "" && (s.Given == nil || s.Given(k.flag))
		if k.kind == secret && f.from[k.path()].origin < Environment {
			if err := f.readCredential(&s, k); err != nil {
				errs = append(errs, err)
			}
		}
		if !given {
			continue
		}
		f.given[k.flag] = true
		if k.at != nil {
			set(k.at(&f), value(k.at(&s.Flags)))
		}
		delete(f.from, k.path())
	}
	if len(s.Flags.Ports) > 0 {
		f.Ports, f.portsFrom, f.written = s.Flags.Ports, source{CommandLine, "--port"}, nil
	}
	if f.Users == "" && s.Exists != nil && s.Exists(DefaultUsers) {
		f.Users = DefaultUsers
	}
	if len(errs) > 0 {
		// A value that could not be read is not there to be checked; the rest is.
		_, err := f.check()
		return Loaded{}, errors.Join(flat(append(errs, err))...)
	}
	c, err := f.check()
	if err != nil {
		return Loaded{}, err
	}
	if c.InsecureNoAuth && c.Users != "" {
		what, _ := f.what("http.insecure_no_auth", true)
		warnings = append(warnings, what+": it has no effect, because "+c.Users+" says who may watch")
	}
	return Loaded{Config: c, Warnings: warnings, flags: f}, nil
}

// set copies a value into the place of a key.
func set(at, v any) {
	switch p := at.(type) {
	case *string:
		*p = v.(string)
	case *bool:
		*p = v.(bool)
	case *int:
		*p = v.(int)
	case *float64:
		*p = v.(float64)
	case *time.Duration:
		*p = v.(time.Duration)
	case *Secret:
		*p = v.(Secret)
	case *[]string:
		*p = v.([]string)
	}
}

// readEnvironment takes over the variables of the environment. An empty one counts as not there.
func (f *Flags) readEnvironment(s *Sources, keys []key) (errs []error) {
	for _, k := range keys {
		name := k.variable()
		given := s.Env(name)
		if k.kind == secret {
			if file := s.Env(name + strings.ToUpper(fileSuffix)); file != "" {
				label := name + strings.ToUpper(fileSuffix) + "=" + file
				if given != "" {
					errs = append(errs, &Error{label, name + " is given too", "one of the two", Environment})
					continue
				}
				content, err := s.fromFile(file)
				if err != nil {
					errs = append(errs, &Error{label, err.Error(), "a file that the daemon may read, with the secret in it", Environment})
					continue
				}
				set(k.at(f), content)
				f.from[k.path()] = source{Environment, name + strings.ToUpper(fileSuffix)}
				continue
			}
		}
		if given == "" || k.kind == list && strings.TrimSpace(given) == "" {
			continue
		}
		if k.kind == mapping {
			for one := range strings.FieldsSeq(given) {
				f.envSets = append(f.envSets, one)
			}
			continue
		}
		if v := k.read(given); v == nil || !k.put(f, v) {
			defaults := Defaults()
			errs = append(errs, &Error{name + "=" + given, "must be " + strings.ReplaceAll(strings.ReplaceAll(words[k.kind], " in quotes", ""), `"`, ""),
				fmt.Sprintf("%s=%s", name, plain(value(k.at(&defaults)))), Environment})
			continue
		}
		f.from[k.path()] = source{Environment, name}
	}
	if cameras := strings.Fields(s.Env(CamerasVariable)); len(cameras) > 0 {
		f.Ports, f.portsFrom, f.written, f.broken = cameras, source{Environment, CamerasVariable}, nil, false
	}
	return errs
}

// plain is a value as a variable of the environment or a flag has it.
func plain(v any) string {
	if v, ok := v.([]string); ok {
		return strings.Join(v, " ")
	}
	return strings.Trim(literal(v), `"`)
}

// readCredential takes over a secret that systemd hands over.
func (f *Flags) readCredential(s *Sources, k key) error {
	name := s.credential(k)
	if name == "" {
		return nil
	}
	content, err := s.fromFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &Error{"credential " + k.path(), err.Error(), "LoadCredential=" + k.path() + ":/path of a file with the secret in it", Credential}
	}
	set(k.at(f), content)
	f.from[k.path()] = source{Credential, "credential " + k.path()}
	return nil
}

// unknownVariables warns of variables that look like the daemon's and are not. They are no mistakes: a service named camgw in
// Kubernetes, or an env_file of Compose, puts some there that nobody meant for the daemon.
func unknownVariables(names []string, keys []key) (warnings []string) {
	known := []string{FileVariable, CamerasVariable}
	for _, k := range keys {
		known = append(known, k.variable())
		if k.kind == secret {
			known = append(known, k.variable()+strings.ToUpper(fileSuffix))
		}
	}
	lower := make([]string, len(known))
	for i, name := range known {
		lower[i] = strings.ToLower(name)
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if !strings.HasPrefix(name, Prefix) || slices.Contains(known, name) {
			continue
		}
		e := &Error{What: name, Why: "there is no such variable"}
		if near := Nearest(name, lower); near != "" {
			e.Try = strings.ToUpper(near)
		}
		short := strings.ToLower(strings.TrimPrefix(name, Prefix))
		for _, k := range keys {
			if k.name == short || k.flag != "" && strings.ReplaceAll(k.flag, "-", "_") == short {
				e.Try = k.variable()
			}
		}
		if short == "port" || short == "ports" || short == "camera" {
			e.Try = CamerasVariable
		}
		warnings = append(warnings, e.Error())
	}
	return warnings
}
