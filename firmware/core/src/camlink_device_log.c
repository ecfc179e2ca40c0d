/* The log: lines wait in a ring of bytes until the line has time for them. */
#include "camlink_device_internal.h"

#include <string.h>

enum log_size { LOG_HEAD = 10, LOG_MAX = 250, LOG_TAG_MAX = 32 };

static size_t bounded_length(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n] != '\0') {
        n++;
    }
    return n;
}

static void put(struct camlink_device *d, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        d->log_ring[(d->log_first + d->log_used) % CAMLINK_LOG_RING] = p[i];
        d->log_used++;
    }
}

static uint8_t take(struct camlink_device *d)
{
    uint8_t c = d->log_ring[d->log_first];
    d->log_first = (uint16_t)((d->log_first + 1u) % CAMLINK_LOG_RING);
    d->log_used--;
    return c;
}

void camlink_device_log(struct camlink_device *d, uint8_t level, const char *tag, const char *text)
{
    if (level == 0 || level > d->log_level) {
        return;
    }
    size_t tag_len = bounded_length(tag, LOG_TAG_MAX);
    size_t text_len = bounded_length(text, LOG_MAX - LOG_HEAD - tag_len);
    size_t len = LOG_HEAD + tag_len + text_len;
    if (1 + len > CAMLINK_LOG_RING - (size_t)d->log_used) {
        d->log_dropped++;
        return;
    }
    uint8_t head[1 + LOG_HEAD];
    head[0] = (uint8_t)len;
    camlink_put64(head + 1, d->p->now_us(d->ctx));
    head[9] = level;
    head[10] = (uint8_t)tag_len;
    put(d, head, sizeof head);
    put(d, tag, tag_len);
    put(d, text, text_len);
}

bool camlink_log_start_packet(struct camlink_device *d)
{
    if (d->log_used == 0) {
        return false;
    }
    size_t len = take(d);
    for (size_t i = 0; i < len; i++) {
        d->scratch[i] = take(d);
    }
    camlink_tx_start(d, CAMLINK_LOG, 0, 0, len);
    return true;
}

void camlink_log_set_level(struct camlink_device *d, uint8_t level)
{
    d->log_level = level;
    if (d->p->log_level != NULL) {
        d->p->log_level(d->ctx, level);
    }
}
