/* The transmit arbiter: control before pictures, one packet at a time, decided when the one before is out. */
#include "camlink_device_internal.h"

enum tx_time_ms { DRAIN_MS = 1000 };

/* Where both PONG and FRAME_BEGIN carry the time they were handed to the line. */
enum tx_offset { STAMP_AT = 16 };

static void encode(struct camlink_device *d)
{
    if (d->tx_stamped) {
        camlink_put64(d->scratch + STAMP_AT, d->p->now_us(d->ctx));
    }
    camlink_encode(&d->tx, &d->tx_header, NULL, 0, d->scratch, d->tx_len);
}

static void start(struct camlink_device *d)
{
    d->tx_header.seq = d->tx_seq++;
    d->tx_busy = true;
    d->tx_cut_us = 0;
}

void camlink_tx_start(struct camlink_device *d, uint8_t type, uint8_t flags, uint16_t ref, size_t len)
{
    d->tx_header = (struct camlink_header){.type = type, .flags = flags, .ref = ref};
    start(d);
    d->tx_after = CAMLINK_AFTER_NOTHING;
    d->tx_len = (uint16_t)len;
    d->tx_stamped = type == CAMLINK_PONG || type == CAMLINK_FRAME_BEGIN;
    encode(d);
}

void camlink_tx_start_body(struct camlink_device *d, const struct camlink_header *h, const uint8_t prefix[4],
                           const uint8_t *body, size_t body_len, enum camlink_after after)
{
    d->tx_header = *h;
    start(d);
    d->tx_after = (uint8_t)after;
    d->tx_stamped = false;
    camlink_encode(&d->tx, &d->tx_header, prefix, 4, body, body_len);
}

void camlink_tx_drop(struct camlink_device *d)
{
    d->tx_busy = false;
    if (d->frame_doomed) {
        camlink_pictures_release(d);
    }
}

static void finish(struct camlink_device *d)
{
    d->tx_busy = false;
    switch ((enum camlink_after)d->tx_after) {
    case CAMLINK_AFTER_NOTHING:
        break;
    case CAMLINK_AFTER_CHUNK:
        if (d->frame_doomed) {
            camlink_pictures_release(d);
        }
        break;
    case CAMLINK_AFTER_LAST_CHUNK:
        d->frames_sent++;
        camlink_pace_sent(d);
        d->abort_due = false;
        camlink_pictures_release(d);
        break;
    case CAMLINK_AFTER_BAUD_SET:
        camlink_rate_set_sent(d);
        break;
    case CAMLINK_AFTER_RESET:
        d->reset_due = true;
        break;
    }
}

/* A line of log goes before a picture packet but never twice in a row: neither starves the other. */
static bool start_log_or_picture(struct camlink_device *d, uint64_t now)
{
    if (!d->log_yields && camlink_log_start_packet(d)) {
        d->log_yields = true;
        return true;
    }
    d->log_yields = false;
    return camlink_pictures_start_packet(d, now) || camlink_log_start_packet(d);
}

static bool start_next(struct camlink_device *d, uint64_t now)
{
    if (d->abort_due) {
        camlink_pictures_start_abort(d);
        return true;
    }
    if (d->hello_due) {
        d->hello_due = false;
        camlink_requests_start_hello(d, 0, 0);
        return true;
    }
    if (camlink_requests_start_answer(d)) {
        return true;
    }
    /* Nothing but proof belongs on a line that is being proven, and nobody listens to a beacon's pictures. */
    if (d->state == CAMLINK_DEVICE_BEACON || d->baud_trial) {
        return false;
    }
    return start_log_or_picture(d, now);
}

enum camlink_sent camlink_tx_run(struct camlink_device *d)
{
    if (!d->tx_busy) {
        if (camlink_settle_wanted(d)) {
            return CAMLINK_SENT_BLOCKED;
        }
        if (!start_next(d, d->p->now_us(d->ctx))) {
            return CAMLINK_SENT_ALL;
        }
    } else if (d->tx_stamped && d->tx.pos == 0) {
        encode(d);
    }
    for (;;) {
        const uint8_t *p;
        size_t size = camlink_encoder_span(&d->tx, &p);
        if (size == 0) {
            finish(d);
            return CAMLINK_SENT_PACKET;
        }
        int n = d->p->write(d->ctx, p, size);
        if (n < 0) {
            return CAMLINK_SENT_GONE;
        }
        if (n == 0) {
            return CAMLINK_SENT_BLOCKED;
        }
        camlink_encoder_take(&d->tx, (size_t)n);
        d->tx_bytes += (uint32_t)n;
    }
}

bool camlink_settle_wanted(const struct camlink_device *d)
{
    return d->reset_due || camlink_rate_switch_wanted(d);
}

void camlink_settle(struct camlink_device *d, uint64_t now)
{
    if (d->tx_busy || !camlink_settle_wanted(d)) {
        return;
    }
    if (d->settle_us == 0) {
        d->settle_us = now + DRAIN_MS * UINT64_C(1000);
    }
    /* A line that never drains must hold up neither the return to the base rate nor a reset that was promised. */
    if (!d->p->drained(d->ctx) && !camlink_reached(now, d->settle_us)) {
        return;
    }
    d->settle_us = 0;
    if (!d->reset_due) {
        camlink_rate_switch(d, now);
        return;
    }
    d->reset_due = false;
    if (!d->p->reset(d->ctx, d->reset_mode)) {
        camlink_requests_start_result(d, CAMLINK_RESET, d->reset_ref, CAMLINK_STATUS_FAILED);
    }
}
