#include "camlink.h"
#include "check.h"

#include <string.h>

static size_t pull(struct camlink_encoder *e, size_t most, uint8_t *to)
{
    size_t at = 0;
    const uint8_t *p;
    size_t n;
    while ((n = camlink_encoder_span(e, &p)) > 0) {
        n = n < most ? n : most;
        memcpy(to + at, p, n);
        at += n;
        camlink_encoder_take(e, n);
    }
    return at;
}

static void crc16_has_the_check_value_of_x25(void)
{
    CHECK_EQ(camlink_crc16((const uint8_t *)"123456789", 9), 0x906E);
    CHECK_EQ(camlink_crc16(NULL, 0), 0);
}

static void crc32_has_the_check_value_of_iso_hdlc(void)
{
    CHECK_EQ(camlink_crc32(0, (const uint8_t *)"123456789", 9), 0xCBF43926);
    CHECK_EQ(camlink_crc32(0, NULL, 0), 0);
}

static void crc32_of_pieces_is_that_of_the_whole(void)
{
    const uint8_t *p = (const uint8_t *)"123456789";
    for (size_t i = 0; i <= 9; i++) {
        CHECK_EQ(camlink_crc32(camlink_crc32(0, p, i), p + i, 9 - i), 0xCBF43926);
    }
}

static void integers_are_little_endian_at_any_address(void)
{
    uint8_t b[16] = {0};
    for (size_t i = 0; i < 8; i++) {
        camlink_put64(b + i, UINT64_C(0x8877665544332211));
        CHECK_EQ(b[i], 0x11);
        CHECK_EQ(b[i + 7], 0x88);
        CHECK(camlink_get64(b + i) == UINT64_C(0x8877665544332211));
        CHECK_EQ(camlink_get32(b + i), 0x44332211);
        CHECK_EQ(camlink_get16(b + i + 6), 0x8877);
    }
    camlink_put32(b, 0xFFFFFFFE);
    CHECK_EQ(camlink_get32(b), 0xFFFFFFFE);
}

static void empty_packet_has_no_payload_crc(void)
{
    static const uint8_t want[] = {0xFF, 0xA7, 0x10, 0x49, 0x03, 0, 0, 0, 0x07, 0, 0xF0, 0x05};
    struct camlink_header h = {.type = CAMLINK_STATS_REQ, .seq = 3, .ref = 7};
    struct camlink_encoder e;
    uint8_t got[64];
    camlink_encode(&e, &h, NULL, 0, NULL, 0);
    CHECK_EQ(pull(&e, 64, got), sizeof want);
    CHECK(memcmp(got, want, sizeof want) == 0);
}

static void packet_is_the_same_however_it_is_pulled(void)
{
    static const uint8_t want[] = {0xFF, 0xA7, 0x11, 0x11, 0x09, 0,    0x08, 0,    0x05, 0,    0x0A, 0xD7,
                                   0,    0,    0,    0,    0xFF, 0xD8, 0xFF, 0xD9, 0xCA, 0x43, 0xA5, 0x50};
    static const uint8_t offset[4] = {0}, jpeg[] = {0xFF, 0xD8, 0xFF, 0xD9};
    struct camlink_header h = {.type = CAMLINK_FRAME_CHUNK, .flags = CAMLINK_LAST, .seq = 9, .ref = 5};
    for (size_t most = 1; most <= sizeof want; most++) {
        struct camlink_encoder e;
        uint8_t got[64];
        camlink_encode(&e, &h, offset, sizeof offset, jpeg, sizeof jpeg);
        CHECK_EQ(pull(&e, most, got), sizeof want);
        CHECK(memcmp(got, want, sizeof want) == 0);
    }
}

static void prefix_and_body_need_not_both_be_there(void)
{
    static const uint8_t bytes[] = {1, 2, 3, 4};
    struct camlink_header h = {.type = CAMLINK_BAUD_COMMIT, .ref = 1};
    struct camlink_encoder e;
    uint8_t prefix_only[64], body_only[64];
    camlink_encode(&e, &h, bytes, 4, NULL, 0);
    size_t n = pull(&e, 64, prefix_only);
    camlink_encode(&e, &h, NULL, 0, bytes, 4);
    CHECK_EQ(pull(&e, 64, body_only), n);
    CHECK(memcmp(prefix_only, body_only, n) == 0);
}

static void body_is_lent_not_copied(void)
{
    static uint8_t body[CAMLINK_MAX_CHUNK];
    static const uint8_t offset[4] = {0};
    struct camlink_header h = {.type = CAMLINK_FRAME_CHUNK};
    struct camlink_encoder e;
    const uint8_t *p;
    camlink_encode(&e, &h, offset, sizeof offset, body, sizeof body);
    CHECK_EQ(camlink_encoder_span(&e, &p), CAMLINK_HEADER_SIZE + 4);
    camlink_encoder_take(&e, CAMLINK_HEADER_SIZE + 4);
    CHECK_EQ(camlink_encoder_span(&e, &p), sizeof body);
    CHECK(p == body);
    camlink_encoder_take(&e, 100);
    CHECK_EQ(camlink_encoder_span(&e, &p), sizeof body - 100);
    CHECK(p == body + 100);
}

static void longest_packet_has_4116_bytes(void)
{
    static uint8_t body[CAMLINK_MAX_CHUNK], got[CAMLINK_MAX_PACKET];
    static const uint8_t offset[4] = {0};
    struct camlink_header h = {.type = CAMLINK_FRAME_CHUNK};
    struct camlink_encoder e;
    camlink_encode(&e, &h, offset, sizeof offset, body, sizeof body);
    CHECK_EQ(pull(&e, SIZE_MAX, got), 4116);
    CHECK_EQ(camlink_get16(got + 6), CAMLINK_MAX_PAYLOAD);
}

static void flags_beyond_four_bits_leave_the_version_alone(void)
{
    struct camlink_header h = {.type = CAMLINK_PING, .flags = 0xF3};
    struct camlink_encoder e;
    camlink_encode(&e, &h, NULL, 0, NULL, 0);
    CHECK_EQ(e.head[2], 0x13);
}

void codec_suite(void)
{
    RUN(crc16_has_the_check_value_of_x25);
    RUN(crc32_has_the_check_value_of_iso_hdlc);
    RUN(crc32_of_pieces_is_that_of_the_whole);
    RUN(integers_are_little_endian_at_any_address);
    RUN(empty_packet_has_no_payload_crc);
    RUN(packet_is_the_same_however_it_is_pulled);
    RUN(prefix_and_body_need_not_both_be_there);
    RUN(body_is_lent_not_copied);
    RUN(longest_packet_has_4116_bytes);
    RUN(flags_beyond_four_bits_leave_the_version_alone);
}
