package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/access"
)

// The page for signing in, as it is and with what went wrong. It works without scripts, and at any address that a proxy gives it,
// because its own addresses are relative to the root; so it is only ever shown there.
var signInPages = func() map[string][]byte {
	plain := assets["signin.html"].body
	const gap = `<p id="why" role="alert" hidden></p>`
	if !bytes.Contains(plain, []byte(gap)) {
		panic("web: signin.html has no place for what went wrong")
	}
	told := func(why string) []byte {
		return bytes.Replace(plain, []byte(gap), []byte(`<p id="why" role="alert">`+why+`</p>`), 1)
	}
	return map[string][]byte{
		"":          plain,
		failedWrong: told("This user and password do not go together."),
		failedLater: told("Too many attempts. Wait a minute, then try again."),
	}
}()

// Why signing in failed, in the address of the page that says so.
const (
	failedWrong = "wrong"
	failedLater = "later"
)

// signInPage is what a browser gets in place of the page. Its form is answered at [Server.session].
func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) {
	body, ok := signInPages[r.URL.Query().Get("signin")]
	if !ok {
		body = signInPages[""]
	}
	if _, err := r.Cookie(sessionCookie); err == nil {
		s.setSession(w, r, "", time.Unix(1, 0)) // it has ended, and would only be refused again
	}
	header := w.Header()
	header.Set("Content-Security-Policy", strings.Replace(s.perimeter.Load().pagePolicy, "form-action 'none'", "form-action 'self'", 1))
	header.Set("Referrer-Policy", "same-origin") // with none at all, browsers hide the form's origin even from us
	header.Set("WWW-Authenticate", `Bearer realm="camgw"`)
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusUnauthorized)
	if _, err := w.Write(body); err != nil {
		s.log.Debug("answer not sent", "error", err)
	}
}

// session tells who is asking, and signs a browser in (POST) and out (DELETE).
func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		s.signIn(w, r)
	case http.MethodDelete:
		if cookie, err := r.Cookie(sessionCookie); err == nil && s.asks() && s.options.Access.SignOut(cookie.Value) {
			s.log.Info("signed out", "client", visitOf(r).client)
			s.Recheck()
		}
		s.setSession(w, r, "", time.Unix(1, 0))
		w.WriteHeader(http.StatusNoContent)
	default:
		s.whoAmI(w, r)
	}
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	form, user, password, p := s.readSignIn(w, r)
	if p != nil {
		s.fail(w, *p)
		return
	}
	// A form is answered with the page, which is two steps above this address wherever that is.
	back := func(to string) {
		w.Header().Set("Location", "../../"+to)
		w.WriteHeader(http.StatusSeeOther)
	}
	v := visitOf(r)
	var value string
	var until time.Time
	err := errNobodyAsks
	if s.asks() {
		var g access.Grant
		if g, err = s.password(w, r, v.from, user, password); err == nil {
			value, until, err = s.options.Access.NewSession(g)
		}
	}
	limited, slow := errors.AsType[*access.Limited](err)
	switch {
	case err == nil:
		s.setSession(w, r, value, until)
		s.log.Info("signed in", "client", v.client, "user", user)
		if form {
			back("")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case slow:
		if form {
			s.rejections[RejectRate].Add(1)
			w.Header().Set("Retry-After", retryAfter(limited))
			back("?signin=" + failedLater)
			return
		}
		s.tooMany(w, limited)
	case errors.Is(err, errNobodyAsks):
		if form {
			back("")
			return
		}
		s.fail(w, problem{Status: http.StatusConflict, Detail: err.Error()})
	default:
		s.rejections[RejectAuth].Add(1)
		s.log.Debug("sign-in refused", "client", v.client, "why", err) // the keeper tells of wrong passwords
		if form {
			back("?signin=" + failedWrong)
			return
		}
		w.Header().Set("WWW-Authenticate", challenge(r))
		s.fail(w, problem{Status: http.StatusUnauthorized, Detail: "this user and password do not go together"})
	}
}

var errNobodyAsks = errors.New("nobody is asked to sign in here")

// readSignIn reads the form, or the same as JSON.
func (s *Server) readSignIn(w http.ResponseWriter, r *http.Request) (form bool, user, password string, p *problem) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // what cannot be read is neither of these
	var err error
	switch kind {
	case "application/x-www-form-urlencoded":
		form = true
		if err = r.ParseForm(); err == nil {
			user, password = r.PostForm.Get("user"), r.PostForm.Get("password") // never from the address, which is logged everywhere
		}
	case "application/json":
		var body struct{ User, Password string }
		err = json.NewDecoder(r.Body).Decode(&body)
		user, password = body.User, body.Password
	default:
		return false, "", "", &problem{Status: http.StatusUnsupportedMediaType, Detail: "user and password are sent as a form or as JSON"}
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return form, "", "", &problem{Status: http.StatusRequestEntityTooLarge, Detail: "user and password are too long"}
	}
	if err != nil {
		return form, "", "", &problem{Status: http.StatusBadRequest, Detail: "user and password cannot be read"}
	}
	return form, user, password, nil
}

// setSession gives the browser its session, or takes it away. No script reads it, and no other site's page has it sent along. Its
// path is the root because what a proxy has put before our own is not known here.
func (s *Server) setSession(w http.ResponseWriter, r *http.Request, value string, until time.Time) {
	w.Header().Set("Cache-Control", "no-store")
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", Expires: until, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: s.perimeter.Load().encrypted(r),
	})
}

// whoAmI tells who is asking what he may do.
func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	g := visitOf(r).grant
	answer := struct {
		User    string      `json:"user"`
		Kind    access.Kind `json:"kind"`
		Role    access.Role `json:"role"`
		Cameras []string    `json:"cameras"` // nil: all
		Until   *float64    `json:"until"`   // nil: without end
	}{g.Name, g.Kind, g.Role, g.Cameras, nil}
	if !g.Until.IsZero() {
		until := unixSeconds(g.Until)
		answer.Until = &until
	}
	s.reply(w, http.StatusOK, "application/json", answer)
}
