package bench

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestPeakRSS(t *testing.T) {
	got, err := peakRSS(strings.NewReader("Name:\tcamgw\nVmPeak:\t  1234 kB\nVmHWM:\t   17408 kB\nVmRSS:\t   16000 kB\n"))
	if err != nil || got != 17408<<10 {
		t.Errorf("%d, %v; want %d", got, err, 17408<<10)
	}
	for _, bad := range []string{"", "VmPeak:\t12 kB\n", "VmHWM:\t12 MB\n", "VmHWM:\tx kB\n"} {
		if got, err := peakRSS(strings.NewReader(bad)); err == nil {
			t.Errorf("%q gave %d", bad, got)
		}
	}
}

// The clock counts what the process burns, in threads of its own too, and does not count waiting.
func TestCPUClock(t *testing.T) {
	const burn = 60 * time.Millisecond
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends, its time must stay
		defer close(done)
		spin(t, burn)
	}()
	<-done
	after, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if got := after - before; got < burn || got > 20*burn {
		t.Errorf("%v counted of %v burnt", got, burn)
	}
}

// spin uses d of CPU time in this process.
func spin(t *testing.T, d time.Duration) {
	begin, err := cpuOf(os.Getpid())
	for now := begin; err == nil && now-begin < d; {
		now, err = cpuOf(os.Getpid())
	}
	if err != nil {
		t.Error(err)
	}
}

func TestProcess(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := Start(t.Context(), Command{Core: -1, Path: "sh", Args: []string{"-c", "echo hello; exec sleep 60"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Until(t.Context(), func() bool { return p.Said() == "hello" }); err != nil {
		t.Errorf("it said %q", p.Said())
	}
	if u, err := p.Usage(); err != nil || u.CPU <= 0 || u.PeakRSS < 4096 {
		t.Errorf("usage %+v, %v", u, err)
	}
	begin := time.Now()
	p.Stop()
	if d := time.Since(begin); d > stopGrace/2 {
		t.Errorf("stopping took %v", d)
	}
	if u, err := p.Usage(); err == nil {
		t.Errorf("usage of an ended program: %+v", u)
	}
}

func TestTail(t *testing.T) {
	var b tailBuffer
	for range 3 * tailSize {
		if n, err := b.Write([]byte("ab")); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := b.String(); got != strings.Repeat("ab", tailSize/2) {
		t.Errorf("%d bytes kept, ending %q", len(got), got[len(got)-4:])
	}
}
