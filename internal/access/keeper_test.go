package access

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

var home = netip.MustParseAddr("192.0.2.7")

const secret = "correct horse"

// someone is a book with a user of each role, one of them for one camera, and a token.
func someone(t testing.TB) (Book, string) {
	t.Helper()
	token := NewToken()
	return Book{
		Key: NewKey(),
		Users: []Account{
			{Name: "ann", Secret: hashed(t, secret), Role: Admin},
			{Name: "oli", Secret: hashed(t, secret), Role: Operator},
			{Name: "vic", Secret: hashed(t, secret), Role: Viewer, Cameras: []string{"door"}},
		},
		Tokens: []Account{{Name: "prom", Secret: TokenDigest(token), Role: Viewer}},
	}, token
}

func hashed(t testing.TB, password string) string {
	t.Helper()
	h, err := HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWhoIsLetIn(t *testing.T) {
	k := New(Options{})
	if g, err := k.Password(t.Context(), home, "x", ""); err != nil || k.Required() || !g.May(Admin) || !k.Still(g) {
		t.Fatalf("without a book: %+v, %v", g, err)
	}
	b, token := someone(t)
	k.Replace(b)
	if !k.Required() || k.Still(Anyone()) {
		t.Fatal("with a book everybody is still an admin")
	}
	g, err := k.Password(context.Background(), home, "vic", secret)
	if err != nil || g.Role != Viewer || !g.Sees("door") || g.Sees("yard") || g.Sees("") || !k.Still(g) {
		t.Fatalf("%+v, %v", g, err)
	}
	if _, err := k.Password(t.Context(), home, "vic", secret+"x"); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	if g, err := k.Token(home, token); err != nil || g.Name != "prom" || !g.Sees("") {
		t.Fatalf("%+v, %v", g, err)
	}
	value, until, err := k.NewSession(g)
	if err != nil || time.Until(until) < time.Hour {
		t.Fatal(until, err)
	}
	if s, err := k.Session(home, value); err != nil || s.Name != "vic" || s.Kind != Session || !k.Still(s) {
		t.Fatalf("%+v, %v", s, err)
	}
	oli, err := k.Password(t.Context(), home, "oli", secret)
	if err != nil {
		t.Fatal(err)
	}
	link, err := k.NewLink(oli, "yard", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := k.Link(home, "yard", link); err != nil || l.Role != Viewer || l.Sees("door") || !l.Sees("yard") || !k.Still(l) {
		t.Fatalf("%+v, %v", l, err)
	}
	if _, err := k.Link(home, "door", link); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	b.Users = b.Users[:0]
	k.Replace(b)
	for _, g := range []Grant{g, oli} {
		if k.Still(g) {
			t.Errorf("%+v is still there", g)
		}
	}
	if _, err := k.Link(home, "yard", link); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}
