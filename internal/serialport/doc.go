// Package serialport hides everything that is awkward about a serial line on Linux, and is the only user of
// go.bug.st/serial. That library opens a line and sets it up well, but left alone it would end the
// daemon or wedge a camera. What is known of it (v1.8), and what this package does about it:
//
//   - Its Read waits with select(2), which cannot name a descriptor of 1024 or more and panics, and which takes a thread. It says
//     (0, nil) when nothing came and "closed" when the device was unplugged. [Port.Read] goes through a descriptor
//     of our own, waits with the runtime's poller, and says [os.ErrDeadlineExceeded] and [io.EOF].
//   - Its Write blocks without limit. [Port.Write] goes through that descriptor too and has a deadline.
//   - Its exclusive mode comes late and does not stop root. Open takes a flock first and can tell who holds the line.
//   - It cannot say what rate the driver chose, lower DTR and RTS together, or read error counters.
//     The descriptor of our own, opened before the library's, does.
//   - Its descriptors pass to child processes. Open keeps them here. [Reserve] keeps some aside for reopenings.
//
// The same methods over TCP, for a serial server, come from [DialTCP].
//
// A Port belongs to one goroutine, which calls all of its methods; only Name may be called from elsewhere. The
// library closes its descriptor before it has waited for readers, so a Close beside a Read could let the Read
// take bytes from whatever connection gets the number next.
package serialport
