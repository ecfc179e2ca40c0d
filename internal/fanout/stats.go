package fanout

import (
	"sync/atomic"
	"time"

	"github.com/camgw/camgw/internal/histogram"
)

// Transport is how a viewer is connected.
type Transport uint8

const (
	MJPEG     Transport = iota // multipart over HTTP
	Snapshot                   // one picture over HTTP
	WebSocket                  // binary messages
	transports
)

func (t Transport) String() string {
	return [transports]string{"mjpeg", "snapshot", "ws"}[t]
}

// Reason is why a viewer did not get a frame.
type Reason uint8

const (
	Slow  Reason = iota // a newer one came before the viewer was ready for it
	Left                // the viewer left before it took it
	Error               // sending it failed
	Rate                // the viewer, or its lockstep group, wanted fewer
	reasons
)

func (r Reason) String() string {
	return [reasons]string{"slow", "left", "error", "rate"}[r]
}

// Account is what became of frames. When all viewers it speaks of are gone, Offered = Sent + the sum of
// Skipped; before that, Offered may be ahead by the frames still on their way.
type Account struct {
	Offered uint64          // published while subscribed, summed over viewers
	Sent    uint64          // written whole
	Skipped [reasons]uint64 // by [Reason]
}

// TransportStats speaks of all viewers of one transport, those who left included.
type TransportStats struct {
	Account
	Viewers   int    // now
	Lagging   int    // of them, those who skipped a frame for being slow lately
	Joined    uint64 // ever
	SentBytes uint64 // of the frames sent, with their envelopes
}

// Stats is what a hub has counted since it was made. Counters only grow; they are read one after the other,
// so that between them they may be apart by the frames of a moment.
type Stats struct {
	Published  uint64
	Bytes      uint64    // JPEG bytes published
	FPS        float64   // frames per second lately; 0 when frames have stopped
	Last       time.Time // when the newest frame was received; zero before the first
	Transports [transports]TransportStats
	Receipt    histogram.Histogram        // seconds: ages of frames when they were received; those whose capture time is known
	Delivery   [modes]histogram.Histogram // seconds: ages of frames when they had been written whole to a viewer, by [Mode]

	FrameMemory int // bytes of the frames that are held for viewers, the newest included
}

// tally is a transport's counters. All viewers of the transport write them.
type tally struct {
	joined, offered, sent, sentBytes atomic.Uint64
	skipped                          [reasons]atomic.Uint64
}

// Stats reads the counters.
func (h *Hub) Stats() Stats {
	var st Stats
	// Sent and skipped are read before offered, so that they never seem to exceed it.
	for t := range h.tallies {
		src, dst := &h.tallies[t], &st.Transports[t]
		dst.Sent = src.sent.Load()
		dst.SentBytes = src.sentBytes.Load()
		for r := range src.skipped {
			dst.Skipped[r] = src.skipped[r].Load()
		}
	}
	st.Receipt = h.receipt.read()
	for m := range h.ages {
		st.Delivery[m] = h.ages[m].read()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for t := range h.tallies {
		src, dst := &h.tallies[t], &st.Transports[t]
		dst.Viewers = h.members[t]
		dst.Lagging = min(int(h.lagging[t].Load()), dst.Viewers)
		dst.Joined = src.joined.Load()
		dst.Offered = src.offered.Load()
	}
	newest := h.latest.Load()
	st.Published = newest.Seq
	st.Last = newest.Received
	st.Bytes = h.bytes
	st.FrameMemory = max(int(h.held.Load()), len(newest.mem))
	st.FPS = h.pace.rate(time.Now())
	return st
}

// paceWindow is how far back the frame rate looks.
const paceWindow = 5 * time.Second

// pace remembers when the last frames came.
type pace struct {
	times [32]time.Time
	n     int // frames ever added
}

func (p *pace) add(t time.Time) {
	p.times[p.n%len(p.times)] = t
	p.n++
}

// rate is the frames per second over the remembered frames of the last window. The silence since the last one counts
// as an interval once it is clearly longer than the others, so that a stopped camera falls to 0 and does not
// keep its last rate.
func (p *pace) rate(now time.Time) float64 {
	var oldest, newest time.Time
	count := 0
	for i := p.n - 1; i >= 0 && i >= p.n-len(p.times); i-- {
		t := p.times[i%len(p.times)]
		if now.Sub(t) > paceWindow {
			break
		}
		if count == 0 {
			newest = t
		}
		oldest = t
		count++
	}
	span := newest.Sub(oldest)
	if count < 2 || span <= 0 {
		return 0
	}
	intervals := float64(count - 1)
	if silence := now.Sub(newest); silence.Seconds() > 2*span.Seconds()/intervals {
		intervals++
		span += silence
	}
	return intervals / span.Seconds()
}
