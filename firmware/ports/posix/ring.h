/* A queue of bytes over a caller's buffer, whose size is a power of two. */
#ifndef HOSTCAM_RING_H
#define HOSTCAM_RING_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *buf;
    size_t cap;
    size_t in, out; /* count up and wrap; in - out is the fill */
};

static inline void ring_init(struct ring *r, uint8_t *buf, size_t cap)
{
    assert(cap != 0 && (cap & (cap - 1)) == 0);
    *r = (struct ring){.buf = buf, .cap = cap};
}

static inline size_t ring_used(const struct ring *r)
{
    return r->in - r->out;
}

static inline size_t ring_room(const struct ring *r)
{
    return r->cap - ring_used(r);
}

static inline void ring_clear(struct ring *r)
{
    r->out = r->in;
}

/* There must be room. */
static inline void ring_push(struct ring *r, uint8_t byte)
{
    assert(ring_room(r) > 0);
    r->buf[r->in++ & (r->cap - 1)] = byte;
}

/* There must be a byte. */
static inline uint8_t ring_pop(struct ring *r)
{
    assert(ring_used(r) > 0);
    return r->buf[r->out++ & (r->cap - 1)];
}

/* The first contiguous bytes, in *p; take them with r->out += n. */
static inline size_t ring_span(const struct ring *r, const uint8_t **p)
{
    size_t at = r->out & (r->cap - 1), used = ring_used(r);
    *p = r->buf + at;
    return used < r->cap - at ? used : r->cap - at;
}

/* The first contiguous room, in *p; after filling n of it: r->in += n. */
static inline size_t ring_gap(const struct ring *r, uint8_t **p)
{
    size_t at = r->in & (r->cap - 1), room = ring_room(r);
    *p = r->buf + at;
    return room < r->cap - at ? room : r->cap - at;
}

#endif
