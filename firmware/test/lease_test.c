/* Protocol sections 5 and 6: how a link ends, and what ends with it. */
#include "check.h"
#include "fake.h"

static void lease_is_3000_ms_before_the_first_credit(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_run(f, 2999);
    CHECK(camlink_device_linked(f->device));
    fake_run(f, 1);
    CHECK(!camlink_device_linked(f->device));
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 1);
    fake_free(f);
}

static void any_valid_packet_renews_the_lease(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 0, 0, 1000);
    fake_poll(f);
    for (int i = 0; i < 5; i++) {
        fake_run(f, 900);
        fake_send(f, 0x6F, 0, NULL, 0);
    }
    fake_run(f, 1000);
    CHECK(camlink_device_linked(f->device));
    fake_run(f, 1);
    CHECK(!camlink_device_linked(f->device));
    fake_free(f);
}

static void damaged_packet_does_not_renew_the_lease(void)
{
    struct fake *f = fake_new();
    uint8_t bad[] = {0xFF, 0xA7, 0x10, 0x49, 0x03, 0, 0, 0, 0x07, 0, 0xF0, 0x06};
    fake_link(f);
    fake_run(f, 2000);
    fake_send_bytes(f, bad, sizeof bad);
    fake_run(f, 1000);
    CHECK(!camlink_device_linked(f->device));
    fake_free(f);
}

static void late_poll_reads_before_it_ends_the_lease(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_send(f, CAMLINK_STATS_REQ, 2, NULL, 0);
    f->now_us += 10000000;
    fake_poll(f);
    CHECK(camlink_device_linked(f->device));
    fake_free(f);
}

static void lease_end_releases_the_frame_and_rests_the_sensor(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 500);
    fake_poll(f);
    f->tx_room = 500; /* BEGIN, and part of the first chunks */
    fake_picture(f, 5000);
    fake_picture(f, 5000);
    fake_run(f, 100);
    fake_picture(f, 5000); /* one on the line, one in the mailbox */
    CHECK_EQ(f->out, 2);
    CHECK(f->awake);
    fake_run(f, 400);
    CHECK(!camlink_device_linked(f->device));
    CHECK_EQ(f->out, 0);
    CHECK(!f->awake);
    f->tx_room = SIZE_MAX;
    fake_run(f, 1);
    camlink_decoder_silence(&f->host);
    fake_run(f, 500);
    CHECK(fake_find(f, CAMLINK_HELLO) != NULL);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_CHUNK), 0);
    fake_free(f);
}

static void lease_0_ends_the_link_at_once(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    CHECK(f->awake);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    CHECK(!camlink_device_linked(f->device));
    CHECK(!f->awake);
    const struct fake_packet *p = fake_take(f);
    CHECK(p != NULL && p->type == CAMLINK_HELLO && p->flags == 0);
    fake_free(f);
}

static void lease_0_lets_the_packet_under_way_end(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 5000);
    f->tx_room = 300;
    fake_poll(f);
    fake_forget(f);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    CHECK_EQ(f->out, 1); /* still lent to the line */
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_take(f)->type, CAMLINK_FRAME_CHUNK);
    CHECK_EQ(fake_take(f)->type, CAMLINK_HELLO);
    CHECK(fake_take(f) == NULL);
    CHECK_EQ(f->out, 0);
    CHECK_EQ(f->host.payload_errors, 0);
    fake_free(f);
}

static void lease_0_on_a_stuck_line_gives_the_frame_back_after_100_ms(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 5000);
    f->tx_room = 300;
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    fake_run(f, 100);
    CHECK_EQ(f->out, 1);
    fake_run(f, 1);
    CHECK_EQ(f->out, 0);
    fake_free(f);
}

static void hello_req_clears_the_credit(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 200);
    fake_poll(f);
    fake_hello_req(f, 2);
    fake_poll(f);
    fake_picture(f, 100);
    fake_run(f, 999);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 0);
    CHECK(camlink_device_linked(f->device)); /* and the lease is the first one's again */
    fake_free(f);
}

static void hello_req_aborts_the_unfinished_frame(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 5000);
    f->tx_room = 400;
    fake_poll(f);
    fake_forget(f);
    fake_hello_req(f, 2);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_take(f)->type, CAMLINK_FRAME_CHUNK); /* the one under way */
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_FRAME_ABORT);
    CHECK_EQ(p->ref, 1);
    CHECK_EQ(p->len, 5);
    CHECK_EQ(camlink_get32(p->payload), 1);
    CHECK_EQ(p->payload[4], 2);
    p = fake_take(f);
    CHECK(p->type == CAMLINK_HELLO && p->ref == 2);
    CHECK_EQ(camlink_get32(p->payload + 44), 2);
    CHECK(fake_take(f) == NULL);
    CHECK_EQ(f->out, 0);
    fake_free(f);
}

static void hello_req_does_not_abort_a_frame_whose_last_chunk_is_under_way(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 100);
    f->tx_room = 48 + 50;
    fake_poll(f);
    fake_hello_req(f, 2);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_ABORT), 0);
    CHECK_EQ(f->device->frames_sent, 1);
    CHECK_EQ(f->out, 0);
    fake_free(f);
}

static void hello_req_between_packets_of_a_frame_gives_it_back_at_once(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    f->tx_room = 40; /* not quite BEGIN, which borrows nothing */
    fake_picture(f, 5000);
    fake_poll(f);
    fake_hello_req(f, 2);
    fake_poll(f);
    CHECK_EQ(f->out, 0);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_take(f)->type, CAMLINK_FRAME_BEGIN);
    CHECK_EQ(fake_take(f)->type, CAMLINK_FRAME_ABORT);
    CHECK_EQ(fake_take(f)->type, CAMLINK_HELLO);
    fake_free(f);
}

static void requests_of_a_lost_host_are_not_answered(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    f->tx_room = 0;
    fake_send(f, CAMLINK_STATS_REQ, 5, NULL, 0);
    fake_send(f, CAMLINK_STATS_REQ, 6, NULL, 0);
    fake_run(f, 3000);
    f->tx_room = SIZE_MAX;
    fake_run(f, 10);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 1);
    CHECK_EQ(fake_count(f, CAMLINK_STATS), 0);
    fake_free(f);
}

static void hello_req_forgets_the_requests_before_it(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    f->tx_room = 0;
    fake_send(f, CAMLINK_PING, 5, "01234567", 8);
    fake_poll(f); /* this answer is under way */
    fake_send(f, CAMLINK_STATS_REQ, 6, NULL, 0);
    fake_hello_req(f, 7);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_take(f)->type, CAMLINK_PONG);
    CHECK_EQ(fake_take(f)->type, CAMLINK_HELLO);
    CHECK(fake_take(f) == NULL);
    fake_free(f);
}

static void poll_asks_to_be_called_when_a_stuck_good_bye_is_to_be_cut(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 5000);
    f->tx_room = 300;
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    CHECK_EQ(fake_poll(f), 100);
    fake_free(f);
}

static void only_the_packet_under_way_at_the_good_bye_may_be_cut(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 5000);
    f->tx_room = 300;
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    f->tx_room = 48 + 276 - 300 + 20; /* the rest of the chunk and a bit of HELLO */
    fake_run(f, 200);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 1);
    CHECK_EQ(f->host.discarded_bytes, 0);
    fake_free(f);
}

static void second_hello_req_does_not_lose_the_abort_of_the_first(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    f->tx_room = 40;
    fake_picture(f, 5000);
    fake_poll(f);
    fake_hello_req(f, 2);
    fake_poll(f);
    fake_hello_req(f, 3);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_ABORT), 1);
    fake_free(f);
}

void lease_suite(void)
{
    RUN(lease_is_3000_ms_before_the_first_credit);
    RUN(any_valid_packet_renews_the_lease);
    RUN(damaged_packet_does_not_renew_the_lease);
    RUN(late_poll_reads_before_it_ends_the_lease);
    RUN(lease_end_releases_the_frame_and_rests_the_sensor);
    RUN(lease_0_ends_the_link_at_once);
    RUN(lease_0_lets_the_packet_under_way_end);
    RUN(lease_0_on_a_stuck_line_gives_the_frame_back_after_100_ms);
    RUN(hello_req_clears_the_credit);
    RUN(hello_req_aborts_the_unfinished_frame);
    RUN(hello_req_does_not_abort_a_frame_whose_last_chunk_is_under_way);
    RUN(hello_req_between_packets_of_a_frame_gives_it_back_at_once);
    RUN(requests_of_a_lost_host_are_not_answered);
    RUN(hello_req_forgets_the_requests_before_it);
    RUN(poll_asks_to_be_called_when_a_stuck_good_bye_is_to_be_cut);
    RUN(only_the_packet_under_way_at_the_good_bye_may_be_cut);
    RUN(second_hello_req_does_not_lose_the_abort_of_the_first);
}
