#include "jpeg.h"

#include <string.h>

enum marker {
    SOF0 = 0xC0,
    DHT = 0xC4,
    JPG = 0xC8,
    DAC = 0xCC,
    SOF15 = 0xCF,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    TEM = 0x01
};

static bool is_frame_header(uint8_t m)
{
    return m >= SOF0 && m <= SOF15 && m != DHT && m != JPG && m != DAC;
}

static bool stands_alone(uint8_t m)
{
    return m == TEM || (m >= RST0 && m <= SOI);
}

/* Up to the marker that ends the scan. */
static enum jpeg_status walk_scan(struct jpeg_walk *w, const uint8_t *p, size_t n)
{
    while (w->pos + 1 < n) {
        const uint8_t *ff = memchr(p + w->pos, 0xFF, n - w->pos - 1);
        if (ff == NULL) {
            w->pos = n - 1;
            break;
        }
        w->pos = (size_t)(ff - p);
        uint8_t m = ff[1];
        if (m == 0xFF) {
            w->pos++;
        } else if (m == 0x00 || (m >= RST0 && m <= RST7)) {
            w->pos += 2;
        } else {
            w->in_scan = false;
            return JPEG_DONE;
        }
    }
    return JPEG_MORE;
}

static enum jpeg_status walk_segment(struct jpeg_walk *w, const uint8_t *p, size_t n)
{
    if (n - w->pos < 4) {
        return JPEG_MORE;
    }
    const uint8_t *s = p + w->pos;
    size_t len = (size_t)s[2] << 8 | s[3];
    if (len < 2 || (is_frame_header(s[1]) && len < 8)) {
        return JPEG_BAD;
    }
    if (n - w->pos < 2 + len) {
        return JPEG_MORE;
    }
    if (is_frame_header(s[1])) {
        w->height = (uint16_t)(s[5] << 8 | s[6]);
        w->width = (uint16_t)(s[7] << 8 | s[8]);
    }
    w->pos += 2 + len;
    if (s[1] == SOS) {
        w->in_scan = true;
        w->scan = w->scan != 0 ? w->scan : w->pos;
    }
    return JPEG_DONE;
}

enum jpeg_status jpeg_walk(struct jpeg_walk *w, const uint8_t *p, size_t n)
{
    for (;;) {
        if (w->in_scan && walk_scan(w, p, n) == JPEG_MORE) {
            return JPEG_MORE;
        }
        if (w->pos + 2 > n) {
            return JPEG_MORE;
        }
        uint8_t m = p[w->pos + 1];
        if (p[w->pos] != 0xFF || (w->pos == 0 && m != SOI)) {
            return JPEG_BAD;
        }
        if (m == 0xFF) {
            w->pos++;
        } else if (m == EOI) {
            w->pos += 2;
            return JPEG_DONE;
        } else if (stands_alone(m)) {
            w->pos += 2;
        } else {
            enum jpeg_status s = walk_segment(w, p, n);
            if (s != JPEG_DONE) {
                return s;
            }
        }
    }
}

size_t jpeg_damage(uint8_t *p, size_t len, size_t cap, enum bad_jpeg kind, struct rng *r)
{
    struct jpeg_walk w = {0};
    bool whole = jpeg_walk(&w, p, len) == JPEG_DONE;
    switch (kind) {
    case BAD_NO_EOI:
        return whole ? w.pos - 2 : len;
    case BAD_PADDING: {
        size_t pad = 1 + rng_below(r, 512);
        pad = pad < cap - len ? pad : cap - len;
        memset(p + len, 0, pad);
        return len + pad;
    }
    case BAD_CUT: {
        size_t from = w.scan != 0 ? w.scan : 2;
        return from + rng_below(r, len > from + 2 ? (uint32_t)(len - 2 - from) : 1);
    }
    case BAD_EMPTY:
    case BAD_KINDS:
        break;
    }
    return 0;
}
