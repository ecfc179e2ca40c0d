package config

import (
	"fmt"
	"strings"
)

// Show writes what is in effect as a file that would have the same effect, with secrets starred out. With origins each line says
// where its value comes from.
func (l *Loaded) Show(origins bool) string {
	type line struct{ text, from string }
	var lines []line
	width := 0
	add := func(text, from string) {
		lines = append(lines, line{text, from})
		if from != "" {
			width = max(width, len(text))
		}
	}
	f := &l.flags
	for _, t := range tables {
		if len(lines) > 0 {
			add("", "")
		}
		add("["+t.name+"]", "")
		for _, k := range of(t.name, keys) {
			if k.at == nil {
				continue // shown with each camera
			}
			v := value(k.at(f))
			add(k.name+" = "+literal(v), f.origin(k))
		}
	}
	for i, c := range l.Cameras {
		add("", "")
		add("[["+cameraTable+"]]", "")
		from := c.Given
		switch c.Origin {
		case File:
			from, _, _ = strings.Cut(from, ": ")
		case Environment:
			from = CamerasVariable
		default:
			from = "--port"
		}
		name, baud := from, f.origin(keyOf("defaults.baud"))
		if len(f.written) > 0 { // then they are these
			w := f.written[i]
			if name = w.nameAt; w.name == "" {
				name = "default"
			}
			if w.baud >= 0 {
				baud = w.baudAt
			}
		}
		add("name = "+literal(c.ID), name)
		add("port = "+literal(c.Port), from)
		add(fmt.Sprintf("baud = %d", c.Baud), baud)
		for _, s := range c.Settings {
			from := s.Given
			switch s.Origin {
			case File:
				from, _, _ = strings.Cut(from, ": ")
			case Environment:
				from, _, _ = strings.Cut(from, ":")
			default:
				from = "--set"
			}
			add("settings."+bare(s.Key)+" = "+literal(s.Value), from)
		}
	}
	var b strings.Builder
	for _, one := range lines {
		if !origins || one.from == "" {
			b.WriteString(one.text + "\n")
			continue
		}
		fmt.Fprintf(&b, "%-*s  # %s\n", width, one.text, one.from)
	}
	return b.String()
}

// origin is where a key's value comes from, for people.
func (f *Flags) origin(k key) string {
	switch from := f.from[k.path()]; {
	case from.place != "":
		return from.place
	case f.given[k.flag]:
		return "--" + k.flag
	}
	return "default"
}

// Reference is the commented file that has every key with its default.
func Reference() string {
	return ReferenceWith(nil, []Camera{{ID: "cam1", Port: "/dev/ttyUSB0"}})
}

// ReferenceWith is the same with some keys set, by their paths, and these cameras.
func ReferenceWith(values map[string]string, cameras []Camera) string {
	var b strings.Builder
	b.WriteString(`# camgw's configuration, in TOML. What is commented out shows the default.
#
# Flags win over variables of the environment (http.listen is CAMGW_HTTP_LISTEN), those over this file.
# A mistake is told by: camgw config check. What is in effect, by: camgw config show --origin.
# After a change: systemctl reload camgw. Cameras and viewers that it does not concern notice nothing.
`)
	comment := func(text string) {
		for line := range strings.SplitSeq(text, "\n") {
			b.WriteString("# " + line + "\n")
		}
	}
	defaults := Defaults()
	for _, t := range tables {
		b.WriteByte('\n')
		comment(t.doc)
		b.WriteString("[" + t.name + "]\n")
		for _, k := range of(t.name, keys) {
			b.WriteByte('\n')
			comment(k.doc)
			if v, ok := values[k.path()]; ok {
				b.WriteString(k.name + " = " + literal(v) + "\n")
				continue
			}
			v := "{}"
			if k.at != nil {
				v = literal(value(k.at(&defaults)))
			}
			b.WriteString("#" + k.name + " = " + v + "\n")
		}
	}
	b.WriteByte('\n')
	comment("One [[camera]] for each. The first is what /stream and the like show. One that is missing is waited for.")
	for i, c := range cameras {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("[[" + cameraTable + "]]\n")
		given := map[string]string{"name": "name = " + literal(c.ID), "port": "port = " + literal(c.Port), "baud": "#baud = 0", "settings": "#settings = {}"}
		for _, k := range cameraKeys {
			if i == 0 {
				b.WriteByte('\n')
				comment(k.doc)
			}
			b.WriteString(given[k.name] + "\n")
		}
	}
	return b.String()
}
