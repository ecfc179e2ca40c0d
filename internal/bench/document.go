package bench

import (
	"bytes"
	"fmt"
	"os"
)

// WriteSection replaces what stands between <!-- name --> and <!-- /name --> in the file at path. The rest of a page
// of figures is written by people.
func WriteSection(path, name, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("page of figures: %w", err)
	}
	page, err = replaceSection(page, name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(path, page, 0o644); err != nil {
		return fmt.Errorf("page of figures: %w", err)
	}
	return nil
}

func replaceSection(page []byte, name, text string) ([]byte, error) {
	before, rest, begun := bytes.Cut(page, []byte("<!-- "+name+" -->\n"))
	_, after, ended := bytes.Cut(rest, []byte("<!-- /"+name+" -->"))
	if !begun || !ended {
		return nil, fmt.Errorf("no section %q", name)
	}
	return fmt.Appendf(nil, "%s<!-- %s -->\n%s<!-- /%s -->%s", before, name, text, name, after), nil
}
