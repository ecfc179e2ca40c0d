package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/config"
)

func linkCommand() *cobra.Command {
	source := configSource{}
	last, as, base, snapshot := span(24*time.Hour), "", "", false
	cmd := &cobra.Command{
		Use:   "link CAMERA",
		Short: "Print an address of a camera that needs no password, for a while",
		Long: `Print an address of a camera that needs no password, for a while: for players
and programs that can send none. Whoever has it sees this camera until it ends;
it ends early when the user it is made in the name of is removed, or gets
another password or role.`,
		Example: `  camgw link door --for 12h
  camgw link printer --for 90d --as octoprint --snapshot`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := source.load(cmd, source.path(cmd))
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(loaded.Cameras, func(c config.Camera) bool { return c.ID == args[0] }) {
				var ids []string
				for _, c := range loaded.Cameras {
					ids = append(ids, c.ID)
				}
				return fmt.Errorf("there is no camera named %q; try: one of %s", args[0], strings.Join(ids, ", "))
			}
			if loaded.Users == "" {
				return errors.New("nobody is asked for a password here, so that no link is needed; try: camgw setup, or camgw user add")
			}
			b, err := readBook(loaded.Users)
			if err != nil {
				return err
			}
			if len(b.Key) == 0 {
				return fmt.Errorf("%s has no key to sign with; try: camgw user passwd, or any other change, which makes one", loaded.Users)
			}
			kind, name, err := maker(b, as, args[0])
			if err != nil {
				return err
			}
			keeper := access.New(access.Options{})
			keeper.Replace(b)
			grant, err := keeper.Maker(kind, name)
			if err != nil {
				return fmt.Errorf("%s %s: %w", kind, name, err)
			}
			until := time.Now().Add(time.Duration(last)).Truncate(time.Second)
			sig, err := keeper.NewLink(grant, args[0], until)
			if err != nil {
				return fmt.Errorf("a link in the name of %s: %w", name, err)
			}
			if base == "" {
				all := baseURLs(loaded.Config)
				if len(all) == 0 {
					return errors.New("the gateway listens at Unix sockets alone, and how it is reached is not known here; try: --base https://cameras.example")
				}
				base = all[0]
			}
			what := "stream.mjpg"
			if snapshot {
				what = "snapshot.jpg"
			}
			say(cmd, "good until %s, in the name of %s %s; whoever has it sees %s", until.Format(time.RFC3339), kind, name, args[0])
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s/cam/%s/%s?sig=%s\n", strings.TrimRight(base, "/"), url.PathEscape(args[0]), what, sig)
			return err
		},
	}
	source.register(cmd)
	cmd.Flags().Var(&last, "for", "how long it is good, such as 12h or 30d; at most 366d")
	cmd.Flags().StringVar(&as, "as", "", "user or token it is made in the name of, an operator or admin; default: the first admin")
	cmd.Flags().StringVar(&base, "base", "", "how the gateway is reached, such as https://cameras.example; default: its listen address")
	cmd.Flags().BoolVar(&snapshot, "snapshot", false, "the address of one picture instead of the stream")
	return cmd
}

// maker is in whose name a link is made: who is asked for, or the first admin.
func maker(b access.Book, as, camera string) (access.Kind, string, error) {
	for _, kind := range []access.Kind{access.User, access.Token} {
		for _, a := range *list(&b, kind) {
			sees := a.Cameras == nil || slices.Contains(a.Cameras, camera)
			switch {
			case as == "" && a.Role == access.Admin && sees:
			case as == a.Name && (a.Role < access.Operator || !sees):
				return kind, "", fmt.Errorf("--as %s: it is %s, and links to %s need an operator or admin who sees it", as, describe(a), camera)
			case as != a.Name:
				continue
			}
			return kind, a.Name, nil
		}
	}
	if as != "" {
		return 0, "", fmt.Errorf("--as %s: there is no such user or token; try: camgw user list", as)
	}
	return 0, "", errors.New("there is no admin; try: --as NAME, of an operator")
}

// baseURLs are how a gateway is reached over its TCP addresses, the best first.
func baseURLs(c config.Config) (all []string) {
	scheme := "http"
	if c.TLS.Enabled() {
		scheme = "https"
	}
	for _, listen := range append([]string{c.Listen}, c.AlsoListen...) {
		host, port, err := net.SplitHostPort(listen)
		if _, socket := config.SocketPath(listen); socket || err != nil {
			continue
		}
		for _, host := range reachedAs(host) {
			u := url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port)}
			if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
				u.Host = strings.TrimSuffix(u.Host, ":"+port)
			}
			all = append(all, u.String())
		}
	}
	return all
}

// reachedAs are the names under which others reach a listener at host: this machine's addresses, if it listens at all of them.
func reachedAs(host string) (all []string) {
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return []string{host}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		addrs = nil
	}
	for _, v4 := range []bool{true, false} {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && (n.IP.To4() != nil) == v4 {
				all = append(all, n.IP.String())
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return []string{name}
}
