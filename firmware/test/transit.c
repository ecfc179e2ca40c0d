#include "transit.h"

#include <string.h>

enum layout { BEGIN_SIZE = 32, OFFSET_SIZE = 4, LOG_SIZE = 24 };

uint32_t transit_random(struct transit *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 17;
    t->random ^= t->random << 5;
    return t->random;
}

/* A frame's length and its bytes are its number's alone. */
static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ x >> 16;
}

/* Every eighth byte is a sync0, as in a picture, and more than in one. */
static uint8_t picture_byte(uint32_t no, uint32_t i)
{
    uint32_t x = mix(no * 0x9E3779B9u + i);
    return (x & 0x700) == 0 ? 0xFF : (uint8_t)x;
}

static void put_begin(uint8_t *p, uint32_t no, uint32_t len)
{
    memset(p, 0, BEGIN_SIZE);
    camlink_put32(p, no);
    camlink_put32(p + 4, len);
    camlink_put32(p + 8, mix(no));
    camlink_put16(p + 24, 640);
    camlink_put16(p + 26, 480);
    p[28] = 1;
}

static void put_log(uint8_t *p)
{
    memset(p, 'x', LOG_SIZE);
}

/* ---- the far end */

static void frame(void *ctx, const struct assembled_frame *f)
{
    struct transit *t = ctx;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < f->len; i++) {
        wrong += f->data[i] != picture_byte(f->no, i);
    }
    if (wrong != 0 || f->no >= t->next_no) {
        t->wrong++;
    } else {
        t->whole++;
    }
}

static void reject(void *ctx, uint32_t no, enum reject_reason reason)
{
    struct transit *t = ctx;
    (void)no;
    (void)reason;
    t->rejected++;
}

static void lost(void *ctx, uint32_t count)
{
    (void)ctx;
    (void)count;
}

/* Whether a packet is one of those that were sent, as far as its own number tells. */
static bool was_sent(const struct transit *t, const struct camlink_packet *p)
{
    uint8_t want[BEGIN_SIZE];
    /* Numbers near the newest: ref has only their low half. */
    uint32_t no = t->next_no - 1 - (uint16_t)(t->next_no - 1 - p->ref);
    switch (p->type) {
    case CAMLINK_FRAME_BEGIN:
        if (p->len != BEGIN_SIZE || p->flags != 0 || camlink_get32(p->payload) != no) {
            return false;
        }
        put_begin(want, no, camlink_get32(p->payload + 4));
        return memcmp(p->payload, want, BEGIN_SIZE) == 0;
    case CAMLINK_FRAME_CHUNK: {
        if (p->len <= OFFSET_SIZE || (p->flags & ~CAMLINK_LAST) != 0) {
            return false;
        }
        uint32_t offset = camlink_get32(p->payload);
        for (uint32_t i = 0; i + OFFSET_SIZE < p->len; i++) {
            if (p->payload[OFFSET_SIZE + i] != picture_byte(no, offset + i)) {
                return false;
            }
        }
        return true;
    }
    case CAMLINK_LOG:
        put_log(want);
        return p->len == LOG_SIZE && memcmp(p->payload, want, LOG_SIZE) == 0;
    default:
        return false;
    }
}

void transit_init(struct transit *t, uint32_t seed)
{
    static const struct assembler_sink sink = {frame, reject, lost};
    memset(t, 0, sizeof *t);
    t->random = seed != 0 ? seed : 1;
    t->next_no = 1;
    camlink_decoder_init(&t->decoder, t->decoder_buf, sizeof t->decoder_buf, NULL, 0);
    assembler_init(&t->assembler, TRANSIT_FRAME_MAX, &sink, t);
}

void transit_done(struct transit *t)
{
    assembler_done(&t->assembler);
}

static void receive(struct transit *t)
{
    struct camlink_packet p;
    while (camlink_decode_next(&t->decoder, &p, NULL, NULL) == CAMLINK_EVENT_PACKET) {
        t->forged += !was_sent(t, &p);
        assembler_take(&t->assembler, &p);
    }
}

void transit_deliver(struct transit *t, size_t piece)
{
    for (size_t at = 0; at < t->n;) {
        uint8_t *room;
        size_t n = camlink_decoder_room(&t->decoder, &room);
        n = n < t->n - at ? n : t->n - at;
        n = n < piece ? n : piece;
        memcpy(room, t->bytes + at, n);
        camlink_decoder_fed(&t->decoder, n);
        at += n;
        receive(t);
    }
    t->n = 0;
    camlink_decoder_silence(&t->decoder);
    receive(t);
}

/* ---- the near end */

static void packet(struct transit *t, uint8_t type, uint8_t flags, uint32_t no, const uint8_t *prefix,
                   size_t prefix_len, const uint8_t *body, size_t body_len)
{
    struct camlink_header h = {.type = type, .flags = flags, .seq = t->seq++, .ref = (uint16_t)no};
    struct camlink_encoder e;
    const uint8_t *p;
    size_t n;
    camlink_encode(&e, &h, prefix, prefix_len, body, body_len);
    while ((n = camlink_encoder_span(&e, &p)) > 0) {
        memcpy(t->bytes + t->n, p, n);
        t->n += n;
        camlink_encoder_take(&e, n);
    }
}

bool transit_room(const struct transit *t)
{
    return TRANSIT_MAX - t->n >= 4u * TRANSIT_FRAME_MAX;
}

size_t transit_frame(struct transit *t, uint32_t len, bool control)
{
    uint8_t begin[BEGIN_SIZE], prefix[OFFSET_SIZE], body[TRANSIT_CHUNK], log[LOG_SIZE];
    uint32_t no = t->next_no++;
    size_t start = t->n;
    len = len % TRANSIT_FRAME_MAX + 1;
    put_begin(begin, no, len);
    packet(t, CAMLINK_FRAME_BEGIN, 0, no, NULL, 0, begin, sizeof begin);
    for (uint32_t at = 0; at < len; at += TRANSIT_CHUNK) {
        uint32_t n = len - at < TRANSIT_CHUNK ? len - at : TRANSIT_CHUNK;
        for (uint32_t i = 0; i < n; i++) {
            body[i] = picture_byte(no, at + i);
        }
        camlink_put32(prefix, at);
        packet(t, CAMLINK_FRAME_CHUNK, at + n == len ? CAMLINK_LAST : 0, no, prefix, sizeof prefix, body, n);
        if (control && at == 0) {
            put_log(log);
            packet(t, CAMLINK_LOG, 0, 0, NULL, 0, log, sizeof log);
        }
    }
    t->frames++;
    t->bytes_in += t->n - start;
    return start;
}

static void insert(struct transit *t, size_t at, const uint8_t *p, size_t n)
{
    if (n > TRANSIT_MAX - t->n) {
        return;
    }
    memmove(t->bytes + at + n, t->bytes + at, t->n - at);
    memcpy(t->bytes + at, p, n);
    t->n += n;
}

void transit_damage(struct transit *t, size_t from, enum transit_damage how, size_t at, size_t size)
{
    static const char text[] = "\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n";
    uint8_t piece[256];
    if (from >= t->n) {
        return;
    }
    at = from + at % (t->n - from);
    size = 1 + size % 128;
    size = size < t->n - at ? size : t->n - at;
    for (size_t i = 0; i < size; i++) {
        piece[i] = (uint8_t)(transit_random(t) >> 8);
    }
    switch (how) {
    case DAMAGE_FLIP:
        for (size_t i = 0; i < 1 + size % 8; i++) {
            t->bytes[at + piece[i % size] % size] ^= (uint8_t)(1u << (piece[(i + 1) % size] & 7u));
        }
        break;
    case DAMAGE_BURST:
        memcpy(t->bytes + at, piece, size);
        break;
    case DAMAGE_DROP:
        memmove(t->bytes + at, t->bytes + at + size, t->n - at - size);
        t->n -= size;
        break;
    case DAMAGE_INSERT:
        insert(t, at, piece, size);
        break;
    case DAMAGE_DUPLICATE:
        memcpy(piece, t->bytes + at, size);
        insert(t, at, piece, size);
        break;
    case DAMAGE_SWAP:
        size = size < (t->n - at) / 2 ? size : (t->n - at) / 2;
        memcpy(piece, t->bytes + at, size);
        memmove(t->bytes + at, t->bytes + at + size, size);
        memcpy(t->bytes + at + size, piece, size);
        break;
    case DAMAGE_SPLICE:
        memmove(t->bytes + at, t->bytes + transit_random(t) % (t->n - size + 1), size);
        break;
    case DAMAGE_TEXT:
        insert(t, at, (const uint8_t *)text, sizeof text - 1);
        break;
    case DAMAGES:
        break;
    }
}
