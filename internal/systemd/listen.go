package systemd

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// StreamName is the FileDescriptorName= of a socket that is for /stream alone.
const StreamName = "stream"

// Listeners are the sockets that the service manager bound for the service.
type Listeners struct {
	HTTP    []net.Listener // any name but StreamName
	Streams []net.Listener
}

// Inherited takes over the sockets of socket activation; there are none without it. It may be called once: the environment that
// tells of them is cleared, so that no child takes them for its own.
func Inherited() (Listeners, error) {
	var all Listeners
	var errs []error
	for _, file := range activation.Files(true) {
		listener, err := net.FileListener(file)
		_ = file.Close() // the listener has a copy
		if err != nil {
			errs = append(errs, fmt.Errorf("inherited socket %q: %w; try: ListenStream= in the socket unit", file.Name(), err))
			continue
		}
		if strings.TrimSuffix(file.Name(), ".socket") == StreamName {
			all.Streams = append(all.Streams, listener)
		} else {
			all.HTTP = append(all.HTTP, listener)
		}
	}
	if errs != nil {
		all.Close()
	}
	return all, errors.Join(errs...)
}

// Close closes those that nobody serves.
func (l Listeners) Close() {
	for _, one := range append(append([]net.Listener(nil), l.HTTP...), l.Streams...) {
		_ = one.Close() // the service manager keeps its own
	}
}
