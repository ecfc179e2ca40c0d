package bench

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine describes what the figures were measured on, in one line.
func Machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		model = cpuModel(bufio.NewScanner(f))
	}
	kernel := "unknown"
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	cores := 0
	if all, err := allowed(); err == nil {
		cores = len(all)
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s", model, cores, kernel, runtime.Version())
}

// cpuModel finds the processor's name in the lines of /proc/cpuinfo. Arm kernels name the board instead.
func cpuModel(lines *bufio.Scanner) string {
	found := runtime.GOARCH + " processor"
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		switch strings.TrimSpace(key) {
		case "model name":
			return strings.TrimSpace(value)
		case "Model":
			found = strings.TrimSpace(value)
		}
	}
	return found
}
