package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/access"
)

// Of the file of users.
const (
	userTable  = "user"
	tokenTable = "token"
	keyKey     = "key"
)

// secretKeys are what the secret of an account is called: it says how it was made.
var secretKeys = map[access.Kind]string{access.User: "bcrypt", access.Token: "sha256"}

// ParseUsers reads the file of users. All mistakes are told at once, each an *Error; none of them tells a secret.
func ParseUsers(name string, content []byte) (access.Book, error) {
	d, err := parse(name, content, people)
	if err != nil {
		return access.Book{}, err
	}
	var b access.Book
	var errs []error
	for _, one := range d.inOrder("", d.tree) {
		v := d.tree[one]
		switch one {
		case keyKey:
			s, _ := v.(string)
			key, err := base64.RawURLEncoding.DecodeString(s)
			if err != nil || len(key) != access.KeySize {
				errs = append(errs, d.wrong(one, "must be a text in quotes: 32 bytes in base64 for URLs", "no key: the next camgw user or camgw token makes one; sessions and links end then"))
				continue
			}
			b.Key = key
		case userTable:
			accounts, wrong := d.accounts(access.User, one, v)
			b.Users, errs = accounts, append(errs, wrong...)
		case tokenTable:
			accounts, wrong := d.accounts(access.Token, one, v)
			b.Tokens, errs = accounts, append(errs, wrong...)
		default:
			e := d.wrong(one, "there is no such table", "[["+userTable+"]] or [["+tokenTable+"]]")
			if near := Nearest(one, []string{userTable, tokenTable, keyKey}); near == keyKey {
				e.Try = keyKey
			} else if near != "" {
				e.Try = "[[" + near + "]]"
			}
			errs = append(errs, e)
		}
	}
	if len(errs) > 0 {
		return access.Book{}, errors.Join(errs...)
	}
	return b, nil
}

// accounts reads the list of users, or of tokens.
func (d *document) accounts(kind access.Kind, table string, v any) (all []access.Account, errs []error) {
	list, ok := v.([]any)
	if !ok {
		return nil, []error{d.wrong(table, "users and tokens are lists", "[["+table+"]] with double brackets")}
	}
	if len(list) > access.MaxAccounts {
		return nil, []error{d.wrong(table, fmt.Sprintf("there are %d, and may be %d", len(list), access.MaxAccounts), "")}
	}
	for i, one := range list {
		path := fmt.Sprintf("%s[%d]", table, i)
		m, ok := one.(map[string]any)
		if !ok {
			errs = append(errs, d.wrong(path, "users and tokens are lists of tables", "[["+table+"]], with its keys on the lines below"))
			continue
		}
		a, wrong := d.account(kind, path, m)
		if len(wrong) == 0 && slices.ContainsFunc(all, func(o access.Account) bool { return o.Name == a.Name }) {
			wrong = append(wrong, d.wrong(path+".name", fmt.Sprintf("there is already a %s named %q", table, a.Name), `another name: name = "..."`))
		}
		errs = append(errs, wrong...)
		all = append(all, a)
	}
	return all, errs
}

// account reads one of them.
func (d *document) account(kind access.Kind, path string, m map[string]any) (a access.Account, errs []error) {
	secretKey := secretKeys[kind]
	names := []string{"name", "role", secretKey, "cameras", "until"}
	for _, name := range d.inOrder(path, m) {
		v, where := m[name], path+"."+name
		wrong := func(why, try string) { errs = append(errs, d.wrong(where, why, try)) }
		switch name {
		case "name", secretKey:
			s, ok := v.(string)
			if !ok {
				wrong("must be a text in quotes", name+` = "..."`)
			} else if name == "name" {
				a.Name = s
			} else {
				a.Secret = s
			}
		case "role":
			s, _ := v.(string)
			role, err := access.ParseRole(s)
			if err != nil {
				wrong("must be one of "+strings.Join(access.Roles, ", "), roleExample(s))
			}
			a.Role = role
		case "cameras":
			var err string
			if a.Cameras, err = cameraList(v); err != "" {
				wrong(err, `cameras = ["door", "yard"], or leave it out for all cameras`)
			}
		case "until":
			at, ok := v.(time.Time)
			if !ok {
				wrong("must be a point in time, without quotes", "until = 2027-01-31T18:00:00Z")
			}
			a.Until = at
		case "password", "token", "secret", "hash":
			wrong("passwords and tokens do not stand here as they are", "take the "+table(kind)+" out of the file, and then: camgw "+table(kind)+" add NAME")
		default:
			try := Nearest(name, names)
			if try == "" {
				try = "one of " + strings.Join(names, ", ")
			}
			wrong("there is no such key", try)
		}
	}
	if len(errs) > 0 {
		return a, errs
	}
	for _, name := range []string{"name", "role", secretKey} {
		if _, ok := m[name]; !ok {
			errs = append(errs, d.wrong(path, name+" is missing", name+` = "..."`))
		}
	}
	if len(errs) > 0 {
		return a, errs
	}
	if wrong := a.Check(kind); wrong != nil {
		key := wrong.Key
		if key == "secret" {
			key = secretKey
		}
		errs = append(errs, d.wrong(path+"."+key, wrong.Why, wrong.Try))
	}
	return a, errs
}

func table(kind access.Kind) string {
	if kind == access.Token {
		return tokenTable
	}
	return userTable
}

func roleExample(s string) string {
	if near := Nearest(s, access.Roles); near != "" {
		return `role = "` + near + `"`
	}
	return `role = "viewer"`
}

// cameraList reads ids of cameras.
func cameraList(v any) (ids []string, wrong string) {
	list, ok := v.([]any)
	if !ok {
		return nil, "must be a list of texts in quotes"
	}
	ids = make([]string, 0, len(list))
	for _, one := range list {
		id, ok := one.(string)
		if !ok {
			return nil, "must be a list of texts in quotes"
		}
		if err := CheckCameras([]string{id}); err != nil {
			return nil, err.Error()
		}
		if slices.Contains(ids, id) {
			return nil, fmt.Sprintf("%q is there twice", id)
		}
		ids = append(ids, id)
	}
	return ids, ""
}

// CheckCameras tells which of these cannot be the name of a camera.
func CheckCameras(ids []string) error {
	for _, id := range ids {
		if !validID.MatchString(id) {
			return fmt.Errorf("%q is no camera name: a-z, 0-9, - and _, at most 32", id)
		}
	}
	return nil
}

// FormatUsers writes a file that ParseUsers reads.
func FormatUsers(b access.Book) []byte {
	var w bytes.Buffer
	w.WriteString(`# Who may do what. camgw user and camgw token write this file anew, without comments of others.
# Whoever can read it can try passwords without being seen, and make sessions and links. docs/security.md
`)
	if len(b.Key) > 0 {
		fmt.Fprintf(&w, "%s = %s\n", keyKey, quote(base64.RawURLEncoding.EncodeToString(b.Key)))
	}
	for _, part := range []struct {
		kind access.Kind
		all  []access.Account
	}{{access.User, b.Users}, {access.Token, b.Tokens}} {
		for _, a := range part.all {
			fmt.Fprintf(&w, "\n[[%s]]\nname = %s\nrole = %s\n%s = %s\n", table(part.kind), quote(a.Name), quote(a.Role.String()), secretKeys[part.kind], quote(a.Secret))
			if a.Cameras != nil {
				fmt.Fprintf(&w, "cameras = %s\n", literal(a.Cameras))
			}
			if !a.Until.IsZero() {
				fmt.Fprintf(&w, "until = %s\n", a.Until.Format(time.RFC3339))
			}
		}
	}
	return w.Bytes()
}

// UsersFile is the path of the file of users that Load would find in the same sources; "" for none. It looks at nothing else of them,
// so that users can be made before there is a configuration.
func UsersFile(s Sources) (string, error) {
	if s.Given != nil && s.Given("users") {
		return usersPath(s.Flags.Users), nil
	}
	k := keyOf("auth.users")
	if s.Env != nil && s.Env(k.variable()) != "" {
		return usersPath(s.Env(k.variable())), nil
	}
	if s.File != "" {
		d, err := parse(s.File, s.Text, configuration)
		if err != nil {
			return "", err
		}
		m, _ := d.tree[k.table].(map[string]any)
		if path, ok := m[k.name].(string); ok {
			return usersPath(path), nil
		}
	}
	return usersPath(""), nil
}

func usersPath(path string) string {
	switch {
	case path == NoUsers:
		return ""
	case path == "":
		return DefaultUsers
	}
	return path
}
