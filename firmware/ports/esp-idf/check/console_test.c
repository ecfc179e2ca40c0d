/* console: text from everywhere becomes LOG packets. */
#include "check.h"

#include "console.h"
#include "device.h"
#include "fake.h"
#include "host.h"

#include <string.h>

/* The core is real; only its log ring is looked at, by letting it send over the fake UART. */
static struct camera camera;
static struct device device;
static struct host_seen seen;
static unsigned wakes;

static void on_wake(void)
{
    wakes++;
}

static void link_up(void)
{
    fake.cam.pid = 0;
    fake.nap_ms = 2;
    camera_open(&camera, &fake_board, false, on_wake);
    device_init(&device, &fake_board, &link_uart, &camera);
    device.identity.features = CAMLINK_FEATURE_CREDIT;
    CHECK(link_uart.open(&fake_board));
    const uint8_t hello[12] = {1, 1};
    fake.uart.received_len = host_packet(fake.uart.received, CAMLINK_HELLO_REQ, 1, hello, sizeof hello);
    device_step(&device);
    console_install(on_wake);
    fake.uart.sent_len = 0;
}

static const char *logs(void)
{
    for (int i = 0; i < 20; i++) {
        device_step(&device);
    }
    host_read(&seen, fake.uart.sent, fake.uart.sent_len);
    return seen.logs;
}

static void rom_print(const char *text)
{
    while (*text != '\0') {
        fake.putc_hook[1](*text++);
    }
}

static void test_log_line(void)
{
    link_up();
    ESP_LOGI("wifi", "there is %s", "none");
    CHECK(wakes > 0);
    CHECK_TEXT(logs(), "3 wifi: there is none\n");
}

static void test_levels(void)
{
    link_up();
    fake_log('E', "a", "one");
    fake_log('W', "a", "two");
    fake_log('I', "a", "three");
    fake_log('D', "a", "four"); /* the core's own limit is info */
    CHECK_TEXT(logs(), "1 a: one\n2 a: two\n3 a: three\n");
}

/* esp32-camera's ets_printf goes by the ROM. */
static void test_rom_text(void)
{
    link_up();
    rom_print("cam_hal: FB-OVF\r\n");
    rom_print("just words\r\n");
    CHECK_TEXT(logs(), "2 cam_hal: FB-OVF\n2 console: just words\n");
    CHECK(fake.putc_hook[2] == NULL);
}

static void test_rom_text_and_log_do_not_mix(void)
{
    link_up();
    rom_print("cam_hal: NO");
    ESP_LOGI("x", "between");
    logs();
    rom_print("-EOI\n");
    CHECK_TEXT(logs(), "3 x: between\n2 cam_hal: NO-EOI\n");
}

static void test_long_line_is_cut(void)
{
    link_up();
    char text[380];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ESP_LOGW("long", "%s", text);
    ESP_LOGW("next", "here");
    const char *got = logs();
    CHECK(strncmp(got, "2 long: xxx", 11) == 0);
    CHECK(strstr(got, "2 next: here\n") != NULL);
    for (int i = 0; i < 1000; i++) {
        rom_print("y");
    }
    rom_print("\nafter\n");
    got = logs();
    CHECK(strstr(got, "characters of log lost") != NULL);
}

static void test_flood_is_bounded_and_told(void)
{
    link_up();
    for (int i = 0; i < 1000; i++) {
        ESP_LOGI("flood", "line %d", i);
    }
    const char *got = logs();
    CHECK(strstr(got, "flood: line 0\n") != NULL);
    CHECK(strstr(got, "characters of log lost") != NULL || device.core.log_dropped > 0);
    ESP_LOGI("calm", "again");
    CHECK(strstr(logs(), "3 calm: again\n") != NULL);
}

static void test_lines_without_shape(void)
{
    link_up();
    rom_print("\n\r\n\033[0m\n: \nE (\nI (12\nabc:def\n");
    CHECK_TEXT(logs(), "2 console: : \n2 console: E (\n2 console: I (12\n2 console: abc:def\n");
}

static void test_level_is_passed_on(void)
{
    console_set_level(1);
    CHECK_EQ(fake.log_level, ESP_LOG_ERROR);
}

void console_suite(void)
{
    RUN(test_log_line);
    RUN(test_levels);
    RUN(test_rom_text);
    RUN(test_rom_text_and_log_do_not_mix);
    RUN(test_long_line_is_cut);
    RUN(test_flood_is_bounded_and_told);
    RUN(test_lines_without_shape);
    RUN(test_level_is_passed_on);
}
