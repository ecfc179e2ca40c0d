/* The line's faults, and how well it is kept full. */
#include "check.h"
#include "fake.h"

static struct fake *streaming(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 1000, 0, 60000);
    fake_poll(f);
    return f;
}

static void one_poll_sends_all_there_is(void)
{
    struct fake *f = streaming();
    f->tx_chunk = 100; /* the driver takes little at a time */
    fake_picture(f, 20000);
    fake_poll(f);
    CHECK_EQ(f->device->frames_sent, 1);
    fake_free(f);
}

static void byte_by_byte_lines_carry_the_same(void)
{
    struct fake *f = streaming();
    f->tx_chunk = 1;
    f->rx_chunk = 1;
    fake_picture(f, 2000);
    fake_send(f, CAMLINK_STATS_REQ, 3, NULL, 0);
    fake_run(f, 50);
    CHECK_EQ(f->device->frames_sent, 1);
    CHECK_EQ(fake_count(f, CAMLINK_STATS), 1);
    CHECK_EQ(f->host.header_errors + f->host.payload_errors + f->host.discarded_bytes, 0);
    fake_free(f);
}

static void full_line_is_resumed_where_it_stopped(void)
{
    struct fake *f = streaming();
    fake_picture(f, 3000);
    for (int i = 0; i < 400; i++) {
        f->tx_room = 11;
        fake_run(f, 1);
    }
    CHECK_EQ(f->device->frames_sent, 1);
    CHECK_EQ(f->host.discarded_bytes, 0);
    fake_free(f);
}

static void endless_input_does_not_hold_the_task(void)
{
    struct fake *f = streaming();
    f->rx_chunk = 1;
    for (int i = 0; i < 300; i++) {
        fake_send_bytes(f, (const uint8_t[]){0}, 1);
    }
    CHECK_EQ(fake_poll(f), 0);
    CHECK(f->rx_len > 0);
    fake_poll(f);
    CHECK_EQ(f->rx_len, 0);
    fake_free(f);
}

static void lost_line_ends_the_link_and_gives_everything_back(void)
{
    struct fake *f = streaming();
    f->tx_room = 100;
    fake_picture(f, 3000);
    fake_poll(f);
    fake_picture(f, 3000);
    CHECK_EQ(f->out, 2);
    f->gone = true;
    CHECK_EQ(fake_poll(f), 500);
    CHECK(!camlink_device_linked(f->device));
    CHECK_EQ(f->out, 0);
    CHECK(!f->awake);
    f->gone = false;
    f->tx_room = SIZE_MAX;
    camlink_decoder_silence(&f->host);
    fake_run(f, 500);
    camlink_decoder_silence(&f->host);
    fake_run(f, 500);
    CHECK(fake_find(f, CAMLINK_HELLO) != NULL);
    fake_free(f);
}

static void line_lost_in_a_write_is_noticed(void)
{
    struct fake *f = fake_new();
    f->identity.features = CAMLINK_FEATURE_ONE_WAY;
    fake_poll(f);
    fake_picture(f, 3000);
    f->gone = true;
    fake_poll(f);
    CHECK_EQ(f->out, 0);
    f->gone = false;
    fake_run(f, 1000);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 2);
    fake_free(f);
}

static void line_reset_beacons_at_once(void)
{
    struct fake *f = streaming();
    f->tx_room = 100;
    fake_picture(f, 3000);
    fake_poll(f);
    fake_send_bytes(f, (const uint8_t[]){0xFF, 0xA7, 0x10}, 3);
    fake_poll(f);
    camlink_device_line_reset(f->device);
    CHECK(!camlink_device_linked(f->device));
    CHECK_EQ(f->out, 0);
    camlink_decoder_init(&f->host, f->host_buf, sizeof f->host_buf, NULL, 0);
    fake_forget(f);
    f->tx_room = SIZE_MAX;
    fake_hello_req(f, 2); /* the half packet from before must not spoil it */
    fake_poll(f);
    CHECK_EQ(fake_take(f)->type, CAMLINK_HELLO);
    CHECK(camlink_device_linked(f->device));
    fake_free(f);
}

static void poll_wants_to_be_called_within_500_ms(void)
{
    struct fake *f = fake_new();
    CHECK_EQ(fake_poll(f), 500);
    f->now_us += 200000;
    CHECK_EQ(fake_poll(f), 300);
    fake_hello_req(f, 1);
    CHECK_EQ(fake_poll(f), 500);
    f->now_us += 2800100;
    CHECK_EQ(fake_poll(f), 200); /* the lease; rounded up */
    fake_free(f);
}

void line_suite(void)
{
    RUN(one_poll_sends_all_there_is);
    RUN(byte_by_byte_lines_carry_the_same);
    RUN(full_line_is_resumed_where_it_stopped);
    RUN(endless_input_does_not_hold_the_task);
    RUN(lost_line_ends_the_link_and_gives_everything_back);
    RUN(line_lost_in_a_write_is_noticed);
    RUN(line_reset_beacons_at_once);
    RUN(poll_wants_to_be_called_within_500_ms);
}
