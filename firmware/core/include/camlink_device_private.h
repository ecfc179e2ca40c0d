/*
 * The inside of struct camlink_device, complete only so that it can be placed statically. Nothing here is for callers,
 * apart from the counters, which may be read.
 */
#ifndef CAMLINK_DEVICE_PRIVATE_H
#define CAMLINK_DEVICE_PRIVATE_H

#ifndef CAMLINK_DEVICE_H
#error "include camlink_device.h instead"
#endif

/* Largest payload the device takes from the host, and says so in HELLO. */
#define CAMLINK_REQUEST_MAX (CAMLINK_MAX_HOST_PACKET - CAMLINK_HEADER_SIZE - 4u)
/* Requests that may wait for an answer. When all places are taken a new request is dropped and counted, as
 * if the line had lost it: the host repeats it, and the older ones are answered in order. */
#define CAMLINK_REQUESTS 8u
/* The longest payload made here and not borrowed from a picture is BAUD_PATTERN. */
#define CAMLINK_SCRATCH 1032u

/* A request is kept as it came and answered when its turn on the line comes: a place costs 96 bytes, an answer up to 1
 * kB. */
struct camlink_request {
    uint64_t rx_us;
    uint16_t ref;
    uint8_t type;
    uint8_t len;
    uint8_t payload[CAMLINK_REQUEST_MAX];
};

struct camlink_device {
    const struct camlink_platform *p;
    void *ctx;
    const struct camlink_identity *id;
    struct camlink_mailbox *mailbox;

    /* Link. */
    uint8_t state;
    bool hello_due;
    uint64_t hello_us; /* when the next HELLO without RESPONSE is due */
    uint64_t heard_us; /* last valid packet from the host */
    uint32_t lease_ms;

    /* Receiving. */
    struct camlink_decoder decoder;
    uint8_t rx[CAMLINK_MAX_HOST_PACKET];
    uint64_t rx_us; /* last time a byte arrived */
    bool silence_told;
    struct camlink_request requests[CAMLINK_REQUESTS];
    uint8_t request_first, request_count;
    uint16_t request_part; /* packets already sent of the first request's answer */

    /* Sending: at most one packet is under way. */
    struct camlink_encoder tx;
    struct camlink_header tx_header;
    bool tx_busy;
    bool tx_stamped;    /* carries the time it was handed to the line, at byte 16 */
    uint8_t tx_after;   /* what to do when it is out */
    uint16_t tx_len;    /* payload in scratch */
    uint64_t tx_cut_us; /* 0, or when to give the packet up */
    uint16_t tx_seq;
    uint8_t scratch[CAMLINK_SCRATCH];

    /* Pictures. */
    bool credit_known;
    uint32_t frame_limit;
    uint16_t min_interval_ms;
    uint32_t next_frame;
    struct camlink_frame *frame; /* being sent */
    uint32_t frame_no, frame_offset;
    bool frame_doomed; /* give it back as soon as the packet under way lets go of it */
    bool abort_due;
    bool begun; /* begin_us is valid */
    uint64_t begin_us;
    uint32_t skipped; /* pictures not sent since the last FRAME_BEGIN */
    uint32_t replaced_seen;
    bool awake;
    bool in_credit;
    uint64_t awake_us, dry_us; /* woke up; ran out of credit */

    /* Rate control: the frame rate held by moving quality. */
    struct camlink_rate_control rate_control;
    uint32_t begin_bytes; /* tx_bytes at begin_us */

    /* Rate. */
    uint32_t baud_now, baud_target, baud_proven, baud_wanted;
    uint32_t baud_token, baud_confirm_ms;
    bool baud_token_known;
    bool baud_trial_due; /* the switch to come starts a trial */
    bool baud_trial;
    uint64_t baud_trial_us; /* end of the trial */
    uint64_t settle_us;     /* 0, or when to stop waiting for the line to drain */

    bool reset_due;
    uint8_t reset_mode;
    uint16_t reset_ref;

    /* Log: records of one length byte and a LOG payload. */
    uint8_t log_ring[CAMLINK_LOG_RING];
    uint16_t log_first, log_used;
    uint8_t log_level;
    bool log_yields; /* a picture packet goes before the next line */

    /* Counters, since boot, wrapping; readable. */
    uint32_t frames_sent, skipped_credit, skipped_busy, bad_frames;
    uint32_t tx_bytes;
    uint32_t requests_dropped, strays, log_dropped;
};

#endif
