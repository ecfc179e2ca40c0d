/* Streams of bytes for tests of the receiver, and the transcript of what is found in them. */
#ifndef STREAM_H
#define STREAM_H

#include "events_text.h"

enum stream_limit { STREAM_MAX = 65536, STREAM_SILENCES = 64, TRANSCRIPT_MAX = 262144 };

struct stream {
    uint8_t bytes[STREAM_MAX];
    size_t n;
    size_t silence[STREAM_SILENCES]; /* after so many bytes, ascending */
    size_t silences;
};

void stream_clear(struct stream *s);
void stream_bytes(struct stream *s, const void *p, size_t n);
void stream_text(struct stream *s, const char *text);
/* A packet; returns where it starts. */
size_t stream_packet(struct stream *s, uint8_t type, uint8_t flags, uint16_t seq, uint16_t ref, const void *payload,
                     size_t len);
/* A packet whose header is good and claims len bytes of payload, of which none follow. */
void stream_header(struct stream *s, uint8_t version, uint8_t type, uint16_t seq, uint16_t len);
void stream_silence(struct stream *s);

/* Pictures: packets of section 4 with the next seq of *seq. */
void stream_begin(struct stream *s, uint16_t *seq, uint32_t no, uint32_t len, uint8_t format);
void stream_chunk(struct stream *s, uint16_t *seq, uint32_t no, uint32_t offset, uint32_t n, bool last);
void stream_abort(struct stream *s, uint16_t *seq, uint32_t no);
void stream_hello(struct stream *s, uint16_t *seq, uint32_t boot_id);

/* A small deterministic generator; *x must not be 0. */
uint32_t stream_random(uint32_t *x);

/*
 * What the receiver finds, a line each. split 0: all at once; 1: byte by byte; else random pieces, split is the seed.
 * The result is valid until the next call.
 */
const char *stream_events(const struct stream *s, uint32_t max_frame, uint32_t split);
/* The same without the packet lines and the last one. */
const char *stream_findings(const struct stream *s, uint32_t max_frame);

#endif
