/* Protocol section 7: the rate. */
#include "check.h"
#include "fake.h"

#include <string.h>

enum { TOKEN = 0x1234ABCD };

static struct fake *linked(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    return f;
}

static struct fake *proving(uint32_t baud)
{
    struct fake *f = linked();
    fake_baud_set(f, 2, baud, TOKEN, 400);
    fake_poll(f);
    fake_forget(f);
    return f;
}

static void expect_result(struct fake *f, uint8_t type, uint16_t ref, uint8_t status)
{
    const struct fake_packet *p = fake_take(f);
    CHECK(p != NULL);
    CHECK_EQ(p->type, CAMLINK_RESULT);
    CHECK_EQ(p->flags, CAMLINK_RESPONSE);
    CHECK_EQ(p->ref, ref);
    CHECK_EQ(p->len, 4);
    CHECK_EQ(p->payload[0], type);
    CHECK_EQ(p->payload[1], status);
    CHECK_EQ(camlink_get16(p->payload + 2), 0);
}

static void answer_leaves_at_the_old_rate_before_the_switch(void)
{
    struct fake *f = linked();
    f->undrained = true;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_send(f, CAMLINK_STATS_REQ, 3, NULL, 0);
    fake_run(f, 20);
    expect_result(f, CAMLINK_BAUD_SET, 2, CAMLINK_STATUS_OK);
    CHECK(fake_take(f) == NULL); /* nothing follows it at the old rate */
    CHECK_EQ(f->switches, 0);
    CHECK_EQ(camlink_device_baud(f->device), 115200);
    f->undrained = false;
    fake_run(f, 1);
    CHECK_EQ(f->baud, 2000000);
    CHECK_EQ(camlink_device_baud(f->device), 2000000);
    CHECK_EQ(fake_count(f, CAMLINK_STATS), 1);
    fake_free(f);
}

static void line_that_never_drains_is_switched_after_a_second(void)
{
    struct fake *f = linked();
    f->undrained = true;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_poll(f);
    fake_run(f, 999);
    CHECK_EQ(f->switches, 0);
    fake_run(f, 1);
    CHECK_EQ(f->switches, 1);
    fake_free(f);
}

static void rate_out_of_reach_is_refused(void)
{
    struct fake *f = linked();
    f->bad_baud = 2000000;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_baud_set(f, 3, 3000001, TOKEN, 400); /* above baud_max */
    fake_baud_set(f, 4, 0, TOKEN, 400);
    fake_baud_set(f, 5, 1000000, TOKEN, 0);
    fake_run(f, 10);
    for (uint16_t ref = 2; ref <= 5; ref++) {
        expect_result(f, CAMLINK_BAUD_SET, ref, CAMLINK_STATUS_INVALID);
    }
    CHECK_EQ(f->switches, 0);
    fake_free(f);
}

static void rate_is_unsupported_on_usb_or_without_the_feature(void)
{
    struct fake *f = fake_new();
    f->identity.features &= ~(uint32_t)CAMLINK_FEATURE_BAUD;
    fake_link(f);
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_SET, 2, CAMLINK_STATUS_UNSUPPORTED);
    f->identity.features |= CAMLINK_FEATURE_BAUD;
    f->platform.set_baud = NULL;
    fake_baud_set(f, 3, 2000000, TOKEN, 400);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_SET, 3, CAMLINK_STATUS_UNSUPPORTED);
    fake_free(f);
}

static void probe_is_answered_with_its_patterns(void)
{
    struct fake *f = proving(2000000);
    fake_baud_probe(f, 3, TOKEN, 4, 4);
    fake_poll(f);
    for (uint16_t index = 4; index < 8; index++) {
        const struct fake_packet *p = fake_take(f);
        CHECK(p != NULL);
        CHECK_EQ(p->type, CAMLINK_BAUD_PATTERN);
        CHECK_EQ(p->ref, 3);
        CHECK_EQ(p->len, 1032);
        CHECK_EQ(camlink_get32(p->payload), TOKEN);
        CHECK_EQ(camlink_get16(p->payload + 4), index);
        CHECK_EQ(camlink_get16(p->payload + 6), 0);
        static const uint8_t runs[] = {0x00, 0xFF, 0x55, 0xAA};
        for (size_t i = 0; i < 256; i++) {
            CHECK_EQ(p->payload[8 + i], runs[i / 64]);
        }
        uint32_t x = TOKEN ^ (index + 1u) * 0x9E3779B9u;
        for (size_t i = 256; i < 1024; i += 4) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            CHECK_EQ(camlink_get32(p->payload + 8 + i), x);
        }
    }
    CHECK(fake_take(f) == NULL);
    fake_free(f);
}

static void pattern_starts_from_1_where_the_seed_would_be_0(void)
{
    struct fake *f = linked();
    fake_baud_set(f, 2, 2000000, 0x9E3779B9, 400);
    fake_poll(f);
    fake_baud_probe(f, 3, 0x9E3779B9, 0, 1);
    fake_poll(f);
    const struct fake_packet *p = fake_find(f, CAMLINK_BAUD_PATTERN);
    CHECK_EQ(camlink_get32(p->payload + 8 + 256), 0x00042021);
    fake_free(f);
}

static void probe_with_another_token_or_no_trial_is_invalid(void)
{
    struct fake *f = linked();
    fake_baud_probe(f, 2, TOKEN, 0, 1);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_PROBE, 2, CAMLINK_STATUS_INVALID);
    fake_free(f);
    f = proving(2000000);
    fake_baud_probe(f, 3, TOKEN + 1, 0, 1);
    fake_baud_probe(f, 4, TOKEN, 0, 0);
    fake_baud_probe(f, 5, TOKEN, 0, 17);
    fake_poll(f);
    for (uint16_t ref = 3; ref <= 5; ref++) {
        expect_result(f, CAMLINK_BAUD_PROBE, ref, CAMLINK_STATUS_INVALID);
    }
    fake_free(f);
}

static void commit_makes_the_rate_stay(void)
{
    struct fake *f = proving(2000000);
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_COMMIT, 3, CAMLINK_STATUS_OK);
    fake_run(f, 2000);
    CHECK_EQ(f->baud, 2000000);
    fake_baud_commit(f, 3, TOKEN); /* repeated: answered again */
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_COMMIT, 3, CAMLINK_STATUS_OK);
    fake_free(f);
}

static void commit_with_another_token_is_invalid(void)
{
    struct fake *f = proving(2000000);
    fake_baud_commit(f, 3, TOKEN + 1);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_COMMIT, 3, CAMLINK_STATUS_INVALID);
    fake_run(f, 400);
    CHECK_EQ(f->baud, 115200);
    fake_free(f);
}

static void commit_without_a_trial_is_invalid(void)
{
    struct fake *f = linked();
    fake_baud_commit(f, 3, 0);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_COMMIT, 3, CAMLINK_STATUS_INVALID);
    fake_free(f);
}

static void commit_drops_the_patterns_still_to_come(void)
{
    struct fake *f = proving(2000000);
    f->tx_room = 1500;
    fake_baud_probe(f, 3, TOKEN, 0, 16);
    fake_poll(f);
    fake_baud_commit(f, 4, TOKEN);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_BAUD_PATTERN), 2);
    fake_find(f, CAMLINK_BAUD_PATTERN);
    fake_find(f, CAMLINK_BAUD_PATTERN);
    expect_result(f, CAMLINK_BAUD_COMMIT, 4, CAMLINK_STATUS_OK);
    CHECK(fake_take(f) == NULL);
    fake_free(f);
}

static void no_commit_in_time_returns_to_the_rate_before(void)
{
    struct fake *f = proving(2000000);
    fake_run(f, 399);
    CHECK_EQ(f->baud, 2000000);
    fake_run(f, 1);
    CHECK_EQ(f->baud, 115200);
    CHECK(camlink_device_linked(f->device));
    fake_free(f);
}

static void fall_back_is_to_the_committed_rate_not_the_base(void)
{
    struct fake *f = proving(1000000);
    fake_baud_commit(f, 3, TOKEN);
    fake_baud_set(f, 4, 3000000, TOKEN + 1, 400);
    fake_poll(f);
    CHECK_EQ(f->baud, 3000000);
    fake_run(f, 400);
    CHECK_EQ(f->baud, 1000000);
    fake_free(f);
}

static void hello_ends_the_trial_of_a_proven_rate(void)
{
    struct fake *f = linked();
    fake_baud_set(f, 2, 115200, TOKEN, 65535);
    fake_run(f, 10);
    expect_result(f, CAMLINK_BAUD_SET, 2, CAMLINK_STATUS_OK);
    fake_picture(f, 1000);
    fake_credit(f, 10, 0, 3000);
    fake_run(f, 100);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 0);
    fake_hello_req(f, 3);
    fake_credit(f, 10, 0, 3000);
    fake_picture(f, 1000);
    fake_run(f, 100);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 1);
    fake_forget(f);
    fake_baud_commit(f, 4, TOKEN);
    fake_run(f, 10);
    expect_result(f, CAMLINK_BAUD_COMMIT, 4, CAMLINK_STATUS_INVALID);
    fake_free(f);
}

static void fall_back_drops_the_patterns_and_requests_of_the_trial(void)
{
    struct fake *f = proving(2000000);
    f->tx_room = 1500;
    fake_baud_probe(f, 3, TOKEN, 0, 16);
    fake_send(f, CAMLINK_STATS_REQ, 5, NULL, 0);
    fake_run(f, 400);
    CHECK_EQ(f->baud, 115200);
    f->tx_room = SIZE_MAX;
    fake_run(f, 10);
    CHECK_EQ(fake_count(f, CAMLINK_BAUD_PATTERN), 1);
    CHECK_EQ(fake_count(f, CAMLINK_STATS), 0);
    fake_free(f);
}

static void trial_time_counts_from_the_switch(void)
{
    struct fake *f = linked();
    f->undrained = true;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_run(f, 300);
    f->undrained = false;
    fake_run(f, 1);
    CHECK_EQ(f->baud, 2000000);
    fake_run(f, 399);
    CHECK_EQ(f->baud, 2000000);
    CHECK_EQ(fake_poll(f), 1);
    fake_run(f, 1);
    CHECK_EQ(f->baud, 115200);
    fake_free(f);
}

static void repeated_baud_set_is_answered_without_a_second_switch(void)
{
    struct fake *f = proving(2000000);
    fake_run(f, 200);
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_run(f, 1);
    expect_result(f, CAMLINK_BAUD_SET, 2, CAMLINK_STATUS_OK);
    CHECK_EQ(f->switches, 1);
    fake_run(f, 199); /* and the trial goes on as it was */
    CHECK_EQ(f->baud, 115200);
    fake_free(f);
}

static void rate_that_fails_at_the_switch_leaves_everything_as_it_was(void)
{
    struct fake *f = linked();
    f->bad_switch = 2000000;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_run(f, 10);
    expect_result(f, CAMLINK_BAUD_SET, 2, CAMLINK_STATUS_OK);
    CHECK_EQ(camlink_device_baud(f->device), 115200);
    fake_baud_probe(f, 3, TOKEN, 0, 1);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_PROBE, 3, CAMLINK_STATUS_INVALID);
    fake_free(f);
}

static void proving_the_present_rate_needs_no_switch(void)
{
    struct fake *f = proving(115200);
    CHECK_EQ(f->switches, 0);
    fake_baud_probe(f, 3, TOKEN, 0, 1);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_BAUD_PATTERN), 1);
    fake_free(f);
}

static void lease_end_returns_to_the_base_rate(void)
{
    struct fake *f = proving(2000000);
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    fake_run(f, 3000);
    CHECK_EQ(f->baud, 115200);
    CHECK_EQ(camlink_device_baud(f->device), 115200);
    const struct fake_packet *p = fake_find(f, CAMLINK_HELLO);
    CHECK_EQ(camlink_get32(p->payload + 24), 115200);
    fake_free(f);
}

static void lease_end_waits_for_the_line_to_drain_before_hello(void)
{
    struct fake *f = proving(2000000);
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    f->undrained = true;
    fake_run(f, 3100);
    CHECK_EQ(f->baud, 2000000);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 0);
    f->undrained = false;
    fake_run(f, 1);
    CHECK_EQ(f->baud, 115200);
    CHECK_EQ(fake_count(f, CAMLINK_HELLO), 1);
    fake_free(f);
}

static void beacon_tries_again_if_the_base_rate_was_refused(void)
{
    struct fake *f = proving(2000000);
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    f->bad_switch = 115200;
    fake_run(f, 3000);
    CHECK_EQ(camlink_device_baud(f->device), 2000000);
    f->bad_switch = 0;
    fake_run(f, 500);
    CHECK_EQ(camlink_device_baud(f->device), 115200);
    fake_free(f);
}

static void another_base_rate_is_returned_to(void)
{
    struct fake *f = fake_new();
    f->identity.baud_base = 460800;
    camlink_device_init(f->device, &f->platform, f, &f->identity, &f->mailbox);
    fake_link(f);
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    CHECK_EQ(f->baud, 460800);
    fake_free(f);
}

static void pictures_wait_until_the_rate_is_proven(void)
{
    struct fake *f = proving(2000000);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 100);
    fake_run(f, 100);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 0);
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 1);
    fake_free(f);
}

static void poll_is_wanted_every_millisecond_while_the_line_drains(void)
{
    struct fake *f = linked();
    f->undrained = true;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    CHECK_EQ(fake_poll(f), 1);
    fake_free(f);
}

static void good_bye_before_the_switch_calls_it_off(void)
{
    struct fake *f = linked();
    f->undrained = true;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    f->undrained = false;
    fake_run(f, 10);
    CHECK_EQ(f->switches, 0);
    fake_hello_req(f, 3);
    fake_poll(f);
    fake_credit(f, 10, 0, 3000);
    fake_poll(f);
    fake_picture(f, 100);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_FRAME_BEGIN), 1); /* nothing is being proven */
    fake_free(f);
}

static void good_bye_while_the_answer_is_under_way_calls_the_switch_off(void)
{
    struct fake *f = linked();
    f->tx_room = 10;
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_run(f, 10);
    CHECK_EQ(fake_count(f, CAMLINK_RESULT), 1);
    CHECK_EQ(f->switches, 0);
    fake_free(f);
}

static void token_dies_with_the_link_and_with_the_trial(void)
{
    struct fake *f = proving(2000000);
    fake_run(f, 400); /* no commit */
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_COMMIT, 3, CAMLINK_STATUS_INVALID);
    fake_free(f);
    f = proving(2000000);
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    fake_hello_req(f, 4);
    fake_poll(f);
    fake_forget(f);
    fake_baud_commit(f, 5, TOKEN);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_COMMIT, 5, CAMLINK_STATUS_INVALID);
    fake_free(f);
}

static void token_of_a_switch_that_failed_commits_nothing(void)
{
    struct fake *f = proving(1000000);
    fake_baud_commit(f, 3, TOKEN);
    f->bad_switch = 2000000;
    fake_baud_set(f, 4, 2000000, TOKEN + 1, 400);
    fake_run(f, 5);
    fake_forget(f);
    fake_baud_commit(f, 5, TOKEN + 1);
    fake_poll(f);
    expect_result(f, CAMLINK_BAUD_COMMIT, 5, CAMLINK_STATUS_INVALID);
    fake_free(f);
}

static void next_baud_set_ends_the_trial_before_it(void)
{
    struct fake *f = proving(2000000);
    fake_run(f, 390);
    f->undrained = true;
    fake_baud_set(f, 3, 1000000, TOKEN + 1, 400);
    fake_run(f, 100); /* the first trial would have ended here */
    CHECK_EQ(f->baud, 2000000);
    f->undrained = false;
    fake_run(f, 1);
    CHECK_EQ(f->baud, 1000000);
    fake_baud_probe(f, 4, TOKEN + 1, 0, 1);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_BAUD_PATTERN), 1);
    fake_run(f, 400);
    CHECK_EQ(f->baud, 115200); /* the last proven one */
    fake_free(f);
}

static void switch_forgets_what_came_at_the_old_rate(void)
{
    struct fake *f = linked();
    uint8_t head[12] = {0xFF, 0xA7, 0x10, CAMLINK_PING, 0, 0, 64, 0, 0, 0};
    camlink_put16(head + 10, camlink_crc16(head, 10));
    fake_baud_set(f, 2, 2000000, TOKEN, 400);
    fake_send_bytes(f, head, sizeof head);
    fake_poll(f);
    CHECK_EQ(f->baud, 2000000);
    fake_baud_commit(f, 3, TOKEN);
    fake_poll(f);
    CHECK_EQ(fake_count(f, CAMLINK_RESULT), 2);
    fake_free(f);
}

void rate_suite(void)
{
    RUN(answer_leaves_at_the_old_rate_before_the_switch);
    RUN(line_that_never_drains_is_switched_after_a_second);
    RUN(rate_out_of_reach_is_refused);
    RUN(rate_is_unsupported_on_usb_or_without_the_feature);
    RUN(probe_is_answered_with_its_patterns);
    RUN(pattern_starts_from_1_where_the_seed_would_be_0);
    RUN(probe_with_another_token_or_no_trial_is_invalid);
    RUN(commit_makes_the_rate_stay);
    RUN(commit_with_another_token_is_invalid);
    RUN(commit_without_a_trial_is_invalid);
    RUN(commit_drops_the_patterns_still_to_come);
    RUN(no_commit_in_time_returns_to_the_rate_before);
    RUN(fall_back_is_to_the_committed_rate_not_the_base);
    RUN(hello_ends_the_trial_of_a_proven_rate);
    RUN(fall_back_drops_the_patterns_and_requests_of_the_trial);
    RUN(trial_time_counts_from_the_switch);
    RUN(repeated_baud_set_is_answered_without_a_second_switch);
    RUN(rate_that_fails_at_the_switch_leaves_everything_as_it_was);
    RUN(proving_the_present_rate_needs_no_switch);
    RUN(lease_end_returns_to_the_base_rate);
    RUN(lease_end_waits_for_the_line_to_drain_before_hello);
    RUN(beacon_tries_again_if_the_base_rate_was_refused);
    RUN(another_base_rate_is_returned_to);
    RUN(pictures_wait_until_the_rate_is_proven);
    RUN(poll_is_wanted_every_millisecond_while_the_line_drains);
    RUN(good_bye_before_the_switch_calls_it_off);
    RUN(good_bye_while_the_answer_is_under_way_calls_the_switch_off);
    RUN(token_dies_with_the_link_and_with_the_trial);
    RUN(token_of_a_switch_that_failed_commits_nothing);
    RUN(next_baud_set_ends_the_trial_before_it);
    RUN(switch_forgets_what_came_at_the_old_rate);
}
