/*
 * The stamp by which a picture is recognised and dated at the far end: a COM segment right before EOI, so that it
 * passes any server that walks the markers and costs none that does not.
 *
 *     FF FE 00 1A "CAMSTAMP" | u64 sequence | u64 CLOCK_MONOTONIC ns | FF D9        (little-endian)
 */
#ifndef BENCH_STAMP_H
#define BENCH_STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define STAMP_MAGIC                                                                                                    \
    "\xFF\xFE\x00\x1A"                                                                                                 \
    "CAMSTAMP"

enum {
    STAMP_MAGIC_SIZE = 12,
    STAMP_TAIL = STAMP_MAGIC_SIZE + 16 + 2, /* from the marker of the stamp through EOI: the end of every picture */
};

struct stamp {
    uint64_t sequence;
    uint64_t taken_ns;
};

static inline uint64_t stamp_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

/* Reads the last STAMP_TAIL bytes of a picture. False: they hold no stamp. */
static inline bool stamp_read(struct stamp *s, const unsigned char *tail)
{
    if (memcmp(tail, STAMP_MAGIC, STAMP_MAGIC_SIZE) != 0) {
        return false;
    }
    s->sequence = stamp_u64(tail + STAMP_MAGIC_SIZE);
    s->taken_ns = stamp_u64(tail + STAMP_MAGIC_SIZE + 8);
    return tail[STAMP_TAIL - 2] == 0xFF && tail[STAMP_TAIL - 1] == 0xD9;
}

static inline uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
