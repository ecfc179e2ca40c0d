package tape

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Port is what can be recorded.
type Port interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	SetBaud(rate int) (int, error)
	Flush() error
	SetReadTimeout(d time.Duration) error
	Close() error
}

// silenceShown is how long a silence must be for a further mark of it to be of no use to anybody.
const silenceShown = 100 * time.Millisecond

// Recorder writes a tape. One goroutine calls its methods, and those of the ports it wraps.
type Recorder struct {
	// Full is called once, when Limit bytes of the line have been recorded, or when the tape cannot be written to. It may be nil.
	Full func()
	// Limit bounds the bytes received that are recorded; 0: no bound. Nothing is recorded beyond it.
	Limit int64

	w     *bufio.Writer
	start time.Time
	bytes int64
	heard time.Time // when bytes came last
	full  bool
	err   error
}

// NewRecorder begins a tape. Close ends it; w remains the caller's.
func NewRecorder(w io.Writer, label Label) (*Recorder, error) {
	r := &Recorder{w: bufio.NewWriterSize(w, 64<<10), start: time.Now()}
	text, err := json.Marshal(label)
	if err != nil {
		return nil, fmt.Errorf("label the tape: %w", err)
	}
	line := fmt.Sprintf("%s%s\n", magic, text)
	if len(line) > maxLine {
		return nil, fmt.Errorf("label the tape: a port with a name of %d bytes: a tape has room for %d at most", len(label.Port), maxLine)
	}
	if _, err := r.w.WriteString(line); err != nil {
		return nil, fmt.Errorf("write the tape: %w", err)
	}
	return r, nil
}

// Bytes returns how many bytes of the line have been recorded.
func (r *Recorder) Bytes() int64 { return r.bytes }

// Close writes out what is left, and returns the first error of the tape.
func (r *Recorder) Close() error {
	if err := r.w.Flush(); r.err == nil && err != nil {
		r.err = err
	}
	if r.err != nil {
		return fmt.Errorf("write the tape: %w", r.err)
	}
	return nil
}

// Wrap returns p, recorded from now on.
func (r *Recorder) Wrap(p Port) Port {
	r.note(opened, nil)
	r.heard = time.Now()
	return &recorded{p, r}
}

func (r *Recorder) note(k kind, payload []byte) {
	if r.full || r.err != nil {
		return
	}
	var h [headerSize]byte
	binary.LittleEndian.PutUint64(h[0:], uint64(time.Since(r.start)))
	h[8] = byte(k)
	binary.LittleEndian.PutUint32(h[12:], uint32(len(payload)))
	_, err := r.w.Write(h[:])
	if err == nil {
		_, err = r.w.Write(payload)
	}
	if k == received {
		r.bytes += int64(len(payload))
	}
	if r.err = err; err != nil || r.Limit > 0 && r.bytes >= r.Limit {
		r.full = true
		if r.Full != nil {
			r.Full()
		}
	}
}

// recorded is a port whose calls are noted.
type recorded struct {
	Port
	tape *Recorder
}

func (p *recorded) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	now := time.Now()
	if n > 0 {
		p.tape.note(received, b[:n])
		p.tape.heard = now
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		if now.Sub(p.tape.heard) < silenceShown {
			p.tape.note(silent, nil)
		}
	case errors.Is(err, io.EOF):
		p.tape.note(failed, nil)
	default:
		p.tape.note(failed, []byte(err.Error()))
	}
	return n, err
}

func (p *recorded) Write(b []byte) (int, error) {
	n, err := p.Port.Write(b)
	if n > 0 {
		p.tape.note(sent, b[:n])
	}
	return n, err
}

func (p *recorded) SetBaud(rate int) (int, error) {
	actual, err := p.Port.SetBaud(rate)
	if err == nil {
		p.tape.note(rated, binary.LittleEndian.AppendUint32(nil, uint32(actual)))
		p.tape.heard = time.Now()
	}
	return actual, err
}

func (p *recorded) Close() error {
	p.tape.note(closed, nil)
	return p.Port.Close()
}

// RateBefore is the port's own, where it has one.
func (p *recorded) RateBefore() int {
	if k, ok := p.Port.(interface{ RateBefore() int }); ok {
		return k.RateBefore()
	}
	return 0
}
