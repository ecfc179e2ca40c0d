/* Protocol sections 6 and 9: the states of the link. */
#include "check.h"
#include "fake.h"

#include <string.h>

static void beacon_says_hello_at_once_and_every_500_ms(void)
{
    struct fake *f = fake_new();
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK(p != NULL);
    CHECK_EQ(p->type, CAMLINK_HELLO);
    CHECK_EQ(p->flags, 0);
    CHECK_EQ(p->ref, 0);
    fake_run(f, 499);
    CHECK(fake_take(f) == NULL);
    fake_run(f, 1);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 1);
    fake_run(f, 5000);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 11);
    fake_free(f);
}

static void beacon_rests_the_sensor(void)
{
    struct fake *f = fake_new();
    fake_poll(f);
    CHECK_EQ(f->rests, 1);
    fake_picture(f, 100);
    fake_run(f, 2000);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 0);
    CHECK_EQ(f->wakes, 0);
    fake_free(f);
}

static void platform_is_not_touched_before_the_first_poll(void)
{
    struct fake *f = fake_new();
    camlink_device_line_reset(f->device);
    CHECK_EQ(f->rests, 0);
    CHECK(!f->read_at_all);
    fake_free(f);
}

static void hello_says_who_the_device_is(void)
{
    struct fake *f = fake_new();
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    const uint8_t *b = p->payload;
    CHECK_EQ(b[0], 1);
    CHECK_EQ(b[1], 1);
    CHECK_EQ(camlink_get16(b + 2), 0);
    CHECK_EQ(camlink_get32(b + 4), 0xB007);
    CHECK_EQ(camlink_get64(b + 8), 1000000);
    CHECK_EQ(b[16], 1);
    CHECK_EQ(b[17], CAMLINK_UART);
    CHECK_EQ(camlink_get16(b + 18), 80);
    CHECK_EQ(camlink_get32(b + 20), 1 << 20);
    CHECK_EQ(camlink_get32(b + 24), 115200);
    CHECK_EQ(camlink_get32(b + 28), 3000000);
    CHECK_EQ(camlink_get32(b + 32), f->identity.features);
    CHECK_EQ(camlink_get16(b + 36), 0x26);
    CHECK(memcmp(b + 38, f->identity.mac, 6) == 0);
    CHECK_EQ(camlink_get32(b + 44), 1);
    static const uint8_t tlvs[] = {1, 3, '1', '.', '0', 2, 4, 'f', 'a', 'k', 'e'};
    CHECK_EQ(p->len, 48 + sizeof tlvs);
    CHECK(memcmp(b + 48, tlvs, sizeof tlvs) == 0);
    fake_free(f);
}

static void hello_cuts_strings_at_63_bytes(void)
{
    struct fake *f = fake_new();
    char name[80];
    memset(name, 'n', sizeof name);
    name[79] = '\0';
    f->identity.firmware = f->identity.board = f->identity.sdk = f->identity.sensor = f->identity.name = name;
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->len, 48 + 5 * 65);
    CHECK_EQ(p->payload[48 + 4 * 65], 5);
    CHECK_EQ(p->payload[49 + 4 * 65], 63);
    fake_free(f);
}

static void hello_on_usb_has_no_rate(void)
{
    struct fake *f = fake_new();
    f->identity.transport = CAMLINK_USB_CDC;
    camlink_device_init(f->device, &f->platform, f, &f->identity, &f->mailbox);
    fake_poll(f);
    const uint8_t *b = fake_take(f)->payload;
    CHECK_EQ(camlink_get32(b + 24), 0);
    CHECK_EQ(camlink_get32(b + 28), 0);
    CHECK_EQ(camlink_get32(b + 32) & CAMLINK_FEATURE_BAUD, 0);
    CHECK_EQ(camlink_device_baud(f->device), 0);
    fake_free(f);
}

static void hello_req_links(void)
{
    struct fake *f = fake_new();
    fake_poll(f);
    fake_forget(f);
    CHECK(!camlink_device_linked(f->device));
    fake_hello_req(f, 77);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_HELLO);
    CHECK_EQ(p->flags, CAMLINK_RESPONSE);
    CHECK_EQ(p->ref, 77);
    CHECK(camlink_device_linked(f->device));
    fake_run(f, 2000);
    CHECK(fake_take(f) == NULL);
    fake_free(f);
}

static void repeated_hello_req_is_answered_again(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    for (unsigned i = 0; i < 2; i++) {
        fake_hello_req(f, 9);
        fake_poll(f);
        const struct fake_packet *p = fake_take(f);
        CHECK(p != NULL && p->type == CAMLINK_HELLO && p->ref == 9);
    }
    fake_free(f);
}

static void hello_req_of_another_version_is_refused(void)
{
    struct fake *f = fake_new();
    static const uint8_t ranges[][12] = {{2, 3}, {0, 0}};
    fake_poll(f);
    fake_forget(f);
    for (size_t i = 0; i < 2; i++) {
        fake_send(f, CAMLINK_HELLO_REQ, 5, ranges[i], sizeof ranges[i]);
        fake_poll(f);
        const struct fake_packet *p = fake_take(f);
        CHECK_EQ(p->type, CAMLINK_RESULT);
        CHECK_EQ(p->flags, CAMLINK_RESPONSE);
        CHECK_EQ(p->ref, 5);
        CHECK_EQ(p->payload[0], CAMLINK_HELLO_REQ);
        CHECK_EQ(p->payload[1], CAMLINK_STATUS_VERSION);
    }
    CHECK(!camlink_device_linked(f->device));
    fake_free(f);
}

static void hello_req_of_a_newer_host_that_still_speaks_ours_links(void)
{
    struct fake *f = fake_new();
    static const uint8_t range[16] = {1, 4};
    fake_poll(f);
    fake_send(f, CAMLINK_HELLO_REQ, 5, range, sizeof range);
    fake_poll(f);
    CHECK(camlink_device_linked(f->device));
    fake_free(f);
}

static void beacon_answers_other_packets_with_hello(void)
{
    struct fake *f = fake_new();
    fake_poll(f);
    fake_forget(f);
    fake_credit(f, 10, 0, 3000);
    fake_send(f, CAMLINK_STATS_REQ, 3, NULL, 0);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK(p != NULL && p->type == CAMLINK_HELLO && p->flags == 0 && p->ref == 0);
    CHECK(fake_take(f) == NULL);
    CHECK_EQ(f->wakes, 0);
    fake_free(f);
}

static void echo_of_the_device_is_neither_answered_nor_heard(void)
{
    struct fake *f = fake_new();
    static const uint8_t hello[48] = {1, 1};
    fake_poll(f);
    fake_forget(f);
    fake_send(f, CAMLINK_HELLO, 0, hello, sizeof hello);
    fake_poll(f);
    CHECK(fake_take(f) == NULL);
    fake_link(f);
    for (int i = 0; i < 4; i++) {
        fake_run(f, 1000);
        fake_send(f, CAMLINK_HELLO, 0, hello, sizeof hello);
    }
    CHECK(!camlink_device_linked(f->device));
    fake_free(f);
}

static void seq_counts_every_packet_of_the_device(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    fake_credit(f, 3, 0, 3000);
    for (int i = 0; i < 3; i++) {
        fake_picture(f, 3000);
        fake_send(f, CAMLINK_STATS_REQ, 3, NULL, 0);
        fake_run(f, 10);
    }
    uint16_t next = 2; /* after HELLO and its response */
    const struct fake_packet *p;
    while ((p = fake_take(f)) != NULL) {
        CHECK_EQ(p->seq, next);
        next++;
    }
    CHECK(next > 30);
    fake_free(f);
}

static struct fake *one_way(void)
{
    struct fake *f = fake_new();
    f->identity.features = CAMLINK_FEATURE_ONE_WAY | CAMLINK_FEATURE_CREDIT | CAMLINK_FEATURE_BAUD;
    return f;
}

static void one_way_says_hello_every_second_without_credit(void)
{
    struct fake *f = one_way();
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_HELLO);
    CHECK_EQ(camlink_get32(p->payload + 32), CAMLINK_FEATURE_ONE_WAY);
    fake_run(f, 999);
    CHECK(fake_take(f) == NULL);
    fake_run(f, 4001);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 5);
    fake_free(f);
}

static void one_way_runs_free_and_reads_nothing(void)
{
    struct fake *f = one_way();
    fake_hello_req(f, 1);
    fake_poll(f);
    CHECK(f->awake);
    for (int i = 0; i < 10; i++) {
        f->now_us += 1000000;
        fake_picture(f, 1000);
        fake_poll(f);
    }
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 10);
    CHECK_EQ(f->device->frames_sent, 10);
    CHECK(f->awake);
    CHECK(!f->read_at_all);
    CHECK(!camlink_device_linked(f->device));
    fake_free(f);
}

static void beat_of_hello_stops_with_the_link(void)
{
    struct fake *f = fake_new();
    static const uint8_t other_version[12] = {2, 2};
    f->tx_room = 0;
    fake_poll(f); /* the first HELLO waits for the line */
    fake_send(f, CAMLINK_HELLO_REQ, 5, other_version, sizeof other_version);
    fake_run(f, 500); /* a second one is due */
    fake_hello_req(f, 7);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_take(f)->flags, 0);
    CHECK_EQ(fake_take(f)->flags, CAMLINK_RESPONSE);
    CHECK(fake_take(f) == NULL);
    fake_free(f);
}

void link_suite(void)
{
    RUN(beacon_says_hello_at_once_and_every_500_ms);
    RUN(beacon_rests_the_sensor);
    RUN(platform_is_not_touched_before_the_first_poll);
    RUN(hello_says_who_the_device_is);
    RUN(hello_cuts_strings_at_63_bytes);
    RUN(hello_on_usb_has_no_rate);
    RUN(hello_req_links);
    RUN(repeated_hello_req_is_answered_again);
    RUN(hello_req_of_another_version_is_refused);
    RUN(hello_req_of_a_newer_host_that_still_speaks_ours_links);
    RUN(beacon_answers_other_packets_with_hello);
    RUN(echo_of_the_device_is_neither_answered_nor_heard);
    RUN(seq_counts_every_packet_of_the_device);
    RUN(one_way_says_hello_every_second_without_credit);
    RUN(one_way_runs_free_and_reads_nothing);
    RUN(beat_of_hello_stops_with_the_link);
}
