/*
 * USB-Serial-JTAG.
 *
 * Sending. usb_serial_jtag_write_bytes takes all or nothing, and at once nothing of what is larger than its ring: so
 * pieces are offered that halve until one fits. The ring holds TX_RING bytes, about 20 ms at full speed, so a tick
 * of sleep does not run it dry. A host that does not read leaves the ring full: writes are refused, the lease ends, and
 * the core drops the frame.
 *
 * Presence. is_connected means that frames start on the bus, not that a program reads. It is believed only in one
 * direction: bus seen and then lost is a pulled cable.
 *
 * Receiving. The driver drops silently what overflows its ring; packets from the host are short and the ring is read
 * every RX_POLL_MS, because the driver tells nobody when bytes arrive.
 */
#include "sdkconfig.h"

#if CONFIG_CAMGW_LINK_USJ

#include "camlink_device.h"
#include "link.h"
#include "ticks.h"

#include "driver/usb_serial_jtag.h"
#include "esp_timer.h"
#include "freertos/task.h"

enum usj_size { TX_RING = 16384, RX_RING = 2048, PIECE_MAX = 2048, PIECE_MIN = 32 };
enum usj_time { RX_POLL_MS = 2, DRAIN_US = 50000 };

static TaskHandle_t reader;
static bool was_connected, reset_due, refused;
static int64_t wrote_us;

static bool usj_open(const struct board *board)
{
    (void)board;
    usb_serial_jtag_driver_config_t config = {.tx_buffer_size = TX_RING, .rx_buffer_size = RX_RING};
    reader = xTaskGetCurrentTaskHandle();
    return usb_serial_jtag_driver_install(&config) == ESP_OK;
}

static bool cable_pulled(void)
{
    bool connected = usb_serial_jtag_is_connected();
    if (connected) {
        was_connected = true;
    } else if (was_connected) {
        was_connected = false;
        reset_due = true;
    }
    return reset_due;
}

static int usj_write(const uint8_t *p, size_t n)
{
    if (cable_pulled()) {
        return -1;
    }
    size_t piece = n < PIECE_MAX ? n : PIECE_MAX;
    for (;;) {
        int sent = usb_serial_jtag_write_bytes(p, piece, 0);
        if (sent > 0) {
            wrote_us = esp_timer_get_time();
            return sent;
        }
        if (piece <= PIECE_MIN) {
            refused = true;
            return 0;
        }
        piece = piece / 2 > PIECE_MIN ? piece / 2 : PIECE_MIN;
    }
}

static int usj_read(uint8_t *p, size_t n)
{
    return cable_pulled() ? -1 : usb_serial_jtag_read_bytes(p, (uint32_t)n, 0);
}

/* 5.1 cannot say whether the ring is empty. A ring that is read at all is empty after this long. */
static bool usj_drained(void)
{
    return esp_timer_get_time() - wrote_us >= DRAIN_US;
}

static bool usj_was_reset(void)
{
    bool due = reset_due;
    reset_due = false;
    return due;
}

static void usj_wait(uint32_t ms)
{
    uint32_t most = refused ? 1 : RX_POLL_MS;
    refused = false;
    ulTaskNotifyTake(pdTRUE, ticks_of_ms(ms < most ? ms : most));
}

static void usj_wake(void)
{
    if (reader != NULL) {
        xTaskNotifyGive(reader);
    }
}

static uint32_t usj_overruns(void)
{
    return 0; /* the driver does not count them */
}

const struct link link_usj = {
    .transport = CAMLINK_USB_JTAG,
    .open = usj_open,
    .write = usj_write,
    .read = usj_read,
    .drained = usj_drained,
    .was_reset = usj_was_reset,
    .wait = usj_wait,
    .wake = usj_wake,
    .overruns = usj_overruns,
};

const struct link *link_selected(void)
{
    return &link_usj;
}

#endif
