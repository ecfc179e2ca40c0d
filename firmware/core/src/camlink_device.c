/* The link: its states, the lease, the beat of HELLO, and the loop that keeps the line full. */
#include "camlink_device_internal.h"

#include <string.h>

enum link_time_ms {
    BEACON_MS = 500,
    ONE_WAY_HELLO_MS = 1000,
    FIRST_LEASE_MS = 3000,
    GOODBYE_MS = 100,
    POLL_MAX_MS = 500,
};

/* Rounds of one poll: enough to fill any buffer, few enough that an endless input leaves the task its other duties. */
enum link_limit { ROUNDS = 256 };

/* Types below are a device's own: heard here they are an echo, which must neither keep the lease nor be answered. */
enum link_type { FIRST_HOST_TYPE = 0x40 };

static bool is_one_way(const struct camlink_device *d)
{
    return (d->id->features & CAMLINK_FEATURE_ONE_WAY) != 0;
}

static void forget_credit(struct camlink_device *d)
{
    d->credit_known = false;
    d->min_interval_ms = 0;
    d->lease_ms = FIRST_LEASE_MS;
}

static void forget_requests(struct camlink_device *d)
{
    d->request_count = 0;
    d->request_part = 0;
}

void camlink_device_init(struct camlink_device *d, const struct camlink_platform *p, void *ctx,
                         const struct camlink_identity *id, struct camlink_mailbox *mailbox)
{
    memset(d, 0, sizeof *d);
    d->p = p;
    d->ctx = ctx;
    d->id = id;
    d->mailbox = mailbox;
    d->state = CAMLINK_DEVICE_NEW;
    d->next_frame = 1;
    d->log_level = CAMLINK_LOG_DEFAULT;
    forget_credit(d);
    camlink_decoder_init(&d->decoder, d->rx, sizeof d->rx, NULL, 0);
    camlink_rate_init(d);
    camlink_rate_control_init(&d->rate_control);
}

static void schedule_hello(struct camlink_device *d, uint64_t now)
{
    d->hello_us = now + (d->state == CAMLINK_DEVICE_ONE_WAY ? ONE_WAY_HELLO_MS : BEACON_MS) * UINT64_C(1000);
}

static void enter_beacon(struct camlink_device *d, uint64_t now)
{
    d->state = is_one_way(d) ? CAMLINK_DEVICE_ONE_WAY : CAMLINK_DEVICE_BEACON;
    forget_credit(d);
    forget_requests(d);
    camlink_pictures_abandon(d, false);
    camlink_rate_base(d);
    camlink_pictures_sensor(d, now);
    d->hello_due = true;
    schedule_hello(d, now);
}

/* The host is gone: nobody misses the rest of the packet under way. */
static void lose_host(struct camlink_device *d, uint64_t now)
{
    camlink_tx_drop(d);
    enter_beacon(d, now);
}

/* The host said good-bye: the packet under way may end, so that the host's receiver stays in step. */
static void part_from_host(struct camlink_device *d, uint64_t now)
{
    enter_beacon(d, now);
    d->tx_cut_us = now + GOODBYE_MS * UINT64_C(1000);
}

static void lose_line(struct camlink_device *d, uint64_t now)
{
    lose_host(d, now);
    camlink_device_forget_input(d);
}

/* Until the line is back there is no use in trying at each call. */
static void find_line_gone(struct camlink_device *d, uint64_t now)
{
    lose_line(d, now);
    d->hello_due = false;
}

void camlink_device_line_reset(struct camlink_device *d)
{
    if (d->state != CAMLINK_DEVICE_NEW) {
        lose_line(d, d->p->now_us(d->ctx));
    }
}

void camlink_device_forget_input(struct camlink_device *d)
{
    d->decoder.start = 0;
    d->decoder.end = 0;
    d->decoder.consumed = 0;
}

bool camlink_device_linked(const struct camlink_device *d)
{
    return d->state == CAMLINK_DEVICE_LINKED;
}

uint32_t camlink_device_baud(const struct camlink_device *d)
{
    return d->baud_now;
}

static void take_credit(struct camlink_device *d, const uint8_t *payload, uint64_t now)
{
    uint16_t lease_ms = camlink_get16(payload + 6);
    if (lease_ms == 0) {
        part_from_host(d, now);
        return;
    }
    d->frame_limit = camlink_get32(payload);
    d->min_interval_ms = camlink_get16(payload + 4);
    d->lease_ms = lease_ms;
    d->credit_known = true;
    camlink_pictures_sensor(d, now);
}

static void begin_session(struct camlink_device *d)
{
    camlink_pictures_abandon(d, d->state == CAMLINK_DEVICE_LINKED);
    forget_credit(d);
    forget_requests(d);
    d->state = CAMLINK_DEVICE_LINKED;
    d->hello_due = false;
}

/* What must not wait for the line to be free is done here; the rest when its answer is sent. */
static void hear(struct camlink_device *d, const struct camlink_packet *packet, uint64_t now)
{
    if (packet->type < FIRST_HOST_TYPE) {
        d->strays++;
        return;
    }
    d->heard_us = now;
    if (packet->type == CAMLINK_HELLO_REQ) {
        if (camlink_requests_understands(packet)) {
            begin_session(d);
        }
        camlink_requests_put(d, packet, now);
    } else if (d->state == CAMLINK_DEVICE_BEACON) {
        d->hello_due = true;
    } else if (packet->type == CAMLINK_CREDIT && packet->len >= 8) {
        take_credit(d, packet->payload, now);
    } else {
        if (packet->type == CAMLINK_BAUD_COMMIT && packet->len >= 4) {
            camlink_rate_commit(d, camlink_get32(packet->payload));
        }
        camlink_requests_put(d, packet, now);
    }
}

/* Reads once. > 0: bytes came; 0: none; < 0: the line is gone. */
static int receive(struct camlink_device *d, uint64_t now)
{
    if (d->state == CAMLINK_DEVICE_ONE_WAY) {
        return 0;
    }
    uint8_t *room;
    size_t size = camlink_decoder_room(&d->decoder, &room);
    int n = d->p->read(d->ctx, room, size);
    if (n < 0) {
        return n;
    }
    if (n > 0) {
        camlink_decoder_fed(&d->decoder, (size_t)n);
        d->rx_us = now;
        d->silence_told = false;
    } else if (!d->silence_told && camlink_reached(now, d->rx_us + CAMLINK_SILENCE_MS * UINT64_C(1000))) {
        camlink_decoder_silence(&d->decoder);
        d->silence_told = true;
    }
    struct camlink_packet packet;
    while (camlink_decode_next(&d->decoder, &packet, NULL, NULL) == CAMLINK_EVENT_PACKET) {
        hear(d, &packet, now);
    }
    return n;
}

static void tick(struct camlink_device *d, uint64_t now)
{
    if (d->tx_busy && d->tx_cut_us != 0 && camlink_reached(now, d->tx_cut_us)) {
        camlink_tx_drop(d);
    }
    if (d->state == CAMLINK_DEVICE_LINKED) {
        if (camlink_reached(now, d->heard_us + d->lease_ms * UINT64_C(1000))) {
            lose_host(d, now);
        }
    } else if (camlink_reached(now, d->hello_us)) {
        d->hello_due = true;
        schedule_hello(d, now);
        camlink_rate_base(d);
    }
    camlink_rate_tick(d, now);
    camlink_settle(d, now);
    camlink_pictures_sensor(d, now);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return camlink_reached(a, b) ? b : a;
}

static uint32_t until_next(const struct camlink_device *d, uint64_t now)
{
    uint64_t next = now + POLL_MAX_MS * UINT64_C(1000);
    uint64_t due;
    if (d->state == CAMLINK_DEVICE_LINKED) {
        next = earlier(next, d->heard_us + d->lease_ms * UINT64_C(1000));
    } else {
        next = earlier(next, d->hello_us);
    }
    if (d->tx_busy && d->tx_cut_us != 0) {
        next = earlier(next, d->tx_cut_us);
    }
    if (d->baud_trial) {
        next = earlier(next, d->baud_trial_us);
    }
    if (camlink_settle_wanted(d)) {
        next = earlier(next, now + 1000);
    }
    if (camlink_pictures_deadline(d, &due)) {
        next = earlier(next, due);
    }
    if (d->decoder.end > d->decoder.start && !d->silence_told) {
        next = earlier(next, d->rx_us + CAMLINK_SILENCE_MS * UINT64_C(1000));
    }
    return camlink_reached(now, next) ? 0 : (uint32_t)((next - now + 999) / 1000);
}

uint32_t camlink_device_poll(struct camlink_device *d)
{
    uint64_t now = d->p->now_us(d->ctx);
    if (d->state == CAMLINK_DEVICE_NEW) {
        if (!is_one_way(d)) {
            d->p->sensor(d->ctx, false);
        }
        enter_beacon(d, now);
    }
    for (int round = 0; round < ROUNDS; round++) {
        int heard = receive(d, now);
        if (heard >= 0) {
            tick(d, now);
        }
        enum camlink_sent sent = heard < 0 ? CAMLINK_SENT_GONE : camlink_tx_run(d);
        now = d->p->now_us(d->ctx);
        if (sent == CAMLINK_SENT_GONE) {
            find_line_gone(d, now);
            return until_next(d, now);
        }
        if (heard == 0 && sent != CAMLINK_SENT_PACKET) {
            return until_next(d, now);
        }
    }
    return 0;
}
