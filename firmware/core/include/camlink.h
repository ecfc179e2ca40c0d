/*
 * camlink: the packet codec of docs/protocol.md, sections 1 to 4.
 *
 * Pure bytes: no clock, no I/O, no allocation. Structs are complete so that callers can place
 * them statically; their fields are private unless a comment says otherwise.
 */
#ifndef CAMLINK_H
#define CAMLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAMLINK_VERSION 1u
#define CAMLINK_HEADER_SIZE 12u
#define CAMLINK_MAX_PAYLOAD 4100u
#define CAMLINK_MAX_PACKET (CAMLINK_HEADER_SIZE + CAMLINK_MAX_PAYLOAD + 4u)
/* Largest packet a host may send: it must fit the 128-byte receive FIFO of a device. */
#define CAMLINK_MAX_HOST_PACKET 96u
#define CAMLINK_MAX_CHUNK 4096u
#define CAMLINK_BASE_BAUD 115200u
#define CAMLINK_SILENCE_MS 30u

enum camlink_flag {
    CAMLINK_LAST = 1,     /* final chunk of a frame */
    CAMLINK_RESPONSE = 2, /* answers the request whose ref it carries */
};

enum camlink_type {
    CAMLINK_HELLO = 0x01,
    CAMLINK_PONG = 0x02,
    CAMLINK_RESULT = 0x03,
    CAMLINK_CONFIG = 0x04,
    CAMLINK_BAUD_PATTERN = 0x05,
    CAMLINK_STATS = 0x06,
    CAMLINK_LOG = 0x07,
    CAMLINK_FRAME_BEGIN = 0x10,
    CAMLINK_FRAME_CHUNK = 0x11,
    CAMLINK_FRAME_ABORT = 0x12,
    CAMLINK_HELLO_REQ = 0x40,
    CAMLINK_PING = 0x41,
    CAMLINK_CONFIG_GET = 0x42,
    CAMLINK_CONFIG_SET = 0x43,
    CAMLINK_CREDIT = 0x44,
    CAMLINK_BAUD_SET = 0x46,
    CAMLINK_BAUD_PROBE = 0x47,
    CAMLINK_BAUD_COMMIT = 0x48,
    CAMLINK_STATS_REQ = 0x49,
    CAMLINK_LOG_LEVEL = 0x4A,
    CAMLINK_RESET = 0x4B,
};

enum camlink_status {
    CAMLINK_STATUS_OK = 0,
    CAMLINK_STATUS_UNSUPPORTED = 1,
    CAMLINK_STATUS_INVALID = 2,
    CAMLINK_STATUS_BUSY = 3,
    CAMLINK_STATUS_FAILED = 4,
    CAMLINK_STATUS_VERSION = 5,
};

/* CRC-16/X-25 of n bytes. Check value of "123456789": 0x906E. */
uint16_t camlink_crc16(const uint8_t *p, size_t n);

/* CRC-32/ISO-HDLC, incremental: start with crc = 0, feed the result back for the next piece. */
uint32_t camlink_crc32(uint32_t crc, const uint8_t *p, size_t n);

/* ---- Sending ------------------------------------------------------------------------------ */

struct camlink_header {
    uint8_t type;
    uint8_t flags; /* enum camlink_flag, ored */
    uint16_t seq;
    uint16_t ref;
};

/*
 * Pull encoder of one packet. The payload is a prefix of at most CAMLINK_PREFIX_MAX bytes, which is copied,
 * and a body, which is borrowed: it must not change or go away until the packet is done. Bytes
 * leave in contiguous spans that point into the encoder or into the body: nothing is copied.
 */
#define CAMLINK_PREFIX_MAX 4u

struct camlink_encoder {
    uint8_t head[CAMLINK_HEADER_SIZE + CAMLINK_PREFIX_MAX];
    uint8_t tail[4];
    const uint8_t *body;
    uint16_t head_len, body_len, tail_len;
    uint16_t pos; /* bytes of the packet already taken */
};

/* Starts a packet. prefix_len <= CAMLINK_PREFIX_MAX; prefix_len + body_len <= CAMLINK_MAX_PAYLOAD. Time: one CRC pass
 * over the payload. */
void camlink_encode(struct camlink_encoder *e, const struct camlink_header *h, const uint8_t *prefix, size_t prefix_len,
                    const uint8_t *body, size_t body_len);

/* The next contiguous bytes to send, in *p; 0 when the packet is done. Stable until camlink_encoder_take. */
size_t camlink_encoder_span(const struct camlink_encoder *e, const uint8_t **p);

/* Marks n bytes of the current span (n <= its length) as sent. */
void camlink_encoder_take(struct camlink_encoder *e, size_t n);

/* ---- Receiving ---------------------------------------------------------------------------- */

struct camlink_packet {
    uint8_t type;
    uint8_t flags;
    uint16_t seq;
    uint16_t ref;
    uint16_t len;
    const uint8_t *payload; /* borrowed: valid until the decoder is touched again */
};

/* What camlink_decode_next found. */
enum camlink_event {
    CAMLINK_EVENT_NONE = 0,   /* more bytes are needed */
    CAMLINK_EVENT_PACKET = 1, /* *packet is valid */
    CAMLINK_EVENT_TEXT = 2,   /* a line of text outside packets: *text, *text_len */
};

/*
 * Decoder over a caller's buffer. With a buffer of CAMLINK_MAX_PACKET it receives everything; a device may
 * use CAMLINK_MAX_HOST_PACKET: a packet that cannot fit is then a `length` error. text may be NULL: a device
 * has no use for it.
 */
struct camlink_decoder {
    uint8_t *buf;
    size_t cap, start, end;
    bool silent;  /* silence was reported and not yet acted upon */
    size_t freed; /* silence showed unfinished packets that start before this to be damaged */
    char *text;
    size_t text_cap, text_len;
    uint8_t text_state;
    size_t consumed; /* bytes of the packet handed out last, freed by the next call */
    /* Counters, readable, never decremented. */
    uint32_t header_errors, version_errors, length_errors, payload_errors;
    uint32_t packets;
    uint32_t lost; /* by seq */
    uint32_t discarded_bytes;
    uint16_t next_seq;
    bool seq_known;
};

/* text: NULL, or room for 257 chars (CAMLINK_TEXT_MAX + 1). */
#define CAMLINK_TEXT_MAX 256u
void camlink_decoder_init(struct camlink_decoder *d, uint8_t *buf, size_t cap, char *text, size_t text_cap);

/* Room for received bytes: *p and the count that fits. After writing n of them call camlink_decoder_fed(d, n). Only
 * valid once camlink_decode_next has returned NONE. */
size_t camlink_decoder_room(struct camlink_decoder *d, uint8_t **p);
void camlink_decoder_fed(struct camlink_decoder *d, size_t n);

/* The line has been silent for CAMLINK_SILENCE_MS (protocol 2.1). */
void camlink_decoder_silence(struct camlink_decoder *d);

/* Call until NONE after every feed or silence. Work is linear in the bytes fed, apart from rescans bounded by one
 * packet length. */
enum camlink_event camlink_decode_next(struct camlink_decoder *d, struct camlink_packet *packet, const char **text,
                                       size_t *text_len);

/* ---- Little-endian access ----------------------------------------------------------------- */

uint16_t camlink_get16(const uint8_t *p);
uint32_t camlink_get32(const uint8_t *p);
uint64_t camlink_get64(const uint8_t *p);
void camlink_put16(uint8_t *p, uint16_t v);
void camlink_put32(uint8_t *p, uint32_t v);
void camlink_put64(uint8_t *p, uint64_t v);

#ifdef __cplusplus
}
#endif

#endif
