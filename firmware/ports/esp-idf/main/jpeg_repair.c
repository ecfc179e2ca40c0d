#include "jpeg_repair.h"

#include <string.h>

enum marker {
    MARKER = 0xFF,
    STUFFED = 0x00,
    SOF0 = 0xC0,
    SOF2 = 0xC2,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
};

/* How far in the start may lie: the driver looks as far. */
enum { SOI_WITHIN = 32 };

static bool find_start(const uint8_t *p, size_t n, size_t *at)
{
    for (size_t i = 0; i < SOI_WITHIN && i + 2 < n; i++) {
        if (p[i] == MARKER && p[i + 1] == SOI && p[i + 2] == MARKER) {
            *at = i;
            return true;
        }
    }
    return false;
}

static uint16_t big16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Walks the segments from at to behind the header of the scan. */
static bool walk_headers(const uint8_t *p, size_t n, size_t *at, struct jpeg_span *out)
{
    size_t i = *at;
    out->width = 0;
    while (i + 4 <= n && p[i] == MARKER) {
        uint8_t marker = p[i + 1];
        size_t len = big16(p + i + 2);
        if (marker == MARKER) {
            i++; /* fill byte */
            continue;
        }
        if (marker < SOF0 || (marker >= RST0 && marker <= EOI) || len < 2 || i + 2 + len > n) {
            return false;
        }
        if (marker <= SOF2 && len >= 8) {
            out->height = big16(p + i + 5);
            out->width = big16(p + i + 7);
        }
        i += 2 + len;
        if (marker == SOS) {
            *at = i;
            return out->width != 0 && out->height != 0;
        }
    }
    return false;
}

/* Finds the end of the scan. Any marker but a restart before it is another picture's. */
static bool walk_scan(const uint8_t *p, size_t n, size_t *at)
{
    size_t i = *at;
    while (i + 1 < n) {
        const uint8_t *found = memchr(p + i, MARKER, n - 1 - i);
        if (found == NULL) {
            return false;
        }
        i = (size_t)(found - p);
        uint8_t next = p[i + 1];
        if (next == EOI) {
            bool empty = i == *at;
            *at = i + 2;
            return !empty;
        }
        if (next == MARKER) {
            i++;
        } else if (next == STUFFED || (next >= RST0 && next <= RST7)) {
            i += 2;
        } else {
            return false;
        }
    }
    return false;
}

bool jpeg_repair(const uint8_t *p, size_t n, struct jpeg_span *out)
{
    size_t start;
    if (!find_start(p, n, &start)) {
        return false;
    }
    size_t at = start + 2;
    if (!walk_headers(p, n, &at, out) || !walk_scan(p, n, &at)) {
        return false;
    }
    out->data = p + start;
    out->len = (uint32_t)(at - start);
    return true;
}
