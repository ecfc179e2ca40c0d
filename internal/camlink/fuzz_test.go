package camlink_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/camgw/camgw/internal/camlink"
)

// cut splits data into pieces as the bytes of plan say: so many bytes, or silence for 0. What is left is one piece.
func cut(data, plan []byte) []input {
	var in []input
	for _, n := range plan {
		if n == 0 {
			in = append(in, nil)
			continue
		}
		n := min(int(n), len(data))
		if n > 0 {
			in = append(in, data[:n])
		}
		data = data[n:]
	}
	if len(data) > 0 {
		in = append(in, data)
	}
	return in
}

func FuzzDecoder(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.bytes(), []byte{1, 0, 40, 0, 255, 12})
	}
	f.Fuzz(func(t *testing.T, data, plan []byte) {
		r := newReceiver(4096)
		for _, in := range cut(data, plan) {
			r.take(in)
		}
		if fault := r.check(); fault != "" {
			t.Fatal(fault)
		}
		// Every packet found stands in the input, in this order.
		rest := string(data)
		for _, p := range r.packets {
			at := strings.Index(rest, p)
			if at < 0 {
				t.Fatalf("found a packet that is not there: %x", p)
			}
			rest = rest[at+len(p):]
		}
		// Without silence the pieces make no difference.
		whole := events(4096, []input{data})
		var pieces []input
		for _, in := range cut(data, plan) {
			if in != nil {
				pieces = append(pieces, in)
			}
		}
		if got := events(4096, pieces); got != whole && len(data) > 0 {
			t.Fatalf("in pieces\n%s\nwhole\n%s", got, whole)
		}
	})
}

func FuzzMessages(f *testing.F) {
	for _, v := range readVectors(f) {
		r := newReceiver(v.maxFrame)
		for _, in := range v.stream {
			r.take(in)
		}
		for _, p := range r.packets {
			payload := []byte(p[camlink.HeaderSize:])
			if len(payload) > 0 {
				payload = payload[:len(payload)-4]
			}
			f.Add(p[3], payload)
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, payload []byte) {
		for _, m := range messages {
			if m.typ != camlink.Type(typ) {
				continue
			}
			first, err := m.parse(payload)
			if err != nil {
				if !errors.Is(err, camlink.ErrShort) && !errors.Is(err, camlink.ErrMagic) {
					t.Fatal(err)
				}
				return
			}
			if len(payload) > camlink.MaxPayload {
				return
			}
			b := first.Append(nil)
			if len(b) > camlink.MaxPayload {
				t.Fatalf("%d bytes parsed, %d appended", len(payload), len(b))
			}
			second, err := m.parse(b)
			if err != nil || !reflect.DeepEqual(first, second) {
				t.Fatalf("%v\nfirst  %+v\nsecond %+v", err, first, second)
			}
		}
	})
}
