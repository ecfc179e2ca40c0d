package main

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// licences are the Files and License fields of a machine-readable debian/copyright: pattern to SPDX identifier. A Go module
// stands there as path/*, the standard library as std/*, what lies in the tree as it lies there.
type licences map[string]string

func parseCopyright(text string) (licences, error) {
	all := licences{}
	var pattern string
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case strings.TrimSpace(line) == "":
			pattern = ""
		case found && key == "Files":
			if _, twice := all[value]; twice {
				return nil, fmt.Errorf("files %s stand there twice", value)
			}
			pattern = value
			all[pattern] = ""
		case found && key == "License" && pattern != "":
			all[pattern] = value
		}
	}
	for pattern, licence := range all {
		if licence == "" {
			return nil, fmt.Errorf("files %s have no License", pattern)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no Files field")
	}
	return all, nil
}

// of finds the licence of a module or a file, by its own pattern or by that of a folder above it. "*" alone is camgw's.
func (l licences) of(name string) (pattern, licence string, err error) {
	for at := name; at != "."; at = path.Dir(at) {
		if licence, ok := l[at+"/*"]; ok {
			return at + "/*", licence, nil
		}
	}
	for pattern, licence := range l {
		if matched, _ := path.Match(pattern, name); matched && pattern != "*" {
			return pattern, licence, nil
		}
	}
	return "", "", fmt.Errorf("copyright does not name %s; try: a paragraph with Files: %s/* and its License", name, name)
}
