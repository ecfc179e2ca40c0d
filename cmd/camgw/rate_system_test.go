package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestRateControl: at a rate the wire is too narrow for, the device holds ten
// pictures a second by moving their quality, whatever the scene does.
func TestRateControl(t *testing.T) {
	const (
		fps   = 10
		every = 8 * time.Second // from cut to cut; the scene's size changes about fourfold
		calm  = 2 * time.Second // allowed after a cut
		cuts  = 4
	)
	for _, baud := range []int{921600, 2000000} {
		t.Run(fmt.Sprint(baud), func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			cam := startHostcam(t, "--fps", "25", "--scene", "cut", "--scene-every", fmt.Sprint(every.Seconds()), "--pipeline", "2")
			d := startDaemon(t, "--port", cam.link, "--baud", fmt.Sprint(baud),
				"--set", "quality=auto", "--set", "target_fps=10", "--set", "quality_best=8", "--set", "quality_worst=40")
			v, err := d.watch(t.Context(), "/stream")
			if err != nil {
				t.Fatal(err)
			}
			inWindow := make([]int, cuts)
			var ages []time.Duration
			for time.Since(begin) < cuts*every {
				p, err := v.next(3 * time.Second)
				if err != nil {
					t.Fatal(err)
				}
				since := p.at.Sub(begin)
				if k := int(since / every); since%every >= calm && k < cuts {
					inWindow[k]++
				}
				ages = append(ages, p.at.Sub(p.taken))
			}
			if q := cam.read(t).Quality; q < 8 || q > 40 {
				t.Errorf("quality %d is out of its range", q)
			}
			slices.Sort(ages)
			p99, oldest := ages[len(ages)*99/100], ages[len(ages)-1]
			t.Logf("pictures from 2 s after each cut: %v in %v; age p50 %v, p99 %v, max %v", inWindow, every-calm, ages[len(ages)/2], p99, oldest)
			want := fps * (every - calm).Seconds()
			for k, n := range inWindow {
				if got := float64(n); got < want*0.95-1 || got > want*1.05+1 { // one picture more or less falls on each edge
					t.Errorf("after cut %d: %d pictures in %v, want %.0f", k, n, every-calm, want)
				}
			}
			// On a shared machine one stall of the scheduler is no fault of the device.
			if p99 > 2*time.Second/fps {
				t.Errorf("one picture in a hundred was older than %v", p99)
			}
		})
	}
}

// TestFixedQuality: without a target the rate follows the wire, and fills it.
func TestFixedQuality(t *testing.T) {
	t.Parallel()
	for _, baud := range []int{921600, 2000000} {
		t.Run(fmt.Sprint(baud), func(t *testing.T) {
			cam := startHostcam(t, "--fps", "30", "--scene", "busy")
			d := startDaemon(t, "--port", cam.link, "--baud", fmt.Sprint(baud), "--set", "quality=5")
			v, err := d.watch(t.Context(), "/stream")
			if err != nil {
				t.Fatal(err)
			}
			for range 8 { // until the line is full
				if _, err := v.next(5 * time.Second); err != nil {
					t.Fatal(err)
				}
			}
			wire, start := 0, time.Now()
			for time.Since(start) < 6*time.Second {
				p, err := v.next(3 * time.Second)
				if err != nil {
					t.Fatal(err)
				}
				wire += onTheWire(len(p.jpeg), baud)
			}
			share := float64(wire) / (float64(baud) / 10 * time.Since(start).Seconds())
			t.Logf("%.1f %% of the wire", 100*share)
			if share < 0.97 || share > 1.01 {
				t.Errorf("%.1f %% of the wire is used, want 97 %% or more", 100*share)
			}
		})
	}
}
