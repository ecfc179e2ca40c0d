/*
 * The device end of docs/protocol.md: link state machine, pacing, credit and lease, rate negotiation, configuration,
 * statistics and log, over a platform that is a const table of functions.
 *
 * One task owns a camlink_device and calls camlink_device_poll; nothing here blocks. Pictures come in
 * through a camlink_mailbox, which another task may fill; log lines through camlink_device_log (same task).
 */
#ifndef CAMLINK_DEVICE_H
#define CAMLINK_DEVICE_H

#include "camlink.h"
#include "camlink_mailbox.h"
#include "camlink_rate_control.h"

#ifdef __cplusplus
extern "C" {
#endif

enum camlink_transport { CAMLINK_UART = 0, CAMLINK_USB_JTAG = 1, CAMLINK_USB_CDC = 2 };

enum camlink_feature {
    CAMLINK_FEATURE_CREDIT = 1 << 0,
    CAMLINK_FEATURE_BAUD = 1 << 1,
    CAMLINK_FEATURE_PERSIST = 1 << 2,
    CAMLINK_FEATURE_SOFT_JPEG = 1 << 4,
    CAMLINK_FEATURE_DOWNLOAD = 1 << 5,
    CAMLINK_FEATURE_OTA = 1 << 6,
    CAMLINK_FEATURE_LAMP = 1 << 7,
    CAMLINK_FEATURE_ONE_WAY = 1 << 8,
    CAMLINK_FEATURE_TEST_CARD = 1 << 9,
};

/* What HELLO says. Strings are NUL-terminated, cut at 63 bytes, borrowed for the life of the device; NULL leaves the
 * TLV out. */
struct camlink_identity {
    uint32_t boot_id;   /* random, new on every boot */
    uint32_t max_frame; /* a larger picture is dropped and counted as a camera error */
    uint32_t baud_base; /* 0 means CAMLINK_BASE_BAUD; ignored on USB */
    uint32_t baud_max;  /* higher rates are refused; 0: whatever set_baud can make */
    /* enum camlink_feature, ored. BAUD is left out of HELLO on USB and without set_baud, CREDIT with ONE_WAY. */
    uint32_t features;
    uint16_t sensor_pid;
    uint8_t reset_reason;
    uint8_t transport; /* enum camlink_transport */
    uint8_t mac[6];
    const char *firmware, *board, *sdk, *sensor, *name;
};

struct camlink_config_item {
    uint16_t key;
    uint16_t flags; /* enum camlink_config_flag */
    int32_t value, min, max;
};

enum camlink_config_flag { CAMLINK_CONFIG_UNSUPPORTED = 1, CAMLINK_CONFIG_READ_ONLY = 2, CAMLINK_CONFIG_CLAMPED = 4 };

/* What only the platform knows of STATS; the core fills in the rest. */
struct camlink_health {
    uint32_t captured, camera_errors, rx_overruns, heap_free, heap_min, psram_free;
    int16_t temperature; /* tenths of a degree Celsius; INT16_MIN: none */
};

/*
 * What the platform owes. Every function gets the ctx of camlink_device_init, is called from the task that polls, and
 * must not block. Functions marked optional may be NULL.
 */
struct camlink_platform {
    /* Microseconds since boot; never goes back. */
    uint64_t (*now_us)(void *ctx);
    /* Gives up to n bytes to the line. > 0: so many were taken (they are copied or sent on return); 0: no room now, try
     * later; < 0: the line is gone, and what was unsent is lost. */
    int (*write)(void *ctx, const uint8_t *p, size_t n);
    /* Takes up to n received bytes. 0: none; < 0: the line is gone. */
    int (*read)(void *ctx, uint8_t *p, size_t n);
    /* True once everything written has left the wire: a rate may be changed. */
    bool (*drained)(void *ctx);
    /* Changes the rate of the line. False: not within 1.5 %, nothing changed. check_only: say so, change nothing.
     * Optional: no BAUD feature. */
    bool (*set_baud)(void *ctx, uint32_t baud, bool check_only);
    /* Wakes the sensor or puts it to rest. After true, only pictures captured from then on may enter the mailbox: older
     * ones, by their t_capture_us, are given back unsent. */
    void (*sensor)(void *ctx, bool awake);
    /* Gives a picture taken from the mailbox back to its owner. */
    void (*frame_release)(void *ctx, struct camlink_frame *f);
    /* Number of configuration items, and item i (< count). Optional (with config_set). Keys 29 (chunk_bytes), 30
     * (log_level) and 31 to 33 (rate control) are the link's own: items with these keys are hidden. Items flagged
     * READ_ONLY are never set. */
    size_t (*config_count)(void *ctx);
    void (*config_get)(void *ctx, size_t i, struct camlink_config_item *item);
    /* Sets item i to value, clamped as need be; flags as in CONFIG_SET; fills in item with what is effective. Rate
     * control sets key 2 (quality) often, with flags 0. */
    void (*config_set)(void *ctx, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item);
    void (*health)(void *ctx, struct camlink_health *h);
    /* Reboots; mode as in RESET. Called once the answer has left the wire. False: it failed, and the host is told. May
     * not return. Mode 1 is asked for only with the DOWNLOAD feature. */
    bool (*reset)(void *ctx, uint8_t mode);
    /* Optional: the host's wish, as in LOG_LEVEL. Lines above it are filtered here already. */
    void (*log_level)(void *ctx, uint8_t level);
};

/* Sizes the core reserves inside camlink_device. */
#define CAMLINK_CONFIG_MAX 40u /* items a platform may offer */
#define CAMLINK_LOG_RING 1024u /* bytes of log waiting for the line; what does not fit is dropped and counted */

#include "camlink_device_private.h"

/* Prepares a device; it starts in BEACON (or streams, if ONE_WAY). p, ctx, id and mailbox must outlive it. */
void camlink_device_init(struct camlink_device *d, const struct camlink_platform *p, void *ctx,
                         const struct camlink_identity *id, struct camlink_mailbox *mailbox);

/*
 * Reads, decides, writes: as much as the line takes now. Returns how many milliseconds may pass before
 * the next call when neither bytes arrive, nor room on the line, nor a picture in the mailbox: at most 500. Call sooner
 * at will.
 */
uint32_t camlink_device_poll(struct camlink_device *d);

/* The line was lost and came back, perhaps with another host: back to BEACON. */
void camlink_device_line_reset(struct camlink_device *d);

/* Queues a log line for the host. level as in LOG_LEVEL. Dropped and counted when the ring is full. */
void camlink_device_log(struct camlink_device *d, uint8_t level, const char *tag, const char *text);

/* True while a host is linked. */
bool camlink_device_linked(const struct camlink_device *d);

/* The rate the line has now as far as the link knows; 0 on USB. */
uint32_t camlink_device_baud(const struct camlink_device *d);

/* How many microseconds apart captures are wanted; 0: as fast as the camera makes them. Follows key 31: look after each
 * poll. A camera that is faster loses what comes too early; each picture should carry the quality it was taken with. */
uint32_t camlink_device_interval_us(const struct camlink_device *d);

#ifdef __cplusplus
}
#endif

#endif
