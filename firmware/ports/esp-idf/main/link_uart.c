/*
 * UART, by default UART0, which the ROM and the panic handler speak on too: their text lies between packets and the
 * host shows it as lines.
 *
 * Sending. The driver has no transmit ring (tx_buffer_size 0): with one, uart_write_bytes spins while the ring is full
 * (ESP-IDF 5.3.5, 5.4.4, 5.5.2 and later), and every byte is copied twice. Without one it sleeps on the FIFO's
 * interrupt and copies straight from the frame buffer, so it blocks until all but the last 128 bytes are on the wire.
 * uart_tx_chars does not block, but nothing wakes the caller when the FIFO runs empty, and a tick is 2.3 FIFOs at
 * 3,000,000 baud. So each write is a bounded span of about SPAN_MS of line time, and a turn of the task ends after
 * TURN_MS of them with a refused write: the core never waits longer than a span, requests are heard between packets,
 * and the watchdog and the log have their turn however long the pictures.
 *
 * Receiving. The FIFO has 128 bytes, 0.4 ms at 3,000,000 baud. The interrupt fires at RX_FULL of them and is in IRAM
 * (CONFIG_UART_ISR_IN_IRAM), as a write to flash stops everything else for milliseconds. Packets from the host fit the
 * FIFO.
 */
#include "sdkconfig.h"

#if CONFIG_CAMGW_LINK_UART

#include "camlink_device.h"
#include "link.h"
#include "ticks.h"

#include "driver/uart.h"
#include "esp_intr_alloc.h"
#include "esp_log.h"
#include "freertos/queue.h"
#include "soc/soc_caps.h"

enum uart_size { RX_RING = 2048, EVENTS = 32, RX_FULL = 32, TX_EMPTY = 64, RX_IDLE_SYMBOLS = 3 };
enum uart_span { SPAN_MS = 2, SPAN_MIN = 32, TURN_MS = 20, TURN_MIN = 256 };
enum uart_rate { BAUD_MIN = 1200, TOLERANCE_PERMILLE = 15 };
/* An event of our own among the driver's, so that one queue is all the task waits for. */
enum uart_event { EVENT_WAKE = UART_EVENT_MAX };

#if CONFIG_UART_ISR_IN_IRAM
#define INTERRUPT_FLAGS ESP_INTR_FLAG_IRAM
#else
#define INTERRUPT_FLAGS 0
#endif

static const uart_port_t port = CONFIG_CAMGW_UART_NUM;
static QueueHandle_t events;
static uint32_t rate;
static size_t turn_left;
static bool refused;
static uint32_t overruns;

static size_t line_bytes(uint32_t ms, size_t least)
{
    size_t n = (size_t)rate / 10000u * ms;
    return n < least ? least : n;
}

static void begin_turn(void)
{
    turn_left = line_bytes(TURN_MS, TURN_MIN);
    refused = false;
}

static int pin(int configured, int boards)
{
    int chosen = configured >= 0 ? configured : boards;
    return chosen >= 0 ? chosen : UART_PIN_NO_CHANGE;
}

static bool uart_open(const struct board *board)
{
    const uart_config_t config = {
        .baud_rate = CONFIG_CAMGW_UART_BASE_BAUD,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
        .source_clk = UART_SCLK_DEFAULT,
    };
    rate = CONFIG_CAMGW_UART_BASE_BAUD;
    begin_turn();
    if (uart_driver_install(port, RX_RING, 0, EVENTS, &events, INTERRUPT_FLAGS) != ESP_OK) {
        return false;
    }
    /* The last boot text was sent at its own rate: let it leave before the rate is set. */
    uart_wait_tx_done(port, ticks_of_ms(100));
    return uart_param_config(port, &config) == ESP_OK &&
           uart_set_pin(port, pin(CONFIG_CAMGW_UART_TX_PIN, board->uart_tx),
                        pin(CONFIG_CAMGW_UART_RX_PIN, board->uart_rx), UART_PIN_NO_CHANGE,
                        UART_PIN_NO_CHANGE) == ESP_OK &&
           uart_set_rx_full_threshold(port, RX_FULL) == ESP_OK &&
           uart_set_rx_timeout(port, RX_IDLE_SYMBOLS) == ESP_OK &&
           uart_set_tx_empty_threshold(port, TX_EMPTY) == ESP_OK;
}

static int uart_write(const uint8_t *p, size_t n)
{
    if (turn_left == 0) {
        refused = true;
        return 0;
    }
    size_t span = line_bytes(SPAN_MS, SPAN_MIN);
    n = n < span ? n : span;
    n = n < turn_left ? n : turn_left;
    int sent = uart_write_bytes(port, p, n);
    if (sent > 0) {
        turn_left -= (size_t)sent;
    }
    return sent;
}

static int uart_read(uint8_t *p, size_t n)
{
    return uart_read_bytes(port, p, (uint32_t)n, 0);
}

static bool uart_drained(void)
{
    return uart_wait_tx_done(port, 0) == ESP_OK;
}

static bool is_near(uint32_t made, uint32_t wanted)
{
    uint64_t off = made > wanted ? made - wanted : wanted - made;
    return off * 1000u <= (uint64_t)TOLERANCE_PERMILLE * wanted;
}

/* The rate the divider makes: sixteenths of the clock's cycle, rounded down, as in uart_ll_set_baudrate. */
static bool can_make(uint32_t baud)
{
    uint32_t clock;
    if (baud < BAUD_MIN || baud > SOC_UART_BITRATE_MAX || baud > CONFIG_CAMGW_UART_BAUD_MAX ||
        uart_get_sclk_freq(UART_SCLK_DEFAULT, &clock) != ESP_OK) {
        return false;
    }
    uint64_t divider = ((uint64_t)clock << 4) / baud;
    return divider >= 16 && is_near((uint32_t)(((uint64_t)clock << 4) / divider), baud);
}

static bool uart_set_rate(uint32_t baud, bool check_only)
{
    /* The base rate is always allowed: it is what the link falls back to, and the port was opened with it. */
    if (baud != CONFIG_CAMGW_UART_BASE_BAUD && !can_make(baud)) {
        return false;
    }
    if (check_only) {
        return true;
    }
    uint32_t made = 0;
    if (uart_set_baudrate(port, baud) != ESP_OK || uart_get_baudrate(port, &made) != ESP_OK || !is_near(made, baud)) {
        ESP_LOGE("uart", "rate %u became %u, back to %u", (unsigned)baud, (unsigned)made, (unsigned)rate);
        uart_set_baudrate(port, rate);
        return false;
    }
    rate = baud;
    /* What came at the old rate is noise at the new one. */
    uart_flush_input(port);
    begin_turn();
    return true;
}

static bool uart_was_reset(void)
{
    return false; /* a UART cannot tell: the lease does */
}

static void note(const uart_event_t *event)
{
    if (event->type == UART_FIFO_OVF || event->type == UART_BUFFER_FULL) {
        overruns++;
    }
}

static void uart_wait(uint32_t ms)
{
    TickType_t ticks = refused ? 0 : ticks_of_ms(ms);
    uart_event_t event;
    while (xQueueReceive(events, &event, ticks) == pdTRUE) {
        note(&event);
        ticks = 0;
    }
    begin_turn();
}

static void uart_wake(void)
{
    const uart_event_t event = {.type = (uart_event_type_t)EVENT_WAKE};
    if (events != NULL) {
        xQueueSend(events, &event, 0); /* a full queue wakes as well */
    }
}

static uint32_t uart_overruns(void)
{
    return overruns;
}

const struct link link_uart = {
    .transport = CAMLINK_UART,
    .open = uart_open,
    .write = uart_write,
    .read = uart_read,
    .drained = uart_drained,
    .set_baud = uart_set_rate,
    .was_reset = uart_was_reset,
    .wait = uart_wait,
    .wake = uart_wake,
    .overruns = uart_overruns,
};

const struct link *link_selected(void)
{
    return &link_uart;
}

#endif
