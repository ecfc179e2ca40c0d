package access

import "sync/atomic"

// Reason is why somebody was not let in.
type Reason int

// The reasons.
const (
	WrongPassword  Reason = iota // or a user that there is not: nobody is told which
	WrongToken                   // that never was one; so of the next two
	WrongSession                 //
	WrongLink                    //
	Expired                      // good once: ended, or revoked
	LimitedAddress               // wrong too often before
	Busy                         // too many passwords waited to be checked
	Reasons                      // how many there are
)

// String is the reason's name in metrics.
func (r Reason) String() string {
	if r >= 0 && r < Reasons {
		return [...]string{"password", "token", "session", "link", "expired", "limited", "busy"}[r]
	}
	return "unknown"
}

// Stats are a Keeper's counters since it was made.
type Stats struct {
	Successes  [kinds]uint64   // by Kind; that of Anonymous stays 0
	Failures   [Reasons]uint64 // by Reason
	CacheHits  uint64          // passwords that were known to be right
	Checks     uint64          // passwords for which bcrypt was computed
	Waiting    int             // passwords that wait for it now
	Remembered int             // addresses that have been wrong lately
	Required   bool
	Users      int
	Tokens     int
}

// Kinds lists the kinds that successes are counted by.
func Kinds() []Kind { return []Kind{User, Token, Session, Link} }

type counters struct {
	successes    [kinds]atomic.Uint64
	failures     [Reasons]atomic.Uint64
	hits, checks atomic.Uint64
}

func (c *counters) succeeded(k Kind) { c.successes[k].Add(1) }
func (c *counters) failed(r Reason)  { c.failures[r].Add(1) }

// Stats returns the counters as they are now.
func (k *Keeper) Stats() Stats {
	s := Stats{CacheHits: k.stats.hits.Load(), Checks: k.stats.checks.Load(), Remembered: k.limits.guesses.size() + k.limits.forgeries.size()}
	for i := range s.Successes {
		s.Successes[i] = k.stats.successes[i].Load()
	}
	for i := range s.Failures {
		s.Failures[i] = k.stats.failures[i].Load()
	}
	if b := k.book.Load(); b != nil {
		s.Required, s.Users, s.Tokens = true, len(b.users), len(b.tokens)
	}
	k.mu.Lock()
	s.Waiting = k.waiting
	k.mu.Unlock()
	return s
}
