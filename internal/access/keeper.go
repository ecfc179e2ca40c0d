package access

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// What is answered to who is not let in. None of them tells more than that: what was wrong, only the counters know.
var (
	ErrUnknown = errors.New("nobody is known by that")            // a wrong credential, or none
	ErrExpired = errors.New("it was good once, and is no longer") // a token, session or link that has ended or was revoked

	// Of making links and sessions.
	ErrForbidden = errors.New("that is more than this account may do")
	ErrUntil     = errors.New("the end must lie ahead, and not more than a year")
)

// Limited is the error for who has been wrong too often, or comes while too many wait. Nothing was looked at.
type Limited struct {
	RetryAfter time.Duration // more than 0
}

func (l *Limited) Error() string {
	return fmt.Sprintf("too many attempts; try: again in %v", l.RetryAfter.Round(time.Second))
}

// Options are what a Keeper can be given. The zero value is good.
type Options struct {
	Logger *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // nil: time.Now

	Session   time.Duration // how long a session lasts; 0: DefaultSession
	Addresses int           // whose failures are remembered, of each kind; 0: 4096
	Waiting   int           // passwords that may wait to be checked; 0: 16
}

const (
	// DefaultSession is how long a session lasts.
	DefaultSession = 30 * 24 * time.Hour
	// MaxLink is how long a link may last.
	MaxLink = 366 * 24 * time.Hour
)

// Keeper knows who may do what. All methods may be called at any time by anybody.
type Keeper struct {
	log     *slog.Logger
	now     func() time.Time
	session atomic.Int64 // time.Duration
	stats   counters

	own    []byte // of this process alone: for the cache, and in place of a book without a key
	limits limits
	turn   chan struct{} // who holds its one place may compute a bcrypt

	compare func(hash, password []byte) error // bcrypt; tests have a faster one

	over signedOut
	book atomic.Pointer[book] // nil: nobody is asked who he is

	mu      sync.Mutex
	flights map[flightKey]*flight
	waiting int // of the flights
	most    int // of waiting
}

// New returns a Keeper that asks nobody who he is, until Replace.
func New(o Options) *Keeper {
	k := &Keeper{
		log: o.Logger, now: o.Now, own: NewKey(), turn: make(chan struct{}, 1), compare: bcrypt.CompareHashAndPassword,
		flights: make(map[flightKey]*flight), most: o.Waiting,
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.now == nil {
		k.now = time.Now
	}
	if o.Session <= 0 {
		o.Session = DefaultSession
	}
	k.Sessions(o.Session)
	if k.most <= 0 {
		k.most = 16
	}
	if o.Addresses <= 0 {
		o.Addresses = 4096
	}
	k.limits = newLimits(o.Addresses)
	return k
}

// Sessions sets how long sessions last that are made from now on.
func (k *Keeper) Sessions(last time.Duration) { k.session.Store(int64(last)) }

// book is a Book as it is looked things up in. It is frozen, but for its cache.
type book struct {
	key     []byte
	users   map[string]*account
	tokens  map[string]*account
	digests []*account // the tokens, in the order of the Book
	costs   []int      // of bcrypt, of each user; never empty
	cache   cache
}

// account is an Account that Check has found good.
type account struct {
	Account
	kind   Kind
	digest []byte // of a token
	proof  proof
}

// Replace makes b everybody there is. What was remembered of passwords is forgotten. An account that Check finds fault with is left
// out: whoever makes the Book tells its mistakes.
func (k *Keeper) Replace(b Book) {
	next := &book{key: b.Key, users: make(map[string]*account), tokens: make(map[string]*account)}
	if len(next.key) == 0 {
		next.key = k.own
	}
	add := func(kind Kind, a Account, to map[string]*account) *account {
		if err := a.Check(kind); err != nil {
			k.log.Error("an account that makes no sense is left out", "kind", kind.String(), "name", a.Name, "error", err)
			return nil
		}
		if _, twice := to[a.Name]; twice {
			k.log.Error("an account that is there twice is left out the second time", "kind", kind.String(), "name", a.Name)
			return nil
		}
		a.Cameras = slices.Clone(a.Cameras)
		sum := keyed(next.key, "camgw proof 1", []byte{byte(kind)}, []byte(a.Name), []byte(a.Secret))
		one := &account{Account: a, kind: kind, proof: proof(sum[:])}
		to[a.Name] = one
		return one
	}
	for _, a := range b.Users {
		if one := add(User, a, next.users); one != nil {
			cost, _ := bcrypt.Cost([]byte(one.Secret)) // Check has seen it
			next.costs = append(next.costs, cost)
		}
	}
	if len(next.costs) == 0 {
		next.costs = []int{Cost}
	}
	for _, a := range b.Tokens {
		if one := add(Token, a, next.tokens); one != nil {
			one.digest, _ = hex.DecodeString(one.Secret) // likewise
			next.digests = append(next.digests, one)
		}
	}
	k.book.Store(next)
}

// Required reports whether anybody has to say who he is. Without a Book everybody is what Anyone returns.
func (k *Keeper) Required() bool { return k.book.Load() != nil }

// Anyone is who everybody is while nobody has to say who he is.
func Anyone() Grant { return Grant{Role: Admin} }

// of finds an account.
func (b *book) of(kind Kind, name string) *account {
	switch {
	case b == nil:
		return nil
	case kind == User:
		return b.users[name]
	case kind == Token:
		return b.tokens[name]
	}
	return nil
}

// grant is what the account gives to who has shown to be it.
func (a *account) grant() Grant {
	return Grant{Name: a.Name, Role: a.Role, Cameras: a.Cameras, Until: a.Until, Kind: a.kind, maker: a.kind, proof: a.proof}
}

func (a *account) ended(now time.Time) bool { return ended(a.Until, now) }

func ended(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

// Still reports whether a grant that was given before would be given again: nobody has removed the account behind it, changed its
// password, role or cameras, it was not signed out, and its time has not come. Who lets something go on for long asks after each Replace
// and SignOut, and once more when it has been noted down as going on: else what began during one would be missed.
func (k *Keeper) Still(g Grant) bool {
	b, now := k.book.Load(), k.now()
	if g.Kind == Anonymous {
		return b == nil && g.Role == Admin && g.Cameras == nil
	}
	a := b.of(g.maker, g.Name)
	if a == nil || !a.proof.is(g.proof) || a.ended(now) || ended(g.Until, now) || k.over.has(g.session) {
		return false
	}
	if g.Kind == Link {
		return g.Role == Viewer && len(g.Cameras) == 1 && a.mayLink(g.Cameras[0])
	}
	return g.Role == a.Role && (g.Cameras == nil) == (a.Cameras == nil) && slices.Equal(g.Cameras, a.Cameras)
}
