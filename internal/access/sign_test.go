package access

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestLinksAndSessions: what was changed in any way, or is used for something else, was never signed.
func TestLinksAndSessions(t *testing.T) {
	r := newRig(t, Options{Addresses: 1})
	ann := r.in(t, "ann")
	session, _, err := r.NewSession(ann)
	if err != nil {
		t.Fatal(err)
	}
	sig := r.link(t, ann, "door")
	refused := func(t interface{ Fatalf(string, ...any) }, camera, value string) {
		if g, err := r.Session(home, value); value != session && (err == nil || errors.Is(err, ErrExpired) || g.Role != None) {
			t.Fatalf("session %q: %+v, %v", value, g, err)
		}
		if g, err := r.Link(home, camera, value); (value != sig || camera != "door") && (err == nil || errors.Is(err, ErrExpired) || g.Role != None) {
			t.Fatalf("link %q to %q: %+v, %v", value, camera, g, err)
		}
	}
	for _, value := range []string{"", session, sig, session + "=", sig + "\n", " " + sig, sig + sig, strings.ToLower(sig), "AQ"} {
		for _, camera := range []string{"door", "yard", "", "doo", "door2", "DOOR"} {
			refused(t, camera, value)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v, err := base64.RawURLEncoding.DecodeString(rapid.SampledFrom([]string{session, sig}).Draw(t, "of"))
		if err != nil {
			t.Fatal(err)
		}
		switch rapid.SampledFrom([]string{"flip", "cut", "add", "swap"}).Draw(t, "how") {
		case "flip":
			v[rapid.IntRange(0, len(v)-1).Draw(t, "where")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case "cut":
			v = v[:rapid.IntRange(0, len(v)-1).Draw(t, "to")]
		case "add":
			v = slices.Insert(v, rapid.IntRange(0, len(v)).Draw(t, "where"), rapid.Byte().Draw(t, "what"))
		case "swap":
			i := rapid.IntRange(1, len(v)-1).Draw(t, "where")
			v = append(slices.Clone(v[i:]), v[:i]...)
		}
		refused(t, "door", base64.RawURLEncoding.EncodeToString(v))
	})
	// A session is no link, even to the camera of no name.
	if _, ok := r.Keeper.book.Load().verify(forLink, "", session); ok {
		t.Error("a session is a link")
	}
	// Text has spare bits at its end, with which one value could be written in several ways.
	for _, value := range []string{session, sig} {
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			refused(t, "door", value[:len(value)-1]+string(c))
		}
	}
	// Of another installation, with the same users.
	other := newRig(t, Options{})
	other.book.Users = r.book.Users
	other.Replace(other.book)
	if _, err := other.Link(home, "door", sig); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := other.Session(home, session); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	// But of the same one after a restart.
	again := New(Options{})
	again.Replace(r.book)
	if g, err := again.Link(home, "door", sig); err != nil || g.Kind != Link || !again.Still(g) {
		t.Errorf("%+v, %v", g, err)
	}
	if g, err := again.Session(home, session); err != nil || g.Kind != Session || !g.May(Admin) {
		t.Errorf("%+v, %v", g, err)
	}
	// Without a key of its own a book's links hold over reloads.
	r.book.Key = nil
	r.Replace(r.book)
	sig = r.link(t, r.in(t, "ann"), "door")
	r.Replace(r.book)
	if _, err := r.Link(home, "door", sig); err != nil {
		t.Error(err)
	}
}

func TestWhoMayMakeLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.with(func(b *Book) {
			b.Users = append(b.Users, Account{Name: "opa", Secret: r.hash(secret), Role: Operator, Cameras: []string{"door"}})
		})
		ann, oli, vic, opa := r.in(t, "ann"), r.in(t, "oli"), r.in(t, "vic"), r.in(t, "opa")
		link, err := r.Link(home, "door", r.link(t, ann, "door"))
		if err != nil || link.Role != Viewer || !link.Sees("door") || link.Sees("yard") || link.Sees("") || link.Name != "ann" {
			t.Fatalf("%+v, %v", link, err)
		}
		prom, err := r.Token(home, r.token)
		if err != nil {
			t.Fatal(err)
		}
		hour := time.Now().Add(time.Hour)
		for name, c := range map[string]struct {
			g      Grant
			camera string
			until  time.Time
			want   error
		}{
			"admin":              {ann, "yard", hour, nil},
			"operator":           {oli, "yard", hour, nil},
			"operator's camera":  {opa, "door", hour, nil},
			"another camera":     {opa, "yard", hour, ErrForbidden},
			"viewer":             {vic, "door", hour, ErrForbidden},
			"token of a viewer":  {prom, "door", hour, ErrForbidden},
			"a link":             {link, "door", hour, ErrForbidden},
			"nobody":             {Grant{}, "door", hour, ErrForbidden},
			"anonymous":          {Anyone(), "door", hour, ErrForbidden},
			"made up":            {Grant{Name: "ann", Role: Admin, Kind: User}, "door", hour, ErrForbidden},
			"viewer made admin":  {func() Grant { g := vic; g.Role = Admin; return g }(), "door", hour, ErrForbidden},
			"all cameras":        {ann, "", hour, ErrForbidden},
			"ended":              {ann, "door", time.Now(), ErrUntil},
			"no end":             {ann, "door", time.Time{}, ErrUntil},
			"too long":           {ann, "door", time.Now().Add(MaxLink + time.Second), ErrUntil},
			"as long as it goes": {ann, "door", time.Now().Add(MaxLink), nil},
		} {
			if _, err := r.NewLink(c.g, c.camera, c.until); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		for name, g := range map[string]Grant{"link": link, "anonymous": Anyone(), "made up": {Name: "ann", Role: Admin, Kind: User}} {
			if _, _, err := r.NewSession(g); !errors.Is(err, ErrForbidden) {
				t.Errorf("a session for %s: %v", name, err)
			}
		}
		if v, _, err := r.NewSession(prom); err != nil {
			t.Error(err)
		} else if g, err := r.Session(home, v); err != nil || g.Name != "prom" || g.Role != Viewer || !r.Still(g) {
			t.Errorf("a token's session: %+v, %v", g, err)
		}
		sig := r.link(t, ann, "door")
		g, err := r.Link(home, "door", sig)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := r.Link(home, "door", sig); !errors.Is(err, ErrExpired) || r.Still(g) {
			t.Errorf("after its hour: %v", err)
		}
	})
}

// TestSomebodyElseOfThatName: who gets a name that another had before does not get what that one made.
func TestSomebodyElseOfThatName(t *testing.T) {
	r := newRig(t, Options{})
	g := r.in(t, "ann")
	session, _, err := r.NewSession(g)
	if err != nil {
		t.Fatal(err)
	}
	sig := r.link(t, g, "door")
	r.with(func(b *Book) {
		b.Tokens = append(b.Tokens, Account{Name: "ann", Secret: TokenDigest(NewToken()), Role: Admin})
		b.Users[0].Secret = r.hash(secret)
	})
	if _, err := r.Session(home, session); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	if _, err := r.Link(home, "door", sig); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	if s := r.Stats(); s.Failures[Expired] != 2 || s.Remembered != 0 {
		t.Errorf("who was good once is charged for it: %+v", s)
	}
}

func TestMaker(t *testing.T) {
	r := newRig(t, Options{})
	g, err := r.Maker(User, "oli")
	if err != nil || !r.Still(g) {
		t.Fatalf("%+v, %v", g, err)
	}
	if _, err := r.Link(home, "door", r.link(t, g, "door")); err != nil {
		t.Error(err)
	}
	if _, err := r.Maker(Token, "oli"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := New(Options{}).Maker(User, "oli"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	r.with(func(b *Book) { b.Users[1].Until = time.Unix(1, 0) })
	if _, err := r.Maker(User, "oli"); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}

// FuzzSigned: nothing that was not signed is taken for a session or a link.
func FuzzSigned(f *testing.F) {
	r := newRig(f, Options{Addresses: 1})
	r.book.Key = []byte("the same each time, for a corpus")
	r.book.Users[0].Secret = strangers[Cost]
	r.known[strangers[Cost]] = secret
	r.Replace(r.book)
	r.Keeper.now = func() time.Time { return time.Unix(1e9, 0) }
	ann, err := r.Maker(User, "ann")
	if err != nil {
		f.Fatal(err)
	}
	session, _, err := r.NewSession(ann)
	if err != nil {
		f.Fatal(err)
	}
	link := r.link(f, ann, "door")
	f.Add("door", session)
	f.Add("door", link)
	f.Add("", link[:len(link)-1])
	f.Fuzz(func(t *testing.T, camera, value string) {
		if g, err := r.Session(home, value); (err == nil) != (value == session) || err != nil && g.Role != None {
			t.Errorf("session %q: %+v, %v", value, g, err)
		}
		if g, err := r.Link(home, camera, value); (err == nil) != (value == link && camera == "door") || err != nil && g.Role != None {
			t.Errorf("link %q to %q: %+v, %v", value, camera, g, err)
		}
	})
}
