package bench

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteSection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	const page = "# Figures\n\n<!-- a -->\nold\n<!-- /a -->\n\nprose\n<!-- b -->\n<!-- /b -->\n"
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again is the same
		if err := WriteSection(path, "a", "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := "# Figures\n\n<!-- a -->\nnew\n<!-- /a -->\n\nprose\n<!-- b -->\n<!-- /b -->\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if err := WriteSection(path, "c", "new\n"); err == nil {
		t.Error("a section that is not there was written")
	}
	if err := WriteSection(path+".none", "a", "new\n"); err == nil {
		t.Error("a page that is not there was written")
	}
}
