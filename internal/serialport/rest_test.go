package serialport

import (
	"io"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/serialport/ptytest"
)

// TestRest: what arrives while the port is left alone is there afterwards, a Read after it is woken by what comes then, and a hang-up
// is not missed.
func TestRest(t *testing.T) {
	line := ptytest.New(t)
	p := mustOpen(t, line.Path, Options{})
	if err := p.SetReadTimeout(patience); err != nil { // a missed wake-up is an error
		t.Fatal(err)
	}
	say := func(what string) {
		t.Helper()
		if _, err := line.Master.WriteString(what); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64)
	hear := func(want string) {
		t.Helper()
		if n, err := p.Read(buf); string(buf[:n]) != want || err != nil {
			t.Fatalf("%q, %v; want %q", buf[:n], err, want)
		}
	}
	for range 3 {
		begin := time.Now()
		say("before")
		waitReadable(t, p, len("before"))
		p.Rest(3 * time.Millisecond)
		if took := time.Since(begin); took < 3*time.Millisecond {
			t.Errorf("it woke after %v", took)
		}
		hear("before")

		p.Rest(time.Millisecond)
		heard := make(chan string)
		go func() {
			n, err := p.Read(buf)
			if err != nil {
				t.Error(err)
			}
			heard <- string(buf[:n])
		}()
		say("after")
		if got := <-heard; got != "after" {
			t.Fatalf("%q", got)
		}
	}

	line.Master.Close()
	p.Rest(time.Millisecond)
	if n, err := p.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("after a hang-up: %d, %v", n, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	p.Rest(time.Hour) // of a closed port there is nothing to leave alone
}
