package gateway

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/access"
	"github.com/camgw/camgw/internal/config"
)

// register is a file of users that a test writes.
type register struct {
	t    *testing.T
	path string
}

func newRegister(t *testing.T) register { return register{t, filepath.Join(t.TempDir(), "users.toml")} }

// have makes these the tokens there are.
func (r register) have(tokens ...access.Account) {
	r.t.Helper()
	if err := access.UpdateFile(r.path, func([]byte) ([]byte, error) { return config.FormatUsers(access.Book{Tokens: tokens}), nil }); err != nil {
		r.t.Fatal(err)
	}
}

// spoil replaces the file by something else.
func (r register) spoil(content string, mode os.FileMode) {
	r.t.Helper()
	if err := errors.Join(os.WriteFile(r.path, []byte(content), 0o600), os.Chmod(r.path, mode)); err != nil {
		r.t.Fatal(err)
	}
}

func token(name string, role access.Role, cameras ...string) (text string, a access.Account) {
	text = access.NewToken()
	return text, access.Account{Name: name, Role: role, Cameras: cameras, Secret: access.TokenDigest(text)}
}

func peopleConfig(t *testing.T, users string) config.Config {
	t.Helper()
	cfg, err := config.Flags{Ports: []string{"door=sim:", "yard=sim:"}, Listen: "127.0.0.1:0", MaxViewers: 8, Users: users}.Config()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// as asks for a path with a token.
func (d *daemon) as(token, path string) *http.Response {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.base+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// comes waits until a token is answered with a code: the file is looked at now and then.
func (d *daemon) comes(token, path string, code int) {
	d.t.Helper()
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		got := d.as(token, path).StatusCode
		if got == code {
			return
		}
		if time.Since(begin) > 15*time.Second {
			d.t.Fatalf("%s: still %d, want %d\n%s", path, got, code, d.log.String())
		}
	}
}

func (d *daemon) logs(words string) {
	d.t.Helper()
	for begin := time.Now(); !strings.Contains(d.log.String(), words); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 15*time.Second {
			d.t.Fatalf("%q is not in the log:\n%s", words, d.log.String())
		}
	}
}

// TestUsersComeAndGo: what the file says is in effect within seconds, also for what is under way; what it cannot mean changes nothing.
func TestUsersComeAndGo(t *testing.T) {
	r := newRegister(t)
	ann, annAccount := token("ann", access.Admin)
	vic, vicAccount := token("vic", access.Viewer, "door", "attic")
	r.have(annAccount, vicAccount)
	d := start(t, peopleConfig(t, r.path))
	d.logs("a user or token is for a camera that there is not")
	for _, c := range []struct {
		token, path string
		code        int
	}{
		{ann, "/metrics", 200}, {ann, "/api/v1/cameras/yard", 200}, {vic, "/api/v1/cameras/door", 200},
		{vic, "/metrics", 403}, {"", "/api/v1/cameras", 401}, {access.NewToken(), "/api/v1/cameras", 401},
	} {
		if got := d.as(c.token, c.path).StatusCode; got != c.code {
			t.Errorf("%s: %d, want %d", c.path, got, c.code)
		}
	}
	ended := make(chan error, 1)
	stream := d.as(vic, "/cam/door/stream.mjpg")
	if stream.StatusCode != http.StatusOK {
		t.Fatal(stream.Status)
	}
	go func() {
		b := make([]byte, 64<<10)
		for {
			if _, err := stream.Body.Read(b); err != nil {
				ended <- err
				return
			}
		}
	}()
	// Neither an editor's slip nor a file that others may read lets anybody in or out.
	r.spoil("[[token]]\nname = \"vic\n", 0o600)
	d.logs("users not read again: all stays as it was")
	d.comes(vic, "/api/v1/cameras/door", 200)
	r.spoil("", 0o644)
	d.logs("others can read it")
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	d.logs("no such file or directory")
	if got := d.as(ann, "/metrics").StatusCode; got != 200 {
		t.Errorf("%d", got)
	}
	select {
	case err := <-ended:
		t.Fatalf("the stream has ended: %v", err)
	default:
	}
	bob, bobAccount := token("bob", access.Viewer)
	r.have(annAccount, bobAccount)
	d.comes(vic, "/api/v1/cameras/door", 401)
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the stream of who was removed goes on")
	}
	if got := d.as(bob, "/api/v1/cameras/yard").StatusCode; got != 200 {
		t.Errorf("bob: %d", got)
	}
	if n := strings.Count(d.log.String(), "no such file or directory"); n != 1 {
		t.Errorf("one fault was told %d times", n)
	}
}

// TestReloadOfUsers: a reload takes the users with the rest, or nothing; and cannot open what was closed.
func TestReloadOfUsers(t *testing.T) {
	r, other := newRegister(t), newRegister(t)
	ann, annAccount := token("ann", access.Admin)
	bob, bobAccount := token("bob", access.Admin)
	r.have(annAccount)
	other.have(bobAccount)
	d := start(t, peopleConfig(t, r.path))
	for _, to := range []string{"", config.NoUsers} {
		if err := d.reload(peopleConfig(t, to), nil); err == nil || !strings.Contains(err.Error(), "auth.users: "+r.path+" says who may do what, and nobody would after this") {
			t.Errorf("%q: %v", to, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none.toml")
	err := d.reload(peopleConfig(t, missing), nil)
	if m, ok := errors.AsType[*config.Error](err); !ok || m.Origin != config.File || err.Error() != missing+": no such file or directory; try: camgw user add NAME --role admin" {
		t.Errorf("%v", err)
	}
	if got := d.as(ann, "/metrics").StatusCode; got != 200 {
		t.Fatalf("%d", got)
	}
	if err := d.reload(peopleConfig(t, other.path), nil); err != nil {
		t.Fatal(err)
	}
	if a, b := d.as(ann, "/metrics").StatusCode, d.as(bob, "/metrics").StatusCode; a != 401 || b != 200 {
		t.Errorf("%d, %d", a, b)
	}
	// The next file is the one that is looked at from now on.
	r.have(annAccount, bobAccount)
	other.have(annAccount)
	d.comes(ann, "/metrics", 200)
	if got := d.as(bob, "/metrics").StatusCode; got != 401 {
		t.Errorf("%d", got)
	}
}

func TestStartWithoutItsUsers(t *testing.T) {
	r := newRegister(t)
	if err := Check(peopleConfig(t, r.path)); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
	r.spoil("[[user]]\nname = 1\n[[token]]\n", 0o600)
	if err := Check(peopleConfig(t, r.path)); err == nil || strings.Count(err.Error(), r.path+":") != 4 {
		t.Errorf("%v", err)
	}
	r.have()
	if err := Check(peopleConfig(t, r.path)); err != nil {
		t.Error(err)
	}
	d := start(t, peopleConfig(t, r.path))
	d.logs("nobody is let in: there are no users")
	if got := d.as("", "/api/v1/cameras").StatusCode; got != 401 {
		t.Errorf("%d", got)
	}
	// And where nobody is asked, a reload does not begin to ask.
	open := start(t, peopleConfig(t, ""))
	if err := open.reload(peopleConfig(t, r.path), nil); err == nil || !strings.Contains(err.Error(), "auth.users: nobody is asked who he is, and somebody would be after this") {
		t.Errorf("%v", err)
	}
	if got := open.as("", "/metrics").StatusCode; got != 200 {
		t.Errorf("%d", got)
	}
}
