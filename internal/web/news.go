package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/camgw/camgw/internal/access"
)

// newsTick is how often cameras are looked at while somebody follows the news, and so the most that a change is late.
const newsTick = 100 * time.Millisecond

// The intervals at which figures may be asked for.
const (
	minInterval = 200 * time.Millisecond
	maxInterval = time.Minute
)

// newsInterval checks an interval in seconds.
func newsInterval(seconds float64) (time.Duration, error) {
	if !(seconds >= minInterval.Seconds() && seconds <= maxInterval.Seconds()) {
		return 0, fmt.Errorf("bad interval %v: a number of seconds from %v to %v", seconds, minInterval.Seconds(), maxInterval.Seconds())
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// news is what all cameras say of themselves, for everybody who follows it: made once, however many they are.
type news struct {
	look func() []Status
	wake chan struct{} // told when the first follower comes

	mu        sync.Mutex
	newest    *bulletin
	at        time.Time // when newest was made
	told      []newsKey
	changed   chan struct{} // closed by the next change
	followers int
}

// bulletin is the state of all cameras at one moment.
type bulletin struct {
	Type    string   `json:"type"`
	Cameras []Status `json:"cameras"`

	once sync.Once
	text []byte
}

// message is the bulletin as JSON. It must not be written to.
func (b *bulletin) message() []byte {
	b.once.Do(func() {
		var err error
		if b.text, err = json.Marshal(b); err != nil {
			b.text = []byte(`{"type":"error","detail":"the state of the cameras cannot be told"}`)
		}
	})
	return b.text
}

// to is the bulletin as g may see it, with what a change of would be told at once; that is left out for who sees everything.
func (b *bulletin) to(g access.Grant) (message []byte, keys []newsKey) {
	if g.Sees("") {
		return b.message(), nil
	}
	part := &bulletin{Type: b.Type, Cameras: make([]Status, 0, len(b.Cameras))}
	keys = make([]newsKey, 0, len(b.Cameras))
	for _, st := range b.Cameras {
		if g.Sees(st.ID) {
			part.Cameras = append(part.Cameras, st)
			keys = append(keys, keyOf(st))
		}
	}
	return part.message(), keys
}

// newsKey is what is told at once when it changes. All else are figures.
type newsKey struct {
	id            string
	state         State
	cause         Cause
	reason        string
	baud          int
	width, height int
	known         bool // quality is
	auto          AutoQuality
	device        Device
	health        Level
	failed        float64
	recovery      Recovery
}

func keyOf(st Status) newsKey {
	k := newsKey{
		id: st.ID, state: st.State, cause: st.Cause, reason: st.Reason, baud: st.Baud, width: st.Width, height: st.Height,
		known: st.Quality != nil, health: st.Health.Level,
	}
	if st.Auto != nil {
		k.auto = *st.Auto
	}
	if st.Device != nil {
		k.device = *st.Device
	}
	if st.LastError != nil {
		k.failed = st.LastError.Time
	}
	if st.Recovery != nil {
		k.recovery = *st.Recovery
	}
	return k
}

// refresh looks at the cameras unless that was just done. It needs mu.
func (n *news) refresh() {
	now := time.Now()
	if n.newest != nil && now.Sub(n.at) < newsTick/2 {
		return
	}
	b := &bulletin{Type: "cameras", Cameras: n.look()}
	told := make([]newsKey, len(b.Cameras))
	for i, st := range b.Cameras {
		told[i] = keyOf(st)
	}
	changed := n.newest == nil || !slices.Equal(told, n.told)
	n.told = told
	n.newest, n.at = b, now
	if changed {
		if n.changed != nil {
			close(n.changed)
		}
		n.changed = make(chan struct{})
	}
}

// current is the newest bulletin, and what is closed when the next change comes.
func (n *news) current() (*bulletin, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh()
	return n.newest, n.changed
}

// tick notices changes while somebody wants to know.
func (n *news) tick() (followed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.followers == 0 {
		return false
	}
	n.refresh()
	return true
}

// follow sends bulletins of the cameras in g's sight: one now, one with each change and, unless it is 0, after each interval. Unless
// alive is 0, it sends nil when nothing was sent for so long. It returns when ctx ends or sending fails, with that error.
func (n *news) follow(ctx context.Context, g access.Grant, interval, alive time.Duration, send func(message []byte) error) error {
	n.mu.Lock()
	n.followers++
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
	defer func() {
		n.mu.Lock()
		n.followers--
		n.mu.Unlock()
	}()
	const never = 24 * time.Hour
	interval, alive = cmp.Or(interval, never), cmp.Or(alive, never)
	var due, spoken time.Time
	var told []newsKey
	for {
		b, changed := n.current()
		message, keys := b.to(g)
		// Of a camera that is out of sight not even the moment of a change is told.
		if told == nil || !slices.Equal(keys, told) || !time.Now().Before(due) {
			if err := send(message); err != nil {
				return err
			}
			spoken = time.Now()
			due = spoken.Add(interval)
		}
		told = keys
		for waiting := true; waiting; {
			timer := time.NewTimer(time.Until(earlier(due, spoken.Add(alive))))
			select {
			case <-ctx.Done():
				timer.Stop()
				return context.Cause(ctx)
			case <-changed:
				timer.Stop()
				waiting = false
			case now := <-timer.C:
				if waiting = now.Before(due); !waiting {
					break
				}
				if err := send(nil); err != nil {
					return err
				}
				spoken = time.Now()
			}
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// observer runs while the server serves: it takes the samples of all cameras, and ticks for the news.
type observer struct {
	mu    sync.Mutex
	users int
	end   func()
}

// observe begins to observe, unless it is being done; stop ends it with the last who began.
func (s *Server) observe() (stop func()) {
	o := &s.observer
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users++; o.users == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.watchCameras(ctx)
		}()
		o.end = func() { cancel(); <-done }
	}
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.users--; o.users == 0 {
			o.end()
		}
	}
}

func (s *Server) watchCameras(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	sampleAt := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.news.wake:
		}
		now := time.Now()
		if !now.Before(sampleAt) {
			for _, c := range s.cameras() {
				s.sample(c)
			}
			if sampleAt = sampleAt.Add(sampleEvery); sampleAt.Before(now) {
				sampleAt = now.Add(sampleEvery) // the clock jumped, or the machine slept
			}
		}
		wait := time.Until(sampleAt)
		if s.news.tick() {
			wait = min(wait, newsTick)
		}
		timer.Reset(max(wait, 0))
	}
}

// look is every camera's status.
func (s *Server) look() []Status { return s.lookAt(s.cameras()) }

// lookAt is the status of some. One that cannot tell is shown as it last was known to be: not at all.
func (s *Server) lookAt(cameras []*camera) []Status {
	all := make([]Status, len(cameras))
	for i, c := range cameras {
		st, ok := s.ask(c)
		if !ok {
			st = Status{ID: c.ID, State: Offline, Cause: CauseOther}
		}
		all[i] = st
	}
	return all
}
