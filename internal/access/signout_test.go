package access

import (
	"errors"
	"testing"
	"time"
)

// TestSignOut: who has copied a session has nothing when it was signed out, and nobody else is signed out with it.
func TestSignOut(t *testing.T) {
	clock := time.Now().Truncate(time.Second)
	r := newRig(t, Options{Now: func() time.Time { return clock }})
	ann := r.in(t, "ann")
	one, _, err := r.NewSession(ann)
	if err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Second)
	other, _, err := r.NewSession(ann)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]Grant{}
	for _, value := range []string{one, other} {
		if of[value], err = r.Session(home, value); err != nil || !r.Still(of[value]) {
			t.Fatal(err)
		}
	}
	for _, value := range []string{"", "AQ", one + "=", r.link(t, ann, "door")} {
		if r.SignOut(value) {
			t.Errorf("%q was a session", value)
		}
	}
	if !r.SignOut(one) || r.SignOut(one) {
		t.Error("a session is signed out once")
	}
	if g, err := r.Session(home, one); !errors.Is(err, ErrExpired) || g.Role != None || r.Still(of[one]) {
		t.Errorf("signed out: %+v, %v, still %v", g, err, r.Still(of[one]))
	}
	if _, _, err := r.NewSession(of[one]); err == nil {
		t.Error("a session that is over makes another")
	}
	if _, err := r.Session(home, other); err != nil || !r.Still(of[other]) || !r.Still(ann) {
		t.Errorf("the others: %v", err)
	}
	r.SignOut(other)
	again, _, err := r.NewSession(ann)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Session(home, again); err != nil {
		t.Errorf("in again within the same second: %v", err)
	}
}

// TestSignedOutIsBounded: those that have ended by themselves are forgotten, then who would be next.
func TestSignedOutIsBounded(t *testing.T) {
	clock := time.Now().Truncate(time.Second)
	r := newRig(t, Options{Now: func() time.Time { return clock }})
	ann := r.in(t, "ann")
	var all []string
	for range signedOutMost + 10 {
		value, _, err := r.NewSession(ann)
		if err != nil || !r.SignOut(value) {
			t.Fatal(err)
		}
		all = append(all, value)
		clock = clock.Add(time.Second)
	}
	if n := len(r.over.ends); n != signedOutMost {
		t.Errorf("%d are remembered", n)
	}
	for i, value := range all {
		if _, err := r.Session(home, value); (err == nil) != (i < 10) {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	clock = clock.Add(DefaultSession - 20*time.Second)
	value, _, err := r.NewSession(ann)
	if err != nil || !r.SignOut(value) || len(r.over.ends) != 20 {
		t.Errorf("%d are remembered, %v", len(r.over.ends), err)
	}
}
