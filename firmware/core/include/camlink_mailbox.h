/*
 * A mailbox for one picture: the newest wins. The capture task puts, the link task takes; each call is one
 * atomic exchange, so neither waits for the other and the core needs no lock.
 */
#ifndef CAMLINK_MAILBOX_H
#define CAMLINK_MAILBOX_H

#include <stdatomic.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One captured picture. Owned by whoever took it out of the mailbox, or by whom put got it back. */
struct camlink_frame {
    const uint8_t *data;
    uint32_t len;
    uint64_t t_capture_us; /* start of exposure, device clock */
    uint16_t width, height;
    uint8_t quality;
    void *owner; /* the platform's, untouched */
};

struct camlink_mailbox {
    _Atomic(struct camlink_frame *) frame;
    atomic_uint_least32_t replaced; /* pictures that put displaced, unsent */
};

void camlink_mailbox_init(struct camlink_mailbox *m);

/* Puts f in. Returns the picture it displaced, which is the caller's again, or NULL. */
struct camlink_frame *camlink_mailbox_put(struct camlink_mailbox *m, struct camlink_frame *f);

/* Takes the newest picture, or NULL. */
struct camlink_frame *camlink_mailbox_take(struct camlink_mailbox *m);

#ifdef __cplusplus
}
#endif

#endif
