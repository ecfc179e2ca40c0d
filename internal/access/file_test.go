package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func TestWhoMayReadTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	for mode, says := range map[fs.FileMode]string{
		0o600: "", 0o640: "", 0o400: "", 0o440: "", 0o700: "",
		0o644: "others can read it, and passwords could be guessed or made; try: chmod 0640 " + path,
		0o604: "try: chmod 0600 ", 0o666: "try: chmod 0640 ", 0o602: "others can", 0o601: "others can",
		0o660: "its group can change it, and passwords could be guessed or made; try: chmod 0640 ", 0o620: "its group can change it",
	} {
		write(t, path, "x", mode)
		content, err := ReadFile(path)
		if says == "" {
			if err != nil || string(content) != "x" {
				t.Errorf("%04o: %q, %v", mode, content, err)
			}
			continue
		}
		if _, ok := errors.AsType[*FileError](err); !ok || !strings.Contains(err.Error(), says) || content != nil {
			t.Errorf("%04o: %v", mode, err)
		}
		if err := UpdateFile(path, func([]byte) ([]byte, error) { return nil, nil }); err == nil {
			t.Errorf("%04o: it is changed without a word", mode)
		}
	}
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big")
	write(t, big, strings.Repeat("x", maxFile+1), 0o600)
	for path, says := range map[string]string{
		dir: "it is no file", pipe: "it is no file", big: "larger than 1 MiB", "/dev/null": "it is no file",
		filepath.Join(dir, "none"):    "no such file or directory; try: camgw user add NAME --role admin",
		filepath.Join(big, "beneath"): "not a directory",
	} {
		if _, err := ReadFile(path); err == nil || !strings.HasPrefix(err.Error(), path+": "+says) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestUpdateFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	path := filepath.Join(dir, "users.toml")
	set := func(content string) func([]byte) ([]byte, error) {
		return func([]byte) ([]byte, error) { return []byte(content), nil }
	}
	mode := func() fs.FileMode {
		t.Helper()
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return st.Mode().Perm()
	}
	if err := UpdateFile(path, func(old []byte) ([]byte, error) {
		if old != nil {
			t.Errorf("%q", old)
		}
		return []byte("one"), nil
	}); err != nil {
		t.Fatal(err)
	}
	if m := mode(); m&^0o640 != 0 {
		t.Errorf("mode %04o", m)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // another owner stays
		if err := os.Chown(path, 1234, 2345); err != nil {
			t.Fatal(err)
		}
	}
	if err := UpdateFile(path, set("two")); err != nil || mode() != 0o640 {
		t.Errorf("%v, mode %04o", err, mode())
	}
	if st, err := os.Stat(path); os.Geteuid() == 0 && (err != nil || st.Sys().(*syscall.Stat_t).Uid != 1234 || st.Sys().(*syscall.Stat_t).Gid != 2345) {
		t.Errorf("the owner is another: %+v", st.Sys())
	}
	// A change that fails changes nothing, and nothing stays behind.
	no := errors.New("no")
	if err := UpdateFile(path, func(old []byte) ([]byte, error) { return []byte("three"), no }); err != no {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "two" {
		t.Errorf("%q, %v", b, err)
	}
	// A link stays one.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := UpdateFile(link, set("four")); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(link); err != nil || st.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("%v, %v", st, err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "four" {
		t.Errorf("%q, %v", b, err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestNothingIsLost: of many who change it at once, each finds what those before it have written.
func TestNothingIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := UpdateFile(path, func(old []byte) ([]byte, error) { return fmt.Appendf(old, "%d\n", i), nil }); err != nil {
				t.Error(err)
			}
		})
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() { // who reads it meanwhile finds whole lines
		for {
			select {
			case <-stop:
				return
			default:
			}
			if b, err := ReadFile(path); err == nil && len(b) > 0 && b[len(b)-1] != '\n' {
				t.Errorf("%q", b)
			}
		}
	})
	wg.Wait()
	close(stop)
	reader.Wait()
	b, err := ReadFile(path)
	if err != nil || strings.Count(string(b), "\n") != 20 {
		t.Errorf("%q, %v", b, err)
	}
}
