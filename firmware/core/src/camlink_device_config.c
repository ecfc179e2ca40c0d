/* CONFIG: the platform's settings, and those that are the link's own. */
#include "camlink_device_internal.h"

enum config_key { KEY_CHUNK_BYTES = 29, KEY_LOG_LEVEL = 30, OWN_FIRST = 29, OWN_LAST = 33 };

enum config_size { ITEM_SIZE = 16, GET_SIZE = 2, SET_SIZE = 8 };

static size_t item_count(const struct camlink_device *d)
{
    if (d->p->config_count == NULL) {
        return 0;
    }
    size_t n = d->p->config_count(d->ctx);
    return n < CAMLINK_CONFIG_MAX ? n : CAMLINK_CONFIG_MAX;
}

/* The link's own keys; they hide items of the platform with the same key. */
static bool own_item(const struct camlink_device *d, uint16_t key, struct camlink_config_item *item)
{
    switch (key) {
    case KEY_CHUNK_BYTES:
        *item = (struct camlink_config_item){
            .key = key,
            .flags = CAMLINK_CONFIG_READ_ONLY,
            .value = (int32_t)camlink_pictures_chunk_size(d),
            .min = 256,
            .max = (int32_t)CAMLINK_MAX_CHUNK,
        };
        return true;
    case KEY_LOG_LEVEL:
        *item = (struct camlink_config_item){.key = key, .value = d->log_level, .max = CAMLINK_LOG_HIGHEST};
        return true;
    default:
        return camlink_pace_item(d, key, item);
    }
}

bool camlink_config_find(const struct camlink_device *d, uint16_t key, size_t *index, struct camlink_config_item *item)
{
    size_t n = item_count(d);
    for (size_t i = 0; i < n; i++) {
        d->p->config_get(d->ctx, i, item);
        if (item->key == key) {
            *index = i;
            return true;
        }
    }
    return false;
}

static void put_item(struct camlink_device *d, size_t at, const struct camlink_config_item *item)
{
    uint8_t *p = d->scratch + at;
    camlink_put16(p, item->key);
    camlink_put16(p + 2, item->flags);
    camlink_put32(p + 4, (uint32_t)item->value);
    camlink_put32(p + 8, (uint32_t)item->min);
    camlink_put32(p + 12, (uint32_t)item->max);
}

static size_t put_all(struct camlink_device *d)
{
    size_t at = 0;
    struct camlink_config_item item, own;
    size_t n = item_count(d);
    for (size_t i = 0; i < n; i++) {
        d->p->config_get(d->ctx, i, &item);
        if (!own_item(d, item.key, &own)) {
            put_item(d, at, &item);
            at += ITEM_SIZE;
        }
    }
    for (unsigned key = OWN_FIRST; key <= OWN_LAST; key++) {
        if (own_item(d, (uint16_t)key, &own)) {
            put_item(d, at, &own);
            at += ITEM_SIZE;
        }
    }
    return at;
}

size_t camlink_config_get(struct camlink_device *d, const uint8_t *keys, size_t len)
{
    if (len == 0) {
        return put_all(d);
    }
    size_t at = 0;
    for (size_t i = 0; i < len; i += GET_SIZE, at += ITEM_SIZE) {
        uint16_t key = camlink_get16(keys + i);
        struct camlink_config_item item;
        size_t index;
        if (!own_item(d, key, &item) && !camlink_config_find(d, key, &index, &item)) {
            item = (struct camlink_config_item){.key = key, .flags = CAMLINK_CONFIG_UNSUPPORTED};
        }
        put_item(d, at, &item);
    }
    return at;
}

static void set_own(struct camlink_device *d, int32_t value, struct camlink_config_item *item)
{
    int32_t effective = value < item->min ? item->min : value > item->max ? item->max : value;
    if (item->key == KEY_LOG_LEVEL) {
        camlink_log_set_level(d, (uint8_t)effective);
    } else {
        camlink_pace_set(d, item->key, effective);
    }
    item->value = effective;
    if (effective != value) {
        item->flags |= CAMLINK_CONFIG_CLAMPED;
    }
}

static void set_platform(struct camlink_device *d, size_t index, uint16_t flags, int32_t value,
                         struct camlink_config_item *item)
{
    uint16_t key = item->key;
    int32_t allowed = camlink_pace_allows(d, key, value);
    d->p->config_set(d->ctx, index, allowed, flags, item);
    if (allowed != value) {
        item->flags |= CAMLINK_CONFIG_CLAMPED;
    }
    camlink_pace_changed(d, key);
}

static void set_item(struct camlink_device *d, uint16_t key, uint16_t flags, int32_t value,
                     struct camlink_config_item *item)
{
    size_t index;
    if (own_item(d, key, item)) {
        if ((item->flags & CAMLINK_CONFIG_READ_ONLY) == 0) {
            set_own(d, value, item);
        }
    } else if (!camlink_config_find(d, key, &index, item)) {
        *item = (struct camlink_config_item){.key = key, .flags = CAMLINK_CONFIG_UNSUPPORTED};
    } else if (d->p->config_set == NULL) {
        item->flags |= CAMLINK_CONFIG_READ_ONLY;
    } else if ((item->flags & CAMLINK_CONFIG_READ_ONLY) == 0) {
        set_platform(d, index, flags, value, item);
    }
}

size_t camlink_config_set(struct camlink_device *d, const uint8_t *items, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i += SET_SIZE, at += ITEM_SIZE) {
        const uint8_t *p = items + i;
        struct camlink_config_item item;
        set_item(d, camlink_get16(p), camlink_get16(p + 2), (int32_t)camlink_get32(p + 4), &item);
        put_item(d, at, &item);
    }
    return at;
}
