/* LOG and LOG_LEVEL. */
#include "check.h"
#include "fake.h"

#include <string.h>

static void line_is_sent_with_time_level_tag_and_text(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    uint64_t at = f->now_us;
    camlink_device_log(f->device, 2, "cam", "frame lost");
    f->now_us += 3000;
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_LOG);
    CHECK_EQ(p->ref, 0);
    CHECK_EQ(p->len, 10 + 3 + 10);
    CHECK_EQ(camlink_get64(p->payload), at);
    CHECK_EQ(p->payload[8], 2);
    CHECK_EQ(p->payload[9], 3);
    CHECK(memcmp(p->payload + 10, "camframe lost", 13) == 0);
    fake_free(f);
}

static void lines_wait_for_a_host(void)
{
    struct fake *f = fake_new();
    camlink_device_log(f->device, 1, "boot", "early");
    fake_run(f, 2000);
    CHECK_EQ(fake_count(f, CAMLINK_LOG), 0);
    fake_hello_req(f, 1);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_LOG), 1);
    fake_free(f);
}

static void long_line_is_cut_at_250_bytes(void)
{
    struct fake *f = fake_new();
    char text[400];
    memset(text, 'x', sizeof text);
    text[399] = '\0';
    fake_link(f);
    camlink_device_log(f->device, 1, text, text);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->len, 250);
    CHECK_EQ(p->payload[9], 32);
    fake_free(f);
}

static void full_ring_drops_the_new_line_and_counts_it(void)
{
    struct fake *f = fake_new();
    char text[101];
    memset(text, 'x', 100);
    text[100] = '\0';
    fake_link(f);
    for (int i = 0; i < 20; i++) {
        text[0] = (char)('a' + i);
        camlink_device_log(f->device, 1, "t", text);
    }
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_LOG), CAMLINK_LOG_RING / 112);
    CHECK_EQ(f->device->log_dropped, 20 - CAMLINK_LOG_RING / 112);
    CHECK_EQ(fake_take(f)->payload[11], 'a');
    fake_free(f);
}

static void ring_keeps_lines_whole_across_its_end(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    for (uint8_t i = 0; i < 200; i++) {
        char text[64];
        memset(text, 'a' + i % 26, sizeof text);
        text[i % 60 + 1] = '\0';
        camlink_device_log(f->device, 1, "tag", text);
        fake_poll(f);
        const struct fake_packet *p = fake_take(f);
        CHECK(p != NULL);
        CHECK_EQ(p->len, 13 + i % 60 + 1);
        CHECK(memcmp(p->payload + 10, "tag", 3) == 0);
        CHECK(memcmp(p->payload + 13, text, i % 60 + 1u) == 0);
    }
    fake_free(f);
}

static void set_level(struct fake *f, uint8_t level)
{
    uint8_t payload[4] = {level};
    fake_send(f, CAMLINK_LOG_LEVEL, 3, payload, sizeof payload);
    fake_poll(f);
}

static void level_chooses_the_lines(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    camlink_device_log(f->device, 4, "t", "debug is off at first");
    camlink_device_log(f->device, 0, "t", "no level");
    fake_poll(f);
    CHECK(fake_take(f) == NULL);
    set_level(f, 1);
    CHECK_EQ(f->log_level, 1);
    const struct fake_packet *p = fake_take(f);
    CHECK(p->type == CAMLINK_RESULT && p->payload[1] == CAMLINK_STATUS_OK && p->ref == 3);
    camlink_device_log(f->device, 2, "t", "warning");
    camlink_device_log(f->device, 1, "t", "error");
    fake_poll(f);
    p = fake_take(f);
    CHECK(p->type == CAMLINK_LOG && p->payload[8] == 1);
    CHECK(fake_take(f) == NULL);
    fake_free(f);
}

static void level_above_4_is_invalid(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    set_level(f, 5);
    CHECK_EQ(fake_take(f)->payload[1], CAMLINK_STATUS_INVALID);
    CHECK_EQ(f->device->log_level, 3);
    fake_free(f);
}

static void level_may_be_set_by_its_key(void)
{
    struct fake *f = fake_new();
    static const uint8_t item[8] = {30, 0, 0, 0, 9, 0, 0, 0};
    fake_link(f);
    f->platform.log_level = NULL;
    fake_send(f, CAMLINK_CONFIG_SET, 3, item, sizeof item);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(camlink_get16(p->payload + 2), CAMLINK_CONFIG_CLAMPED);
    CHECK_EQ(camlink_get32(p->payload + 4), 4);
    CHECK_EQ(f->device->log_level, 4);
    fake_free(f);
}

static void log_and_pictures_take_turns(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 1024);
    for (int i = 0; i < 3; i++) {
        camlink_device_log(f->device, 1, "t", "line");
    }
    fake_poll(f);
    static const uint8_t want[] = {CAMLINK_LOG, CAMLINK_FRAME_BEGIN, CAMLINK_LOG,        CAMLINK_FRAME_CHUNK,
                                   CAMLINK_LOG, CAMLINK_FRAME_CHUNK, CAMLINK_FRAME_CHUNK};
    for (size_t i = 0; i < sizeof want; i++) {
        CHECK_EQ(fake_take(f)->type, want[i]);
    }
    fake_free(f);
}

static void ring_may_be_filled_to_the_last_byte(void)
{
    struct fake *f = fake_new();
    char text[101];
    memset(text, 'x', 100);
    text[100] = '\0';
    for (int i = 0; i < 9; i++) {
        camlink_device_log(f->device, 1, "t", text); /* 112 bytes each: 16 are left */
    }
    camlink_device_log(f->device, 1, "t", "12345");
    CHECK_EQ(f->device->log_dropped, 1);
    camlink_device_log(f->device, 1, "t", "1234");
    CHECK_EQ(f->device->log_dropped, 1);
    CHECK_EQ(f->device->log_used, CAMLINK_LOG_RING);
    fake_link(f);
    fake_poll(f);
    CHECK_EQ(f->device->log_used, 0);
    fake_free(f);
}

void log_suite(void)
{
    RUN(line_is_sent_with_time_level_tag_and_text);
    RUN(lines_wait_for_a_host);
    RUN(long_line_is_cut_at_250_bytes);
    RUN(full_ring_drops_the_new_line_and_counts_it);
    RUN(ring_keeps_lines_whole_across_its_end);
    RUN(level_chooses_the_lines);
    RUN(level_above_4_is_invalid);
    RUN(level_may_be_set_by_its_key);
    RUN(log_and_pictures_take_turns);
    RUN(ring_may_be_filled_to_the_last_byte);
}
