package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// Book is everybody there is. Treat it as frozen once a Keeper has it.
type Book struct {
	Key    []byte // signs links and sessions, so that they outlive the process; empty: they do not
	Users  []Account
	Tokens []Account
}

// Account is a user, or a token.
type Account struct {
	Name    string // [A-Za-z0-9][A-Za-z0-9._@-]{0,63}; unique among users, and among tokens
	Secret  string // of a user the bcrypt hash, of a token what [TokenDigest] makes of it
	Role    Role
	Cameras []string  // ids; nil: all
	Until   time.Time // zero: without end
}

const (
	// Cost is the cost of bcrypt for new passwords: 74 ms of a 2.5 GHz core (BenchmarkPassword), more than ten times that on a Pi Zero.
	Cost = 10
	// A hash that costs less is guessed too fast; one that costs more holds up everybody on a small machine.
	minCost, maxCost = Cost, 14

	// MinPassword is the least length of a new password, in characters.
	MinPassword = 8
	// MaxPassword is the greatest length of any password, in bytes: bcrypt looks no further.
	MaxPassword = 72

	// KeySize is the length of Book.Key in bytes.
	KeySize = 32
	// MaxAccounts bounds users, and tokens.
	MaxAccounts = 1000
)

// TokenPrefix begins every token, so that one in the wrong place is recognised.
const TokenPrefix = "camgw_"

// tokenLength is that of all tokens: the prefix, and 256 bits.
const tokenLength = len(TokenPrefix) + 43

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// CheckName tells why a name cannot be that of an account.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("%q is no name: letters, digits, and . _ @ - after the first, at most 64", name)
	}
	return nil
}

// CheckPassword tells why a password cannot be a new one.
func CheckPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case utf8.RuneCountInString(password) < MinPassword:
		return fmt.Errorf("the password is too short: at least %d characters", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("the password is too long: at most %d bytes, which is all that bcrypt looks at", MaxPassword)
	case strings.IndexByte(password, 0) >= 0:
		return errors.New("the password has a zero byte in it")
	}
	return nil
}

// HashPassword makes the Secret of a user. The password is one that CheckPassword accepts.
func HashPassword(password string) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), Cost)
	return string(hash), err
}

// NewPassword makes a password of 80 bits that can be read out and typed: four groups of four letters and digits.
func NewPassword() string {
	const letters = "abcdefghjkmnpqrstuvwxyz023456789" // 32, none of which look alike
	var b [16]byte
	_, _ = rand.Read(b[:])
	var s strings.Builder
	for i, one := range b {
		if i > 0 && i%4 == 0 {
			s.WriteByte('-')
		}
		s.WriteByte(letters[one%32])
	}
	return s.String()
}

// NewToken makes a token.
func NewToken() string {
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(NewKey())
}

// NewKey makes a Book.Key.
func NewKey() []byte {
	b := make([]byte, KeySize)
	_, _ = rand.Read(b)
	return b
}

// TokenDigest makes the Secret of a token: its SHA-256, in hex.
func TokenDigest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Mistake is what is wrong with one value of an account.
type Mistake struct {
	Key      string // name, secret, role or cameras
	Why, Try string
}

func (m *Mistake) Error() string { return m.Key + ": " + m.Why }

// Check tells what is wrong with an account that is a user, or a token.
func (a Account) Check(kind Kind) *Mistake {
	if err := CheckName(a.Name); err != nil {
		return &Mistake{"name", err.Error(), ""}
	}
	if a.Role < Viewer || a.Role > Admin {
		return &Mistake{"role", "must be one of " + strings.Join(Roles, ", "), ""}
	}
	if a.Cameras != nil && len(a.Cameras) == 0 {
		return &Mistake{"cameras", "an empty list would be no camera at all", "leave it out for all cameras"}
	}
	if kind == Token {
		if b, err := hex.DecodeString(a.Secret); err != nil || len(b) != sha256.Size {
			return &Mistake{"secret", "must be the SHA-256 of a token, in hex", "take the token out of the file, and then: camgw token add " + a.Name}
		}
		return nil
	}
	again := "take the user out of the file, and then: camgw user add " + a.Name
	cost, err := bcrypt.Cost([]byte(a.Secret))
	switch {
	case a.Secret == "":
		return &Mistake{"secret", "an empty hash would be no password at all", again}
	case err != nil || len(a.Secret) != 60:
		return &Mistake{"secret", "must be a bcrypt hash", again}
	case cost < minCost || cost > maxCost:
		return &Mistake{"secret", fmt.Sprintf("bcrypt's cost is %d, and must be from %d to %d", cost, minCost, maxCost), again}
	}
	return nil
}

// proof stands for the secret an account has at the moment, without telling it.
type proof [16]byte

func (p proof) is(o proof) bool { return subtle.ConstantTimeCompare(p[:], o[:]) == 1 }

// keyed is an HMAC-SHA-256 over parts whose borders cannot be moved.
func keyed(key []byte, purpose string, parts ...[]byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write(p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
