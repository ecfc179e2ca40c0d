package linkmodel

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

var le = binary.LittleEndian

const firmwareDir = "../../firmware"

// buildStep compiles the device on a string, once.
var buildStep = sync.OnceValue(func() error {
	if out, err := exec.Command("make", "-C", firmwareDir, "step").CombinedOutput(); err != nil {
		return fmt.Errorf("make step: %w\n%s", err, out)
	}
	return nil
})

// stepper is the firmware's core in a process of its own. Nothing happens in there but what it is asked for, so that the core's
// time is the test's.
type stepper struct {
	in  io.Writer
	out *bufio.Reader
	buf []byte
}

func newStepper(t testing.TB) *stepper {
	t.Helper()
	if err := buildStep(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(firmwareDir + "/build/step")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("step: %v", err)
		}
	})
	s := &stepper{in: in, out: bufio.NewReaderSize(out, 1<<16)}
	for _, p := range thePictures {
		s.add('P', 0, p)
	}
	s.flush()
	return s
}

// add puts a command into the batch.
func (s *stepper) add(op byte, at int64, payload []byte) {
	s.buf = append(s.buf, op)
	s.buf = le.AppendUint64(s.buf, uint64(at))
	s.buf = le.AppendUint32(s.buf, uint32(len(payload)))
	s.buf = append(s.buf, payload...)
}

func (s *stepper) flush() {
	if _, err := s.in.Write(s.buf); err != nil {
		panic(fmt.Sprintf("step has died: %v", err))
	}
	s.buf = s.buf[:0]
}

// call is a batch of one.
func (s *stepper) call(op byte, at int64, payload []byte) report {
	s.add(op, at, payload)
	s.flush()
	return s.answer()
}

// bootCommand is the payload of B.
type bootCommand struct {
	bootID, features, baudMax, periodUS, lineMax uint32
	transport                                    byte
}

func (b bootCommand) payload() []byte {
	var p []byte
	for _, v := range []uint32{b.bootID, b.features, b.baudMax, b.periodUS, b.lineMax} {
		p = le.AppendUint32(p, v)
	}
	return append(p, b.transport)
}

// written is a piece of a packet that the device gave to its line.
type written struct {
	begins   bool // a packet
	from, to int64
	baud     int
	data     []byte
}

// report is what the device on a string says after each step.
type report struct {
	at   int64  // the time of the step
	next int64  // poll again then, if nothing arrives
	key  uint64 // equal for devices that behave alike

	link                                                        byte // enum camlink_device_state
	trial, trialDue, credit, awake, resetAsked, busy, frame, rd bool
	requests                                                    int // that wait for their answer
	resetMode                                                   byte
	done                                                        bool // the last report of a command
	line, now, target, proven                                   int  // rates
	lease                                                       int  // milliseconds
	limit, nextFrame                                            uint32
	heard                                                       uint32 // valid packets since boot
	wrote                                                       []written
}

func (s *stepper) answer() report {
	var size [4]byte
	if _, err := io.ReadFull(s.out, size[:]); err != nil {
		panic(fmt.Sprintf("step has died: %v", err))
	}
	b := make([]byte, le.Uint32(size[:]))
	if _, err := io.ReadFull(s.out, b); err != nil {
		panic(fmt.Sprintf("step has died: %v", err))
	}
	bit := func(i int) bool { return b[25]>>i&1 != 0 }
	number := func(i int) uint32 { return le.Uint32(b[29+4*i:]) }
	r := report{
		at: int64(le.Uint64(b)), next: int64(le.Uint64(b[8:])), key: le.Uint64(b[16:]), link: b[24],
		trial: bit(0), trialDue: bit(1), credit: bit(2), awake: bit(3), resetAsked: bit(4), busy: bit(5), frame: bit(6), rd: bit(7),
		requests: int(b[26]), resetMode: b[27], done: b[28] != 0,
		line: int(number(0)), now: int(number(1)), target: int(number(2)), proven: int(number(3)), lease: int(number(4)),
		limit: number(5), nextFrame: number(6), heard: number(7),
	}
	n := number(8)
	for b = b[29+4*9:]; n > 0; n-- {
		size := int(le.Uint16(b[21:]))
		r.wrote = append(r.wrote, written{b[0] != 0, int64(le.Uint64(b[1:])), int64(le.Uint64(b[9:])), int(le.Uint32(b[17:])), b[23 : 23+size]})
		b = b[23+size:]
	}
	return r
}
