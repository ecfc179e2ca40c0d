/* Pictures: credit, pacing, the sensor's sleep, and frames sent straight from the buffer they were captured into. */
#include "camlink_device_internal.h"

enum pictures_time_us { REST_US = 1000000 };

enum pictures_size { BEGIN_SIZE = 32, ABORT_SIZE = 5 };

enum pictures_code { FORMAT_JPEG = 1, ABORT_LINK = 2 };

static bool has_credit(const struct camlink_device *d)
{
    if (d->state == CAMLINK_DEVICE_ONE_WAY) {
        return true;
    }
    return d->state == CAMLINK_DEVICE_LINKED && d->credit_known && (int32_t)(d->frame_limit - d->next_frame) >= 0;
}

/* Attributes what the mailbox replaced since the last look: while a frame was on the line the line was too slow, else
 * the host did not ask. */
static void count_replaced(struct camlink_device *d)
{
    uint32_t replaced = (uint32_t)atomic_load(&d->mailbox->replaced);
    uint32_t n = replaced - d->replaced_seen;
    d->replaced_seen = replaced;
    d->skipped += n;
    if (d->frame != NULL) {
        d->skipped_busy += n;
    } else {
        d->skipped_credit += n;
    }
}

static void skip(struct camlink_device *d, struct camlink_frame *f)
{
    d->skipped++;
    d->p->frame_release(d->ctx, f);
}

static void empty_mailbox(struct camlink_device *d)
{
    struct camlink_frame *f = camlink_mailbox_take(d->mailbox);
    if (f != NULL) {
        d->skipped_credit++;
        skip(d, f);
    }
}

void camlink_pictures_sensor(struct camlink_device *d, uint64_t now)
{
    count_replaced(d);
    if (has_credit(d)) {
        d->in_credit = true;
        if (!d->awake) {
            d->awake = true;
            d->awake_us = now;
            d->p->sensor(d->ctx, true);
        }
        return;
    }
    if (d->in_credit) {
        d->in_credit = false;
        d->dry_us = now;
    }
    if (d->awake && (d->state != CAMLINK_DEVICE_LINKED || camlink_reached(now, d->dry_us + REST_US))) {
        d->awake = false;
        d->p->sensor(d->ctx, false);
        empty_mailbox(d);
    }
}

static bool paced(const struct camlink_device *d)
{
    return d->begun && d->min_interval_ms > 0;
}

static uint64_t begin_due(const struct camlink_device *d)
{
    return d->begin_us + d->min_interval_ms * UINT64_C(1000);
}

bool camlink_pictures_deadline(const struct camlink_device *d, uint64_t *due_us)
{
    if (has_credit(d)) {
        *due_us = begin_due(d);
        /* Once due only a new picture can change anything, and that wakes the caller. */
        return paced(d) && d->frame == NULL && !d->baud_trial && !camlink_reached(d->p->now_us(d->ctx), *due_us);
    }
    *due_us = d->dry_us + REST_US;
    return d->awake;
}

void camlink_pictures_release(struct camlink_device *d)
{
    struct camlink_frame *f = d->frame;
    d->frame = NULL;
    d->frame_doomed = false;
    d->p->frame_release(d->ctx, f);
}

void camlink_pictures_abandon(struct camlink_device *d, bool tell)
{
    d->abort_due = tell && (d->abort_due || d->frame != NULL);
    if (d->frame == NULL) {
        return;
    }
    bool borrowed = d->tx_busy && (d->tx_after == CAMLINK_AFTER_CHUNK || d->tx_after == CAMLINK_AFTER_LAST_CHUNK);
    if (borrowed) {
        d->frame_doomed = true;
    } else {
        camlink_pictures_release(d);
    }
}

void camlink_pictures_start_abort(struct camlink_device *d)
{
    d->abort_due = false;
    camlink_put32(d->scratch, d->frame_no);
    d->scratch[4] = ABORT_LINK;
    camlink_tx_start(d, CAMLINK_FRAME_ABORT, 0, (uint16_t)d->frame_no, ABORT_SIZE);
}

/* The newest picture fit to be sent, or NULL. */
static struct camlink_frame *take_picture(struct camlink_device *d, uint64_t now)
{
    count_replaced(d);
    struct camlink_frame *f = camlink_mailbox_take(d->mailbox);
    if (f == NULL) {
        return NULL;
    }
    if (!camlink_reached(f->t_capture_us, d->awake_us)) {
        d->skipped_credit++;
    } else if (f->len == 0 || f->len > d->id->max_frame) {
        d->bad_frames++;
    } else if (camlink_pace_admit(d, f, now)) {
        return f;
    }
    skip(d, f);
    return NULL;
}

static bool start_begin(struct camlink_device *d, uint64_t now)
{
    if (!has_credit(d) || (paced(d) && !camlink_reached(now, begin_due(d)))) {
        return false;
    }
    struct camlink_frame *f = take_picture(d, now);
    if (f == NULL) {
        return false;
    }
    d->frame = f;
    d->frame_no = d->next_frame++;
    d->frame_offset = 0;
    d->begun = true;
    d->begin_us = now;
    camlink_pace_begun(d, now);
    uint8_t *b = d->scratch;
    camlink_put32(b, d->frame_no);
    camlink_put32(b + 4, f->len);
    camlink_put64(b + 8, f->t_capture_us);
    camlink_put16(b + 24, f->width);
    camlink_put16(b + 26, f->height);
    b[28] = FORMAT_JPEG;
    b[29] = f->quality;
    camlink_put16(b + 30, (uint16_t)(d->skipped < UINT16_MAX ? d->skipped : UINT16_MAX));
    d->skipped = 0;
    camlink_tx_start(d, CAMLINK_FRAME_BEGIN, 0, (uint16_t)d->frame_no, BEGIN_SIZE);
    return true;
}

bool camlink_pictures_start_packet(struct camlink_device *d, uint64_t now)
{
    if (d->frame == NULL) {
        return start_begin(d, now);
    }
    uint32_t left = d->frame->len - d->frame_offset;
    uint32_t size = camlink_pictures_chunk_size(d);
    bool last = left <= size;
    size = last ? left : size;
    uint8_t offset[4];
    camlink_put32(offset, d->frame_offset);
    struct camlink_header h = {
        .type = CAMLINK_FRAME_CHUNK,
        .flags = last ? CAMLINK_LAST : 0,
        .ref = (uint16_t)d->frame_no,
    };
    camlink_tx_start_body(d, &h, offset, d->frame->data + d->frame_offset, size,
                          last ? CAMLINK_AFTER_LAST_CHUNK : CAMLINK_AFTER_CHUNK);
    d->frame_offset += size;
    return true;
}

uint32_t camlink_pictures_chunk_size(const struct camlink_device *d)
{
    static const struct {
        uint32_t max_baud, size;
    } steps[] = {{115200, 256}, {460800, 512}, {1000000, 1024}, {3000000, 2048}};
    if (d->baud_now != 0) {
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            if (d->baud_now <= steps[i].max_baud) {
                return steps[i].size;
            }
        }
    }
    return CAMLINK_MAX_CHUNK;
}
