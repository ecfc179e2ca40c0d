package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDeliveryAccepted(t *testing.T) {
	usual := Delivery{Mode: "latest", LockstepTimeout: 2 * time.Second, AllPatience: 5 * time.Second, AllBuffer: 8 << 20}
	for _, tt := range []struct {
		name   string
		change func(*Flags)
		want   func(*Delivery)
	}{
		{"nothing given", func(*Flags) {}, func(*Delivery) {}},
		{"lockstep", func(f *Flags) { f.Mode = "lockstep" }, func(d *Delivery) { d.Mode = "lockstep" }},
		{"all", func(f *Flags) { f.Mode = "all" }, func(d *Delivery) { d.Mode = "all" }},
		{"latest", func(f *Flags) { f.Mode = "latest" }, func(*Delivery) {}},
		{"lowest rate", func(f *Flags) { f.MaxFPS = 0.1 }, func(d *Delivery) { d.MaxFPS = 0.1 }},
		{"highest rate", func(f *Flags) { f.MaxFPS = 1000 }, func(d *Delivery) { d.MaxFPS = 1000 }},
		{"shortest waits", func(f *Flags) { f.LockstepTimeout, f.AllPatience = 100*time.Millisecond, 100*time.Millisecond },
			func(d *Delivery) { d.LockstepTimeout, d.AllPatience = 100*time.Millisecond, 100*time.Millisecond }},
		{"longest waits", func(f *Flags) { f.LockstepTimeout, f.AllPatience = time.Minute, time.Minute },
			func(d *Delivery) { d.LockstepTimeout, d.AllPatience = time.Minute, time.Minute }},
		{"smallest buffer", func(f *Flags) { f.AllBuffer = "64KiB" }, func(d *Delivery) { d.AllBuffer = 64 << 10 }},
		{"buffer in bytes", func(f *Flags) { f.AllBuffer = "70001" }, func(d *Delivery) { d.AllBuffer = 70001 }},
		{"largest buffer", func(f *Flags) { f.AllBuffer = "1024MiB" }, func(d *Delivery) { d.AllBuffer = 1 << 30 }},
		{"bounds", func(f *Flags) { f.MaxViewersPerCamera, f.MaxViewersPerAddress = 1, 100000 },
			func(d *Delivery) { d.MaxViewersPerCamera, d.MaxViewersPerAddress = 1, 100000 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := usual
			tt.want(&want)
			c, err := flags(tt.change).Config()
			if err != nil {
				t.Fatal(err)
			}
			if c.Delivery != want {
				t.Errorf("got  %+v\nwant %+v", c.Delivery, want)
			}
		})
	}
}

func TestDeliveryMistakes(t *testing.T) {
	const (
		bound  = "must be from 0 (no bound of its own) to 100000"
		rate   = "must be 0 (no bound) or from 0.1 to 1000"
		wait   = "must be from 100ms to 1m"
		buffer = "must be a number of bytes from 64KiB to 1024MiB"
	)
	nan := 0.0
	nan /= nan
	for _, tt := range []struct {
		change func(*Flags)
		want   string
	}{
		{func(f *Flags) { f.MaxViewersPerCamera = -1 }, "--max-viewers-per-camera -1: " + bound},
		{func(f *Flags) { f.MaxViewersPerCamera = 100001 }, "--max-viewers-per-camera 100001: " + bound},
		{func(f *Flags) { f.MaxViewersPerAddress = -1 }, "--max-viewers-per-address -1: " + bound},
		{func(f *Flags) { f.MaxViewersPerAddress = 100001 }, "--max-viewers-per-address 100001: " + bound},
		{func(f *Flags) { f.Mode = "newest" }, "--mode newest: must be one of latest, lockstep, all"},
		{func(f *Flags) { f.Mode = "All" }, "--mode All: must be one of latest, lockstep, all"},
		{func(f *Flags) { f.MaxFPS = -1 }, "--max-fps -1: " + rate},
		{func(f *Flags) { f.MaxFPS = 0.09 }, "--max-fps 0.09: " + rate},
		{func(f *Flags) { f.MaxFPS = 1000.5 }, "--max-fps 1000.5: " + rate},
		{func(f *Flags) { f.MaxFPS = nan }, "--max-fps NaN: " + rate},
		{func(f *Flags) { f.LockstepTimeout = 99 * time.Millisecond }, "--lockstep-timeout 99ms: " + wait},
		{func(f *Flags) { f.LockstepTimeout = 61 * time.Second }, "--lockstep-timeout 1m1s: " + wait},
		{func(f *Flags) { f.LockstepTimeout = -time.Second }, "--lockstep-timeout -1s: " + wait},
		{func(f *Flags) { f.AllPatience = time.Millisecond }, "--all-patience 1ms: " + wait},
		{func(f *Flags) { f.AllPatience = 60 * time.Minute }, "--all-patience 1h0m0s: " + wait},
		{func(f *Flags) { f.AllBuffer = "64" }, "--all-buffer 64: " + buffer},
		{func(f *Flags) { f.AllBuffer = "63KiB" }, "--all-buffer 63KiB: " + buffer},
		{func(f *Flags) { f.AllBuffer = "1025MiB" }, "--all-buffer 1025MiB: " + buffer},
		{func(f *Flags) { f.AllBuffer = "8MB" }, "--all-buffer 8MB: " + buffer},
		{func(f *Flags) { f.AllBuffer = "8 MiB" }, "--all-buffer 8 MiB: " + buffer},
		{func(f *Flags) { f.AllBuffer = "-1MiB" }, "--all-buffer -1MiB: " + buffer},
		{func(f *Flags) { f.AllBuffer = "KiB" }, "--all-buffer KiB: " + buffer},
		// Numbers that a multiplication carries past the largest, on 64 bits and on 32.
		{func(f *Flags) { f.AllBuffer = "17592186044417MiB" }, "--all-buffer 17592186044417MiB: " + buffer},
		{func(f *Flags) { f.AllBuffer = "4097MiB" }, "--all-buffer 4097MiB: " + buffer},
	} {
		t.Run(tt.want, func(t *testing.T) {
			_, err := flags(tt.change).Config()
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestAllDeliveryMistakesAtOnce(t *testing.T) {
	_, err := flags(func(f *Flags) {
		f.Mode, f.MaxFPS, f.AllBuffer, f.MaxViewers = "x", -1, "x", 0
	}).Config()
	for _, flag := range []string{"--mode", "--max-fps", "--all-buffer", "--max-viewers"} {
		if !strings.Contains(fmt.Sprint(err), flag) {
			t.Errorf("%s is not among the mistakes told: %v", flag, err)
		}
	}
}
