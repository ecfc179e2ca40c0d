package fanout

import "time"

// ring holds the frames that viewers of mode All have still to get, once for all of them: a viewer's own queue is
// only its place in it.
type ring struct {
	frames []*Frame // consecutive
	ends   []uint64 // of the same index: bytes pushed up to and with that frame
	pushed uint64
}

func (r *ring) push(p *pump, f *Frame) {
	p.take(f)
	r.pushed += uint64(len(f.mem))
	r.frames = append(r.frames, f)
	r.ends = append(r.ends, r.pushed)
}

// at is the frame of that sequence number; nil if it is not there.
func (r *ring) at(seq uint64) *Frame {
	if len(r.frames) == 0 || seq < r.frames[0].Seq || seq-r.frames[0].Seq >= uint64(len(r.frames)) {
		return nil
	}
	return r.frames[seq-r.frames[0].Seq]
}

// after is how many bytes of memory the frames after that sequence number have.
func (r *ring) after(seq uint64) int {
	if f := r.at(seq + 1); f != nil {
		i := seq + 1 - r.frames[0].Seq
		return int(r.pushed - r.ends[i] + uint64(len(f.mem)))
	}
	return 0
}

// trim lets go of the frames that every viewer has had.
func (r *ring) trim(p *pump) {
	switch wanted := p.hub.every.Load(); {
	case len(r.frames) == 0 || wanted > int64(p.every): // somebody has joined whom the pump has not met
		return
	case wanted == 0:
		r.clear(p)
		return
	}
	had := r.frames[len(r.frames)-1].Seq
	for _, v := range p.viewers {
		if v.terms.Mode == All {
			had = min(had, v.settled)
		}
	}
	n := 0
	for n < len(r.frames) && r.frames[n].Seq <= had {
		p.drop(r.frames[n])
		n++
	}
	if n > 0 {
		kept := copy(r.frames, r.frames[n:])
		copy(r.ends, r.ends[n:])
		clear(r.frames[kept:])
		r.frames, r.ends = r.frames[:kept], r.ends[:kept]
	}
}

func (r *ring) clear(p *pump) {
	for i, f := range r.frames {
		p.drop(f)
		r.frames[i] = nil
	}
	r.frames, r.ends = r.frames[:0], r.ends[:0]
}

// allowance is how many more frames the All viewers together bear. A frame that is being written counts: the next ones
// wait behind it. How long they would wait follows from how long the viewer took for those before, because
// by the time that the oldest has become old, too many would wait behind it.
func (p *pump) allowance() int {
	if p.every == 0 {
		return unlimited
	}
	least := unlimited
	for _, v := range p.viewers {
		if v.terms.Mode != All || v.cut {
			continue
		}
		waiting := 0
		if p.newest != nil {
			waiting = int(p.newest.Seq - min(v.settled, p.newest.Seq))
		}
		bytes := p.ring.after(v.settled)
		pace := v.pace
		if v.busy {
			waiting++
			bytes += len(v.rest)
			pace = max(pace, p.now.Sub(v.busyAt)/2)
		}
		if p.newest != nil {
			least = min(least, (v.terms.Buffer/2-bytes)/len(p.newest.mem))
		}
		if pace > 0 {
			least = min(least, int(v.terms.Patience/2/max(pace, time.Microsecond))-waiting)
		}
	}
	return max(least, 0)
}

// step gives the lockstep group its next frame, when all members have had the one before.
func (p *pump) step() {
	f := p.newest
	if len(p.members) == 0 || p.stalled > 0 || f == nil || f.Seq <= p.ruled {
		return
	}
	// Once for each frame: asked again when somebody with another cap has come or gone, the answer could be another, and he alone
	// would see what the others were denied.
	p.ruled = f.Seq
	var every time.Duration
	for _, v := range p.members {
		every = max(every, v.terms.Interval)
	}
	give := every == 0 || pass(&p.paced, f.Received, every)
	if give {
		p.keep(&p.group, f)
	}
	for i := len(p.members) - 1; i >= 0; i-- { // backwards: who fails is replaced by the last
		v := p.members[i]
		if f.Seq <= v.settled {
			continue // it came after this frame
		}
		p.skip(v, Slow, f.Seq-v.settled-1)
		v.settled = f.Seq
		if give {
			p.send(v, f)
		} else {
			p.skip(v, Rate, 1)
		}
	}
}

// keep puts f, which may be nil, into a place of the pump's.
func (p *pump) keep(place **Frame, f *Frame) {
	if f != nil {
		p.take(f)
	}
	if *place != nil {
		p.drop(*place)
	}
	*place = f
}

// take and drop count the memory of frames that are in the pump's hands, each once.
func (p *pump) take(f *Frame) {
	if f.holders++; f.holders == 1 {
		p.hub.held.Add(int64(len(f.mem)))
	}
}

func (p *pump) drop(f *Frame) {
	if f.holders--; f.holders == 0 {
		p.hub.held.Add(-int64(len(f.mem)))
	}
}
