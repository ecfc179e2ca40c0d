/* Protocol section 5.1: rate control inside the device, its keys, the camera's quality, and which pictures are sent. */
#include "check.h"
#include "fake.h"

#include <string.h>

enum { QUALITY = 2, TARGET = 31, BEST = 32, WORST = 33 };

static struct fake *linked(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 100000, 0, 60000);
    fake_poll(f);
    fake_forget(f);
    return f;
}

/* CONFIG_SET of one key; what the answer says. */
static struct camlink_config_item set(struct fake *f, uint16_t key, int32_t value)
{
    uint8_t p[8] = {0};
    camlink_put16(p, key);
    camlink_put32(p + 4, (uint32_t)value);
    fake_send(f, CAMLINK_CONFIG_SET, 9, p, sizeof p);
    fake_poll(f);
    const struct fake_packet *answer = fake_find(f, CAMLINK_CONFIG);
    const uint8_t *a = answer->payload;
    struct camlink_config_item item = {
        .key = camlink_get16(a),
        .flags = camlink_get16(a + 2),
        .value = (int32_t)camlink_get32(a + 4),
        .min = (int32_t)camlink_get32(a + 8),
        .max = (int32_t)camlink_get32(a + 12),
    };
    return item;
}

static int32_t quality(const struct fake *f)
{
    return f->config[0].value;
}

static void target_takes_tenths_up_to_a_hundred_frames(void)
{
    struct fake *f = linked();
    struct camlink_config_item item = set(f, TARGET, 125);
    CHECK_EQ(item.key, TARGET);
    CHECK_EQ(item.value, 125);
    CHECK_EQ(item.flags, 0);
    CHECK_EQ(camlink_device_interval_us(f->device), 80000);
    item = set(f, TARGET, 5000);
    CHECK_EQ(item.value, 1000);
    CHECK_EQ(item.flags, CAMLINK_CONFIG_CLAMPED);
    item = set(f, TARGET, -1);
    CHECK_EQ(item.value, 0);
    CHECK_EQ(item.flags, CAMLINK_CONFIG_CLAMPED);
    CHECK_EQ(camlink_device_interval_us(f->device), 0);
    fake_free(f);
}

static void range_may_be_set_in_either_order(void)
{
    struct fake *f = linked();
    CHECK_EQ(set(f, BEST, 45).value, 45);
    CHECK_EQ(set(f, WORST, 50).value, 50);
    CHECK_EQ(f->device->rate_control.quality_best, 45);
    CHECK_EQ(set(f, WORST, 8).value, 8);
    CHECK_EQ(set(f, BEST, 4).value, 4);
    CHECK_EQ(f->device->rate_control.quality_worst, 8);
    struct camlink_config_item item = set(f, WORST, 64);
    CHECK_EQ(item.value, 63);
    CHECK_EQ(item.flags, CAMLINK_CONFIG_CLAMPED);
    fake_free(f);
}

static void switched_on_it_takes_quality_into_the_range(void)
{
    struct fake *f = linked();
    CHECK_EQ(set(f, BEST, 20).value, 20);
    CHECK_EQ(quality(f), 12);
    f->config_flags = 7;
    CHECK_EQ(set(f, TARGET, 100).value, 100);
    CHECK_EQ(quality(f), 20);
    CHECK_EQ(f->config_flags, 0);
    CHECK_EQ(set(f, BEST, 25).value, 25);
    CHECK_EQ(quality(f), 25);
    CHECK_EQ(set(f, WORST, 22).value, 22);
    CHECK_EQ(quality(f), 22);
    fake_free(f);
}

static void switched_off_it_leaves_quality_alone(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    CHECK_EQ(set(f, QUALITY, 33).value, 33);
    (void)set(f, TARGET, 0);
    CHECK_EQ(quality(f), 33);
    CHECK_EQ(set(f, QUALITY, 2).value, 2);
    CHECK_EQ(set(f, WORST, 30).value, 30);
    CHECK_EQ(quality(f), 2);
    for (int i = 0; i < 20; i++) {
        fake_picture(f, 10000);
        fake_poll(f);
        fake_forget(f);
    }
    CHECK_EQ(f->device->frames_sent, 20);
    CHECK_EQ(quality(f), 2);
    fake_free(f);
}

static void quality_set_by_the_host_is_where_it_starts_from(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    struct camlink_config_item item = set(f, QUALITY, 30);
    CHECK_EQ(item.value, 30);
    CHECK_EQ(item.flags, 0);
    CHECK_EQ(f->device->rate_control.quality, 30);
    item = set(f, QUALITY, 3);
    CHECK_EQ(item.value, 10);
    CHECK_EQ(item.flags, CAMLINK_CONFIG_CLAMPED);
    CHECK_EQ(quality(f), 10);
    fake_free(f);
}

static void quality_that_cannot_be_set_leaves_the_pace(void)
{
    for (int kind = 0; kind < 3; kind++) {
        struct fake *f = linked();
        if (kind == 0) {
            f->config[0].flags = CAMLINK_CONFIG_READ_ONLY;
        } else if (kind == 1) {
            f->config_count = 0;
        } else {
            f->platform.config_set = NULL;
        }
        CHECK_EQ(set(f, TARGET, 100).value, 100);
        for (int i = 0; i < 100; i++) {
            fake_picture(f, 9000);
            fake_run(f, 10);
            fake_forget(f);
        }
        CHECK_EQ(quality(f), 12);
        CHECK(f->device->frames_sent >= 10 && f->device->frames_sent <= 11);
        CHECK_EQ(f->device->skipped_busy, 0);
        fake_free(f);
    }
}

/* At 115200 baud and 10 frames a second: 1152 bytes a frame. */
static void picture_too_large_is_skipped_told_and_counted(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    fake_picture(f, 2300);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 0);
    CHECK_EQ(f->device->skipped_busy, 1);
    CHECK_EQ(f->released, 1);
    CHECK(quality(f) > 30);
    CHECK_EQ(f->config_flags, 0);
    fake_picture(f, 800);
    fake_poll(f);
    const struct fake_packet *p = fake_find(f, CAMLINK_FRAME_BEGIN);
    CHECK(p != NULL);
    CHECK_EQ(camlink_get16(p->payload + 30), 1);
    CHECK_EQ(p->payload[29], quality(f));
    fake_free(f);
}

static void overhead_of_packets_counts(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    /* 1152 less the reserve is 1116, less FRAME_BEGIN and four chunks 988. */
    fake_picture(f, 988);
    fake_poll(f);
    CHECK_EQ(quality(f), 12);
    fake_run(f, 100);
    fake_picture(f, 989);
    fake_poll(f);
    CHECK(quality(f) > 12);
    CHECK_EQ(f->device->frames_sent, 2);
    fake_free(f);
}

static void budget_follows_the_rate_of_the_line(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    fake_baud_set(f, 1, 3000000, 1, 1000);
    fake_run(f, 2);
    fake_baud_commit(f, 2, 1);
    fake_run(f, 2);
    CHECK_EQ(camlink_device_baud(f->device), 3000000);
    fake_picture(f, 25000);
    fake_poll(f);
    CHECK_EQ(quality(f), 12);
    CHECK_EQ(f->device->frames_sent, 1);
    fake_baud_set(f, 3, 1000000, 2, 1000);
    fake_run(f, 2);
    fake_baud_commit(f, 4, 2);
    fake_run(f, 100);
    fake_picture(f, 25000);
    fake_poll(f);
    CHECK_EQ(quality(f), 40);
    fake_free(f);
}

static void at_the_worst_quality_large_pictures_are_sent(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    for (int i = 0; i < 20; i++) {
        fake_picture(f, 9000);
        fake_run(f, 100);
        fake_forget(f);
    }
    CHECK_EQ(quality(f), 40);
    CHECK(f->device->frames_sent >= 19);
    fake_free(f);
}

static void small_pictures_bring_better_quality_step_by_step(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    (void)set(f, QUALITY, 40);
    int32_t last = 40;
    for (int i = 0; i < 200; i++) {
        fake_picture(f, 300);
        fake_run(f, 100);
        fake_forget(f);
        CHECK(quality(f) <= last && quality(f) >= last - 5);
        last = quality(f);
    }
    CHECK_EQ(quality(f), 10);
    CHECK_EQ(f->device->frames_sent, 200);
    fake_free(f);
}

static void width_of_usb_is_what_the_host_takes(void)
{
    struct fake *f = fake_new();
    f->identity.transport = CAMLINK_USB_CDC;
    camlink_device_init(f->device, &f->platform, f, &f->identity, &f->mailbox);
    fake_link(f);
    fake_credit(f, 100000, 0, 60000);
    (void)set(f, TARGET, 100);
    for (int i = 0; i < 40; i++) {
        fake_picture(f, 20000);
        for (int ms = 0; ms < 100; ms++) {
            f->tx_room = 500;
            fake_run(f, 1);
        }
        fake_forget(f);
    }
    CHECK(f->device->rate_control.seen >= 450000 && f->device->rate_control.seen <= 520000);
    CHECK_EQ(quality(f), 10);
    f->tx_room = SIZE_MAX;
    fake_picture(f, 200000);
    fake_run(f, 1);
    CHECK_EQ(quality(f), 40);
    fake_free(f);
}

static void fast_camera_is_thinned_to_the_target(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    for (int i = 0; i < 250; i++) {
        fake_picture(f, 300);
        fake_run(f, 40);
        fake_forget(f);
    }
    CHECK(f->device->frames_sent >= 99 && f->device->frames_sent <= 101);
    CHECK_EQ(f->device->skipped_credit + f->device->frames_sent, 250);
    fake_free(f);
}

static void min_interval_of_the_host_still_rules(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    fake_credit(f, 100000, 500, 60000);
    fake_poll(f);
    for (int i = 0; i < 100; i++) {
        fake_picture(f, 300);
        fake_run(f, 100);
        fake_forget(f);
    }
    CHECK(f->device->frames_sent >= 20 && f->device->frames_sent <= 21);
    fake_free(f);
}

static void no_credit_no_frame(void)
{
    struct fake *f = linked();
    (void)set(f, TARGET, 100);
    fake_credit(f, f->device->next_frame + 1, 0, 60000);
    fake_poll(f);
    for (int i = 0; i < 20; i++) {
        fake_picture(f, 300);
        fake_run(f, 100);
    }
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 2);
    fake_free(f);
}

void pace_suite(void)
{
    RUN(target_takes_tenths_up_to_a_hundred_frames);
    RUN(range_may_be_set_in_either_order);
    RUN(switched_on_it_takes_quality_into_the_range);
    RUN(switched_off_it_leaves_quality_alone);
    RUN(quality_set_by_the_host_is_where_it_starts_from);
    RUN(quality_that_cannot_be_set_leaves_the_pace);
    RUN(picture_too_large_is_skipped_told_and_counted);
    RUN(overhead_of_packets_counts);
    RUN(budget_follows_the_rate_of_the_line);
    RUN(at_the_worst_quality_large_pictures_are_sent);
    RUN(small_pictures_bring_better_quality_step_by_step);
    RUN(width_of_usb_is_what_the_host_takes);
    RUN(fast_camera_is_thinned_to_the_target);
    RUN(min_interval_of_the_host_still_rules);
    RUN(no_credit_no_frame);
}
