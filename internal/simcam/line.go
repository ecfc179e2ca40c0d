package simcam

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

const (
	// receiveBuffer is how much a host may leave unread, as in a kernel's tty.
	receiveBuffer = 64 << 10
	closeTimeout  = 100 * time.Millisecond
	// bitsPerByte is what a byte costs on an 8N1 line.
	bitsPerByte = 10
)

// Line is the host's end of the wire. One goroutine may Read while another does
// everything else. After [Device.Unplug] every method reports [io.EOF], after Close [os.ErrClosed].
type Line struct {
	device *Device

	// Set by Open.
	usb        bool
	adapterMax int
	wake       chan struct{} // to the device: bytes came, or room
	ready      chan struct{} // to the reader: bytes came
	hangs      time.Time     // Read never returns from then on; zero: it does
	quit       chan struct{} // closed when the line ends
	done       chan struct{} // closed when the device's goroutine has ended

	// Used by Read alone.
	timer *time.Timer

	mu       sync.Mutex
	err      error // why the line ended
	rx       []byte
	overruns uint64 // bytes lost because nobody read
	starved  bool   // the device waits for room
	baud     int
	timeout  time.Duration // of Read, 0 for none
	up       []segment     // on its way to the device
}

// A segment is bytes that arrive together at the device.
type segment struct {
	data   []byte
	baud   int // they were sent at
	starts time.Time
	due    time.Time // the last bit has arrived
}

func newLine(d *Device) *Line {
	l := &Line{
		device:     d,
		usb:        d.opts.USB,
		adapterMax: d.opts.AdapterMax,
		wake:       make(chan struct{}, 1),
		ready:      make(chan struct{}, 1),
		quit:       make(chan struct{}),
		done:       make(chan struct{}),
		timer:      time.NewTimer(0),
		baud:       camlink.BaseBaud,
	}
	l.timer.Stop()
	if d.opts.Hang > 0 {
		l.hangs = time.Now().Add(d.opts.Hang)
	}
	return l
}

// Read returns what has arrived, waiting for the read timeout at most. It returns
// [os.ErrDeadlineExceeded] when nothing came.
func (l *Line) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if !l.hangs.IsZero() && !time.Now().Before(l.hangs) {
		<-l.quit
	}
	var expired <-chan time.Time
	for {
		n, timeout, err := l.take(b)
		if n > 0 || err != nil {
			return n, err
		}
		if timeout > 0 && expired == nil {
			l.timer.Reset(timeout)
			defer l.timer.Stop()
			expired = l.timer.C
		}
		select {
		case <-l.ready:
		case <-l.quit:
		case <-expired:
			// What came in the same instant is not late.
			if n, _, err := l.take(b); n > 0 || err != nil {
				return n, err
			}
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// take moves received bytes to b.
func (l *Line) take(b []byte) (n int, timeout time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, 0, l.err
	}
	n = copy(b, l.rx)
	l.rx = l.rx[:copy(l.rx, l.rx[n:])]
	if n > 0 && l.starved {
		l.starved = false
		signal(l.wake)
	}
	return n, l.timeout, nil
}

// Write sends b. It does not wait: on a UART the bytes arrive when their line time is over.
func (l *Line) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	now := time.Now()
	s := segment{data: append([]byte(nil), b...), baud: l.baud, starts: now, due: now}
	if !l.usb {
		if n := len(l.up); n > 0 && l.up[n-1].due.After(now) {
			s.starts = l.up[n-1].due
		}
		s.due = s.starts.Add(lineTime(len(b), l.baud))
	}
	l.up = append(l.up, s)
	signal(l.wake)
	return len(b), nil
}

// SetBaud waits until what was written has left and changes the rate of the host's
// end. It returns the true rate: the simulated adapter makes every rate up to its limit exactly.
// Errors are [errors.ErrUnsupported] on USB and others for a rate the adapter does not have.
func (l *Line) SetBaud(rate int) (int, error) {
	if l.usb {
		return 0, fmt.Errorf("set rate of a USB line: %w", errors.ErrUnsupported)
	}
	if rate <= 0 || l.adapterMax > 0 && rate > l.adapterMax {
		return 0, fmt.Errorf("the adapter cannot make %d baud", rate)
	}
	l.drain(time.Minute)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	l.baud = rate
	return rate, nil
}

// drain waits until what was written has left, for limit at most.
func (l *Line) drain(limit time.Duration) {
	l.mu.Lock()
	var leaves time.Time
	if n := len(l.up); n > 0 {
		leaves = l.up[n-1].due
	}
	l.mu.Unlock()
	wait := min(time.Until(leaves), limit)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.quit:
	}
}

// Flush discards what was received and not yet read.
func (l *Line) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.rx = l.rx[:0]
	if l.starved {
		l.starved = false
		signal(l.wake)
	}
	return nil
}

// SetReadTimeout bounds the wait of the Reads that follow; d must be above 0. A new line has no bound.
func (l *Line) SetReadTimeout(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("read timeout of %v is not above 0", d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.timeout = d
	return nil
}

// Close gives what was written closeTimeout to arrive and the line back to the device, which keeps its power, its rate
// and, until the lease ends, its link. No goroutine is left when Close returns. Closing twice is no error.
func (l *Line) Close() error {
	l.drain(closeTimeout)
	l.end(os.ErrClosed)
	<-l.done
	l.device.release(l)
	return nil
}

// end makes every method return err from now on, except that a closed line stays closed.
func (l *Line) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		close(l.quit)
	}
	if l.err == nil || l.err == io.EOF {
		l.err = err
	}
}

// hostBaud is the rate of the host's end now.
func (l *Line) hostBaud() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.baud
}

// receive puts bytes into the host's buffer. What does not fit is lost on a UART; on
// USB nothing is taken, and the reader wakes the device when there is room.
func (l *Line) receive(b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return true // nobody is there to miss them
	}
	room := receiveBuffer - len(l.rx)
	if len(b) > room {
		if l.usb {
			l.starved = true
			return false
		}
		l.overruns += uint64(len(b) - room)
		b = b[:room]
	}
	l.rx = append(l.rx, b...)
	signal(l.ready)
	return true
}

// arrived takes the first segment that has reached the device, and says when to ask again if there is none.
func (l *Line) arrived(now time.Time) (s segment, ok bool, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.up) == 0 {
		return segment{}, false, time.Time{}
	}
	if s = l.up[0]; s.due.After(now) {
		return segment{}, false, s.due
	}
	l.up[0].data = nil
	l.up = l.up[1:]
	return s, true, time.Time{}
}

// lineTime is how long n bytes take.
func lineTime(n, baud int) time.Duration {
	return time.Duration(n) * bitsPerByte * time.Second / time.Duration(baud)
}

// signal leaves a note for a goroutine that waits or will wait; one note is enough.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lost is how many bytes the host did not read in time.
func (l *Line) lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.overruns
}
