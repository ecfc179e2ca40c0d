/* The capture task, one step at a time: fresh pictures, broken pictures, and the ladder of recovery. */
#include "check.h"

#include "camera_task.h"
#include "fake.h"
#include "settings.h"
#include "testcard.h"

#include <string.h>

static struct camera camera;
static unsigned readies;

/* Compiled once more with CONFIG_CAMGW_SOURCE_TEST_CARD. */
void camera_open_card(struct camera *c, const struct board *board, bool lamp, void (*ready)(void));

static void on_ready(void)
{
    readies++;
}

static void boot(void)
{
    settings_open();
    camera_open(&camera, &fake_board, true, on_ready);
    CHECK(camera_start(&camera));
}

static void steps(int n)
{
    for (int i = 0; i < n; i++) {
        camera_step(&camera);
        esp_task_wdt_reset();
    }
}

/* Takes what is in the mailbox, as the link task does. */
static struct camlink_frame *take(void)
{
    return camlink_mailbox_take(&camera.mailbox);
}

/* Steps until a picture is there. */
static struct camlink_frame *next_picture(void)
{
    struct camlink_frame *f = NULL;
    for (int i = 0; i < 100 && f == NULL; i++) {
        steps(1);
        f = take();
    }
    CHECK(f != NULL);
    return f;
}

static void set(enum control_key key, int32_t value, uint16_t flags)
{
    struct camlink_config_item item;
    for (size_t i = 0; i < controls_count(&camera.controls); i++) {
        controls_item(&camera.controls, i, &item);
        if (item.key == key) {
            controls_set(&camera.controls, i, value, flags, &item);
            return;
        }
    }
    CHECK(false);
}

static void start(void)
{
    boot();
    camera_set_awake(&camera, true);
    camera_release(&camera, next_picture());
}

/* ---- opening */

static void test_opened_at_the_largest_size_then_shrunk(void)
{
    start();
    CHECK_EQ(fake.cam.inits, 1);
    CHECK_EQ(fake.cam.config.fb_count, 3);
    CHECK_EQ(fake.cam.config.fb_location, CAMERA_FB_IN_PSRAM);
    CHECK_EQ(fake.cam.config.grab_mode, CAMERA_GRAB_LATEST);
    /* 4 MB of PSRAM hold three of the largest pictures there are; this sensor has UXGA. */
    CHECK_EQ(camera.controls.range[KEY_SIZE].max, 1600 << 16 | 1200);
    CHECK_EQ(camera_max_frame(&camera), 384000);
    CHECK_EQ(fake.cam.sensor.status.framesize, FRAMESIZE_VGA);
    CHECK_EQ(fake.stack_of[0], 8192);
    CHECK_EQ(fake.prepared, 1);
}

static void test_without_psram(void)
{
    fake.psram = 0;
    start();
    CHECK_EQ(fake.cam.config.fb_count, 1);
    CHECK_EQ(fake.cam.config.fb_location, CAMERA_FB_IN_DRAM);
    CHECK_EQ(fake.cam.config.grab_mode, CAMERA_GRAB_WHEN_EMPTY);
    CHECK_EQ(camera.controls.range[KEY_SIZE].max, 400 << 16 | 296);
    CHECK_EQ(controls_size(&camera.controls).width, 400);
    camera_release(&camera, next_picture());
    CHECK_EQ(fake_buffers_out(), 0);
}

static void test_small_psram_limits_the_size(void)
{
    fake.psram = 2u << 20;
    fake.cam.pid = OV5640_PID;
    boot();
    CHECK(!camera.is_card);
    uint32_t room = camera_max_frame(&camera);
    CHECK(room <= fake.psram / 4);
    CHECK(room >= 384000);
}

static void test_no_sensor_shows_the_card(void)
{
    fake.cam.pid = 0;
    boot();
    CHECK(camera.is_card);
    CHECK(strstr(fake.pin_history, "32=1 32=0") != NULL); /* it was given another try through the power pin */
    CHECK(fake_logged("no sensor answers"));
    camera_set_awake(&camera, true);
    struct camlink_frame *f = next_picture();
    CHECK_EQ(f->width, 320);
    CHECK(f->len < TESTCARD_BYTES);
    CHECK_EQ(f->data[f->len - 1], 0xD9);
    camera_release(&camera, f);
}

static void test_card_by_choice(void)
{
    settings_open();
    camera_open_card(&camera, &fake_board, false, on_ready);
    CHECK(camera.is_card);
    CHECK_EQ(fake.cam.inits, 0);
    CHECK(fake_logged("built for it"));
}

static void test_raw_sensor(void)
{
    fake.cam.pid = GC0308_PID;
    fake.cam.only_format = PIXFORMAT_RGB565;
    boot();
    CHECK(camera.sensor.soft_jpeg);
    CHECK_EQ(fake.cam.config.pixel_format, PIXFORMAT_RGB565);
    camera_set_awake(&camera, true);
    set(KEY_QUALITY, 63, 0);
    struct camlink_frame *f = next_picture();
    CHECK_EQ(fake.cam.frame2jpg_quality, 1);
    CHECK_EQ(f->width, 640);
    CHECK_EQ(fake_buffers_out(), 0); /* the driver has its own back at once */
    /* Another size means another start. Pictures made before live on. */
    unsigned inits = fake.cam.inits;
    set(KEY_SIZE, 320 << 16 | 240, 0);
    struct camlink_frame *g = next_picture();
    CHECK_EQ(fake.cam.inits, inits + 1);
    CHECK_EQ(g->width, 320);
    CHECK_EQ(f->data[0], 0xFF);
    camera_release(&camera, f);
    camera_release(&camera, g);
}

static void test_failed_compression_is_counted(void)
{
    fake.cam.pid = GC0308_PID;
    fake.cam.only_format = PIXFORMAT_GRAYSCALE;
    boot();
    camera_set_awake(&camera, true);
    fake.cam.frame2jpg_fails = true;
    steps(10);
    CHECK(take() == NULL);
    CHECK(atomic_load(&camera.errors) >= 5);
    CHECK_EQ(fake_buffers_out(), 0);
}

/* A picture that did not fit is cut, whatever the encoder says of it. */
static void test_compressed_picture_too_large(void)
{
    fake.psram = 0;
    fake.cam.pid = GC0308_PID;
    fake.cam.only_format = PIXFORMAT_YUV422;
    boot();
    CHECK_EQ(camera.controls.range[KEY_SIZE].max, 160 << 16 | 120);
    camera_set_awake(&camera, true);
    fake.cam.frame2jpg_extra = camera_max_frame(&camera);
    steps(10);
    CHECK(take() == NULL);
    fake.cam.frame2jpg_extra = 0;
    struct camlink_frame *f = next_picture();
    CHECK_EQ(f->len, 45);
    camera_release(&camera, f);
}

/* ---- pictures */

static void test_newest_wins(void)
{
    start();
    steps(5);
    struct camlink_frame *f = take();
    CHECK(f != NULL);
    CHECK_EQ(f->t_capture_us, (uint64_t)(fake.now_us - fake.cam.interval_us));
    CHECK_EQ(atomic_load(&camera.mailbox.replaced), 4);
    CHECK_EQ(fake_buffers_out(), 1);
    camera_release(&camera, f);
    CHECK_EQ(fake_buffers_out(), 0);
    CHECK_EQ(atomic_load(&camera.captured), readies);
}

/* One on the line for as long as it takes: the others go round. */
static void test_slow_line_does_not_stop_the_camera(void)
{
    start();
    struct camlink_frame *sending = next_picture();
    unsigned gets = fake.cam.gets;
    steps(50);
    CHECK_EQ(fake.cam.gets, gets + 50);
    CHECK_EQ(atomic_load(&camera.errors), 0);
    camera_release(&camera, sending);
}

static void test_broken_pictures_are_dropped_and_counted(void)
{
    start();
    fake_pictures((enum fake_picture[]){PICTURE_CUT, PICTURE_TORN}, 2);
    steps(2);
    CHECK(take() == NULL);
    CHECK_EQ(atomic_load(&camera.errors), 2);
    CHECK_EQ(fake_buffers_out(), 0);
    CHECK_EQ(fake.cam.inits, 1);
}

static void test_padded_and_shifted_pictures_are_repaired(void)
{
    start();
    for (int i = 0; i < 2; i++) {
        fake_pictures((enum fake_picture[]){i == 0 ? PICTURE_PADDED : PICTURE_SHIFTED}, 1);
        steps(1);
        struct camlink_frame *f = take();
        CHECK(f != NULL);
        CHECK(f->data[0] == 0xFF && f->data[1] == 0xD8);
        CHECK(f->data[f->len - 2] == 0xFF && f->data[f->len - 1] == 0xD9);
        CHECK_EQ(f->len, 45);
        camera_release(&camera, f);
    }
    CHECK_EQ(atomic_load(&camera.errors), 0);
}

static void test_size_change_flushes_the_buffers(void)
{
    start();
    unsigned gets = fake.cam.gets;
    set(KEY_SIZE, 800 << 16 | 600, 0);
    struct camlink_frame *f = next_picture();
    CHECK_EQ(fake.cam.gets, gets + 4); /* three buffers, then the first good one */
    CHECK_EQ(f->width, 800);
    CHECK_EQ(f->height, 600);
    CHECK_EQ(fake.cam.inits, 1);
    camera_release(&camera, f);
}

static void test_refused_size(void)
{
    start();
    fake.cam.refuse = true;
    set(KEY_SIZE, 800 << 16 | 600, 0);
    steps(1);
    CHECK_EQ(controls_size(&camera.controls).width, 640);
    CHECK(fake_logged("the size could not be set"));
}

static void test_quality_is_told_of_each_picture(void)
{
    start();
    set(KEY_QUALITY, 30, 0);
    struct camlink_frame *f = next_picture();
    CHECK_EQ(f->quality, 30);
    camera_release(&camera, f);
    /* A picture begun before the change, delivered after it. */
    set(KEY_QUALITY, 40, 0);
    uint64_t before = (uint64_t)fake.now_us;
    steps(1);
    f = take();
    CHECK_EQ(f->quality, f->t_capture_us < before ? 30 : 40);
    camera_release(&camera, f);
}

static void test_min_interval(void)
{
    start();
    set(KEY_MIN_INTERVAL_MS, 200, 0);
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        struct camlink_frame *f = next_picture();
        CHECK(last == 0 || f->t_capture_us >= last + 200000);
        last = f->t_capture_us;
        camera_release(&camera, f);
    }
}

/* 25 pictures a second held at 10: on average, not 100 ms and then the next, which would be 8. */
static void test_pace(void)
{
    start();
    camera_set_pace(&camera, 100000);
    unsigned before = atomic_load(&camera.captured);
    int64_t begun = fake.now_us;
    while (fake.now_us < begun + 10000000) {
        steps(1);
    }
    unsigned n = atomic_load(&camera.captured) - before;
    CHECK(n >= 99 && n <= 101);
    /* And from a slow pace back to a fast one at once. */
    camera_set_pace(&camera, 5000000);
    steps(20);
    camera_set_pace(&camera, 40000);
    before = atomic_load(&camera.captured);
    steps(10);
    CHECK_EQ(atomic_load(&camera.captured) - before, 10);
}

static void test_write_to_flash_costs_the_picture_under_way(void)
{
    start();
    set(KEY_CONTRAST, 1, 1);
    steps(1);
    fake.now_us += 3000000;
    fake.cam.stale = 1; /* being captured while the flash was written */
    unsigned captured = atomic_load(&camera.captured);
    steps(1);
    CHECK_EQ(fake.nvs.writes, 1);
    CHECK_EQ(atomic_load(&camera.captured), captured);
    steps(1);
    CHECK_EQ(atomic_load(&camera.captured), captured + 1);
}

/* ---- rest and wake */

static void test_rest_and_wake_by_pin(void)
{
    start();
    camera_set_awake(&camera, false);
    steps(1);
    CHECK_EQ(fake.pin[32], 1);
    unsigned gets = fake.cam.gets;
    steps(20);
    CHECK_EQ(fake.cam.gets, gets);
    fake.cam.stale = 2; /* what the driver still had */
    camera_set_awake(&camera, true);
    uint64_t woken = (uint64_t)fake.now_us;
    struct camlink_frame *f = next_picture();
    CHECK_EQ(fake.pin[32], 0);
    CHECK(f->t_capture_us > woken);
    CHECK_EQ(fake.cam.gets, gets + 4); /* two old, one exposed by guess */
    CHECK_EQ(fake.cam.standby_writes, 0);
    camera_release(&camera, f);
}

static void test_rest_and_wake_by_register(void)
{
    fake_board.pwdn = -1;
    start();
    camera_set_awake(&camera, false);
    steps(1);
    CHECK(fake.cam.standby);
    camera_set_awake(&camera, true);
    camera_release(&camera, next_picture());
    CHECK(!fake.cam.standby);
}

static void test_nap_too_short_to_be_seen(void)
{
    start();
    camera_set_awake(&camera, false);
    camera_set_awake(&camera, true);
    fake.cam.stale = 1;
    unsigned captured = atomic_load(&camera.captured);
    steps(1);
    CHECK_EQ(atomic_load(&camera.captured), captured);
    camera_release(&camera, next_picture());
}

static void test_settings_wait_for_the_wake(void)
{
    start();
    camera_set_awake(&camera, false);
    steps(1);
    unsigned sets = fake.cam.sets;
    set(KEY_CONTRAST, 1, 0);
    steps(2);
    CHECK_EQ(fake.cam.sets, sets); /* with the power pin high the bus is dead */
    camera_set_awake(&camera, true);
    camera_release(&camera, next_picture());
    CHECK_EQ(fake.cam.sensor.status.contrast, 1);
}

/* ---- recovery */

static void test_ladder(void)
{
    start();
    fake.cam.wedged = true;
    steps(2);
    CHECK(fake_logged("re-init, number 1"));
    CHECK_EQ(fake.cam.inits, 1);
    steps(1);
    CHECK_EQ(fake.cam.inits, 2);
    CHECK_EQ(fake.pin[32], -1);
    steps(3);
    CHECK(fake_logged("power cycle, number 1"));
    CHECK_EQ(fake.cam.inits, 3);
    CHECK(strstr(fake.pin_history, "32=1 32=0") != NULL);
    CHECK_EQ(fake.prepared, 2);
    CHECK_EQ(fake.restarts, 0);
    steps(3);
    CHECK(fake_logged("reboot, number 1"));
    CHECK_EQ(fake.restarts, 1);
    /* Each failed picture and each step. */
    CHECK_EQ(atomic_load(&camera.errors), 9);
    CHECK(fake.longest_unfed_us < 5000000);
}

static void test_reopened_sensor_has_its_settings_back(void)
{
    start();
    set(KEY_CONTRAST, 2, 0);
    set(KEY_SIZE, 320 << 16 | 240, 0);
    camera_release(&camera, next_picture());
    fake.cam.wedged = true;
    fake.cam.heals_after_inits = 1;
    steps(3);
    struct camlink_frame *f = next_picture();
    CHECK_EQ(f->width, 320);
    CHECK_EQ(fake.cam.sensor.status.contrast, 2);
    CHECK_EQ(fake.restarts, 0);
    camera_release(&camera, f);
}

static void test_healed_by_the_power_pin(void)
{
    start();
    fake.cam.wedged = true;
    fake.cam.heals_after_power = 1;
    steps(6);
    camera_release(&camera, next_picture());
    CHECK_EQ(camera.recovery.taken[RECOVERY_POWER], 1);
    CHECK_EQ(fake.restarts, 0);
}

/* The line still reads from a buffer: it is freed only when it is back. */
static void test_no_buffer_is_freed_under_the_line(void)
{
    start();
    struct camlink_frame *sending = next_picture();
    steps(1); /* and one waits in the mailbox */
    fake.cam.wedged = true;
    fake.cam.heals_after_inits = 1;
    steps(200);
    CHECK_EQ(fake.cam.deinits, 0);
    CHECK_EQ(sending->data[0], 0xFF);
    camera_release(&camera, sending);
    steps(1);
    CHECK_EQ(fake.cam.deinits, 1);
    CHECK_EQ(fake.cam.freed_in_use, 0);
    camera_release(&camera, next_picture());
}

static void test_buffer_that_never_comes_back(void)
{
    start();
    struct camlink_frame *sending = next_picture();
    fake.cam.wedged = true;
    int64_t begun = fake.now_us;
    while (fake.restarts == 0 && fake.now_us < begun + 300000000) {
        steps(1);
    }
    CHECK_EQ(fake.restarts, 1);
    CHECK_EQ(fake.cam.freed_in_use, 0);
    CHECK(fake.longest_unfed_us < 5000000);
    camera_release(&camera, sending);
}

static void test_failed_reopen_climbs_at_once(void)
{
    start();
    fake.cam.wedged = true;
    fake.cam.fail_inits = 1;
    steps(4);
    CHECK_EQ(camera.recovery.taken[RECOVERY_POWER], 1);
    CHECK_EQ(fake.cam.inits, 3);
}

/* A sensor that answers and never gives a picture must not make the board reboot for ever. */
static void test_reboots_end(void)
{
    for (unsigned i = 0; i < RECOVERY_REBOOTS; i++) {
        boot(); /* what survives a reboot is not cleared by it */
        camera_set_awake(&camera, true);
        fake.cam.wedged = true;
        for (int n = 0; n < 100 && fake.restarts == i; n++) {
            steps(1);
        }
        CHECK_EQ(fake.restarts, i + 1);
        esp_camera_deinit();
    }
    boot();
    camera_set_awake(&camera, true);
    int64_t begun = fake.now_us;
    while (fake.now_us < begun + 600000000) {
        steps(1);
    }
    CHECK_EQ(fake.restarts, RECOVERY_REBOOTS);
    CHECK(camera.recovery.taken[RECOVERY_POWER] > 5);
    CHECK(fake.cam.inits < 100); /* and is not hammered */
    fake.cam.wedged = false;
    camera_release(&camera, next_picture());
}

static void test_many_broken_in_a_row_are_a_fault(void)
{
    start();
    fake.cam.interval_us = 1000;
    enum fake_picture cut[10];
    for (int i = 0; i < 10; i++) {
        cut[i] = PICTURE_CUT;
    }
    for (int i = 0; i < 4; i++) {
        fake_pictures(cut, 10);
        steps(10);
    }
    CHECK_EQ(camera.step_due, RECOVERY_REOPEN);
    CHECK_EQ(atomic_load(&camera.errors), 41);
}

/* A host that goes while the sensor is dead: the ladder is not climbed for nobody. */
static void test_no_recovery_at_rest(void)
{
    start();
    fake.cam.wedged = true;
    steps(1);
    camera_set_awake(&camera, false);
    steps(50);
    CHECK_EQ(fake.cam.inits, 1);
    CHECK_EQ(fake.restarts, 0);
}

static void test_supplies_that_fail_are_told(void)
{
    fake.prepare_result = ESP_FAIL;
    boot();
    CHECK(fake_logged("supplies could not be set up"));
    CHECK(!camera.is_card);
}

/* ---- the card */

static void test_card_keeps_its_pace_and_rests(void)
{
    fake.cam.pid = 0;
    boot();
    steps(3);
    CHECK(take() == NULL);
    camera_set_awake(&camera, true);
    int64_t begun = fake.now_us;
    unsigned n = 0;
    while (fake.now_us < begun + 5000000) {
        steps(1);
        struct camlink_frame *f = take();
        if (f != NULL) {
            n++;
            camera_release(&camera, f);
        }
    }
    CHECK(n >= 48 && n <= 52);
    CHECK_EQ(fake.cam.gets, 0);
    set(KEY_SIZE, 96 << 16 | 96, 0);
    steps(2);
    struct camlink_frame *f = next_picture();
    f = f->width == 96 ? f : (camera_release(&camera, f), next_picture());
    CHECK_EQ(f->width, 96);
    camera_release(&camera, f);
}

void camera_suite(void)
{
    RUN(test_opened_at_the_largest_size_then_shrunk);
    RUN(test_without_psram);
    RUN(test_small_psram_limits_the_size);
    RUN(test_no_sensor_shows_the_card);
    RUN(test_card_by_choice);
    RUN(test_raw_sensor);
    RUN(test_failed_compression_is_counted);
    RUN(test_compressed_picture_too_large);
    RUN(test_newest_wins);
    RUN(test_slow_line_does_not_stop_the_camera);
    RUN(test_broken_pictures_are_dropped_and_counted);
    RUN(test_padded_and_shifted_pictures_are_repaired);
    RUN(test_size_change_flushes_the_buffers);
    RUN(test_refused_size);
    RUN(test_quality_is_told_of_each_picture);
    RUN(test_min_interval);
    RUN(test_pace);
    RUN(test_write_to_flash_costs_the_picture_under_way);
    RUN(test_rest_and_wake_by_pin);
    RUN(test_rest_and_wake_by_register);
    RUN(test_nap_too_short_to_be_seen);
    RUN(test_settings_wait_for_the_wake);
    RUN(test_ladder);
    RUN(test_reopened_sensor_has_its_settings_back);
    RUN(test_healed_by_the_power_pin);
    RUN(test_no_buffer_is_freed_under_the_line);
    RUN(test_buffer_that_never_comes_back);
    RUN(test_failed_reopen_climbs_at_once);
    RUN(test_reboots_end);
    RUN(test_many_broken_in_a_row_are_a_fault);
    RUN(test_no_recovery_at_rest);
    RUN(test_supplies_that_fail_are_told);
    RUN(test_card_keeps_its_pace_and_rests);
}
