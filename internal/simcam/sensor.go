package simcam

import (
	"math"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

const (
	// restAfter is how long a sensor without credit stays awake.
	restAfter = time.Second
	// wakeTime is what a sensor needs for its first picture.
	wakeTime = 50 * time.Millisecond
	// maxFrame is the largest picture that is sent, in bytes.
	maxFrame = 1 << 20
)

// A sensor takes pictures, keeps the newest and counts them (protocol sections 4 and 5). What
// it keeps is the moment of a capture; the picture is only made once it is to be
// sent, so that pictures nobody gets cost nothing.
type sensor struct {
	source   Source
	interval time.Duration // between captures, at least

	// Credit.
	credited    bool
	free        bool // credit is not needed: one-way
	limit       uint32
	minInterval time.Duration
	dry         time.Time // since when there is no credit; zero while there is

	// Captures.
	awake    bool
	due      time.Time // of the next capture, while awake
	waiting  bool      // a capture waits for the line
	taken    time.Time // it was
	number   uint32    // it has
	skipped  uint32    // captures replaced since the last BEGIN
	captured uint32

	// Frames.
	nextFrame uint32
	begun     time.Time // when the last one was
	picture   Picture   // the one being sent
	sending   bool
	offset    int

	sent, skippedCredit, skippedBusy, errors uint32
}

func newSensor(source Source, fps float64) sensor {
	return sensor{
		source:    source,
		interval:  time.Duration(float64(time.Second) / fps),
		nextFrame: 1,
	}
}

// allow takes a CREDIT and reports whether it woke the sensor.
func (s *sensor) allow(limit uint32, minInterval time.Duration, at time.Time) (woke bool) {
	s.credited, s.limit, s.minInterval = true, limit, minInterval
	if !s.allowed() {
		return false
	}
	s.dry = time.Time{}
	if s.awake {
		return false
	}
	s.awake = true
	s.due = at.Add(wakeTime)
	return true
}

// wake lets the sensor run without credit, for one-way lines.
func (s *sensor) wake(at time.Time) {
	s.free, s.awake = true, true
	s.due = at.Add(wakeTime)
}

// forbid takes all credit away. If a frame was being sent, it is cut and its number returned.
func (s *sensor) forbid(at time.Time) (number uint32, cut bool) {
	s.credited = false
	s.tickDry(at)
	cut = s.sending
	if cut {
		s.skippedBusy++
	}
	s.sending = false
	return s.nextFrame - 1, cut
}

// rest puts the sensor to sleep; a picture that was not sent by now is old.
func (s *sensor) rest() {
	if s.waiting {
		s.skip()
	}
	s.awake, s.waiting = false, false
}

// allowed reports whether the next frame may be sent as far as credit goes.
func (s *sensor) allowed() bool {
	return s.free || s.credited && int32(s.limit-s.nextFrame) >= 0
}

// skip counts the waiting capture as not sent.
func (s *sensor) skip() {
	s.skipped++
	if s.allowed() {
		s.skippedBusy++
	} else {
		s.skippedCredit++
	}
}

// tick takes the captures that are due and reports whether it put the sensor to rest.
func (s *sensor) tick(now time.Time, interval time.Duration) (rested bool) {
	s.tickDry(now)
	for s.awake && !s.due.After(now) {
		if s.waiting {
			s.skip()
		}
		s.captured++
		s.waiting, s.taken, s.number = true, s.due, s.captured
		s.due = s.due.Add(interval)
		if now.Sub(s.due) > restAfter {
			s.due = now // it was off the line: nobody saw those
		}
	}
	if s.awake && !s.dry.IsZero() && now.Sub(s.dry) >= restAfter {
		s.rest()
		return true
	}
	return false
}

// tickDry notes when the credit ran out.
func (s *sensor) tickDry(now time.Time) {
	switch {
	case s.allowed():
		s.dry = time.Time{}
	case s.dry.IsZero():
		s.dry = now
	}
}

// next is when tick has something to do, or a frame may begin.
func (s *sensor) next(now time.Time) time.Time {
	if !s.awake {
		return time.Time{}
	}
	next := s.due
	if !s.dry.IsZero() {
		next = earliest(next, s.dry.Add(restAfter))
	}
	if s.waiting && !s.sending && s.allowed() {
		if begin := s.begun.Add(s.minInterval); begin.After(now) {
			next = earliest(next, begin)
		}
	}
	return next
}

func (fw *firmware) captureInterval() time.Duration {
	least := time.Duration(fw.settings.value(camlink.KeyMinIntervalMS)) * time.Millisecond
	return max(fw.sensor.interval, least)
}

// pullFrame gives the next packet of a picture.
func (fw *firmware) pullFrame(at time.Time) (outgoing, bool) {
	s := &fw.sensor
	if s.sending {
		return fw.chunk(), true
	}
	// While a rate is being proven the line belongs to the patterns.
	if fw.trial.running || !s.waiting || !s.allowed() || at.Before(s.taken) || at.Before(s.begun.Add(s.minInterval)) {
		return outgoing{}, false
	}
	shot := fw.settings.shot()
	shot.Number, shot.Uptime = s.number, fw.uptime(s.taken)
	s.waiting = false
	picture, err := s.source.Picture(shot)
	if err != nil || len(picture.JPEG) == 0 || len(picture.JPEG) > maxFrame {
		s.errors++
		fw.log(at, camlink.LevelError, "picture %d: %d bytes, error %v", shot.Number, len(picture.JPEG), err)
		return outgoing{}, false
	}
	m := camlink.FrameBegin{
		Number:    s.nextFrame,
		Length:    uint32(len(picture.JPEG)),
		CaptureUS: fw.micros(s.taken),
		TxUS:      fw.micros(at),
		Width:     uint16(picture.Width),
		Height:    uint16(picture.Height),
		Format:    camlink.FormatJPEG,
		Quality:   uint8(shot.Quality),
		Skipped:   uint16(min(s.skipped, math.MaxUint16)),
	}
	s.picture, s.sending, s.offset = picture, true, 0
	s.begun, s.skipped = at, 0
	s.nextFrame++
	s.tickDry(at)
	return outgoing{
		header: camlink.Header{Type: camlink.TypeFrameBegin, Ref: uint16(m.Number)},
		body:   func(dst []byte, _ time.Time) []byte { return m.Append(dst) },
	}, true
}

// chunk is the next piece of the picture being sent.
func (fw *firmware) chunk() outgoing {
	s := &fw.sensor
	m := camlink.FrameChunk{Offset: uint32(s.offset), Data: s.picture.JPEG[s.offset:]}
	m.Data = m.Data[:min(len(m.Data), camlink.ChunkSize(fw.rate))]
	s.offset += len(m.Data)
	o := outgoing{
		header: camlink.Header{Type: camlink.TypeFrameChunk, Ref: uint16(s.nextFrame - 1)},
		body:   func(dst []byte, _ time.Time) []byte { return m.Append(dst) },
	}
	if s.offset == len(s.picture.JPEG) {
		o.header.Flags = camlink.FlagLast
		s.sending = false
		o.left = func(time.Time) { s.sent++ }
	}
	return o
}
