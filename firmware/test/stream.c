#include "stream.h"

#include "check.h"

#include <string.h>

struct transcript {
    char text[TRANSCRIPT_MAX];
    size_t n;
    bool findings_only;
};

static struct transcript transcript;

void stream_clear(struct stream *s)
{
    s->n = 0;
    s->silences = 0;
}

void stream_bytes(struct stream *s, const void *p, size_t n)
{
    if (n > STREAM_MAX - s->n) {
        check_fail(__FILE__, __LINE__, "the stream is too long");
        return;
    }
    memcpy(s->bytes + s->n, p, n);
    s->n += n;
}

void stream_text(struct stream *s, const char *text)
{
    stream_bytes(s, text, strlen(text));
}

size_t stream_packet(struct stream *s, uint8_t type, uint8_t flags, uint16_t seq, uint16_t ref, const void *payload,
                     size_t len)
{
    struct camlink_header h = {.type = type, .flags = flags, .seq = seq, .ref = ref};
    struct camlink_encoder e;
    const uint8_t *p;
    size_t start = s->n, n;
    camlink_encode(&e, &h, NULL, 0, payload, len);
    while ((n = camlink_encoder_span(&e, &p)) > 0) {
        stream_bytes(s, p, n);
        camlink_encoder_take(&e, n);
    }
    return start;
}

void stream_header(struct stream *s, uint8_t version, uint8_t type, uint16_t seq, uint16_t len)
{
    uint8_t h[CAMLINK_HEADER_SIZE] = {0xFF, 0xA7, (uint8_t)(version << 4), type};
    camlink_put16(h + 4, seq);
    camlink_put16(h + 6, len);
    camlink_put16(h + 10, camlink_crc16(h, 10));
    stream_bytes(s, h, sizeof h);
}

void stream_silence(struct stream *s)
{
    if (s->silences == STREAM_SILENCES) {
        check_fail(__FILE__, __LINE__, "too many silences");
        return;
    }
    s->silence[s->silences++] = s->n;
}

void stream_begin(struct stream *s, uint16_t *seq, uint32_t no, uint32_t len, uint8_t format)
{
    uint8_t p[32] = {0};
    camlink_put32(p, no);
    camlink_put32(p + 4, len);
    camlink_put16(p + 24, 640);
    camlink_put16(p + 26, 480);
    p[28] = format;
    stream_packet(s, CAMLINK_FRAME_BEGIN, 0, (*seq)++, (uint16_t)no, p, sizeof p);
}

void stream_chunk(struct stream *s, uint16_t *seq, uint32_t no, uint32_t offset, uint32_t n, bool last)
{
    uint8_t p[CAMLINK_MAX_PAYLOAD];
    camlink_put32(p, offset);
    for (uint32_t i = 0; i < n; i++) {
        p[4 + i] = (uint8_t)(offset + i);
    }
    stream_packet(s, CAMLINK_FRAME_CHUNK, last ? CAMLINK_LAST : 0, (*seq)++, (uint16_t)no, p, 4 + n);
}

void stream_abort(struct stream *s, uint16_t *seq, uint32_t no)
{
    uint8_t p[5] = {0, 0, 0, 0, 1};
    camlink_put32(p, no);
    stream_packet(s, CAMLINK_FRAME_ABORT, 0, (*seq)++, (uint16_t)no, p, sizeof p);
}

void stream_hello(struct stream *s, uint16_t *seq, uint32_t boot_id)
{
    uint8_t p[48] = {1, 1};
    camlink_put32(p + 4, boot_id);
    stream_packet(s, CAMLINK_HELLO, 0, (*seq)++, 0, p, sizeof p);
}

uint32_t stream_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static void note(void *ctx, const char *line)
{
    struct transcript *t = ctx;
    if (t->findings_only && (strncmp(line, "packet ", 7) == 0 || strncmp(line, "end ", 4) == 0)) {
        return;
    }
    size_t n = strlen(line);
    if (n + 2 > TRANSCRIPT_MAX - t->n) {
        check_fail(__FILE__, __LINE__, "the transcript is too long");
        return;
    }
    memcpy(t->text + t->n, line, n);
    t->n += n;
    t->text[t->n++] = '\n';
    t->text[t->n] = '\0';
}

/* At least 1 and at most left. */
static size_t piece(size_t left, uint32_t split, uint32_t *x)
{
    size_t n = split == 0 ? left : split == 1 ? 1 : stream_random(x) % 300 + 1;
    return n < left ? n : left;
}

const char *stream_events(const struct stream *s, uint32_t max_frame, uint32_t split)
{
    static struct events e;
    uint32_t x = split;
    transcript.n = 0;
    transcript.text[0] = '\0';
    events_init(&e, max_frame, note, &transcript);
    size_t at = 0;
    for (size_t i = 0; i <= s->silences; i++) {
        size_t until = i < s->silences ? s->silence[i] : s->n;
        while (at < until) {
            size_t n = piece(until - at, split, &x);
            events_feed(&e, s->bytes + at, n);
            at += n;
        }
        if (i < s->silences) {
            events_silence(&e);
        }
    }
    events_end(&e);
    return transcript.text;
}

const char *stream_findings(const struct stream *s, uint32_t max_frame)
{
    transcript.findings_only = true;
    stream_events(s, max_frame, 0);
    transcript.findings_only = false;
    return transcript.text;
}
