/*
 * The device on a string: reads commands from stdin, moves a device on a clock and a line of its own, and tells on
 * stdout what it did. internal/linkmodel drives it; docs/link-model.md says what for.
 *
 * A command is u8 op, u64 at_us, u32 len and len bytes. P adds a picture; B boots (u32 boot_id, features, baud_max,
 * period_us, line_max, u8 transport); S lets the bytes arrive at that time and polls; J polls
 * whenever the device asks for it, up to that time; K keeps the world, R returns to it. B, S and each poll of J
 * are answered by u32 length and report() below. All answers are out when the program waits for the next command, so
 * that commands may be sent many at a time.
 */
#include "../core/src/camlink_device_internal.h"
#include "camlink_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum step_limit {
    PICTURES = 4,
    PICTURE_MAX = 8192,
    FRAMES = 4,
    RX_MAX = 1024,
    RECORDS = 512,
    RECORD_HEAD = 1 + 8 + 8 + 4 + 2,
    OUT_MAX = 1 << 20,
    COMMAND_HEAD = 13,
    BACKLOG_US = 5000, /* of line time that the UART's buffer takes */
};

struct world {
    struct camlink_device device;
    struct camlink_identity identity;
    struct camlink_mailbox mailbox;
    uint64_t now_us, boot_us, busy_us, capture_us;
    uint32_t baud, period_us, line_max, captured;
    struct camlink_frame frames[FRAMES];
    bool taken[FRAMES];
    bool awake, reset_asked;
    uint8_t reset_mode;
    int32_t quality;
    uint8_t rx[RX_MAX];
    size_t rx_len;
};

/* One world: the snapshot is a copy that returns to the same place, pointers and all. */
static struct world world, kept;

static uint8_t pictures[PICTURES][PICTURE_MAX];
static uint32_t picture_len[PICTURES], picture_count;

static uint8_t out[OUT_MAX];
static size_t out_len;

/* What was written since the last answer: pieces of packets. */
static uint8_t records[RECORDS * 64];
static size_t records_len;
static uint16_t record_count;

static void fail(const char *what)
{
    fprintf(stderr, "step: %s\n", what);
    exit(2);
}

static uint64_t now_us(void *ctx)
{
    const struct world *w = ctx;
    return w->now_us - w->boot_us + 1000;
}

/* Microseconds that n bytes take; a USB line is taken for one of 12 Mbit/s. */
static uint64_t line_us(const struct world *w, size_t n)
{
    uint64_t baud = w->baud != 0 ? w->baud : 12000000;
    return (n * UINT64_C(10000000) + baud - 1) / baud;
}

static int line_write(void *ctx, const uint8_t *p, size_t n)
{
    struct world *w = ctx;
    uint64_t from = w->busy_us > w->now_us ? w->busy_us : w->now_us;
    if (from - w->now_us >= BACKLOG_US || record_count == RECORDS) {
        return 0;
    }
    n = n < 1024 ? n : 1024;
    if (records_len + RECORD_HEAD + n > sizeof records) {
        return 0;
    }
    w->busy_us = from + line_us(w, n);
    uint8_t *r = records + records_len;
    r[0] = w->device.tx.pos == 0; /* a packet begins */
    camlink_put64(r + 1, from);
    camlink_put64(r + 9, w->busy_us);
    camlink_put32(r + 17, w->baud);
    camlink_put16(r + 21, (uint16_t)n);
    memcpy(r + RECORD_HEAD, p, n);
    records_len += RECORD_HEAD + n;
    record_count++;
    return (int)n;
}

static int line_read(void *ctx, uint8_t *p, size_t n)
{
    struct world *w = ctx;
    n = n < w->rx_len ? n : w->rx_len;
    memcpy(p, w->rx, n);
    w->rx_len -= n;
    memmove(w->rx, w->rx + n, w->rx_len);
    return (int)n;
}

static bool line_drained(void *ctx)
{
    const struct world *w = ctx;
    return w->now_us >= w->busy_us;
}

static bool line_set_baud(void *ctx, uint32_t baud, bool check_only)
{
    struct world *w = ctx;
    if (baud > w->line_max) {
        return false;
    }
    if (!check_only) {
        w->baud = baud;
    }
    return true;
}

static void camera_sensor(void *ctx, bool awake)
{
    struct world *w = ctx;
    w->awake = awake;
    w->capture_us = w->now_us + w->period_us;
}

static void camera_release(void *ctx, struct camlink_frame *f)
{
    struct world *w = ctx;
    if (!w->taken[f - w->frames]) {
        fail("a picture was given back twice");
    }
    w->taken[f - w->frames] = false;
}

static void camera_capture(struct world *w)
{
    if (!w->awake || w->period_us == 0 || picture_count == 0 || w->now_us < w->capture_us) {
        return;
    }
    size_t i = 0;
    while (w->taken[i]) {
        if (++i == FRAMES) {
            fail("more pictures are out than there can be");
        }
    }
    uint32_t which = w->captured++ % picture_count;
    w->capture_us = w->now_us + w->period_us;
    w->taken[i] = true;
    w->frames[i] = (struct camlink_frame){
        .data = pictures[which],
        .len = picture_len[which],
        .t_capture_us = now_us(w),
        .width = 64,
        .height = 48,
        .quality = (uint8_t)w->quality,
    };
    struct camlink_frame *old = camlink_mailbox_put(&w->mailbox, &w->frames[i]);
    if (old != NULL) {
        w->taken[old - w->frames] = false;
    }
}

static size_t config_count(void *ctx)
{
    (void)ctx;
    return 1;
}

static void config_get(void *ctx, size_t i, struct camlink_config_item *item)
{
    const struct world *w = ctx;
    (void)i;
    *item = (struct camlink_config_item){.key = 2, .value = w->quality, .max = 63};
}

static void config_set(void *ctx, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item)
{
    struct world *w = ctx;
    (void)flags;
    w->quality = value < 0 ? 0 : value > 63 ? 63 : value;
    config_get(ctx, i, item);
    if (value != w->quality) {
        item->flags = CAMLINK_CONFIG_CLAMPED;
    }
}

static void health(void *ctx, struct camlink_health *h)
{
    const struct world *w = ctx;
    h->captured = w->captured;
}

static bool reset(void *ctx, uint8_t mode)
{
    struct world *w = ctx;
    w->reset_asked = true;
    w->reset_mode = mode;
    return true;
}

static const struct camlink_platform platform = {
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
};

/* ---- telling */

static void put8(uint8_t v)
{
    out[out_len++] = v;
}

static void put32(uint32_t v)
{
    camlink_put32(out + out_len, v);
    out_len += 4;
}

static void put64(uint64_t v)
{
    camlink_put64(out + out_len, v);
    out_len += 8;
}

/* How long until or since a time, as far as it can still matter, and coarsely: worlds that differ less are taken for
 * one. */
static uint32_t relative(uint64_t now, uint64_t due, int64_t limit)
{
    int64_t ms = ((int64_t)(due - now)) / 1000;
    ms = ms > limit ? limit : ms < -limit ? -limit : ms;
    int64_t grain = ms > 50 || ms < -50 ? 100 : 10;
    return (uint32_t)(int32_t)(ms / grain * grain);
}

static void mix(uint64_t *h, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        *h = (*h ^ (v & 0xFF)) * UINT64_C(1099511628211);
        v >>= 8;
    }
}

/* A key that is equal for worlds that behave alike: times are relative, counters are left out. */
static uint64_t world_key(const struct world *w)
{
    const struct camlink_device *d = &w->device;
    uint64_t now = now_us((void *)(uintptr_t)w);
    uint64_t h = UINT64_C(14695981039346656037);
    int32_t credit = (int32_t)(d->frame_limit - d->next_frame);
    bool linked = d->state == CAMLINK_DEVICE_LINKED;
    mix(&h, d->state | (uint64_t)d->hello_due << 8 | (uint64_t)d->silence_told << 9 | (uint64_t)d->tx_busy << 10 |
                (uint64_t)d->credit_known << 11 | (uint64_t)d->frame_doomed << 12 | (uint64_t)d->abort_due << 13 |
                (uint64_t)d->begun << 14 | (uint64_t)d->awake << 15 | (uint64_t)d->in_credit << 16 |
                (uint64_t)d->baud_token_known << 17 | (uint64_t)d->baud_trial_due << 18 |
                (uint64_t)d->baud_trial << 19 | (uint64_t)d->reset_due << 20 | (uint64_t)w->reset_asked << 21 |
                (uint64_t)(d->frame != NULL) << 22 | (uint64_t)d->log_yields << 23);
    mix(&h, linked ? relative(now, d->heard_us + d->lease_ms * UINT64_C(1000), 70000) : 0);
    mix(&h, linked ? d->lease_ms : 0);
    mix(&h, linked ? 0 : relative(now, d->hello_us, 1000));
    mix(&h, d->request_count | (uint64_t)d->request_part << 8);
    for (uint8_t i = 0; i < d->request_count; i++) {
        const struct camlink_request *r = &d->requests[(d->request_first + i) % CAMLINK_REQUESTS];
        mix(&h, camlink_crc32(r->type, r->payload, r->len));
    }
    mix(&h, d->tx_busy ? (uint64_t)(d->tx_after | d->tx_header.type << 8) | (uint64_t)d->tx.pos << 16 : 0);
    mix(&h, d->tx_busy && d->tx_cut_us != 0 ? relative(now, d->tx_cut_us, 1000) : 1);
    mix(&h, d->credit_known ? (uint32_t)(credit < -3 ? -3 : credit > 3 ? 3 : credit) : 9);
    mix(&h, d->min_interval_ms);
    mix(&h, d->begun ? relative(now, d->begin_us, 1000) : 1);
    mix(&h, d->frame != NULL ? d->frame_offset : 0);
    mix(&h, d->awake && !d->in_credit ? relative(now, d->dry_us, 1100) : 1);
    mix(&h, d->baud_now | (uint64_t)d->baud_target << 32);
    mix(&h, d->baud_proven | (uint64_t)d->baud_wanted << 32);
    mix(&h, d->baud_token);
    mix(&h, d->baud_trial ? relative(now, d->baud_trial_us, 70000) : 1);
    mix(&h, d->baud_trial ? 0 : d->baud_confirm_ms);
    mix(&h, d->settle_us != 0 ? relative(now, d->settle_us, 2000) : 1);
    mix(&h, (d->decoder.end - d->decoder.start) | (uint64_t)d->log_used << 16);
    mix(&h, d->silence_told ? 1 : relative(now, d->rx_us, 40));
    mix(&h, relative(w->now_us, w->busy_us > w->now_us ? w->busy_us : w->now_us, 10000));
    mix(&h, w->awake ? relative(w->now_us, w->capture_us, 1000) : 1);
    return h;
}

static void report(uint64_t deadline, bool last)
{
    const struct world *w = &world;
    const struct camlink_device *d = &w->device;
    size_t at = out_len;
    out_len += 4;
    put64(w->now_us);
    put64(deadline);
    put64(world_key(w));
    put8(d->state);
    put8((uint8_t)(d->baud_trial | d->baud_trial_due << 1 | d->credit_known << 2 | w->awake << 3 | w->reset_asked << 4 |
                   d->tx_busy << 5 | (d->frame != NULL) << 6 | d->reset_due << 7));
    put8(d->request_count);
    put8(w->reset_mode);
    put8(last);
    put32(w->baud);
    put32(d->baud_now);
    put32(d->baud_target);
    put32(d->baud_proven);
    put32(d->lease_ms);
    put32(d->frame_limit);
    put32(d->next_frame);
    put32(d->decoder.packets);
    put32(record_count);
    if (out_len + records_len > OUT_MAX - 1024) {
        fail("too many commands at a time");
    }
    memcpy(out + out_len, records, records_len);
    out_len += records_len;
    records_len = 0;
    record_count = 0;
    camlink_put32(out + at, (uint32_t)(out_len - at - 4));
}

/* ---- commands */

/* Returns when the device wants to be polled again. Its answer to the command is the last one if that is not before
 * until. */
static uint64_t poll_device(uint64_t until)
{
    struct world *w = &world;
    camera_capture(w);
    uint64_t deadline = w->now_us + camlink_device_poll(&w->device) * UINT64_C(1000);
    if (w->device.tx_busy) {
        uint64_t room = w->busy_us - BACKLOG_US + 1;
        deadline = room < deadline && room > w->now_us ? room : deadline;
    } else if (camlink_settle_wanted(&w->device) && w->busy_us > w->now_us) {
        deadline = w->busy_us < deadline ? w->busy_us : deadline;
    }
    if (w->awake && w->period_us != 0 && picture_count > 0) {
        deadline = w->capture_us < deadline ? w->capture_us : deadline;
    }
    deadline = deadline > w->now_us ? deadline : w->now_us + 1;
    report(deadline, w->now_us >= until);
    return deadline;
}

static void boot(uint64_t at, const uint8_t *p)
{
    struct world *w = &world;
    memset(w, 0, sizeof *w);
    w->now_us = at;
    w->boot_us = at;
    w->busy_us = at;
    w->identity = (struct camlink_identity){
        .boot_id = camlink_get32(p),
        .max_frame = PICTURE_MAX,
        .features = camlink_get32(p + 4),
        .baud_max = camlink_get32(p + 8),
        .transport = p[20],
        .reset_reason = 1,
        .board = "step",
    };
    w->period_us = camlink_get32(p + 12);
    w->line_max = camlink_get32(p + 16);
    w->baud = w->identity.transport == CAMLINK_UART ? CAMLINK_BASE_BAUD : 0;
    w->quality = 12;
    records_len = 0;
    record_count = 0;
    camlink_mailbox_init(&w->mailbox);
    camlink_device_init(&w->device, &platform, w, &w->identity, &w->mailbox);
    poll_device(0);
}

static void step(uint64_t at, const uint8_t *p, size_t n)
{
    if (at < world.now_us || n > RX_MAX - world.rx_len) {
        fail(at < world.now_us ? "time goes back" : "too many bytes at a time");
    }
    world.now_us = at;
    memcpy(world.rx + world.rx_len, p, n);
    world.rx_len += n;
    poll_device(0);
}

static void jump(uint64_t to)
{
    uint64_t next = world.now_us + 1;
    do {
        world.now_us = next < to ? next : to;
        next = poll_device(to);
    } while (world.now_us < to);
}

static void command(uint8_t op, uint64_t at, const uint8_t *p, size_t n)
{
    switch (op) {
    case 'P':
        if (picture_count == PICTURES) {
            fail("too many pictures");
        }
        memcpy(pictures[picture_count], p, n);
        picture_len[picture_count++] = (uint32_t)n;
        break;
    case 'B':
        if (n < 21) {
            fail("B is too short");
        }
        boot(at, p);
        break;
    case 'S':
        step(at, p, n);
        break;
    case 'J':
        if (at <= world.now_us) {
            fail("time goes back");
        }
        jump(at);
        break;
    case 'K':
        kept = world;
        break;
    case 'R':
        world = kept;
        records_len = 0;
        record_count = 0;
        break;
    default:
        fail("unknown command");
    }
}

static void flush(void)
{
    for (size_t done = 0; done < out_len;) {
        ssize_t n = write(STDOUT_FILENO, out + done, out_len - done);
        if (n <= 0) {
            exit(1);
        }
        done += (size_t)n;
    }
    out_len = 0;
}

int main(void)
{
    static uint8_t in[1 << 16];
    size_t len = 0;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, in + len, sizeof in - len);
        if (n <= 0) {
            return n < 0;
        }
        len += (size_t)n;
        size_t at = 0;
        while (len - at >= COMMAND_HEAD) {
            size_t size = camlink_get32(in + at + 9);
            if (size > PICTURE_MAX) {
                fail("a command is too long");
            }
            if (len - at < COMMAND_HEAD + size) {
                break;
            }
            command(in[at], camlink_get64(in + at + 1), in + at + COMMAND_HEAD, size);
            at += COMMAND_HEAD + size;
        }
        memmove(in, in + at, len - at);
        len -= at;
        flush();
    }
}
