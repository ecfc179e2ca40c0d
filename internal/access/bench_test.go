package access

import "testing"

// BenchmarkPassword is what a password costs that is not remembered; BenchmarkRemembered one that is; BenchmarkToken a token among a hundred.
func BenchmarkPassword(b *testing.B) {
	h, err := HashPassword(secret)
	if err != nil {
		b.Fatal(err)
	}
	book := Book{Users: []Account{{Name: "ann", Secret: h, Role: Admin}}}
	k := New(Options{})
	for b.Loop() {
		k.Replace(book)
		if _, err := k.Password(b.Context(), home, "ann", secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRemembered(b *testing.B) {
	r := newRig(b, Options{})
	for b.Loop() {
		if _, err := r.Password(b.Context(), home, "ann", secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkToken(b *testing.B) {
	r := newRig(b, Options{})
	r.with(func(book *Book) {
		for i := range 99 {
			book.Tokens = append(book.Tokens, Account{Name: string(rune('a'+i/26)) + string(rune('a'+i%26)), Secret: TokenDigest(NewToken()), Role: Viewer})
		}
	})
	for b.Loop() {
		if _, err := r.Token(home, r.token); err != nil {
			b.Fatal(err)
		}
	}
}
