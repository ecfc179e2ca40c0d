#include "tap.h"

#include <string.h>

enum {
    OFFSET_TYPE = 3,
    OFFSET_LEN = 6,
    OFFSET_HCRC = 10,
    OFFSET_TOTAL = 4,
    OFFSET_CAPTURED = 8,
    CHUNK_PREFIX = 4,
    PCRC = 4
};

void tap_init(struct tap *t, struct ring *fifo, struct counters *c, double truncate, uint64_t seed,
              void (*sent)(void *, uint64_t), void *ctx)
{
    *t = (struct tap){.fifo = fifo, .counters = c, .truncate = truncate, .sent = sent, .ctx = ctx};
    rng_seed(&t->rng, seed, 2);
}

bool tap_idle(const struct tap *t)
{
    return t->have == 0;
}

void tap_reset(struct tap *t)
{
    t->have = 0;
    t->cut = false;
}

static void push(struct tap *t, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ring_push(t->fifo, p[i]);
    }
}

/* The core gives a packet up in the middle when its host is gone; what it writes next starts with a header. */
static bool starts_packet(const uint8_t *p, size_t n)
{
    return n >= CAMLINK_HEADER_SIZE && p[0] == 0xFF && p[1] == 0xA7 &&
           camlink_crc16(p, OFFSET_HCRC) == camlink_get16(p + OFFSET_HCRC);
}

static void end_packet(struct tap *t)
{
    uint8_t type = t->head[OFFSET_TYPE];
    bool last = (t->head[2] & CAMLINK_LAST) != 0;
    t->have = 0;
    if (type == CAMLINK_FRAME_BEGIN) {
        uint32_t total = camlink_get32(t->begin + OFFSET_TOTAL);
        t->offset = 0;
        t->cut = total > 0 && rng_hit(&t->rng, t->truncate);
        if (t->cut) {
            t->cut_at = rng_below(&t->rng, total);
            count(&t->counters->truncated, 1);
        }
    } else if (type == CAMLINK_FRAME_ABORT) {
        t->cut = false;
        count(&t->counters->aborted, 1);
    } else if (type == CAMLINK_FRAME_CHUNK && last) {
        t->cut = false;
        count(&t->counters->sent, 1);
        t->sent(t->ctx, camlink_get64(t->begin + OFFSET_CAPTURED));
    }
}

static void begin_packet(struct tap *t)
{
    size_t len = camlink_get16(t->head + OFFSET_LEN);
    bool header = true;
    t->left = len == 0 ? 0 : len + PCRC;
    t->pass = t->left;
    if (t->head[OFFSET_TYPE] == CAMLINK_FRAME_CHUNK && len >= CHUNK_PREFIX) {
        size_t data = len - CHUNK_PREFIX;
        if (t->cut && t->offset + data > t->cut_at) {
            header = t->offset <= t->cut_at;
            t->pass = header ? CHUNK_PREFIX + (t->cut_at - t->offset) : 0;
        }
        t->offset += (uint32_t)data;
    }
    if (header) {
        push(t, t->head, sizeof t->head);
    }
    if (t->left == 0) {
        end_packet(t);
    }
}

static void keep_begin(struct tap *t, const uint8_t *p, size_t n)
{
    size_t at = (size_t)camlink_get16(t->head + OFFSET_LEN) + PCRC - t->left;
    for (size_t i = 0; i < n && at + i < sizeof t->begin; i++) {
        t->begin[at + i] = p[i];
    }
}

static size_t payload(struct tap *t, const uint8_t *p, size_t n)
{
    size_t take = n < t->left ? n : t->left;
    if (t->pass > 0) {
        size_t room = ring_room(t->fifo);
        take = take < t->pass ? take : t->pass;
        take = take < room ? take : room;
        push(t, p, take);
        t->pass -= take;
    }
    if (t->head[OFFSET_TYPE] == CAMLINK_FRAME_BEGIN) {
        keep_begin(t, p, take);
    }
    t->left -= take;
    if (t->left == 0) {
        end_packet(t);
    }
    return take;
}

size_t tap_write(struct tap *t, const uint8_t *p, size_t n)
{
    if (t->have != 0 && starts_packet(p, n)) {
        t->have = 0;
    }
    size_t used = 0;
    while (used < n) {
        if (t->have == CAMLINK_HEADER_SIZE) {
            size_t took = payload(t, p + used, n - used);
            if (took == 0) {
                break;
            }
            used += took;
        } else {
            /* Not before all of the header fits: what it tells of the time is true when it is taken. */
            if (t->have == 0 && ring_room(t->fifo) < CAMLINK_HEADER_SIZE) {
                break;
            }
            t->head[t->have++] = p[used++];
            if (t->have == CAMLINK_HEADER_SIZE) {
                begin_packet(t);
            }
        }
    }
    return used;
}
