package access

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
	"pgregory.net/rapid"
)

// TestGuessing: ten wrong passwords, and then the right one is refused too; but what cannot be guessed is not.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		ann := r.in(t, "ann")
		session, _, err := r.NewSession(ann)
		if err != nil {
			t.Fatal(err)
		}
		sig := r.link(t, ann, "door")
		for i := range guessBurst {
			if _, err := r.Password(t.Context(), home, "ann", fmt.Sprint("guess ", i)); !errors.Is(err, ErrUnknown) {
				t.Fatalf("guess %d: %v", i, err)
			}
		}
		before := r.count()
		_, err = r.Password(t.Context(), home, "ann", secret)
		wait := limitedFor(err)
		if wait <= 0 || wait > guessEvery+time.Second {
			t.Fatalf("%v", err)
		}
		if _, err := r.Password(t.Context(), home, "vic", secret); limitedFor(err) == 0 {
			t.Errorf("another user: %v", err)
		}
		if r.count() != before {
			t.Error("bcrypt was computed for who is refused")
		}
		for name, f := range map[string]func() (Grant, error){
			"token":                func() (Grant, error) { return r.Token(home, r.token) },
			"session":              func() (Grant, error) { return r.Session(home, session) },
			"link":                 func() (Grant, error) { return r.Link(home, "door", sig) },
			"from another address": func() (Grant, error) { return r.Password(t.Context(), away, "ann", secret) },
		} {
			if _, err := f(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		time.Sleep(wait)
		if _, err := r.Password(t.Context(), home, "ann", secret); err != nil {
			t.Errorf("after %v: %v", wait, err)
		}
		// Being right does not wipe the slate: one more is wrong, and it is refused again.
		if _, err := r.Password(t.Context(), home, "ann", "x"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%v", err)
		}
		if _, err := r.Password(t.Context(), home, "ann", "x"); limitedFor(err) == 0 {
			t.Errorf("%v", err)
		}
		time.Sleep(guessBurst * guessEvery)
		if n := r.limits.guesses.size(); n > 1 {
			t.Errorf("%d addresses", n)
		}
		_ = r.in(t, "ann")
		if n := r.limits.guesses.size(); n != 0 {
			t.Errorf("%d addresses are remembered for nothing", n)
		}
		if s := r.Stats(); s.Failures[LimitedAddress] != 3 || s.Failures[WrongPassword] != 11 {
			t.Errorf("%+v", s)
		}
	})
}

// TestForging: who sends tokens that are none is told to wait at last, and good ones are let in all the same.
func TestForging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		for i := range forgeBurst {
			var err error
			switch i % 3 {
			case 0:
				_, err = r.Token(home, NewToken())
			case 1:
				_, err = r.Session(home, strings.Repeat("A", 100))
			case 2:
				_, err = r.Link(home, "door", "")
			}
			if !errors.Is(err, ErrUnknown) {
				t.Fatalf("%d: %v", i, err)
			}
		}
		if _, err := r.Token(home, NewToken()); limitedFor(err) == 0 {
			t.Errorf("%v", err)
		}
		if _, err := r.Token(home, r.token); err != nil {
			t.Errorf("%v", err)
		}
		_ = r.in(t, "ann")
		if s := r.Stats(); s.Failures[WrongToken] != 20 || s.Failures[WrongSession] != 20 || s.Failures[WrongLink] != 20 || s.Failures[LimitedAddress] != 1 || s.Remembered != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatCountsAsOneAddress(t *testing.T) {
	same := func(a, b string) bool { return network(netip.MustParseAddr(a)) == network(netip.MustParseAddr(b)) }
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false}, {"192.0.2.1", "::ffff:192.0.2.1", true}, {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false}, {"fe80::1%eth0", "fe80::2%wlan0", true}, {"127.0.0.1", "127.0.0.2", false},
		{"::1", "127.0.0.1", false},
	} {
		if same(c.a, c.b) != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, !c.same)
		}
	}
	if network(netip.Addr{}).IsValid() {
		t.Error("no address is one")
	}
	// Neither loopback nor no address at all has a privilege.
	r := newRig(t, Options{})
	for _, from := range []netip.Addr{{}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")} {
		for i := range guessBurst + 1 {
			_, err := r.Password(t.Context(), from, "ann", fmt.Sprint(from, i))
			if limited := limitedFor(err) > 0; limited != (i == guessBurst) || err == nil {
				t.Errorf("%v, %d: %v", from, i, err)
			}
		}
	}
}

// TestLimitsHold: whoever makes whatever others fail, no address gets more failures than its own allow, and the table stays bounded.
func TestLimitsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		table := newTable(most, guessEvery, guessBurst)
		now := time.Unix(1e9, 0)
		begun := now
		failures := map[byte]int{}
		type going struct {
			attempt
			of byte
		}
		var all []going
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			who := rapid.Byte().Draw(t, "who") % 24
			if rapid.Bool().Draw(t, "many of one") {
				who = 0
			}
			from := netip.AddrFrom4([4]byte{10, 0, 0, who})
			if a, wait, _ := table.begin(from, now); wait == 0 {
				all = append(all, going{a, who})
			}
			for len(all) > rapid.IntRange(0, 12).Draw(t, "open") {
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				failed := rapid.Bool().Draw(t, "failed") || all[i].of == 0
				if failed {
					failures[all[i].of]++
				}
				all[i].end(failed, now)
				all = slices.Delete(all, i, i+1)
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			if n := len(table.buckets); n > most {
				t.Fatalf("%d of %d addresses", n, most)
			}
		}
		// Those in the table have a bucket each; those beyond it one together, and may have come and gone between: an address can have
		// had both.
		for who, n := range failures {
			if allowed := 2 * (guessBurst + 1 + int(now.Sub(begun)/guessEvery)); n > allowed {
				t.Fatalf("address %d failed %d times in %v; %d are allowed", who, n, now.Sub(begun), allowed)
			}
		}
	})
}

// TestNobodyWipesHisSlate: with the table full of others, an address that has used up its guesses has none more.
func TestNobodyWipesHisSlate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Addresses: 100})
		guess := func(from netip.Addr, i int) error {
			_, err := r.Password(t.Context(), from, "ann", fmt.Sprint(from, i))
			return err
		}
		for i := range guessBurst {
			_ = guess(home, i)
		}
		refused := 0
		for i := range 5000 {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(i))
			if limitedFor(guess(netip.AddrFrom4(a), i)) > 0 {
				refused++
			}
		}
		if limitedFor(guess(home, 99)) == 0 {
			t.Error("it may guess again")
		}
		if s := r.Stats(); s.Remembered > 100 || refused != 5000-99-guessBurst {
			t.Errorf("%d were refused; %+v", refused, s)
		}
		// When they have been quiet, they are forgotten and there is room again.
		time.Sleep(time.Minute * 2)
		if err := guess(away, 0); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		if s := r.Stats(); s.Remembered > 2 {
			t.Errorf("%+v", s)
		}
	})
}

// TestOneAtATime: many wait for one bcrypt, but not more than may, and not longer than somebody waits for them.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Waiting: 5})
		r.hold = make(chan struct{})
		from := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 100)
		for i := range 6 { // one computes, and five wait
			go func() {
				ctx := ctx
				if i == 0 {
					ctx = t.Context()
				}
				_, err := r.Password(ctx, from(i), "ann", secret)
				results <- err
			}()
			synctest.Wait()
		}
		if s := r.Stats(); s.Waiting != 5 || s.Checks != 1 {
			t.Fatalf("%+v", s)
		}
		if _, err := r.Password(t.Context(), from(9), "ann", secret); limitedFor(err) != busyRetry {
			t.Errorf("one more: %v", err)
		}
		cancel()
		for range 5 {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
		if s := r.Stats(); s.Waiting != 0 || s.Failures[Busy] != 1 {
			t.Errorf("%+v", s)
		}
		close(r.hold)
		if err := <-results; err != nil {
			t.Error(err)
		}
		for i := range 4 {
			go func() {
				_, err := r.Password(t.Context(), from(20+i), "oli", fmt.Sprint(i))
				results <- err
			}()
		}
		for range 4 {
			<-results
		}
		if r.most != 1 {
			t.Errorf("%d at once", r.most)
		}
	})
}

// TestOnePageIsOneGuess: a page that sends the same password with each of its pictures is one attempt, right or wrong.
func TestOnePageIsOneGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.hold = make(chan struct{})
		results := make(chan error, 40)
		first, cancel := context.WithCancel(t.Context())
		for i := range 40 {
			go func() {
				ctx := t.Context()
				if i == 0 {
					ctx = first
				}
				_, err := r.Password(ctx, home, "ann", []string{secret, "wrong"}[i%2])
				results <- err
			}()
			synctest.Wait()
		}
		cancel() // who came first goes, and it is already being computed: nobody notices
		close(r.hold)
		good, bad := 0, 0
		for range 40 {
			switch err := <-results; {
			case err == nil:
				good++
			case errors.Is(err, ErrUnknown):
				bad++
			default:
				t.Error(err)
			}
		}
		if s := r.Stats(); good != 20 || bad != 20 || s.Checks != 2 || s.Failures[WrongPassword] != 1 {
			t.Errorf("%d, %d, %+v", good, bad, s)
		}
	})
}

// TestWhoWaitsWithSomebodyThatLeaves has to do it himself.
func TestWhoWaitsWithSomebodyThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.hold = make(chan struct{})
		results := make(chan error, 3)
		go func() { // holds the turn
			_, err := r.Password(t.Context(), away, "vic", "x")
			results <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := r.Password(ctx, home, "ann", secret)
			left <- err
		}()
		synctest.Wait()
		for range 2 {
			go func() {
				_, err := r.Password(t.Context(), home, "ann", secret)
				results <- err
			}()
		}
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(r.hold)
		wrong := 0
		for range 3 {
			if err := <-results; err != nil {
				wrong++
			}
		}
		if wrong != 1 || len(r.flights) != 0 || r.Stats().Checks != 2 {
			t.Errorf("%d, %+v", wrong, r.Stats())
		}
	})
}

// TestStrangersCostTheSame: a name that nobody has takes one bcrypt, of a cost that a user has, and the same each time.
func TestStrangersCostTheSame(t *testing.T) {
	r := newRig(t, Options{Addresses: 1000})
	r.with(func(b *Book) { b.Users[0].Secret, b.Users[1].Secret = r.hashAt(secret, 12), r.hashAt(secret, 13) })
	costs := map[int]int{}
	for i := range 200 {
		from := netip.AddrFrom4([4]byte{10, 0, 1, byte(i)})
		name := fmt.Sprint("stranger", i/2)
		if _, err := r.Password(t.Context(), from, name, fmt.Sprint(i)); !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
		if r.count() != i+1 {
			t.Fatalf("%d bcrypts for %d names", r.count(), i+1)
		}
		cost, err := bcrypt.Cost([]byte(r.computed[i]))
		if err != nil {
			t.Fatal(err)
		}
		costs[cost]++
		if i%2 == 1 && r.computed[i] != r.computed[i-1] {
			t.Errorf("%s costs now this, now that", name)
		}
	}
	if len(costs) != 3 || costs[10] == 0 || costs[12] == 0 || costs[13] == 0 {
		t.Errorf("%v", costs)
	}
	// What is no password takes as long as one.
	before := r.count()
	for i, p := range []string{"", strings.Repeat("x", 73), strings.Repeat("x", 1<<20), "a\x00b"} {
		if _, err := r.Password(t.Context(), netip.AddrFrom4([4]byte{10, 0, 2, byte(i)}), "vic", p); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	}
	if r.count() != before+4 {
		t.Errorf("%d for 4", r.count()-before)
	}
	// The hashes for strangers are such that bcrypt does its whole work, and nobody has their password.
	for cost, h := range strangers {
		if got, err := bcrypt.Cost([]byte(h)); err != nil || got != cost {
			t.Errorf("%d: %v, %v", cost, got, err)
		}
	}
	if err := bcrypt.CompareHashAndPassword([]byte(strangers[Cost]), []byte("-")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("%v", err)
	}
}

// TestCache: only what was right is remembered, only for who and what it was right for, and only until the next Book (CVE-2022-46146).
func TestCache(t *testing.T) {
	r := newRig(t, Options{Addresses: 1000})
	_ = r.in(t, "ann")
	n := r.count()
	for range 5 {
		_ = r.in(t, "ann")
	}
	if s := r.Stats(); r.count() != n || s.CacheHits != 5 || s.Checks != 1 {
		t.Errorf("%d, %+v", r.count(), s)
	}
	for range 3 {
		_, _ = r.Password(t.Context(), home, "ann", "wrong")
	}
	if r.count() != n+3 {
		t.Error("a wrong password is remembered")
	}
	if len(r.Keeper.book.Load().cache.good) != 1 {
		t.Errorf("%d are remembered", len(r.Keeper.book.Load().cache.good))
	}
	r.Replace(r.book)
	_ = r.in(t, "ann")
	if r.count() != n+4 {
		t.Error("it is remembered beyond the book")
	}
	r.with(func(b *Book) { b.Users[0].Secret = r.hash("another one") })
	if _, err := r.Password(t.Context(), home, "ann", secret); !errors.Is(err, ErrUnknown) {
		t.Errorf("the old password: %v", err)
	}
	// The borders between the parts of a key cannot be moved.
	rapid.Check(t, func(t *rapid.T) {
		b := &book{}
		whole := rapid.StringN(0, 40, -1).Draw(t, "whole")
		cut := func(name string) [3]string {
			i := rapid.IntRange(0, len(whole)).Draw(t, name)
			j := rapid.IntRange(i, len(whole)).Draw(t, name)
			return [3]string{whole[:i], whole[i:j], whole[j:]}
		}
		key := func(p [3]string) cacheKey {
			return b.cacheKey(r.own, &account{Account: Account{Secret: p[2]}}, p[0], p[1])
		}
		one, two := cut("one"), cut("two")
		if (key(one) == key(two)) != (one == two) {
			t.Fatalf("%q and %q", one, two)
		}
	})
	b := &book{}
	one, other := b.cacheKey(NewKey(), nil, "a", "b"), b.cacheKey(NewKey(), nil, "a", "b")
	if one == other {
		t.Error("two processes make the same keys")
	}
}
