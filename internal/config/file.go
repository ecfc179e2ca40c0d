package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// written is a [[camera]] as it stands in the file.
type written struct {
	name, port string
	baud       int // -1: not given
	path       string
	at         string // its place
	portAt     string
	nameAt     string
	baudAt     string
}

// readFile takes over what stands in the file.
func (f *Flags) readFile(d *document, s *Sources, keys []key) (errs []error) {
	for _, name := range d.inOrder("", d.tree) {
		v := d.tree[name]
		if name == cameraTable {
			errs = append(errs, f.readCameras(d, v)...)
			continue
		}
		ks := of(name, keys)
		if len(ks) == 0 {
			e := d.unknownTable(name, v, keys)
			f.broken = f.broken || strings.Contains(e.Try, cameraTable) // then that there is none is no other mistake
			errs = append(errs, e)
			continue
		}
		m, ok := v.(map[string]any)
		if !ok {
			e := d.wrong(name, "["+name+"] is one table, not a value", "["+name+"], with its keys on the lines below")
			if _, list := v.([]any); list {
				e.Why, e.Try = "there is one ["+name+"], not a list", "["+name+"] with single brackets"
			}
			errs = append(errs, e)
			continue
		}
		for _, one := range d.inOrder(name, m) {
			if err := f.readKey(d, s, ks, keys, name, one, m); err != nil {
				errs = append(errs, err...)
			}
		}
	}
	return errs
}

// readKey takes over one key of a table.
func (f *Flags) readKey(d *document, s *Sources, ks, keys []key, table, name string, m map[string]any) []error {
	path := table + "." + name
	v := m[name]
	i := slices.IndexFunc(ks, func(k key) bool { return k.name == name })
	if i < 0 {
		i = slices.IndexFunc(ks, func(k key) bool { return k.kind == secret && k.name+fileSuffix == name })
		if i < 0 {
			return []error{d.unknownKey(path, name, ks, keys)}
		}
		k := ks[i]
		if _, both := m[k.name]; both {
			return []error{d.wrong(path, k.name+" is given too", "one of the two")}
		}
		file, ok := v.(string)
		if !ok {
			return []error{d.wrong(path, "must be a path in quotes", name+` = "/etc/camgw/`+k.name+`"`)}
		}
		content, err := s.fromFile(file)
		if err != nil {
			return []error{d.wrong(path, err.Error(), "a file that the daemon may read, with the secret in it")}
		}
		set(k.at(f), content)
		f.from[k.path()] = source{File, d.at(path)}
		return nil
	}
	k := ks[i]
	if k.kind == mapping {
		settings, errs := d.settings(path, v)
		for _, one := range settings {
			f.fileSets = append(f.fileSets, wish{Setting: one})
		}
		return errs
	}
	if !k.put(f, v) {
		shown := v
		if k.kind == secret {
			shown = Secret("x")
		}
		return []error{d.wrong(path, fmt.Sprintf("must be %s, not %s", words[k.kind], literal(shown)), k.example(v))}
	}
	f.from[k.path()] = source{File, d.at(path)}
	return nil
}

// example is a line that would be right, in place of one with v.
func (k key) example(v any) string {
	if k.kind == list {
		if texts := meant(v); texts != nil {
			return k.name + " = " + literal(texts)
		}
		return k.name + ` = ["/usr/local/bin/program", "argument"]`
	}
	defaults := Defaults()
	if k.kind == secret || k.at == nil {
		return k.name + ` = "..."`
	}
	return k.name + " = " + literal(value(k.at(&defaults)))
}

// meant is the list of texts that something else may have been meant to be; nil if that is not to be guessed.
func meant(v any) (texts []string) {
	all, ok := v.([]any)
	if !ok {
		all = []any{v}
	}
	for _, one := range all {
		switch one := one.(type) {
		case string:
			if ok {
				texts = append(texts, one)
			} else {
				texts = append(texts, strings.Fields(one)...) // a command line
			}
		case int64, float64:
			texts = append(texts, literal(one))
		}
	}
	return texts
}

// readCameras takes over the list of cameras.
func (f *Flags) readCameras(d *document, v any) (errs []error) {
	list, ok := v.([]any)
	if !ok {
		f.broken = true
		return []error{d.wrong(cameraTable, "cameras are a list", "[[camera]] with double brackets")}
	}
	f.portsFrom = source{File, d.at(cameraTable)}
	for i, one := range list {
		path := fmt.Sprintf("%s[%d]", cameraTable, i)
		m, ok := one.(map[string]any)
		if !ok {
			errs = append(errs, d.wrong(path, "cameras are a list of tables", "[[camera]], with its keys on the lines below"))
			f.broken = true
			continue
		}
		w := written{baud: -1, path: path, at: d.at(path), portAt: d.at(path + ".port"), nameAt: d.at(path + ".name"), baudAt: d.at(path + ".baud")}
		bad := false
		for _, name := range d.inOrder(path, m) {
			v, where, good := m[name], path+"."+name, true
			switch name {
			case "name":
				w.name, good = v.(string)
				if good && !validID.MatchString(w.name) {
					errs = append(errs, d.wrong(where, fmt.Sprintf("%q is no camera name: a-z, 0-9, - and _, at most 32", w.name), `name = "`+cleanID(w.name, i+1)+`"`))
					w.name = ""
				}
			case "port":
				w.port, good = v.(string)
			case "baud":
				var n int64
				n, good = v.(int64)
				w.baud = int(n)
				if good && (n < 0 || n > 1<<31-1) {
					w.baud = 1
				}
			case "settings":
				settings, mistakes := d.settings(where, v)
				for _, s := range settings {
					f.fileSets = append(f.fileSets, wish{Setting: s, number: i + 1})
				}
				errs = append(errs, mistakes...)
			default:
				e := d.unknownCameraKey(where, name)
				bad = bad || e.Try == "port" // then that it is missing is no other mistake
				errs = append(errs, e)
			}
			if !good {
				kind, try := text, name+` = "/dev/ttyUSB0"`
				switch name {
				case "name":
					try = `name = "door"`
				case "baud":
					kind, try, w.baud = whole, "baud = 921600", -1
				case "port":
					bad = true
				}
				errs = append(errs, d.wrong(where, fmt.Sprintf("must be %s, not %s", words[kind], literal(v)), try))
			}
		}
		if w.port == "" && !bad {
			where := path
			if _, ok := m["port"]; ok {
				where = path + ".port"
			}
			errs = append(errs, d.wrong(where, "the port is missing", `port = "/dev/ttyUSB0"`))
			bad = true
		}
		if !bad {
			f.written = append(f.written, w)
		} else {
			f.broken = true
		}
	}
	return errs
}

// cleanID makes a name that is allowed of one that is not.
func cleanID(name string, number int) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0:
			b.WriteByte('_')
		}
	}
	id := strings.Trim(b.String(), "_")
	if id = id[:min(len(id), 32)]; id == "" {
		return fmt.Sprintf("cam%d", number)
	}
	return id
}

// settings reads a table of settings. Which there are, and what they may be, the camera knows.
func (d *document) settings(path string, v any) (settings []Setting, errs []error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, []error{d.wrong(path, fmt.Sprintf("must be %s, not %s", words[mapping], literal(v)), `settings = { size = "VGA", quality = 12 }`)}
	}
	for _, name := range d.inOrder(path, m) {
		where := path + "." + name
		var s string
		switch v := m[name].(type) {
		case string:
			s = v
		case int64:
			s = strconv.FormatInt(v, 10)
		case float64:
			s = strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			s = strconv.FormatBool(v)
		}
		if s == "" {
			errs = append(errs, d.wrong(where, "must be a text, a number, true or false, not "+literal(m[name]), "quality = 12"))
			continue
		}
		settings = append(settings, Setting{Key: name, Value: s, Given: fmt.Sprintf("%s: %s = %s", d.at(where), shown(where), literal(m[name])), Origin: File})
	}
	return settings, errs
}

// inOrder lists the names of a table in the order of their lines.
func (d *document) inOrder(path string, m map[string]any) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if one, two := d.lines[join(path, a)], d.lines[join(path, b)]; one != two {
			return one - two
		}
		return strings.Compare(a, b)
	})
}

// shown is a path without the number of the camera, which the line tells better.
func shown(path string) string {
	if i, j := strings.IndexByte(path, '['), strings.IndexByte(path, ']'); i >= 0 && j > i {
		return path[:i] + path[j+1:]
	}
	return path
}

func (d *document) wrong(path, why, try string) *Error {
	return &Error{What: d.at(path) + ": " + shown(path), Why: why, Try: try, Origin: File}
}

// of are the keys of a table.
func of(table string, keys []key) (ks []key) {
	for _, k := range keys {
		if k.table == table {
			ks = append(ks, k)
		}
	}
	return ks
}

// unknownTable is a name at the top of the file that is none.
func (d *document) unknownTable(name string, v any, keys []key) *Error {
	_, isTable := v.(map[string]any)
	_, isList := v.([]any)
	if !isTable && !isList {
		var homes []string
		for _, k := range keys {
			if k.name == name || strings.ReplaceAll(name, "-", "_") == k.name {
				homes = append(homes, "["+k.table+"]")
			}
		}
		for _, k := range cameraKeys {
			if k.name == name {
				homes = append(homes, "[["+cameraTable+"]]")
			}
		}
		if homes != nil {
			return d.wrong(name, "it belongs under "+strings.Join(homes, " or "), "a line "+homes[0]+" above it")
		}
	}
	if name == userTable || name == tokenTable {
		return d.wrong(name, "users and tokens stand in a file of their own", "camgw "+name+" add, which writes it")
	}
	names := []string{cameraTable}
	for _, t := range tables {
		names = append(names, t.name)
	}
	e := d.wrong(name, "there is no such table", "")
	if !isTable && !isList {
		e.Why = "there is no such key"
	}
	switch near := Nearest(name, names); near {
	case "":
		e.Try = "one of [" + strings.Join(names[1:], "], [") + "], [[" + cameraTable + "]]"
	case cameraTable:
		e.Try = "[[" + cameraTable + "]]"
	default:
		e.Try = "[" + near + "]"
	}
	return e
}

// unknownKey is a name in a table that is none there.
func (d *document) unknownKey(path, name string, ks, keys []key) *Error {
	e := d.wrong(path, "there is no such key", "")
	var names []string
	for _, k := range ks {
		names = append(names, k.name)
	}
	for _, k := range keys {
		if k.name == name {
			e.Why = "it belongs under [" + k.table + "]"
			e.Try = "the line under [" + k.table + "]"
			return e
		}
	}
	if e.Try = Nearest(name, names); e.Try != "" {
		return e
	}
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
	}
	if near := Nearest(name, all); near != "" {
		k := keys[slices.IndexFunc(keys, func(k key) bool { return k.name == near })]
		e.Try = near + " under [" + k.table + "]"
		return e
	}
	e.Try = "one of " + strings.Join(names, ", ")
	return e
}

func (d *document) unknownCameraKey(path, name string) *Error {
	e := d.wrong(path, "there is no such key", "")
	if i := slices.IndexFunc(keys, func(k key) bool { return k.name == name }); i >= 0 {
		e.Why, e.Try = "it belongs under ["+keys[i].table+"]", "the line under ["+keys[i].table+"]"
		return e
	}
	var names []string
	for _, k := range cameraKeys {
		names = append(names, k.name)
	}
	e.Try = Nearest(name, names)
	switch strings.ToLower(name) {
	case "id":
		e.Try = "name"
	case "device", "path", "tty", "address":
		e.Try = "port"
	case "size", "quality", "vflip", "hmirror", "brightness", "framesize", "target_fps", "fps":
		e.Try = "settings = { " + name + " = ... }"
	}
	if e.Try == "" {
		e.Try = "one of " + strings.Join(names, ", ")
	}
	return e
}
