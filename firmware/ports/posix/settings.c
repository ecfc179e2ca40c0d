#include "settings.h"

#include <string.h>

static const struct {
    uint16_t width, height;
} sizes[] = {
    {96, 96},   {160, 120}, {176, 144}, {240, 176},  {240, 240},  {320, 240},   {400, 296},
    {480, 320}, {640, 480}, {800, 600}, {1024, 768}, {1280, 720}, {1280, 1024}, {1600, 1200},
};
#define SIZES (sizeof sizes / sizeof sizes[0])

enum sensors { EVERY_SENSOR, NOT_OV2640 };

/* In the order of the keys; size comes from above. */
static const struct {
    uint16_t key;
    uint16_t flags;
    int32_t min, max, at_boot;
    enum sensors on;
} table[] = {
    {SET_SIZE, 0, 96 << 16 | 96, 1600 << 16 | 1200, 640 << 16 | 480, EVERY_SENSOR},
    {SET_QUALITY, 0, 0, 63, 12, EVERY_SENSOR},
    {SET_MIN_INTERVAL_MS, 0, 0, 65535, 0, EVERY_SENSOR},
    {SET_BRIGHTNESS, 0, -2, 2, 0, EVERY_SENSOR},
    {SET_CONTRAST, 0, -2, 2, 0, EVERY_SENSOR},
    {SET_SATURATION, 0, -2, 2, 0, EVERY_SENSOR},
    {SET_SHARPNESS, 0, -3, 3, 0, NOT_OV2640},
    {SET_HMIRROR, 0, 0, 1, 0, EVERY_SENSOR},
    {SET_VFLIP, 0, 0, 1, 0, EVERY_SENSOR},
    {SET_AWB, 0, 0, 1, 1, EVERY_SENSOR},
    {SET_WB_MODE, 0, 0, 4, 0, EVERY_SENSOR},
    {SET_AEC, 0, 0, 1, 1, EVERY_SENSOR},
    {SET_AEC_VALUE, 0, 0, 1200, 300, EVERY_SENSOR},
    {SET_AE_LEVEL, 0, -2, 2, 0, EVERY_SENSOR},
    {SET_AGC, 0, 0, 1, 1, EVERY_SENSOR},
    {SET_AGC_GAIN, 0, 0, 30, 0, EVERY_SENSOR},
    {SET_GAINCEILING, 0, 0, 6, 0, EVERY_SENSOR},
    {SET_AEC2, 0, 0, 1, 0, EVERY_SENSOR},
    {SET_EFFECT, 0, 0, 6, 0, EVERY_SENSOR},
    {SET_LENC, 0, 0, 1, 1, EVERY_SENSOR},
    {SET_RAW_GMA, 0, 0, 1, 1, EVERY_SENSOR},
    {SET_BPC, 0, 0, 1, 0, EVERY_SENSOR},
    {SET_WPC, 0, 0, 1, 1, EVERY_SENSOR},
    {SET_DCW, 0, 0, 1, 1, EVERY_SENSOR},
    {SET_COLORBAR, 0, 0, 1, 0, EVERY_SENSOR},
    {SET_DENOISE, 0, 0, 8, 0, NOT_OV2640},
    {SET_XCLK_HZ, CAMLINK_CONFIG_READ_ONLY, 20000000, 20000000, 20000000, EVERY_SENSOR},
    {SET_LAMP, 0, 0, 255, 0, EVERY_SENSOR},
    {SET_AWB_GAIN, 0, 0, 1, 1, EVERY_SENSOR},
};
#define ITEMS (sizeof table / sizeof table[0])

bool settings_has_size(uint32_t width, uint32_t height)
{
    for (size_t i = 0; i < SIZES; i++) {
        if (sizes[i].width == width && sizes[i].height == height) {
            return true;
        }
    }
    return false;
}

const char *settings_size_list(void)
{
    return "one of 96x96 160x120 176x144 240x176 240x240 320x240 400x296 480x320 640x480 800x600 1024x768 1280x720 "
           "1280x1024 1600x1200";
}

static int32_t pack_size(uint32_t width, uint32_t height)
{
    return (int32_t)(width << 16 | height);
}

/* The largest that fits inside what was asked for, else the smallest there is. */
static int32_t fit_size(int32_t asked)
{
    uint32_t width = (uint32_t)asked >> 16, height = (uint32_t)asked & 0xFFFF;
    size_t best = 0;
    for (size_t i = 0; i < SIZES; i++) {
        if (sizes[i].width <= width && sizes[i].height <= height &&
            sizes[i].width * sizes[i].height > sizes[best].width * sizes[best].height) {
            best = i;
        }
    }
    return pack_size(sizes[best].width, sizes[best].height);
}

static void store(struct settings *s, enum setting key, int32_t value)
{
    atomic_store_explicit(&s->value[key], value, memory_order_relaxed);
}

int32_t settings_get(const struct settings *s, enum setting key)
{
    return atomic_load_explicit(&s->value[key], memory_order_relaxed);
}

void settings_init(struct settings *s, const struct options *o)
{
    for (size_t i = 0; i < ITEMS; i++) {
        s->boot[table[i].key] = table[i].at_boot;
    }
    s->boot[SET_SIZE] = pack_size(o->width, o->height);
    s->boot[SET_QUALITY] = o->quality;
    s->sharp = strncmp(o->sensor, "OV2640", 6) != 0;
    settings_reboot(s);
}

void settings_reboot(struct settings *s)
{
    for (size_t i = 0; i < ITEMS; i++) {
        store(s, (enum setting)table[i].key, s->boot[table[i].key]);
    }
}

static bool offered(const struct settings *s, size_t i)
{
    return table[i].on == EVERY_SENSOR || s->sharp;
}

/* Row of the table behind item i of those offered. */
static size_t row(const struct settings *s, size_t i)
{
    size_t r = 0;
    while (!offered(s, r) || i-- > 0) {
        r++;
    }
    return r;
}

size_t settings_count(const struct settings *s)
{
    size_t n = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        n += offered(s, i) ? 1 : 0;
    }
    return n;
}

void settings_item(const struct settings *s, size_t i, struct camlink_config_item *item)
{
    size_t r = row(s, i);
    *item = (struct camlink_config_item){
        .key = table[r].key,
        .flags = table[r].flags,
        .value = settings_get(s, (enum setting)table[r].key),
        .min = table[r].min,
        .max = table[r].max,
    };
}

void settings_set(struct settings *s, size_t i, int32_t value, bool persist, struct camlink_config_item *item)
{
    settings_item(s, i, item);
    if ((item->flags & CAMLINK_CONFIG_READ_ONLY) != 0) {
        return;
    }
    int32_t effective = value < item->min ? item->min : value > item->max ? item->max : value;
    if (item->key == SET_SIZE) {
        effective = fit_size(value);
    }
    if (effective != value) {
        item->flags |= CAMLINK_CONFIG_CLAMPED;
    }
    item->value = effective;
    store(s, (enum setting)item->key, effective);
    if (persist) {
        s->boot[item->key] = effective;
    }
}
