#include "host.h"

#include "clock.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool host_set_baud(struct host *h, uint32_t baud)
{
    struct termios2 t;
    if (ioctl(h->fd, TCGETS2, &t) != 0) {
        return false;
    }
    t.c_iflag = 0;
    t.c_oflag = 0;
    t.c_lflag = 0;
    t.c_cflag = CS8 | CREAD | CLOCAL | BOTHER;
    t.c_ispeed = baud;
    t.c_ospeed = baud;
    return ioctl(h->fd, TCSETS2, &t) == 0;
}

bool host_open(struct host *h, const char *path, uint32_t baud)
{
    memset(h, 0, sizeof *h);
    h->fd = -1;
    for (uint64_t end = clock_ns() + NS_PER_S; h->fd < 0 && clock_ns() < end;) {
        h->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (h->fd < 0) {
            (void)poll(NULL, 0, 5);
        }
    }
    camlink_decoder_init(&h->decoder, h->rx, sizeof h->rx, h->text, sizeof h->text);
    h->next_frame = 1;
    h->lease_ms = 10000; /* longer than a picture takes at the base rate */
    return h->fd >= 0 && host_set_baud(h, baud);
}

void host_close(struct host *h)
{
    if (h->fd >= 0) {
        close(h->fd);
    }
    h->fd = -1;
}

void host_send(struct host *h, uint8_t type, uint16_t ref, const uint8_t *payload, size_t len)
{
    struct camlink_encoder e;
    struct camlink_header header = {.type = type, .seq = h->seq++, .ref = ref};
    camlink_encode(&e, &header, NULL, 0, payload, len);
    uint8_t packet[CAMLINK_MAX_HOST_PACKET];
    size_t used = 0, n;
    const uint8_t *p;
    while ((n = camlink_encoder_span(&e, &p)) > 0) {
        memcpy(packet + used, p, n);
        used += n;
        camlink_encoder_take(&e, n);
    }
    if (write(h->fd, packet, used) != (ssize_t)used) {
        h->hung_up = true;
    }
}

void host_credit(struct host *h, uint32_t n, uint16_t lease_ms)
{
    uint8_t p[8] = {0};
    camlink_put32(p, h->next_frame + n - 1);
    camlink_put16(p + 6, lease_ms);
    host_send(h, CAMLINK_CREDIT, 0, p, sizeof p);
}

/* ---- Receiving ---------------------------------------------------------------------------- */

static void begin_frame(struct host *h, const struct camlink_packet *p)
{
    h->broken += h->frame_open ? 1 : 0;
    h->begun++;
    h->frame_no = camlink_get32(p->payload);
    h->frame_len = camlink_get32(p->payload + 4);
    h->width = camlink_get16(p->payload + 24);
    h->height = camlink_get16(p->payload + 26);
    h->captured_us = camlink_get64(p->payload + 8);
    h->quality = p->payload[29];
    h->frame_have = 0;
    h->frame_open = h->frame_len > 0 && h->frame_len <= HOST_MAX_FRAME;
    h->next_frame = h->frame_no + 1;
    if (h->keep_credit) {
        host_credit(h, 2, h->lease_ms);
    }
}

static void add_chunk(struct host *h, const struct camlink_packet *p)
{
    uint32_t size = p->len - 4u;
    bool last = (p->flags & CAMLINK_LAST) != 0;
    if (!h->frame_open) {
        return;
    }
    if (p->ref != (uint16_t)h->frame_no || camlink_get32(p->payload) != h->frame_have ||
        size > h->frame_len - h->frame_have || last != (h->frame_have + size == h->frame_len)) {
        h->frame_open = false;
        h->broken++;
        return;
    }
    memcpy(h->frame + h->frame_have, p->payload + 4, size);
    h->frame_have += size;
    if (last) {
        h->frame_open = false;
        h->whole++;
        h->wrong += h->on_frame != NULL && !h->on_frame(h, h->ctx) ? 1 : 0;
    }
}

static void take_hello(struct host *h, const struct camlink_packet *p)
{
    h->hellos++;
    h->boot_id = camlink_get32(p->payload + 4);
    h->features = camlink_get32(p->payload + 32);
    h->next_frame = camlink_get32(p->payload + 44);
}

static void take_packet(struct host *h, const struct camlink_packet *p)
{
    switch (p->type) {
    case CAMLINK_HELLO:
        take_hello(h, p);
        break;
    case CAMLINK_FRAME_BEGIN:
        begin_frame(h, p);
        break;
    case CAMLINK_FRAME_CHUNK:
        add_chunk(h, p);
        break;
    case CAMLINK_BAUD_PATTERN:
        h->patterns++;
        break;
    default:
        break;
    }
    if ((p->flags & CAMLINK_RESPONSE) != 0) {
        h->answer_type = p->type;
        h->answer_ref = p->ref;
        h->answer_len = p->len;
        memcpy(h->answer, p->payload, p->len);
    }
}

static void take_text(struct host *h, const char *text, size_t len)
{
    h->lines++;
    h->rom_lines += len > 4 && memcmp(text, "rst:", 4) == 0 ? 1 : 0;
    h->panic_lines += len > 4 && memcmp(text, "Guru", 4) == 0 ? 1 : 0;
}

static void decode(struct host *h)
{
    struct camlink_packet packet;
    const char *text;
    size_t len;
    for (;;) {
        switch (camlink_decode_next(&h->decoder, &packet, &text, &len)) {
        case CAMLINK_EVENT_NONE:
            return;
        case CAMLINK_EVENT_PACKET:
            take_packet(h, &packet);
            break;
        case CAMLINK_EVENT_TEXT:
            take_text(h, text, len);
            break;
        }
    }
}

bool host_run(struct host *h, unsigned ms, bool (*until)(const struct host *))
{
    uint64_t end = clock_ns() + ms * NS_PER_MS, heard = clock_ns();
    do {
        if (until != NULL && until(h)) {
            return true;
        }
        struct pollfd in = {.fd = h->fd, .events = POLLIN};
        (void)poll(&in, 1, 5);
        uint8_t *room;
        size_t size = camlink_decoder_room(&h->decoder, &room);
        ssize_t n = read(h->fd, room, size);
        if (n > 0) {
            heard = clock_ns();
            h->bytes += (uint64_t)n;
            h->read_ns = heard;
            camlink_decoder_fed(&h->decoder, (size_t)n);
        } else if (n == 0 || errno == EIO) {
            h->hung_up = true;
            return until != NULL && until(h);
        } else if (clock_ns() - heard > CAMLINK_SILENCE_MS * NS_PER_MS) {
            camlink_decoder_silence(&h->decoder);
            heard = clock_ns();
        }
        decode(h);
    } while (clock_ns() < end);
    return until != NULL && until(h);
}

/* ---- Conversation ------------------------------------------------------------------------- */

static bool answered(const struct host *h)
{
    return h->answer_ref == h->ref;
}

bool host_ask(struct host *h, uint8_t type, const uint8_t *payload, size_t len, uint8_t want)
{
    h->ref++;
    for (int i = 0; i < 3; i++) {
        host_send(h, type, h->ref, payload, len);
        if (host_run(h, 300, answered)) {
            return h->answer_type == want;
        }
    }
    return false;
}

bool host_link(struct host *h, unsigned ms)
{
    uint8_t p[12] = {1, 1};
    camlink_put16(p + 8, CAMLINK_MAX_PAYLOAD);
    for (uint64_t end = clock_ns() + ms * NS_PER_MS; clock_ns() < end;) {
        h->ref++;
        host_send(h, CAMLINK_HELLO_REQ, h->ref, p, sizeof p);
        if (host_run(h, 250, answered)) {
            return h->answer_type == CAMLINK_HELLO;
        }
        if (h->hung_up) {
            return false;
        }
    }
    return false;
}

static bool proven(const struct host *h)
{
    return h->patterns >= 4;
}

bool host_climb(struct host *h, uint32_t baud)
{
    const uint32_t token = 0x12345678;
    uint8_t set[12] = {0}, probe[72], commit[4];
    camlink_put32(set, baud);
    camlink_put32(set + 4, token);
    camlink_put16(set + 8, 3000);
    if (!host_ask(h, CAMLINK_BAUD_SET, set, sizeof set, CAMLINK_RESULT) || h->answer[1] != CAMLINK_STATUS_OK ||
        !host_set_baud(h, baud)) {
        return false;
    }
    (void)host_run(h, 10, NULL);
    camlink_put32(probe, token);
    camlink_put16(probe + 4, 0);
    camlink_put16(probe + 6, 4);
    static const uint8_t runs[4] = {0x00, 0xFF, 0x55, 0xAA};
    for (size_t i = 0; i < 4; i++) {
        memset(probe + 8 + 16 * i, runs[i], 16);
    }
    h->patterns = 0;
    for (int i = 0; i < 4 && !proven(h); i++) {
        host_send(h, CAMLINK_BAUD_PROBE, ++h->ref, probe, sizeof probe);
        (void)host_run(h, 300, proven);
    }
    camlink_put32(commit, token);
    return proven(h) && host_ask(h, CAMLINK_BAUD_COMMIT, commit, sizeof commit, CAMLINK_RESULT) &&
           h->answer[1] == CAMLINK_STATUS_OK;
}

bool host_config(struct host *h, uint16_t key, uint16_t flags, int32_t *value, uint16_t *out_flags)
{
    uint8_t p[8];
    camlink_put16(p, key);
    camlink_put16(p + 2, flags);
    camlink_put32(p + 4, (uint32_t)*value);
    if (!host_ask(h, CAMLINK_CONFIG_SET, p, sizeof p, CAMLINK_CONFIG) || h->answer_len != 16) {
        return false;
    }
    *out_flags = camlink_get16(h->answer + 2);
    *value = (int32_t)camlink_get32(h->answer + 4);
    return camlink_get16(h->answer) == key;
}
