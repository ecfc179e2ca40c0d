/* controls: ranges by sensor, clamping, and who applies what when. */
#include "check.h"

#include "controls.h"
#include "fake.h"
#include "sensor.h"
#include "settings.h"
#include "testcard.h"

static struct sensor sensor;
static struct controls controls;

static void open_sensor(uint16_t pid)
{
    fake.cam.pid = pid;
    if (pid == GC0308_PID) {
        fake.cam.only_format = PIXFORMAT_RGB565;
    }
    CHECK(settings_open());
    CHECK(sensor_open(&sensor, &fake_board));
    const struct controls_offer offer = {
        .sizes = sensor.sizes,
        .size_count = sensor.size_count,
        .sensor = sensor_handle(&sensor),
        .soft_jpeg = sensor.soft_jpeg,
        .lamp = true,
        .first_size = {640, 480},
        .xclk_hz = 20000000,
    };
    controls_init(&controls, &offer);
}

/* -1: not offered. */
static int place_of(enum control_key key)
{
    struct camlink_config_item item;
    for (size_t i = 0; i < controls_count(&controls); i++) {
        controls_item(&controls, i, &item);
        if (item.key == key) {
            return (int)i;
        }
    }
    return -1;
}

static struct camlink_config_item get(enum control_key key)
{
    struct camlink_config_item item;
    int i = place_of(key);
    CHECK(i >= 0);
    controls_item(&controls, (size_t)i, &item);
    return item;
}

static struct camlink_config_item set(enum control_key key, int32_t value, uint16_t flags)
{
    struct camlink_config_item item;
    int i = place_of(key);
    CHECK(i >= 0);
    controls_set(&controls, (size_t)i, value, flags, &item);
    CHECK_EQ(item.key, key);
    return item;
}

static void apply(void)
{
    controls_apply(&controls, sensor_handle(&sensor));
}

static int32_t pack(int w, int h)
{
    return w << 16 | h;
}

static void test_ov2640(void)
{
    open_sensor(OV2640_PID);
    CHECK_EQ(place_of(KEY_SHARPNESS), -1);
    CHECK_EQ(place_of(KEY_DENOISE), -1);
    CHECK_EQ(controls_count(&controls), 26);
    CHECK_EQ(get(KEY_BRIGHTNESS).min, -2);
    CHECK_EQ(get(KEY_BRIGHTNESS).max, 2);
    CHECK_EQ(get(KEY_AEC_VALUE).max, 1200);
    CHECK_EQ(get(KEY_AGC_GAIN).max, 30);
    CHECK_EQ(get(KEY_GAINCEILING).max, 6);
    CHECK_EQ(get(KEY_AWB).value, 1);
    CHECK_EQ(get(KEY_XCLK_HZ).value, 20000000);
    CHECK_EQ(get(KEY_XCLK_HZ).flags, CAMLINK_CONFIG_READ_ONLY);
}

static void test_later_sensors(void)
{
    open_sensor(OV3660_PID);
    CHECK_EQ(controls_count(&controls), 28);
    CHECK_EQ(get(KEY_SHARPNESS).max, 3);
    CHECK_EQ(get(KEY_SATURATION).min, -4);
    CHECK_EQ(get(KEY_AE_LEVEL).max, 5);
    CHECK_EQ(get(KEY_AGC_GAIN).max, 64);
    CHECK_EQ(get(KEY_GAINCEILING).max, 511);
    CHECK_EQ(get(KEY_DENOISE).max, 8);
}

/* What the driver fills with functions that only refuse is not offered. */
static void test_raw_sensor_offers_what_it_has(void)
{
    open_sensor(GC0308_PID);
    CHECK(place_of(KEY_CONTRAST) >= 0);
    CHECK(place_of(KEY_HMIRROR) >= 0);
    CHECK(place_of(KEY_AWB) >= 0);
    CHECK_EQ(place_of(KEY_BRIGHTNESS), -1);
    CHECK_EQ(place_of(KEY_AGC), -1);
    CHECK_EQ(place_of(KEY_GAINCEILING), -1);
    CHECK_EQ(place_of(KEY_LENC), -1);
    /* But quality: the pictures are compressed here. */
    unsigned sets = fake.cam.sets;
    set(KEY_QUALITY, 40, 0);
    apply();
    CHECK_EQ(fake.cam.sets, sets);
    CHECK_EQ(controls_value(&controls, KEY_QUALITY), 40);
}

static void test_sizes_of_the_seed(void)
{
    static const struct control_size seed[] = {{96, 96},    {160, 120},  {176, 144},   {240, 176},  {240, 240},
                                               {320, 240},  {400, 296},  {480, 320},   {640, 480},  {800, 600},
                                               {1024, 768}, {1280, 720}, {1280, 1024}, {1600, 1200}};
    open_sensor(OV2640_PID);
    for (size_t i = 0; i < sizeof seed / sizeof seed[0]; i++) {
        int32_t asked = pack(seed[i].width, seed[i].height);
        struct camlink_config_item item = set(KEY_SIZE, asked, 0);
        CHECK_EQ(item.value, asked);
        CHECK_EQ(item.flags, 0);
    }
    CHECK_EQ(get(KEY_SIZE).min, pack(96, 96));
    CHECK_EQ(get(KEY_SIZE).max, pack(1600, 1200));
}

static void test_newer_sizes(void)
{
    open_sensor(OV5640_PID);
    static const struct control_size newer[] = {{128, 128},  {320, 320},  {1920, 1080},
                                                {720, 1280}, {864, 1536}, {2048, 1536}};
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
        CHECK_EQ(set(KEY_SIZE, pack(newer[i].width, newer[i].height), 0).flags, 0);
    }
}

static void test_size_is_fitted(void)
{
    open_sensor(OV2640_PID);
    struct camlink_config_item item = set(KEY_SIZE, pack(700, 500), 0);
    CHECK_EQ(item.value, pack(640, 480));
    CHECK_EQ(item.flags, CAMLINK_CONFIG_CLAMPED);
    CHECK_EQ(set(KEY_SIZE, pack(10, 10), 0).value, pack(96, 96));
    CHECK_EQ(set(KEY_SIZE, pack(4000, 4000), 0).value, pack(1600, 1200));
    CHECK_EQ(set(KEY_SIZE, -1, 0).value, pack(1600, 1200));
    CHECK_EQ(set(KEY_SIZE, 0, 0).value, pack(96, 96));
}

static void test_clamping(void)
{
    open_sensor(OV2640_PID);
    struct camlink_config_item item = set(KEY_BRIGHTNESS, 100, 0);
    CHECK_EQ(item.value, 2);
    CHECK_EQ(item.flags, CAMLINK_CONFIG_CLAMPED);
    item = set(KEY_BRIGHTNESS, INT32_MIN, 0);
    CHECK_EQ(item.value, -2);
    CHECK_EQ(set(KEY_XCLK_HZ, 10000000, 0).value, 20000000);
}

/* The link task only notes; the sensor is spoken to when the capture task says so. */
static void test_applied_by_the_capture_task(void)
{
    open_sensor(OV2640_PID);
    apply();
    unsigned sets = fake.cam.sets;
    set(KEY_CONTRAST, 1, 0);
    set(KEY_VFLIP, 1, 0);
    set(KEY_GAINCEILING, 5, 0);
    CHECK_EQ(fake.cam.sets, sets);
    CHECK(controls_pending(&controls));
    apply();
    CHECK(!controls_pending(&controls));
    CHECK_EQ(fake.cam.sensor.status.contrast, 1);
    CHECK_EQ(fake.cam.sensor.status.vflip, 1);
    CHECK_EQ(fake.cam.sensor.status.gainceiling, 5);
}

static void test_every_control_reaches_its_register(void)
{
    open_sensor(OV3660_PID);
    apply();
    for (int k = KEY_BRIGHTNESS; k <= KEY_DENOISE; k++) {
        enum control_key key = (enum control_key)k;
        struct camlink_config_item item = get(key);
        int32_t other = item.value == item.max || key == KEY_GAINCEILING ? item.min : item.max;
        other = key == KEY_GAINCEILING ? 200 : other;
        set(key, other, 0);
        unsigned changed = 0;
        camera_status_t before = fake.cam.sensor.status;
        apply();
        const uint8_t *a = (const uint8_t *)&before, *b = (const uint8_t *)&fake.cam.sensor.status;
        for (size_t i = 0; i < sizeof before; i++) {
            changed += a[i] != b[i] ? 1 : 0;
        }
        CHECK(changed > 0);
        CHECK_EQ(get(key).value, other);
    }
}

static void test_refused_by_the_sensor(void)
{
    open_sensor(OV2640_PID);
    apply();
    fake.cam.refuse = true;
    CHECK_EQ(set(KEY_CONTRAST, 2, 0).value, 2);
    apply();
    CHECK_EQ(get(KEY_CONTRAST).value, 0);
    CHECK(fake_logged("the sensor refused 2 for key 5"));
    CHECK_EQ(controls.refused, 1);
}

static void test_unchanged_is_not_applied(void)
{
    open_sensor(OV2640_PID);
    apply();
    set(KEY_QUALITY, 12, 0);
    CHECK(!controls_pending(&controls));
}

static void test_kept_only_when_asked(void)
{
    open_sensor(OV2640_PID);
    settings_flush((uint64_t)fake.now_us);
    set(KEY_QUALITY, 20, 0);
    fake.now_us += 5000000;
    CHECK(!settings_flush((uint64_t)fake.now_us));
    set(KEY_QUALITY, 99, 1);
    settings_flush((uint64_t)fake.now_us);
    fake.now_us += 5000000;
    CHECK(settings_flush((uint64_t)fake.now_us));
    CHECK_EQ(fake.nvs.writes, 1);
    CHECK_EQ(fake.nvs.values[0], 63);
    /* What rate control does afterwards does not get in. */
    set(KEY_QUALITY, 30, 0);
    fake.now_us += 5000000;
    CHECK(!settings_flush((uint64_t)fake.now_us));
    esp_camera_deinit();
    open_sensor(OV2640_PID);
    CHECK_EQ(get(KEY_QUALITY).value, 63);
    apply();
    CHECK_EQ(fake.cam.sensor.status.quality, 63);
}

/* Another sensor may be plugged in since. */
static void test_kept_values_are_fitted(void)
{
    CHECK(settings_open());
    nvs_set_i32(1, "key1", pack(2592, 1944));
    nvs_set_i32(1, "key8", 7);
    nvs_set_i32(1, "key27", 5);
    open_sensor(OV2640_PID);
    CHECK_EQ(get(KEY_SIZE).value, pack(1600, 1200));
    CHECK_EQ(get(KEY_HMIRROR).value, 1);
    CHECK_EQ(get(KEY_XCLK_HZ).value, 20000000);
}

static void test_reapply(void)
{
    open_sensor(OV2640_PID);
    apply();
    set(KEY_CONTRAST, 1, 0);
    apply();
    fake.cam.sensor.status.contrast = 0;
    controls_reapply(&controls);
    CHECK_EQ(controls_apply(&controls, sensor_handle(&sensor)) & (1u << KEY_SIZE), 0);
    CHECK_EQ(fake.cam.sensor.status.contrast, 1);
}

static void test_lamp(void)
{
    open_sensor(OV2640_PID);
    set(KEY_LAMP, 100, 0);
    CHECK_EQ(fake.duty, 100);
    set(KEY_LAMP, 255, 0);
    CHECK_EQ(fake.duty, 256);
    set(KEY_LAMP, 0, 0);
    CHECK_EQ(fake.duty, 0);
}

static void test_card(void)
{
    CHECK(settings_open());
    struct controls_offer offer = {.first_size = testcard_first_size()};
    offer.sizes = testcard_sizes(&offer.size_count);
    controls_init(&controls, &offer);
    CHECK_EQ(controls_count(&controls), 3);
    CHECK_EQ(get(KEY_SIZE).value, pack(320, 240));
    CHECK_EQ(set(KEY_SIZE, pack(640, 480), 0).flags, CAMLINK_CONFIG_CLAMPED);
}

void controls_suite(void)
{
    RUN(test_ov2640);
    RUN(test_later_sensors);
    RUN(test_raw_sensor_offers_what_it_has);
    RUN(test_sizes_of_the_seed);
    RUN(test_newer_sizes);
    RUN(test_size_is_fitted);
    RUN(test_clamping);
    RUN(test_applied_by_the_capture_task);
    RUN(test_every_control_reaches_its_register);
    RUN(test_refused_by_the_sensor);
    RUN(test_unchanged_is_not_applied);
    RUN(test_kept_only_when_asked);
    RUN(test_kept_values_are_fitted);
    RUN(test_reapply);
    RUN(test_lamp);
    RUN(test_card);
}
