/*
 * Fuzzes the receiver. The input is a program that writes a stream: noise, whole packets, pictures, headers that lie,
 * damage and silence. What is found must not depend on how the stream is split, and every byte must be accounted for.
 */
#include "check.h"
#include "stream.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Short enough for the transcript even if it is all empty packets. */
enum fuzz_limit { FUZZ_STREAM = 16384, FUZZ_STEP = 4200 };

struct input {
    const uint8_t *p;
    size_t n;
};

static struct stream s;

void check_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

static void require(bool condition, int line, const char *what)
{
    if (!condition) {
        check_fail(__FILE__, line, "%s", what);
    }
}

#define REQUIRE(condition) require(condition, __LINE__, #condition)

static uint8_t next8(struct input *in)
{
    if (in->n == 0) {
        return 0;
    }
    in->n--;
    return *in->p++;
}

static uint16_t next16(struct input *in)
{
    uint16_t low = next8(in);
    return (uint16_t)(low | next8(in) << 8);
}

static const uint8_t *next_bytes(struct input *in, size_t *n)
{
    const uint8_t *p = in->p;
    *n = *n < in->n ? *n : in->n;
    in->p += *n;
    in->n -= *n;
    return p;
}

static void step(struct input *in, uint16_t *seq)
{
    uint8_t op = next8(in);
    size_t n;
    const uint8_t *p;
    switch (op % 10) {
    case 0:
        n = next8(in);
        p = next_bytes(in, &n);
        stream_bytes(&s, p, n);
        break;
    case 1: {
        uint8_t type = next8(in), flags = next8(in);
        n = next8(in);
        p = next_bytes(in, &n);
        stream_packet(&s, type, flags, *seq, 1, p, n);
        *seq = (uint16_t)(*seq + 1 + op / 128);
        break;
    }
    case 2: {
        uint8_t version = next8(in) % 3;
        stream_header(&s, version, CAMLINK_FRAME_CHUNK, *seq, next16(in));
        break;
    }
    case 3: {
        uint8_t no = next8(in);
        uint16_t len = next16(in);
        stream_begin(&s, seq, no, len, op < 250);
        break;
    }
    case 4: {
        uint8_t no = next8(in);
        uint16_t offset = next16(in), len = next16(in);
        stream_chunk(&s, seq, no, offset, len % (CAMLINK_MAX_CHUNK + 1), op >= 128);
        break;
    }
    case 5:
        stream_abort(&s, seq, next8(in));
        break;
    case 6:
        stream_hello(&s, seq, next8(in));
        break;
    case 7: /* damage */
        n = next16(in);
        if (s.n > 0) {
            s.bytes[s.n - 1 - n % s.n] ^= (uint8_t)(1 + op / 10);
        }
        break;
    case 8: /* loss */
        n = next8(in);
        s.n -= n < s.n ? n : s.n;
        while (s.silences > 0 && s.silence[s.silences - 1] > s.n) {
            s.silences--;
        }
        break;
    case 9:
        if (s.silences < STREAM_SILENCES) {
            stream_silence(&s);
        }
        break;
    }
}

static void account_for_every_byte(void)
{
    static uint8_t buf[CAMLINK_MAX_PACKET];
    struct camlink_decoder d;
    size_t of_packets = 0;
    uint32_t packets = 0;
    camlink_decoder_init(&d, buf, sizeof buf, NULL, 0);
    for (size_t at = 0; at < s.n;) {
        uint8_t *room;
        struct camlink_packet p;
        size_t n = camlink_decoder_room(&d, &room);
        REQUIRE(n > 0);
        n = n < s.n - at ? n : s.n - at;
        memcpy(room, s.bytes + at, n);
        camlink_decoder_fed(&d, n);
        at += n;
        while (camlink_decode_next(&d, &p, NULL, NULL) == CAMLINK_EVENT_PACKET) {
            REQUIRE(p.len <= CAMLINK_MAX_PAYLOAD);
            REQUIRE(p.payload >= buf && p.payload + p.len <= buf + sizeof buf);
            of_packets += CAMLINK_HEADER_SIZE + (p.len > 0 ? p.len + 4u : 0);
            packets++;
        }
    }
    REQUIRE(of_packets + d.discarded_bytes + (d.end - d.start) == s.n);
    REQUIRE(d.packets == packets);
    REQUIRE(d.header_errors + d.version_errors + d.length_errors + d.payload_errors <= d.discarded_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[TRANSCRIPT_MAX];
    struct input in = {data, size};
    uint16_t seq = 0;
    uint32_t max_frame = next16(&in);
    stream_clear(&s);
    while (in.n > 0 && s.n + FUZZ_STEP < FUZZ_STREAM) {
        step(&in, &seq);
    }
    account_for_every_byte();
    strcpy(whole, stream_events(&s, max_frame, 0));
    REQUIRE(strcmp(stream_events(&s, max_frame, 1), whole) == 0);
    REQUIRE(strcmp(stream_events(&s, max_frame, 2 + (uint32_t)size), whole) == 0);
    return 0;
}
