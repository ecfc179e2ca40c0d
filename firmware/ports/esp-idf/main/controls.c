#include "controls.h"

#include "lamp.h"
#include "settings.h"

#include "esp_log.h"

#include <string.h>

#define TAG "controls"

enum control_flag { FLAG_PERSIST = 1 };

/* As CameraWebServer offers them; sensors that differ are below. */
static const struct {
    int16_t min, max;
} common[CONTROL_KEYS] = {
    [KEY_QUALITY] = {0, 63},   [KEY_BRIGHTNESS] = {-2, 2}, [KEY_CONTRAST] = {-2, 2},    [KEY_SATURATION] = {-2, 2},
    [KEY_SHARPNESS] = {-3, 3}, [KEY_HMIRROR] = {0, 1},     [KEY_VFLIP] = {0, 1},        [KEY_AWB] = {0, 1},
    [KEY_WB_MODE] = {0, 4},    [KEY_AEC] = {0, 1},         [KEY_AEC_VALUE] = {0, 1200}, [KEY_AE_LEVEL] = {-2, 2},
    [KEY_AGC] = {0, 1},        [KEY_AGC_GAIN] = {0, 30},   [KEY_GAINCEILING] = {0, 6},  [KEY_AEC2] = {0, 1},
    [KEY_EFFECT] = {0, 6},     [KEY_LENC] = {0, 1},        [KEY_RAW_GMA] = {0, 1},      [KEY_BPC] = {0, 1},
    [KEY_WPC] = {0, 1},        [KEY_DCW] = {0, 1},         [KEY_COLORBAR] = {0, 1},     [KEY_DENOISE] = {0, 8},
};

/* What the drivers of the later OmniVision sensors take (set_* in ov3660.c and ov5640.c). */
static const struct {
    uint8_t key;
    int16_t min, max;
} later[] = {
    {KEY_BRIGHTNESS, -3, 3}, {KEY_CONTRAST, -3, 3}, {KEY_SATURATION, -4, 4},
    {KEY_AE_LEVEL, -5, 5},   {KEY_AGC_GAIN, 0, 64}, {KEY_GAINCEILING, 0, 511},
};

typedef int (*setter)(sensor_t *, int);

static setter setter_of(const sensor_t *s, enum control_key key)
{
    switch (key) {
    case KEY_QUALITY:
        return s->set_quality;
    case KEY_BRIGHTNESS:
        return s->set_brightness;
    case KEY_CONTRAST:
        return s->set_contrast;
    case KEY_SATURATION:
        return s->set_saturation;
    case KEY_SHARPNESS:
        return s->set_sharpness;
    case KEY_HMIRROR:
        return s->set_hmirror;
    case KEY_VFLIP:
        return s->set_vflip;
    case KEY_AWB:
        return s->set_whitebal;
    case KEY_WB_MODE:
        return s->set_wb_mode;
    case KEY_AEC:
        return s->set_exposure_ctrl;
    case KEY_AEC_VALUE:
        return s->set_aec_value;
    case KEY_AE_LEVEL:
        return s->set_ae_level;
    case KEY_AGC:
        return s->set_gain_ctrl;
    case KEY_AGC_GAIN:
        return s->set_agc_gain;
    case KEY_AEC2:
        return s->set_aec2;
    case KEY_EFFECT:
        return s->set_special_effect;
    case KEY_LENC:
        return s->set_lenc;
    case KEY_RAW_GMA:
        return s->set_raw_gma;
    case KEY_BPC:
        return s->set_bpc;
    case KEY_WPC:
        return s->set_wpc;
    case KEY_DCW:
        return s->set_dcw;
    case KEY_COLORBAR:
        return s->set_colorbar;
    case KEY_DENOISE:
        return s->set_denoise;
    default:
        return NULL; /* KEY_GAINCEILING has a type of its own; the others are not the sensor's */
    }
}

static int32_t status_of(const sensor_t *s, enum control_key key)
{
    const camera_status_t *st = &s->status;
    switch (key) {
    case KEY_QUALITY:
        return st->quality;
    case KEY_BRIGHTNESS:
        return st->brightness;
    case KEY_CONTRAST:
        return st->contrast;
    case KEY_SATURATION:
        return st->saturation;
    case KEY_SHARPNESS:
        return st->sharpness;
    case KEY_HMIRROR:
        return st->hmirror;
    case KEY_VFLIP:
        return st->vflip;
    case KEY_AWB:
        return st->awb;
    case KEY_WB_MODE:
        return st->wb_mode;
    case KEY_AEC:
        return st->aec;
    case KEY_AEC_VALUE:
        return st->aec_value;
    case KEY_AE_LEVEL:
        return st->ae_level;
    case KEY_AGC:
        return st->agc;
    case KEY_AGC_GAIN:
        return st->agc_gain;
    case KEY_GAINCEILING:
        return st->gainceiling;
    case KEY_AEC2:
        return st->aec2;
    case KEY_EFFECT:
        return st->special_effect;
    case KEY_LENC:
        return st->lenc;
    case KEY_RAW_GMA:
        return st->raw_gma;
    case KEY_BPC:
        return st->bpc;
    case KEY_WPC:
        return st->wpc;
    case KEY_DCW:
        return st->dcw;
    case KEY_COLORBAR:
        return st->colorbar;
    case KEY_DENOISE:
        return st->denoise;
    default:
        return 0;
    }
}

static bool is_of_sensor(enum control_key key)
{
    return key == KEY_QUALITY || (key >= KEY_BRIGHTNESS && key <= KEY_DENOISE);
}

/* Drivers put one function that only refuses in the place of everything their sensor lacks. */
static bool is_placeholder(const sensor_t *s, enum control_key key)
{
    setter f = setter_of(s, key);
    unsigned seen = 0;
    for (int k = 0; k < CONTROL_KEYS; k++) {
        seen += setter_of(s, (enum control_key)k) == f ? 1 : 0;
    }
    return seen > 1;
}

static bool has_control(const sensor_t *s, enum control_key key)
{
    /* Functions of their own that have no effect. */
    if ((s->id.PID == OV2640_PID && (key == KEY_SHARPNESS || key == KEY_DENOISE)) ||
        (s->id.PID == NT99141_PID && key == KEY_DENOISE)) {
        return false;
    }
    /* Its type differs, so its placeholder does: a sensor without a gain has no ceiling of it. */
    if (key == KEY_GAINCEILING) {
        return s->set_gainceiling != NULL && has_control(s, KEY_AGC_GAIN);
    }
    return setter_of(s, key) != NULL && !is_placeholder(s, key);
}

static int32_t pack(struct control_size size)
{
    return (int32_t)((uint32_t)size.width << 16 | size.height);
}

static struct control_size unpack(int32_t value)
{
    return (struct control_size){(uint16_t)((uint32_t)value >> 16), (uint16_t)((uint32_t)value & 0xFFFFu)};
}

static uint32_t area(struct control_size s)
{
    return (uint32_t)s.width * s.height;
}

/* The largest that fits inside what was asked for, else the smallest there is. */
static int32_t fit_size(const struct controls *c, int32_t asked)
{
    struct control_size inside = unpack(asked);
    const struct control_size *best = NULL, *smallest = &c->sizes[0];
    for (size_t i = 0; i < c->size_count; i++) {
        const struct control_size *s = &c->sizes[i];
        if (s->width <= inside.width && s->height <= inside.height && (best == NULL || area(*s) > area(*best))) {
            best = s;
        }
        if (area(*s) < area(*smallest)) {
            smallest = s;
        }
    }
    return pack(best != NULL ? *best : *smallest);
}

static int32_t clamp(const struct controls *c, enum control_key key, int32_t value)
{
    if (key == KEY_SIZE) {
        return fit_size(c, value);
    }
    int32_t min = c->range[key].min, max = c->range[key].max;
    return value < min ? min : value > max ? max : value;
}

static void offer_key(struct controls *c, enum control_key key, int32_t min, int32_t max, int32_t value)
{
    c->range[key].offered = true;
    c->range[key].min = min;
    c->range[key].max = max;
    atomic_store(&c->value[key], value);
}

static void offer_sensor(struct controls *c, const sensor_t *s)
{
    for (int k = 0; k < CONTROL_KEYS; k++) {
        enum control_key key = (enum control_key)k;
        if (!is_of_sensor(key) || (key == KEY_QUALITY && c->soft_jpeg) || !has_control(s, key)) {
            continue;
        }
        offer_key(c, key, common[key].min, common[key].max, status_of(s, key));
    }
    if (s->id.PID != OV3660_PID && s->id.PID != OV5640_PID) {
        return;
    }
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        c->range[later[i].key].min = later[i].min;
        c->range[later[i].key].max = later[i].max;
    }
}

static void offer_size(struct controls *c, struct control_size first)
{
    struct control_size smallest = c->sizes[0], largest = c->sizes[0];
    for (size_t i = 1; i < c->size_count; i++) {
        smallest = area(c->sizes[i]) < area(smallest) ? c->sizes[i] : smallest;
        largest = area(c->sizes[i]) > area(largest) ? c->sizes[i] : largest;
    }
    offer_key(c, KEY_SIZE, pack(smallest), pack(largest), pack(first));
}

static void put(struct controls *c, enum control_key key, int32_t value)
{
    atomic_store(&c->value[key], value);
    atomic_fetch_or(&c->dirty, 1u << key);
}

void controls_init(struct controls *c, const struct controls_offer *offer)
{
    memset(c, 0, sizeof *c);
    c->sizes = offer->sizes;
    c->size_count = offer->size_count;
    c->soft_jpeg = offer->soft_jpeg || offer->sensor == NULL;
    if (c->soft_jpeg) {
        offer_key(c, KEY_QUALITY, 0, 63, 12);
    }
    offer_key(c, KEY_MIN_INTERVAL_MS, 0, UINT16_MAX, 0);
    if (offer->sensor != NULL) {
        offer_sensor(c, offer->sensor);
        offer_key(c, KEY_XCLK_HZ, offer->xclk_hz, offer->xclk_hz, offer->xclk_hz);
        c->range[KEY_XCLK_HZ].read_only = true;
    }
    offer_size(c, offer->first_size);
    atomic_store(&c->value[KEY_SIZE], fit_size(c, pack(offer->first_size)));
    if (offer->lamp) {
        offer_key(c, KEY_LAMP, 0, 255, 0);
    }
    /* The sensor was opened at its largest size. */
    atomic_fetch_or(&c->dirty, 1u << KEY_SIZE);
    for (int k = 0; k < CONTROL_KEYS; k++) {
        enum control_key key = (enum control_key)k;
        int32_t kept;
        if (c->range[key].offered && !c->range[key].read_only && settings_load((uint16_t)key, &kept)) {
            put(c, key, clamp(c, key, kept));
        }
    }
    if (offer->lamp) {
        lamp_set((uint8_t)controls_value(c, KEY_LAMP));
    }
}

size_t controls_count(const struct controls *c)
{
    size_t n = 0;
    for (int k = 0; k < CONTROL_KEYS; k++) {
        n += c->range[k].offered ? 1 : 0;
    }
    return n;
}

static enum control_key key_of(const struct controls *c, size_t i)
{
    int k = 0;
    while (!c->range[k].offered || i-- > 0) {
        k++;
    }
    return (enum control_key)k;
}

void controls_item(const struct controls *c, size_t i, struct camlink_config_item *item)
{
    enum control_key key = key_of(c, i);
    *item = (struct camlink_config_item){
        .key = (uint16_t)key,
        .flags = c->range[key].read_only ? CAMLINK_CONFIG_READ_ONLY : 0,
        .value = atomic_load(&c->value[key]),
        .min = c->range[key].min,
        .max = c->range[key].max,
    };
}

void controls_set(struct controls *c, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item)
{
    controls_item(c, i, item);
    enum control_key key = (enum control_key)item->key;
    if (c->range[key].read_only) {
        return;
    }
    int32_t effective = clamp(c, key, value);
    if (effective != value) {
        item->flags |= CAMLINK_CONFIG_CLAMPED;
    }
    if (effective != item->value) {
        put(c, key, effective);
        if (key == KEY_LAMP) {
            lamp_set((uint8_t)effective);
        }
    }
    item->value = effective;
    if ((flags & FLAG_PERSIST) != 0) {
        settings_keep(item->key, effective);
    }
}

int32_t controls_value(const struct controls *c, enum control_key key)
{
    return atomic_load(&c->value[key]);
}

struct control_size controls_size(const struct controls *c)
{
    return unpack(controls_value(c, KEY_SIZE));
}

bool controls_pending(const struct controls *c)
{
    return atomic_load(&c->dirty) != 0;
}

static int apply_one(sensor_t *s, enum control_key key, int32_t value)
{
    if (key == KEY_GAINCEILING) {
        return s->set_gainceiling(s, (gainceiling_t)value);
    }
    return setter_of(s, key)(s, (int)value);
}

uint32_t controls_apply(struct controls *c, sensor_t *s)
{
    uint32_t keys = atomic_exchange(&c->dirty, 0);
    c->touched |= keys;
    for (int k = 0; k < CONTROL_KEYS && s != NULL; k++) {
        enum control_key key = (enum control_key)k;
        if ((keys >> k & 1u) == 0 || !is_of_sensor(key) || (key == KEY_QUALITY && c->soft_jpeg)) {
            continue;
        }
        int32_t value = controls_value(c, key);
        if (apply_one(s, key, value) < 0) {
            c->refused++;
            ESP_LOGW(TAG, "the sensor refused %d for key %d", (int)value, k);
            /* Not if the host has set another value meanwhile. */
            atomic_compare_exchange_strong(&c->value[key], &value, status_of(s, key));
        }
    }
    return keys;
}

void controls_reapply(struct controls *c)
{
    atomic_fetch_or(&c->dirty, c->touched & ~(1u << KEY_SIZE));
}

void controls_size_failed(struct controls *c, struct control_size size)
{
    c->refused++;
    ESP_LOGW(TAG, "the size could not be set, back to %ux%u", size.width, size.height);
    atomic_store(&c->value[KEY_SIZE], pack(size));
}
