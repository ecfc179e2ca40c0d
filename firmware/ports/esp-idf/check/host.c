#include "host.h"

#include <stdio.h>
#include <string.h>

size_t host_packet(uint8_t *out, uint8_t type, uint16_t ref, const uint8_t *payload, size_t len)
{
    static uint16_t seq;
    struct camlink_encoder e;
    const struct camlink_header h = {.type = type, .seq = seq++, .ref = ref};
    camlink_encode(&e, &h, NULL, 0, payload, len);
    size_t n = 0;
    const uint8_t *p;
    for (size_t span; (span = camlink_encoder_span(&e, &p)) > 0;) {
        memcpy(out + n, p, span);
        n += span;
        camlink_encoder_take(&e, span);
    }
    return n;
}

static void take_log(struct host_seen *seen, const struct camlink_packet *p)
{
    size_t n = strlen(seen->logs);
    int tag = p->payload[9], text = p->len - 10 - tag;
    snprintf(seen->logs + n, sizeof seen->logs - n, "%u %.*s: %.*s\n", p->payload[8], tag,
             (const char *)p->payload + 10, text, (const char *)p->payload + 10 + tag);
}

static void take_chunk(struct host_seen *seen, const struct camlink_packet *p, size_t *have, uint32_t total)
{
    size_t n = p->len - 4u;
    if (camlink_get32(p->payload) != *have || *have + n > sizeof seen->picture) {
        return;
    }
    memcpy(seen->picture + *have, p->payload + 4, n);
    *have += n;
    if ((p->flags & CAMLINK_LAST) != 0 && *have == total) {
        seen->frames++;
        seen->picture_len = total;
    }
}

void host_read(struct host_seen *seen, const uint8_t *bytes, size_t n)
{
    static uint8_t room[CAMLINK_MAX_PACKET];
    struct camlink_decoder d;
    camlink_decoder_init(&d, room, sizeof room, NULL, 0);
    memset(seen, 0, sizeof *seen);
    uint32_t total = 0;
    size_t have = 0;
    while (n > 0) {
        uint8_t *to;
        size_t size = camlink_decoder_room(&d, &to);
        size = size < n ? size : n;
        memcpy(to, bytes, size);
        camlink_decoder_fed(&d, size);
        bytes += size;
        n -= size;
        struct camlink_packet p;
        while (camlink_decode_next(&d, &p, NULL, NULL) == CAMLINK_EVENT_PACKET) {
            seen->packets++;
            seen->of_type[p.type]++;
            if (p.type == CAMLINK_HELLO) {
                seen->hello_len = p.len < sizeof seen->hello ? p.len : sizeof seen->hello;
                memcpy(seen->hello, p.payload, seen->hello_len);
            } else if (p.type == CAMLINK_CONFIG) {
                seen->config_len = p.len;
                memcpy(seen->config, p.payload, p.len);
            } else if (p.type == CAMLINK_RESULT) {
                memcpy(seen->result, p.payload, 4);
            } else if (p.type == CAMLINK_STATS) {
                memcpy(seen->stats, p.payload, 52);
            } else if (p.type == CAMLINK_LOG) {
                take_log(seen, &p);
            } else if (p.type == CAMLINK_FRAME_BEGIN) {
                total = camlink_get32(p.payload + 4);
                seen->quality = p.payload[29];
                have = 0;
            } else if (p.type == CAMLINK_FRAME_CHUNK) {
                take_chunk(seen, &p, &have, total);
            } else if (p.type == CAMLINK_FRAME_ABORT) {
                seen->aborted++;
            }
        }
    }
    seen->bad = d.header_errors + d.payload_errors + d.length_errors + d.version_errors;
}
