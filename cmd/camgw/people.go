package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/config"
)

// registerPeople adds the flags of commands that work on the file of users.
func (c *configSource) registerPeople(cmd *cobra.Command) {
	c.registerFile(cmd)
	cmd.Flags().StringVar(&c.flags.Users, "users", "", "file of users; default what serve would read, else "+config.DefaultUsers)
}

// people is the path of the file of users.
func (c *configSource) people(cmd *cobra.Command) (string, error) {
	s, err := c.sources(cmd, c.path(cmd))
	if err != nil {
		return "", err
	}
	path, err := config.UsersFile(s)
	if err == nil && path == "" {
		return "", usageError{cmd, errors.New(`there is no file of users: the configuration says users = "none"; try: --users FILE`)}
	}
	return path, err
}

// readBook reads the file of users.
func readBook(path string) (access.Book, error) {
	content, err := access.ReadFile(path)
	if err != nil {
		return access.Book{}, err
	}
	return config.ParseUsers(path, content)
}

// updateBook changes the file of users; fresh reports that there was none.
func updateBook(path string, change func(*access.Book) error) (fresh bool, err error) {
	err = access.UpdateFile(path, func(old []byte) ([]byte, error) {
		fresh = old == nil
		b, err := config.ParseUsers(path, old)
		if err != nil {
			return nil, err
		}
		if len(b.Key) == 0 {
			b.Key = access.NewKey()
		}
		if err := change(&b); err != nil {
			return nil, err
		}
		return config.FormatUsers(b), nil
	})
	return fresh, err
}

func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Say which people may do what",
		Long: `Say which people may do what.

  viewer    watches, and reads the state of cameras
  operator  also changes settings of cameras, and makes links
  admin     also sees other people's connections, and ends them

A running gateway with the same file of users notices within seconds.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(userAddCommand(), userPasswdCommand(), removeCommand(access.User), listCommand(access.User))
	return cmd
}

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Let programs in, each by a token of its own",
		Long: `Let programs in, each by a token of its own: Prometheus, scripts, Home Assistant.
They send it as "Authorization: Bearer TOKEN". Roles are those of camgw user.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tokenAddCommand(), removeCommand(access.Token), listCommand(access.Token))
	return cmd
}

// entry is what the flags say of a new one.
type entry struct {
	role    string
	cameras []string
	last    span
}

func (a *entry) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.role, "role", access.Viewer.String(), "what it may do: "+strings.Join(access.Roles, ", "))
	completeOne(cmd, "role", access.Roles...)
	cmd.Flags().StringArrayVar(&a.cameras, "camera", nil, "camera it is for, by its name; may be given several times; without it, all")
	cmd.Flags().Var(&a.last, "for", "how long it is good, such as 12h or 30d; without it, until it is removed")
}

// make checks everything but the secret.
func (a *entry) make(cmd *cobra.Command, name string, now time.Time) (access.Account, error) {
	wrong := func(err error) (access.Account, error) { return access.Account{}, usageError{cmd, err} }
	if err := access.CheckName(name); err != nil {
		return wrong(err)
	}
	role, err := access.ParseRole(a.role)
	if err != nil {
		return wrong(fmt.Errorf("--role %s: %w", a.role, err))
	}
	if err := config.CheckCameras(a.cameras); err != nil {
		return wrong(fmt.Errorf("--camera: %w", err))
	}
	one := access.Account{Name: name, Role: role}
	for _, id := range a.cameras {
		if !slices.Contains(one.Cameras, id) {
			one.Cameras = append(one.Cameras, id)
		}
	}
	if a.last > 0 {
		one.Until = now.Add(time.Duration(a.last)).UTC().Truncate(time.Second)
	}
	return one, nil
}

// span is a duration that may be given in days.
type span time.Duration

func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

func (s *span) Type() string { return "duration" }

func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if err == nil && (n < 0 || n > 36500) {
			err = errors.New("out of range")
		}
	}
	if err != nil || d <= 0 {
		return errors.New("must be a time such as 90m, 12h or 30d")
	}
	*s = span(d)
	return nil
}

// find is where an account of this name is; -1 if there is none.
func find(all []access.Account, name string) int {
	return slices.IndexFunc(all, func(a access.Account) bool { return a.Name == name })
}

// list are the accounts of a kind.
func list(b *access.Book, kind access.Kind) *[]access.Account {
	if kind == access.Token {
		return &b.Tokens
	}
	return &b.Users
}

func noSuch(kind access.Kind, name, path string) error {
	return fmt.Errorf("there is no %s %q in %s; try: camgw %s list", kind, name, path, kind)
}

// restart is the hint that goes with a file that a running gateway does not know of yet.
const restart = "a gateway that runs without users must be restarted to ask for passwords"

func userAddCommand() *cobra.Command {
	source, a, p := configSource{}, entry{}, passwordSource{}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user; the password is asked for",
		Example: `  camgw user add ann --role admin
  camgw user add guest --camera door --for 30d --generate
  pass show camgw | camgw user add ann --password-stdin`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := source.people(cmd)
			if err != nil {
				return err
			}
			one, err := a.make(cmd, args[0], time.Now())
			if err != nil {
				return err
			}
			absent := func(b *access.Book) error {
				if find(b.Users, one.Name) >= 0 {
					return fmt.Errorf("there is already a user %q in %s; try: camgw user passwd %s", one.Name, path, one.Name)
				}
				return nil
			}
			// Before anybody has to think of a password.
			b, err := readBook(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := absent(&b); err != nil {
				return err
			}
			password, err := p.get(cmd, one.Name)
			if err != nil {
				return err
			}
			if one.Secret, err = access.HashPassword(password); err != nil {
				return err
			}
			fresh, err := updateBook(path, func(b *access.Book) error {
				if err := absent(b); err != nil {
					return err
				}
				b.Users = append(b.Users, one)
				return nil
			})
			if err != nil {
				return err
			}
			say(cmd, "user %s added to %s: %s", one.Name, path, describe(one))
			if fresh {
				say(cmd, restart)
			}
			return p.tell(cmd, password)
		},
	}
	source.registerPeople(cmd)
	a.register(cmd)
	p.register(cmd)
	return cmd
}

func userPasswdCommand() *cobra.Command {
	source, p := configSource{}, passwordSource{}
	cmd := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Give a user another password; sessions and links made with the old one end",
		Args:  oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := source.people(cmd)
			if err != nil {
				return err
			}
			b, err := readBook(path)
			if err != nil {
				return err
			}
			if find(b.Users, args[0]) < 0 {
				return noSuch(access.User, args[0], path)
			}
			password, err := p.get(cmd, args[0])
			if err != nil {
				return err
			}
			hash, err := access.HashPassword(password)
			if err != nil {
				return err
			}
			if _, err := updateBook(path, func(b *access.Book) error {
				i := find(b.Users, args[0])
				if i < 0 {
					return noSuch(access.User, args[0], path)
				}
				b.Users[i].Secret = hash
				return nil
			}); err != nil {
				return err
			}
			say(cmd, "user %s has another password in %s", args[0], path)
			return p.tell(cmd, password)
		},
	}
	source.registerPeople(cmd)
	p.register(cmd)
	return cmd
}

func tokenAddCommand() *cobra.Command {
	source, a := configSource{}, entry{}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a token and print it, which is the only time it can be seen",
		Example: `  camgw token add prometheus
  camgw token add timelapse --camera printer --for 365d`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := source.people(cmd)
			if err != nil {
				return err
			}
			one, err := a.make(cmd, args[0], time.Now())
			if err != nil {
				return err
			}
			token := access.NewToken()
			one.Secret = access.TokenDigest(token)
			fresh, err := updateBook(path, func(b *access.Book) error {
				if find(b.Tokens, one.Name) >= 0 {
					return fmt.Errorf("there is already a token %q in %s; try: camgw token remove %s, and then this again", one.Name, path, one.Name)
				}
				b.Tokens = append(b.Tokens, one)
				return nil
			})
			if err != nil {
				return err
			}
			say(cmd, "token %s added to %s: %s; it is shown this once:", one.Name, path, describe(one))
			if fresh {
				say(cmd, restart)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	source.registerPeople(cmd)
	a.register(cmd)
	return cmd
}

func removeCommand(kind access.Kind) *cobra.Command {
	source := configSource{}
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: fmt.Sprintf("Remove a %s; what goes on in its name ends within seconds, links included", kind),
		Args:  oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := source.people(cmd)
			if err != nil {
				return err
			}
			if _, err := readBook(path); err != nil {
				return err
			}
			if _, err := updateBook(path, func(b *access.Book) error {
				all := list(b, kind)
				i := find(*all, args[0])
				if i < 0 {
					return noSuch(kind, args[0], path)
				}
				*all = slices.Delete(*all, i, i+1)
				return nil
			}); err != nil {
				return err
			}
			say(cmd, "%s %s removed from %s", kind, args[0], path)
			return nil
		},
	}
	source.registerPeople(cmd)
	return cmd
}

// accountLine is an account as the lists tell it with --json.
type accountLine struct {
	Name    string      `json:"name"`
	Role    access.Role `json:"role"`
	Cameras []string    `json:"cameras"` // null: all
	Until   *time.Time  `json:"until,omitempty"`
	Ended   bool        `json:"ended,omitempty"`
}

func listCommand(kind access.Kind) *cobra.Command {
	source, asJSON := configSource{}, false
	cmd := &cobra.Command{
		Use:   "list",
		Short: fmt.Sprintf("List the %ss", kind),
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := source.people(cmd)
			if err != nil {
				return err
			}
			b, err := readBook(path)
			if err != nil {
				return err
			}
			lines := []accountLine{}
			for _, a := range *list(&b, kind) {
				l := accountLine{Name: a.Name, Role: a.Role, Cameras: a.Cameras}
				if !a.Until.IsZero() {
					l.Until, l.Ended = &a.Until, !time.Now().Before(a.Until)
				}
				lines = append(lines, l)
			}
			return printAccounts(cmd.OutOrStdout(), lines, asJSON)
		},
	}
	source.registerPeople(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, a list of objects")
	return cmd
}

func printAccounts(w io.Writer, lines []accountLine, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(lines)
	}
	if len(lines) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tROLE\tCAMERAS\tUNTIL")
	for _, l := range lines {
		until := "-"
		if l.Until != nil {
			if until = l.Until.Format(time.RFC3339); l.Ended {
				until += " (ended)"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Name, l.Role, scope(l.Cameras), until)
	}
	return t.Flush()
}

func scope(cameras []string) string {
	if cameras == nil {
		return "all"
	}
	return strings.Join(cameras, ", ")
}

// describe is an account in a line.
func describe(a access.Account) string {
	s := a.Role.String() + ", all cameras"
	if a.Cameras != nil {
		s = a.Role.String() + ", for " + scope(a.Cameras)
	}
	if !a.Until.IsZero() {
		s += ", until " + a.Until.Format(time.RFC3339)
	}
	return s
}

// say tells what was done.
func say(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), "camgw: "+format+"\n", args...)
}

// oneArg is cobra.ExactArgs(1) with the exit code of a usage error.
func oneArg(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usageError{cmd, err}
	}
	return nil
}
