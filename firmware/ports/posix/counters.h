/*
 * What hostcam counts, readable from any thread. Most are written by the wire thread; the camera thread writes those
 * of pictures. Never decremented, except that a reboot leaves them alone: they count the process, not the boot.
 */
#ifndef HOSTCAM_COUNTERS_H
#define HOSTCAM_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

typedef atomic_uint_least64_t counter;

static inline void count(counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t counted(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

enum bad_jpeg { BAD_NO_EOI, BAD_PADDING, BAD_EMPTY, BAD_CUT, BAD_KINDS };

struct counters {
    /* Camera thread. */
    counter captured; /* pictures that entered the mailbox */
    counter camera_errors;
    counter bad_jpeg[BAD_KINDS];
    /* Wire thread. */
    counter sent; /* pictures whose last chunk was handed to the line, truncated ones included */
    counter aborted;
    counter truncated;
    counter flips, drops, inserts, garbled;
    counter stalls, reboots, noise_lines, unplugs;
    counter bytes_out;  /* left the transmit pin */
    counter bytes_lost; /* of those: nobody had the port open or read it */
    counter bytes_in;   /* reached the receive pin */
};

#endif
