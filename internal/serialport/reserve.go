package serialport

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// perPort is what an open port takes: the tty and both ends of a pipe for the library, our control, and an epoll.
	perPort = 5
	// slack is held on top, against those who take a descriptor in the moment between our letting go and the
	// opening's taking hold.
	slack = 16
)

// spareDescriptors belongs to the process, because the limit on descriptors does.
var spareDescriptors reserve

// Reserve keeps descriptors aside for that many ports to be open at once, now and after any number of reopenings,
// however many viewers have come up against the limit on open files. Call it once, before anything opens
// descriptors in numbers; calling again with more ports tops up. Without it Open works as long as descriptors are free.
func Reserve(ports int) error {
	if ports <= 0 {
		return nil
	}
	want := Descriptors(ports)
	if got := spareDescriptors.grow(want); got < want {
		return fmt.Errorf("reserve descriptors for %d serial ports: only %d of %d are to be had; try: a higher open file limit (ulimit -n), or fewer ports", ports, got, want)
	}
	return nil
}

// Descriptors is how many descriptors [Reserve] keeps aside for that many ports; those of open ports are among them.
func Descriptors(ports int) int {
	if ports <= 0 {
		return 0
	}
	return ports*perPort + slack
}

// reserve is a stock of descriptors. An opener borrows some: they are closed, and free for whoever opens next.
type reserve struct {
	mu   sync.Mutex
	want int   // promised by Reserve
	lent int   // of these, with ports that are open or opening
	held []int // open on /dev/null
}

// grow raises the promise to want and returns how many descriptors it really covers.
func (r *reserve) grow(want int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.want = max(r.want, want)
	r.fill()
	return len(r.held) + r.lent
}

// borrow sets n descriptors free for the caller to open, and recovers earlier losses first.
func (r *reserve) borrow(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fill()
	r.lent += n
	for range min(len(r.held)-r.target(), len(r.held)) {
		last := len(r.held) - 1
		_ = unix.Close(r.held[last])
		r.held = r.held[:last]
	}
}

// giveBack says that n borrowed descriptors were closed.
func (r *reserve) giveBack(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent -= n
	r.fill()
}

func (r *reserve) target() int { return max(r.want-r.lent, 0) }

// fill takes descriptors until the target is met or none is left. What is missing then is somebody's for now; every later
// opening and closing of a port tries again.
func (r *reserve) fill() {
	for len(r.held) < r.target() {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		r.held = append(r.held, fd)
	}
}
