package systemd

import (
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells the service manager how the service is doing. Its methods may be called from any goroutine, and of a nil
// Notifier too: they do nothing then.
type Notifier struct {
	log      *slog.Logger
	watchdog time.Duration

	mu     sync.Mutex // held over the send: messages keep their order
	status string
	failed bool // the last message did not get through
}

// NewNotifier takes the address of the service manager and its watchdog's time from the environment. It returns nil if
// there is none.
func NewNotifier(log *slog.Logger) *Notifier {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not fed", "error", err)
	}
	return &Notifier{log: log, watchdog: watchdog}
}

// Watchdog is how long the service manager waits for [Notifier.Feed] before it kills the service; 0: for ever.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that the service has started, or has finished what Reloading began.
func (n *Notifier) Ready() { n.send(daemon.SdNotifyReady) }

// Status is shown by systemctl status. What was said last is not said again.
func (n *Notifier) Status(text string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if text != n.status && n.tell("STATUS="+strings.ReplaceAll(text, "\n", " ")) {
		n.status = text
	}
}

// Feed keeps the watchdog quiet for its time.
func (n *Notifier) Feed() { n.send(daemon.SdNotifyWatchdog) }

// Reload tells the service manager that reload is under way while it runs, and that the service is ready again after it,
// whatever it returned: a configuration that is refused leaves the service as it was.
func (n *Notifier) Reload(reload func() error) error {
	n.send(strings.TrimSpace(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec()))
	err := reload()
	n.send(daemon.SdNotifyReady)
	return err
}

// Stopping says that the service is ending.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

func (n *Notifier) send(state string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tell(state)
}

// tell sends with mu held. Failures are logged at their edge: one of them would else be logged twice a second.
func (n *Notifier) tell(state string) bool {
	_, err := daemon.SdNotify(false, state)
	if err != nil && !n.failed {
		n.log.Warn("the service manager could not be told", "message", state, "error", err)
	}
	n.failed = err != nil
	return err == nil
}
