// Package fanout hands each frame of one camera to everybody who watches it. It hides how a frame lies in
// memory, how viewers are woken, what becomes of the frames a viewer cannot take, and how all of that is
// counted.
//
// Delivery is "latest": a viewer gets the newest frame it has not had; what it was too slow for, it skips. A
// viewer never delays the camera or another viewer, because the camera leaves the frame in one place and
// wakes whoever waits there; nothing is queued.
//
// Every frame is accounted for. For each viewer, the frames published while it was subscribed are exactly the
// frames it sent plus the frames it skipped, by reason; [Stats] carries the same sums per transport.
package fanout
