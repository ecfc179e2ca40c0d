/*
 * CONFIG: every setting of the picture, its range on this sensor, and the value in force.
 *
 * The link task asks and sets; the capture task owns the sensor and applies what was set between two pictures,
 * so that no register changes under a picture and the link never waits for the sensor's slow bus. What the sensor
 * refuses goes back to the value it has, with a line of log.
 */
#ifndef CONTROLS_H
#define CONTROLS_H

#include "camlink_device.h"

#include "esp_camera.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum control_key {
    KEY_SIZE = 1,
    KEY_QUALITY,
    KEY_MIN_INTERVAL_MS,
    KEY_BRIGHTNESS,
    KEY_CONTRAST,
    KEY_SATURATION,
    KEY_SHARPNESS,
    KEY_HMIRROR,
    KEY_VFLIP,
    KEY_AWB,
    KEY_WB_MODE,
    KEY_AEC,
    KEY_AEC_VALUE,
    KEY_AE_LEVEL,
    KEY_AGC,
    KEY_AGC_GAIN,
    KEY_GAINCEILING,
    KEY_AEC2,
    KEY_EFFECT,
    KEY_LENC,
    KEY_RAW_GMA,
    KEY_BPC,
    KEY_WPC,
    KEY_DCW,
    KEY_COLORBAR,
    KEY_DENOISE,
    KEY_XCLK_HZ,
    KEY_LAMP,
    CONTROL_KEYS, /* one more than the last */
};

struct control_size {
    uint16_t width, height;
};

/* What this device offers, settled before the tasks start. */
struct controls_offer {
    const struct control_size *sizes;
    size_t size_count;
    sensor_t *sensor; /* NULL: the test card */
    bool soft_jpeg;   /* pictures are compressed here: quality is not the sensor's */
    bool lamp;
    struct control_size first_size;
    int32_t xclk_hz;
};

struct controls {
    const struct control_size *sizes;
    size_t size_count;
    bool soft_jpeg;
    /* Constant once the tasks run. */
    struct {
        int32_t min, max;
        bool offered, read_only;
    } range[CONTROL_KEYS];
    /* Put by the link task, taken by the capture task; values also go back. */
    _Atomic int32_t value[CONTROL_KEYS];
    atomic_uint dirty;
    /* The capture task's: keys that were ever set, to be set again in a sensor that was reset. */
    uint32_t touched;
    uint32_t refused; /* settings the sensor did not take */
};

/* Settles ranges and first values, and takes over what settings kept. */
void controls_init(struct controls *c, const struct controls_offer *offer);

/* For struct camlink_platform, by the link task. */
size_t controls_count(const struct controls *c);
void controls_item(const struct controls *c, size_t i, struct camlink_config_item *item);
void controls_set(struct controls *c, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item);

int32_t controls_value(const struct controls *c, enum control_key key);
struct control_size controls_size(const struct controls *c);

/* By the capture task: whether anything waits to be applied. */
bool controls_pending(const struct controls *c);
/* Applies all that waits, but for KEY_SIZE and KEY_QUALITY of soft_jpeg, to s (NULL: nothing to apply to). Returns the
 * keys taken, one bit each: the caller does the size. */
uint32_t controls_apply(struct controls *c, sensor_t *s);
/* Everything that was ever set waits again, except the size. */
void controls_reapply(struct controls *c);
/* The size did not come to pass: says so, and back to size. */
void controls_size_failed(struct controls *c, struct control_size size);

#endif
