/* Rate control applied: its settings among the keys of CONFIG, the camera's quality behind key 2, and which of the
 * pictures that come are sent. */
#include "camlink_device_internal.h"

enum pace_key { KEY_QUALITY = 2, KEY_TARGET_FPS = 31, KEY_QUALITY_BEST = 32, KEY_QUALITY_WORST = 33 };

/* What a frame takes on the wire beyond its bytes: FRAME_BEGIN, and the head and tail of each chunk. */
enum wire_size { BEGIN_PACKET = 48, CHUNK_EXTRA = 20 };

/* Bits of a byte on a UART. */
enum uart_frame { BITS_PER_BYTE = 10 };

static bool find_quality(const struct camlink_device *d, size_t *index, struct camlink_config_item *item)
{
    return d->p->config_set != NULL && camlink_config_find(d, KEY_QUALITY, index, item) &&
           (item->flags & CAMLINK_CONFIG_READ_ONLY) == 0;
}

/* Tells the camera where its quality should be. */
static void apply(struct camlink_device *d)
{
    struct camlink_rate_control *r = &d->rate_control;
    struct camlink_config_item item;
    size_t index;
    if (r->target_fps != 0 && r->movable && r->quality != r->applied && find_quality(d, &index, &item)) {
        d->p->config_set(d->ctx, index, r->quality, 0, &item);
        camlink_rate_control_applied(r, item.value);
    }
}

/* Learns where the camera's quality is. */
static void look(struct camlink_device *d)
{
    struct camlink_config_item item;
    size_t index;
    if (find_quality(d, &index, &item)) {
        camlink_rate_control_camera(&d->rate_control, item.min, item.max, item.value);
    }
}

bool camlink_pace_item(const struct camlink_device *d, uint16_t key, struct camlink_config_item *item)
{
    const struct camlink_rate_control *r = &d->rate_control;
    *item = (struct camlink_config_item){.key = key, .max = CAMLINK_QUALITY_MAX};
    switch (key) {
    case KEY_TARGET_FPS:
        item->value = r->target_fps;
        item->max = CAMLINK_TARGET_FPS_MAX;
        return true;
    case KEY_QUALITY_BEST:
        item->value = r->quality_best;
        return true;
    case KEY_QUALITY_WORST:
        item->value = r->quality_worst;
        return true;
    default:
        return false;
    }
}

void camlink_pace_set(struct camlink_device *d, uint16_t key, int32_t value)
{
    look(d);
    switch (key) {
    case KEY_TARGET_FPS:
        camlink_rate_control_set_target(&d->rate_control, value);
        break;
    case KEY_QUALITY_BEST:
        camlink_rate_control_set_best(&d->rate_control, value);
        break;
    default:
        camlink_rate_control_set_worst(&d->rate_control, value);
        break;
    }
    apply(d);
}

int32_t camlink_pace_allows(const struct camlink_device *d, uint16_t key, int32_t value)
{
    const struct camlink_rate_control *r = &d->rate_control;
    bool ours = key == KEY_QUALITY && r->target_fps != 0 && r->movable;
    return ours ? camlink_rate_control_clamp(r, value) : value;
}

void camlink_pace_changed(struct camlink_device *d, uint16_t key)
{
    if (key == KEY_QUALITY && d->rate_control.target_fps != 0) {
        look(d);
        apply(d);
    }
}

static uint32_t cost(const struct camlink_device *d, uint32_t len)
{
    uint32_t size = camlink_pictures_chunk_size(d);
    return BEGIN_PACKET + len + (len / size + 1) * CHUNK_EXTRA;
}

bool camlink_pace_admit(struct camlink_device *d, const struct camlink_frame *f, uint64_t now)
{
    struct camlink_rate_control *r = &d->rate_control;
    if (r->target_fps == 0) {
        return true;
    }
    /* A picture that comes too early is not kept for later: it would only be older. */
    if (!camlink_rate_control_due(r, now)) {
        d->skipped_credit++;
        return false;
    }
    uint64_t age = camlink_reached(now, f->t_capture_us) ? now - f->t_capture_us : 0;
    camlink_rate_control_line(r, d->baud_now / BITS_PER_BYTE);
    bool fits = camlink_rate_control_admit(r, cost(d, f->len), f->quality, age);
    apply(d);
    if (!fits) {
        d->skipped_busy++;
    }
    return fits;
}

void camlink_pace_begun(struct camlink_device *d, uint64_t now)
{
    d->begin_bytes = d->tx_bytes;
    camlink_rate_control_begun(&d->rate_control, now);
}

void camlink_pace_sent(struct camlink_device *d)
{
    uint64_t now = d->p->now_us(d->ctx);
    camlink_rate_control_took(&d->rate_control, d->tx_bytes - d->begin_bytes, now - d->begin_us);
}

uint32_t camlink_device_interval_us(const struct camlink_device *d)
{
    return camlink_rate_control_interval_us(&d->rate_control);
}
