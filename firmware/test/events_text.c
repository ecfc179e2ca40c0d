#include "events_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum line_size { LINE_MAX = CAMLINK_TEXT_MAX + 64 };

static void tell(struct events *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct events *e, const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    e->line(e->ctx, line);
}

static void tell_frame(void *ctx, const struct assembled_frame *f)
{
    tell(ctx, "frame no=%" PRIu32 " len=%" PRIu32 " crc=0x%08" PRIx32 " size=%ux%u", f->no, f->len,
         camlink_crc32(0, f->data, f->len), f->width, f->height);
}

static void tell_reject(void *ctx, uint32_t no, enum reject_reason reason)
{
    tell(ctx, "reject no=%" PRIu32 " reason=%s", no, reject_name(reason));
}

static void tell_lost(void *ctx, uint32_t count)
{
    tell(ctx, "lost count=%" PRIu32, count);
}

static const struct assembler_sink sink = {tell_frame, tell_reject, tell_lost};

void events_init(struct events *e, uint32_t max_frame, events_line line, void *ctx)
{
    e->line = line;
    e->ctx = ctx;
    camlink_decoder_init(&e->decoder, e->buf, sizeof e->buf, e->text, sizeof e->text);
    assembler_init(&e->assembler, max_frame, &sink, e);
}

static void decode(struct events *e)
{
    struct camlink_packet p;
    const char *text;
    size_t text_len;
    for (;;) {
        switch (camlink_decode_next(&e->decoder, &p, &text, &text_len)) {
        case CAMLINK_EVENT_NONE:
            return;
        case CAMLINK_EVENT_PACKET:
            tell(e, "packet type=0x%02x flags=0x%x seq=%u ref=%u len=%u crc=0x%08" PRIx32, p.type, p.flags, p.seq,
                 p.ref, p.len, camlink_crc32(0, p.payload, p.len));
            assembler_take(&e->assembler, &p);
            break;
        case CAMLINK_EVENT_TEXT:
            tell(e, "text %.*s", (int)text_len, text);
            break;
        }
    }
}

void events_feed(struct events *e, const uint8_t *p, size_t n)
{
    while (n > 0) {
        uint8_t *room;
        size_t size = camlink_decoder_room(&e->decoder, &room);
        size = size < n ? size : n;
        memcpy(room, p, size);
        camlink_decoder_fed(&e->decoder, size);
        decode(e);
        p += size;
        n -= size;
    }
}

void events_silence(struct events *e)
{
    camlink_decoder_silence(&e->decoder);
    decode(e);
}

void events_end(struct events *e)
{
    const struct camlink_decoder *d = &e->decoder;
    tell(e,
         "end header=%" PRIu32 " version=%" PRIu32 " length=%" PRIu32 " payload=%" PRIu32 " discarded=%" PRIu32
         " lost=%" PRIu32,
         d->header_errors, d->version_errors, d->length_errors, d->payload_errors, d->discarded_bytes, d->lost);
    assembler_done(&e->assembler);
}
