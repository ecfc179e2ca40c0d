package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Token lets a program in. A good one is let in even from an address that has been wrong too often: nobody gets there by guessing.
func (k *Keeper) Token(from netip.Addr, token string) (Grant, error) {
	b := k.book.Load()
	if b == nil {
		return Anyone(), nil
	}
	var found *account
	if len(token) == tokenLength && strings.HasPrefix(token, TokenPrefix) {
		sum := sha256.Sum256([]byte(token))
		for _, a := range b.digests { // all of them, wherever it is
			if subtle.ConstantTimeCompare(sum[:], a.digest) == 1 {
				found = a
			}
		}
	}
	if found == nil {
		return Grant{}, k.forged(from, WrongToken)
	}
	if found.ended(k.now()) {
		return Grant{}, k.expired()
	}
	k.stats.succeeded(Token)
	return found.grant(), nil
}

// forged is the error for a token, session or link that never was one.
func (k *Keeper) forged(from netip.Addr, r Reason) error {
	now := k.now()
	try, wait, first := k.limits.forgeries.begin(from, now)
	if wait > 0 {
		k.stats.failed(LimitedAddress)
		if first {
			k.log.Warn("too many wrong tokens, sessions or links from one address: it is refused for now", "address", network(from).String())
		}
		return &Limited{wait}
	}
	try.end(true, now)
	k.stats.failed(r)
	return ErrUnknown
}

func (k *Keeper) expired() error {
	k.stats.failed(Expired)
	return ErrExpired
}

// What is signed has this form, in base64 for URLs without padding:
//
//	version 1 | kind of the account 1 | end 8, seconds since 1970 | proof 16 | name, 1 to 64 | HMAC-SHA-256 32
//
// The HMAC is over all before it, and for a link over the camera too.
const (
	version    = 1
	signedHead = 1 + 1 + 8 + len(proof{})
	minSigned  = signedHead + 1 + sha256.Size
	maxSigned  = signedHead + 64 + sha256.Size
)

const (
	forSession = "camgw session 1"
	forLink    = "camgw link 1"
)

var encoding = base64.RawURLEncoding.Strict() // one text for each value

func (b *book) sign(purpose, camera string, kind Kind, name string, p proof, until time.Time) string {
	v := make([]byte, 0, maxSigned)
	v = append(v, version, byte(kind))
	v = binary.BigEndian.AppendUint64(v, uint64(until.Unix()))
	v = append(v, p[:]...)
	v = append(v, name...)
	sum := keyed(b.key, purpose, []byte(camera), v)
	return encoding.EncodeToString(append(v, sum[:]...))
}

// signed is what a value says whose signature is good.
type signed struct {
	kind  Kind
	name  string
	proof proof
	until time.Time
}

func (b *book) verify(purpose, camera, value string) (s signed, ok bool) {
	if len(value) < encoding.EncodedLen(minSigned) || len(value) > encoding.EncodedLen(maxSigned) || strings.ContainsAny(value, "\r\n") {
		return signed{}, false // base64 would overlook line ends
	}
	v, err := encoding.DecodeString(value)
	if err != nil || len(v) < minSigned {
		return signed{}, false
	}
	v, sum := v[:len(v)-sha256.Size], v[len(v)-sha256.Size:]
	want := keyed(b.key, purpose, []byte(camera), v)
	if subtle.ConstantTimeCompare(want[:], sum) != 1 || v[0] != version {
		return signed{}, false
	}
	s.kind = Kind(v[1])
	s.until = time.Unix(int64(binary.BigEndian.Uint64(v[2:])), 0)
	s.proof = proof(v[10:signedHead])
	s.name = string(v[signedHead:])
	return s, true
}

// behind finds the account that a signed value was made for, unless its time has come or it was revoked.
func (b *book) behind(s signed, now time.Time) *account {
	a := b.of(s.kind, s.name)
	if a == nil || !a.proof.is(s.proof) || a.ended(now) || !now.Before(s.until) {
		return nil
	}
	return a
}

// earlier is the end of what ends with an account, which may be endless, or before it.
func earlier(account, own time.Time) time.Time {
	if !account.IsZero() && account.Before(own) {
		return account
	}
	return own
}

// NewSession makes the value of a page's cookie for who has shown to be a user, or has a token or another session. A changed
// password, like a removed account, ends it. Its role and cameras are those that the account has when it is used.
func (k *Keeper) NewSession(g Grant) (value string, until time.Time, err error) {
	b := k.book.Load()
	if b == nil || g.Kind == Link || g.Kind == Anonymous || !k.Still(g) {
		return "", time.Time{}, ErrForbidden
	}
	until = k.now().Add(time.Duration(k.session.Load()))
	if a := b.of(g.maker, g.Name); a != nil { // it may have gone this moment
		until = earlier(a.Until, until)
	}
	until = until.Truncate(time.Second)
	for {
		value = b.sign(forSession, "", g.maker, g.Name, g.proof, until)
		if !k.over.has(idOf(value)) {
			return value, until, nil
		}
		until = until.Add(-time.Second) // who signs in again within the second he signed out in has another
	}
}

// Session lets in who has signed in before.
func (k *Keeper) Session(from netip.Addr, value string) (Grant, error) {
	b := k.book.Load()
	if b == nil {
		return Anyone(), nil
	}
	s, ok := b.verify(forSession, "", value)
	if !ok {
		return Grant{}, k.forged(from, WrongSession)
	}
	a, id := b.behind(s, k.now()), idOf(value)
	if a == nil || k.over.has(id) {
		return Grant{}, k.expired()
	}
	k.stats.succeeded(Session)
	g := a.grant()
	g.Kind, g.Until, g.session = Session, earlier(a.Until, s.until), id
	return g, nil
}

// mayLink reports whether the account may make links to a camera.
func (a *account) mayLink(camera string) bool {
	return a.Role >= Operator && camera != "" && (a.Cameras == nil || slices.Contains(a.Cameras, camera))
}

// NewLink makes the value of ?sig= that lets its bearer see one camera, as a viewer. It ends at until, rounded down to a second; and
// when its maker is removed, gets another password, or may no longer make it.
func (k *Keeper) NewLink(g Grant, camera string, until time.Time) (value string, err error) {
	b, now := k.book.Load(), k.now()
	if b == nil || g.Kind == Link || !k.Still(g) || !g.May(Operator) || camera == "" || !g.Sees(camera) {
		return "", ErrForbidden
	}
	until = until.Truncate(time.Second)
	if !now.Before(until) || until.Sub(now) > MaxLink {
		return "", ErrUntil
	}
	return b.sign(forLink, camera, g.maker, g.Name, g.proof, until), nil
}

// Link lets in who has a link to a camera.
func (k *Keeper) Link(from netip.Addr, camera, value string) (Grant, error) {
	b := k.book.Load()
	if b == nil {
		return Anyone(), nil
	}
	s, ok := b.verify(forLink, camera, value)
	if !ok || camera == "" {
		return Grant{}, k.forged(from, WrongLink)
	}
	a := b.behind(s, k.now())
	if a == nil || !a.mayLink(camera) {
		return Grant{}, k.expired()
	}
	k.stats.succeeded(Link)
	return Grant{Name: a.Name, Role: Viewer, Cameras: []string{camera}, Until: earlier(a.Until, s.until), Kind: Link, maker: a.kind, proof: a.proof}, nil
}

// Maker is the grant of an account for making links in its name. It is for the commands of who owns the file, and asks for nothing.
func (k *Keeper) Maker(kind Kind, name string) (Grant, error) {
	a := k.book.Load().of(kind, name)
	if a == nil {
		return Grant{}, ErrUnknown
	}
	if a.ended(k.now()) {
		return Grant{}, ErrExpired
	}
	return a.grant(), nil
}
