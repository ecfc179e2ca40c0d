package access

import (
	"crypto/sha256"
	"sync"
	"time"
)

// signedOutMost bounds how many sessions are remembered to be over, of which each is some 60 bytes.
const signedOutMost = 4096

// sessionID is a session by the text it has. Who signs in twice within a second has one session.
type sessionID [sha256.Size]byte

func idOf(value string) sessionID { return sha256.Sum256([]byte(value)) }

// signedOut are the sessions that somebody has ended before their time. Those are signed, not kept: this process knows of it, and the next
// one does not.
type signedOut struct {
	mu   sync.Mutex
	ends map[sessionID]time.Time // when they would have ended
}

// SignOut ends a session, and all that was begun with it is no longer granted. It reports whether there was such a session.
func (k *Keeper) SignOut(value string) bool {
	b, now := k.book.Load(), k.now()
	if b == nil {
		return false
	}
	s, ok := b.verify(forSession, "", value)
	if !ok || b.behind(s, now) == nil {
		return false
	}
	k.over.mu.Lock()
	defer k.over.mu.Unlock()
	if k.over.ends == nil {
		k.over.ends = make(map[sessionID]time.Time)
	}
	id := idOf(value)
	if _, again := k.over.ends[id]; again {
		return false
	}
	if len(k.over.ends) >= signedOutMost {
		k.over.forget(now)
	}
	k.over.ends[id] = s.until
	return true
}

// has reports whether a session was ended. The zero ID is none.
func (o *signedOut) has(id sessionID) bool {
	if id == (sessionID{}) {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.ends[id]
	return ok
}

// forget makes room: what has ended by itself need not be known, else what will do so first. It needs mu.
func (o *signedOut) forget(now time.Time) {
	var first sessionID
	for id, end := range o.ends {
		switch {
		case !now.Before(end):
			delete(o.ends, id)
		case first == sessionID{} || end.Before(o.ends[first]):
			first = id
		}
	}
	if len(o.ends) >= signedOutMost {
		delete(o.ends, first)
	}
}
