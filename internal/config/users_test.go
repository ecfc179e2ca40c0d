package config

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/access"
	"pgregory.net/rapid"
)

// aHash is one of bcrypt's in its form; nobody has its password.
const aHash = "$2a$10$SSSSSSSSSSSSSSSSSSSSSuSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSu"

// TestMistakesInUsers holds every mistake to its exact words, and all of them to telling no secret.
func TestMistakesInUsers(t *testing.T) {
	const name = "testdata/users_mistakes.txt"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, one := range strings.Split("\n"+string(b), "\n=== ")[1:] {
		title, rest, _ := strings.Cut(one+"\n", "\n")
		text, want, _ := strings.Cut(rest, "--- said\n")
		want = strings.TrimSpace(want)
		t.Run(title, func(t *testing.T) {
			got, err := ParseUsers("users.toml", []byte(text))
			if err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			if len(got.Users)+len(got.Tokens) > 0 {
				t.Errorf("%+v", got)
			}
			for _, e := range flat([]error{err}) {
				m, ok := e.(*Error)
				if !ok || m.Origin != File || !strings.HasPrefix(m.What, "users.toml:") {
					t.Errorf("%v is no mistake of the file's", e)
				}
			}
			for _, secret := range []string{"sesame", "SSSS", "camgw_"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("a secret is told: %v", err)
				}
			}
			said := err.Error()
			fmt.Fprintf(&out, "=== %s\n%s--- said\n%s\n", title, strings.TrimSuffix(text, "\n")+"\n", said)
			if said != want && !*update {
				t.Errorf("got  %s\nwant %s", said, want)
			}
		})
	}
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ParseUsers("users.toml", []byte(strings.Repeat("[[token]]\n", access.MaxAccounts+1))); err == nil || !strings.Contains(err.Error(), "there are 1001, and may be 1000") {
		t.Errorf("%v", err)
	}
}

// TestUsersByHand: a file as a person writes it, with a hash of htpasswd's.
func TestUsersByHand(t *testing.T) {
	b, err := ParseUsers("users.toml", []byte("\ufeff# ours\r\n[[user]] # the boss\r\nname = 'ann'\r\nrole = \"admin\"\r\nbcrypt = \""+strings.Replace(aHash, "2a", "2y", 1)+
		"\"\r\n[[user]]\r\ncameras = [\r\n  \"door\", # front\r\n  \"yard\",\r\n]\r\nname = \"bob\"\r\nrole = \"viewer\"\r\nbcrypt = \""+aHash+"\"\r\nuntil = 2027-01-31T19:00:00+01:00\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC)
	if len(b.Users) != 2 || b.Users[0].Role != access.Admin || b.Users[0].Cameras != nil || !b.Users[0].Until.IsZero() ||
		!reflect.DeepEqual(b.Users[1].Cameras, []string{"door", "yard"}) || !b.Users[1].Until.Equal(end) || b.Key != nil {
		t.Errorf("%+v", b)
	}
	if b, err := ParseUsers("users.toml", nil); err != nil || !reflect.DeepEqual(b, access.Book{}) {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestUsersThereAndBack: what is written is read as what it was.
func TestUsersThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := func(kind access.Kind, secret func(i int) string) (all []access.Account) {
			for i := range rapid.IntRange(0, 5).Draw(t, "accounts") {
				a := access.Account{
					Name:   rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._@-]{0,30}`).Draw(t, "name") + fmt.Sprint("-", i),
					Role:   access.Role(rapid.IntRange(1, 3).Draw(t, "role")),
					Secret: secret(i),
				}
				if rapid.Bool().Draw(t, "scoped") {
					a.Cameras = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,31}`), 1, 4, rapid.ID).Draw(t, "cameras")
				}
				if rapid.Bool().Draw(t, "ends") {
					a.Until = time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "until"), 0).UTC()
				}
				all = append(all, a)
			}
			return all
		}
		want := access.Book{
			Users:  accounts(access.User, func(int) string { return aHash }),
			Tokens: accounts(access.Token, func(i int) string { return access.TokenDigest(fmt.Sprint(i)) }),
		}
		if rapid.Bool().Draw(t, "key") {
			want.Key = access.NewKey()
		}
		got, err := ParseUsers("users.toml", FormatUsers(want))
		if err != nil {
			t.Fatalf("%v\n%s", err, FormatUsers(want))
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestWhichUsersFile(t *testing.T) {
	env := func(v string) func(string) string {
		return func(name string) string {
			if name == "CAMGW_AUTH_USERS" {
				return v
			}
			return ""
		}
	}
	given := func(name string) bool { return name == "users" }
	for name, c := range map[string]struct {
		s    Sources
		want string
	}{
		"nothing":             {Sources{}, DefaultUsers},
		"flag":                {Sources{Flags: Flags{Users: "f"}, Given: given, Env: env("e"), File: "c", Text: []byte("[auth]\nusers = \"t\"\n")}, "f"},
		"flag none":           {Sources{Flags: Flags{Users: NoUsers}, Given: given}, ""},
		"environment":         {Sources{Env: env("e"), File: "c", Text: []byte("[auth]\nusers = \"t\"\n")}, "e"},
		"file":                {Sources{Env: env(""), File: "c", Text: []byte("[auth]\nusers = \"t\"\n")}, "t"},
		"file none":           {Sources{File: "c", Text: []byte("[auth]\nusers = \"none\"\n")}, ""},
		"file without":        {Sources{File: "c", Text: []byte("[http]\nlisten = \":80\"\n")}, DefaultUsers},
		"file with a mistake": {Sources{File: "c", Text: []byte("[auth]\nusers = 1\n")}, DefaultUsers},
	} {
		if got, err := UsersFile(c.s); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := UsersFile(Sources{File: "c", Text: []byte("[auth")}); err == nil {
		t.Error("a file that is none")
	}
}

// TestDefaultUsers: the file is used if it is there, so that who makes users is not let in without being asked.
func TestDefaultUsers(t *testing.T) {
	load := func(text string, there bool) (Loaded, error) {
		return Load(Sources{Flags: Defaults(), Given: func(string) bool { return false }, File: "camgw.toml", Text: []byte(text + "\n[[camera]]\nport = \"sim:\"\n"),
			Exists: func(name string) bool { return there && name == DefaultUsers }})
	}
	for name, c := range map[string]struct {
		text  string
		there bool
		want  string
		warns int
	}{
		"there":     {"", true, DefaultUsers, 0},
		"not there": {"", false, "", 0},
		"none":      {"[auth]\nusers = \"none\"", true, "", 0},
		"another":   {"[auth]\nusers = \"u\"", true, "u", 0},
		"insecure":  {"[http]\ninsecure_no_auth = true", true, DefaultUsers, 1},
	} {
		l, err := load(c.text, c.there)
		if err != nil || l.Users != c.want || len(l.Warnings) != c.warns {
			t.Errorf("%s: %q, %v, %v", name, l.Users, l.Warnings, err)
		}
		if !strings.Contains(l.Show(false), `users = `+literal(cmp.Or(c.want, map[bool]string{true: NoUsers, false: ""}[name == "none"]))) {
			t.Errorf("%s is shown as\n%s", name, l.Show(false))
		}
	}
	if _, err := load("[http]\nlisten = \":8080\"", true); err != nil {
		t.Errorf("with users: %v", err)
	}
	if _, err := load("[http]\nlisten = \":8080\"", false); err == nil {
		t.Error("without: it is open to all")
	}
}

// FuzzUsers: whatever stands in the file, it is refused with its place and without its secrets, or means what is written of it again.
func FuzzUsers(f *testing.F) {
	b, err := os.ReadFile("testdata/users_mistakes.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, one := range strings.Split("\n"+string(b), "\n=== ")[1:] {
		_, rest, _ := strings.Cut(one, "\n")
		text, _, _ := strings.Cut(rest, "--- said\n")
		f.Add(text)
	}
	f.Add(string(FormatUsers(access.Book{Key: make([]byte, access.KeySize), Users: []access.Account{{Name: "ann", Role: access.Admin, Secret: aHash, Cameras: []string{"door"}}},
		Tokens: []access.Account{{Name: "t", Role: access.Viewer, Secret: access.TokenDigest("t"), Until: time.Unix(1e9, 0)}}})))
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseUsers("users.toml", []byte(text))
		if err != nil {
			for _, e := range flat([]error{err}) {
				if !strings.HasPrefix(e.Error(), "users.toml") {
					t.Errorf("%v", e)
				}
			}
			return
		}
		for _, a := range b.Users {
			if wrong := a.Check(access.User); wrong != nil {
				t.Errorf("%+v: %v", a, wrong)
			}
		}
		again, err := ParseUsers("users.toml", FormatUsers(b))
		if err != nil {
			t.Fatalf("%v\n%s", err, FormatUsers(b))
		}
		if len(again.Users) != len(b.Users) || len(again.Tokens) != len(b.Tokens) || string(again.Key) != string(b.Key) {
			t.Errorf("%+v\n%+v", b, again)
		}
		for i, a := range b.Users {
			o := again.Users[i]
			if o.Name != a.Name || o.Secret != a.Secret || o.Role != a.Role || !reflect.DeepEqual(o.Cameras, a.Cameras) || !o.Until.Equal(a.Until.Truncate(time.Second)) {
				t.Errorf("%+v\n%+v", a, o)
			}
		}
	})
}
