package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/camgw/camgw/internal/access"
)

// minLink is how long a link holds at least; at most it is [access.MaxLink].
const minLink = time.Minute

// makeLink answers with addresses of a camera's pictures that need no credentials, for players that have no place for any.
func (s *Server) makeLink(w http.ResponseWriter, r *http.Request, c *camera) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		s.fail(w, problem{Status: http.StatusUnsupportedMediaType, Detail: "the body must be JSON, sent with Content-Type: application/json"})
		return
	}
	var body struct{ For string }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		s.fail(w, problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the body may have %d bytes", bodyLimit)})
		return
	}
	lasting, wrong := time.ParseDuration(body.For)
	if err != nil || wrong != nil || lasting < minLink || lasting > access.MaxLink {
		s.fail(w, problem{Status: http.StatusBadRequest,
			Detail: fmt.Sprintf(`the body says how long the link holds, from "1m" to "%.0fh": {"for":"24h"}`, access.MaxLink.Hours())})
		return
	}
	if !s.asks() {
		s.fail(w, problem{Status: http.StatusConflict, Detail: "nobody is asked for credentials here: the plain address does"})
		return
	}
	v := visitOf(r)
	until := time.Now().Add(lasting).Truncate(time.Second)
	sig, err := s.options.Access.NewLink(v.grant, c.ID, until)
	if err != nil {
		s.fail(w, problem{Status: http.StatusForbidden, Detail: "no link: " + err.Error()})
		return
	}
	s.log.Info("link made", "client", v.client, "user", v.grant.Name, "camera", c.ID, "until", until.UTC().Format(time.RFC3339))
	root := "cam/" + c.ID + "/"
	query := "?sig=" + url.QueryEscape(sig)
	s.reply(w, http.StatusCreated, "application/json", struct {
		Stream   string  `json:"stream"`
		Snapshot string  `json:"snapshot"`
		Until    float64 `json:"until"`
	}{root + "stream.mjpg" + query, root + "snapshot.jpg" + query, unixSeconds(until)})
}
