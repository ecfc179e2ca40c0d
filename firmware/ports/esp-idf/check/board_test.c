/* identity, health and lamp. */
#include "check.h"

#include "fake.h"
#include "health.h"
#include "identity.h"
#include "lamp.h"

#include <string.h>

static struct camera camera, other;
static struct camlink_identity id;

/* Compiled once more with CONFIG_CAMGW_ONE_WAY. */
void identity_make_one_way(struct camlink_identity *made, const struct board *board, const struct link *link,
                           const struct camera *c, bool persists, bool lamp);

static void on_ready(void)
{
}

static void open_as(struct camera *c, uint16_t pid)
{
    fake.cam.pid = pid;
    fake.cam.only_format = PIXFORMAT_RGB565;
    camera_open(c, &fake_board, true, on_ready);
}

static void open_camera(uint16_t pid)
{
    open_as(&camera, pid);
}

static void test_identity(void)
{
    open_camera(OV2640_PID);
    identity_make(&id, &fake_board, &link_uart, &camera, true, true);
    CHECK_TEXT(id.board, "CHECK");
    CHECK_TEXT(id.sensor, "OV2640");
    CHECK_TEXT(id.firmware, "1.2.3");
    CHECK_TEXT(id.sdk, "v0-fake");
    CHECK_TEXT(id.name, "porch");
    CHECK_EQ(id.sensor_pid, OV2640_PID);
    CHECK_EQ(id.reset_reason, 1);
    CHECK_EQ(id.transport, CAMLINK_UART);
    CHECK_EQ(id.baud_base, 115200);
    CHECK_EQ(id.baud_max, 3000000);
    CHECK_EQ(id.max_frame, 384000);
    CHECK(memcmp(id.mac, "\x24\x6F\x28\x01\x02\x03", 6) == 0);
    CHECK_EQ(id.features,
             CAMLINK_FEATURE_CREDIT | CAMLINK_FEATURE_BAUD | CAMLINK_FEATURE_PERSIST | CAMLINK_FEATURE_LAMP);
}

static void test_features(void)
{
    open_camera(0);
    identity_make(&id, &fake_board, &link_usj, &camera, false, false);
    CHECK_EQ(id.features, CAMLINK_FEATURE_CREDIT | CAMLINK_FEATURE_TEST_CARD);
    CHECK_TEXT(id.sensor, "test card");
    open_as(&other, GC0308_PID);
    identity_make(&id, &fake_board, &link_tinyusb, &other, false, false);
    CHECK_EQ(id.features, CAMLINK_FEATURE_CREDIT | CAMLINK_FEATURE_SOFT_JPEG);
    identity_make_one_way(&id, &fake_board, &link_uart, &other, true, false);
    CHECK_EQ(id.features, CAMLINK_FEATURE_ONE_WAY | CAMLINK_FEATURE_SOFT_JPEG);
}

static void test_boots_differ(void)
{
    open_camera(OV2640_PID);
    uint32_t last = 0;
    for (int i = 0; i < 10; i++) {
        identity_make(&id, &fake_board, &link_uart, &camera, true, true);
        CHECK(id.boot_id != last && id.boot_id != 0);
        last = id.boot_id; /* although the generator says the same again and again */
    }
    fake.random = 0;
    identity_make(&id, &fake_board, &link_uart, &camera, true, true);
    CHECK(id.boot_id != 0 && id.boot_id != last);
}

static void test_reset_reasons(void)
{
    static const struct {
        esp_reset_reason_t cause;
        uint8_t told;
    } rows[] = {{ESP_RST_UNKNOWN, 0}, {ESP_RST_EXT, 2},      {ESP_RST_SW, 3},
                {ESP_RST_PANIC, 4},   {ESP_RST_INT_WDT, 5},  {ESP_RST_TASK_WDT, 5},
                {ESP_RST_WDT, 5},     {ESP_RST_BROWNOUT, 6}, {ESP_RST_DEEPSLEEP, 7}};
    open_camera(OV2640_PID);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake.reset_reason = rows[i].cause;
        identity_make(&id, &fake_board, &link_uart, &camera, true, true);
        CHECK_EQ(id.reset_reason, rows[i].told);
    }
}

static void test_health(void)
{
    struct camlink_health h;
    health_open();
    fake.celsius = 41.27f;
    health_read(&h);
    CHECK_EQ(h.temperature, 412);
    CHECK_EQ(h.psram_free, 4u << 20);
    CHECK_EQ(h.heap_free, 150000);
    CHECK_EQ(h.heap_min, 120000);
    fake.celsius = -3.5f;
    health_read(&h);
    CHECK_EQ(h.temperature, -35);
}

static void test_no_thermometer(void)
{
    struct camlink_health h;
    health_read(&h);
    CHECK_EQ(h.temperature, INT16_MIN);
}

static void test_stack_warning_comes_once(void)
{
    static char name[] = "link";
    TaskHandle_t task = (TaskHandle_t)(void *)name;
    health_check_stack(task);
    CHECK_EQ(fake.log_len, 0);
    fake.stack_left = 300;
    health_check_stack(task);
    CHECK(fake_logged("task link has less than 512 bytes"));
    size_t len = fake.log_len;
    health_check_stack(task);
    CHECK_EQ(fake.log_len, len);
    health_check_stack(NULL);
}

static void test_lamp(void)
{
    fake_board.lamp_active_low = true;
    CHECK(lamp_open(&fake_board));
    CHECK(fake.lamp_inverted);
    fake_board.lamp = -1;
    CHECK(!lamp_open(&fake_board));
}

void board_suite(void)
{
    RUN(test_identity);
    RUN(test_features);
    RUN(test_boots_differ);
    RUN(test_reset_reasons);
    RUN(test_health);
    RUN(test_no_thermometer);
    RUN(test_stack_warning_comes_once);
    RUN(test_lamp);
}
