package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/gateway"
)

// defaultConfig is read if it exists.
const defaultConfig = "/etc/camgw/camgw.toml"

// maxConfig bounds what is read as a configuration, or as a secret: more can only be the wrong file.
const maxConfig = 1 << 20

// configSource is where a command's configuration comes from.
type configSource struct {
	flags config.Flags
	file  string // --config
}

// register adds the flags that every command with a configuration has.
func (c *configSource) register(cmd *cobra.Command) {
	c.registerFile(cmd)
	cmd.Flags().StringArrayVar(&c.flags.Ports, "port", nil, "camera to serve, [NAME=]PORT, in place of those of the file; may be given several times")
	completePorts(cmd, "port")
	cmd.Flags().IntVar(&c.flags.Baud, "baud", 0, "line rate to use instead of negotiating the best one")
	cmd.Flags().StringArrayVar(&c.flags.RecoveryHook, "recovery-hook", nil,
		"program that may recover a camera when all else has not, given again for each of its arguments; no shell is between")
	deviceFlags(cmd, &c.flags)
	httpFlags(cmd, &c.flags)
}

func (c *configSource) registerFile(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.file, "config", "", `configuration file; default $CAMGW_CONFIG, else `+defaultConfig+` if it exists; --config= for none`)
}

// path is the file to read; "" if there is none.
func (c *configSource) path(cmd *cobra.Command) string {
	if cmd.Flags().Changed("config") {
		return c.file
	}
	if path := os.Getenv(config.FileVariable); path != "" {
		return path
	}
	if !exists(defaultConfig) {
		return ""
	}
	return defaultConfig
}

// load makes the configuration of all its sources, as they are now.
func (c *configSource) load(cmd *cobra.Command, path string) (config.Loaded, error) {
	s, err := c.sources(cmd, path)
	if err != nil {
		return config.Loaded{}, err
	}
	return config.Load(s)
}

func (c *configSource) sources(cmd *cobra.Command, path string) (config.Sources, error) {
	s := config.Sources{
		Flags: c.flags, Given: cmd.Flags().Changed,
		Env: os.Getenv, Names: variables(),
		ReadFile: readBounded, Credentials: os.Getenv("CREDENTIALS_DIRECTORY"),
		Exists: exists,
	}
	if path != "" {
		content, err := readBounded(path)
		if err != nil {
			return s, unreadable(path, err)
		}
		s.File, s.Text = path, content
	}
	return s, nil
}

// exists reports whether there is a file, or may be: what cannot be looked at is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func unreadable(path string, err error) error {
	e := &config.Error{What: path, Why: err.Error(), Origin: config.File}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		e.Why = pathError.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Try = "camgw config init > " + path
	case errors.Is(err, fs.ErrPermission):
		e.Try = "make it readable for the user that the daemon runs as"
	}
	return e
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(content) > maxConfig {
		err = &fs.PathError{Op: "read", Path: name, Err: errors.New("larger than 1 MiB; this cannot be it")}
	}
	return content, err
}

// variables are the names of the environment's variables.
func variables() []string {
	all := os.Environ()
	for i, one := range all {
		all[i], _, _ = strings.Cut(one, "=")
	}
	return all
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write, check and show the configuration",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configInitCommand(), configCheckCommand(), configShowCommand())
	return cmd
}

func configInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "init",
		Short:   "Print a commented configuration file with every key and its default",
		Example: "  camgw config init > camgw.toml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.Reference())
			return err
		},
	}
}

func configCheckCommand() *cobra.Command {
	source := configSource{}
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Tell every mistake of the configuration, without starting anything",
		Long: `Tell every mistake of the configuration, without starting anything.

Exit code 0: serve would start with it; 78: the file or the environment has
mistakes; 2: the command line has.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return usageError{cmd, err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := source.path(cmd)
			if len(args) == 1 {
				path = args[0]
			}
			loaded, err := source.load(cmd, path)
			if err != nil {
				return err
			}
			if err := gateway.Check(loaded.Config); err != nil {
				return err
			}
			for _, w := range loaded.Warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "camgw: %s\n", w)
			}
			if path == "" {
				path = "no file"
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "camgw: %s: good; cameras: %d\n", path, len(loaded.Cameras))
			return nil
		},
	}
	source.register(cmd)
	return cmd
}

func configShowCommand() *cobra.Command {
	source := configSource{}
	origins := false
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in effect, as a file",
		Long: `Print the configuration that serve would have with the same flags and
environment, as a file. Secrets are starred out.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := source.load(cmd, source.path(cmd))
			if err != nil {
				return err
			}
			if err := gateway.Check(loaded.Config); err != nil {
				return err
			}
			for _, w := range loaded.Warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "camgw: %s\n", w)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), loaded.Show(origins))
			return err
		},
	}
	source.register(cmd)
	cmd.Flags().BoolVar(&origins, "origin", false, "tell of each value where it comes from")
	return cmd
}
