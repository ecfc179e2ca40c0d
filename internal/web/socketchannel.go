package web

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/camgw/camgw/internal/fanout"
)

// pictureHeader is the length of what stands before a JPEG in a binary message.
const pictureHeader = 48

// maxWindow bounds how many pictures may wait for their acknowledgement.
const maxWindow = 16

// channel is one subscription of a socket: a viewer of one camera. It is a [fanout.Sink].
type channel struct {
	socket *socket
	camera *camera
	place  *place
	guest  guest
	number int
	viewer *fanout.Viewer
	open   chan struct{} // closed when the client has been told of the subscription
	quit   chan struct{} // closed when it shall end
	done   chan struct{} // closed when it has ended
	told   chan struct{} // closed when the client has been told of that, if it is
	over   sync.Once
	window int           // 0: none
	seen   chan struct{} // told after each acknowledgement

	mu     sync.Mutex
	unseen []uint64 // sent, or being sent, and not acknowledged; ascending

	// Of whoever calls the Sink.
	frame  *fanout.Frame // what is being written
	before uint64        // sequence number of the one before; 0: none
}

// subscribe begins a subscription, or changes one: then the new viewer is attached before the old one is ended, so that the
// camera never finds itself without viewers, and waits until the old one's last picture is out.
func (k *socket) subscribe(q socketRequest) error {
	terms, fps, err := k.server.agree(fanout.WebSocket, q.Mode, q.FPS)
	if err == nil && (q.Window < 0 || q.Window > maxWindow) {
		err = fmt.Errorf("bad window %d: from 0 (none) to %d", q.Window, maxWindow)
	}
	if err != nil {
		return k.object(q, err.Error())
	}
	if !k.subscriptions.take(time.Now()) {
		return errSubscribing
	}
	old := k.channel(q.Channel)
	if old == nil && k.count() >= socketChannels {
		return k.object(q, fmt.Sprintf("all %d channels of this connection are in use", socketChannels))
	}
	refuse := func(reason, detail string) error {
		if old != nil {
			k.remove(old, errUnsubscribed)
		}
		return k.say(socketAnswer{Type: "ended", Channel: q.Channel, Reason: reason, Detail: detail})
	}
	camera := find(k.server.visible(k.visit.grant), q.Camera)
	if camera == nil {
		k.server.rejections[RejectNotFound].Add(1)
		return refuse("unknown_camera", noSuchName)
	}
	if old != nil && old.camera != camera {
		k.remove(old, errReplaced) // it may be the place that is needed
		old = nil
	}
	var p *place
	if old != nil {
		p = old.place.share() // nil: it has just ended by itself
	}
	if p == nil {
		var full string
		if p, full = k.server.admit(camera, k.visit.client); full != "" {
			k.server.rejections[RejectLimit].Add(1)
			return refuse("viewers", full)
		}
	}
	c := &channel{
		socket: k, camera: camera, place: p, number: q.Channel, window: q.Window,
		open: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}), told: make(chan struct{}), seen: make(chan struct{}, 1),
	}
	c.guest = guest{
		grant: k.visit.grant, client: k.visit.client, camera: camera.ID, transport: terms.Transport.String(), mode: terms.Mode.String(), part: true,
	}
	if old == nil && camera.Hub.Viewers() > 0 {
		// Others watch, so that the newest picture is as live as the next. Else it is from before the camera rested.
		terms.MaxAge = k.server.options.RepeatAfter
	}
	k.mu.Lock()
	if k.why != nil {
		k.mu.Unlock()
		p.free()
		return k.why
	}
	k.channels[c.number] = c
	k.work.Add(1) // until Ended
	k.server.enter(&c.guest)
	c.viewer = camera.Hub.Attach(terms, c)
	c.guest.attach(c.viewer)
	k.mu.Unlock()
	if old != nil {
		old.end(errReplaced)
		<-old.done
	}
	k.log.Debug("viewer subscribed", "camera", camera.ID, "channel", c.number, "mode", terms.Mode.String(), "fps", fps, "window", q.Window)
	err = k.say(socketAnswer{
		Type: "subscribed", Channel: c.number, Camera: camera.ID, Mode: terms.Mode.String(), FPS: &fps, Window: &q.Window,
	})
	close(c.open)
	return err
}

func (k *socket) unsubscribe(number int) error {
	c := k.channel(number)
	if c == nil {
		return k.object(socketRequest{Channel: number}, "nothing is subscribed on this channel")
	}
	if !k.remove(c, errUnsubscribed) {
		return nil // it ended by itself, and that is told
	}
	return k.say(socketAnswer{Type: "ended", Channel: number, Reason: "unsubscribed"})
}

// remove ends a subscription and waits for that. It reports whether it was there.
func (k *socket) remove(c *channel, why error) bool {
	k.mu.Lock()
	there := k.channels[c.number] == c
	if there {
		delete(k.channels, c.number)
	}
	k.mu.Unlock()
	c.end(why)
	<-c.done
	return there
}

func (k *socket) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.channels)
}

// end asks for the end of the subscription, after the picture being written.
func (c *channel) end(why error) {
	c.viewer.End(why)
	c.over.Do(func() { close(c.quit) })
}

// Begin is part of [fanout.Framer].
func (c *channel) Begin(f *fanout.Frame) { c.frame = f }

// TryWrite takes nothing: the connection is shared, and the library waits.
func (c *channel) TryWrite([]byte) (int, error) { return 0, nil }

// Write sends the picture it was told of by Begin, and returns when there is room for another.
func (c *channel) Write([]byte) error {
	select {
	case <-c.open:
	case <-c.quit:
		return errGone
	}
	f := c.frame
	if c.window > 0 {
		// Before it is sent: the acknowledgement may be here before the writer has come back.
		c.mu.Lock()
		c.unseen = append(c.unseen, f.Seq)
		c.mu.Unlock()
	}
	if err := c.send(f); err != nil {
		c.socket.end(err, 0, "")
		return err
	}
	c.before = f.Seq
	return c.room()
}

// send writes one binary message.
func (c *channel) send(f *fanout.Frame) error {
	w, err := c.socket.conn.Writer(context.Background(), websocket.MessageBinary)
	if err != nil {
		return err
	}
	// Behind this, a failure leaves the message unfinished, and the connection useless.
	header := c.header(f, time.Now())
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	for picture := f.JPEG(); len(picture) > 0; {
		n, err := w.Write(picture[:min(len(picture), socketFragment)])
		if err != nil {
			return err
		}
		picture = picture[n:]
	}
	return w.Close()
}

// header is laid out as docs/websocket.md says.
func (c *channel) header(f *fanout.Frame, now time.Time) (h [pictureHeader]byte) {
	skipped := uint64(0)
	if c.before > 0 {
		skipped = f.Seq - c.before - 1
	}
	h[0] = socketVersion
	binary.LittleEndian.PutUint16(h[2:], pictureHeader)
	binary.LittleEndian.PutUint32(h[4:], uint32(c.number))
	binary.LittleEndian.PutUint64(h[8:], f.Seq)
	binary.LittleEndian.PutUint64(h[16:], unixMicros(f.Captured))
	binary.LittleEndian.PutUint64(h[24:], unixMicros(f.Received))
	binary.LittleEndian.PutUint64(h[32:], unixMicros(now))
	binary.LittleEndian.PutUint16(h[40:], uint16(min(f.Width, math.MaxUint16)))
	binary.LittleEndian.PutUint16(h[42:], uint16(min(f.Height, math.MaxUint16)))
	binary.LittleEndian.PutUint32(h[44:], uint32(min(skipped, math.MaxUint32)))
	return h
}

func unixMicros(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(t.UnixMicro(), 0))
}

// room waits until the client has acknowledged enough of what it was sent.
func (c *channel) room() error {
	if !c.full() {
		return nil
	}
	patience := time.NewTimer(c.socket.server.options.WriteTimeout)
	defer patience.Stop()
	for c.full() {
		select {
		case <-c.seen:
		case <-c.quit:
			return nil // it was sent all the same
		case <-patience.C:
			return errStalled
		}
	}
	return nil
}

func (c *channel) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window > 0 && len(c.unseen) >= c.window
}

// acknowledge notes that the client is done with pictures up to this one.
func (c *channel) acknowledge(sequence uint64) {
	c.mu.Lock()
	i, found := slices.BinarySearch(c.unseen, sequence)
	if found {
		i++
	}
	c.unseen = slices.Delete(c.unseen, 0, i)
	c.mu.Unlock()
	select {
	case c.seen <- struct{}{}:
	default:
	}
}

// Abort lets a picture go that waits for an acknowledgement. One that is half written is finished, within the wire's
// patience, because the rest of the connection depends on it; nobody waits for that any more.
func (c *channel) Abort() {
	c.over.Do(func() { close(c.quit) })
}

// Fill sends nothing: a client that is told of the state needs no stand-in.
func (c *channel) Fill(*fanout.Frame, time.Time) (part []byte, forget bool) { return nil, false }

// Filled is part of [fanout.Sink].
func (c *channel) Filled() {}

// Ended is part of [fanout.Sink].
func (c *channel) Ended(why error, account fanout.Account) {
	k := c.socket
	k.server.leave(&c.guest)
	k.server.ended(c.camera, why)
	k.log.Debug("subscription ended", "camera", c.camera.ID, "channel", c.number, "why", why, "sent", account.Sent)
	c.place.free()
	close(c.done)
	go func() { // because what there is to say waits for the connection
		defer k.work.Done()
		defer close(c.told)
		k.mu.Lock()
		there := k.channels[c.number] == c
		if there {
			delete(k.channels, c.number)
		}
		leaving := k.why != nil && !errors.Is(k.why, errShutdown)
		k.mu.Unlock()
		if there && !leaving {
			reason, detail := endReason(why)
			_ = k.say(socketAnswer{Type: "ended", Channel: c.number, Reason: reason, Detail: detail}) // fails with the connection
		}
	}()
}

// endReason is how a client is told of an end that it has not asked for.
func endReason(why error) (reason, detail string) {
	switch {
	case errors.Is(why, fanout.ErrLockstep):
		return "lockstep", "the other viewers of this mode had to wait too long"
	case errors.Is(why, fanout.ErrBehind):
		return "behind", "too many pictures waited"
	case errors.Is(why, errStalled):
		return "stalled", "the pictures sent were not acknowledged"
	case errors.Is(why, errRemoved):
		return "removed", "the camera was taken out of the configuration"
	case errors.Is(why, errRevoked):
		return "revoked", why.Error()
	case errors.Is(why, errDismissed):
		return "dismissed", why.Error()
	case errors.Is(why, errShutdown):
		return "shutdown", "the gateway is shutting down"
	}
	return "error", why.Error()
}
