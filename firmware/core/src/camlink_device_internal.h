/* What the parts of the device share. The names are prefixed because a library has one name space. */
#ifndef CAMLINK_DEVICE_INTERNAL_H
#define CAMLINK_DEVICE_INTERNAL_H

#include "camlink_device.h"

enum camlink_device_state {
    CAMLINK_DEVICE_NEW, /* before the first poll: the platform was not touched yet */
    CAMLINK_DEVICE_BEACON,
    CAMLINK_DEVICE_LINKED,
    CAMLINK_DEVICE_ONE_WAY,
};

/* What the end of the packet under way sets off. */
enum camlink_after {
    CAMLINK_AFTER_NOTHING,
    CAMLINK_AFTER_CHUNK,
    CAMLINK_AFTER_LAST_CHUNK,
    CAMLINK_AFTER_BAUD_SET,
    CAMLINK_AFTER_RESET,
};

enum camlink_sent {
    CAMLINK_SENT_ALL,     /* nothing left to send */
    CAMLINK_SENT_PACKET,  /* one packet is out */
    CAMLINK_SENT_BLOCKED, /* the line is full, or must drain first */
    CAMLINK_SENT_GONE,
};

enum camlink_log_limit { CAMLINK_LOG_DEFAULT = 3, CAMLINK_LOG_HIGHEST = 4 };

/* By signed difference, so that the clock may wrap. */
static inline bool camlink_reached(uint64_t now, uint64_t due)
{
    return (int64_t)(now - due) >= 0;
}

/* camlink_device.c */
void camlink_device_forget_input(struct camlink_device *d);

/* camlink_device_tx.c: the packet under way, and which is next. */
enum camlink_sent camlink_tx_run(struct camlink_device *d);
/* Forgets the packet under way, wherever it stands. */
void camlink_tx_drop(struct camlink_device *d);
/* Starts a packet whose len bytes of payload are in scratch. */
void camlink_tx_start(struct camlink_device *d, uint8_t type, uint8_t flags, uint16_t ref, size_t len);
/* Starts a packet with a borrowed body. */
void camlink_tx_start_body(struct camlink_device *d, const struct camlink_header *h, const uint8_t prefix[4],
                           const uint8_t *body, size_t body_len, enum camlink_after after);
/* Work that waits for an idle and drained line: a change of rate, a reset. Nothing starts while it is wanted. */
bool camlink_settle_wanted(const struct camlink_device *d);
void camlink_settle(struct camlink_device *d, uint64_t now);

/* camlink_device_pictures.c */
/* Wakes or rests the sensor as the credit stands. */
void camlink_pictures_sensor(struct camlink_device *d, uint64_t now);
/* Gives up the frame being sent; tell: with a FRAME_ABORT. */
void camlink_pictures_abandon(struct camlink_device *d, bool tell);
/* Gives the frame being sent back, once no packet borrows from it. */
void camlink_pictures_release(struct camlink_device *d);
/* Starts the next packet of a picture. False: none may be sent now. */
bool camlink_pictures_start_packet(struct camlink_device *d, uint64_t now);
void camlink_pictures_start_abort(struct camlink_device *d);
/* When the clock alone will change something. False: it will not. */
bool camlink_pictures_deadline(const struct camlink_device *d, uint64_t *due_us);
uint32_t camlink_pictures_chunk_size(const struct camlink_device *d);

/* camlink_device_pace.c */
/* Rate control's keys, as CONFIG shows them. False: key is not one of them. */
bool camlink_pace_item(const struct camlink_device *d, uint16_t key, struct camlink_config_item *item);
void camlink_pace_set(struct camlink_device *d, uint16_t key, int32_t value);
/* The nearest to value that the host may set key to. */
int32_t camlink_pace_allows(const struct camlink_device *d, uint16_t key, int32_t value);
/* The host set a key of the platform's. */
void camlink_pace_changed(struct camlink_device *d, uint16_t key);
/* Whether f is sent. False: skipped and counted; f is still the caller's. */
bool camlink_pace_admit(struct camlink_device *d, const struct camlink_frame *f, uint64_t now);
void camlink_pace_begun(struct camlink_device *d, uint64_t now);
void camlink_pace_sent(struct camlink_device *d);

/* camlink_device_requests.c */
void camlink_requests_put(struct camlink_device *d, const struct camlink_packet *packet, uint64_t now);
/* Starts the next packet that the oldest request calls for. False: there is none. */
bool camlink_requests_start_answer(struct camlink_device *d);
void camlink_requests_start_hello(struct camlink_device *d, uint8_t flags, uint16_t ref);
void camlink_requests_start_result(struct camlink_device *d, uint8_t type, uint16_t ref, uint8_t status);
/* Whether a HELLO_REQ is whole and its host speaks our version. */
bool camlink_requests_understands(const struct camlink_packet *packet);

/* camlink_device_config.c */
/* Write the CONFIG answer to keys or items into scratch; return its length. */
size_t camlink_config_get(struct camlink_device *d, const uint8_t *keys, size_t len);
size_t camlink_config_set(struct camlink_device *d, const uint8_t *items, size_t len);
/* The platform's item with this key. False: it has none. */
bool camlink_config_find(const struct camlink_device *d, uint16_t key, size_t *index, struct camlink_config_item *item);

/* camlink_device_rate.c */
void camlink_rate_init(struct camlink_device *d);
/* Whether the rate can be negotiated at all. */
bool camlink_rate_has(const struct camlink_device *d);
/* Judges a BAUD_SET; *switches: the end of the answer must call camlink_rate_set_sent. */
uint8_t camlink_rate_set(struct camlink_device *d, const uint8_t *payload, bool *switches);
void camlink_rate_set_sent(struct camlink_device *d);
/* A host that begins anew ends the trial of a rate that was proven before: it need not know of it, and would get no
 * picture. */
void camlink_rate_hello(struct camlink_device *d);
bool camlink_rate_proving(const struct camlink_device *d, uint32_t token);
/* Writes a BAUD_PATTERN into scratch; returns its length. */
size_t camlink_rate_pattern(struct camlink_device *d, uint32_t token, uint16_t index);
void camlink_rate_commit(struct camlink_device *d, uint32_t token);
bool camlink_rate_committed(const struct camlink_device *d, uint32_t token);
/* Back to the base rate, as soon as the line has drained. */
void camlink_rate_base(struct camlink_device *d);
bool camlink_rate_switch_wanted(const struct camlink_device *d);
void camlink_rate_switch(struct camlink_device *d, uint64_t now);
void camlink_rate_tick(struct camlink_device *d, uint64_t now);

/* camlink_device_log.c */
bool camlink_log_start_packet(struct camlink_device *d);
void camlink_log_set_level(struct camlink_device *d, uint8_t level);

#endif
