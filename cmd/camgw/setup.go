package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/gateway"
	"github.com/camgw/camgw/internal/serialport"
)

// setup is one run of the command.
type setup struct {
	cmd   *cobra.Command
	lines *bufio.Reader // of a person; nil with --yes

	config, users string // paths
	ports         []string
	listen, user  string
	stdin         bool
	yes, force    bool
	patience      time.Duration

	gone error // the person has left, or wants to
}

func setupCommand() *cobra.Command {
	s := setup{}
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Write a configuration for the local network, with a password",
		Long: `Write a configuration for the local network, with a password: find the camera's
port, make an admin, and say where to look. With --yes nothing is asked: the
answers are the defaults and what the flags say, and the password is printed.

What is there is never overwritten without being asked for; the old file stays
beside the new one. An admin who is there already stays, with his password.`,
		Example: `  sudo camgw setup
  sudo camgw setup --yes --port /dev/ttyUSB0
  camgw setup --config camgw.toml --users users.toml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.cmd = cmd
			if !s.yes {
				tty, ok := terminal(cmd)
				if !ok {
					return usageError{cmd, errors.New("nobody can be asked: standard input is no terminal; try: --yes")}
				}
				s.lines = bufio.NewReader(tty)
			}
			return s.run()
		},
	}
	cmd.Flags().StringVar(&s.config, "config", cmp.Or(os.Getenv(config.FileVariable), defaultConfig), "configuration file to write")
	cmd.Flags().StringVar(&s.users, "users", "", "file of users to write; default: users.toml beside the configuration")
	cmd.Flags().StringArrayVar(&s.ports, "port", nil, "camera, [NAME=]PORT, instead of looking for one; may be given several times")
	completePorts(cmd, "port")
	cmd.Flags().StringVar(&s.listen, "listen", "", "address to answer HTTP on; default :8080, which is every address of this machine")
	cmd.Flags().StringVar(&s.user, "user", "admin", "name of the admin")
	cmd.Flags().BoolVar(&s.stdin, "password-stdin", false, "with --yes: read the admin's password from standard input, one line")
	cmd.Flags().BoolVar(&s.yes, "yes", false, "ask nothing")
	cmd.Flags().BoolVar(&s.force, "force", false, "replace a configuration that is there; the old one stays beside it")
	cmd.Flags().DurationVar(&s.patience, "timeout", 4*time.Second, "how long to wait for a camera at each port, when there are several")
	return cmd
}

func (s *setup) run() error {
	if s.users == "" {
		s.users = filepath.Join(filepath.Dir(s.config), "users.toml")
	}
	if err := access.CheckName(s.user); err != nil {
		return usageError{s.cmd, fmt.Errorf("--user: %w", err)}
	}
	if s.stdin && !s.yes {
		return usageError{s.cmd, errors.New("--password-stdin goes with --yes")}
	}
	if err := errors.Join(writable(s.config), writable(s.users)); err != nil {
		return err
	}
	if err := s.mayReplace(); s.gone != nil || err != nil {
		return cmp.Or(s.gone, err)
	}
	// Everything that can be wrong, before anything is written.
	b, err := readBook(s.users)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cameras, err := s.cameras()
	if s.gone != nil || err != nil {
		return cmp.Or(s.gone, err)
	}
	if s.listen == "" {
		s.listen = ":8080"
		if !s.ask("May others on the network watch, with a password?", true) {
			s.listen = config.DefaultListen
		}
		if s.gone != nil {
			return s.gone
		}
	}
	usersPath, err := filepath.Abs(s.users)
	if err != nil {
		return err
	}
	values := map[string]string{"http.listen": s.listen}
	if usersPath != config.DefaultUsers {
		values["auth.users"] = usersPath
	}
	text := config.ReferenceWith(values, cameras)
	loaded, err := config.Load(config.Sources{
		Flags: config.Defaults(), Given: func(string) bool { return false }, File: s.config, Text: []byte(text),
		Exists: func(string) bool { return true },
	})
	if err != nil {
		return err
	}
	if err := s.admin(b); err != nil {
		return err
	}
	if err := s.write(text); err != nil {
		return err
	}
	return s.farewell(loaded.Listen)
}

// mayReplace finds out whether the configuration may be written. One that is as it came was never anybody's.
func (s *setup) mayReplace() error {
	old, err := readBounded(s.config)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && string(old) == config.Reference(), s.force:
		return nil
	case err != nil:
		return unreadable(s.config, err)
	case s.ask(s.config+" is there already. Replace it? The old one is kept beside it.", false):
		return nil
	}
	return fmt.Errorf("%s: it is there already, and nothing was changed; try: --force, which keeps the old one beside it, or --config FILE", s.config)
}

// cameras are what there is to be served.
func (s *setup) cameras() ([]config.Camera, error) {
	if len(s.ports) == 0 {
		if err := s.look(); err != nil {
			return nil, err
		}
	}
	var all []config.Camera
	for i, spec := range s.ports {
		c, err := config.ParsePort(spec)
		if err != nil {
			return nil, err
		}
		if c.Port == spec {
			c.ID = fmt.Sprintf("cam%d", i+1)
		}
		all = append(all, c)
	}
	return all, nil
}

// look finds the ports that cameras are at.
func (s *setup) look() error {
	ports, err := machine.List()
	if err != nil {
		return fmt.Errorf("list the serial ports: %w; try: --port PORT", err)
	}
	// Only USB, where cameras are; a port on the board may be a console.
	ports = slices.DeleteFunc(ports, func(p serialport.Info) bool { return p.VID == "" })
	none := errors.New("no camera's port found; try: plug it in with a cable that has data wires and see camgw ports, or --port PORT; --port sim: is a simulated camera")
	switch {
	case len(ports) == 1:
		s.tell("Camera's port: %s", ports[0].Stable)
		s.ports = []string{ports[0].Stable}
	case len(ports) > 1 && s.ask("There are several serial ports. See at which of them cameras are? This resets many boards.", true):
		for _, p := range ports {
			if answers, what := s.probe(p); answers {
				s.tell("  %s: %s", p.Stable, what)
				s.ports = append(s.ports, p.Stable)
			} else {
				s.tell("  %s: no camera, %s", p.Stable, what)
			}
		}
	case len(ports) > 1:
		for _, p := range ports {
			if s.ask("Is a camera at "+p.Stable+"?", true) {
				s.ports = append(s.ports, p.Stable)
			}
		}
	case s.lines != nil:
		port, err := s.line("No serial port found. Port of the camera (a path, tcp://host:port or sim:)", "")
		if err != nil {
			return err
		}
		if port != "" {
			s.ports = []string{port}
		}
	}
	if len(s.ports) == 0 {
		return none
	}
	return nil
}

func (s *setup) probe(p serialport.Info) (bool, string) {
	if p.Holder != "" {
		return p.Ours, "held by " + p.Holder
	}
	cam := config.Camera{ID: "probe", Port: p.Path, Kind: config.Serial, Address: p.Path}
	found, err := gateway.Probe(s.cmd.Context(), cam, slog.New(slog.DiscardHandler), s.patience)
	if err != nil {
		return false, err.Error()
	}
	return true, found.Board + ", " + found.Sensor
}

// admin makes sure that there is one.
func (s *setup) admin(b access.Book) error {
	if i := slices.IndexFunc(b.Users, func(a access.Account) bool { return a.Role == access.Admin }); i >= 0 {
		s.tell("%s has an admin already, %s: all users stay as they are.", s.users, b.Users[i].Name)
		return nil
	}
	name := s.user
	var err error
	if !s.cmd.Flags().Changed("user") {
		if name, err = s.line("Name of the admin", s.user); err != nil {
			return err
		}
	}
	if err := access.CheckName(name); err != nil {
		return err
	}
	if find(b.Users, name) >= 0 {
		return fmt.Errorf("there is a user %q in %s who is no admin; try: --user with another name", name, s.users)
	}
	password, made, err := s.password(name)
	if err != nil {
		return err
	}
	hash, err := access.HashPassword(password)
	if err != nil {
		return err
	}
	if _, err := updateBook(s.users, func(b *access.Book) error {
		if find(b.Users, name) >= 0 {
			return fmt.Errorf("%s was changed in the meantime; try: again", s.users)
		}
		b.Users = append(b.Users, access.Account{Name: name, Secret: hash, Role: access.Admin})
		return nil
	}); err != nil {
		return err
	}
	s.tell("%s written.", s.users)
	if made {
		s.tell("\n  user      %s\n  password  %s    (it is shown this once)\n", name, password)
	}
	return nil
}

// password is the admin's; made reports that nobody knows it yet.
func (s *setup) password(name string) (password string, made bool, err error) {
	switch {
	case s.stdin:
		password, err = firstLine(s.cmd.InOrStdin())
	case s.ask("Make a password for "+name+"? Otherwise you are asked for one.", true):
		return access.NewPassword(), true, nil
	case s.gone != nil:
		return "", false, s.gone
	default:
		password, err = askTwice(s.cmd, "Password for "+name)
	}
	if err == nil {
		err = passwordError(access.CheckPassword(password))
	}
	return password, false, err
}

// write puts the configuration into its place, and what was there beside it.
func (s *setup) write(text string) error {
	if err := os.MkdirAll(filepath.Dir(s.config), 0o755); err != nil {
		return err
	}
	if kept, err := keepOld(s.config, config.Reference()); err != nil {
		return err
	} else if kept != "" {
		s.tell("The old configuration is %s.", kept)
	}
	if err := access.ReplaceFile(s.config, []byte(text), 0o644); err != nil {
		return err
	}
	s.tell("%s written.", s.config)
	return nil
}

// keepOld gives a file a second name, unless there is none or it is as it came.
func keepOld(path, pristine string) (kept string, err error) {
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && string(old) == pristine {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for i := 1; ; i++ {
		kept = path + ".old"
		if i > 1 {
			kept += strconv.Itoa(i)
		}
		if err := os.Link(path, kept); !errors.Is(err, fs.ErrExist) {
			return kept, err
		}
	}
}

func (s *setup) farewell(listen string) error {
	next := "camgw serve --config " + s.config
	if abs, err := filepath.Abs(s.config); err == nil && abs == defaultConfig {
		next = "sudo systemctl enable --now camgw (or restart, if it runs), or camgw serve"
	}
	s.tell("Start it: %s\nThen open:", next)
	for _, u := range baseURLs(config.Config{Listen: listen}) {
		s.tell("  %s", u)
	}
	return nil
}

// tell speaks to the person, or to who reads the output of --yes.
func (s *setup) tell(format string, args ...any) {
	fmt.Fprintf(s.cmd.OutOrStdout(), format+"\n", args...)
}

// ask gets a yes or no. Who is not asked answers with the default.
func (s *setup) ask(question string, standard bool) bool {
	if s.lines == nil {
		return standard
	}
	choice := "[Y/n]"
	if !standard {
		choice = "[y/N]"
	}
	for {
		answer, err := s.read(question + " " + choice + " ")
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true
		case "n", "no":
			return false
		case "":
			if err == nil {
				return standard
			}
		}
		if err != nil {
			return false
		}
	}
}

// line gets a line of text; an empty one stands for the default.
func (s *setup) line(question, standard string) (string, error) {
	if s.lines == nil {
		return standard, nil
	}
	if standard != "" {
		question += " [" + standard + "]"
	}
	answer, err := s.read(question + ": ")
	return cmp.Or(answer, standard), err
}

// read gets a line from the person, who may also end it all.
func (s *setup) read(prompt string) (string, error) {
	fmt.Fprint(s.cmd.OutOrStdout(), prompt)
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // it stays behind when the process is about to end
		line, err := s.lines.ReadString('\n')
		answers <- answer{strings.TrimSpace(line), err}
	}()
	select {
	case a := <-answers:
		if a.line == "" && errors.Is(a.err, io.EOF) {
			s.gone = errors.New("no answer was given; nothing more was changed")
		}
		return a.line, s.gone
	case <-s.cmd.Context().Done():
		s.gone = context.Cause(s.cmd.Context())
		return "", s.gone
	}
}

// writable tells early what would only come out after many questions.
func writable(path string) error {
	dir := filepath.Dir(path)
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("%s cannot be written: %w; try: the same with sudo, or --config and --users with files of your own", path, err)
	}
	return nil
}
