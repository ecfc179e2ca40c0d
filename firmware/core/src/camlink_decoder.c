#include "camlink.h"

#include <string.h>

enum { SYNC0 = 0xFF, SYNC1 = 0xA7, ESC = 0x1B };

/* What is known about the line of text under way. */
enum text_state {
    LINE_GOOD,
    LINE_ESC, /* good so far, after ESC */
    LINE_CSI, /* good so far, inside ESC [ */
    LINE_BAD,
};

enum text_limit { LINE_MIN = 4 };

enum verdict { ACCEPT, WAIT, BAD_HEADER, BAD_VERSION, BAD_LENGTH, BAD_PAYLOAD };

void camlink_decoder_init(struct camlink_decoder *d, uint8_t *buf, size_t cap, char *text, size_t text_cap)
{
    memset(d, 0, sizeof *d);
    d->buf = buf;
    d->cap = cap;
    d->text = text;
    d->text_cap = text_cap;
}

size_t camlink_decoder_room(struct camlink_decoder *d, uint8_t **p)
{
    size_t n = d->end - d->start;
    /* Moving only when at least as much was consumed keeps the moves linear in the bytes received. */
    if (d->start > 0 && (d->start >= n || d->end == d->cap)) {
        memmove(d->buf, d->buf + d->start, n);
        d->start = 0;
        d->end = n;
    }
    *p = d->buf + d->end;
    return d->cap - d->end;
}

void camlink_decoder_fed(struct camlink_decoder *d, size_t n)
{
    d->end += n;
}

void camlink_decoder_silence(struct camlink_decoder *d)
{
    d->silent = true;
}

static void start_line(struct camlink_decoder *d)
{
    d->text_len = 0;
    d->text_state = LINE_GOOD;
}

/* One byte of no packet. True when it ends a line worth telling. */
static bool text_byte(struct camlink_decoder *d, uint8_t c)
{
    if (c == '\n') {
        bool told = d->text_state == LINE_GOOD && d->text_len >= LINE_MIN;
        start_line(d);
        return told;
    }
    switch (d->text_state) {
    case LINE_ESC:
        d->text_state = c == '[' ? LINE_CSI : LINE_BAD;
        return false;
    case LINE_CSI:
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
            d->text_state = LINE_GOOD;
        } else if (c < 0x20 || c > 0x7E) {
            d->text_state = LINE_BAD;
        }
        return false;
    case LINE_GOOD:
        break;
    default:
        return false;
    }
    if (c == ESC) {
        d->text_state = LINE_ESC;
    } else if (c == '\r') {
        return false;
    } else if (c < 0x20 || c > 0x7E || d->text_len >= CAMLINK_TEXT_MAX || d->text_len + 1 >= d->text_cap) {
        d->text_state = LINE_BAD;
    } else {
        d->text[d->text_len++] = (char)c;
    }
    return false;
}

/* Checks the packet that seems to start at p, of which n >= 2 bytes are at hand, in the order protocol 2 demands. */
static enum verdict check(const uint8_t *p, size_t n, size_t cap, size_t *size)
{
    if (n < CAMLINK_HEADER_SIZE) {
        return WAIT;
    }
    if (camlink_crc16(p, 10) != camlink_get16(p + 10)) {
        return BAD_HEADER;
    }
    if (p[2] >> 4 != CAMLINK_VERSION) {
        return BAD_VERSION;
    }
    size_t len = camlink_get16(p + 6);
    *size = CAMLINK_HEADER_SIZE + (len > 0 ? len + 4 : 0);
    if (len > CAMLINK_MAX_PAYLOAD || *size > cap) {
        return BAD_LENGTH;
    }
    if (n < *size) {
        return WAIT;
    }
    if (len > 0 && camlink_crc32(0, p, CAMLINK_HEADER_SIZE + len) != camlink_get32(p + CAMLINK_HEADER_SIZE + len)) {
        return BAD_PAYLOAD;
    }
    return ACCEPT;
}

/* Where a complete packet starts inside the unfinished one at start, or 0. */
static size_t find_packet_inside(const struct camlink_decoder *d)
{
    for (size_t i = d->start + 1; i + CAMLINK_HEADER_SIZE <= d->end; i++) {
        size_t size;
        if (d->buf[i] == SYNC0 && d->buf[i + 1] == SYNC1 && check(d->buf + i, d->end - i, d->cap, &size) == ACCEPT) {
            return i;
        }
    }
    return 0;
}

/* Whether silence shows the unfinished packet at start to be damaged. What is found once serves every unfinished
 * packet before it: a search for each would make the work grow with the square. */
static bool silence_condemns(struct camlink_decoder *d)
{
    if (d->silent && d->start >= d->freed) {
        d->freed = find_packet_inside(d);
    }
    return d->start < d->freed;
}

static void accept(struct camlink_decoder *d, size_t size, struct camlink_packet *packet)
{
    const uint8_t *p = d->buf + d->start;
    packet->type = p[3];
    packet->flags = p[2] & 15;
    packet->seq = camlink_get16(p + 4);
    packet->len = camlink_get16(p + 6);
    packet->ref = camlink_get16(p + 8);
    packet->payload = p + CAMLINK_HEADER_SIZE;
    uint16_t ahead = (uint16_t)(packet->seq - d->next_seq);
    bool booted = packet->type == CAMLINK_HELLO && packet->seq == 0; /* it starts the count anew */
    if (d->seq_known && !booted && ahead < 0x8000) {
        d->lost += ahead;
    }
    d->next_seq = (uint16_t)(packet->seq + 1);
    d->seq_known = true;
    d->packets++;
    d->consumed = size;
    start_line(d);
}

/* Nothing more can be decided, so whatever silence had to tell is used up. */
static enum camlink_event wait(struct camlink_decoder *d)
{
    d->silent = false;
    d->freed = 0;
    return CAMLINK_EVENT_NONE;
}

enum camlink_event camlink_decode_next(struct camlink_decoder *d, struct camlink_packet *packet, const char **text,
                                       size_t *text_len)
{
    d->start += d->consumed;
    d->consumed = 0;
    while (d->start < d->end) {
        const uint8_t *p = d->buf + d->start;
        size_t n = d->end - d->start;
        if (p[0] == SYNC0 && n == 1) {
            break;
        }
        if (p[0] == SYNC0 && p[1] == SYNC1) {
            size_t size = 0;
            enum verdict v = check(p, n, d->cap, &size);
            if (v == WAIT && silence_condemns(d)) {
                v = BAD_PAYLOAD;
            }
            switch (v) {
            case ACCEPT:
                accept(d, size, packet);
                return CAMLINK_EVENT_PACKET;
            case WAIT:
                return wait(d);
            case BAD_HEADER:
                d->header_errors++;
                break;
            case BAD_VERSION:
                d->version_errors++;
                break;
            case BAD_LENGTH:
                d->length_errors++;
                break;
            case BAD_PAYLOAD:
                d->payload_errors++;
                break;
            }
        }
        d->start++;
        d->discarded_bytes++;
        if (d->text != NULL) {
            size_t line = d->text_len;
            if (text_byte(d, p[0])) {
                d->text[line] = '\0';
                *text = d->text;
                *text_len = line;
                return CAMLINK_EVENT_TEXT;
            }
        }
    }
    return wait(d);
}
