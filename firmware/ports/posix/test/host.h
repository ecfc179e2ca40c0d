/* A minimal camlink host: opens the port, links, grants credit, and takes frames that are whole. */
#ifndef HOSTCAM_TEST_HOST_H
#define HOSTCAM_TEST_HOST_H

#include "camlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_MAX_FRAME (1u << 20)

struct host {
    int fd; /* -1: closed */
    uint16_t seq, ref;
    struct camlink_decoder decoder;
    uint8_t rx[CAMLINK_MAX_PACKET];
    char text[CAMLINK_TEXT_MAX + 1];

    /* Last answer and last HELLO. */
    uint8_t answer_type;
    uint16_t answer_ref, answer_len;
    uint8_t answer[CAMLINK_MAX_PAYLOAD];
    uint32_t hellos, boot_id, features, next_frame;
    uint32_t patterns;

    /* Pictures. */
    uint8_t frame[HOST_MAX_FRAME];
    uint32_t frame_no, frame_len, frame_have;
    uint16_t width, height;
    uint8_t quality;
    uint64_t captured_us; /* device clock */
    bool frame_open;
    bool keep_credit;  /* grant more at each FRAME_BEGIN ... */
    uint16_t lease_ms; /* ... and for how long */
    uint32_t whole, broken, begun;
    bool (*on_frame)(struct host *h, void *ctx); /* false: it is wrong */
    void *ctx;
    uint32_t wrong;

    uint64_t bytes, read_ns; /* bytes read, and when the last came */
    uint32_t lines, rom_lines, panic_lines;
    bool hung_up;
};

/* Waits up to a second for the port to be there. */
bool host_open(struct host *h, const char *path, uint32_t baud);
void host_close(struct host *h);
bool host_set_baud(struct host *h, uint32_t baud);

void host_send(struct host *h, uint8_t type, uint16_t ref, const uint8_t *payload, size_t len);
/* frame_limit n beyond what the device will number next. */
void host_credit(struct host *h, uint32_t n, uint16_t lease_ms);

/* Reads and acts for ms; stops early when until (may be NULL) says so, and then returns true. */
bool host_run(struct host *h, unsigned ms, bool (*until)(const struct host *));

/* HELLO_REQ until linked. */
bool host_link(struct host *h, unsigned ms);
/* A request and its answer, of type want. */
bool host_ask(struct host *h, uint8_t type, const uint8_t *payload, size_t len, uint8_t want);
/* Section 7: set, prove with 4 patterns, commit. */
bool host_climb(struct host *h, uint32_t baud);
/* CONFIG_SET of one key; the effective value in *value. */
bool host_config(struct host *h, uint16_t key, uint16_t flags, int32_t *value, uint16_t *out_flags);

#endif
