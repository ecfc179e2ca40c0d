/* Protocol sections 4 and 5: frames, credit, pacing, and the sensor's sleep. */
#include "check.h"
#include "fake.h"

#include <string.h>

static struct fake *streaming(uint32_t limit, uint16_t min_interval_ms)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, limit, min_interval_ms, 60000);
    fake_poll(f);
    return f;
}

static void frame_is_begin_and_contiguous_chunks_up_to_last(void)
{
    struct fake *f = streaming(10, 0);
    uint64_t captured = f->now_us;
    fake_picture(f, 1000);
    f->now_us += 5000;
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_FRAME_BEGIN);
    CHECK_EQ(p->ref, 1);
    CHECK_EQ(p->len, 32);
    CHECK_EQ(camlink_get32(p->payload), 1);
    CHECK_EQ(camlink_get32(p->payload + 4), 1000);
    CHECK_EQ(camlink_get64(p->payload + 8), captured);
    CHECK_EQ(camlink_get64(p->payload + 16), f->now_us);
    CHECK_EQ(camlink_get16(p->payload + 24), 640);
    CHECK_EQ(camlink_get16(p->payload + 26), 480);
    CHECK_EQ(p->payload[28], 1);
    CHECK_EQ(p->payload[29], 12);
    CHECK_EQ(camlink_get16(p->payload + 30), 0);
    for (uint32_t offset = 0; offset < 1000; offset += 256) {
        p = fake_take(f);
        CHECK_EQ(p->type, CAMLINK_FRAME_CHUNK);
        CHECK_EQ(p->ref, 1);
        CHECK_EQ(camlink_get32(p->payload), offset);
        CHECK_EQ(p->len - 4, offset < 768 ? 256 : 232);
        CHECK_EQ(p->flags, offset < 768 ? 0 : CAMLINK_LAST);
        for (size_t i = 4; i < p->len; i++) {
            CHECK_EQ(p->payload[i], fake_picture_byte(offset + i - 4));
        }
    }
    CHECK(fake_take(f) == NULL);
    CHECK_EQ(f->released, 1);
    fake_free(f);
}

static void last_chunk_may_be_full(void)
{
    struct fake *f = streaming(10, 0);
    fake_picture(f, 512);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_CHUNK), 2);
    CHECK_EQ(f->device->frames_sent, 1);
    fake_free(f);
}

static void frames_are_numbered_from_1_one_by_one(void)
{
    struct fake *f = streaming(100, 0);
    for (uint32_t no = 1; no <= 5; no++) {
        fake_picture(f, 10);
        fake_poll(f);
        CHECK_EQ(camlink_get32(fake_find(f, CAMLINK_FRAME_BEGIN)->payload), no);
    }
    fake_free(f);
}

static void chunk_size_follows_the_rate(void)
{
    static const uint32_t steps[][2] = {{9600, 256},     {230400, 512},   {115200, 256},   {460800, 512},
                                        {921600, 1024},  {1000000, 1024}, {1500000, 2048}, {2000000, 2048},
                                        {3000000, 2048}, {5000000, 4096}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct fake *f = fake_new();
        f->identity.baud_base = steps[i][0];
        camlink_device_init(f->device, &f->platform, f, &f->identity, &f->mailbox);
        fake_link(f);
        fake_credit(f, 1, 0, 3000);
        fake_poll(f);
        fake_picture(f, 5000);
        fake_poll(f);
        CHECK_EQ(fake_find(f, CAMLINK_FRAME_CHUNK)->len, 4 + steps[i][1]);
        fake_free(f);
    }
}

static void chunks_are_longest_on_usb(void)
{
    struct fake *f = fake_new();
    f->identity.transport = CAMLINK_USB_JTAG;
    camlink_device_init(f->device, &f->platform, f, &f->identity, &f->mailbox);
    fake_link(f);
    fake_credit(f, 1, 0, 3000);
    fake_poll(f);
    fake_picture(f, 5000);
    fake_poll(f);
    CHECK_EQ(fake_find(f, CAMLINK_FRAME_CHUNK)->len, 4100);
    fake_free(f);
}

static void nothing_is_sent_beyond_the_credit(void)
{
    struct fake *f = streaming(2, 0);
    for (int i = 0; i < 5; i++) {
        fake_picture(f, 10);
        fake_run(f, 10);
    }
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 2);
    fake_credit(f, 3, 0, 3000);
    fake_run(f, 10);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 3);
    fake_free(f);
}

static void lower_limit_replaces_the_higher_one(void)
{
    struct fake *f = streaming(100, 0);
    fake_credit(f, 0, 0, 3000);
    fake_poll(f);
    fake_picture(f, 10);
    fake_run(f, 10);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 0);
    fake_free(f);
}

static void credit_is_compared_by_signed_difference(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    f->device->next_frame = 0xFFFFFFFF;
    fake_credit(f, 1, 0, 3000);
    fake_poll(f);
    for (int i = 0; i < 5; i++) {
        fake_picture(f, 10);
        fake_poll(f);
    }
    CHECK_EQ(camlink_get32(fake_find(f, CAMLINK_FRAME_BEGIN)->payload), 0xFFFFFFFF);
    CHECK_EQ(camlink_get32(fake_find(f, CAMLINK_FRAME_BEGIN)->payload), 0);
    CHECK_EQ(camlink_get32(fake_find(f, CAMLINK_FRAME_BEGIN)->payload), 1);
    CHECK(fake_find(f, CAMLINK_FRAME_BEGIN) == NULL);
    fake_credit(f, 0x80000000u, 0, 3000); /* 2^31 - 2 ahead: still ahead */
    fake_poll(f);
    CHECK(fake_find(f, CAMLINK_FRAME_BEGIN) != NULL);
    fake_free(f);
}

static void frame_under_way_ends_though_the_credit_was_taken_back(void)
{
    struct fake *f = streaming(10, 0);
    f->tx_room = 100;
    fake_picture(f, 1000);
    fake_poll(f);
    fake_credit(f, 0, 0, 3000);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(f->device->frames_sent, 1);
    fake_free(f);
}

static void begins_are_at_least_min_interval_apart(void)
{
    struct fake *f = streaming(100, 50);
    uint64_t last = 0;
    for (int i = 0; i < 500; i++) {
        fake_picture(f, 100);
        fake_run(f, 1);
    }
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 10);
    const struct fake_packet *p;
    while ((p = fake_find(f, CAMLINK_FRAME_BEGIN)) != NULL) {
        uint64_t at = camlink_get64(p->payload + 16);
        CHECK(last == 0 || at - last == 50000);
        last = at;
    }
    fake_free(f);
}

static void pacing_counts_from_begin_not_from_the_end_of_the_frame(void)
{
    struct fake *f = streaming(100, 50);
    f->tx_room = 200;
    fake_picture(f, 1000);
    fake_run(f, 40);
    f->tx_room = SIZE_MAX; /* the frame took 40 ms */
    fake_picture(f, 1000);
    fake_run(f, 10);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 1);
    fake_run(f, 1);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 2);
    fake_free(f);
}

static void poll_asks_to_be_called_when_the_next_begin_is_due(void)
{
    struct fake *f = streaming(100, 50);
    fake_picture(f, 100);
    CHECK_EQ(fake_poll(f), 50);
    f->now_us += 20500;
    fake_picture(f, 100);
    CHECK_EQ(fake_poll(f), 30);
    f->now_us += 30000;
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 2);
    fake_free(f);
}

static void newest_picture_is_sent_and_begin_tells_what_was_skipped(void)
{
    struct fake *f = streaming(100, 0);
    f->tx_room = 100;
    fake_picture(f, 1000);
    fake_poll(f);
    fake_picture(f, 21);
    fake_picture(f, 22);
    fake_picture(f, 23);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    fake_find(f, CAMLINK_FRAME_BEGIN);
    const struct fake_packet *p = fake_find(f, CAMLINK_FRAME_BEGIN);
    CHECK_EQ(camlink_get32(p->payload + 4), 23);
    CHECK_EQ(camlink_get16(p->payload + 30), 2);
    CHECK_EQ(f->device->skipped_busy, 2);
    CHECK_EQ(f->device->skipped_credit, 0);
    fake_picture(f, 24);
    fake_poll(f);
    CHECK_EQ(camlink_get16(fake_find(f, CAMLINK_FRAME_BEGIN)->payload + 30), 0);
    fake_free(f);
}

static void skipped_saturates(void)
{
    struct fake *f = streaming(100, 0);
    f->device->skipped = 70000;
    fake_picture(f, 10);
    fake_poll(f);
    CHECK_EQ(camlink_get16(fake_find(f, CAMLINK_FRAME_BEGIN)->payload + 30), 65535);
    fake_free(f);
}

static void skipped_without_credit_is_counted_apart(void)
{
    struct fake *f = streaming(1, 0);
    fake_picture(f, 10);
    fake_poll(f);
    fake_picture(f, 10);
    fake_picture(f, 10);
    fake_poll(f);
    CHECK_EQ(f->device->skipped_credit, 1);
    CHECK_EQ(f->device->skipped_busy, 0);
    fake_free(f);
}

static void sensor_wakes_with_the_credit(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_run(f, 100);
    CHECK_EQ(f->wakes, 0);
    fake_credit(f, 1, 0, 3000);
    fake_poll(f);
    CHECK_EQ(f->wakes, 1);
    CHECK(f->awake);
    fake_free(f);
}

static void sensor_stays_awake_while_there_is_credit(void)
{
    struct fake *f = streaming(10, 0);
    fake_run(f, 10000);
    CHECK(f->awake);
    CHECK_EQ(f->wakes, 1);
    fake_free(f);
}

static void sensor_rests_one_second_after_the_credit_ran_out(void)
{
    struct fake *f = streaming(1, 0);
    fake_run(f, 500);
    fake_picture(f, 10);
    fake_poll(f);
    fake_run(f, 999);
    CHECK(f->awake);
    fake_run(f, 1);
    CHECK(!f->awake);
    fake_free(f);
}

static void poll_asks_to_be_called_when_the_sensor_is_to_rest(void)
{
    struct fake *f = streaming(1, 0);
    fake_picture(f, 10);
    fake_poll(f);
    fake_run(f, 600);
    CHECK_EQ(fake_poll(f), 400);
    fake_free(f);
}

static void new_credit_within_a_second_keeps_the_sensor_awake(void)
{
    struct fake *f = streaming(1, 0);
    fake_picture(f, 10);
    fake_poll(f);
    fake_run(f, 900);
    fake_credit(f, 2, 0, 60000);
    fake_run(f, 5000);
    CHECK(f->awake);
    CHECK_EQ(f->wakes, 1);
    fake_free(f);
}

static void rest_empties_the_mailbox(void)
{
    struct fake *f = streaming(1, 0);
    fake_picture(f, 10);
    fake_poll(f);
    fake_picture(f, 10);
    fake_run(f, 999);
    CHECK_EQ(f->out, 1);
    fake_run(f, 1);
    CHECK_EQ(f->out, 0);
    fake_free(f);
}

static void picture_from_before_the_rest_is_never_sent(void)
{
    struct fake *f = streaming(1, 0);
    fake_picture(f, 10);
    fake_poll(f);
    fake_run(f, 1000);
    uint64_t before = f->now_us;
    CHECK(!f->awake);
    fake_picture(f, 11); /* was in the making when the sensor went to rest */
    fake_run(f, 100);
    fake_credit(f, 10, 0, 60000);
    fake_poll(f);
    fake_picture_at(f, 12, before); /* and so was this one, later still */
    fake_run(f, 10);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 1);
    fake_picture(f, 13);
    fake_poll(f);
    fake_find(f, CAMLINK_FRAME_BEGIN);
    const struct fake_packet *p = fake_find(f, CAMLINK_FRAME_BEGIN);
    CHECK_EQ(camlink_get32(p->payload + 4), 13);
    CHECK_EQ(camlink_get16(p->payload + 30), 2);
    fake_free(f);
}

static void empty_or_oversized_picture_is_a_camera_error(void)
{
    struct fake *f = streaming(10, 0);
    fake_picture(f, 0);
    fake_poll(f);
    fake_picture(f, (1 << 20) + 1);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 0);
    CHECK_EQ(f->device->bad_frames, 2);
    CHECK_EQ(f->out, 0);
    fake_picture(f, 1 << 20);
    f->tx_room = 48;
    fake_poll(f);
    const struct fake_packet *p = fake_find(f, CAMLINK_FRAME_BEGIN);
    CHECK_EQ(camlink_get32(p->payload), 1); /* no number was spent on the bad ones */
    CHECK_EQ(camlink_get16(p->payload + 30), 2);
    fake_free(f);
}

static void begin_is_stamped_when_the_line_takes_it(void)
{
    struct fake *f = streaming(10, 0);
    f->tx_room = 0;
    fake_picture(f, 10);
    fake_run(f, 30);
    f->tx_room = SIZE_MAX;
    fake_run(f, 1);
    CHECK_EQ(camlink_get64(fake_find(f, CAMLINK_FRAME_BEGIN)->payload + 16), f->now_us);
    fake_free(f);
}

static void control_goes_before_the_next_chunk(void)
{
    struct fake *f = streaming(10, 0);
    f->tx_room = 48 + 20 + 256 + 10; /* BEGIN, a chunk, and a bit of the next */
    fake_picture(f, 2000);
    fake_poll(f);
    fake_forget(f);
    fake_send(f, CAMLINK_STATS_REQ, 4, NULL, 0);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_take(f)->type, CAMLINK_FRAME_CHUNK);
    CHECK_EQ(fake_take(f)->type, CAMLINK_STATS);
    CHECK_EQ(fake_take(f)->type, CAMLINK_FRAME_CHUNK);
    fake_free(f);
}

void pictures_suite(void)
{
    RUN(frame_is_begin_and_contiguous_chunks_up_to_last);
    RUN(last_chunk_may_be_full);
    RUN(frames_are_numbered_from_1_one_by_one);
    RUN(chunk_size_follows_the_rate);
    RUN(chunks_are_longest_on_usb);
    RUN(nothing_is_sent_beyond_the_credit);
    RUN(lower_limit_replaces_the_higher_one);
    RUN(credit_is_compared_by_signed_difference);
    RUN(frame_under_way_ends_though_the_credit_was_taken_back);
    RUN(begins_are_at_least_min_interval_apart);
    RUN(pacing_counts_from_begin_not_from_the_end_of_the_frame);
    RUN(poll_asks_to_be_called_when_the_next_begin_is_due);
    RUN(newest_picture_is_sent_and_begin_tells_what_was_skipped);
    RUN(skipped_saturates);
    RUN(skipped_without_credit_is_counted_apart);
    RUN(sensor_wakes_with_the_credit);
    RUN(sensor_stays_awake_while_there_is_credit);
    RUN(sensor_rests_one_second_after_the_credit_ran_out);
    RUN(poll_asks_to_be_called_when_the_sensor_is_to_rest);
    RUN(new_credit_within_a_second_keeps_the_sensor_awake);
    RUN(rest_empties_the_mailbox);
    RUN(picture_from_before_the_rest_is_never_sent);
    RUN(empty_or_oversized_picture_is_a_camera_error);
    RUN(begin_is_stamped_when_the_line_takes_it);
    RUN(control_goes_before_the_next_chunk);
}
