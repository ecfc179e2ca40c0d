package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/serialport"
	"github.com/camgw/camgw/internal/systemd"
	"github.com/camgw/camgw/internal/unixsocket"
	"github.com/camgw/camgw/internal/web"
)

// listen opens the addresses of the configuration. Inherited sockets of a kind stand in place of its addresses.
func listen(cfg config.Config, inherited systemd.Listeners) (systemd.Listeners, error) {
	on := inherited
	for _, l := range append(on.HTTP[:len(on.HTTP):len(on.HTTP)], on.Streams...) {
		if !cfg.InsecureNoAuth && cfg.Users == "" && reachable(l.Addr()) {
			return on, &config.Error{What: "inherited socket " + l.Addr().String(),
				Why: config.NoAuth, Try: config.NoAuthTry + "; or --insecure-no-auth on a network you trust"}
		}
	}
	if len(on.HTTP) == 0 {
		flag := "--listen"
		for _, address := range append([]string{cfg.Listen}, cfg.AlsoListen...) {
			l, err := open(cfg, flag, address)
			if err != nil {
				on.Close()
				return on, err
			}
			on.HTTP = append(on.HTTP, l)
			flag = "--also-listen"
		}
	}
	if len(on.Streams) == 0 && cfg.StreamListen != "" {
		l, err := open(cfg, "--webserver-stream-listen", cfg.StreamListen)
		if err != nil {
			on.Close()
			return on, err
		}
		on.Streams = []net.Listener{l}
	}
	return on, nil
}

// open opens one address, which a flag is for.
func open(cfg config.Config, flag, address string) (net.Listener, error) {
	if path, ok := config.SocketPath(address); ok {
		l, err := unixsocket.Listen(path, cfg.Socket.Mode, cfg.Socket.Group)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
		return l, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenError(flag, address, err)
	}
	return l, nil
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

const (
	// ownDescriptors are those of the process beside ports and connections: standard streams, the runtime's and the watchers'
	// polls, listeners, the journal, files being read, and some to be safe.
	ownDescriptors = 64
	// cameraDescriptors of a camera beside its port: the file its pictures go out by, and a serial server's connection or a hook.
	cameraDescriptors = 4

	leastConnections = 8
)

// descriptors is how many files the process may have open.
func descriptors() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("ask for the limit on open files: %w", err)
	}
	return int(min(limit.Cur, 1<<30)), nil
}

// withinDescriptors lowers the connections allowed to what the limit on open files leaves when every camera has its own.
func withinDescriptors(l web.Limits, cameras []config.Camera, files int) web.Limits {
	if l.MaxConnections == 0 {
		l.MaxConnections = l.Connections()
	}
	left := files - ownDescriptors - serialport.Descriptors(serialPorts(cameras)) - cameraDescriptors*len(cameras)
	l.MaxConnections = max(min(l.MaxConnections, left), leastConnections)
	return l
}
