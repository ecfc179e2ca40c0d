package simcam

import (
	"fmt"
	"math"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

const (
	beaconEvery = 500 * time.Millisecond
	oneWayEvery = time.Second
	firstLease  = 3 * time.Second
	// outboxLimit bounds what waits for the line; what comes on top is dropped, as a small device must.
	outboxLimit = 64
)

// A firmware is one boot of the device: all that a reset forgets. Its methods
// run under Device.mu.
type firmware struct {
	opts    *Options
	muted   func() bool
	persist map[camlink.ConfigKey]int32 // survives reboots

	booted   time.Time
	bootID   uint32
	reason   camlink.ResetReason
	settings *settings
	traffic  traffic
	sensor   sensor

	// The link (protocol section 6).
	linked   bool
	beaconAt time.Time
	lease    time.Duration
	leaseEnd time.Time

	// The line's rate (section 7); 0 on USB.
	rate  int
	trial trial

	// What waits for the line.
	seq    uint16
	outbox []outgoing
	buf    []byte // payload of the packet on the line
	packet []byte // the packet on the line

	// reset is what the host asked for, once the answer has left.
	reset struct {
		asked bool
		mode  camlink.ResetMode
	}
	// download: in the ROM, which does not speak camlink.
	download bool
}

// traffic are the counters the wire keeps.
type traffic struct {
	txBytes, rxErrors, rxOverruns uint32
}

// An outgoing is a packet whose payload is made when the line is free for it, because it may
// carry the time of that moment; or raw text.
type outgoing struct {
	header camlink.Header
	body   func(dst []byte, at time.Time) []byte
	left   func(at time.Time) // called when it has gone; may be nil
	text   string
}

func boot(opts *Options, source Source, persist map[camlink.ConfigKey]int32, muted func() bool, id uint32, reason camlink.ResetReason, now time.Time) *firmware {
	fw := &firmware{
		opts:    opts,
		muted:   muted,
		persist: persist,
		booted:  now,
		bootID:  id,
		reason:  reason,
		sensor:  newSensor(source, opts.FPS),
	}
	fw.settings = newSettings(*opts, fw.baseRate())
	for key, value := range persist {
		fw.settings.set(key, value)
	}
	if opts.BootText != "" {
		fw.outbox = append(fw.outbox, outgoing{text: opts.BootText})
	}
	fw.beacon(now)
	return fw
}

func (fw *firmware) baseRate() int {
	if fw.opts.USB {
		return 0
	}
	return fw.opts.BaseBaud
}

// uptime is the device's clock.
func (fw *firmware) uptime(at time.Time) time.Duration { return at.Sub(fw.booted) }

func (fw *firmware) micros(at time.Time) uint64 { return uint64(fw.uptime(at).Microseconds()) }

// beacon is the way into state BEACON.
func (fw *firmware) beacon(now time.Time) {
	fw.linked = false
	fw.lease = firstLease
	fw.trial = trial{}
	fw.setRate(fw.baseRate())
	fw.sensor.forbid(now)
	fw.sensor.rest()
	fw.beaconAt = now
	if fw.opts.OneWay {
		fw.sensor.wake(now)
	}
}

func (fw *firmware) setRate(baud int) {
	fw.rate = baud
	fw.settings.rated(baud)
}

// tick does what is due.
func (fw *firmware) tick(now time.Time) {
	if fw.download {
		return
	}
	if fw.linked && !now.Before(fw.leaseEnd) {
		fw.unlink(now)
	}
	fw.tickTrial(now)
	if !fw.linked && !now.Before(fw.beaconAt) {
		every := beaconEvery
		if fw.opts.OneWay {
			every = oneWayEvery
		}
		// After a time without a line the cadence starts anew.
		if fw.beaconAt = fw.beaconAt.Add(every); fw.beaconAt.Before(now) {
			fw.beaconAt = now.Add(every)
		}
		fw.sayHello()
	}
	if fw.sensor.tick(now, fw.captureInterval()) {
		fw.log(now, camlink.LevelInfo, "sensor at rest")
	}
}

// next is when tick or pull has something to do again, if nothing arrives before.
func (fw *firmware) next(now time.Time) time.Time {
	if fw.download {
		return time.Time{}
	}
	var lease, beacon time.Time
	if fw.linked {
		lease = fw.leaseEnd
	} else {
		beacon = fw.beaconAt
	}
	return earliest(lease, beacon, fw.trial.ends, fw.sensor.next(now))
}

// unlink ends the link: what was to be said to the host is void.
func (fw *firmware) unlink(now time.Time) {
	fw.outbox = nil
	fw.beacon(now)
}

// receive acts upon a packet from the host.
func (fw *firmware) receive(p camlink.Packet, at time.Time) {
	if fw.download || fw.opts.Lose != nil && fw.opts.Lose(p) {
		return
	}
	// Types below belong to devices: a wire that echoes must not start a conversation with itself.
	if p.Type < camlink.TypeHelloReq {
		return
	}
	fw.leaseEnd = at.Add(fw.lease)
	if p.Type == camlink.TypeHelloReq {
		fw.helloReq(p, at)
		return
	}
	if !fw.linked {
		fw.sayHello()
		return
	}
	switch p.Type {
	case camlink.TypePing:
		m, err := camlink.ParsePing(p.Payload)
		if fw.bad(p, err) {
			return
		}
		fw.answer(camlink.TypePong, p.Ref, func(dst []byte, tx time.Time) []byte {
			return camlink.Pong{
				HostNanos:  m.HostNanos,
				DeviceRxUS: fw.micros(at),
				DeviceTxUS: fw.micros(tx),
				NextFrame:  fw.sensor.nextFrame,
			}.Append(dst)
		})
	case camlink.TypeConfigGet:
		keys, err := camlink.ParseConfigGet(p.Payload)
		if fw.bad(p, err) {
			return
		}
		fw.answerConfig(p.Ref, fw.settings.get(keys))
	case camlink.TypeConfigSet:
		wanted, err := camlink.ParseConfigSet(p.Payload)
		if fw.bad(p, err) {
			return
		}
		fw.answerConfig(p.Ref, fw.configure(wanted))
	case camlink.TypeCredit:
		m, err := camlink.ParseCredit(p.Payload)
		if fw.bad(p, err) {
			return
		}
		fw.credit(m, at)
	case camlink.TypeBaudSet:
		fw.baudSet(p, at)
	case camlink.TypeBaudProbe:
		fw.baudProbe(p)
	case camlink.TypeBaudCommit:
		fw.baudCommit(p, at)
	case camlink.TypeStatsReq:
		fw.answer(camlink.TypeStats, p.Ref, func(dst []byte, tx time.Time) []byte { return fw.stats(tx).Append(dst) })
	case camlink.TypeLogLevel:
		m, err := camlink.ParseLogLevel(p.Payload)
		if fw.bad(p, err) {
			return
		}
		fw.settings.set(camlink.KeyLogLevel, int32(m.Level))
		fw.result(p, camlink.StatusOK)
	case camlink.TypeReset:
		fw.resetRequest(p)
	default:
		fw.result(p, camlink.StatusUnsupported)
	}
}

// bad answers a request whose payload is not to be read.
func (fw *firmware) bad(p camlink.Packet, err error) bool {
	if err != nil {
		fw.result(p, camlink.StatusInvalid)
	}
	return err != nil
}

func (fw *firmware) helloReq(p camlink.Packet, at time.Time) {
	m, err := camlink.ParseHelloReq(p.Payload)
	if fw.bad(p, err) {
		return
	}
	if m.Min > fw.opts.ProtoMax || m.Max < fw.opts.ProtoMin {
		fw.result(p, camlink.StatusVersion)
		return
	}
	fw.linked = true
	if fw.trial.running && fw.trial.before == fw.rate { // docs/protocol.md, section 7
		fw.trial = trial{}
	}
	if number, cut := fw.sensor.forbid(at); cut {
		fw.queue(outgoing{
			header: camlink.Header{Type: camlink.TypeFrameAbort, Ref: uint16(number)},
			body: func(dst []byte, _ time.Time) []byte {
				return camlink.FrameAbort{Number: number, Reason: camlink.AbortLink}.Append(dst)
			},
		})
	}
	fw.answer(camlink.TypeHello, p.Ref, fw.hello)
}

// sayHello beacons, unless a beacon still waits for the line.
func (fw *firmware) sayHello() {
	for _, o := range fw.outbox {
		if o.header.Type == camlink.TypeHello && o.header.Flags&camlink.FlagResponse == 0 {
			return
		}
	}
	fw.queue(outgoing{header: camlink.Header{Type: camlink.TypeHello}, body: fw.hello})
}

func (fw *firmware) hello(dst []byte, at time.Time) []byte {
	o := fw.opts
	m := camlink.Hello{
		ProtoMin:    o.ProtoMin,
		ProtoMax:    o.ProtoMax,
		BootID:      fw.bootID,
		NowUS:       fw.micros(at),
		ResetReason: fw.reason,
		Transport:   camlink.TransportUSBCDC,
		MaxPayload:  camlink.MaxHostPayload,
		MaxFrame:    maxFrame,
		Features:    camlink.FeatureCredit | camlink.FeaturePersist | camlink.FeatureDownload | camlink.FeatureLamp,
		MAC:         o.MAC,
		NextFrame:   fw.sensor.nextFrame,
		Firmware:    "simcam",
		Board:       o.Board,
		SDK:         "none",
		Sensor:      o.Sensor,
		Name:        o.Name,
	}
	if !o.USB {
		m.Transport = camlink.TransportUART
		m.BaudNow, m.BaudMax = uint32(fw.rate), uint32(o.MaxBaud)
		m.Features |= camlink.FeatureBaud
	}
	if o.OneWay {
		m.Features = camlink.FeatureOneWay
		m.BaudMax = m.BaudNow
	}
	if _, drawn := fw.sensor.source.(*Card); drawn {
		m.Features |= camlink.FeatureTestCard
	}
	return m.Append(dst)
}

func (fw *firmware) credit(m camlink.Credit, at time.Time) {
	if m.LeaseMillis == 0 {
		fw.unlink(at)
		return
	}
	fw.lease = time.Duration(m.LeaseMillis) * time.Millisecond
	fw.leaseEnd = at.Add(fw.lease)
	if fw.sensor.allow(m.Limit, time.Duration(m.MinIntervalMillis)*time.Millisecond, at) {
		fw.log(at, camlink.LevelInfo, "sensor awake")
	}
}

func (fw *firmware) configure(wanted camlink.ConfigSet) camlink.Config {
	answer := make(camlink.Config, 0, len(wanted))
	for _, w := range wanted {
		item := fw.settings.set(w.Key, w.Value)
		const fixed = camlink.ConfigUnsupported | camlink.ConfigReadOnly
		if w.Flags&camlink.ConfigSetPersist != 0 && item.Flags&fixed == 0 {
			fw.persist[w.Key] = item.Value
		}
		answer = append(answer, item)
	}
	return answer
}

func (fw *firmware) answerConfig(ref uint16, c camlink.Config) {
	fw.answer(camlink.TypeConfig, ref, func(dst []byte, _ time.Time) []byte { return c.Append(dst) })
}

func (fw *firmware) resetRequest(p camlink.Packet) {
	m, err := camlink.ParseReset(p.Payload)
	if fw.bad(p, err) {
		return
	}
	if m.Mode > camlink.ResetDownload {
		fw.result(p, camlink.StatusInvalid)
		return
	}
	fw.resultThen(p, camlink.StatusOK, func(time.Time) {
		fw.reset.asked, fw.reset.mode = true, m.Mode
	})
}

// enterDownload leaves the firmware for the ROM, which waits to be flashed until the power goes.
func (fw *firmware) enterDownload() {
	fw.download = true
	fw.outbox = []outgoing{{text: "waiting for download\r\n"}}
}

func (fw *firmware) result(p camlink.Packet, status camlink.Status) { fw.resultThen(p, status, nil) }

// resultThen answers p with a RESULT and calls then when that has left the wire.
func (fw *firmware) resultThen(p camlink.Packet, status camlink.Status, then func(time.Time)) {
	m := camlink.Result{Request: p.Type, Status: status}
	fw.queue(outgoing{
		header: camlink.Header{Type: camlink.TypeResult, Flags: camlink.FlagResponse, Ref: p.Ref},
		body:   func(dst []byte, _ time.Time) []byte { return m.Append(dst) },
		left:   then,
	})
}

func (fw *firmware) answer(t camlink.Type, ref uint16, body func([]byte, time.Time) []byte) {
	fw.queue(outgoing{header: camlink.Header{Type: t, Flags: camlink.FlagResponse, Ref: ref}, body: body})
}

func (fw *firmware) queue(o outgoing) {
	if len(fw.outbox) < outboxLimit {
		fw.outbox = append(fw.outbox, o)
	}
}

// log tells a linked host what happens here, if it wants to know.
func (fw *firmware) log(at time.Time, level camlink.Level, format string, args ...any) {
	if !fw.linked || int(level) > fw.settings.value(camlink.KeyLogLevel) {
		return
	}
	m := camlink.Log{TimeUS: fw.micros(at), Level: level, Tag: "simcam", Text: fmt.Sprintf(format, args...)}
	fw.queue(outgoing{
		header: camlink.Header{Type: camlink.TypeLog},
		body:   func(dst []byte, _ time.Time) []byte { return m.Append(dst) },
	})
}

// pull gives the wire its next packet, which starts to leave at the given time, and what to call once it has left.
// Control packets go first; so they wait for one chunk at most. The packet is borrowed until the next call.
func (fw *firmware) pull(at time.Time) (packet []byte, left func(time.Time)) {
	for !fw.reset.asked {
		var o outgoing
		if len(fw.outbox) > 0 {
			o = fw.outbox[0]
			fw.outbox = fw.outbox[1:]
		} else if frame, ok := fw.pullFrame(at); ok {
			o = frame
		} else if len(fw.outbox) == 0 { // a picture that failed was logged
			return nil, nil
		} else {
			continue
		}
		if o.text != "" {
			return []byte(o.text), o.left
		}
		o.header.Seq = fw.seq
		fw.seq++
		fw.buf = o.body(fw.buf[:0], at)
		if fw.opts.Mangle != nil {
			fw.opts.Mangle(&o.header, fw.buf)
		}
		if fw.opts.Lose != nil && fw.opts.Lose(camlink.Packet{Header: o.header, Payload: fw.buf}) {
			if o.left != nil {
				o.left(at)
			}
			continue
		}
		fw.packet = camlink.AppendPacket(fw.packet[:0], o.header, fw.buf)
		if fw.opts.WireVersion != 0 {
			forgeVersion(fw.packet, fw.opts.WireVersion)
		}
		return fw.packet, o.left
	}
	return nil, nil
}

// The memory of the simulated chip.
const (
	heapSize    = 320 << 10
	psramSize   = 4 << 20
	pictureHeap = 24 << 10 // taken while the sensor is awake
)

func (fw *firmware) stats(at time.Time) camlink.Stats {
	s := &fw.sensor
	heap, heapMin := uint32(heapSize), uint32(heapSize)
	if s.awake {
		heap -= pictureHeap
	}
	if s.captured > 0 {
		heapMin -= pictureHeap
	}
	temperature := int16(camlink.NoTemperature)
	if celsius := fw.opts.Temperature; celsius != 0 {
		temperature = int16(math.Round(celsius * 10))
	}
	return camlink.Stats{
		UptimeS:       uint32(fw.uptime(at) / time.Second),
		Captured:      s.captured,
		Sent:          s.sent,
		SkippedCredit: s.skippedCredit,
		SkippedBusy:   s.skippedBusy,
		CameraErrors:  s.errors,
		TxBytes:       fw.traffic.txBytes,
		RxErrors:      fw.traffic.rxErrors,
		RxOverruns:    fw.traffic.rxOverruns,
		HeapFree:      heap,
		HeapMin:       heapMin,
		PSRAMFree:     psramSize - uint32(len(s.picture.JPEG)),
		Temperature:   temperature,
	}
}
