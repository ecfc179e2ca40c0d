#include "device.h"

#include "console.h"
#include "health.h"

#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "sdkconfig.h"

#include <stdlib.h>

#if CONFIG_IDF_TARGET_ESP32S2 || CONFIG_IDF_TARGET_ESP32S3
#include "soc/rtc_cntl_reg.h"
#include "soc/soc.h"
#endif

/* Above everything but the driver's own task: a UART not refilled for 0.4 ms is a gap on the wire. */
enum device_place { DEVICE_PRIORITY = 12 };
enum device_time { STACKS_US = 10000000 };
enum device_reset { RESET_REBOOT = 0, RESET_DOWNLOAD = 1 };

/* ---- The platform of the core ------------------------------------------------------------- */

static uint64_t platform_now_us(void *ctx)
{
    (void)ctx;
    return (uint64_t)esp_timer_get_time();
}

static int platform_write(void *ctx, const uint8_t *p, size_t n)
{
    const struct device *d = ctx;
    return d->link->write(p, n);
}

static int platform_read(void *ctx, uint8_t *p, size_t n)
{
    const struct device *d = ctx;
    return d->link->read(p, n);
}

static bool platform_drained(void *ctx)
{
    const struct device *d = ctx;
    return d->link->drained();
}

static bool platform_set_baud(void *ctx, uint32_t baud, bool check_only)
{
    const struct device *d = ctx;
    return d->link->set_baud != NULL && d->link->set_baud(baud, check_only);
}

static void platform_sensor(void *ctx, bool awake)
{
    const struct device *d = ctx;
    camera_set_awake(d->camera, awake);
}

static void platform_frame_release(void *ctx, struct camlink_frame *f)
{
    const struct device *d = ctx;
    camera_release(d->camera, f);
}

static size_t platform_config_count(void *ctx)
{
    const struct device *d = ctx;
    return controls_count(&d->camera->controls);
}

static void platform_config_get(void *ctx, size_t i, struct camlink_config_item *item)
{
    const struct device *d = ctx;
    controls_item(&d->camera->controls, i, item);
}

static void platform_config_set(void *ctx, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item)
{
    const struct device *d = ctx;
    controls_set(&d->camera->controls, i, value, flags, item);
    camera_nudge(d->camera);
}

static void platform_health(void *ctx, struct camlink_health *h)
{
    struct device *d = ctx;
    health_read(h);
    h->captured = atomic_load(&d->camera->captured);
    h->camera_errors = atomic_load(&d->camera->errors);
    h->rx_overruns = d->link->overruns();
}

static bool platform_reset(void *ctx, uint8_t mode)
{
    (void)ctx;
    if (mode == RESET_DOWNLOAD) {
#if CONFIG_IDF_TARGET_ESP32S2 || CONFIG_IDF_TARGET_ESP32S3
        REG_WRITE(RTC_CNTL_OPTION1_REG, RTC_CNTL_FORCE_DOWNLOAD_BOOT);
#else
        return false; /* only the pin GPIO0 can */
#endif
    } else if (mode != RESET_REBOOT) {
        return false;
    }
    esp_restart();
    return true;
}

static void platform_log_level(void *ctx, uint8_t level)
{
    (void)ctx;
    console_set_level(level);
}

static const struct camlink_platform platform = {
    .now_us = platform_now_us,
    .write = platform_write,
    .read = platform_read,
    .drained = platform_drained,
    .set_baud = platform_set_baud,
    .sensor = platform_sensor,
    .frame_release = platform_frame_release,
    .config_count = platform_config_count,
    .config_get = platform_config_get,
    .config_set = platform_config_set,
    .health = platform_health,
    .reset = platform_reset,
    .log_level = platform_log_level,
};

/* ---- The task ----------------------------------------------------------------------------- */

void device_init(struct device *d, const struct board *board, const struct link *link, struct camera *camera)
{
    d->board = board;
    d->link = link;
    d->camera = camera;
    camlink_device_init(&d->core, &platform, d, &d->identity, &camera->mailbox);
}

static void check_stacks(struct device *d)
{
    uint64_t now = platform_now_us(d);
    if (now >= d->stacks_due_us) {
        d->stacks_due_us = now + STACKS_US;
        health_check_stack(d->task);
        health_check_stack(d->camera->task);
    }
}

void device_step(struct device *d)
{
    console_drain(&d->core);
    uint32_t ms = camlink_device_poll(&d->core);
    if (d->link->was_reset()) {
        camlink_device_line_reset(&d->core);
        ms = 0;
    }
    camera_set_pace(d->camera, camlink_device_interval_us(&d->core));
    check_stacks(d);
    d->link->wait(ms);
}

/* Fed once a round: a round is bounded by the link, which refuses a write in time. */
static void run(void *arg)
{
    struct device *d = arg;
    if (!d->link->open(d->board)) {
        abort(); /* the panic text on the UART is all that can still be said */
    }
    esp_task_wdt_add(NULL);
    for (;;) {
        device_step(d);
        esp_task_wdt_reset();
    }
}

bool device_start(struct device *d)
{
#if CONFIG_FREERTOS_UNICORE
    const BaseType_t core = 0;
#else
    const BaseType_t core = 1;
#endif
    return xTaskCreatePinnedToCore(run, "link", DEVICE_STACK, d, DEVICE_PRIORITY, &d->task, core) == pdPASS;
}
