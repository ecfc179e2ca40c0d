package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that was started here. It dies with its context, and at the latest with this process.
type Process struct {
	cmd  *exec.Cmd
	said tailBuffer
	done chan struct{}
}

// Command is what to start.
type Command struct {
	Core   int // the core to run on; -1: as this process
	Path   string
	Args   []string
	Stdin  *os.File  // nil: nothing
	Stdout io.Writer // nil: kept with what it says on standard error
	Stderr *os.File  // nil: its end is kept for Said
	Env    []string  // NAME=VALUE, beside this process's own
}

// stopGrace is how long a program may take to end when asked.
const stopGrace = 10 * time.Second

// Start runs a program. The calling goroutine must be locked to a thread that outlives the program: when a
// thread ends, the kernel kills what it started.
func Start(ctx context.Context, c Command) (*Process, error) {
	name, args := c.Path, c.Args
	if c.Core >= 0 {
		args = append([]string{"-c", strconv.Itoa(c.Core), name}, args...)
		name = "taskset" // which becomes the program: the process is the same
	}
	p := &Process{cmd: exec.CommandContext(ctx, name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	if c.Stdout != nil {
		p.cmd.Stdout = c.Stdout
	}
	if c.Stdin != nil {
		p.cmd.Stdin = c.Stdin
	}
	if c.Stderr != nil {
		p.cmd.Stderr = c.Stderr
	}
	if c.Env != nil {
		p.cmd.Env = append(os.Environ(), c.Env...)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.Path), err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.done)
	}()
	return p, nil
}

// Stop asks the program to end, insists after a while, and waits for its end.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Signal sends the program a signal; one that has ended does not get it.
func (p *Process) Signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// PID is the number of the program's process, also of one that has ended.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// ExitCode is what the program ended with once it is Done; -1 for one that a signal ended.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Said is the end of what the program wrote, for errors.
func (p *Process) Said() string { return p.said.String() }

// Usage is what a program has used so far.
type Usage struct {
	CPU     time.Duration // user and system time of all its threads, those that ended too
	PeakRSS int64         // bytes
}

// Usage asks the kernel. It fails when the program has ended.
func (p *Process) Usage() (Usage, error) {
	select {
	case <-p.done:
		return Usage{}, fmt.Errorf("%s has ended: %s", filepath.Base(p.cmd.Path), p.Said())
	default:
	}
	return usageOf(p.cmd.Process.Pid)
}

func usageOf(pid int) (Usage, error) {
	cpu, err := cpuOf(pid)
	if err != nil {
		return Usage{}, err
	}
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	defer status.Close()
	peak, err := peakRSS(status)
	if err != nil {
		return Usage{}, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return Usage{CPU: cpu, PeakRSS: peak}, nil
}

// cpuOf reads the process's CPU clock: the run time the scheduler has counted in ns, where /proc/PID/stat has ticks.
func cpuOf(pid int) (time.Duration, error) {
	const schedulerClock = 2 // CPUCLOCK_SCHED; the encoding is that of clock_getcpuclockid(3)
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// peakRSS finds the highest resident memory in the lines of /proc/PID/status, in bytes.
func peakRSS(status io.Reader) (int64, error) {
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		number, ok := strings.CutSuffix(strings.TrimSpace(value), " kB")
		if !ok {
			return 0, fmt.Errorf("unit of %q", lines.Text())
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("number of %q: %w", lines.Text(), err)
		}
		return kib << 10, nil
	}
	return 0, errors.Join(errors.New("no VmHWM"), lines.Err())
}

// tailBuffer keeps the end of what is written to it.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if extra := len(t.b) - tailSize; extra > 0 {
		t.b = append(t.b[:0], t.b[extra:]...)
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
