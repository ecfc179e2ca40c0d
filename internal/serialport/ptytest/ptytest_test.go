package ptytest

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLineIsRawBothWays(t *testing.T) {
	line := New(t)
	host, err := os.OpenFile(line.Path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	const text = "\x00\x03\r\n\x11\x13\xff"
	for _, way := range []struct{ from, to *os.File }{{host, line.Master}, {line.Master, host}} {
		if _, err := way.from.WriteString(text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(way.to, got); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
	// No echo, and deadlines work.
	line.Master.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := line.Master.Read(make([]byte, 16)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %d bytes more, %v", n, err)
	}
}

func TestBaudIsTheHosts(t *testing.T) {
	line := New(t)
	tio, err := unix.IoctlGetTermios(int(line.slave.Fd()), unix.TCGETS2)
	if err != nil {
		t.Fatal(err)
	}
	tio.Cflag = tio.Cflag&^unix.CBAUD | unix.BOTHER
	tio.Ispeed, tio.Ospeed = 2500000, 2500000
	if err := unix.IoctlSetTermios(int(line.slave.Fd()), unix.TCSETS2, tio); err != nil {
		t.Fatal(err)
	}
	if got, err := line.Baud(); got != 2500000 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestHangUp(t *testing.T) {
	line := New(t)
	ended := make(chan error)
	go func() {
		_, err := line.Master.Read(make([]byte, 1))
		ended <- err
	}()
	if err := line.HangUp(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the device's Read ended with %v", err)
	}
	if _, err := os.Stat(line.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the path is still there: %v", err)
	}
}
