/*
 * Sits between the core and the transmit FIFO and knows where packets begin and end. It makes the fault that must know
 * pictures (--truncate), says where noise may stand, and when a picture is out.
 */
#ifndef HOSTCAM_TAP_H
#define HOSTCAM_TAP_H

#include "camlink.h"
#include "counters.h"
#include "ring.h"
#include "rng.h"

#include <stdbool.h>

struct tap {
    struct ring *fifo;
    struct counters *counters;
    void (*sent)(void *ctx, uint64_t captured_us); /* the last chunk of a picture is handed over */
    void *ctx;
    double truncate;
    struct rng rng;

    /* The packet under way. */
    uint8_t head[CAMLINK_HEADER_SIZE];
    size_t have;       /* bytes of the header seen; they enter the FIFO together */
    size_t left;       /* bytes still to come after the header */
    size_t pass;       /* of those, how many reach the FIFO */
    uint8_t begin[16]; /* start of a FRAME_BEGIN payload */
    /* The picture under way. */
    bool cut;        /* its transmission stops ... */
    uint32_t cut_at; /* ... at this byte */
    uint32_t offset;
};

void tap_init(struct tap *t, struct ring *fifo, struct counters *c, double truncate, uint64_t seed,
              void (*sent)(void *, uint64_t), void *ctx);

/* Takes up to n bytes of the core's; returns how many. */
size_t tap_write(struct tap *t, const uint8_t *p, size_t n);

/* True between packets. */
bool tap_idle(const struct tap *t);

/* The core starts anew. */
void tap_reset(struct tap *t);

#endif
