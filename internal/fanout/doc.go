// Package fanout hands each frame of one camera to everybody who watches it. It hides how a frame lies in
// memory, who writes it to whom and when, what becomes of the frames a viewer cannot take, and how all of that is
// counted.
//
// A [Viewer] is sent each frame by the hub's pump: one goroutine that is woken once per frame and writes, without
// ever waiting, to every viewer that is free. What a viewer is promised when it is slower than the camera is its
// [Mode]. A [Subscription] takes its frames itself, as in mode Latest. Neither delays the camera: it leaves the frame in
// one place; only viewers of mode All push back, and they do so by what the camera is allowed ([Hub.Allowance]).
//
// Every frame is accounted for. For each viewer, the frames published while it was there are exactly the
// frames it was sent plus the frames it skipped, by reason; [Stats] carries the same sums per transport.
package fanout
