package bench

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Cores says where programs run. Both are numbers of the kernel's.
type Cores struct {
	Server int // the program under test, alone
	Others int // the camera, the viewers and this program
}

// Prepare chooses the cores, keeps this process and what it starts off the server's, and lets them open as many files
// as may be. Call it before starting anything: a thread that starts meanwhile might be missed.
func Prepare() (Cores, error) {
	all, err := allowed()
	if err != nil {
		return Cores{}, err
	}
	c, err := choose(all, siblings)
	if err != nil {
		return Cores{}, err
	}
	runtime.GOMAXPROCS(1)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return Cores{}, fmt.Errorf("own threads: %w", err)
	}
	var set unix.CPUSet
	set.Set(c.Others)
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return Cores{}, fmt.Errorf("own thread: %w", err)
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return Cores{}, fmt.Errorf("move to core %d: %w", c.Others, err)
		}
	}
	return c, openManyFiles()
}

// choose takes the first core for the server, and for the rest the first that is not the same core under another number.
func choose(all []int, siblings func(int) []int) (Cores, error) {
	if len(all) == 0 {
		return Cores{}, errors.New("no core to run on")
	}
	twins := siblings(all[0])
	for _, other := range all[1:] {
		twin := false
		for _, t := range twins {
			twin = twin || t == other
		}
		if !twin {
			return Cores{Server: all[0], Others: other}, nil
		}
	}
	return Cores{}, errors.New("a benchmark needs two cores: one for the server, one for its camera and viewers")
}

func allowed() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("allowed cores: %w", err)
	}
	var all []int
	for cpu := range len(set) * strconv.IntSize {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// siblings are the hardware threads of a core's own silicon; nil if the kernel does not tell.
func siblings(cpu int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
	if err != nil {
		return nil
	}
	list, err := parseCPUList(strings.TrimSpace(string(b)))
	if err != nil {
		return nil
	}
	return list
}

// parseCPUList reads the kernel's form "0-1,4".
func parseCPUList(s string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("list of cores %q: %w", s, err)
		}
		last, err := strconv.Atoi(to)
		if err != nil {
			return nil, fmt.Errorf("list of cores %q: %w", s, err)
		}
		for cpu := first; cpu <= last; cpu++ {
			list = append(list, cpu)
		}
	}
	return list, nil
}

// openManyFiles raises the limit for what is started from here.
func openManyFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	return nil
}
