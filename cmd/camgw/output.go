package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// output is where a command's data goes: a file that appears whole or not at all, or standard output.
type output struct {
	io.Writer
	file *os.File // nil for standard output
	path string
}

// openOutput opens what -o names; "-" is standard output, unless that is a terminal.
func openOutput(cmd *cobra.Command, path string) (*output, error) {
	switch path {
	case "":
		return nil, usageError{cmd, errors.New("-o is missing: where is it to go? try: -o FILE, or -o - for standard output")}
	case "-":
		if f, ok := cmd.OutOrStdout().(*os.File); ok {
			if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 && st.Name() != "null" {
				return nil, usageError{cmd, errors.New("-o -: standard output is a terminal, and this is no text; try: -o FILE, or a pipe")}
			}
		}
		return &output{Writer: cmd.OutOrStdout()}, nil
	}
	// Beside its place, so that the rename is one step.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("-o %s: %w", path, err)
	}
	return &output{Writer: f, file: f, path: path}, nil
}

// keep puts the file in its place.
func (o *output) keep() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Chmod(0o644)
	err = errors.Join(err, o.file.Close())
	if err == nil {
		err = os.Rename(o.file.Name(), o.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("-o %s: %w", o.path, err), os.Remove(o.file.Name()))
	}
	o.file = nil
	return nil
}

// discard removes what keep has not put in its place.
func (o *output) discard() {
	if o.file != nil {
		_ = o.file.Close()
		_ = os.Remove(o.file.Name())
	}
}

// talk is the log of a command that is done soon: what goes wrong, or with verbose everything.
func talk(cmd *cobra.Command, verbose bool) *slog.Logger {
	level := slog.LevelError
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
}
