package main

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/camgw/camgw/internal/config"
)

// checkReport is what config check --json prints, of good configurations and of others.
type checkReport struct {
	Good     bool           `json:"good"`
	File     string         `json:"file"` // empty: none
	Cameras  int            `json:"cameras"`
	Mistakes []checkMistake `json:"mistakes"`
	Warnings []string       `json:"warnings"`
}

type checkMistake struct {
	What string `json:"what"`
	Why  string `json:"why"`
	Try  string `json:"try,omitempty"`
}

// printCheck prints what came of checking path, and returns the check's own error or else the printing's.
func printCheck(w io.Writer, path string, loaded config.Loaded, err error) error {
	r := checkReport{Good: err == nil, File: path, Cameras: len(loaded.Cameras), Mistakes: []checkMistake{}, Warnings: []string{}}
	r.Warnings = append(r.Warnings, loaded.Warnings...)
	var mistakes []error
	if err != nil {
		mistakes = flatten(err)
	}
	for _, e := range mistakes {
		if m, ok := errors.AsType[*config.Error](e); ok {
			r.Mistakes = append(r.Mistakes, checkMistake{What: m.What, Why: m.Why, Try: m.Try})
		} else {
			r.Mistakes = append(r.Mistakes, checkMistake{What: path, Why: e.Error()})
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return errors.Join(err, e.Encode(r))
}
