// Command damage sends frames through a line that damages every one of them, and counts what the receivers take for good that was never
// sent: the Go one in this process, the C one in a program built with sanitizers.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/camgw/camgw/internal/bench"
	"github.com/camgw/camgw/internal/camlink"
)

func main() {
	frames := flag.Uint64("frames", 100000, "damaged frames for the Go receiver")
	cFrames := flag.Uint64("c-frames", 10000, "damaged frames for the C receiver")
	cProgram := flag.String("c", "firmware/build/damage", "the C receiver's program")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano())&math.MaxUint32, "of all that is random")
	page := flag.String("page", "", "also write the figures into this page")
	flag.Parse()
	if err := run(*frames, *cFrames, *seed, *cProgram, *page); err != nil {
		fmt.Fprintln(os.Stderr, "damage:", err)
		os.Exit(1)
	}
}

func run(frames, cFrames, seed uint64, cProgram, page string) error {
	seed &= math.MaxUint32 // as the C program has it
	inGo := goReceiver(frames, seed)
	inC, err := cReceiver(cProgram, cFrames, seed)
	if err != nil {
		return err
	}
	text := report(inGo, inC)
	fmt.Print(text)
	if page != "" {
		if err := bench.WriteSection(page, "damage", text); err != nil {
			return err
		}
	}
	if wrong := inGo.wrong + inC.wrong; wrong > 0 {
		return fmt.Errorf("%d wrong frames were taken for good; seed %d", wrong, seed)
	}
	return nil
}

// outcome is what became of frames at one receiver.
type outcome struct {
	name                        string
	seed                        uint64
	frames, bytes               uint64
	whole, wrong, forged        uint64
	header, falseHeader, failed uint64 // headers that failed, headers that passed and were none, payloads that failed
	took                        time.Duration
}

func goReceiver(frames, seed uint64) outcome {
	t := newTransit(seed)
	began := time.Now()
	t.run(frames)
	e := t.dec.Counters().Errors
	return outcome{
		name: "Go", seed: seed, frames: t.frames, bytes: t.bytes, whole: t.whole, wrong: t.wrong, forged: t.forged,
		header: e[camlink.ErrorHeader], falseHeader: e[camlink.ErrorVersion] + e[camlink.ErrorLength], failed: e[camlink.ErrorPayload],
		took: time.Since(began),
	}
}

// cReceiver runs the program and reads what it prints: a name and a number a line.
func cReceiver(program string, frames, seed uint64) (outcome, error) {
	began := time.Now()
	cmd := exec.Command(program, strconv.FormatUint(frames, 10), strconv.FormatUint(seed, 10))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w; try: make -C firmware damage\n%s", program, err, complaint.String())
	}
	o := outcome{name: "C, ASan and UBSan", seed: seed, took: time.Since(began)}
	fields := map[string]*uint64{"frames": &o.frames, "bytes": &o.bytes, "whole": &o.whole, "wrong": &o.wrong, "forged": &o.forged,
		"header": &o.header, "false_header": &o.falseHeader, "payload": &o.failed}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(value, 10, 64)
		if to := fields[name]; to != nil && err == nil {
			*to = n
			delete(fields, name)
		}
	}
	if len(fields) > 0 {
		return o, errors.New(program + " did not say all of what it counted")
	}
	return o, nil
}

// report is the section of the page.
func report(all ...outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d.\n\n", bench.Machine(), all[0].seed)
	b.WriteString("| receiver | damaged frames | bytes sent | whole anyway | headers that failed | false headers that passed | by theory | payloads that failed | false packets that passed | by theory | wrong frames | by theory, at most | 95 % certain below |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, o := range all {
		passed := float64(o.failed) / (1 << 32)
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f %% | %s | %s | %.0f | %s | %d | %.1g | **%d** | %.1g per frame | %.1g per frame |\n",
			o.name, group(o.frames), group(o.bytes), 100*float64(o.whole)/float64(cmp.Or(o.frames, 1)), group(o.header), group(o.falseHeader),
			float64(o.header)/(1<<16), group(o.failed), o.forged, passed, o.wrong, passed/float64(cmp.Or(o.frames, 1)), 3/float64(cmp.Or(o.frames, 1)))
	}
	return b.String()
}

// group writes a number with a comma before every third digit.
func group(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
