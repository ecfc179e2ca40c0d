package serialport

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// selectLimit is the kernel's FD_SETSIZE: select(2) can name descriptors below it.
	selectLimit = 1024
	// perPort is what an open port takes: the tty and both ends of a pipe for the library, and our control.
	perPort = 4
	// slack is held on top, against those who take a descriptor in the moment between our letting go and the library's
	// taking hold.
	slack = 16
)

// lowDescriptors belongs to the process, because descriptor numbers do.
var lowDescriptors reserve

// Reserve keeps enough descriptors below 1024 aside for that many ports to be open at once, now and after any number
// of reopenings. Call it once, before anything opens descriptors in numbers; calling again with more ports tops up.
// Without it Open still works as long as low descriptors happen to be free, and fails cleanly when they are not.
func Reserve(ports int) error {
	if ports <= 0 {
		return nil
	}
	want := ports*perPort + slack
	if got := lowDescriptors.grow(want); got < want {
		return fmt.Errorf("reserve descriptors for %d serial ports: %d of %d found below %d; try: a higher open file limit (ulimit -n), or fewer ports",
			ports, got, want, selectLimit)
	}
	return nil
}

// reserve is a stock of low descriptors. An opener borrows some: they are closed, and the kernel, which gives the lowest number
// free, gives them to whoever opens next.
type reserve struct {
	mu   sync.Mutex
	want int   // promised by Reserve
	lent int   // of these, with ports that are open or opening
	held []int // open on /dev/null, each below selectLimit
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
	r.free(len(r.held) - r.target())
}

// widen sets n more free in the hope that the caller gets enough; settle takes back what it did not use.
func (r *reserve) widen(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free(n)
}

// settle ends an opening that succeeded.
func (r *reserve) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fill()
}

// giveBack says that n borrowed descriptors were closed.
func (r *reserve) giveBack(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent -= n
	r.fill()
}

func (r *reserve) target() int { return max(r.want-r.lent, 0) }

func (r *reserve) free(n int) {
	for range min(n, len(r.held)) {
		last := len(r.held) - 1
		_ = unix.Close(r.held[last])
		r.held = r.held[:last]
	}
}

// fill takes low descriptors until the target is met or none is left. What is missing then is somebody's for now; every later
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
		if fd >= selectLimit {
			_ = unix.Close(fd)
			return
		}
		r.held = append(r.held, fd)
	}
}
