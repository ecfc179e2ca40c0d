/*
 * A platform and a host for tests of the device: a clock that only the test moves, a line with every fault the
 * platform's contract allows, pictures in their own allocations so that a sanitizer sees each stray access, and the
 * host's receiver at the far end.
 */
#ifndef FAKE_H
#define FAKE_H

#include "camlink_device.h"

enum fake_limit { FAKE_PACKETS = 512, FAKE_CONFIG = 4, FAKE_LOG = 256 };

struct fake_packet {
    uint8_t type, flags;
    uint16_t seq, ref, len;
    uint8_t payload[CAMLINK_MAX_PAYLOAD];
    uint64_t at_us; /* when its last byte was written */
};

struct fake {
    struct camlink_device *device; /* its own allocation */
    struct camlink_platform platform;
    struct camlink_identity identity;
    struct camlink_mailbox mailbox;
    uint64_t now_us;

    /* The line. */
    uint8_t rx[4096];
    size_t rx_len;
    size_t rx_chunk;     /* most bytes of one read */
    size_t tx_room;      /* bytes write takes before it answers 0 */
    size_t tx_chunk;     /* most bytes of one write */
    bool gone;           /* read and write fail */
    bool undrained;      /* drained answers no */
    bool read_at_all;    /* read was called */
    uint32_t baud;       /* as set; 0 before */
    uint32_t bad_baud;   /* refused, even when only checked */
    uint32_t bad_switch; /* refused when it comes to switching */
    unsigned switches;

    /* The camera. */
    bool awake;
    unsigned wakes, rests;
    unsigned out; /* pictures not given back */
    unsigned released;
    struct camlink_health health;
    struct camlink_config_item config[FAKE_CONFIG];
    size_t config_count;
    uint16_t config_flags; /* of the last config_set */
    bool reset_refused;
    unsigned resets;
    uint8_t reset_mode;
    uint8_t log_level;

    /* The host. */
    struct camlink_decoder host;
    uint8_t host_buf[CAMLINK_MAX_PACKET];
    struct fake_packet packets[FAKE_PACKETS]; /* ring-free: a test drains it with fake_take or fake_forget */
    size_t packet_count, packet_next;
    uint16_t host_seq;
};

/* A linked-up world in which nothing was polled yet: UART, every feature but ONE_WAY, 1 MiB frames. */
struct fake *fake_new(void);
/* Checks that no picture and no packet was lost, and frees. */
void fake_free(struct fake *f);

/* One poll at the present time. */
uint32_t fake_poll(struct fake *f);
/* Moves the clock by ms, polling at each millisecond. */
void fake_run(struct fake *f, uint32_t ms);

/* The host sends a packet (any size up to the longest). */
void fake_send(struct fake *f, uint8_t type, uint16_t ref, const void *payload, size_t len);
void fake_send_bytes(struct fake *f, const uint8_t *p, size_t n);
void fake_hello_req(struct fake *f, uint16_t ref);
void fake_credit(struct fake *f, uint32_t limit, uint16_t min_interval_ms, uint16_t lease_ms);
void fake_baud_set(struct fake *f, uint16_t ref, uint32_t baud, uint32_t token, uint16_t confirm_ms);
void fake_baud_probe(struct fake *f, uint16_t ref, uint32_t token, uint16_t first, uint16_t count);
void fake_baud_commit(struct fake *f, uint16_t ref, uint32_t token);
/* Polls once to start, links with ref 1 and forgets the packets so far. */
void fake_link(struct fake *f);

/* The next packet of the device that the test has not seen; NULL if none. */
const struct fake_packet *fake_take(struct fake *f);
/* The next one of this type, passing over others. */
const struct fake_packet *fake_find(struct fake *f, uint8_t type);
size_t fake_count(const struct fake *f, uint8_t type);
void fake_forget(struct fake *f);

/* Captures a picture of len bytes now, with the quality that config[0] has, and puts it into the mailbox. */
void fake_picture(struct fake *f, uint32_t len);
void fake_picture_at(struct fake *f, uint32_t len, uint64_t t_capture_us);
uint8_t fake_picture_byte(size_t i);

#endif
