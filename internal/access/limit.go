package access

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// An address may be wrong a few times at once, as people are, and then now and then.
const (
	guessBurst = 10 // passwords
	guessEvery = 10 * time.Second

	forgeBurst = 60 // tokens, sessions and links: nobody guesses 256 bits, so this is for those who only make noise
	forgeEvery = time.Second
)

// limits remembers who has been wrong how often.
type limits struct {
	guesses, forgeries *table
}

func newLimits(addresses int) limits {
	return limits{
		guesses:   newTable(addresses, guessEvery, guessBurst),
		forgeries: newTable(addresses, forgeEvery, forgeBurst),
	}
}

// table has a bucket for each address that has been wrong lately. An address is forgotten only when its bucket is full again, so
// that nobody gets rid of his own failures by making others fail. While the table is full of those who are remembered, all
// newcomers share one bucket.
type table struct {
	mu    sync.Mutex
	most  int
	every time.Duration
	burst int

	buckets map[netip.Prefix]*bucket
	rest    *bucket
	swept   time.Time
}

type bucket struct {
	rate    *rate.Limiter
	pending int // attempts begun and not ended: each may turn out wrong
	refused bool
}

func newTable(most int, every time.Duration, burst int) *table {
	t := &table{most: most, every: every, burst: burst, buckets: make(map[netip.Prefix]*bucket)}
	t.rest = t.newBucket()
	return t
}

func (t *table) newBucket() *bucket {
	return &bucket{rate: rate.NewLimiter(rate.Every(t.every), t.burst)}
}

// network is what counts as one address: an IPv4 address, or what one customer has of IPv6. What is no address counts as one too.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// attempt is one that has begun.
type attempt struct {
	table  *table
	bucket *bucket
	of     netip.Prefix
}

// begin reserves room for a failure; wait > 0 says there is none, and when there may be. first says that the last one was not
// refused: what is logged, is logged then.
func (t *table) begin(from netip.Addr, now time.Time) (a attempt, wait time.Duration, first bool) {
	p := network(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.find(p, now)
	if left := b.rate.TokensAt(now) - float64(b.pending); left < 1 {
		first, b.refused = !b.refused, true
		return attempt{}, (time.Duration((1-left)*float64(t.every)) + time.Second).Truncate(time.Second), first // whole seconds, rounded up
	}
	b.refused = false
	b.pending++
	return attempt{t, b, p}, 0, false
}

// end is called once for each attempt that has begun.
func (a attempt) end(failed bool, now time.Time) {
	t := a.table
	t.mu.Lock()
	defer t.mu.Unlock()
	a.bucket.pending--
	if failed {
		a.bucket.rate.AllowN(now, 1)
	}
	if a.bucket != t.rest && t.spare(a.bucket, now) {
		delete(t.buckets, a.of)
	}
}

// spare reports whether there is nothing to remember.
func (t *table) spare(b *bucket, now time.Time) bool {
	return b.pending == 0 && b.rate.TokensAt(now) >= float64(t.burst)
}

// find returns the bucket that an address has, or gets.
func (t *table) find(p netip.Prefix, now time.Time) *bucket {
	if b, ok := t.buckets[p]; ok {
		return b
	}
	if len(t.buckets) >= t.most && now.Sub(t.swept) >= time.Second { // not for each newcomer: it looks at all
		t.swept = now
		for p, b := range t.buckets {
			if t.spare(b, now) {
				delete(t.buckets, p)
			}
		}
	}
	if len(t.buckets) >= t.most {
		return t.rest
	}
	b := t.newBucket()
	t.buckets[p] = b
	return b
}

// size is how many addresses are remembered.
func (t *table) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.buckets)
}
