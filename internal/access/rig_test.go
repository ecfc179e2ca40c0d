package access

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	home = netip.MustParseAddr("192.0.2.7")
	away = netip.MustParseAddr("198.51.100.9")
)

const secret = "correct horse"

// rig is a Keeper whose bcrypt is a table, so that thousands of passwords can be tried.
type rig struct {
	*Keeper
	book  Book
	token string // of the Account prom

	mu       sync.Mutex
	known    map[string]string // passwords by hash
	computed []string          // hashes that were compared with
	running  int
	most     int           // of running
	hold     chan struct{} // if not nil, each comparison takes one from it
}

// newRig has an admin ann, an operator oli, a viewer vic for the camera door, and a token prom. All passwords are secret.
func newRig(t testing.TB, o Options) *rig {
	t.Helper()
	r := &rig{Keeper: New(o), known: make(map[string]string), token: NewToken()}
	r.compare = r.table
	r.book = Book{
		Key: NewKey(),
		Users: []Account{
			{Name: "ann", Secret: r.hash(secret), Role: Admin},
			{Name: "oli", Secret: r.hash(secret), Role: Operator},
			{Name: "vic", Secret: r.hash(secret), Role: Viewer, Cameras: []string{"door"}},
		},
		Tokens: []Account{{Name: "prom", Secret: TokenDigest(r.token), Role: Viewer}},
	}
	r.Replace(r.book)
	return r
}

// hash is a hash that nobody else has.
func (r *rig) hash(password string) string { return r.hashAt(password, Cost) }

func (r *rig) hashAt(password string, cost int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := fmt.Sprintf("$2a$%02d$%s", cost, base64.RawURLEncoding.EncodeToString(NewKey())+strings.Repeat("x", 10))
	h = strings.NewReplacer("-", ".", "_", "/").Replace(h)
	r.known[h] = password
	return h
}

func (r *rig) table(hash, password []byte) error {
	r.mu.Lock()
	r.computed = append(r.computed, string(hash))
	r.running++
	r.most = max(r.most, r.running)
	r.mu.Unlock()
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	if want, ok := r.known[string(hash)]; ok && want == string(password) {
		return nil
	}
	return errors.New("not that one")
}

func (r *rig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.computed)
}

// with replaces the book by one that change has changed.
func (r *rig) with(change func(b *Book)) {
	b := Book{Key: r.book.Key, Users: append([]Account(nil), r.book.Users...), Tokens: append([]Account(nil), r.book.Tokens...)}
	change(&b)
	r.book = b
	r.Replace(b)
}

// in lets a user in.
func (r *rig) in(t testing.TB, name string) Grant {
	t.Helper()
	g, err := r.Password(t.Context(), home, name, secret)
	if err != nil {
		t.Fatalf("%s is not let in: %v", name, err)
	}
	return g
}

// link makes a link to a camera that is good for an hour.
func (r *rig) link(t testing.TB, g Grant, camera string) string {
	t.Helper()
	v, err := r.NewLink(g, camera, r.now().Add(time.Hour))
	if err != nil {
		t.Fatalf("%s cannot make a link to %s: %v", g.Name, camera, err)
	}
	return v
}

// limitedFor is how long somebody is told to wait; 0 if he is not.
func limitedFor(err error) time.Duration {
	if l, ok := errors.AsType[*Limited](err); ok {
		return l.RetryAfter
	}
	return 0
}
