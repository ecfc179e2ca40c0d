#include "soft_jpeg.h"

#include "img_converters.h"

#include <stdbool.h>
#include <string.h>

struct sink {
    uint8_t *out;
    size_t room, len;
    bool full;
};

/* 0 (best) to 63 becomes 100 to 1. */
static uint8_t percent(uint8_t quality)
{
    return (uint8_t)(100 - quality * 99 / 63);
}

/* Called with pieces of the picture, and with none at its end. */
static size_t pour(void *arg, size_t index, const void *data, size_t n)
{
    struct sink *s = arg;
    (void)index;
    if (n > s->room - s->len) {
        s->full = true;
    } else if (n > 0) {
        memcpy(s->out + s->len, data, n);
        s->len += n;
    }
    return n;
}

/* frame2jpg would take 128 kB from the heap for each picture, which a board without PSRAM has not got, and call a
 * picture good that was cut for want of room. */
size_t soft_jpeg(camera_fb_t *fb, uint8_t quality, uint8_t *out, size_t room)
{
    struct sink sink = {.out = out, .room = room};
    bool done = frame2jpg_cb(fb, percent(quality), pour, &sink);
    return done && !sink.full ? sink.len : 0;
}
