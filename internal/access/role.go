package access

import (
	"fmt"
	"strings"
)

// Role is how much somebody may do. Each includes those below it.
type Role uint8

// The roles.
const (
	None     Role = iota
	Viewer        // watch, and read the state of things
	Operator      // also change settings of cameras, and make links
	Admin         // also see other people's connections, and end them
)

// Roles are the names of the roles that can be given, from the least up.
var Roles = []string{Viewer.String(), Operator.String(), Admin.String()}

// String is the role's name, as it stands in files.
func (r Role) String() string {
	switch r {
	case None:
		return "none"
	case Viewer:
		return "viewer"
	case Operator:
		return "operator"
	case Admin:
		return "admin"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// ParseRole reads the name of a role that can be given; none cannot.
func ParseRole(name string) (Role, error) {
	for r := Viewer; r <= Admin; r++ {
		if name == r.String() {
			return r, nil
		}
	}
	return None, fmt.Errorf("there is no role %q: one of %s", name, strings.Join(Roles, ", "))
}

// MarshalText is part of encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (r *Role) UnmarshalText(text []byte) error {
	if string(text) == None.String() {
		*r = None
		return nil
	}
	role, err := ParseRole(string(text))
	if err == nil {
		*r = role
	}
	return err
}
