package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/systemd"
)

// listen opens the addresses of the configuration. Inherited sockets of a kind stand in place of its address.
func listen(cfg config.Config, inherited systemd.Listeners) (systemd.Listeners, error) {
	on := inherited
	for _, l := range append(on.HTTP[:len(on.HTTP):len(on.HTTP)], on.Streams...) {
		if !cfg.InsecureNoAuth && cfg.Users == "" && reachable(l.Addr()) {
			return on, &config.Error{What: "inherited socket " + l.Addr().String(),
				Why: config.NoAuth, Try: config.NoAuthTry + "; or --insecure-no-auth on a network you trust"}
		}
	}
	if len(on.HTTP) == 0 {
		l, err := net.Listen("tcp", cfg.Listen)
		if err != nil {
			return on, listenError("--listen", cfg.Listen, err)
		}
		on.HTTP = []net.Listener{l}
	}
	if len(on.Streams) == 0 && cfg.StreamListen != "" {
		l, err := net.Listen("tcp", cfg.StreamListen)
		if err != nil {
			on.Close()
			return on, listenError("--webserver-stream-listen", cfg.StreamListen, err)
		}
		on.Streams = []net.Listener{l}
	}
	return on, nil
}

// reachable reports whether others than this machine's users can connect to an address. A Unix socket has its permissions.
func reachable(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

func listenError(flag, addr string, err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = cmp.Or(op.Err, err)
	}
	text := strings.TrimPrefix(err.Error(), "bind: ")
	return fmt.Errorf("listen on %s: %s; try: another address with %s, or find who has it with: ss -ltnp", addr, text, flag)
}
