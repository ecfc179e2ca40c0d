package access

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Password lets a user in. A name that nobody has takes as long as a wrong password. It may wait for others' passwords to be
// checked, at most until ctx ends, with ctx's error then. An address that has been wrong too often is refused whatever it says:
// else it could go on guessing.
func (k *Keeper) Password(ctx context.Context, from netip.Addr, user, password string) (Grant, error) {
	for {
		b := k.book.Load()
		if b == nil {
			return Anyone(), nil
		}
		g, err, again := k.password(ctx, b, from, user, password)
		// Who was removed while his password was being checked is not let in by it.
		if again || err == nil && k.book.Load() != b && !k.Still(g) {
			continue
		}
		return g, err
	}
}

// flightKey is a password on its way from an address. The same one sent ten times over, as by a page with ten pictures, is one attempt.
type flightKey struct {
	from netip.Addr
	key  cacheKey
}

type flight struct {
	done      chan struct{}
	good      bool
	err       error // of the limits
	abandoned bool  // who has sent it is gone, and those who wait have to send it themselves
}

func (k *Keeper) password(ctx context.Context, b *book, from netip.Addr, user, password string) (g Grant, err error, again bool) {
	a := b.users[user]
	key := b.cacheKey(k.own, a, user, password)
	id := flightKey{network(from).Addr(), key}

	k.mu.Lock()
	f, joined := k.flights[id]
	if !joined {
		f = &flight{done: make(chan struct{})}
		k.flights[id] = f
	}
	k.mu.Unlock()
	if joined {
		select {
		case <-f.done:
		case <-ctx.Done():
			return Grant{}, ctx.Err(), false
		}
		if f.abandoned {
			return Grant{}, nil, true
		}
	} else {
		f.good, f.err = k.check(ctx, b, from, a, key, user, password)
		f.abandoned = f.err != nil && ctx.Err() != nil && errors.Is(f.err, ctx.Err())
		k.mu.Lock()
		delete(k.flights, id)
		k.mu.Unlock()
		close(f.done)
	}
	switch {
	case f.err != nil:
		return Grant{}, f.err, false
	case !f.good:
		return Grant{}, ErrUnknown, false
	}
	if a.ended(k.now()) {
		k.stats.failed(Expired)
		return Grant{}, ErrExpired, false
	}
	k.stats.succeeded(User)
	return a.grant(), nil, false
}

// check finds out whether a password is right: err is of the limits, or ctx's.
func (k *Keeper) check(ctx context.Context, b *book, from netip.Addr, a *account, key cacheKey, user, password string) (good bool, err error) {
	try, wait, first := k.limits.guesses.begin(from, k.now())
	if wait > 0 {
		k.stats.failed(LimitedAddress)
		if first {
			k.log.Warn("too many wrong passwords from one address: it is refused for now", "address", network(from).String())
		}
		return false, &Limited{wait}
	}
	// Whatever does not end well counts as wrong, also when it was too busy to find out or nobody waited for it: that the answer was
	// not yes at once already tells that it is none of the passwords that are remembered.
	defer func() { try.end(!good, k.now()) }()
	if a != nil && b.cache.has(key) {
		k.stats.hits.Add(1)
		return true, nil
	}
	if err := k.takeTurn(ctx); err != nil {
		return false, err
	}
	defer k.endTurn()
	if a != nil && b.cache.has(key) { // somebody else's turn has found it out
		k.stats.hits.Add(1)
		return true, nil
	}
	k.stats.checks.Add(1)
	if b.matches(k, a, user, password) {
		b.cache.put(key)
		return true, nil
	}
	k.stats.failed(WrongPassword)
	name := "unknown" // what was typed there may be a password
	if a != nil {
		name = a.Name
	}
	k.log.Warn("wrong password", "address", from.String(), "user", name)
	return false, nil
}

// matches computes one bcrypt, whatever it is given.
func (b *book) matches(k *Keeper, a *account, user, password string) bool {
	// bcrypt looks at 72 bytes, repeats what is shorter with a zero byte between, and knows no empty password.
	sane := password != "" && len(password) <= MaxPassword && strings.IndexByte(password, 0) < 0
	if !sane {
		password = "-"
	}
	hash := ""
	if a != nil {
		hash = a.Secret
	} else {
		// A name that nobody has costs what one of the users costs, and always the same one's.
		sum := keyed(k.own, "camgw stranger 1", []byte(user))
		hash = strangers[b.costs[binary.BigEndian.Uint32(sum[:])%uint32(len(b.costs))]]
	}
	return k.compare([]byte(hash), []byte(password)) == nil && a != nil && sane
}

// strangers are hashes by their cost, of passwords that nobody knows: bcrypt runs before it looks at the last 31 characters.
var strangers = func() map[int]string {
	all := make(map[int]string)
	for cost := minCost; cost <= maxCost; cost++ {
		all[cost] = "$2a$" + string(rune('0'+cost/10)) + string(rune('0'+cost%10)) + "$" + strings.Repeat("S", 21) + "u" + strings.Repeat("S", 30) + "u"
	}
	return all
}()

// busyRetry is when who finds too many waiting may come again.
const busyRetry = 2 * time.Second

// takeTurn waits to be the one who computes a bcrypt: more at once would take a small machine's every core from the cameras.
func (k *Keeper) takeTurn(ctx context.Context) error {
	k.mu.Lock()
	if k.waiting >= k.most {
		k.mu.Unlock()
		k.stats.failed(Busy)
		return &Limited{busyRetry}
	}
	k.waiting++
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.waiting--
		k.mu.Unlock()
	}()
	select {
	case k.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *Keeper) endTurn() { <-k.turn }

// cacheKey stands for a user, a password, and the hash it was checked against.
type cacheKey [32]byte

// cacheKey is made with a key that only this process has, over parts whose borders cannot be moved: nobody can make one that is
// another's.
func (b *book) cacheKey(own []byte, a *account, user, password string) cacheKey {
	hash := ""
	if a != nil {
		hash = a.Secret
	}
	return keyed(own, "camgw cache 1", []byte(user), []byte(password), []byte(hash))
}

// cache remembers passwords that were right: of each user there is one, so that it never has more entries than there are users.
// What was wrong is never remembered.
type cache struct {
	mu   sync.Mutex
	good map[cacheKey]struct{}
}

func (c *cache) has(key cacheKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.good[key]
	return ok
}

func (c *cache) put(key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good == nil {
		c.good = make(map[cacheKey]struct{})
	}
	if len(c.good) < MaxAccounts {
		c.good[key] = struct{}{}
	}
}
