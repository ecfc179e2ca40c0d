package systemd

import "slices"

// Pulse is the sign of life of one part of the service.
type Pulse struct {
	Name    string
	Beats   uint64 // changes while the part makes progress
	Resting bool   // it has nothing to do and need not beat
}

// Progress decides when the watchdog may be fed: when every part has made progress since it was fed last. A part that
// hangs so gets one more feed at most, and the watchdog's time then runs out.
type Progress struct {
	fed map[string]Pulse // as they were when the watchdog was fed last
}

// Look takes the parts as they are now. It returns the names of those that have made no progress since the watchdog was
// fed last, sorted; none: feed it, and the next Look counts from here. A part that Look has not seen, or that rested then,
// owes nothing yet.
func (p *Progress) Look(parts []Pulse) (waiting []string) {
	for _, now := range parts {
		then, known := p.fed[now.Name]
		if known && !then.Resting && !now.Resting && then.Beats == now.Beats {
			waiting = append(waiting, now.Name)
		}
	}
	if waiting != nil {
		slices.Sort(waiting)
		return waiting
	}
	p.fed = make(map[string]Pulse, len(parts))
	for _, now := range parts {
		p.fed[now.Name] = now
	}
	return nil
}
