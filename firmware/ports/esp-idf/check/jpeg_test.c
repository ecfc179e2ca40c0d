/* jpeg_repair: pictures as sensors and their drivers leave them. */
#include "check.h"

#include "jpeg_repair.h"

#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                                           \
    0xFF, 0xD8, 0xFF, 0xDB, 0, 4, 1, 2, 0xFF, 0xC0, 0, 11, 8, 0, 240, 1, 64, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, \
        0, 63, 0
static const uint8_t good[] = {HEAD, 1, 2, 0xFF, 0, 3, 0xFF, 0xD3, 4, 0xFF, 0xD9};

/* In a block of its own size, so that reading past its end is seen. */
static bool repair(const uint8_t *p, size_t n, struct jpeg_span *span, size_t *start)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    memcpy(copy, p, n);
    bool whole = jpeg_repair(copy, n, span);
    *start = whole ? (size_t)(span->data - copy) : 0;
    free(copy);
    return whole;
}

static void test_good(void)
{
    struct jpeg_span span;
    size_t start;
    CHECK(repair(good, sizeof good, &span, &start));
    CHECK_EQ(start, 0);
    CHECK_EQ(span.len, sizeof good);
    CHECK_EQ(span.width, 320);
    CHECK_EQ(span.height, 240);
}

static void test_every_cut_is_refused(void)
{
    struct jpeg_span span;
    size_t start;
    for (size_t n = 0; n < sizeof good; n++) {
        CHECK(!repair(good, n, &span, &start));
    }
}

static void test_padding_is_left_out(void)
{
    uint8_t padded[sizeof good + 8];
    memcpy(padded, good, sizeof good);
    memcpy(padded + sizeof good, "\0\0\xFF\xD9\x12\x34\xFF\xD9", 8);
    struct jpeg_span span;
    size_t start;
    CHECK(repair(padded, sizeof padded, &span, &start));
    CHECK_EQ(span.len, sizeof good);
}

static void test_late_start_is_found(void)
{
    struct jpeg_span span;
    size_t start;
    for (size_t shift = 0; shift < 40; shift++) {
        uint8_t late[sizeof good + 40];
        memset(late, 0xFF, shift);
        memcpy(late + shift, good, sizeof good);
        bool whole = repair(late, shift + sizeof good, &span, &start);
        CHECK_EQ(whole, shift < 32);
        CHECK(!whole || (start == shift && span.len == sizeof good));
    }
}

static void test_another_picture_in_the_scan(void)
{
    static const uint8_t torn[] = {HEAD, 1, 2, 0xFF, 0xD8, 0xFF, 0xDB, 3, 0xFF, 0xD9};
    struct jpeg_span span;
    size_t start;
    CHECK(!repair(torn, sizeof torn, &span, &start));
}

static void test_no_scan(void)
{
    static const uint8_t empty[] = {HEAD, 0xFF, 0xD9};
    static const uint8_t bare[] = {0xFF, 0xD8, 0xFF, 0xD9};
    static const uint8_t no_size[] = {0xFF, 0xD8, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 0xFF, 0xD9};
    struct jpeg_span span;
    size_t start;
    CHECK(!repair(empty, sizeof empty, &span, &start));
    CHECK(!repair(bare, sizeof bare, &span, &start));
    CHECK(!repair(no_size, sizeof no_size, &span, &start));
}

static void test_fill_bytes(void)
{
    static const uint8_t filled[] = {0xFF, 0xD8, 0xFF, 0xFF, 0xFF, 0xC0, 0, 11, 8, 0,  8, 0, 8,    1,    1,   0x11,
                                     0,    0xFF, 0xDA, 0,    8,    1,    1, 0,  0, 63, 0, 1, 0xFF, 0xFF, 0xD9};
    struct jpeg_span span;
    size_t start;
    CHECK(repair(filled, sizeof filled, &span, &start));
    CHECK_EQ(span.len, sizeof filled);
}

/* Whatever one byte becomes: no read outside, and what is called whole is framed. */
static void test_any_byte_may_be_wrong(void)
{
    for (size_t at = 0; at < sizeof good; at++) {
        for (int value = 0; value < 256; value++) {
            uint8_t bad[sizeof good];
            memcpy(bad, good, sizeof good);
            bad[at] = (uint8_t)value;
            struct jpeg_span span;
            size_t start;
            if (repair(bad, sizeof bad, &span, &start)) {
                CHECK(bad[start] == 0xFF && bad[start + 1] == 0xD8);
                CHECK(bad[start + span.len - 2] == 0xFF && bad[start + span.len - 1] == 0xD9);
            }
        }
    }
}

void jpeg_suite(void)
{
    RUN(test_good);
    RUN(test_every_cut_is_refused);
    RUN(test_padding_is_left_out);
    RUN(test_late_start_is_found);
    RUN(test_another_picture_in_the_scan);
    RUN(test_no_scan);
    RUN(test_fill_bytes);
    RUN(test_any_byte_may_be_wrong);
}
