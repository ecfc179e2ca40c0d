package camera

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// ConfigItem is one setting of the device as it is in effect.
type ConfigItem struct {
	Name            string // of Key
	Key             camlink.ConfigKey
	Value, Min, Max int32               // in the protocol's unit; meaningless if unsupported
	Flags           camlink.ConfigFlags // CLAMPED only in the answer to Configure
}

// Why Configure could set nothing, beside a *SettingError.
var (
	ErrNotLinked = errors.New("the device is not linked")
	ErrOneWay    = errors.New("the device cannot hear: only its transmit wire is connected")
	ErrNoAnswer  = errors.New("the device does not answer")
	ErrRefused   = errors.New("the device refuses")
	ErrNoPersist = errors.New("the device cannot keep settings over a reboot")
	ErrBusy      = errors.New("too many requests wait for the device")
)

// SettingFate is what became of a setting sent to the device. The list is closed.
type SettingFate int

// The fates.
const (
	SettingApplied SettingFate = iota
	SettingClamped
	SettingRefused // unsupported or read only
	SettingUnanswered
	NumSettingFates
)

func (f SettingFate) String() string {
	return [...]string{"applied", "clamped", "refused", "no_answer"}[f]
}

// reach is how far a device can be talked to.
type reach int

const (
	unlinked reach = iota
	linked
	oneWay
)

const (
	// waitingRequests is how many calls of Configure may wait for the port.
	waitingRequests = 16
	// configureLimit bounds a call of Configure whose context does not.
	configureLimit = 5 * time.Second
	// settleRetry is between two attempts at settings that the device did not answer for.
	settleRetry = 2 * time.Second
)

// configRequest is a call of Configure on its way to the goroutine in Run.
type configRequest struct {
	ctx      context.Context
	settings []Setting
	persist  bool
	done     chan configAnswer // has room for the one answer
}

type configAnswer struct {
	items []ConfigItem
	err   error
}

// Config returns every setting known by name as the device last told of it, in the order of their keys. While the device
// is not linked it returns ErrNotLinked or ErrOneWay, and ErrNoAnswer if it has not told.
func (c *Camera) Config() ([]ConfigItem, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachError(); err != nil {
		return nil, err
	}
	if c.config == nil {
		return nil, ErrNoAnswer
	}
	return slices.Clone(c.config), nil
}

// reachError is called with mu held.
func (c *Camera) reachError() error {
	switch c.reach {
	case unlinked:
		return ErrNotLinked
	case oneWay:
		return ErrOneWay
	}
	return nil
}

// Configure sets all of the settings or, if any of them cannot be made, none, and returns those it has set as they are
// in effect. With persist the device is asked to keep them over its reboots; the camera does that anyway for as long as the
// daemon lives. Only after ErrNoAnswer it is not known what was set.
//
// Mistakes come as *SettingError, all of them joined. Configure waits for ctx, but 5 seconds at most.
func (c *Camera) Configure(ctx context.Context, settings []Setting, persist bool) ([]ConfigItem, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, configureLimit, ErrNoAnswer)
	defer cancel()
	r := configRequest{ctx, slices.Clone(settings), persist, make(chan configAnswer, 1)}
	if err := c.enqueue(r); err != nil {
		return nil, err
	}
	select {
	case a := <-r.done:
		return a.items, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// enqueue hands a request over. Under mu, so that none is left behind when the link ends.
func (c *Camera) enqueue(r configRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reachError(); err != nil {
		return err
	}
	select {
	case c.requests <- r:
		return nil
	default:
		return ErrBusy
	}
}

// setReach lets Configure and Config know whether there is a device; requests that wait for one that is gone are answered.
func (c *Camera) setReach(r reach) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reach = r
	if r == linked {
		return
	}
	c.config = nil
	for {
		select {
		case waiting := <-c.requests:
			waiting.done <- configAnswer{err: ErrNotLinked}
		default:
			return
		}
	}
}

// serveRequest carries out one call of Configure if one waits. It returns an error only when the link or the port is lost.
func (s *session) serveRequest() error {
	select {
	case r := <-s.requests:
		if r.ctx.Err() != nil {
			return nil // nobody waits for it any more
		}
		items, err := s.configure(r.settings, r.persist)
		s.share() // before the caller looks
		if err != nil && !answerable(err) {
			r.done <- configAnswer{err: ErrNotLinked}
			return err
		}
		r.done <- configAnswer{items, err}
	default:
	}
	return nil
}

// answerable reports whether an error is about the request; the others end the link.
func answerable(err error) bool {
	for _, known := range []error{ErrNoAnswer, ErrRefused, ErrNoPersist} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, ok := errors.AsType[*SettingError](err)
	return ok
}

// configure is Configure in the goroutine that owns the port.
func (s *session) configure(settings []Setting, persist bool) ([]ConfigItem, error) {
	if !s.learnt {
		if err := s.learn(); err != nil {
			return nil, err
		}
	}
	settings = inOrder(settings)
	settings, err := s.check(settings)
	if err != nil {
		return nil, err
	}
	if persist && s.hello.Features&camlink.FeaturePersist == 0 {
		return nil, ErrNoPersist
	}
	before := make([]Setting, len(settings))
	for i, set := range settings {
		before[i] = Setting{Key: set.Key, Value: s.item(set.Key).Value}
	}
	answer, err := s.set(settings, false)
	if err != nil {
		return nil, err
	}
	// What the device told of its range was not all: it has only some sizes.
	var errs []error
	for i, set := range settings {
		if answer[i].Flags&camlink.ConfigClamped != 0 && !set.Clamp {
			e := &SettingError{Name: set.Key.String(), Value: Format(set.Key, set.Value)}
			e = e.outOfRange(set.Key, answer[i].Min, answer[i].Max)
			e.Want += "; the nearest is " + Format(set.Key, answer[i].Value)
			errs = append(errs, e)
		}
	}
	if errs != nil {
		if _, err := s.set(inOrder(before), false); err != nil {
			return nil, err
		}
		return nil, errors.Join(errs...)
	}
	for i := range settings {
		settings[i].Value = answer[i].Value
	}
	if persist {
		// Only now, so that no value that was taken back has worn the device's flash.
		if _, err := s.set(settings, true); err != nil {
			return nil, err
		}
	}
	for _, set := range settings {
		s.wanted[set.Key] = set.Value
		delete(s.complained, set.Key)
	}
	return answer, s.refresh(settings)
}

// rateControl are the settings that move each other: a best above the worst takes the worst along, and quality follows both.
var rateControl = camlink.ConfigGet{camlink.KeyQuality, camlink.KeyTargetFPS, camlink.KeyQualityBest, camlink.KeyQualityWorst}

// refresh asks for what a change may have changed beside itself.
func (s *session) refresh(changed []Setting) error {
	if !slices.ContainsFunc(changed, func(set Setting) bool { return slices.Contains(rateControl, set.Key) }) {
		return nil
	}
	cfg, err := s.ask(camlink.TypeConfigGet, rateControl.Append(nil))
	if answerable(err) {
		s.learnt = false // settle asks again
		return nil
	}
	if err != nil {
		return err
	}
	s.merge(cfg)
	return nil
}

// check drops what is so without being set, and refuses what the device is known not to take.
func (s *session) check(settings []Setting) ([]Setting, error) {
	var errs []error
	settings = slices.DeleteFunc(settings, func(set Setting) bool {
		e := &SettingError{Name: set.Key.String(), Value: Format(set.Key, set.Value)}
		item := s.item(set.Key)
		switch {
		case item == nil:
			e.Kind = ErrUnknownSetting
		case item.Flags&camlink.ConfigUnsupported != 0:
			if rateControlOff(set) {
				return true
			}
			e.Kind = ErrUnsupported
		case item.Flags&camlink.ConfigReadOnly != 0:
			e.Kind = ErrReadOnly
		case !set.Clamp && !within(*item, set.Value):
			e = e.outOfRange(set.Key, item.Min, item.Max)
		default:
			return false
		}
		errs = append(errs, e)
		return true
	})
	return settings, errors.Join(errs...)
}

// rateControlOff: a device without rate control need not be told to have none.
func rateControlOff(s Setting) bool { return s.Key == camlink.KeyTargetFPS && s.Value == 0 }

func within(item ConfigItem, value int32) bool {
	if item.Key != camlink.KeySize {
		return value >= item.Min && value <= item.Max
	}
	w, h := camlink.SplitSize(value)
	minW, minH := camlink.SplitSize(item.Min)
	maxW, maxH := camlink.SplitSize(item.Max)
	return w >= minW && h >= minH && w <= maxW && h <= maxH
}

// set sends settings and returns what is in effect for each, in their order. A packet takes ten of them.
func (s *session) set(settings []Setting, persist bool) ([]ConfigItem, error) {
	var answer []ConfigItem
	for part := range slices.Chunk(settings, camlink.MaxConfigSettings) {
		var wanted camlink.ConfigSet
		for _, set := range part {
			w := camlink.ConfigSetting{Key: set.Key, Value: set.Value}
			if persist {
				w.Flags = camlink.ConfigSetPersist
			}
			wanted = append(wanted, w)
		}
		got, err := s.ask(camlink.TypeConfigSet, wanted.Append(nil))
		switch {
		case errors.Is(err, ErrNoAnswer):
			s.stats.Settings[SettingUnanswered] += uint64(len(part))
			s.learnt = false // the device may have heard, and changed
			return nil, err
		case errors.Is(err, ErrRefused):
			s.stats.Settings[SettingRefused] += uint64(len(part))
			return nil, err
		case err != nil:
			return nil, err
		}
		for _, set := range part {
			i := slices.IndexFunc(got, func(c camlink.ConfigItem) bool { return c.Key == set.Key })
			if i < 0 {
				return nil, fmt.Errorf("%w: it says nothing of %v", ErrRefused, set.Key)
			}
			answer = append(answer, newItem(got[i]))
			s.stats.Settings[fateOf(got[i].Flags)]++
		}
		s.merge(got)
	}
	return answer, nil
}

func fateOf(f camlink.ConfigFlags) SettingFate {
	switch {
	case f&(camlink.ConfigUnsupported|camlink.ConfigReadOnly) != 0:
		return SettingRefused
	case f&camlink.ConfigClamped != 0:
		return SettingClamped
	}
	return SettingApplied
}

// ask sends a request that is answered by CONFIG.
func (s *session) ask(t camlink.Type, payload []byte) (camlink.Config, error) {
	replies, err := s.request(t, payload, 1, requestTimeout, requestTries)
	if errors.Is(err, errNoReply) {
		return nil, ErrNoAnswer
	}
	if err != nil {
		return nil, err
	}
	if r, err := camlink.ParseResult(replies[0].Payload); err == nil && replies[0].Type == camlink.TypeResult {
		return nil, fmt.Errorf("%w: %v", ErrRefused, r.Status)
	}
	cfg, err := camlink.ParseConfig(replies[0].Payload)
	if err != nil || replies[0].Type != camlink.TypeConfig {
		return nil, fmt.Errorf("%w: its answer cannot be read", ErrRefused)
	}
	return cfg, nil
}

// learn asks for all settings.
func (s *session) learn() error {
	cfg, err := s.ask(camlink.TypeConfigGet, nil)
	if err != nil {
		return err
	}
	s.forget()
	s.learnt = true
	s.merge(cfg)
	return nil
}

// apply brings a device that has forgotten them the settings that are wanted, and says each thing that it does not take once.
func (s *session) apply() error {
	settings := make([]Setting, 0, len(s.wanted))
	for key, value := range s.wanted {
		settings = append(settings, Setting{Key: key, Value: value})
	}
	settings = inOrder(settings)
	answer, err := s.set(settings, false)
	if err != nil {
		if answerable(err) {
			s.complain(0, "settings not applied", "error", err)
		}
		return err
	}
	s.unsettled = false
	delete(s.complained, 0)
	for i, set := range settings {
		got := answer[i]
		switch {
		case fateOf(got.Flags) == SettingRefused && !rateControlOff(set):
			s.complain(set.Key, "setting not applied", "setting", set.String(), "error", refusal(got.Flags))
		case fateOf(got.Flags) == SettingClamped:
			s.complain(set.Key, "setting limited by the device", "setting", set.String(), "effective", Format(got.Key, got.Value))
		}
	}
	if len(settings) > 0 {
		s.log.Info("settings applied", "settings", len(settings), "after", time.Since(s.greeted).Round(time.Millisecond))
	}
	return nil
}

func refusal(f camlink.ConfigFlags) error {
	if f&camlink.ConfigUnsupported != 0 {
		return ErrUnsupported
	}
	return ErrReadOnly
}

// complain logs a failure about a key (0: about all) once, until it is mended.
func (s *session) complain(about camlink.ConfigKey, message string, args ...any) {
	if !s.complained[about] {
		s.complained[about] = true
		s.log.Warn(message, args...)
	}
}

// settle tries again, now and then, what the device did not answer when it was linked. It returns an error only when the
// link or the port is lost.
func (s *session) settle(now time.Time) error {
	if s.oneWay || s.learnt && !s.unsettled || now.Sub(s.settled) < settleRetry {
		return nil
	}
	var err error
	if s.unsettled {
		err = s.apply()
	}
	if err == nil && !s.learnt {
		err = s.learn()
	}
	s.settled = time.Now()
	if answerable(err) {
		return nil
	}
	return err
}
