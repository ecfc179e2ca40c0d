/* Protocol section 3: requests and their answers. */
#include "check.h"
#include "fake.h"

#include <string.h>

static struct fake *linked(void)
{
    struct fake *f = fake_new();
    fake_link(f);
    return f;
}

static void expect_result(struct fake *f, uint8_t type, uint16_t ref, uint8_t status)
{
    const struct fake_packet *p = fake_take(f);
    CHECK(p != NULL);
    CHECK_EQ(p->type, CAMLINK_RESULT);
    CHECK_EQ(p->ref, ref);
    CHECK_EQ(p->payload[0], type);
    CHECK_EQ(p->payload[1], status);
}

static void expect_item(const struct fake_packet *p, size_t i, const struct camlink_config_item *want)
{
    const uint8_t *b = p->payload + 16 * i;
    CHECK(p->len >= 16 * (i + 1));
    CHECK_EQ(camlink_get16(b), want->key);
    CHECK_EQ(camlink_get16(b + 2), want->flags);
    CHECK_EQ((int32_t)camlink_get32(b + 4), want->value);
    CHECK_EQ((int32_t)camlink_get32(b + 8), want->min);
    CHECK_EQ((int32_t)camlink_get32(b + 12), want->max);
}

static void pong_echoes_and_tells_three_times_and_the_next_frame(void)
{
    struct fake *f = linked();
    uint8_t host_ns[8];
    camlink_put64(host_ns, UINT64_C(0x1122334455667788));
    f->tx_room = 0;
    fake_send(f, CAMLINK_PING, 9, host_ns, sizeof host_ns);
    fake_poll(f);
    uint64_t rx_us = f->now_us;
    fake_run(f, 7);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_PONG);
    CHECK_EQ(p->flags, CAMLINK_RESPONSE);
    CHECK_EQ(p->ref, 9);
    CHECK_EQ(p->len, 28);
    CHECK(memcmp(p->payload, host_ns, 8) == 0);
    CHECK_EQ(camlink_get64(p->payload + 8), rx_us);
    CHECK_EQ(camlink_get64(p->payload + 16), rx_us + 7000); /* handed to the line, not when it was made */
    CHECK_EQ(camlink_get32(p->payload + 24), 1);
    fake_free(f);
}

static void unknown_type_is_unsupported(void)
{
    struct fake *f = linked();
    fake_send(f, 0x45, 3, NULL, 0);
    fake_send(f, 0xFF, 4, NULL, 0);
    fake_poll(f);
    expect_result(f, 0x45, 3, CAMLINK_STATUS_UNSUPPORTED);
    expect_result(f, 0xFF, 4, CAMLINK_STATUS_UNSUPPORTED);
    fake_free(f);
}

static void payload_shorter_than_its_type_is_invalid(void)
{
    static const struct {
        uint8_t type, len;
    } requests[] = {
        {CAMLINK_HELLO_REQ, 11}, {CAMLINK_PING, 7},      {CAMLINK_CONFIG_GET, 3}, {CAMLINK_CONFIG_SET, 7},
        {CAMLINK_CREDIT, 7},     {CAMLINK_BAUD_SET, 11}, {CAMLINK_BAUD_PROBE, 7}, {CAMLINK_BAUD_COMMIT, 3},
        {CAMLINK_LOG_LEVEL, 3},  {CAMLINK_RESET, 7},
    };
    static const uint8_t payload[16] = {1, 1};
    struct fake *f = linked();
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        fake_send(f, requests[i].type, 5, payload, requests[i].len);
        fake_poll(f);
        expect_result(f, requests[i].type, 5, CAMLINK_STATUS_INVALID);
        CHECK(camlink_device_linked(f->device));
    }
    fake_free(f);
}

static void tail_of_a_later_minor_version_is_ignored(void)
{
    static const uint8_t payload[20];
    struct fake *f = linked();
    fake_send(f, CAMLINK_PING, 5, payload, sizeof payload);
    fake_poll(f);
    CHECK_EQ(fake_take(f)->type, CAMLINK_PONG);
    fake_free(f);
}

static void request_of_96_bytes_is_taken(void)
{
    static const uint8_t payload[80];
    struct fake *f = linked();
    fake_send(f, CAMLINK_CONFIG_GET, 5, payload, sizeof payload);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK(p != NULL && p->type == CAMLINK_CONFIG);
    CHECK_EQ(p->len, 40 * 16);
    fake_free(f);
}

static void config_get_without_keys_lists_all(void)
{
    struct fake *f = linked();
    fake_send(f, CAMLINK_CONFIG_GET, 6, NULL, 0);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_CONFIG);
    CHECK_EQ(p->flags, CAMLINK_RESPONSE);
    CHECK_EQ(p->ref, 6);
    CHECK_EQ(p->len, 8 * 16);
    for (size_t i = 0; i < 3; i++) {
        expect_item(p, i, &f->config[i]);
    }
    expect_item(p, 3, &(struct camlink_config_item){29, CAMLINK_CONFIG_READ_ONLY, 256, 256, 4096});
    expect_item(p, 4, &(struct camlink_config_item){30, 0, 3, 0, 4});
    expect_item(p, 5, &(struct camlink_config_item){31, 0, 0, 0, 1000});
    expect_item(p, 6, &(struct camlink_config_item){32, 0, 10, 0, 63});
    expect_item(p, 7, &(struct camlink_config_item){33, 0, 40, 0, 63});
    fake_free(f);
}

static void config_get_answers_key_by_key(void)
{
    static const uint8_t keys[] = {4, 0, 99, 0, 2, 0};
    struct fake *f = linked();
    fake_send(f, CAMLINK_CONFIG_GET, 6, keys, sizeof keys);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->len, 48);
    expect_item(p, 0, &f->config[1]);
    expect_item(p, 1, &(struct camlink_config_item){99, CAMLINK_CONFIG_UNSUPPORTED, 0, 0, 0});
    expect_item(p, 2, &f->config[0]);
    fake_free(f);
}

static void put_set(uint8_t *p, uint16_t key, uint16_t flags, int32_t value)
{
    camlink_put16(p, key);
    camlink_put16(p + 2, flags);
    camlink_put32(p + 4, (uint32_t)value);
}

static void config_set_clamps_and_tells_the_effective_value(void)
{
    struct fake *f = linked();
    uint8_t items[40];
    put_set(items, 4, 1, -9);
    put_set(items + 8, 99, 0, 5);
    put_set(items + 16, 27, 0, 5);
    put_set(items + 24, 2, 0, 30);
    put_set(items + 32, 29, 0, 512);
    fake_send(f, CAMLINK_CONFIG_SET, 6, items, sizeof items);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK(p != NULL && p->type == CAMLINK_CONFIG);
    CHECK_EQ(p->len, 80);
    expect_item(p, 0, &(struct camlink_config_item){4, CAMLINK_CONFIG_CLAMPED, -2, -2, 2});
    expect_item(p, 1, &(struct camlink_config_item){99, CAMLINK_CONFIG_UNSUPPORTED, 0, 0, 0});
    expect_item(p, 2, &f->config[2]);
    expect_item(p, 3, &(struct camlink_config_item){2, 0, 30, 0, 63});
    expect_item(p, 4, &(struct camlink_config_item){29, CAMLINK_CONFIG_READ_ONLY, 256, 256, 4096});
    CHECK_EQ(f->config[2].value, 20000000);
    CHECK_EQ(f->config_flags, 0); /* of the last item set: PERSIST is the item's own */
    fake_free(f);
}

static void config_set_passes_persist_on(void)
{
    struct fake *f = linked();
    uint8_t items[8];
    put_set(items, 2, 1, 20);
    fake_send(f, CAMLINK_CONFIG_SET, 6, items, sizeof items);
    fake_poll(f);
    CHECK_EQ(f->config_flags, 1);
    fake_free(f);
}

static void config_without_a_platform_is_the_links_own_keys(void)
{
    struct fake *f = linked();
    uint8_t items[8];
    f->platform.config_count = NULL;
    f->platform.config_get = NULL;
    f->platform.config_set = NULL;
    fake_send(f, CAMLINK_CONFIG_GET, 6, NULL, 0);
    put_set(items, 2, 0, 20);
    fake_send(f, CAMLINK_CONFIG_SET, 7, items, sizeof items);
    fake_poll(f);
    CHECK_EQ(fake_take(f)->len, 5 * 16);
    expect_item(fake_take(f), 0, &(struct camlink_config_item){2, CAMLINK_CONFIG_UNSUPPORTED, 0, 0, 0});
    fake_free(f);
}

static void config_that_cannot_be_set_is_read_only(void)
{
    struct fake *f = linked();
    uint8_t items[8];
    f->platform.config_set = NULL;
    put_set(items, 2, 0, 20);
    fake_send(f, CAMLINK_CONFIG_SET, 7, items, sizeof items);
    fake_poll(f);
    expect_item(fake_take(f), 0, &(struct camlink_config_item){2, CAMLINK_CONFIG_READ_ONLY, 12, 0, 63});
    fake_free(f);
}

static void stats_join_the_platforms_counters_and_ours(void)
{
    struct fake *f = linked();
    f->health = (struct camlink_health){.captured = 50,
                                        .camera_errors = 3,
                                        .rx_overruns = 2,
                                        .heap_free = 1000,
                                        .heap_min = 900,
                                        .psram_free = 4000000,
                                        .temperature = -15};
    fake_credit(f, 10, 0, 60000);
    fake_poll(f);
    fake_picture(f, 100);
    fake_poll(f);
    fake_picture(f, 0);
    fake_poll(f);
    fake_forget(f);
    f->now_us = 12345678;
    uint32_t sent_before = f->device->tx_bytes;
    fake_send(f, CAMLINK_STATS_REQ, 8, NULL, 0);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->type, CAMLINK_STATS);
    CHECK_EQ(p->ref, 8);
    CHECK_EQ(p->len, 52);
    uint32_t want[12] = {12, 50, 1, 0, 0, 4, sent_before, 0, 2, 1000, 900, 4000000};
    for (size_t i = 0; i < 12; i++) {
        CHECK_EQ(camlink_get32(p->payload + 4 * i), want[i]);
    }
    CHECK_EQ((int16_t)camlink_get16(p->payload + 48), -15);
    CHECK_EQ(camlink_get16(p->payload + 50), 0);
    fake_free(f);
}

static void tx_bytes_are_what_the_line_took(void)
{
    struct fake *f = fake_new();
    f->tx_room = 20;
    fake_poll(f);
    CHECK_EQ(f->device->tx_bytes, 20);
    fake_free(f);
}

static void reset_waits_until_its_answer_left_the_wire(void)
{
    static const uint8_t payload[8] = {0, 0, 0, 0, 'R', 'E', 'S', 'E'};
    struct fake *f = linked();
    f->undrained = true;
    fake_send(f, CAMLINK_RESET, 9, payload, sizeof payload);
    fake_run(f, 50);
    expect_result(f, CAMLINK_RESET, 9, CAMLINK_STATUS_OK);
    CHECK_EQ(f->resets, 0);
    f->undrained = false;
    fake_run(f, 1);
    CHECK_EQ(f->resets, 1);
    CHECK_EQ(f->reset_mode, 0);
    fake_free(f);
}

static void reset_happens_though_the_host_said_good_bye(void)
{
    static const uint8_t payload[8] = {1, 0, 0, 0, 'R', 'E', 'S', 'E'};
    struct fake *f = linked();
    f->undrained = true;
    fake_send(f, CAMLINK_RESET, 9, payload, sizeof payload);
    fake_poll(f);
    fake_credit(f, 0, 0, 0);
    fake_poll(f);
    f->undrained = false;
    fake_run(f, 1);
    CHECK_EQ(f->resets, 1);
    CHECK_EQ(f->reset_mode, 1);
    fake_free(f);
}

static void reset_without_its_magic_is_invalid(void)
{
    static const uint8_t magic[8] = {0, 0, 0, 0, 'R', 'E', 'S', 'X'}, mode[8] = {2, 0, 0, 0, 'R', 'E', 'S', 'E'};
    struct fake *f = linked();
    fake_send(f, CAMLINK_RESET, 9, magic, sizeof magic);
    fake_send(f, CAMLINK_RESET, 10, mode, sizeof mode);
    fake_run(f, 50);
    expect_result(f, CAMLINK_RESET, 9, CAMLINK_STATUS_INVALID);
    expect_result(f, CAMLINK_RESET, 10, CAMLINK_STATUS_INVALID);
    CHECK_EQ(f->resets, 0);
    fake_free(f);
}

static void download_is_unsupported_without_the_feature(void)
{
    static const uint8_t payload[8] = {1, 0, 0, 0, 'R', 'E', 'S', 'E'};
    struct fake *f = linked();
    f->identity.features &= ~(uint32_t)CAMLINK_FEATURE_DOWNLOAD;
    fake_send(f, CAMLINK_RESET, 9, payload, sizeof payload);
    fake_run(f, 50);
    expect_result(f, CAMLINK_RESET, 9, CAMLINK_STATUS_UNSUPPORTED);
    CHECK_EQ(f->resets, 0);
    fake_free(f);
}

static void reset_that_fails_is_told(void)
{
    static const uint8_t payload[8] = {0, 0, 0, 0, 'R', 'E', 'S', 'E'};
    struct fake *f = linked();
    f->reset_refused = true;
    fake_send(f, CAMLINK_RESET, 9, payload, sizeof payload);
    fake_run(f, 2);
    expect_result(f, CAMLINK_RESET, 9, CAMLINK_STATUS_OK);
    expect_result(f, CAMLINK_RESET, 9, CAMLINK_STATUS_FAILED);
    fake_free(f);
}

static void repeated_request_is_answered_again(void)
{
    struct fake *f = linked();
    for (int i = 0; i < 3; i++) {
        fake_send(f, CAMLINK_STATS_REQ, 8, NULL, 0);
        fake_poll(f);
        CHECK_EQ(fake_find(f, CAMLINK_STATS)->ref, 8);
    }
    fake_free(f);
}

static void answers_come_in_order_and_a_full_queue_drops_the_newest(void)
{
    struct fake *f = linked();
    f->tx_room = 0;
    for (uint16_t ref = 1; ref <= 12; ref++) {
        fake_send(f, 0x50, ref, NULL, 0);
    }
    fake_poll(f);
    f->tx_room = SIZE_MAX;
    fake_poll(f);
    uint16_t ref = 1;
    const struct fake_packet *p;
    while ((p = fake_take(f)) != NULL) {
        CHECK_EQ(p->ref, ref);
        ref++;
    }
    CHECK(ref > 8);
    CHECK_EQ(f->device->requests_dropped, 13 - ref);
    fake_forget(f);
    fake_send(f, CAMLINK_STATS_REQ, 8, NULL, 0);
    fake_poll(f);
    CHECK_EQ(camlink_get32(fake_take(f)->payload + 32), 13u - ref);
    fake_free(f);
}

static void silence_frees_a_request_behind_a_broken_one(void)
{
    struct fake *f = linked();
    /* A header that promises 64 bytes, and then the line fell silent. */
    uint8_t head[12] = {0xFF, 0xA7, 0x10, CAMLINK_PING, 0, 0, 64, 0, 0, 0};
    camlink_put16(head + 10, camlink_crc16(head, 10));
    fake_send_bytes(f, head, sizeof head);
    fake_send(f, CAMLINK_STATS_REQ, 8, NULL, 0);
    CHECK_EQ(fake_poll(f), 30);
    fake_run(f, 29);
    CHECK(fake_take(f) == NULL);
    fake_run(f, 1);
    CHECK(fake_find(f, CAMLINK_STATS) != NULL);
    fake_free(f);
}

static void rx_errors_are_counted(void)
{
    struct fake *f = linked();
    static const uint8_t bad[12] = {0xFF, 0xA7};
    fake_send_bytes(f, bad, sizeof bad);
    fake_send(f, CAMLINK_STATS_REQ, 8, NULL, 0);
    fake_poll(f);
    CHECK_EQ(camlink_get32(fake_find(f, CAMLINK_STATS)->payload + 28), 1);
    fake_free(f);
}

static void config_keys_of_the_link_hide_the_platforms(void)
{
    struct fake *f = linked();
    f->config[0].key = 30;
    f->config[1].key = 29;
    fake_send(f, CAMLINK_CONFIG_GET, 6, NULL, 0);
    fake_poll(f);
    const struct fake_packet *p = fake_take(f);
    CHECK_EQ(p->len, 6 * 16);
    expect_item(p, 0, &f->config[2]);
    expect_item(p, 1, &(struct camlink_config_item){29, CAMLINK_CONFIG_READ_ONLY, 256, 256, 4096});
    fake_free(f);
}

static size_t too_many(void *ctx)
{
    (void)ctx;
    return CAMLINK_CONFIG_MAX + 60;
}

static void numbered_item(void *ctx, size_t i, struct camlink_config_item *item)
{
    (void)ctx;
    *item = (struct camlink_config_item){.key = (uint16_t)(100 + i)};
}

static void config_beyond_the_limit_is_left_out(void)
{
    struct fake *f = linked();
    f->platform.config_count = too_many;
    f->platform.config_get = numbered_item;
    fake_send(f, CAMLINK_CONFIG_GET, 6, NULL, 0);
    fake_poll(f);
    CHECK_EQ(fake_take(f)->len, (CAMLINK_CONFIG_MAX + 5) * 16);
    fake_free(f);
}

void requests_suite(void)
{
    RUN(pong_echoes_and_tells_three_times_and_the_next_frame);
    RUN(unknown_type_is_unsupported);
    RUN(payload_shorter_than_its_type_is_invalid);
    RUN(tail_of_a_later_minor_version_is_ignored);
    RUN(request_of_96_bytes_is_taken);
    RUN(config_get_without_keys_lists_all);
    RUN(config_get_answers_key_by_key);
    RUN(config_set_clamps_and_tells_the_effective_value);
    RUN(config_set_passes_persist_on);
    RUN(config_without_a_platform_is_the_links_own_keys);
    RUN(config_that_cannot_be_set_is_read_only);
    RUN(stats_join_the_platforms_counters_and_ours);
    RUN(tx_bytes_are_what_the_line_took);
    RUN(reset_waits_until_its_answer_left_the_wire);
    RUN(reset_happens_though_the_host_said_good_bye);
    RUN(reset_without_its_magic_is_invalid);
    RUN(download_is_unsupported_without_the_feature);
    RUN(reset_that_fails_is_told);
    RUN(repeated_request_is_answered_again);
    RUN(answers_come_in_order_and_a_full_queue_drops_the_newest);
    RUN(silence_frees_a_request_behind_a_broken_one);
    RUN(rx_errors_are_counted);
    RUN(config_keys_of_the_link_hide_the_platforms);
    RUN(config_beyond_the_limit_is_left_out);
}
