package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// document is a file as TOML has it: its values, and on which line each of them stands.
type document struct {
	shape
	name  string
	tree  map[string]any
	lines map[string]int // by path: http, http.listen, camera[0].settings.size
}

// shape is what a file is made of, as far as hints about its grammar need it.
type shape struct {
	list   string // a table there are several of
	lists  string // what such a table is, in words
	secret bool   // what stands in it must not be repeated in messages
}

var (
	configuration = shape{list: "[[" + cameraTable + "]]", lists: "cameras are a list: each begins with [[" + cameraTable + "]]"}
	people        = shape{list: "[[" + userTable + "]]", lists: "users and tokens are lists: each begins with [[" + userTable + "]] or [[" + tokenTable + "]]", secret: true}
)

// parse reads a file. The mistake is one of TOML's grammar; what keys mean is nobody's concern here.
func parse(name string, content []byte, s shape) (*document, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // Windows' editors put it there
	d := &document{shape: s, name: name, lines: make(map[string]int)}
	if err := toml.Unmarshal(content, &d.tree); err != nil {
		wrong, ok := errors.AsType[*toml.DecodeError](err)
		if !ok {
			return nil, &Error{What: name, Why: err.Error(), Origin: File}
		}
		line, _ := wrong.Position()
		d.locate(content)
		return nil, d.grammar(content, line, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	d.locate(content)
	return d, nil
}

// locate finds the lines of tables and keys, as far as the file is well formed. Where there are several, the first counts.
func (d *document) locate(content []byte) {
	var p unstable.Parser
	p.Reset(content)
	lists := make(map[string]int) // tables there are several of, by path
	prefix := ""
	line := func(n *unstable.Node) int { return 1 + bytes.Count(content[:n.Raw.Offset], []byte("\n")) }
	note := func(path string, n *unstable.Node) {
		if _, ok := d.lines[path]; !ok {
			d.lines[path] = line(n)
		}
	}
	var inside func(path string, n *unstable.Node)
	// place notes each part of a dotted key and returns the path of the whole.
	place := func(path string, k unstable.Iterator, isList bool) string {
		for k.Next() {
			n := k.Node()
			path = join(path, string(n.Data))
			if isList && k.IsLast() {
				lists[path]++
			}
			if count := lists[path]; count > 0 {
				note(path, n)
				path = fmt.Sprintf("%s[%d]", path, count-1)
			}
			note(path, n)
		}
		return path
	}
	inside = func(path string, n *unstable.Node) {
		switch n.Kind {
		case unstable.InlineTable:
			for c := n.Children(); c.Next(); {
				inside(place(path, c.Node().Key(), false), c.Node().Value())
			}
		case unstable.Array:
			i := 0
			for c := n.Children(); c.Next(); i++ {
				if c.Node().Kind == unstable.Comment {
					i--
					continue
				}
				one := fmt.Sprintf("%s[%d]", path, i)
				if _, ok := d.lines[one]; !ok {
					d.lines[one] = d.lines[path] // the element's own place is its first key's
				}
				inside(one, c.Node())
			}
		}
	}
	for p.NextExpression() {
		switch n := p.Expression(); n.Kind {
		case unstable.Table:
			prefix = place("", n.Key(), false)
		case unstable.ArrayTable:
			prefix = place("", n.Key(), true)
		case unstable.KeyValue:
			inside(place(prefix, n.Key(), false), n.Value())
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// at is a path's place in the file, for messages.
func (d *document) at(path string) string {
	for p := path; p != ""; {
		if line, ok := d.lines[p]; ok {
			return fmt.Sprintf("%s:%d", d.name, line)
		}
		i := strings.LastIndexAny(p, ".[")
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return d.name
}

var (
	assignment = regexp.MustCompile(`^\s*([\w.-]+)\s*[=:]\s*(.*?)\s*(?:#.*)?$`)
	worded     = regexp.MustCompile(`^[^"'\[\]{},\s][^"',]*$`)
	already    = regexp.MustCompile(`^key (\S+) is already defined$`)
	twice      = regexp.MustCompile(`^table (\S+) already exists$`)
)

// grammar is a mistake that TOML itself does not allow, with what was probably meant.
func (d *document) grammar(content []byte, line int, why string) *Error {
	e := &Error{What: fmt.Sprintf("%s:%d", d.name, line), Why: why, Origin: File}
	given := ""
	if lines := strings.Split(string(content), "\n"); line <= len(lines) {
		given = strings.TrimRight(lines[line-1], "\r")
	}
	if m := already.FindStringSubmatch(why); m != nil {
		e.Why = m[1] + " is given twice"
		e.Try = "one of the two lines"
		return e
	}
	if m := twice.FindStringSubmatch(why); m != nil {
		e.Why = "[" + m[1] + "] is there twice"
		e.Try = "all of its keys under the first"
		if first, ok := d.lines[m[1]]; ok {
			e.Try += fmt.Sprintf(", on line %d", first)
		}
		return e
	}
	if strings.Contains(why, "already exists as") || strings.Contains(why, "should be an array table") {
		e.Why, e.Try = d.lists, "double brackets everywhere"
		return e
	}
	m := assignment.FindStringSubmatch(given)
	if strings.Contains(why, "after array value") {
		e.Why, e.Try = "the list is not complete", "commas between its texts, and ] at its end"
		return e
	}
	if m == nil {
		switch {
		case strings.Contains(why, "start of value") || strings.HasSuffix(strings.TrimSpace(given), ","): // in a list of several lines
			e.Try = "texts in quotes"
		case strings.HasPrefix(strings.TrimSpace(given), "["):
			e.Try = "[table], or " + d.list
		default:
			e.Try = "key = value"
		}
		return e
	}
	name, v := m[1], m[2]
	e.What += ": " + name
	if d.secret {
		e.Try = name + ` = "...", in quotes`
		return e
	}
	words := worded.MatchString(v) && strings.Trim(v, "0123456789_ ") != ""
	switch lower := strings.ToLower(v); {
	case lower == "yes" || lower == "on" || lower == "true":
		e.Why, e.Try = "truth is written true or false", name+" = true"
	case lower == "no" || lower == "off" || lower == "false":
		e.Why, e.Try = "truth is written true or false", name+" = false"
	case v == "":
		e.Why, e.Try = name+" has no value", "a value, or # in front of the line"
	case !strings.Contains(given, "="):
		if e.Try = name + " = " + v; words {
			e.Try = name + " = " + quoted(name, v)
		}
	case words:
		e.Why, e.Try = "a text must stand in quotes", name+" = "+quoted(name, v)
	case strings.Count(v, `"`) == 1:
		e.Try = "a quote at the end of the text"
	case strings.Contains(why, "too large"):
		e.Try = "a smaller number"
	case strings.Contains(why, "expected newline"):
		e.Why, e.Try = "there is more than one value", "one, and # before a comment"
	case strings.Contains(why, "leading zero"):
		e.Try = name + " = " + strings.TrimLeft(v, "0")
	case strings.Contains(why, "escape"):
		e.Try = `text in single quotes, where a backslash is nothing special`
	case strings.HasPrefix(v, "["):
		e.Try = name + ` = ["one", "two"], each text in quotes`
	case strings.HasPrefix(v, "{"):
		e.Try = name + ` = { size = "VGA", quality = 12 }`
	default:
		e.Try = "name = value, texts in quotes"
	}
	return e
}

// quoted is a bare text as it should stand there: for a list, its words.
func quoted(name, v string) string {
	if slices.ContainsFunc(keys, func(k key) bool { return k.name == name && k.kind == list }) {
		return literal(strings.Fields(v))
	}
	return `"` + v + `"`
}
