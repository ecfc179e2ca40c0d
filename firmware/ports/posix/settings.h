/*
 * The settings of docs/protocol.md section 3, with the ranges that Espressif's drivers give them. The wire thread sets
 * them, the camera thread reads them.
 */
#ifndef HOSTCAM_SETTINGS_H
#define HOSTCAM_SETTINGS_H

#include "camlink_device.h"
#include "options.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum setting {
    SET_SIZE = 1,
    SET_QUALITY = 2,
    SET_MIN_INTERVAL_MS = 3,
    SET_BRIGHTNESS = 4,
    SET_CONTRAST = 5,
    SET_SATURATION = 6,
    SET_SHARPNESS = 7,
    SET_HMIRROR = 8,
    SET_VFLIP = 9,
    SET_AWB = 10,
    SET_WB_MODE = 11,
    SET_AEC = 12,
    SET_AEC_VALUE = 13,
    SET_AE_LEVEL = 14,
    SET_AGC = 15,
    SET_AGC_GAIN = 16,
    SET_GAINCEILING = 17,
    SET_AEC2 = 18,
    SET_EFFECT = 19,
    SET_LENC = 20,
    SET_RAW_GMA = 21,
    SET_BPC = 22,
    SET_WPC = 23,
    SET_DCW = 24,
    SET_COLORBAR = 25,
    SET_DENOISE = 26,
    SET_XCLK_HZ = 27,
    SET_LAMP = 28,
    SET_AWB_GAIN = 34, /* 29 to 33 are the core's own */
    SETTINGS_END,
};

struct settings {
    atomic_int_least32_t value[SETTINGS_END]; /* by key */
    int32_t boot[SETTINGS_END];               /* value after the next boot */
    bool sharp;                               /* the sensor has sharpness and denoise; an OV2640 has not */
};

void settings_init(struct settings *s, const struct options *o);
/* What was not set to persist returns to what it was at power on. */
void settings_reboot(struct settings *s);

int32_t settings_get(const struct settings *s, enum setting key);

/* What camlink_platform asks for, by index. */
size_t settings_count(const struct settings *s);
void settings_item(const struct settings *s, size_t i, struct camlink_config_item *item);
void settings_set(struct settings *s, size_t i, int32_t value, bool persist, struct camlink_config_item *item);

bool settings_has_size(uint32_t width, uint32_t height);
/* "one of 96x96 160x120 ..." */
const char *settings_size_list(void);

#endif
