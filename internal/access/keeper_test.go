package access

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func TestWithoutABook(t *testing.T) {
	k := New(Options{})
	if k.Required() || !k.Still(Anyone()) || !Anyone().May(Admin) || !Anyone().Sees("") {
		t.Error("somebody is asked who he is")
	}
	for name, f := range map[string]func() (Grant, error){
		"password": func() (Grant, error) { return k.Password(t.Context(), home, "x", "") },
		"token":    func() (Grant, error) { return k.Token(home, "") },
		"session":  func() (Grant, error) { return k.Session(home, "x") },
		"link":     func() (Grant, error) { return k.Link(home, "door", "x") },
	} {
		if g, err := f(); err != nil || g.Kind != Anonymous || !g.May(Admin) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	if _, err := k.NewLink(Anyone(), "door", time.Now().Add(time.Hour)); !errors.Is(err, ErrForbidden) {
		t.Errorf("a link nobody needs: %v", err)
	}
	if _, _, err := k.NewSession(Anyone()); !errors.Is(err, ErrForbidden) {
		t.Errorf("a session nobody needs: %v", err)
	}
	k.compare = func([]byte, []byte) error { return nil } // even then
	k.Replace(Book{})
	if !k.Required() || k.Still(Anyone()) {
		t.Error("an empty book lets everybody in")
	}
	for name, f := range map[string]func() (Grant, error){
		"password": func() (Grant, error) { return k.Password(t.Context(), home, "", "") },
		"token":    func() (Grant, error) { return k.Token(home, "") },
	} {
		if _, err := f(); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s with an empty book: %v", name, err)
		}
	}
}

// TestNothingButTheTruth: what is nearly a credential is none (CVE-2025-57808, motionEye V-01).
func TestNothingButTheTruth(t *testing.T) {
	long := strings.Repeat("0123456789", 7) + "ab" // all that bcrypt looks at
	// The real bcrypt, as cheap as it goes, in the place of hashes that a Book may have.
	cheap := map[string]string{}
	hash := func(password string) string {
		real, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		dear := "$2a$10$" + string(real[7:])
		cheap[dear] = string(real)
		return dear
	}
	b := Book{Key: NewKey(), Users: []Account{
		{Name: "ann", Secret: hash(secret), Role: Admin},
		{Name: "max", Secret: hash(long), Role: Viewer},
	}}
	token := NewToken()
	b.Tokens = []Account{{Name: "prom", Secret: TokenDigest(token), Role: Viewer}}
	k := New(Options{Addresses: 1 << 16})
	k.compare = func(hash, password []byte) error {
		if real, ok := cheap[string(hash)]; ok {
			return bcrypt.CompareHashAndPassword([]byte(real), password)
		}
		return bcrypt.ErrMismatchedHashAndPassword
	}
	k.Replace(b)
	n := 0
	elsewhere := func() netip.Addr { // none is refused for those before it
		n++
		return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
	}
	for name, c := range map[string][2]string{
		"empty": {"ann", ""}, "empty user": {"", secret}, "both empty": {"", ""}, "prefix": {"ann", secret[:len(secret)-1]},
		"suffix": {"ann", secret + "e"}, "space": {"ann", secret + " "}, "case": {"ann", strings.ToUpper(secret)},
		"case of the user": {"Ann", secret}, "NUL behind": {"ann", secret + "\x00"}, "bcrypt's own repetition": {"ann", secret + "\x00" + secret},
		"NUL behind the user": {"ann\x00", secret}, "user and more": {"ann ", secret}, "part of the user": {"an", secret},
		"the hash": {"ann", b.Users[0].Secret}, "beyond 72 bytes": {"max", long + "x"}, "short of 72 bytes": {"max", long[:71]},
		"another's": {"max", secret}, "newline": {"ann", secret + "\n"},
	} {
		if g, err := k.Password(t.Context(), elsewhere(), c[0], c[1]); !errors.Is(err, ErrUnknown) || g.Role != None {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	for _, c := range [][2]string{{"ann", secret}, {"max", long}} {
		if _, err := k.Password(t.Context(), home, c[0], c[1]); err != nil {
			t.Errorf("%s: %v", c[0], err)
		}
	}
	body := strings.TrimPrefix(token, TokenPrefix)
	for name, s := range map[string]string{
		"empty": "", "prefix alone": TokenPrefix, "no prefix": body, "short": token[:len(token)-1], "long": token + "A",
		"NUL": token + "\x00", "case": strings.ToUpper(token), "its digest": TokenDigest(token), "space": " " + token,
		"padding": token + "=", "prefix of another case": "CAMGW_" + body, "zeros": TokenPrefix + strings.Repeat("A", 43),
	} {
		if g, err := k.Token(elsewhere(), s); !errors.Is(err, ErrUnknown) || g.Role != None {
			t.Errorf("token, %s: %+v, %v", name, g, err)
		}
	}
	if g, err := k.Token(home, token); err != nil || g.Name != "prom" || g.Kind != Token {
		t.Errorf("%+v, %v", g, err)
	}
	if s := k.Stats(); s.Successes[User] != 2 || s.Successes[Token] != 1 || s.Failures[WrongToken] != 12 || s.Failures[WrongPassword] != 18 {
		t.Errorf("%+v", s)
	}
}

// TestAccountsThatMakeNoSense: an account with an empty or cheap hash lets nobody in, whoever made the Book.
func TestAccountsThatMakeNoSense(t *testing.T) {
	cheap := "$2a$04$" + strings.Repeat("x", 53)
	for name, c := range map[string]struct {
		kind    Kind
		account Account
		key     string
	}{
		"no hash":         {User, Account{Name: "a", Role: Admin}, "secret"},
		"plain":           {User, Account{Name: "a", Role: Admin, Secret: "hunter22"}, "secret"},
		"cheap":           {User, Account{Name: "a", Role: Admin, Secret: cheap}, "secret"},
		"dear":            {User, Account{Name: "a", Role: Admin, Secret: "$2a$15$" + strings.Repeat("x", 53)}, "secret"},
		"cut":             {User, Account{Name: "a", Role: Admin, Secret: strangers[10][:59]}, "secret"},
		"no name":         {User, Account{Role: Admin, Secret: strangers[10]}, "name"},
		"name with colon": {User, Account{Name: "a:b", Role: Admin, Secret: strangers[10]}, "name"},
		"no role":         {User, Account{Name: "a", Secret: strangers[10]}, "role"},
		"role too high":   {User, Account{Name: "a", Role: Admin + 1, Secret: strangers[10]}, "role"},
		"no camera":       {User, Account{Name: "a", Role: Admin, Secret: strangers[10], Cameras: []string{}}, "cameras"},
		"no digest":       {Token, Account{Name: "a", Role: Admin}, "secret"},
		"short digest":    {Token, Account{Name: "a", Role: Admin, Secret: "ab"}, "secret"},
		"bcrypt token":    {Token, Account{Name: "a", Role: Admin, Secret: strangers[10]}, "secret"},
	} {
		wrong := c.account.Check(c.kind)
		if wrong == nil || wrong.Key != c.key || wrong.Error() == "" {
			t.Errorf("%s: %v", name, wrong)
		}
		k := New(Options{})
		if c.kind == User {
			k.Replace(Book{Users: []Account{c.account}})
		} else {
			k.Replace(Book{Tokens: []Account{c.account}})
		}
		if s := k.Stats(); s.Users+s.Tokens != 0 {
			t.Errorf("%s: it is there: %+v", name, s)
		}
	}
	good := Account{Name: "a", Role: Viewer, Secret: strangers[10]}
	k := New(Options{})
	k.Replace(Book{Users: []Account{good, {Name: "a", Role: Admin, Secret: strangers[11]}}})
	if k.Stats().Users != 1 || k.book.Load().users["a"].Role != Viewer {
		t.Error("the second of a name is there")
	}
}

// TestStill: what goes on ends with what allowed it, and with nothing else.
func TestStill(t *testing.T) {
	of := func(b *Book, name string) *Account {
		return &b.Users[slices.IndexFunc(b.Users, func(a Account) bool { return a.Name == name })]
	}
	for name, c := range map[string]struct {
		change func(r *rig, b *Book)
		user   bool // whether vic's and oli's grants, sessions and links still hold
		link   bool
		token  bool
	}{
		"nothing":            {func(*rig, *Book) {}, true, true, true},
		"another's password": {func(r *rig, b *Book) { of(b, "ann").Secret = r.hash("another one") }, true, true, true},
		"another removed":    {func(_ *rig, b *Book) { b.Users = b.Users[1:] }, true, true, true},
		"one more": {func(r *rig, b *Book) {
			b.Users = append(b.Users, Account{Name: "new", Secret: r.hash("x"), Role: Admin})
		}, true, true, true},
		"removed":            {func(_ *rig, b *Book) { b.Users = b.Users[:1] }, false, false, true},
		"password":           {func(r *rig, b *Book) { of(b, "oli").Secret, of(b, "vic").Secret = r.hash(secret), r.hash(secret) }, false, false, true},
		"role up":            {func(_ *rig, b *Book) { of(b, "oli").Role, of(b, "vic").Role = Admin, Operator }, false, true, true},
		"role down":          {func(_ *rig, b *Book) { of(b, "oli").Role, of(b, "vic").Role = Viewer, None }, false, false, true},
		"cameras":            {func(_ *rig, b *Book) { of(b, "oli").Cameras, of(b, "vic").Cameras = []string{"yard"}, nil }, false, false, true},
		"camera of the link": {func(_ *rig, b *Book) { of(b, "oli").Cameras = []string{"door"} }, true, true, true},
		"ended":              {func(_ *rig, b *Book) { of(b, "oli").Until, of(b, "vic").Until = time.Unix(1, 0), time.Unix(1, 0) }, false, false, true},
		"token":              {func(_ *rig, b *Book) { b.Tokens[0].Secret = TokenDigest("another") }, true, true, false},
		"token removed":      {func(_ *rig, b *Book) { b.Tokens = nil }, true, true, false},
		"everything":         {func(_ *rig, b *Book) { *b = Book{} }, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			vic, oli := r.in(t, "vic"), r.in(t, "oli")
			value, _, err := r.NewSession(vic)
			if err != nil {
				t.Fatal(err)
			}
			session, err := r.Session(home, value)
			if err != nil {
				t.Fatal(err)
			}
			sig := r.link(t, oli, "door")
			link, err := r.Link(home, "door", sig)
			if err != nil {
				t.Fatal(err)
			}
			token, err := r.Token(home, r.token)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range []Grant{vic, oli, session, link, token} {
				if !r.Still(g) {
					t.Errorf("%+v does not hold at first", g)
				}
			}
			before := r.book
			r.with(func(b *Book) { c.change(r, b) })
			if got := r.Still(vic); got != c.user {
				t.Errorf("user: %v", got)
			}
			if got := r.Still(session); got != c.user {
				t.Errorf("session: %v", got)
			}
			if got := r.Still(link); got != c.link {
				t.Errorf("link: %v", got)
			}
			if got := r.Still(token); got != c.token {
				t.Errorf("token: %v", got)
			}
			// A link that still holds can be used anew, and one that does not, not.
			if _, err := r.Link(away, "door", sig); (err == nil) != c.link {
				t.Errorf("link used again: %v", err)
			}
			if s, err := r.Session(away, value); err == nil && !slices.EqualFunc([]Account{*of(&r.book, "vic")}, []Grant{s}, func(a Account, g Grant) bool { return a.Role == g.Role && slices.Equal(a.Cameras, g.Cameras) }) {
				t.Errorf("a session of more than its user may: %+v", s)
			}
			// As it was: what had ended by a change of mind is there again, and nothing was charged to who used it.
			r.book = before
			r.Replace(before)
			if !r.Still(vic) || !r.Still(link) || !r.Still(token) {
				t.Error("the same book is not the same")
			}
		})
	}
}

// TestRemovedWhileChecked: a user who goes while his password is being checked is not let in by it.
func TestRemovedWhileChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.hold = make(chan struct{})
		got := make(chan error)
		go func() {
			_, err := r.Password(t.Context(), home, "vic", secret)
			got <- err
		}()
		synctest.Wait()
		r.with(func(b *Book) { b.Users = b.Users[:2] })
		close(r.hold)
		if err := <-got; !errors.Is(err, ErrUnknown) {
			t.Errorf("%v", err)
		}
	})
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Session: time.Hour})
		end := time.Now().Add(30 * time.Minute)
		r.with(func(b *Book) { b.Users[2].Until, b.Tokens[0].Until = end, end })
		vic, ann := r.in(t, "vic"), r.in(t, "ann")
		short, until, err := r.NewSession(vic)
		if err != nil || !until.Equal(end.Truncate(time.Second)) {
			t.Errorf("a session that outlives its user: %v, %v", until, err)
		}
		long, until, err := r.NewSession(ann)
		if err != nil || !until.Equal(time.Now().Add(time.Hour).Truncate(time.Second)) {
			t.Errorf("%v, %v", until, err)
		}
		r.with(func(b *Book) { b.Users[1].Until = end })
		if l, err := r.Link(home, "door", r.link(t, r.in(t, "oli"), "door")); err != nil || !l.Until.Equal(end) {
			t.Errorf("a link that outlives its maker: %+v, %v", l, err)
		}
		session, err := r.Session(home, long)
		if err != nil || !session.Until.Equal(until) {
			t.Errorf("%+v, %v", session, err)
		}
		time.Sleep(30 * time.Minute)
		if r.Still(vic) {
			t.Error("vic still holds")
		}
		if _, err := r.Password(t.Context(), home, "vic", secret); !errors.Is(err, ErrExpired) {
			t.Errorf("password: %v", err)
		}
		if _, err := r.Token(home, r.token); !errors.Is(err, ErrExpired) {
			t.Errorf("token: %v", err)
		}
		if _, err := r.Session(home, short); !errors.Is(err, ErrExpired) {
			t.Errorf("session: %v", err)
		}
		if _, _, err := r.NewSession(vic); !errors.Is(err, ErrForbidden) {
			t.Errorf("new session: %v", err)
		}
		// A session that is used can be made anew, and then goes on.
		again, _, err := r.NewSession(session)
		if err != nil {
			t.Error(err)
		}
		time.Sleep(30 * time.Minute)
		if r.Still(session) {
			t.Error("the session still holds")
		}
		if g, err := r.Session(home, again); err != nil || g.Kind != Session || g.Role != Admin {
			t.Errorf("%+v, %v", g, err)
		}
		r.Sessions(time.Minute)
		if _, until, err := r.NewSession(r.in(t, "ann")); err != nil || time.Until(until) > time.Minute {
			t.Errorf("%v, %v", until, err)
		}
		if r.Stats().Failures[Expired] != 3 {
			t.Errorf("%+v", r.Stats())
		}
	})
}

// TestAllAtOnce is for the race detector.
func TestAllAtOnce(t *testing.T) {
	r := newRig(t, Options{})
	other := r.book
	other.Users = other.Users[:1]
	sig := r.link(t, r.in(t, "oli"), "door")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			from := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			for range 200 {
				g, err := r.Password(t.Context(), from, "oli", secret)
				if err == nil && g.Role != Operator {
					t.Errorf("%+v", g)
				}
				_, _ = r.Token(from, r.token)
				_, _ = r.Link(from, "door", sig)
				if v, _, err := r.NewSession(g); err == nil {
					_, _ = r.Session(from, v)
				}
				r.Still(g)
				r.Stats()
			}
		})
	}
	for range 50 {
		r.Replace(other)
		r.Replace(r.book)
	}
	wg.Wait()
	if s := r.Stats(); s.Waiting != 0 || s.Successes[Token] != 1600 {
		t.Errorf("%+v", s)
	}
	if len(r.flights) != 0 {
		t.Errorf("%d flights have not landed", len(r.flights))
	}
}

func TestGrants(t *testing.T) {
	for _, c := range []struct {
		cameras []string
		camera  string
		sees    bool
	}{{nil, "door", true}, {nil, "", true}, {[]string{"door"}, "door", true}, {[]string{"door"}, "yard", false}, {[]string{"door"}, "", false},
		{[]string{}, "door", false}, {[]string{}, "", false}, {[]string{""}, "", false}} {
		if got := (Grant{Role: Viewer, Cameras: c.cameras}).Sees(c.camera); got != c.sees {
			t.Errorf("%q sees %q: %v", c.cameras, c.camera, got)
		}
	}
	for have := None; have <= Admin; have++ {
		for want := None; want <= Admin; want++ {
			if got := (Grant{Role: have}).May(want); got != (have >= want) {
				t.Errorf("%v may %v: %v", have, want, got)
			}
		}
		text, err := json.Marshal(have)
		var back Role
		if err != nil || json.Unmarshal(text, &back) != nil || back != have {
			t.Errorf("%v is %s, and that %v", have, text, back)
		}
	}
	for _, name := range []string{"", "none", "Admin", "root", "admin "} {
		if r, err := ParseRole(name); err == nil {
			t.Errorf("%q is %v", name, r)
		}
	}
	seen := map[string]bool{}
	for k := range kinds + 1 {
		seen[k.String()] = true
	}
	for r := range Reasons + 1 {
		seen[r.String()] = true
	}
	if len(seen) != int(kinds)+int(Reasons)+1-3 { // token, session and link are both; and unknown
		t.Errorf("%v", seen)
	}
}

// TestOnTheWhole: what is made is let in, with nothing replaced.
func TestOnTheWhole(t *testing.T) {
	password := NewPassword()
	h, err := HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	k := New(Options{})
	k.Replace(Book{Users: []Account{{Name: "ann", Secret: h, Role: Operator, Cameras: []string{"door"}}}})
	g, err := k.Password(t.Context(), home, "ann", password)
	if err != nil || g.Role != Operator || !g.Sees("door") || g.Sees("yard") || !k.Still(g) {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestMaking(t *testing.T) {
	for name, password := range map[string]string{"empty": "", "short": "1234567", "long": strings.Repeat("x", 73), "zero byte": "1234567\x008", "long letters": strings.Repeat("ä", 37)} {
		if _, err := HashPassword(password); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	if err := CheckPassword("äöüäöüäö"); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for range 1000 {
		p, tok := NewPassword(), NewToken()
		if CheckPassword(p) != nil || len(p) != 19 || len(tok) != tokenLength || !strings.HasPrefix(tok, "camgw_") || seen[p] || seen[tok] {
			t.Fatalf("%q, %q", p, tok)
		}
		seen[p], seen[tok] = true, true
	}
	for name, good := range map[string]bool{"ann": true, "Ann.B_c-d@home": true, "a": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "a:b": false, "-a": false, "ä": false, "a\n": false, "../a": false} {
		if (CheckName(name) == nil) != good {
			t.Errorf("%q: %v", name, CheckName(name))
		}
	}
}
