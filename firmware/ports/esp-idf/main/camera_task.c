#include "camera_task.h"

#include "jpeg_repair.h"
#include "settings.h"
#include "testcard.h"
#include "ticks.h"

#include "esp_attr.h"
#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "img_converters.h"
#include "sdkconfig.h"

#include <string.h>

#define TAG "camera"

enum camera_time {
    REST_MS = 500,
    RECLAIM_MS = 20,
    RECLAIM_MAX_US = 60000000, /* the largest picture takes 33 s at the base rate */
    RETRY_US = 30000000,
    LOG_OUT_MS = 300,
};

enum camera_task_place { CAMERA_PRIORITY = 11 };

/* Survives a reboot but not the power: how often the sensor was the reason, in a row. */
enum kept_magic { KEPT_MAGIC = 0x63616D31 };
static RTC_NOINIT_ATTR struct {
    uint32_t magic, reboots;
} kept;

static uint64_t now_us(void)
{
    return (uint64_t)esp_timer_get_time();
}

static void count(atomic_uint *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- Pictures and their owners ------------------------------------------------------------ */

static struct camera_shot *take_shot(struct camera *c)
{
    for (int i = 0; i < CAMERA_SHOTS; i++) {
        if (!atomic_exchange(&c->shots[i].busy, true)) {
            return &c->shots[i];
        }
    }
    return NULL;
}

static void give_back(struct camera_shot *shot)
{
    if (shot->fb != NULL) {
        esp_camera_fb_return(shot->fb);
        shot->fb = NULL;
    }
    atomic_store(&shot->busy, false);
}

void camera_release(struct camera *c, struct camlink_frame *f)
{
    (void)c;
    give_back(f->owner);
}

static bool all_back(struct camera *c)
{
    struct camlink_frame *waiting = camlink_mailbox_take(&c->mailbox);
    if (waiting != NULL) {
        camera_release(c, waiting);
    }
    for (int i = 0; i < CAMERA_SHOTS; i++) {
        if (atomic_load(&c->shots[i].busy)) {
            return false;
        }
    }
    return true;
}

static uint8_t quality_at(const struct camera *c, uint64_t us)
{
    int i = 0;
    while (i < CAMERA_QUALITIES - 1 && us < c->qualities[i].since_us) {
        i++;
    }
    return c->qualities[i].quality;
}

/* Pictures that are under way were begun with the quality before. */
static void note_quality(struct camera *c, uint64_t now)
{
    uint8_t quality = (uint8_t)controls_value(&c->controls, KEY_QUALITY);
    if (quality == c->qualities[0].quality) {
        return;
    }
    memmove(&c->qualities[1], &c->qualities[0], sizeof c->qualities - sizeof c->qualities[0]);
    c->qualities[0].since_us = now;
    c->qualities[0].quality = quality;
}

static uint64_t interval_us(const struct camera *c)
{
    return (uint64_t)controls_value(&c->controls, KEY_MIN_INTERVAL_MS) * 1000u;
}

/* The interval of key 3 is a least one. A pace is an average: a sensor of 25 pictures a second held 100 ms apart would
 * give 8 a second where 10 are wanted, so a late picture does not put off the one after it. */
static bool is_due(struct camera *c, uint64_t us)
{
    uint64_t pace = atomic_load(&c->pace_us);
    if (c->last_us != 0 && us < c->last_us + interval_us(c)) {
        return false;
    }
    /* Due later than that was a slower pace. */
    return pace == 0 || us >= c->pace_due_us || c->pace_due_us - us > 2 * pace;
}

static void note_taken(struct camera *c, uint64_t us)
{
    uint64_t pace = atomic_load(&c->pace_us);
    bool in_step = c->pace_due_us <= us && us < c->pace_due_us + pace;
    c->pace_due_us = (in_step ? c->pace_due_us : us) + pace;
    c->last_us = us;
}

static void publish(struct camera *c, struct camera_shot *shot, struct jpeg_span span, uint64_t us)
{
    shot->frame = (struct camlink_frame){
        .data = span.data,
        .len = span.len,
        .t_capture_us = us,
        .width = span.width,
        .height = span.height,
        .quality = quality_at(c, us),
        .owner = shot,
    };
    note_taken(c, us);
    count(&c->captured);
    struct camlink_frame *old = camlink_mailbox_put(&c->mailbox, &shot->frame);
    if (old != NULL) {
        camera_release(c, old);
    }
    c->ready();
}

/* ---- Opening ------------------------------------------------------------------------------ */

/* Once, so that the heap is not cut into pieces: what cannot be had later is a picture less. */
static void reserve(struct camera *c, uint32_t size)
{
    uint32_t where = heap_caps_get_total_size(MALLOC_CAP_SPIRAM) > size ? MALLOC_CAP_SPIRAM : MALLOC_CAP_INTERNAL;
    c->own_size = size;
    for (int i = 0; i < CAMERA_SHOTS; i++) {
        c->shots[i].own = heap_caps_malloc(size, MALLOC_CAP_8BIT | where);
    }
}

void camera_open(struct camera *c, const struct board *board, bool lamp, void (*ready)(void))
{
    memset(c, 0, sizeof *c);
    c->ready = ready;
    camlink_mailbox_init(&c->mailbox);
    if (kept.magic != KEPT_MAGIC) {
        kept.magic = KEPT_MAGIC;
        kept.reboots = 0;
    }
    recovery_init(&c->recovery, (uint8_t)(kept.reboots < UINT8_MAX ? kept.reboots : UINT8_MAX));
    struct controls_offer offer = {.lamp = lamp, .xclk_hz = CONFIG_CAMGW_XCLK_HZ};
    bool want_card = false;
#if CONFIG_CAMGW_SOURCE_TEST_CARD
    want_card = true;
#endif
    if (want_card || !sensor_open(&c->sensor, board)) {
        ESP_LOGW(TAG, "%s: showing the test card", want_card ? "built for it" : "no sensor answers");
        c->is_card = true;
        reserve(c, TESTCARD_BYTES);
        offer.sizes = testcard_sizes(&offer.size_count);
        offer.first_size = testcard_first_size();
    } else {
        offer.sensor = sensor_handle(&c->sensor);
        offer.soft_jpeg = c->sensor.soft_jpeg;
        offer.sizes = c->sensor.sizes;
        offer.size_count = c->sensor.size_count;
        offer.first_size = (struct control_size){640, 480};
        if (c->sensor.soft_jpeg) {
            reserve(c, c->sensor.max_frame);
        }
    }
    controls_init(&c->controls, &offer);
    for (int i = 0; i < CAMERA_QUALITIES; i++) {
        c->qualities[i].quality = (uint8_t)controls_value(&c->controls, KEY_QUALITY);
    }
}

uint32_t camera_max_frame(const struct camera *c)
{
    return c->is_card ? TESTCARD_BYTES : c->sensor.max_frame;
}

/* ---- Settings, rest and wake -------------------------------------------------------------- */

static void be_fresh(struct camera *c, unsigned flush)
{
    c->fresh_from_us = now_us();
    c->flush = c->flush > flush ? c->flush : flush;
}

static void set_size(struct camera *c)
{
    struct control_size wanted = controls_size(&c->controls);
    if (sensor_set_size(&c->sensor, wanted)) {
        c->size = wanted;
        /* A change of size resets other registers of some sensors. */
        controls_reapply(&c->controls);
    } else {
        count(&c->errors);
        controls_size_failed(&c->controls, c->size);
    }
    be_fresh(c, sensor_buffers(&c->sensor));
}

static void apply_settings(struct camera *c)
{
    if (!controls_pending(&c->controls)) {
        return;
    }
    if (c->is_card) {
        controls_apply(&c->controls, NULL);
    } else if ((controls_apply(&c->controls, sensor_handle(&c->sensor)) & 1u << KEY_SIZE) != 0) {
        set_size(c);
        controls_apply(&c->controls, sensor_handle(&c->sensor));
    }
    note_quality(c, now_us());
}

/* Between two pictures. What was being captured while flash was written is damaged. */
static void write_settings(struct camera *c)
{
    if (settings_flush(now_us())) {
        be_fresh(c, 0);
    }
}

static bool keep_awake(struct camera *c)
{
    unsigned wakes = atomic_load(&c->wakes);
    bool awake = atomic_load(&c->awake);
    if (!awake) {
        if (c->running && !c->is_card) {
            sensor_rest(&c->sensor);
        }
        c->running = false;
        return false;
    }
    if (!c->running || wakes != c->wakes_seen) {
        c->running = true;
        c->wakes_seen = wakes;
        if (!c->is_card) {
            sensor_wake(&c->sensor);
        }
        c->card_due_us = now_us();
        /* The first picture after a rest was exposed by guess. */
        be_fresh(c, c->is_card ? 0 : 1);
    }
    return true;
}

void camera_set_pace(struct camera *c, uint32_t us)
{
    atomic_store(&c->pace_us, us);
}

void camera_nudge(struct camera *c)
{
    if (c->task != NULL) {
        xTaskNotifyGive(c->task);
    }
}

void camera_set_awake(struct camera *c, bool awake)
{
    atomic_store(&c->awake, awake);
    if (awake) {
        atomic_fetch_add(&c->wakes, 1);
    }
    camera_nudge(c);
}

/* ---- Recovery ----------------------------------------------------------------------------- */

static void plan(struct camera *c, enum recovery_step step)
{
    if (step == RECOVERY_NONE) {
        return;
    }
    uint64_t now = now_us();
    /* The last rung is not hammered. */
    c->step_from_us = step == c->step_due ? now + RETRY_US : now;
    c->step_due = step;
    c->reclaim_until_us = c->step_from_us + RECLAIM_MAX_US;
    c->bad_run = 0;
    count(&c->errors);
    ESP_LOGE(TAG, "no good pictures: %s, number %u", recovery_name(step), (unsigned)c->recovery.taken[step]);
}

static void reboot(struct camera *c)
{
    kept.reboots++;
    c->step_due = RECOVERY_NONE;
    vTaskDelay(ticks_of_ms(LOG_OUT_MS));
    esp_restart();
}

static void take_step(struct camera *c)
{
    if (now_us() < c->step_from_us) {
        ulTaskNotifyTake(pdTRUE, ticks_of_ms(REST_MS));
        return;
    }
    if (c->step_due == RECOVERY_REBOOT) {
        reboot(c);
        return;
    }
    if (!all_back(c)) {
        if (now_us() < c->reclaim_until_us) {
            vTaskDelay(ticks_of_ms(RECLAIM_MS));
        } else {
            /* Freeing a buffer the line still reads from would be worse than any wait. */
            plan(c, recovery_step_failed(&c->recovery));
        }
        return;
    }
    if (!sensor_reopen(&c->sensor, c->step_due == RECOVERY_POWER)) {
        plan(c, recovery_step_failed(&c->recovery));
        return;
    }
    c->step_due = RECOVERY_NONE;
    controls_reapply(&c->controls);
    controls_apply(&c->controls, sensor_handle(&c->sensor));
    set_size(c);
    ESP_LOGI(TAG, "sensor reopened");
}

static void fail(struct camera *c)
{
    count(&c->errors);
    plan(c, recovery_failed(&c->recovery));
}

/* A broken picture now and then is the sensor's way; many in a row are a fault. */
static void fail_broken(struct camera *c)
{
    c->bad_run++;
    if (c->bad_run % CAMERA_BAD_RUN == 0) {
        fail(c);
    } else {
        count(&c->errors);
    }
}

static void succeed(struct camera *c)
{
    c->bad_run = 0;
    recovery_good(&c->recovery);
    kept.reboots = 0;
}

/* ---- One picture -------------------------------------------------------------------------- */

static uint64_t begun_us(const camera_fb_t *fb)
{
    return (uint64_t)fb->timestamp.tv_sec * 1000000u + (uint64_t)fb->timestamp.tv_usec;
}

static bool is_wanted(struct camera *c, uint64_t us)
{
    if (us < c->fresh_from_us) {
        return false;
    }
    if (c->flush > 0) {
        c->flush--;
        return false;
    }
    return is_due(c, us);
}

/* 0 (best) to 63 becomes 100 to 1. */
static uint8_t percent(int32_t quality)
{
    return (uint8_t)(100 - quality * 99 / 63);
}

struct sink {
    uint8_t *out;
    size_t room, len;
    bool full;
};

static size_t pour(void *arg, size_t index, const void *data, size_t n)
{
    struct sink *s = arg;
    (void)index;
    if (n > s->room - s->len) {
        s->full = true;
    } else if (n > 0) {
        memcpy(s->out + s->len, data, n);
        s->len += n;
    }
    return n;
}

/* frame2jpg would take 128 kB from the heap for each picture, which a board without PSRAM has not got, and call a picture
 * good that was cut for want of room. */
static bool compress(struct camera *c, struct camera_shot *shot, struct jpeg_span *span)
{
    camera_fb_t *fb = shot->fb;
    struct sink sink = {.out = shot->own, .room = shot->own != NULL ? c->own_size : 0};
    bool done = frame2jpg_cb(fb, percent(controls_value(&c->controls, KEY_QUALITY)), pour, &sink);
    *span = (struct jpeg_span){shot->own, (uint32_t)sink.len, (uint16_t)fb->width, (uint16_t)fb->height};
    esp_camera_fb_return(fb);
    shot->fb = NULL;
    return done && !sink.full && sink.len > 0;
}

static void take_picture(struct camera *c)
{
    /* The driver may take its 4 s only now, with the watchdog's time still whole. */
    esp_task_wdt_reset();
    camera_fb_t *fb = esp_camera_fb_get();
    if (fb == NULL) {
        fail(c);
        return;
    }
    uint64_t us = begun_us(fb);
    /* The host's rest may have come while the driver made us wait. */
    if (!is_wanted(c, us) || !atomic_load(&c->awake)) {
        esp_camera_fb_return(fb);
        return;
    }
    struct camera_shot *shot = take_shot(c);
    if (shot == NULL) {
        esp_camera_fb_return(fb);
        return;
    }
    shot->fb = fb;
    struct jpeg_span span;
    bool whole = fb->format == PIXFORMAT_JPEG ? jpeg_repair(fb->buf, fb->len, &span) : compress(c, shot, &span);
    if (!whole) {
        give_back(shot);
        fail_broken(c);
        return;
    }
    succeed(c);
    publish(c, shot, span, us);
}

static void draw_card(struct camera *c)
{
    uint64_t now = now_us();
    if (now < c->card_due_us) {
        ulTaskNotifyTake(pdTRUE, ticks_of_ms((uint32_t)((c->card_due_us - now + 999) / 1000)));
        return;
    }
    uint64_t pace = atomic_load(&c->pace_us), least = interval_us(c);
    pace = pace != 0 ? pace : TESTCARD_INTERVAL_MS * UINT64_C(1000);
    c->card_due_us = now + (pace > least ? pace : least);
    struct camera_shot *shot = take_shot(c);
    if (shot == NULL) {
        return;
    }
    struct control_size size = controls_size(&c->controls);
    size_t len = 0;
    if (shot->own != NULL) {
        uint8_t quality = (uint8_t)controls_value(&c->controls, KEY_QUALITY);
        len = testcard_draw(shot->own, c->own_size, size, quality, ++c->card_number);
    }
    if (len == 0) {
        count(&c->errors);
        give_back(shot);
        return;
    }
    publish(c, shot, (struct jpeg_span){shot->own, (uint32_t)len, size.width, size.height}, now);
}

void camera_step(struct camera *c)
{
    write_settings(c);
    if (c->step_due != RECOVERY_NONE) {
        take_step(c);
        return;
    }
    if (!keep_awake(c)) {
        ulTaskNotifyTake(pdTRUE, ticks_of_ms(REST_MS));
        return;
    }
    apply_settings(c);
    if (c->is_card) {
        draw_card(c);
    } else {
        take_picture(c);
    }
}

/* The watchdog is fed once a round and before the driver's wait of 4 s for a picture. Failed rounds end in a reboot, so
 * a task that is fed is one that gets on. */
static void run(void *arg)
{
    struct camera *c = arg;
    esp_task_wdt_add(NULL);
    for (;;) {
        camera_step(c);
        esp_task_wdt_reset();
    }
}

bool camera_start(struct camera *c)
{
    /* Where the driver's own task runs, and away from the link. */
    return xTaskCreatePinnedToCore(run, "capture", CAMERA_STACK, c, CAMERA_PRIORITY, &c->task, 0) == pdPASS;
}
