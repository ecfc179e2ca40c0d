package web

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/fanout"
)

// town is a server with two cameras and people of every kind, to be asked without a network.
type town struct {
	t       testing.TB
	server  *Server
	keeper  *access.Keeper
	book    access.Book
	hubs    []*fanout.Hub
	control *fakeControls
	token   map[string]string // by name
	asked   int
	from    string // where requests come from; "": each from somewhere else
}

var townPicture = testJPEG(8, 8, 1)

const (
	townPassword = "correct horse battery"
	macOfB       = "240ac4000002"
)

// townHash is of townPassword, at the least cost there may be: it is made once.
var townHash = func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte(townPassword), access.Cost)
	if err != nil {
		panic(err)
	}
	return string(hash)
}()

// newTown has a token for each role, for all cameras ("viewer") and for camera a alone ("viewer-a"), and the user "ann".
func newTown(t testing.TB, o Options) *town {
	w := &town{t: t, token: map[string]string{}, control: &fakeControls{}}
	w.book = access.Book{Key: access.NewKey(), Users: []access.Account{
		{Name: "ann", Secret: townHash, Role: access.Operator}, {Name: "bob", Secret: townHash, Role: access.Viewer, Cameras: []string{"a"}},
	}}
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Admin} {
		for _, cameras := range [][]string{nil, {"a"}} {
			name := role.String()
			if cameras != nil {
				name += "-a"
			}
			w.token[name] = access.NewToken()
			w.book.Tokens = append(w.book.Tokens, access.Account{Name: name, Secret: access.TokenDigest(w.token[name]), Role: role, Cameras: cameras})
		}
	}
	w.keeper = access.New(access.Options{})
	w.keeper.Replace(w.book)
	o.Access = w.keeper
	if o.Hosts == nil {
		o.Hosts = testPerimeter.Hosts
	}
	if o.Metrics == nil {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics\n") })
	}
	for i, id := range []string{"a", "b"} {
		hub := fanout.NewHub(Envelope)
		w.hubs = append(w.hubs, hub)
		o.Cameras = append(o.Cameras, Camera{ID: id, Hub: hub, Controls: w.control, Status: func() Status {
			return Status{State: Streaming, Port: "/dev/tty" + id, Device: &Device{MAC: fmt.Sprintf("24:0a:c4:00:00:%02x", i+1)}}
		}})
	}
	w.server = New(o)
	return w
}

// link is a signed link's value for a camera.
func (w *town) link(camera string, lasting time.Duration) string {
	w.t.Helper()
	from := httptest.NewRequest("GET", "/", nil)
	g, err := w.keeper.Token(peerOf(from), w.token["operator"])
	if err != nil {
		w.t.Fatal(err)
	}
	sig, err := w.keeper.NewLink(g, camera, time.Now().Add(lasting))
	if err != nil {
		w.t.Fatal(err)
	}
	return sig
}

// expiredLink is one that was good a moment ago. The keeper's clock is that of a keeper of the past.
func (w *town) expiredLink(camera string) string {
	w.t.Helper()
	then := access.New(access.Options{Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	then.Replace(w.book)
	g, err := then.Token(peerOf(httptest.NewRequest("GET", "/", nil)), w.token["operator"])
	if err != nil {
		w.t.Fatal(err)
	}
	sig, err := then.NewLink(g, camera, time.Now().Add(-time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	return sig
}

// ask sends a request that lasts no longer than its header, if the answer has no end.
func (w *town) ask(method, target string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.send(method, target, "", headers...)
}

func (w *town) send(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, content)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	w.asked++
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1000", w.asked>>16&255, w.asked>>8&255, w.asked&255) // who fails often is somebody else each time
	if w.from != "" {
		r.RemoteAddr = w.from
	}
	defer w.film()()
	ctx, cancel := context.WithCancel(r.Context())
	rec := &headerRecorder{ResponseRecorder: httptest.NewRecorder(), then: cancel}
	defer cancel()
	w.server.Handler().ServeHTTP(rec, r.WithContext(ctx))
	return rec.ResponseRecorder
}

// film has the cameras take pictures until its result is called: a snapshot is answered at once, however long a password takes to check.
func (w *town) film() (stop func()) {
	shoot := func() {
		for _, hub := range w.hubs {
			hub.Publish(newFrame(townPicture, 8, 8))
		}
	}
	shoot()
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(fresh / 5)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				shoot()
			case <-stopped:
				return
			}
		}
	}()
	return func() { close(stopped); <-ended }
}

// session is the value of a cookie.
func (w *town) session(user string) string {
	w.t.Helper()
	g, err := w.keeper.Password(context.Background(), peerOf(httptest.NewRequest("GET", "/", nil)), user, townPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	value, _, err := w.keeper.NewSession(g)
	if err != nil {
		w.t.Fatal(err)
	}
	return value
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// headerRecorder ends endless answers when they have begun.
type headerRecorder struct {
	*httptest.ResponseRecorder
	then func()
}

func (r *headerRecorder) WriteHeader(code int) {
	r.ResponseRecorder.WriteHeader(code)
	if kind := r.Header().Get("Content-Type"); strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "text/event-stream") {
		r.then()
	}
}

func (r *headerRecorder) Write(p []byte) (int, error) {
	if kind := r.Header().Get("Content-Type"); strings.HasPrefix(kind, "text/event-stream") {
		r.then()
	}
	return r.ResponseRecorder.Write(p)
}
