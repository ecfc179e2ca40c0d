package camera

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// session is the use of one open port, from open to close. Its methods run
// in the goroutine of Camera.Run, one after the other: a step of the protocol
// is a function that pumps the port until its answer is there.
type session struct {
	*Camera

	ctx    context.Context
	port   Port
	rester Rester    // the port, if it is one
	epoch  time.Time // zero of the host clock that PINGs carry

	tape     Recording // nil on a live line
	changes  int       // of the recording's rate, seen
	greeting bool      // a HELLO that links was seen; for recordings
	greetRef uint16    // of the last such HELLO

	seq      uint16
	ref      uint16
	lastSent time.Time
	baud     int  // the line's rate now
	fixed    bool // the line has no rate to change

	lastByte  time.Time
	lastValid time.Time
	shared    time.Time // what has happened, with others
	quiet     bool      // the decoder knows of the silence
	heard     int       // bytes since the handshake last looked
	junk      int       // bytes that came when the last valid packet was over

	linked   bool
	oneWay   bool
	lineless bool // the port cannot reset the line
	beacon   bool // a HELLO nobody asked for: the device does not think it is linked
	bootText time.Time
	reborn   bool // a HELLO nobody asked for told of another boot
	hello    camlink.Hello
	version  bool // the device refused our version
	await    *await

	rates    rateMemory
	recalled bool // the rate from before the opening was tried

	line      LineCounts // when last asked
	lineAt    time.Time
	lineAsked bool

	greeted     time.Time    // the HELLO that linked
	items       []ConfigItem // by key, from 1
	learnt      bool         // items are the device's
	unsettled   bool         // the device does not have what is wanted of it
	settledBoot uint32       // the boot that has been given the settings, if any is
	given       bool         // settledBoot counts
	settled     time.Time    // when settle tried last
	running     bool         // the link's own work goes on while a request waits

	flow flow
	clk  clock
}

// await collects the answers to the request under way.
type await struct {
	ref     uint16
	want    int // answers that make it complete
	replies []camlink.Packet
}

var (
	errNoReply    = errors.New("no answer")
	errNoDevice   = errors.New("nobody answers")                 // ends a session
	errLinkLost   = errors.New("the device stopped answering")   // look for it again
	errRateFailed = errors.New("the line rate damages too much") // likewise
)

// serve uses an open port until it fails or ctx ends.
func (c *Camera) serve(ctx context.Context, port Port) error {
	now := time.Now()
	s := &session{
		Camera: c, ctx: ctx, port: port, epoch: now,
		baud: camlink.BaseBaud, lastByte: now, quiet: true,
	}
	s.rester, _ = port.(Rester)
	c.dec.Reset()
	if tape, ok := port.(Recording); ok {
		s.tape = tape
		err := s.replay()
		s.setReach(unlinked)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	if _, err := port.SetBaud(camlink.BaseBaud); errors.Is(err, errors.ErrUnsupported) {
		s.fixed = true
	} else if err != nil {
		return err
	}
	for {
		s.linked, s.oneWay, s.running = false, false, false
		s.forget()
		err := s.connect()
		if err == nil {
			err = s.prepare()
		}
		if err == nil {
			err = s.run()
		}
		s.setReach(unlinked)
		switch {
		case ctx.Err() != nil:
			s.farewell()
			return ctx.Err()
		case errors.Is(err, errLinkLost):
			c.stats.LinksLost++
			if err := s.lost(time.Now()); err != nil {
				return err
			}
			if err := s.restBetween(); err != nil {
				return err
			}
		case !errors.Is(err, errRateFailed):
			return err
		}
		c.asm.Reset()
	}
}

// lost takes note of a link that was lost, and of one too many.
func (s *session) lost(now time.Time) error {
	if now.Sub(s.greeted) > briefLink {
		s.ladder.brief = 0
		return nil
	}
	if s.ladder.brief++; s.ladder.brief < briefLinks {
		return nil
	}
	return s.treat(now, AilmentUnsteady, "links are lost within seconds; check the power supply and the wiring", RungLine, RungReopen)
}

// restBetween waits longer the more links were lost at once: a device that answers and then says that it is not linked would have
// them made and lost a thousand times a second. The first two are looked for again at once, as after a reboot.
func (s *session) restBetween() error {
	s.linked, s.oneWay, s.running = false, false, false
	rest := time.Duration(min(s.ladder.brief-2, 8)) * briefRest
	for end := time.Now().Add(rest); time.Now().Before(end); {
		if err := s.pump(end); err != nil {
			return err
		}
	}
	return nil
}

// readSlice bounds every wait for bytes: within it a session notices that it
// should end, that somebody wants pictures or that the line has fallen silent.
const readSlice = 50 * time.Millisecond

// flowSlice is the same while pictures flow: their bytes end the wait in any case. Each wait is a timer, and each timer a wake-up of
// the Go runtime's monitor: with the short slice that took a third of what reading 30 pictures a second costs.
const flowSlice = 250 * time.Millisecond

// restOfPacket is how long to leave the line alone because nothing can be done before the packet at hand is whole, which takes as long as the
// line takes for what is missing. A UART adapter hands on a few hundred bytes every millisecond: to wake for each would cost more than all
// that is done with them. It is a whole number of milliseconds, which is how the Go runtime waits.
func (s *session) restOfPacket() time.Duration {
	// Of a USB device the rate is not known.
	if s.rester == nil || !s.running || s.fixed || s.hello.Transport != camlink.TransportUART {
		return 0
	}
	missing := min(s.dec.Missing(), restBytes)
	rest := min(time.Duration(missing)*bitsPerByte*time.Second/time.Duration(s.baud), restMost).Truncate(time.Millisecond)
	if rest == 0 {
		return 0
	}
	return rest + restSlack
}

const (
	bitsPerByte = 10 // 8N1

	// restBytes bounds what waits in the terminal meanwhile, whose 4 KiB must not fill up: its driver would then stop taking in.
	restBytes = 2 << 10
	// restMost bounds the time in which the session notices nothing else.
	restMost = 25 * time.Millisecond
	// restSlack keeps the runtime from waiting twice: it rounds what is left down to milliseconds.
	restSlack = 50 * time.Microsecond
)

// junkAfter is when what comes after a valid packet is no longer the beginning of the next one: a chunk takes 10 ms of the line.
const junkAfter = 30 * time.Millisecond

// pump reads once, waiting no longer than until, and acts upon what came.
func (s *session) pump(until time.Time) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	slice := readSlice
	if s.running && s.now().Sub(s.lastByte) < readSlice && (s.oneWay || s.opts.Hub.Viewers() > 0) {
		slice = flowSlice
	}
	if rest := s.restOfPacket(); rest > 0 {
		s.rester.Rest(rest)
	}
	wait := min(max(time.Until(until), time.Millisecond), slice)
	if err := s.port.SetReadTimeout(wait); err != nil {
		return err
	}
	n, err := s.port.Read(s.dec.Room())
	s.beats.Add(1)
	now := s.now()
	if s.tape != nil {
		s.follow()
	}
	if n > 0 {
		s.dec.Fed(n)
		s.heard += n
		if now.Sub(s.lastValid) > junkAfter {
			s.junk += n
		}
		s.stats.ReceivedBytes += uint64(n)
		s.lastByte, s.quiet = now, false
	}
	switch {
	case err == nil:
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case !s.quiet && now.Sub(s.lastByte) >= camlink.SilenceMillis*time.Millisecond:
		s.dec.Silence()
		s.quiet = true
	}
	for {
		ev, ok := s.dec.Next()
		if !ok {
			break
		}
		if ev.Kind == camlink.EventText {
			s.text(now, ev.Text)
			continue
		}
		s.lastValid, s.junk = now, 0
		s.stats.accept(ev.Packet.Type)
		if err := s.packet(now, ev.Packet); err != nil {
			return err
		}
	}
	if err := s.extendCredit(now); err != nil {
		return err
	}
	s.countLineErrors(now)
	// In the middle of a picture there is little to tell, and to copy the counts for every piece of one costs as much as to check its marks.
	if n == 0 || !s.asm.InProgress() || now.Sub(s.shared) >= shareEvery {
		s.shared = now
		s.share()
	}
	return nil
}

// shareEvery is how old what others see may be while a picture comes in.
const shareEvery = 20 * time.Millisecond

// lineErrorsEvery is how often the driver is asked for its counts.
const lineErrorsEvery = time.Second

// countLineErrors counts what the line has suffered since it was opened: what the driver counted before that is not this
// camera's.
func (s *session) countLineErrors(now time.Time) {
	counter, ok := s.port.(LineCounter)
	if !ok || s.lineAsked && now.Sub(s.lineAt) < lineErrorsEvery {
		return
	}
	counts, ok := counter.LineCounts()
	if s.lineAt = now; ok && s.lineAsked {
		for i, n := range counts {
			s.stats.LineErrors[i] += uint64(n - s.line[i])
		}
	}
	s.line, s.lineAsked = counts, true
}

func (s *session) text(now time.Time, line string) {
	if isBootLine(line) {
		s.bootText = now
		if !s.linked && s.state.State == Connecting {
			s.setState(Connecting, CauseRebooting, rebootingNow)
		}
	}
	s.console.text(now, line)
}

// isBootLine recognises what every Espressif boot ROM, its loader and, in its first second, ESP-IDF print. It is asked of every line, and a
// flood is made of lines: hence no regular expression.
func isBootLine(line string) bool {
	for _, begins := range []string{"ets ", "ESP-ROM:", "load:0x", "entry 0x"} {
		if strings.HasPrefix(line, begins) {
			return true
		}
	}
	if len(line) > 3 && strings.IndexByte("EWIDV", line[0]) >= 0 && line[1:3] == " (" { // then milliseconds, and ") "
		digits := len(line[3:]) - len(strings.TrimLeft(line[3:], "0123456789"))
		return digits >= 1 && digits <= 3 && strings.HasPrefix(line[3+digits:], ") ")
	}
	return strings.Contains(line, "rst:0x")
}

// packet acts upon one packet from the device. A malformed payload is the
// device's mistake and never ends a session.
func (s *session) packet(now time.Time, p camlink.Packet) error {
	if a := s.await; a != nil && p.Flags&camlink.FlagResponse != 0 && p.Ref == a.ref && len(a.replies) < a.want {
		p.Payload = append([]byte(nil), p.Payload...)
		a.replies = append(a.replies, p)
	}
	switch p.Type {
	case camlink.TypeHello:
		return s.gotHello(p)
	case camlink.TypeResult:
		if r, err := camlink.ParseResult(p.Payload); err == nil && r.Status == camlink.StatusVersion {
			s.version = true
		}
	case camlink.TypePong:
		if pong, err := camlink.ParsePong(p.Payload); err == nil {
			s.gotPong(now, pong)
		}
	case camlink.TypeStats:
		if st, err := camlink.ParseStats(p.Payload); err == nil {
			s.stats.reported(st)
		}
	case camlink.TypeLog:
		if e, err := camlink.ParseLog(p.Payload); err == nil {
			s.console.entry(now, e)
		}
	case camlink.TypeFrameBegin, camlink.TypeFrameChunk, camlink.TypeFrameAbort:
		if s.linked {
			s.gotFramePart(now, p)
		}
	}
	return nil
}

func (s *session) gotHello(p camlink.Packet) error {
	h, err := camlink.ParseHello(p.Payload)
	if err != nil {
		return nil
	}
	s.version = h.ProtoMin > camlink.Version || h.ProtoMax < camlink.Version
	answer := p.Flags&camlink.FlagResponse != 0
	if s.oneWay {
		answer = true // it has no way to ask; its HELLO is a sign of life
	}
	if s.linked && answer {
		s.asm.Add(p) // a new boot_id ends the frame under way
	}
	s.beacon = !answer
	s.greets(p, h)
	s.hello = h
	if s.linked && s.beacon {
		s.reborn = h.BootID != s.bootID
		return errLinkLost
	}
	return nil
}

// packetSpacing keeps the 128-byte receive FIFO of a device from overflowing
// at high rates (docs/protocol.md, section 1).
const packetSpacing = time.Millisecond

// send writes one packet.
func (s *session) send(t camlink.Type, ref uint16, payload []byte) error {
	if s.oneWay {
		return nil
	}
	if gap := time.Since(s.lastSent); s.baud > 1500000 && gap < packetSpacing {
		time.Sleep(packetSpacing - gap)
	}
	var buf [camlink.MaxHostPacket]byte
	b := camlink.AppendPacket(buf[:0], camlink.Header{Type: t, Seq: s.seq, Ref: ref}, payload)
	s.seq++
	n, err := s.port.Write(b)
	s.stats.SentBytes += uint64(n)
	s.lastSent = time.Now()
	if err != nil {
		return fmt.Errorf("send %v: %w", t, err)
	}
	return nil
}

// newRef returns a request id that is not 0.
func (s *session) newRef() uint16 {
	s.ref++
	if s.ref == 0 {
		s.ref = uint16(1 + rand.N(1000))
	}
	return s.ref
}

// request sends a packet up to tries times and waits for want answers to it.
func (s *session) request(t camlink.Type, payload []byte, want int, timeout time.Duration, tries int) ([]camlink.Packet, error) {
	a := &await{ref: s.newRef(), want: want}
	outer := s.await // a RESET may become due while another request waits
	s.await = a
	defer func() { s.await = outer }()
	for range tries {
		if err := s.send(t, a.ref, payload); err != nil {
			return nil, err
		}
		for deadline := time.Now().Add(timeout); time.Now().Before(deadline); {
			if s.running {
				if err := s.tend(time.Now()); err != nil {
					return nil, err
				}
			}
			if err := s.pump(deadline); err != nil {
				return nil, err
			}
			if len(a.replies) >= want {
				return a.replies, nil
			}
		}
	}
	return a.replies, errNoReply
}

// result sends a request that is answered by RESULT.
func (s *session) result(t camlink.Type, payload []byte, timeout time.Duration, tries int) (camlink.Status, error) {
	replies, err := s.request(t, payload, 1, timeout, tries)
	if err != nil {
		return 0, err
	}
	r, err := camlink.ParseResult(replies[0].Payload)
	if err != nil || r.Request != t {
		return camlink.StatusFailed, nil
	}
	return r.Status, nil
}

// How long one try of a request waits for its answer, and how many there are.
const (
	requestTimeout = 200 * time.Millisecond
	requestTries   = 3
)

// setBaud changes the line's rate and forgets what arrived at the old one.
func (s *session) setBaud(rate int) error {
	actual, err := s.port.SetBaud(rate)
	if err != nil {
		return err
	}
	s.baud = rate
	s.state.Baud = actual
	if err := s.port.Flush(); err != nil {
		return err
	}
	s.dec.Reset()
	return nil
}

// farewell tells the device that nobody will grant it anything any more.
func (s *session) farewell() {
	if !s.linked {
		return
	}
	bye := camlink.Credit{Limit: s.flow.newest, LeaseMillis: 0}
	if err := s.send(camlink.TypeCredit, s.newRef(), bye.Append(nil)); err != nil {
		s.log.Debug("the device could not be told", "error", err)
	}
}
