/* The whole device over a fake wire: the real core, both tasks taking turns, and a host that speaks camlink. */
#include "check.h"

#include "device.h"
#include "fake.h"
#include "host.h"
#include "identity.h"
#include "settings.h"

#include <string.h>

static struct camera camera;
static struct device device;
static struct host_seen seen;
static const struct link *line;

static void on_ready(void)
{
    line->wake();
}

static void boot(const struct link *link)
{
    line = link;
    fake.nap_ms = 2;
    bool persists = settings_open();
    camera_open(&camera, &fake_board, true, on_ready);
    device_init(&device, &fake_board, link, &camera);
    identity_make(&device.identity, &fake_board, link, &camera, persists, true);
    CHECK(camera_start(&camera));
    CHECK(device_start(&device));
    CHECK(link->open(&fake_board));
}

static void feed(const uint8_t *p, size_t n)
{
    if (line == &link_uart) {
        memcpy(fake.uart.received + fake.uart.received_len, p, n);
        fake.uart.received_len += n;
        const uart_event_t event = {.type = UART_DATA, .size = n};
        xQueueSend(NULL, &event, 0);
    } else if (line == &link_usj) {
        memcpy(fake.usj.received + fake.usj.received_len, p, n);
        fake.usj.received_len += n;
    } else {
        memcpy(fake.tusb.received + fake.tusb.received_len, p, n);
        fake.tusb.received_len += n;
    }
}

static void say(uint8_t type, uint16_t ref, const void *payload, size_t len)
{
    uint8_t packet[CAMLINK_MAX_HOST_PACKET];
    feed(packet, host_packet(packet, type, ref, payload, len));
}

static void hello(void)
{
    const uint8_t payload[12] = {1, 1};
    say(CAMLINK_HELLO_REQ, 7, payload, sizeof payload);
}

static void credit(uint32_t limit, uint16_t lease_ms)
{
    uint8_t payload[8] = {0};
    camlink_put32(payload, limit);
    camlink_put16(payload + 6, lease_ms);
    say(CAMLINK_CREDIT, 0, payload, sizeof payload);
}

/* Both tasks share one clock here: each advances it by what it waits. */
static void run_ms(int ms)
{
    int64_t end = fake.now_us + (int64_t)ms * 1000;
    while (fake.now_us < end) {
        device_step(&device);
        esp_task_wdt_reset();
        if (atomic_load(&camera.awake) || camera.running || controls_pending(&camera.controls)) {
            camera_step(&camera);
        }
        fake.tusb.room = 4096;
    }
}

static void listen(void)
{
    if (line == &link_uart) {
        host_read(&seen, fake.uart.sent, fake.uart.sent_len);
    } else if (line == &link_usj) {
        host_read(&seen, fake.usj.sent, fake.usj.sent_len);
    } else {
        host_read(&seen, fake.tusb.sent, fake.tusb.sent_len);
    }
}

static void test_beacon(void)
{
    boot(&link_uart);
    run_ms(2600);
    listen();
    CHECK(seen.of_type[CAMLINK_HELLO] >= 5);
    CHECK_EQ(seen.bad, 0);
    CHECK(memcmp(seen.hello + 38, "\x24\x6F\x28\x01\x02\x03", 6) == 0);
    CHECK_EQ(fake.cam.gets, 0); /* nobody asked for a picture */
    CHECK_EQ(fake.stack_of[1], 4096);
}

static void test_pictures_over_the_uart(void)
{
    boot(&link_uart);
    hello();
    run_ms(10);
    credit(20, 3000);
    run_ms(2000);
    listen();
    CHECK_EQ(seen.frames, 20);
    CHECK_EQ(seen.bad, 0);
    CHECK_EQ(seen.picture_len, 45);
    CHECK_EQ(seen.quality, 12);
    /* All are back but one that may wait. */
    CHECK(fake_buffers_out() <= 1);
}

static void test_card_over_the_uart(void)
{
    fake.cam.pid = 0;
    boot(&link_uart);
    hello();
    run_ms(10);
    credit(3, 10000);
    run_ms(3000);
    listen();
    CHECK_EQ(seen.frames, 3);
    CHECK((camlink_get32(seen.hello + 32) & CAMLINK_FEATURE_TEST_CARD) != 0);
    CHECK(seen.picture_len > 1000);
    CHECK(seen.picture[seen.picture_len - 1] == 0xD9);
}

static void test_sensor_rests_when_the_lease_ends(void)
{
    boot(&link_uart);
    hello();
    run_ms(10);
    credit(1000, 1000);
    run_ms(500);
    CHECK_EQ(fake.pin[32], -1);
    run_ms(1500);
    CHECK_EQ(fake.pin[32], 1);
    CHECK_EQ(fake_buffers_out(), 0);
    unsigned gets = fake.cam.gets;
    run_ms(2000);
    CHECK_EQ(fake.cam.gets, gets);
    /* And wakes with a picture of now. */
    fake.uart.sent_len = 0;
    fake.cam.stale = 2;
    hello();
    run_ms(10);
    credit(2000, 3000);
    run_ms(500);
    listen();
    CHECK(seen.frames > 0);
    CHECK_EQ(fake.pin[32], 0);
}

/* The watchdog is fed often enough however long the pictures are. */
static void test_busy_line_keeps_the_turns_short(void)
{
    fake.cam.pid = 0;
    boot(&link_uart);
    hello();
    run_ms(10);
    credit(UINT32_MAX / 4, 60000);
    fake.longest_unfed_us = 0;
    run_ms(10000);
    CHECK(fake.longest_unfed_us < 300000);
    CHECK(fake.uart.largest_write <= 128);
}

static void test_config_reaches_sensor_and_flash(void)
{
    boot(&link_uart);
    hello();
    run_ms(10);
    credit(1000, 60000);
    run_ms(200);
    uint8_t item[8] = {KEY_CONTRAST, 0, 1, 0, 2};
    say(CAMLINK_CONFIG_SET, 9, item, sizeof item);
    run_ms(4000);
    CHECK_EQ(fake.cam.sensor.status.contrast, 2);
    CHECK_EQ(fake.nvs.writes, 1);
    listen();
    CHECK_EQ(seen.config_len, 16);
    CHECK_EQ(seen.config[4], 2);
    fake.uart.sent_len = 0;
    say(CAMLINK_CONFIG_GET, 10, NULL, 0);
    run_ms(200);
    listen();
    CHECK(seen.config_len >= 26 * 16);
}

static void test_stats(void)
{
    boot(&link_uart);
    hello();
    run_ms(10);
    credit(1000, 60000);
    fake_pictures((enum fake_picture[]){PICTURE_GOOD, PICTURE_GOOD, PICTURE_GOOD, PICTURE_GOOD, PICTURE_CUT}, 5);
    run_ms(1000);
    say(CAMLINK_STATS_REQ, 9, NULL, 0);
    run_ms(200);
    listen();
    CHECK_EQ(seen.of_type[CAMLINK_STATS], 1);
    CHECK(camlink_get32(seen.stats + 4) > 5);
    CHECK_EQ(camlink_get32(seen.stats + 20), 1);
    CHECK_EQ(camlink_get32(seen.stats + 36), 150000);
}

static void test_rate_climbs_and_falls_back(void)
{
    boot(&link_uart);
    hello();
    run_ms(10);
    uint8_t set[12] = {0};
    camlink_put32(set, 2000000);
    camlink_put32(set + 4, 0xABCD);
    camlink_put16(set + 8, 700);
    say(CAMLINK_BAUD_SET, 3, set, sizeof set);
    run_ms(100);
    CHECK_EQ(fake.uart.baud, 2000000);
    run_ms(1000); /* nobody commits */
    CHECK_EQ(fake.uart.baud, 115200);
    camlink_put32(set, 4500000);
    say(CAMLINK_BAUD_SET, 4, set, sizeof set);
    run_ms(100);
    listen();
    CHECK_EQ(seen.result[0], CAMLINK_BAUD_SET);
    CHECK_EQ(seen.result[1], CAMLINK_STATUS_INVALID);
    CHECK_EQ(fake.uart.baud, 115200);
}

static void test_reset(void)
{
    boot(&link_uart);
    hello();
    run_ms(10);
    uint8_t payload[8] = {1, 0, 0, 0, 'R', 'E', 'S', 'E'};
    camlink_put32(payload + 4, 0x45534552);
    say(CAMLINK_RESET, 5, payload, sizeof payload); /* download: an ESP32 cannot */
    run_ms(200);
    CHECK_EQ(fake.restarts, 0);
    payload[0] = 0;
    say(CAMLINK_RESET, 6, payload, sizeof payload);
    run_ms(200);
    CHECK_EQ(fake.restarts, 1);
}

/* A program stopped reading: the ring is full, the host says nothing, the lease ends and gives everything back. */
static void test_usj_host_that_does_not_read(void)
{
    fake.cam.pid = 0;
    boot(&link_usj);
    fake.usj.reading = true;
    hello();
    run_ms(10);
    credit(1000, 2000);
    run_ms(500);
    listen();
    CHECK(seen.frames > 1);
    fake.usj.reading = false;
    run_ms(4000);
    CHECK(!camlink_device_linked(&device.core));
    CHECK(device.core.frame == NULL);
    CHECK(!atomic_load(&camera.awake));
    for (int i = 0; i < CAMERA_SHOTS; i++) {
        CHECK(!atomic_load(&camera.shots[i].busy));
    }
    CHECK_EQ(fake.usj.partial, 0);
    /* It comes back and is served. */
    fake.usj.reading = true;
    fake.usj.sent_len = 0;
    hello();
    run_ms(50);
    credit(2000, 3000);
    run_ms(1000);
    listen();
    CHECK(seen.frames > 1);
}

static void set_dtr(bool up)
{
    cdcacm_event_t event = {.line_state_changed_data = {.dtr = up}};
    fake.tusb.dtr = up;
    fake.tusb.acm.callback_line_state_changed(0, &event);
}

static void test_tinyusb_dtr_ends_the_session(void)
{
    fake.cam.pid = 0;
    boot(&link_tinyusb);
    run_ms(2000);
    CHECK_EQ(fake.tusb.sent_len, 0);
    set_dtr(true);
    run_ms(100);
    hello();
    run_ms(50);
    credit(1000, 60000);
    run_ms(1000);
    listen();
    CHECK(seen.frames > 2);
    CHECK_EQ(seen.bad, 0);
    set_dtr(false);
    run_ms(100);
    CHECK(!camlink_device_linked(&device.core));
    CHECK(!atomic_load(&camera.awake));
    size_t sent = fake.tusb.sent_len;
    run_ms(2000);
    CHECK_EQ(fake.tusb.sent_len, sent);
    CHECK_EQ(fake.tusb.writes_without_dtr, 0);
    set_dtr(true);
    fake.tusb.sent_len = 0;
    run_ms(100);
    listen();
    CHECK(seen.of_type[CAMLINK_HELLO] >= 1); /* at once, not after the beacon's half second */
}

static void test_stack_is_watched(void)
{
    boot(&link_uart);
    fake.stack_left = 100;
    run_ms(11000);
    CHECK(fake_logged("task link has less"));
    CHECK(fake_logged("task capture has less"));
}

void device_suite(void)
{
    RUN(test_beacon);
    RUN(test_pictures_over_the_uart);
    RUN(test_card_over_the_uart);
    RUN(test_sensor_rests_when_the_lease_ends);
    RUN(test_busy_line_keeps_the_turns_short);
    RUN(test_config_reaches_sensor_and_flash);
    RUN(test_stats);
    RUN(test_rate_climbs_and_falls_back);
    RUN(test_reset);
    RUN(test_usj_host_that_does_not_read);
    RUN(test_tinyusb_dtr_ends_the_session);
    RUN(test_stack_is_watched);
}
