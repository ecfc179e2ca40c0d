#include "fake.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

static uint64_t now_us(void *ctx)
{
    const struct fake *f = ctx;
    return f->now_us;
}

static void host_decode(struct fake *f)
{
    struct camlink_packet p;
    while (camlink_decode_next(&f->host, &p, NULL, NULL) == CAMLINK_EVENT_PACKET) {
        if (f->packet_count == FAKE_PACKETS) {
            check_fail(__FILE__, __LINE__, "more packets than the test has room for");
            f->packet_count = 0;
            f->packet_next = 0;
        }
        struct fake_packet *to = &f->packets[f->packet_count++];
        to->type = p.type;
        to->flags = p.flags;
        to->seq = p.seq;
        to->ref = p.ref;
        to->len = p.len;
        to->at_us = f->now_us;
        memcpy(to->payload, p.payload, p.len);
    }
}

static int line_write(void *ctx, const uint8_t *p, size_t n)
{
    struct fake *f = ctx;
    if (f->gone) {
        return -1;
    }
    n = n < f->tx_room ? n : f->tx_room;
    n = n < f->tx_chunk ? n : f->tx_chunk;
    f->tx_room -= n;
    for (size_t left = n; left > 0;) {
        uint8_t *room;
        size_t size = camlink_decoder_room(&f->host, &room);
        size = size < left ? size : left;
        memcpy(room, p, size);
        camlink_decoder_fed(&f->host, size);
        host_decode(f);
        p += size;
        left -= size;
    }
    return (int)n;
}

static int line_read(void *ctx, uint8_t *p, size_t n)
{
    struct fake *f = ctx;
    f->read_at_all = true;
    if (f->gone) {
        return -1;
    }
    n = n < f->rx_len ? n : f->rx_len;
    n = n < f->rx_chunk ? n : f->rx_chunk;
    memcpy(p, f->rx, n);
    f->rx_len -= n;
    memmove(f->rx, f->rx + n, f->rx_len);
    return (int)n;
}

static bool line_drained(void *ctx)
{
    const struct fake *f = ctx;
    return !f->undrained;
}

static bool line_set_baud(void *ctx, uint32_t baud, bool check_only)
{
    struct fake *f = ctx;
    if (baud == f->bad_baud || (!check_only && baud == f->bad_switch)) {
        return false;
    }
    if (!check_only) {
        f->baud = baud;
        f->switches++;
    }
    return true;
}

static void camera_sensor(void *ctx, bool awake)
{
    struct fake *f = ctx;
    f->awake = awake;
    if (awake) {
        f->wakes++;
    } else {
        f->rests++;
    }
}

static void free_picture(struct fake *f, struct camlink_frame *p)
{
    free(p->owner);
    free(p);
    f->out--;
}

static void camera_release(void *ctx, struct camlink_frame *p)
{
    struct fake *f = ctx;
    f->released++;
    free_picture(f, p);
}

static size_t config_count(void *ctx)
{
    const struct fake *f = ctx;
    return f->config_count;
}

static void config_get(void *ctx, size_t i, struct camlink_config_item *item)
{
    const struct fake *f = ctx;
    *item = f->config[i];
}

static void config_set(void *ctx, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item)
{
    struct fake *f = ctx;
    struct camlink_config_item *own = &f->config[i];
    own->value = value < own->min ? own->min : value > own->max ? own->max : value;
    f->config_flags = flags;
    *item = *own;
    if (own->value != value) {
        item->flags |= CAMLINK_CONFIG_CLAMPED;
    }
}

static void health(void *ctx, struct camlink_health *h)
{
    const struct fake *f = ctx;
    *h = f->health;
}

static bool reset(void *ctx, uint8_t mode)
{
    struct fake *f = ctx;
    f->resets++;
    f->reset_mode = mode;
    return !f->reset_refused;
}

static void log_level(void *ctx, uint8_t level)
{
    struct fake *f = ctx;
    f->log_level = level;
}

struct fake *fake_new(void)
{
    struct fake *f = allocate(sizeof *f);
    f->device = allocate(sizeof *f->device);
    f->platform = (struct camlink_platform){
        .now_us = now_us,
        .write = line_write,
        .read = line_read,
        .drained = line_drained,
        .set_baud = line_set_baud,
        .sensor = camera_sensor,
        .frame_release = camera_release,
        .config_count = config_count,
        .config_get = config_get,
        .config_set = config_set,
        .health = health,
        .reset = reset,
        .log_level = log_level,
    };
    f->identity = (struct camlink_identity){
        .boot_id = 0xB007,
        .max_frame = 1 << 20,
        .baud_max = 3000000,
        .features = CAMLINK_FEATURE_CREDIT | CAMLINK_FEATURE_BAUD | CAMLINK_FEATURE_DOWNLOAD,
        .sensor_pid = 0x26,
        .reset_reason = 1,
        .transport = CAMLINK_UART,
        .mac = {2, 0, 0, 0, 0, 1},
        .firmware = "1.0",
        .board = "fake",
    };
    f->config[0] = (struct camlink_config_item){.key = 2, .value = 12, .max = 63};
    f->config[1] = (struct camlink_config_item){.key = 4, .value = 0, .min = -2, .max = 2};
    f->config[2] = (struct camlink_config_item){.key = 27, .flags = CAMLINK_CONFIG_READ_ONLY, .value = 20000000};
    f->config_count = 3;
    f->now_us = 1000000;
    f->rx_chunk = SIZE_MAX;
    f->tx_room = SIZE_MAX;
    f->tx_chunk = SIZE_MAX;
    camlink_decoder_init(&f->host, f->host_buf, sizeof f->host_buf, NULL, 0);
    camlink_mailbox_init(&f->mailbox);
    camlink_device_init(f->device, &f->platform, f, &f->identity, &f->mailbox);
    return f;
}

void fake_free(struct fake *f)
{
    struct camlink_frame *p = camlink_mailbox_take(&f->mailbox);
    if (p != NULL) {
        free_picture(f, p);
    }
    if (f->device->frame != NULL) {
        free_picture(f, f->device->frame);
    }
    if (f->out != 0) {
        check_fail(__FILE__, __LINE__, "%u pictures were never given back", f->out);
    }
    free(f->device);
    free(f);
}

uint32_t fake_poll(struct fake *f)
{
    return camlink_device_poll(f->device);
}

void fake_run(struct fake *f, uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i++) {
        f->now_us += 1000;
        fake_poll(f);
    }
}

void fake_send_bytes(struct fake *f, const uint8_t *p, size_t n)
{
    if (n > sizeof f->rx - f->rx_len) {
        check_fail(__FILE__, __LINE__, "the line to the device is full");
        return;
    }
    memcpy(f->rx + f->rx_len, p, n);
    f->rx_len += n;
}

void fake_send(struct fake *f, uint8_t type, uint16_t ref, const void *payload, size_t len)
{
    struct camlink_header h = {.type = type, .seq = f->host_seq++, .ref = ref};
    struct camlink_encoder e;
    camlink_encode(&e, &h, NULL, 0, payload, len);
    const uint8_t *p;
    size_t n;
    while ((n = camlink_encoder_span(&e, &p)) > 0) {
        fake_send_bytes(f, p, n);
        camlink_encoder_take(&e, n);
    }
}

void fake_hello_req(struct fake *f, uint16_t ref)
{
    static const uint8_t payload[12] = {1, 1};
    fake_send(f, CAMLINK_HELLO_REQ, ref, payload, sizeof payload);
}

void fake_credit(struct fake *f, uint32_t limit, uint16_t min_interval_ms, uint16_t lease_ms)
{
    uint8_t payload[8];
    camlink_put32(payload, limit);
    camlink_put16(payload + 4, min_interval_ms);
    camlink_put16(payload + 6, lease_ms);
    fake_send(f, CAMLINK_CREDIT, 0, payload, sizeof payload);
}

void fake_baud_set(struct fake *f, uint16_t ref, uint32_t baud, uint32_t token, uint16_t confirm_ms)
{
    uint8_t payload[12] = {0};
    camlink_put32(payload, baud);
    camlink_put32(payload + 4, token);
    camlink_put16(payload + 8, confirm_ms);
    fake_send(f, CAMLINK_BAUD_SET, ref, payload, sizeof payload);
}

void fake_baud_probe(struct fake *f, uint16_t ref, uint32_t token, uint16_t first, uint16_t count)
{
    static const uint8_t runs[4] = {0x00, 0xFF, 0x55, 0xAA};
    uint8_t payload[72];
    camlink_put32(payload, token);
    camlink_put16(payload + 4, first);
    camlink_put16(payload + 6, count);
    for (size_t i = 0; i < sizeof runs; i++) {
        memset(payload + 8 + i * 16, runs[i], 16);
    }
    fake_send(f, CAMLINK_BAUD_PROBE, ref, payload, sizeof payload);
}

void fake_baud_commit(struct fake *f, uint16_t ref, uint32_t token)
{
    uint8_t payload[4];
    camlink_put32(payload, token);
    fake_send(f, CAMLINK_BAUD_COMMIT, ref, payload, sizeof payload);
}

void fake_link(struct fake *f)
{
    fake_poll(f);
    fake_hello_req(f, 1);
    fake_poll(f);
    fake_forget(f);
}

const struct fake_packet *fake_take(struct fake *f)
{
    return f->packet_next < f->packet_count ? &f->packets[f->packet_next++] : NULL;
}

const struct fake_packet *fake_find(struct fake *f, uint8_t type)
{
    const struct fake_packet *p;
    while ((p = fake_take(f)) != NULL && p->type != type) {
    }
    return p;
}

size_t fake_count(const struct fake *f, uint8_t type)
{
    size_t n = 0;
    for (size_t i = f->packet_next; i < f->packet_count; i++) {
        n += f->packets[i].type == type;
    }
    return n;
}

void fake_forget(struct fake *f)
{
    f->packet_count = 0;
    f->packet_next = 0;
}

uint8_t fake_picture_byte(size_t i)
{
    return (uint8_t)(i * 7 + i / 256);
}

void fake_picture_at(struct fake *f, uint32_t len, uint64_t t_capture_us)
{
    struct camlink_frame *p = allocate(sizeof *p);
    uint8_t *data = allocate(len > 0 ? len : 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = fake_picture_byte(i);
    }
    *p = (struct camlink_frame){
        .data = data,
        .len = len,
        .t_capture_us = t_capture_us,
        .width = 640,
        .height = 480,
        .quality = (uint8_t)f->config[0].value,
        .owner = data,
    };
    f->out++;
    struct camlink_frame *old = camlink_mailbox_put(&f->mailbox, p);
    if (old != NULL) {
        free_picture(f, old);
    }
}

void fake_picture(struct fake *f, uint32_t len)
{
    fake_picture_at(f, len, f->now_us);
}
