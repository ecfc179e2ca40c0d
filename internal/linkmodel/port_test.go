package linkmodel

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// port is the host's end of the world's line, for one opening.
type port struct {
	w       *world
	before  int // the rate the line had
	timeout time.Duration
	shut    bool
}

func (w *world) openPort() *port {
	w.until(w.clock())
	p := &port{w: w, before: w.baud}
	w.dead = false
	w.flush()
	w.host.open()
	return p
}

func (p *port) RateBefore() int { return p.before }

// Read lets time pass until something arrives.
func (p *port) Read(b []byte) (int, error) {
	w := p.w
	if w.dead || p.shut {
		return 0, os.ErrClosed
	}
	w.until(w.clock())
	if w.now < w.stallUntil {
		p.wait(w.stallUntil)
		w.until(w.stallUntil)
	}
	if len(w.rx) == 0 {
		limit := w.now + p.timeout.Microseconds()
		for len(w.rx) == 0 && !w.dead {
			at := w.next()
			if at > limit {
				w.now = max(w.now, limit)
				break
			}
			w.happen(at)
		}
		p.wait(w.now)
	}
	if w.dead {
		return 0, os.ErrClosed
	}
	n := 0
	if len(w.rx) > 0 {
		n = copy(b, w.rx[0])
		w.rxBytes -= n
		if w.rx[0] = w.rx[0][n:]; len(w.rx[0]) == 0 {
			w.rx = w.rx[1:]
		}
	}
	w.host.reads(b[:n], n == 0)
	w.judge()
	if n == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return n, nil
}

func (p *port) wait(until int64) {
	if d := until - p.w.clock(); d > 0 {
		time.Sleep(time.Duration(d) * time.Microsecond)
	}
}

func (p *port) Write(b []byte) (int, error) {
	w := p.w
	if w.dead || p.shut {
		return 0, os.ErrClosed
	}
	if w.until(w.clock()); w.dead {
		return 0, os.ErrClosed
	}
	packet := w.host.sends(b)
	rate := w.baud
	if w.scenario.usb {
		rate = 12000000
	}
	from := max(w.now, w.upBusy)
	w.upBusy = from + (int64(len(b))*10000000+int64(rate)-1)/int64(rate)
	data := append([]byte(nil), b...)
	if f := w.scenario.forge; f != nil {
		data = f(w, packet, data)
	}
	w.send(toDevice, delivery{at: w.upBusy, data: data, baud: w.lineBaud(), packet: parse(data), whole: true})
	return len(b), nil
}

// lineBaud is the rate that is compared with the device's; a USB line has none.
func (w *world) lineBaud() int {
	if w.scenario.usb {
		return 0
	}
	return w.baud
}

func (p *port) SetBaud(rate int) (int, error) {
	w := p.w
	switch {
	case w.dead || p.shut:
		return 0, os.ErrClosed
	case w.scenario.usb:
		return 0, errors.ErrUnsupported
	case w.scenario.adapterMax > 0 && rate > w.scenario.adapterMax:
		w.host.retuned(rate, false)
		return 0, fmt.Errorf("the adapter cannot make %d baud", rate)
	}
	p.wait(w.upBusy)
	if w.until(w.clock()); w.dead {
		return 0, os.ErrClosed
	}
	w.host.retuned(rate, true)
	return rate, nil
}

func (p *port) Flush() error {
	p.w.flush()
	p.w.host.dec.Reset()
	return nil
}

func (p *port) SetReadTimeout(d time.Duration) error {
	p.timeout = d
	return nil
}

func (p *port) Close() error {
	w := p.w
	if !p.shut && !w.dead {
		p.wait(w.upBusy)
		if w.until(w.clock()); !w.dead {
			w.host.event(doClose)
		}
	}
	p.shut = true
	return nil
}

var _ interface{ RateBefore() int } = (*port)(nil)

// forgeVersion makes a HELLO_REQ one of a host that speaks only the next version.
func forgeVersion(p camlink.Packet, data []byte) []byte {
	req, err := camlink.ParseHelloReq(p.Payload)
	if err != nil {
		return data
	}
	req.Min, req.Max = camlink.Version+1, camlink.Version+1
	return camlink.AppendPacket(nil, p.Header, req.Append(nil))
}
