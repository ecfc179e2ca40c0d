package bench

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/camgw/camgw/internal/camlink"
)

// take reads frames out of bytes as camgw does, and checks each against the camera's pictures.
type take struct {
	t      *testing.T
	camera *Camera
	dec    *camlink.Decoder
	asm    camlink.Assembler
	frames int
	hellos int
}

func (k *take) feed(b []byte) {
	for len(b) > 0 {
		n := copy(k.dec.Room(), b)
		k.dec.Fed(n)
		b = b[n:]
		for {
			e, ok := k.dec.Next()
			if !ok {
				break
			}
			if e.Kind != camlink.EventPacket {
				k.t.Fatalf("text on the wire: %q", e.Text)
			}
			if e.Packet.Type == camlink.TypeHello {
				k.hellos++
				h, err := camlink.ParseHello(e.Packet.Payload)
				if err != nil || !h.Features.Has(camlink.FeatureOneWay) || h.NextFrame != uint32(k.frames) {
					k.t.Fatalf("%+v, %v", h, err)
				}
			}
			if f, whole := k.asm.Add(e.Packet); whole {
				if !bytes.Equal(f.Data, k.camera.pictures[k.frames%pictures]) {
					k.t.Fatalf("frame %d is not the camera's", k.frames)
				}
				k.frames++
			}
		}
	}
}

func TestWire(t *testing.T) {
	camera, err := NewCamera(9000)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := NewWire()
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	reader, err := os.Open(wire.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	sent := make(chan error, 1)
	begun := time.Now()
	const rate = 500_000
	go func() { sent <- wire.Send(ctx, camera, 0, rate, time.Millisecond) }()
	k := &take{t: t, camera: camera, dec: camlink.NewDecoder()}
	buffer := make([]byte, 8<<10)
	got := 0
	for k.frames < 20 {
		n, err := reader.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		got += n
		k.feed(buffer[:n])
	}
	took := time.Since(begun)
	stop()
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if k.hellos < 2 {
		t.Errorf("%d HELLOs in %d frames", k.hellos, k.frames)
	}
	if wire.Sent() < uint64(got) {
		t.Errorf("%d bytes sent, %d read", wire.Sent(), got)
	}
	// It may be late, but is never ahead of its rate.
	if least := time.Duration(float64(got)/rate*float64(time.Second)) - 10*time.Millisecond; took < least {
		t.Errorf("%d bytes in %v", got, took)
	}
}
