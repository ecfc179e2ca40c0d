package web

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	sampleEvery = time.Second
	samplesKept = 600

	rateWindow   = 5 * time.Second  // that rates are taken over
	healthWindow = 10 * time.Second // that a link is judged by
	healthLeast  = 3 * time.Second  // before that it is too early to tell
)

// reading is what a camera's counters said at one moment.
type reading struct {
	at        time.Time
	bytes     uint64 // of the pictures
	link      uint64 // of everything on the line
	published uint64
	damaged   uint64 // rejected, or lost whole
	skipped   uint64 // by the device
	errors    uint64 // on the line, and pictures damaged
}

// since is how much of a counter there was per second.
func (r reading) since(base reading, counter func(reading) uint64) float64 {
	seconds := r.at.Sub(base.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(increase(counter(r), counter(base))) / seconds
}

// increase is what a counter has grown by; 0 if it has begun anew.
func increase(now, before uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// anew tells whether the counters have begun anew since: another camera stands behind the hub.
func (r reading) anew(before reading) bool {
	return r.link < before.link || r.damaged < before.damaged || r.skipped < before.skipped || r.errors < before.errors
}

// conditions are what a link's health depends on. A change begins its judgement anew.
type conditions struct {
	streaming     bool
	asked         float64
	baud          int
	width, height int
}

// sample is one second of a camera's history. What is unknown is NaN.
type sample [historyColumns]float32

const (
	columnFPS = iota
	columnAge
	columnBytes
	columnUse
	columnQuality
	columnViewers
	columnErrors
	historyColumns
)

var columnNames = [historyColumns]string{"fps", "frame_age", "bytes_per_second", "link_use", "quality", "viewers", "errors"}

// meter remembers a camera's last ten minutes, and measures what it does now.
type meter struct {
	mu       sync.Mutex
	readings []reading // of the last healthWindow, oldest first
	under    conditions
	steady   time.Time // since when the conditions are these
	samples  []sample  // a ring from next on, once it is full
	next     int
	end      time.Time // when the newest sample was taken
}

// base is the oldest reading not before at, and whether there is one before now.
func (m *meter) base(at, now time.Time) (reading, bool) {
	for _, r := range m.readings {
		if !r.at.Before(at) {
			return r, r.at.Before(now)
		}
	}
	return reading{}, false
}

// measure fills in what follows from a camera's counters lately.
func (m *meter) measure(st *Status, now reading, under conditions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// What was before the camera was woken says nothing about now, unless there is nothing else as yet.
	base, ok := m.base(later(now.at.Add(-rateWindow), m.steady), now.at)
	if !ok || now.at.Sub(base.at) < sampleEvery {
		base, ok = m.base(now.at.Add(-rateWindow), now.at)
	}
	if ok {
		st.BytesPerSecond = math.Round(now.since(base, func(r reading) uint64 { return r.bytes }))
		if st.Baud > 0 {
			// A byte is ten bits on the line: one to start, one to stop.
			use := now.since(base, func(r reading) uint64 { return r.link }) * 10 / float64(st.Baud)
			use = math.Round(min(use, 1)*1000) / 1000
			st.Link.Use = &use
		}
	}
	if under != m.under || !under.streaming {
		return
	}
	base, ok = m.base(later(now.at.Add(-healthWindow), m.steady), now.at)
	if !ok || now.at.Sub(base.at) < healthLeast {
		return
	}
	p := performance{
		carried: now.since(base, func(r reading) uint64 { return r.published }),
		skipped: now.since(base, func(r reading) uint64 { return r.skipped }),
		damaged: increase(now.damaged, base.damaged),
		whole:   increase(now.published, base.published),
		asked:   under.asked,
		use:     st.Link.Use,
	}
	carried := math.Round(p.carried*10) / 10
	st.Link.CarriedFPS = &carried
	if st.Health.Level == Good {
		st.Health = p.judge()
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// add takes a sample.
func (m *meter) add(st *Status, now reading, under conditions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if under != m.under {
		m.under, m.steady = under, now.at
	}
	if n := len(m.readings); n > 0 && now.anew(m.readings[n-1]) {
		m.readings, m.steady = nil, now.at // what was before says nothing about what comes
	}
	s := sample{
		columnFPS: float32(st.FPS), columnAge: unknown(nil), columnBytes: float32(st.BytesPerSecond), columnUse: unknown(st.Link.Use),
		columnQuality: unknown(nil), columnViewers: float32(st.Viewers), columnErrors: unknown(nil),
	}
	if st.Quality != nil {
		s[columnQuality] = float32(*st.Quality)
	}
	if n := len(m.readings); n > 0 {
		before := m.readings[n-1]
		s[columnErrors] = float32(now.errors - before.errors)
		if now.published > before.published {
			s[columnAge] = unknown(st.FrameAge)
		}
	}
	for len(m.readings) > 0 && now.at.Sub(m.readings[0].at) > healthWindow {
		m.readings = m.readings[1:]
	}
	m.readings = append(m.readings, now)
	if len(m.samples) < samplesKept {
		m.samples = append(m.samples, s)
	} else {
		m.samples[m.next] = s
		m.next = (m.next + 1) % samplesKept
	}
	m.end = now.at
}

func unknown(v *float64) float32 {
	if v == nil {
		return float32(math.NaN())
	}
	return float32(*v)
}

// series is one column of a history, as JSON: unknown values are null.
type series struct {
	samples []sample
	column  int
}

func (s series) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 8*len(s.samples)+2), '[')
	for i, one := range s.samples {
		if i > 0 {
			b = append(b, ',')
		}
		v := float64(one[s.column])
		if math.IsNaN(v) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, math.Round(v*1000)/1000, 'f', -1, 64)
	}
	return append(b, ']'), nil
}

// history answers with the last ten minutes of a camera, as far as the server has seen them.
func (s *Server) history(w http.ResponseWriter, _ *http.Request, c *camera) {
	m := &c.meter
	m.mu.Lock()
	samples := append(append(make([]sample, 0, samplesKept), m.samples[m.next:]...), m.samples[:m.next]...)
	end := m.end
	m.mu.Unlock()
	answer := struct {
		Interval float64           `json:"interval"`
		End      *float64          `json:"end"`
		Columns  map[string]series `json:"columns"`
	}{Interval: sampleEvery.Seconds(), Columns: make(map[string]series, historyColumns)}
	if len(samples) > 0 {
		seconds := float64(end.UnixMilli()) / 1000
		answer.End = &seconds
	}
	for i, name := range columnNames {
		answer.Columns[name] = series{samples, i}
	}
	s.reply(w, http.StatusOK, "application/json", answer)
}

// sample takes a camera's sample of this second.
func (s *Server) sample(c *camera) {
	defer s.caught(c)
	st, now, under := c.look()
	c.meter.add(&st, now, under)
}
