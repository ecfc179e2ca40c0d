package tape

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// Options say how to play a tape.
type Options struct {
	File  string
	Speed float64 // 1 is as it was; 0: as fast as it can be read
	Loop  bool    // begin again at the end
}

// The range of speeds.
const (
	minSpeed = 0.01
	maxSpeed = 1000
)

// ParseOptions reads what stands after "replay:" in the name of a port: FILE, FILE?speed=4, FILE?speed=max&loop=1.
func ParseOptions(spec string) (Options, error) {
	o := Options{File: spec, Speed: 1}
	if i := strings.LastIndexByte(spec, '?'); i >= 0 {
		o.File = spec[:i]
		for field := range strings.SplitSeq(spec[i+1:], "&") {
			key, value, _ := strings.Cut(field, "=")
			switch key {
			case "speed":
				f, err := strconv.ParseFloat(value, 64)
				switch {
				case value == "max":
					f = 0
				case err != nil || math.IsNaN(f) || f < minSpeed || f > maxSpeed:
					return o, fmt.Errorf("speed=%s: want a number from %v to %v, or max", value, minSpeed, maxSpeed)
				}
				o.Speed = f
			case "loop":
				on, err := strconv.ParseBool(value)
				if err != nil {
					return o, fmt.Errorf("loop=%s: want 1 or 0", value)
				}
				o.Loop = on
			default:
				return o, fmt.Errorf("unknown option %q; there are speed and loop", key)
			}
		}
	}
	if o.File == "" {
		return o, errors.New("the file is missing: want FILE, or FILE?speed=4")
	}
	return o, nil
}

// farAway is a wait in nanoseconds that does not end and can still be added to a time: 73 years.
const farAway = 1 << 61

// Player plays one tape. One goroutine calls its methods.
type Player struct {
	opts  Options
	label Label

	file  *os.File // nil while no line is open
	in    *bufio.Reader
	begin int64 // offset of the first record
	at    int64 // of the next to be read; 0: nothing was read yet

	shift   time.Duration // of the tape's time, for all the loops before this one
	elapsed time.Duration // tape's time, of the last record that was given
	baud    int
	changes int

	next    record // read and not yet given
	have    bool
	due     time.Time // of next
	lastDue time.Time
	lastAt  time.Duration
}

type record struct {
	at      time.Duration
	kind    kind
	payload []byte
}

// NewPlayer looks at a tape and holds nothing open. The error names the file.
func NewPlayer(o Options) (*Player, error) {
	p := &Player{opts: o}
	if err := p.load(); err != nil {
		return nil, err
	}
	p.at = 0 // the file may become another one until it is opened
	return p, p.Close()
}

// Label says what the tape was made of.
func (p *Player) Label() Label { return p.label }

// Close closes the file, if it is open. The next Open goes on from there.
func (p *Player) Close() error {
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file, p.in = nil, nil
	return err
}

// load opens the file at the next record.
func (p *Player) load() error {
	if p.file != nil {
		return nil
	}
	// Of a pipe there would be nothing left to play; and opening one may last for ever.
	info, err := os.Stat(p.opts.File)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a file, which a recording must be", p.opts.File)
	}
	if err != nil {
		return err // names the file
	}
	if p.file, err = os.Open(p.opts.File); err != nil {
		return err
	}
	p.in = bufio.NewReaderSize(p.file, 64<<10)
	line, err := p.in.ReadSlice('\n')
	text, ok := strings.CutPrefix(string(line), magic)
	if err != nil || !ok || len(line) > maxLine || json.Unmarshal([]byte(text), &p.label) != nil {
		return errors.Join(fmt.Errorf("%s: not a recording of camgw, or of a version that this one does not know; try: a file made by camgw capture-raw", p.opts.File), p.Close())
	}
	p.begin = int64(len(line))
	return p.seek(max(p.at, p.begin))
}

func (p *Player) seek(offset int64) error {
	if _, err := p.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	p.in.Reset(p.file)
	p.at = offset
	return nil
}

// peek makes next the next record; ErrEnd after the last.
func (p *Player) peek() error {
	if p.have {
		return nil
	}
	if p.file == nil {
		return os.ErrClosed
	}
	var h [headerSize]byte
	if _, err := io.ReadFull(p.in, h[:]); err != nil {
		return p.endOf(err)
	}
	n := binary.LittleEndian.Uint32(h[12:])
	if n > maxPayload {
		return fmt.Errorf("%s: a record claims %d bytes: the file is damaged", p.opts.File, n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(p.in, payload); err != nil {
		return p.endOf(err)
	}
	p.at += int64(len(h) + len(payload))
	// A damaged tape may run backwards; the time that a session judges the line by must not.
	at := max(p.shift+time.Duration(binary.LittleEndian.Uint64(h[0:])), p.elapsed)
	p.next, p.have = record{at, kind(h[8]), payload}, true
	p.due = time.Time{}
	if p.opts.Speed > 0 {
		p.due = p.lastDue.Add(time.Duration(min(float64(at-p.lastAt)/p.opts.Speed, farAway)))
		p.lastAt, p.lastDue = at, p.due
	}
	return nil
}

func (p *Player) endOf(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrEnd
	}
	return fmt.Errorf("read the tape: %w", err)
}

// take gives the record that peek found.
func (p *Player) take() record {
	p.have = false
	p.elapsed = p.next.at
	return p.next
}

// Open returns the line from where the port was opened next.
func (p *Player) Open(ctx context.Context) (*Line, error) {
	l, err := p.open(ctx)
	if err != nil {
		_ = p.Close() // it was only read
		return nil, err
	}
	return l, nil
}

func (p *Player) open(ctx context.Context) (*Line, error) {
	if err := p.load(); err != nil {
		return nil, err
	}
	for again := false; ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := p.peek()
		switch {
		case errors.Is(err, ErrEnd) && p.opts.Loop && !again:
			if err := p.seek(p.begin); err != nil {
				return nil, err
			}
			p.shift = p.elapsed
			p.lastAt, p.lastDue = p.shift, time.Now()
			again = true // a tape without an opening has nothing to play, however often
		case err != nil:
			return nil, fmt.Errorf("%s: %w", p.opts.File, err)
		default:
			if r := p.take(); r.kind == opened {
				p.baud = 0
				p.lastDue = time.Now()
				return &Line{player: p}, nil
			}
		}
	}
}

// Line is a port that was recorded, from its opening to its close. Time and rate are those of the tape.
type Line struct {
	player  *Player
	timeout time.Duration
	rest    []byte // of a record that did not fit
}

// Read returns what the read of the recorded port returned, when it is time. It returns [os.ErrDeadlineExceeded] also when it
// is not yet time; Elapsed then stands still.
func (l *Line) Read(b []byte) (int, error) {
	p := l.player
	if len(l.rest) > 0 {
		n := copy(b, l.rest)
		l.rest = l.rest[n:]
		return n, nil
	}
	for {
		if err := p.peek(); err != nil {
			return 0, err
		}
		if !p.due.IsZero() {
			if wait := time.Until(p.due); wait > l.timeout {
				time.Sleep(l.timeout)
				return 0, os.ErrDeadlineExceeded
			} else if wait > 0 {
				time.Sleep(wait)
			}
		}
		if p.next.kind == opened {
			return 0, io.EOF // the next opening's
		}
		switch r := p.take(); r.kind {
		case received:
			n := copy(b, r.payload)
			l.rest = r.payload[n:]
			return n, nil
		case silent:
			return 0, os.ErrDeadlineExceeded
		case rated:
			if len(r.payload) == 4 {
				p.baud = int(binary.LittleEndian.Uint32(r.payload))
				p.changes++
			}
			return 0, os.ErrDeadlineExceeded
		case failed:
			if len(r.payload) == 0 {
				return 0, io.EOF
			}
			return 0, errors.New(string(r.payload))
		}
	}
}

// Elapsed returns the tape's time when the last Read returned.
func (l *Line) Elapsed() time.Duration { return l.player.elapsed }

// Rate returns the rate the line then had, 0 if it has none, and how often it was set, ever.
func (l *Line) Rate() (baud, changes int) { return l.player.baud, l.player.changes }

// Write does nothing: the answer is on the tape already.
func (l *Line) Write(b []byte) (int, error) { return len(b), nil }

// SetBaud fails with [errors.ErrUnsupported].
func (l *Line) SetBaud(int) (int, error) {
	return 0, fmt.Errorf("set baud on a recording: %w", errors.ErrUnsupported)
}

// Flush does nothing.
func (l *Line) Flush() error { return nil }

// SetReadTimeout bounds the wait of the following Reads.
func (l *Line) SetReadTimeout(d time.Duration) error {
	l.timeout = d
	return nil
}

// Close closes the file; the tape goes on at the next opening.
func (l *Line) Close() error { return l.player.Close() }
