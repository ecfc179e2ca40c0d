package chaos

import (
	"sync"
	"time"

	"github.com/camgw/camgw/internal/bench"
)

// ledger is what one camera took, and which life of the daemon gave it to whom. Anybody may use it.
type ledger struct {
	camera *bench.Camera

	mu       sync.Mutex
	takenNS  []uint64 // by sequence
	seen     []uint16 // by sequence: the life that gave it to some viewer, 0: none
	lockstep []uint16 // the same, to one of a lockstep group
	newest   uint64   // sequence after the newest that anybody saw
	newestAt time.Time
	pictures uint64 // judged
}

// took enters a picture that the camera is about to send.
func (l *ledger) took(s bench.Stamp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takenNS = append(l.takenNS, s.TakenNS)
	l.seen = append(l.seen, 0)
	l.lockstep = append(l.lockstep, 0)
}

// examine tells which picture of the camera's this is, and how old it is now. It is false for one the camera never took.
func (l *ledger) examine(picture []byte) (sequence uint64, age time.Duration, ok bool) {
	now, err := bench.Monotonic()
	s, ours := l.camera.Examine(picture)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pictures++
	if err != nil || !ours || s.Sequence >= uint64(len(l.takenNS)) || l.takenNS[s.Sequence] != s.TakenNS {
		return 0, 0, false
	}
	return s.Sequence, time.Duration(now - s.TakenNS), true
}

// saw notes that a viewer got a picture in a life of the daemon's.
func (l *ledger) saw(sequence uint64, life uint16, lockstep bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[sequence] = life
	if lockstep {
		l.lockstep[sequence] = life
	}
	if sequence >= l.newest {
		l.newest, l.newestAt = sequence+1, time.Now()
	}
}

// missed returns the first picture between two that others got in this life, lockstep viewers or all, and whoever got has not.
func (l *ledger) missed(first, last uint64, life uint16, lockstep bool, got *set) (sequence uint64, missed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	if lockstep {
		seen = l.lockstep
	}
	for s := first; s <= last; s++ {
		if seen[s] == life && !got.has(s) {
			return s, true
		}
	}
	return 0, false
}

// freshSince tells whether somebody has got a picture that was taken after a moment, and when the newest came.
func (l *ledger) freshSince(monotonicNS uint64) (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.newest == 0 || l.takenNS[l.newest-1] < monotonicNS {
		return time.Time{}, false
	}
	return l.newestAt, true
}

// next is the sequence of the picture that will be taken next.
func (l *ledger) next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.takenNS))
}

// unseen counts the pictures from sequence first on that nobody got, and all there are; but neither those taken since less
// than settle, nor those of a moment that is excused.
func (l *ledger) unseen(first uint64, excused func(time.Time) bool) (unseen, all int) {
	nowNS, err := bench.Monotonic()
	if err != nil {
		return 0, 0
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := first; s < uint64(len(l.takenNS)); s++ {
		age := time.Duration(nowNS - l.takenNS[s])
		if age < settle || excused(now.Add(-age)) {
			continue
		}
		if all++; l.seen[s] == 0 {
			unseen++
		}
	}
	return unseen, all
}

func (l *ledger) judged() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pictures
}

// set is a set of sequences, not much wider than what lies between its first and its greatest.
type set struct {
	base  uint64
	words []uint64
}

// add adds s, which must not be below the first that was added.
func (t *set) add(s uint64) {
	if t.words == nil {
		t.base = s
	}
	i := (s - t.base) / 64
	for uint64(len(t.words)) <= i {
		t.words = append(t.words, 0)
	}
	t.words[i] |= 1 << ((s - t.base) % 64)
}

func (t *set) has(s uint64) bool {
	i := (s - t.base) / 64
	return s >= t.base && i < uint64(len(t.words)) && t.words[i]>>((s-t.base)%64)&1 == 1
}
