package serialport

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holder is a process that has the line.
type holder int

func (h holder) String() string {
	if int(h) == os.Getpid() {
		return "this process"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", int(h)))
	if err != nil {
		return fmt.Sprintf("pid %d", int(h))
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(name)), int(h))
}

// lockHolder returns who has a flock on the device node, without touching the device: opening it would raise DTR and
// RTS and so reset the camera of the one who rightly has it.
func lockHolder(st *unix.Stat_t) (holder, bool) {
	f, err := os.Open("/proc/locks")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	dev := uint64(st.Dev)
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), st.Ino)
	// 1: FLOCK  ADVISORY  WRITE 1234 00:06:345 0 EOF. A waiting lock has an arrow in the second place.
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != inode {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return holder(pid), true
		}
	}
	return 0, false
}

// openHolder returns who has the tty open, as far as we may see other processes' descriptors: all of them as root,
// otherwise the user's own. One that is not this process is preferred.
func openHolder(path string) (holder, bool) {
	node, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0, false
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, false
	}
	found, ok := holder(0), false
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != node {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err != nil {
			continue
		}
		found, ok = holder(pid), true
		if pid != os.Getpid() {
			break
		}
	}
	return found, ok
}
