package access

import (
	"slices"
	"time"
)

// Kind is how somebody has shown who he is.
type Kind uint8

// The kinds. Their numbers stand in sessions and links.
const (
	Anonymous Kind = iota // nobody was asked
	User                  // by name and password
	Token                 // a program, by its token
	Link                  // whoever has the address
	Session               // a browser that has signed in before
	kinds
)

// String is the kind's name, for logs, metrics and the API.
func (k Kind) String() string {
	if k < kinds {
		return [...]string{"anonymous", "user", "token", "link", "session"}[k]
	}
	return "unknown"
}

// MarshalText is part of encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Grant is what somebody may do who has been let in. It says what was true then; whether it still is, [Keeper.Still] knows.
type Grant struct {
	Name    string // of the user or token; for a link, of who made it; "" for Anonymous
	Role    Role
	Cameras []string  // ids; nil: all
	Until   time.Time // zero: without end
	Kind    Kind

	maker   Kind      // User or Token: whose account is behind it
	proof   proof     // of the password or token it was got with
	session sessionID // of a Session
}

// May reports whether somebody has a role, or one above it.
func (g Grant) May(r Role) bool { return g.Role >= r }

// Sees reports whether a camera may be seen. "" stands for what concerns all of them, such as /metrics: that may be seen only by
// who may see every camera.
func (g Grant) Sees(camera string) bool {
	return g.Cameras == nil || camera != "" && slices.Contains(g.Cameras, camera)
}
