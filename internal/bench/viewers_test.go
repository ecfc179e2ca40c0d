package bench

import (
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const sampleReport = `{"viewers":300,"good":240,"refused":0,"closed":1,"stalled_closed":2,"frames":1000,"lost":5,"unseen":1,` +
	`"repeated":3,"unstamped":4,"worst":95,"median":100,"age_us":{"p50":1500,"p90":2000,"p99":4000,"max":9000},"cpu_s":0.5,"window_s":5.01}`

func TestFollow(t *testing.T) {
	usages := []Usage{{CPU: 2 * time.Second, PeakRSS: 10}, {CPU: 2*time.Second + 9*time.Millisecond, PeakRSS: 20}}
	usage := func() (Usage, error) {
		u := usages[0]
		usages = usages[1:]
		return u, nil
	}
	r, err := follow(strings.NewReader("begin\nend\n"+sampleReport+"\n"), usage)
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Viewers: 300, Good: 240, Closed: 1, StalledClosed: 2, Frames: 1000, Lost: 5, Unseen: 1, Repeated: 3, Unstamped: 4,
		Worst: 95, Median: 100, CPU: 0.5, Window: 5.01, Server: Usage{CPU: 9 * time.Millisecond, PeakRSS: 20}}
	want.Age.P50, want.Age.P90, want.Age.P99, want.Age.Max = 1500, 2000, 4000, 9000
	if r != want {
		t.Errorf("%+v\nwant %+v", r, want)
	}
	if r.PerFrame() != 9 || r.Fairness() != 0.95 || r.Check() != nil {
		t.Errorf("%v us, fairness %v, %v", r.PerFrame(), r.Fairness(), r.Check())
	}
}

func TestFollowFailures(t *testing.T) {
	fine := func() (Usage, error) { return Usage{}, nil }
	for _, said := range []string{"", "begin\n", "begin\nend\n", "end\n", "begin\nend\n{\"viewers\":", "begin\nbegin\n"} {
		if r, err := follow(strings.NewReader(said), fine); err == nil {
			t.Errorf("%q gave %+v", said, r)
		}
	}
	gone := errors.New("gone")
	if _, err := follow(strings.NewReader("begin\nend\n"+sampleReport), func() (Usage, error) { return Usage{}, gone }); !errors.Is(err, gone) {
		t.Errorf("a server that has ended: %v", err)
	}
	if (Report{Viewers: 2, Refused: 1, Frames: 1}).Check() == nil || (Report{Viewers: 2}).Check() == nil {
		t.Error("a worthless run passes")
	}
}

// programs compiles load/ as strictly as the Makefile does.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"floor", "viewers"} {
		out, err := exec.Command("cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", filepath.Join(dir, name), filepath.Join("load", name+".c")).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	return dir
}

// The floor and the viewers, with pictures that fit a socket and pictures that do not: everybody who reads gets every one, whole.
func TestFloorAndViewers(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dir := programs(t)
	for _, size := range []int{6_000, 200_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			camera, err := NewCamera(size)
			if err != nil {
				t.Fatal(err)
			}
			in, pictures, err := Pipe()
			if err != nil {
				t.Fatal(err)
			}
			floor, err := Start(t.Context(), Command{Core: -1, Path: filepath.Join(dir, "floor"), Stdin: in})
			in.Close()
			if err != nil {
				t.Fatal(err)
			}
			defer floor.Stop()
			if err := Until(t.Context(), func() bool { return floor.Said() != "" }); err != nil {
				t.Fatal(err)
			}
			port, err := strconv.Atoi(floor.Said())
			if err != nil {
				t.Fatal(err)
			}
			played := make(chan error, 1)
			go func() { played <- camera.Play(t.Context(), pictures, 20) }()
			a := Audience{Program: filepath.Join(dir, "viewers"), Port: port, Path: "/", Count: 20, Stalled: 4,
				WarmUp: 200 * time.Millisecond, Window: time.Second}
			r, err := a.Watch(t.Context(), floor)
			pictures.Close()
			if err := errors.Join(err, <-played); err != nil {
				t.Fatal(err)
			}
			if err := r.Check(); err != nil {
				t.Error(err)
			}
			if r.Viewers != 20 || r.Good != 16 || r.Closed != 0 || r.StalledClosed != 0 || r.Unstamped != 0 || r.Repeated != 0 {
				t.Errorf("%+v", r)
			}
			// A machine under load may be late, and then the newest wins; it never loses most.
			if r.Median < 10 || r.Median > 25 || r.Age.P50 <= 0 || r.Age.P50 > r.Age.P99 || r.Age.P99 > r.Age.Max || r.Age.P50 > 1e6 {
				t.Errorf("%+v", r)
			}
			if r.Server.CPU <= 0 || r.Server.PeakRSS <= 0 || r.Window < 1 || r.CPU <= 0 {
				t.Errorf("%+v", r)
			}
			// The floor ends with its input.
			select {
			case <-floor.Done():
			case <-time.After(5 * time.Second):
				t.Error("the floor outlives its camera")
			}
		})
	}
}

// Nobody listens: viewers say so instead of measuring nothing.
func TestViewersRefused(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	idle, err := Start(t.Context(), Command{Core: -1, Path: "sleep", Args: []string{"60"}})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Stop()
	a := Audience{Program: filepath.Join(programs(t), "viewers"), Port: port, Path: "/", Count: 3, Window: 10 * time.Millisecond}
	r, err := a.Watch(t.Context(), idle)
	if err != nil {
		t.Fatal(err)
	}
	if r.Refused != 3 || r.Check() == nil {
		t.Errorf("%+v", r)
	}
}
