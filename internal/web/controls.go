package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Controls are a camera's settings as web needs them. Methods are called from many goroutines.
type Controls interface {
	// Controls returns every setting there is a name for, or one of the errors below.
	Controls() ([]Control, error)

	// Change sets all that is asked for, or nothing if it returns an error: one of those below, or [Mistakes].
	// It returns what it has set as it is in effect, which may be more than was asked for.
	Change(ctx context.Context, changes []Change, how How) ([]Control, error)
}

// Control is one setting of a camera.
type Control struct {
	Name            string
	Value, Min, Max any    // numbers, or sizes as "640x480"; nil if unsupported
	Label           string // a name for the value: "VGA"
	Unsupported     bool
	ReadOnly        bool
	Clamped         bool // the value asked for was out of range
	Auto            bool // the camera moves the value by itself
}

// Change is a value asked for, as it was written.
type Change struct{ Name, Value string }

// How says how changes are to be made.
type How struct {
	Clamp   bool // the nearest value instead of an error
	Persist bool // the device is asked to keep them over a reboot
}

// Why a camera's settings cannot be read or changed.
var (
	ErrNotLinked = errors.New("the camera is not linked")
	ErrOneWay    = errors.New("the camera cannot hear: only its transmit wire is connected")
	ErrNoAnswer  = errors.New("the camera does not answer; it is not known what was set")
	ErrRefused   = errors.New("the camera refuses")
	ErrNoPersist = errors.New("the camera cannot keep settings over a reboot")
	ErrBusy      = errors.New("too many requests wait for the camera")
)

// Mistake is one change that cannot be made.
type Mistake struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Reason string `json:"reason"` // unknown, bad_value, out_of_range, read_only or unsupported
	Detail string `json:"detail"`
	Min    any    `json:"min,omitempty"` // the range, for out_of_range
	Max    any    `json:"max,omitempty"`
}

// Mistakes are all that is wrong with a list of changes.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	details := make([]string, len(m))
	for i, one := range m {
		details[i] = one.Detail
	}
	return strings.Join(details, "; ")
}

// refusal is a problem with the changes that were asked for.
type refusal struct {
	problem
	Errors []Mistake `json:"errors"`
	Known  []string  `json:"known,omitempty"` // all names, where one was unknown
}

const (
	bodyLimit    = 16 << 10
	controlWait  = 6 * time.Second // above what a camera may take to answer
	reasonNoName = "unknown"
)

// shownControl is a Control as the API shows it, under its name.
type shownControl struct {
	Value     any    `json:"value"`
	Min       any    `json:"min"`
	Max       any    `json:"max"`
	Supported bool   `json:"supported"`
	ReadOnly  bool   `json:"read_only"`
	Label     string `json:"name,omitempty"`
	Auto      bool   `json:"auto,omitempty"`
	Clamped   bool   `json:"clamped,omitempty"`
}

func show(controls []Control) map[string]shownControl {
	shown := make(map[string]shownControl, len(controls))
	for _, c := range controls {
		shown[c.Name] = shownControl{c.Value, c.Min, c.Max, !c.Unsupported, c.ReadOnly, c.Label, c.Auto, c.Clamped}
	}
	return shown
}

// config shows a camera's settings, and changes them by PATCH.
func (s *Server) config(w http.ResponseWriter, r *http.Request, c *camera) {
	if r.Method == http.MethodPatch {
		s.patchConfig(w, r, c)
		return
	}
	controls, err := c.controls()
	if err != nil {
		s.failControls(w, c, err)
		return
	}
	s.reply(w, http.StatusOK, "application/json", show(controls))
}

func (s *Server) patchConfig(w http.ResponseWriter, r *http.Request, c *camera) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		w.Header().Set("Accept-Patch", "application/json")
		s.fail(w, problem{Status: http.StatusUnsupportedMediaType, Detail: "the body must be JSON, sent with Content-Type: application/json"})
		return
	}
	changes, err := parseChanges(http.MaxBytesReader(w, r.Body, bodyLimit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		s.fail(w, problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the body may have %d bytes", bodyLimit)})
		return
	}
	if err != nil {
		s.fail(w, problem{Status: http.StatusBadRequest, Detail: "the body must be one JSON object of names and values: " + err.Error()})
		return
	}
	var how How
	for key, to := range map[string]*bool{"clamp": &how.Clamp, "persist": &how.Persist} {
		text := r.URL.Query().Get(key)
		if text == "" {
			continue
		}
		if *to, err = strconv.ParseBool(text); err != nil {
			s.fail(w, problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("bad %s %q: 1 or 0", key, text)})
			return
		}
	}
	set, err := s.change(r, c, changes, how)
	if err != nil {
		s.failControls(w, c, err)
		return
	}
	s.reply(w, http.StatusOK, "application/json", show(set))
}

// change asks the camera and leaves a line in the log, because pictures will look different to everybody.
func (s *Server) change(r *http.Request, c *camera, changes []Change, how How) ([]Control, error) {
	if c.Controls == nil {
		return nil, ErrNotLinked
	}
	ctx, cancel := context.WithTimeout(r.Context(), controlWait)
	defer cancel()
	set, err := c.Controls.Change(ctx, changes, how)
	if err != nil {
		return nil, err
	}
	words := make([]string, len(changes))
	for i, one := range changes {
		words[i] = clean(one.Name, nameLimit) + "=" + clean(one.Value, nameLimit)
	}
	v := visitOf(r)
	s.log.Info("settings changed", "camera", c.ID, "client", v.client, "user", v.grant.Name, "settings", strings.Join(words, " "), "persist", how.Persist)
	return set, nil
}

func (c *camera) controls() ([]Control, error) {
	if c.Controls == nil {
		return nil, ErrNotLinked
	}
	return c.Controls.Controls()
}

// failControls answers with what stood in the way.
func (s *Server) failControls(w http.ResponseWriter, c *camera, err error) {
	p := problem{Detail: err.Error()}
	mistakes, wrong := errors.AsType[Mistakes](err)
	switch {
	case wrong:
		p.Status = http.StatusUnprocessableEntity
		p.Detail += "; nothing was set"
		s.refuseChanges(w, c, p, mistakes)
		return
	case errors.Is(err, ErrNoPersist):
		p.Status = http.StatusUnprocessableEntity
		p.Detail += "; nothing was set"
	case errors.Is(err, ErrOneWay):
		p.Status = http.StatusConflict
	case errors.Is(err, ErrRefused):
		p.Status = http.StatusBadGateway
	case errors.Is(err, ErrNoAnswer):
		p.Status = http.StatusGatewayTimeout
	case errors.Is(err, ErrBusy):
		p.Status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	default: // not linked; or nobody waits for the answer
		p.Status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "2")
		if st := c.status(); st.down() {
			title, advice := st.words()
			p.Cause, p.Detail = st.Cause, p.Detail+": "+title+": "+advice
		}
	}
	s.fail(w, p)
}

func (s *Server) refuseChanges(w http.ResponseWriter, c *camera, p problem, mistakes Mistakes) {
	answer := refusal{problem: p.complete(), Errors: mistakes}
	for _, m := range mistakes {
		if m.Reason != reasonNoName || answer.Known != nil {
			continue
		}
		controls, err := c.controls()
		if err != nil {
			continue
		}
		for _, control := range controls {
			if !control.ReadOnly && !control.Unsupported {
				answer.Known = append(answer.Known, control.Name)
			}
		}
	}
	s.reply(w, p.Status, "application/problem+json", answer)
}

func isTrue(text string) bool {
	b, err := strconv.ParseBool(text)
	return err == nil && b
}

// parseChanges reads one JSON object whose values are numbers, texts, true or false. They stay as they were written:
// what they mean depends on the setting.
func parseChanges(body io.Reader) ([]Change, error) {
	d := json.NewDecoder(body)
	d.UseNumber()
	token, err := d.Token()
	if err != nil {
		return nil, unexpectedEnd(err)
	}
	if token != json.Delim('{') {
		return nil, errors.New("it is no object")
	}
	var changes []Change
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, unexpectedEnd(err)
		}
		name := token.(string) // a key, or Token had failed
		if seen[name] {
			return nil, fmt.Errorf("%q is given twice", name)
		}
		seen[name] = true
		value, err := d.Token()
		if err != nil {
			return nil, unexpectedEnd(err)
		}
		change := Change{Name: name}
		switch v := value.(type) {
		case json.Number:
			change.Value = v.String()
		case string:
			change.Value = v
		case bool:
			change.Value = strconv.FormatBool(v)
		default:
			return nil, fmt.Errorf("the value of %q is no number, text, true or false", name)
		}
		changes = append(changes, change)
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, unexpectedEnd(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.Join(errors.New("something follows it"), tooLarge(err))
	}
	return changes, nil
}

func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// tooLarge keeps the one error behind the object that is about something else than JSON.
func tooLarge(err error) error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return large
	}
	return nil
}
