/* The three links over their drivers' faults. */
#include "check.h"

#include "camlink_device.h"
#include "fake.h"
#include "link.h"

#include <string.h>

static uint8_t bytes[8192];

/* ---- UART */

static void open_uart(void)
{
    CHECK(link_uart.open(&fake_board));
}

static void test_uart_setup(void)
{
    open_uart();
    CHECK_EQ(link_uart.transport, CAMLINK_UART);
    CHECK_EQ(fake.uart.tx_ring, 0);
    CHECK_EQ(fake.uart.flags, ESP_INTR_FLAG_IRAM);
    CHECK_EQ(fake.uart.baud, 115200);
    CHECK_EQ(fake.uart.tx_pin, 1);
    CHECK_EQ(fake.uart.rx_pin, 3);
    CHECK(fake.uart.fifo_threshold <= 64);
    CHECK(fake.uart.empty_threshold >= 32);
}

static void test_uart_board_without_pins(void)
{
    fake_board.uart_tx = -1;
    fake_board.uart_rx = -1;
    open_uart();
    CHECK_EQ(fake.uart.tx_pin, UART_PIN_NO_CHANGE);
    CHECK_EQ(fake.uart.rx_pin, UART_PIN_NO_CHANGE);
}

/* No write may hold the core up for longer than a few ms, at any rate, and a turn must end. */
static void test_uart_writes_are_bounded(void)
{
    static const uint32_t rates[] = {115200, 460800, 921600, 2000000, 3000000};
    open_uart();
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        fake.now_us += 100000; /* the core lets the line drain first */
        CHECK(link_uart.set_baud(rates[i], false));
        int64_t turn_begun = fake.now_us;
        for (;;) {
            int64_t begun = fake.now_us;
            int n = link_uart.write(bytes, 4096);
            CHECK(fake.now_us - begun <= 3500);
            if (n == 0) {
                break;
            }
            CHECK(n > 0 && n <= 4096);
        }
        CHECK(fake.now_us - turn_begun <= 25000);
        /* Refused for the turn's sake, not for room: no sleep, and on. */
        unsigned sleeps = fake.sleeps;
        link_uart.wait(500);
        CHECK_EQ(fake.sleeps, sleeps);
        CHECK(link_uart.write(bytes, 4096) > 0);
        link_uart.wait(0);
    }
}

/* Nothing is lost or said twice between spans. */
static void test_uart_sends_all_in_order(void)
{
    open_uart();
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    size_t sent = 0;
    while (sent < sizeof bytes) {
        int n = link_uart.write(bytes + sent, sizeof bytes - sent);
        CHECK(n >= 0);
        sent += (size_t)n;
        if (n == 0) {
            link_uart.wait(1);
        }
    }
    CHECK_EQ(fake.uart.sent_len, sizeof bytes);
    CHECK(memcmp(fake.uart.sent, bytes, sizeof bytes) == 0);
}

static void test_uart_rates(void)
{
    open_uart();
    static const uint32_t good[] = {3000000, 2000000, 1500000, 1000000, 921600, 460800, 115200};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK(link_uart.set_baud(good[i], true));
        CHECK_EQ(fake.uart.baud, 115200);
    }
    static const uint32_t bad[] = {0, 1, 300, 3000001, 4000000, 6000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(!link_uart.set_baud(bad[i], true));
        CHECK(!link_uart.set_baud(bad[i], false));
        CHECK_EQ(fake.uart.baud, 115200);
    }
}

/* The clock may not be what was thought: what the divider really made is read back. */
static void test_uart_rate_that_comes_out_wrong(void)
{
    open_uart();
    CHECK(link_uart.set_baud(1000000, false));
    fake.uart.skew = 30;
    CHECK(!link_uart.set_baud(2000000, false));
    CHECK_EQ(fake.uart.baud, 1000000);
    CHECK(fake_logged("back to 1000000"));
    fake.uart.skew = 10;
    CHECK(link_uart.set_baud(2000000, false));
    CHECK_EQ(fake.uart.baud, 2000000);
}

static void test_uart_input_of_the_old_rate_is_dropped(void)
{
    open_uart();
    fake.uart.received_len = 10;
    CHECK(link_uart.set_baud(2000000, false));
    CHECK_EQ(link_uart.read(bytes, sizeof bytes), 0);
}

static void test_uart_drains(void)
{
    open_uart();
    CHECK(link_uart.drained());
    link_uart.write(bytes, 200);
    CHECK(!link_uart.drained());
    fake.now_us += 20000;
    CHECK(link_uart.drained());
}

static void test_uart_overruns_are_counted(void)
{
    open_uart();
    const uart_event_t overflow = {.type = UART_FIFO_OVF}, full = {.type = UART_BUFFER_FULL},
                       data = {.type = UART_DATA};
    xQueueSend(NULL, &overflow, 0);
    xQueueSend(NULL, &data, 0);
    xQueueSend(NULL, &full, 0);
    link_uart.wait(100);
    CHECK_EQ(link_uart.overruns(), 2);
    CHECK_EQ(fake.uart.event_count, 0);
}

static void test_uart_wake(void)
{
    link_uart.wake(); /* before open: nobody waits yet */
    CHECK_EQ(fake.uart.event_count, 0);
    open_uart();
    link_uart.wake();
    int64_t before = fake.now_us;
    link_uart.wait(500);
    CHECK_EQ(fake.now_us, before);
    link_uart.wait(5);
    CHECK_EQ(fake.now_us, before + 5000);
    for (int i = 0; i < 100; i++) {
        link_uart.wake(); /* a full queue does no harm */
    }
    link_uart.wait(500);
    CHECK_EQ(link_uart.overruns(), 0);
    CHECK(!link_uart.was_reset());
}

/* ---- USB-Serial-JTAG */

static void open_usj(void)
{
    CHECK(link_usj.open(&fake_board));
}

static void test_usj_ring_is_large_enough(void)
{
    open_usj();
    CHECK(fake.usj.ring >= 8192);
    CHECK_EQ(link_usj.transport, CAMLINK_USB_JTAG);
    CHECK(link_usj.set_baud == NULL);
}

static void test_usj_writes_only_what_fits(void)
{
    open_usj();
    size_t total = 0;
    for (int n; (n = link_usj.write(bytes, 4100)) > 0;) {
        total += (size_t)n;
    }
    /* Nobody reads: all but a little of the ring is used, nothing waited, nothing was taken in part. */
    CHECK(total > fake.usj.ring - 32 && total <= fake.usj.ring);
    CHECK_EQ(fake.usj.partial, 0);
    CHECK_EQ(link_usj.write(bytes, 1), total == fake.usj.ring ? 0 : 1);
    fake.usj.reading = true;
    CHECK(link_usj.write(bytes, 4100) > 0);
}

static void test_usj_refused_write_is_tried_again_soon(void)
{
    open_usj();
    while (link_usj.write(bytes, 4100) > 0) {
    }
    int64_t before = fake.now_us;
    link_usj.wait(500);
    CHECK_EQ(fake.now_us, before + 1000);
    link_usj.wait(500); /* bytes that come are not told: look often */
    CHECK(fake.now_us <= before + 3000);
}

static void test_usj_pulled_cable(void)
{
    open_usj();
    CHECK(link_usj.write(bytes, 10) > 0);
    fake.usj.connected = false;
    CHECK(link_usj.write(bytes, 10) < 0);
    CHECK(link_usj.read(bytes, 10) < 0);
    CHECK(link_usj.was_reset());
    CHECK(!link_usj.was_reset());
    fake.usj.connected = true;
    CHECK(link_usj.write(bytes, 10) > 0);
    CHECK(!link_usj.was_reset());
}

/* Seen on no bus at all, a board must still try: is_connected may be wrong. */
static void test_usj_never_connected(void)
{
    fake.usj.connected = false;
    open_usj();
    CHECK(link_usj.write(bytes, 10) > 0);
    CHECK_EQ(link_usj.read(bytes, 10), 0);
    CHECK(!link_usj.was_reset());
}

static void test_usj_drains(void)
{
    open_usj();
    link_usj.write(bytes, 10);
    CHECK(!link_usj.drained());
    fake.now_us += 60000;
    CHECK(link_usj.drained());
}

/* ---- TinyUSB */

static void open_tinyusb(void)
{
    CHECK(link_tinyusb.open(&fake_board));
}

static void set_dtr(bool up)
{
    cdcacm_event_t event = {.line_state_changed_data = {.dtr = up}};
    fake.tusb.dtr = up;
    fake.tusb.acm.callback_line_state_changed(0, &event);
}

static void test_tinyusb_never_writes_without_dtr(void)
{
    open_tinyusb();
    CHECK(link_tinyusb.write(bytes, 10) < 0);
    CHECK(link_tinyusb.read(bytes, 10) < 0);
    set_dtr(true);
    CHECK(link_tinyusb.was_reset());
    CHECK_EQ(link_tinyusb.write(bytes, 10), 10);
    set_dtr(false);
    CHECK(link_tinyusb.write(bytes, 10) < 0);
    CHECK(link_tinyusb.was_reset());
    CHECK(link_tinyusb.write(bytes, 10) < 0);
    CHECK_EQ(fake.tusb.writes_without_dtr, 0);
    CHECK_EQ(fake.tusb.sent_len, 10);
}

/* Down and up again before anybody looked: the host is another one. */
static void test_tinyusb_quick_change_is_not_missed(void)
{
    open_tinyusb();
    set_dtr(true);
    CHECK(link_tinyusb.was_reset());
    set_dtr(false);
    set_dtr(true);
    CHECK(link_tinyusb.write(bytes, 10) < 0);
    CHECK(link_tinyusb.was_reset());
    CHECK_EQ(fake.tusb.clears, 2);
    CHECK_EQ(link_tinyusb.write(bytes, 10), 10);
}

static void test_tinyusb_same_state_is_no_reset(void)
{
    open_tinyusb();
    set_dtr(true);
    CHECK(link_tinyusb.was_reset());
    set_dtr(true); /* RTS changed */
    CHECK(!link_tinyusb.was_reset());
}

static void test_tinyusb_partial_writes(void)
{
    open_tinyusb();
    set_dtr(true);
    link_tinyusb.was_reset();
    fake.tusb.room = 100;
    CHECK_EQ(link_tinyusb.write(bytes, 4100), 100);
    CHECK_EQ(link_tinyusb.write(bytes, 4100), 0);
    fake.notified = false;
    int64_t before = fake.now_us;
    link_tinyusb.wait(500);
    CHECK_EQ(fake.now_us, before + 1000);
    CHECK_EQ(fake.tusb.flushes, 1); /* once per turn, without waiting */
}

static void test_tinyusb_unplugged(void)
{
    open_tinyusb();
    set_dtr(true);
    link_tinyusb.was_reset();
    tinyusb_event_t event = {.id = TINYUSB_EVENT_DETACHED};
    fake.tusb.device.event_cb(&event, NULL);
    CHECK(link_tinyusb.write(bytes, 10) < 0);
    CHECK(link_tinyusb.was_reset());
}

static void test_tinyusb_bytes_wake(void)
{
    open_tinyusb();
    set_dtr(true);
    link_tinyusb.was_reset();
    fake.notified = false;
    cdcacm_event_t event = {0};
    fake.tusb.received_len = 5;
    fake.tusb.acm.callback_rx(0, &event);
    int64_t before = fake.now_us;
    link_tinyusb.wait(500);
    CHECK_EQ(fake.now_us, before);
    CHECK_EQ(link_tinyusb.read(bytes, sizeof bytes), 5);
}

void link_suite(void)
{
    RUN(test_uart_setup);
    RUN(test_uart_board_without_pins);
    RUN(test_uart_writes_are_bounded);
    RUN(test_uart_sends_all_in_order);
    RUN(test_uart_rates);
    RUN(test_uart_rate_that_comes_out_wrong);
    RUN(test_uart_input_of_the_old_rate_is_dropped);
    RUN(test_uart_drains);
    RUN(test_uart_overruns_are_counted);
    RUN(test_uart_wake);
    RUN(test_usj_ring_is_large_enough);
    RUN(test_usj_writes_only_what_fits);
    RUN(test_usj_refused_write_is_tried_again_soon);
    RUN(test_usj_pulled_cable);
    RUN(test_usj_never_connected);
    RUN(test_usj_drains);
    RUN(test_tinyusb_never_writes_without_dtr);
    RUN(test_tinyusb_quick_change_is_not_missed);
    RUN(test_tinyusb_same_state_is_no_reset);
    RUN(test_tinyusb_partial_writes);
    RUN(test_tinyusb_unplugged);
    RUN(test_tinyusb_bytes_wake);
}
