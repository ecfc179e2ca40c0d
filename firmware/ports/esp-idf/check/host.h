/* The host at the other end of a fake wire: makes packets, and reads what the device sent. */
#ifndef HOST_H
#define HOST_H

#include "camlink.h"

#include <stdbool.h>

/* Writes one packet into out (CAMLINK_MAX_HOST_PACKET bytes); returns its length. */
size_t host_packet(uint8_t *out, uint8_t type, uint16_t ref, const uint8_t *payload, size_t len);

/* What a span of the device's bytes held. */
struct host_seen {
    unsigned packets, bad, of_type[256];
    unsigned frames; /* whole */
    unsigned aborted;
    uint8_t hello[256], config[1024], result[16], stats[64];
    size_t hello_len, config_len;
    char logs[4096];          /* "level tag: text\n" */
    uint8_t picture[1 << 16]; /* the last whole one */
    size_t picture_len;
    uint8_t quality;
};

void host_read(struct host_seen *seen, const uint8_t *p, size_t n);

#endif
