/*
 * USB CDC-ACM by TinyUSB: faster than USB-Serial-JTAG, but the port is gone after a crash and there is no automatic
 * flashing.
 *
 * While DTR is down TinyUSB makes its send FIFO overwritable: new bytes replace old ones silently. So nothing is
 * written then: no DTR is no line. The callbacks run in TinyUSB's task and the core belongs to the link task, so
 * they leave a note and wake it. What the FIFO still holds for the host that went is cleared before
 * the next one is spoken to.
 *
 * The queue takes what fits; a flush that waits would poll by ticks, so the flush asks without waiting, once per
 * turn: TinyUSB itself sends every full endpoint buffer.
 */
#include "sdkconfig.h"

#if CONFIG_CAMGW_LINK_TINYUSB

#include "camlink_device.h"
#include "link.h"
#include "ticks.h"

#include "esp_timer.h"
#include "freertos/task.h"
#include "tinyusb.h"
#include "tinyusb_cdc_acm.h"
#include "tinyusb_default_config.h"

#include <stdatomic.h>

enum tinyusb_time { REFUSED_MS = 1, DRAIN_US = 50000 };

static TaskHandle_t reader;
/* Touched by TinyUSB's task and the link task. */
static atomic_bool dtr, changed;
/* The link task's. */
static bool refused, unflushed;
static int64_t wrote_us;

static void tinyusb_wake(void)
{
    if (reader != NULL) {
        xTaskNotifyGive(reader);
    }
}

static void on_line_state(int itf, cdcacm_event_t *event)
{
    (void)itf;
    bool up = event->line_state_changed_data.dtr;
    if (atomic_exchange(&dtr, up) != up) {
        atomic_store(&changed, true);
    }
    tinyusb_wake();
}

static void on_bytes(int itf, cdcacm_event_t *event)
{
    (void)itf;
    (void)event;
    tinyusb_wake();
}

/* An unplugged cable does not lower DTR. */
static void on_device(tinyusb_event_t *event, void *arg)
{
    (void)arg;
    if (event->id == TINYUSB_EVENT_DETACHED && atomic_exchange(&dtr, false)) {
        atomic_store(&changed, true);
        tinyusb_wake();
    }
}

static bool tinyusb_open(const struct board *board)
{
    (void)board;
    reader = xTaskGetCurrentTaskHandle();
    const tinyusb_config_t device = TINYUSB_DEFAULT_CONFIG(on_device);
    const tinyusb_config_cdcacm_t acm = {
        .cdc_port = TINYUSB_CDC_ACM_0,
        .callback_rx = on_bytes,
        .callback_line_state_changed = on_line_state,
    };
    return tinyusb_driver_install(&device) == ESP_OK && tinyusb_cdcacm_init(&acm) == ESP_OK;
}

static int tinyusb_write(const uint8_t *p, size_t n)
{
    if (!atomic_load(&dtr) || atomic_load(&changed)) {
        return -1;
    }
    size_t sent = tinyusb_cdcacm_write_queue(TINYUSB_CDC_ACM_0, p, n);
    if (sent == 0) {
        refused = true;
        return 0;
    }
    unflushed = true;
    wrote_us = esp_timer_get_time();
    return (int)sent;
}

static int tinyusb_read(uint8_t *p, size_t n)
{
    size_t got = 0;
    if (!atomic_load(&dtr) || atomic_load(&changed)) {
        return -1;
    }
    return tinyusb_cdcacm_read(TINYUSB_CDC_ACM_0, p, n, &got) == ESP_OK ? (int)got : 0;
}

static void flush(void)
{
    if (unflushed) {
        unflushed = tinyusb_cdcacm_write_flush(TINYUSB_CDC_ACM_0, 0) != ESP_OK;
    }
}

static bool tinyusb_drained(void)
{
    flush();
    return !unflushed || esp_timer_get_time() - wrote_us >= DRAIN_US;
}

static bool tinyusb_was_reset(void)
{
    if (!atomic_exchange(&changed, false)) {
        return false;
    }
    tud_cdc_n_write_clear(TINYUSB_CDC_ACM_0);
    tud_cdc_n_read_flush(TINYUSB_CDC_ACM_0);
    unflushed = false;
    return true;
}

static void tinyusb_wait(uint32_t ms)
{
    flush();
    uint32_t most = refused || unflushed ? REFUSED_MS : ms;
    refused = false;
    ulTaskNotifyTake(pdTRUE, ticks_of_ms(ms < most ? ms : most));
}

static uint32_t tinyusb_overruns(void)
{
    return 0; /* a full FIFO holds the host up */
}

const struct link link_tinyusb = {
    .transport = CAMLINK_USB_CDC,
    .open = tinyusb_open,
    .write = tinyusb_write,
    .read = tinyusb_read,
    .drained = tinyusb_drained,
    .was_reset = tinyusb_was_reset,
    .wait = tinyusb_wait,
    .wake = tinyusb_wake,
    .overruns = tinyusb_overruns,
};

const struct link *link_selected(void)
{
    return &link_tinyusb;
}

#endif
