/* The three wires' drivers. */
#include "fake.h"

#include <string.h>

struct fake_queue {
    int unused;
};

static struct fake_queue uart_queue;

/* ---- UART: writing takes the time the bytes take, but for the FIFO's 128 */

esp_err_t uart_driver_install(uart_port_t port, int rx, int tx, int events, QueueHandle_t *queue, int flags)
{
    (void)port;
    (void)rx;
    (void)events;
    fake.uart.tx_ring = tx;
    fake.uart.flags = flags;
    *queue = &uart_queue;
    return ESP_OK;
}

esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config)
{
    (void)port;
    fake.uart.baud = (uint32_t)config->baud_rate;
    return ESP_OK;
}

esp_err_t uart_set_pin(uart_port_t port, int tx, int rx, int rts, int cts)
{
    (void)port;
    (void)rts;
    (void)cts;
    fake.uart.tx_pin = tx;
    fake.uart.rx_pin = rx;
    return ESP_OK;
}

esp_err_t uart_set_rx_full_threshold(uart_port_t port, int threshold)
{
    (void)port;
    fake.uart.fifo_threshold = threshold;
    return ESP_OK;
}

esp_err_t uart_set_rx_timeout(uart_port_t port, uint8_t symbols)
{
    (void)port;
    (void)symbols;
    return ESP_OK;
}

esp_err_t uart_set_tx_empty_threshold(uart_port_t port, int threshold)
{
    (void)port;
    fake.uart.empty_threshold = threshold;
    return ESP_OK;
}

int uart_write_bytes(uart_port_t port, const void *p, size_t n)
{
    (void)port;
    size_t room = FAKE_WIRE - fake.uart.sent_len;
    memcpy(fake.uart.sent + fake.uart.sent_len, p, n < room ? n : room);
    fake.uart.sent_len += n < room ? n : room;
    fake.uart.largest_write = n > fake.uart.largest_write ? n : fake.uart.largest_write;
    fake.uart.writes++;
    int64_t byte_ns = 10000000000 / fake.uart.baud;
    int64_t start = fake.uart.idle_us > fake.now_us ? fake.uart.idle_us : fake.now_us;
    fake.uart.idle_us = start + (int64_t)n * byte_ns / 1000;
    int64_t back = fake.uart.idle_us - 128 * byte_ns / 1000;
    fake.now_us = back > fake.now_us ? back : fake.now_us;
    return (int)n;
}

int uart_read_bytes(uart_port_t port, void *p, uint32_t n, TickType_t ticks)
{
    (void)port;
    (void)ticks;
    size_t have = fake.uart.received_len - fake.uart.received_at;
    have = have < n ? have : n;
    memcpy(p, fake.uart.received + fake.uart.received_at, have);
    fake.uart.received_at += have;
    return (int)have;
}

esp_err_t uart_wait_tx_done(uart_port_t port, TickType_t ticks)
{
    (void)port;
    int64_t left = fake.uart.idle_us - fake.now_us;
    if (left <= (int64_t)ticks * 1000) {
        fake.now_us += left > 0 ? left : 0;
        return ESP_OK;
    }
    fake.now_us += (int64_t)ticks * 1000;
    return ESP_ERR_TIMEOUT;
}

esp_err_t uart_get_sclk_freq(int clock, uint32_t *hz)
{
    (void)clock;
    *hz = 80000000;
    return ESP_OK;
}

esp_err_t uart_set_baudrate(uart_port_t port, uint32_t baud)
{
    (void)port;
    fake.uart.baud = baud;
    return ESP_OK;
}

esp_err_t uart_get_baudrate(uart_port_t port, uint32_t *baud)
{
    (void)port;
    *baud = fake.uart.baud + (uint32_t)((uint64_t)fake.uart.baud * fake.uart.skew / 1000);
    return ESP_OK;
}

esp_err_t uart_flush_input(uart_port_t port)
{
    (void)port;
    fake.uart.flushes++;
    fake.uart.received_at = fake.uart.received_len;
    return ESP_OK;
}

BaseType_t xQueueSend(QueueHandle_t q, const void *item, TickType_t ticks)
{
    (void)q;
    (void)ticks;
    if (fake.uart.event_count == FAKE_EVENTS) {
        return pdFALSE;
    }
    memcpy(&fake.uart.events[fake.uart.event_count++], item, sizeof(uart_event_t));
    return pdTRUE;
}

BaseType_t xQueueReceive(QueueHandle_t q, void *item, TickType_t ticks)
{
    (void)q;
    if (fake.uart.event_count == 0) {
        fake_sleep(ticks);
        return pdFALSE;
    }
    memcpy(item, &fake.uart.events[0], sizeof(uart_event_t));
    fake.uart.event_count--;
    memmove(&fake.uart.events[0], &fake.uart.events[1], fake.uart.event_count * sizeof(uart_event_t));
    return pdTRUE;
}

/* ---- USB-Serial-JTAG: all or nothing */

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config)
{
    fake.usj.ring = config->tx_buffer_size;
    return ESP_OK;
}

int usb_serial_jtag_write_bytes(const void *p, size_t n, TickType_t ticks)
{
    fake.usj.calls++;
    fake.usj.partial += ticks > 0 ? 1 : 0;
    if (fake.usj.reading) {
        fake.usj.used = 0;
    }
    if (n > fake.usj.ring - fake.usj.used) {
        return 0;
    }
    fake.usj.used += (uint32_t)n;
    memcpy(fake.usj.sent + fake.usj.sent_len, p, n);
    fake.usj.sent_len += n;
    return (int)n;
}

int usb_serial_jtag_read_bytes(void *p, uint32_t n, TickType_t ticks)
{
    (void)ticks;
    size_t have = fake.usj.received_len < n ? fake.usj.received_len : n;
    memcpy(p, fake.usj.received, have);
    fake.usj.received_len -= have;
    memmove(fake.usj.received, fake.usj.received + have, fake.usj.received_len);
    return (int)have;
}

bool usb_serial_jtag_is_connected(void)
{
    return fake.usj.connected;
}

/* ---- TinyUSB: what is written without DTR overwrites what is there */

esp_err_t tinyusb_driver_install(const tinyusb_config_t *config)
{
    fake.tusb.device = *config;
    return ESP_OK;
}

esp_err_t tinyusb_cdcacm_init(const tinyusb_config_cdcacm_t *config)
{
    fake.tusb.acm = *config;
    return ESP_OK;
}

size_t tinyusb_cdcacm_write_queue(tinyusb_cdcacm_itf_t itf, const uint8_t *p, size_t n)
{
    (void)itf;
    fake.tusb.writes_without_dtr += fake.tusb.dtr ? 0 : 1;
    n = n < fake.tusb.room ? n : fake.tusb.room;
    memcpy(fake.tusb.sent + fake.tusb.sent_len, p, n);
    fake.tusb.sent_len += n;
    fake.tusb.room -= n;
    return n;
}

esp_err_t tinyusb_cdcacm_write_flush(tinyusb_cdcacm_itf_t itf, uint32_t ticks)
{
    (void)itf;
    fake.tusb.flushes++;
    fake.now_us += (int64_t)ticks * 1000;
    return ESP_OK;
}

esp_err_t tinyusb_cdcacm_read(tinyusb_cdcacm_itf_t itf, uint8_t *p, size_t room, size_t *got)
{
    (void)itf;
    *got = fake.tusb.received_len < room ? fake.tusb.received_len : room;
    memcpy(p, fake.tusb.received, *got);
    fake.tusb.received_len = 0;
    return ESP_OK;
}

bool tud_cdc_n_write_clear(uint8_t itf)
{
    (void)itf;
    fake.tusb.clears++;
    return true;
}

void tud_cdc_n_read_flush(uint8_t itf)
{
    (void)itf;
    fake.tusb.received_len = 0;
}
