/* The rate of the line: proposed, switched, proven, committed, or given back. */
#include "camlink_device_internal.h"

#include <string.h>

enum pattern_size { PATTERN_HEAD = 8, PATTERN_RUN = 64, PATTERN_RUNS = 4, PATTERN_SIZE = 1024 };

static uint32_t base_rate(const struct camlink_device *d)
{
    if (d->id->transport != CAMLINK_UART) {
        return 0;
    }
    return d->id->baud_base != 0 ? d->id->baud_base : CAMLINK_BASE_BAUD;
}

void camlink_rate_init(struct camlink_device *d)
{
    d->baud_now = base_rate(d);
    d->baud_target = d->baud_now;
    d->baud_proven = d->baud_now;
}

bool camlink_rate_has(const struct camlink_device *d)
{
    return d->p->set_baud != NULL && d->id->transport == CAMLINK_UART &&
           (d->id->features & (CAMLINK_FEATURE_BAUD | CAMLINK_FEATURE_ONE_WAY)) == CAMLINK_FEATURE_BAUD;
}

uint8_t camlink_rate_set(struct camlink_device *d, const uint8_t *payload, bool *switches)
{
    uint32_t baud = camlink_get32(payload);
    uint32_t token = camlink_get32(payload + 4);
    uint16_t confirm_ms = camlink_get16(payload + 8);
    *switches = false;
    if (!camlink_rate_has(d)) {
        return CAMLINK_STATUS_UNSUPPORTED;
    }
    if (d->baud_token_known && token == d->baud_token && baud == d->baud_now) {
        return CAMLINK_STATUS_OK; /* a repetition: done already */
    }
    if (baud == 0 || confirm_ms == 0 || (d->id->baud_max != 0 && baud > d->id->baud_max) ||
        !d->p->set_baud(d->ctx, baud, true)) {
        return CAMLINK_STATUS_INVALID;
    }
    d->baud_wanted = baud;
    d->baud_token = token;
    d->baud_token_known = false;
    d->baud_confirm_ms = confirm_ms;
    *switches = true;
    return CAMLINK_STATUS_OK;
}

void camlink_rate_set_sent(struct camlink_device *d)
{
    /* The link may have ended while the answer was under way. */
    if (d->state == CAMLINK_DEVICE_LINKED) {
        d->baud_trial = false;
        d->baud_target = d->baud_wanted;
        d->baud_trial_due = true;
    }
}

void camlink_rate_hello(struct camlink_device *d)
{
    if (d->baud_trial && d->baud_now == d->baud_proven) {
        d->baud_trial = false;
        d->baud_token_known = false;
    }
}

bool camlink_rate_proving(const struct camlink_device *d, uint32_t token)
{
    return d->baud_trial && token == d->baud_token;
}

size_t camlink_rate_pattern(struct camlink_device *d, uint32_t token, uint16_t index)
{
    static const uint8_t runs[PATTERN_RUNS] = {0x00, 0xFF, 0x55, 0xAA};
    uint8_t *p = d->scratch;
    camlink_put32(p, token);
    camlink_put16(p + 4, index);
    camlink_put16(p + 6, 0);
    p += PATTERN_HEAD;
    for (size_t i = 0; i < PATTERN_RUNS; i++) {
        memset(p + i * PATTERN_RUN, runs[i], PATTERN_RUN);
    }
    uint32_t x = token ^ (index + 1u) * 0x9E3779B9u;
    if (x == 0) {
        x = 1;
    }
    for (size_t i = sizeof runs * PATTERN_RUN; i < PATTERN_SIZE; i += 4) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        camlink_put32(p + i, x);
    }
    return PATTERN_HEAD + PATTERN_SIZE;
}

void camlink_rate_commit(struct camlink_device *d, uint32_t token)
{
    if (camlink_rate_proving(d, token)) {
        d->baud_trial = false;
        d->baud_proven = d->baud_now;
    }
}

bool camlink_rate_committed(const struct camlink_device *d, uint32_t token)
{
    return d->baud_token_known && !d->baud_trial && token == d->baud_token;
}

void camlink_rate_base(struct camlink_device *d)
{
    d->baud_trial = false;
    d->baud_trial_due = false;
    d->baud_token_known = false;
    d->baud_proven = base_rate(d);
    d->baud_target = d->baud_proven;
}

bool camlink_rate_switch_wanted(const struct camlink_device *d)
{
    return d->baud_trial_due || d->baud_target != d->baud_now;
}

void camlink_rate_switch(struct camlink_device *d, uint64_t now)
{
    bool trial = d->baud_trial_due;
    d->baud_trial_due = false;
    if (d->baud_target != d->baud_now) {
        if (!d->p->set_baud(d->ctx, d->baud_target, false)) {
            d->baud_target = d->baud_now; /* a beacon tries again */
            return;
        }
        d->baud_now = d->baud_target;
        camlink_device_forget_input(d);
    }
    if (trial) {
        d->baud_trial = true;
        d->baud_token_known = true;
        d->baud_trial_us = now + d->baud_confirm_ms * UINT64_C(1000);
    }
}

void camlink_rate_tick(struct camlink_device *d, uint64_t now)
{
    if (d->baud_trial && camlink_reached(now, d->baud_trial_us)) {
        /* What was asked for at this rate cannot be answered at another, and the pattern under way is of no more use.
         */
        camlink_tx_drop(d);
        d->request_count = 0;
        d->request_part = 0;
        d->baud_trial = false;
        d->baud_token_known = false;
        d->baud_target = d->baud_proven;
    }
}
