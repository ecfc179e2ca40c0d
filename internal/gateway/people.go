package gateway

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/config"
)

// meetEvery is how often the file of users is looked at. Who is removed from it is gone so soon.
const meetEvery = 2 * time.Second

// people are a file of users as it was read.
type people struct {
	path string // "": there is none
	seen stamp
	book access.Book
}

// stamp tells one state of a file from another.
type stamp struct {
	device, file uint64
	changed      syscall.Timespec // its content, owner or mode: nobody can set this back
	size         int64
	absent       bool
}

func stampOf(path string) stamp {
	st, err := os.Stat(path)
	if err != nil {
		return stamp{absent: true}
	}
	s := stamp{size: st.Size()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		s.device, s.file, s.changed = uint64(sys.Dev), sys.Ino, sys.Ctim
	}
	return s
}

// readPeople reads a file of users. The error is a *config.Error, or several.
func readPeople(path string) (people, error) {
	if path == "" {
		return people{}, nil
	}
	p := people{path: path, seen: stampOf(path)} // before it is read: a change in between is seen again
	content, err := access.ReadFile(path)
	if err != nil {
		e := &config.Error{What: path, Why: err.Error(), Origin: config.File}
		if f, ok := errors.AsType[*access.FileError](err); ok {
			e.Why, e.Try = f.Why, f.Try
		}
		return p, e
	}
	p.book, err = config.ParseUsers(path, content)
	return p, err
}

// meet puts users into effect. Whoever is there and would not be let in any more is gone when it returns.
func (g *gateway) meet(p people) {
	if p.path == "" {
		return
	}
	fresh := g.people.path != p.path || g.people.seen != p.seen
	g.people = p
	if fresh {
		g.keeper.Replace(p.book)
		g.server.Recheck()
		g.log.Info("users read", "file", p.path, "users", len(p.book.Users), "tokens", len(p.book.Tokens))
	}
	if len(p.book.Users)+len(p.book.Tokens) == 0 {
		g.log.Warn("nobody is let in: there are no users; try: camgw user add NAME --role admin", "file", p.path)
	}
	for _, a := range slices.Concat(p.book.Users, p.book.Tokens) {
		for _, id := range a.Cameras {
			if !slices.ContainsFunc(g.units, func(u *unit) bool { return u.config.ID == id }) {
				g.log.Warn("a user or token is for a camera that there is not", "file", p.path, "name", a.Name, "camera", id)
			}
		}
	}
}

// meetAgain reads the file of users when it has changed. While it makes no sense, or is gone, all stays as it was: a slip of an
// editor must not let everybody in, nor keep everybody out. It is called by the goroutine in run.
func (g *gateway) meetAgain() {
	if g.people.path == "" || stampOf(g.people.path) == g.people.seen {
		return
	}
	p, err := readPeople(g.people.path)
	g.met.done(err, time.Now())
	if err != nil {
		g.people.seen = p.seen // told once for each change
		for _, one := range each(err) {
			g.log.Error("users not read again: all stays as it was", "error", strings.TrimSpace(one.Error()))
		}
		return
	}
	g.meet(p)
}
