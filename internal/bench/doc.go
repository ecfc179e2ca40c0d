// Package bench hides how a server is measured fairly on a machine that others use too: where each program runs,
// what plays the camera, when a window begins and ends, and how runs become one figure. The commands
// below it, fanout and ingest, decide what is measured and against what.
//
// The rules it keeps: the program under test alone on one core, everything else on another; its whole CPU time, to the
// nanosecond, from the kernel; the same pictures for everybody; runs of what is compared taken in turn, and
// medians of them.
package bench
