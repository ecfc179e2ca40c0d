// Package camera runs one attached camera: it opens the port, shakes hands,
// climbs to the best line rate, turns packets into checked pictures,
// publishes them to a fan-out hub, and starts over whenever the wire or the device fails.
//
// # Concurrency
//
// Everything that touches the port happens in the one goroutine that calls
// [Camera.Run]. Other goroutines see a camera only through [Camera.Status],
// [Camera.Stats] and [Camera.Config], which copy snapshots, and through the hub;
// [Camera.Configure] hands its request to Run and waits for the answer.
//
// # Demand
//
// The hub's viewers are the demand. While there are none the device gets no
// credit and rests its sensor; the link itself is kept alive so that the first
// viewer gets a fresh picture at once.
package camera
