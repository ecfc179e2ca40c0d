/* The test card, judged by a decoder that is not ours. */
#include "check.h"

#include "fake.h"
#include "jpeg_repair.h"
#include "testcard.h"

#include <jpeglib.h>
#include <string.h>

struct image {
    unsigned width, height;
    uint8_t grey[320 * 240];
    long warnings;
};

static void on_error(j_common_ptr info)
{
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    check_fail(__FILE__, __LINE__, "%s", text);
}

static void decode(const uint8_t *p, size_t n, struct image *image)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    d.err = jpeg_std_error(&errors);
    errors.error_exit = on_error;
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, p, n);
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_GRAYSCALE;
    jpeg_start_decompress(&d);
    image->width = d.output_width;
    image->height = d.output_height;
    CHECK(d.output_width * d.output_height <= sizeof image->grey);
    while (d.output_scanline < d.output_height) {
        JSAMPROW row = image->grey + (size_t)d.output_scanline * d.output_width;
        jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_finish_decompress(&d);
    image->warnings = errors.num_warnings;
    jpeg_destroy_decompress(&d);
}

static void test_every_size_and_quality_decodes(void)
{
    size_t count;
    const struct control_size *sizes = testcard_sizes(&count);
    static uint8_t out[TESTCARD_BYTES];
    static struct image image;
    size_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        for (int quality = 0; quality <= 63; quality++) {
            size_t n = testcard_draw(out, sizeof out, sizes[i], (uint8_t)quality, 12345u * (unsigned)quality + 7u);
            CHECK(n > 0);
            largest = n > largest ? n : largest;
            decode(out, n, &image);
            CHECK_EQ(image.warnings, 0);
            CHECK_EQ(image.width, sizes[i].width);
            CHECK_EQ(image.height, sizes[i].height);
            struct jpeg_span span;
            CHECK(jpeg_repair(out, n, &span) && span.len == n && span.width == sizes[i].width);
        }
    }
    CHECK(largest < TESTCARD_BYTES / 2);
}

static void test_it_moves(void)
{
    static uint8_t a[TESTCARD_BYTES], b[TESTCARD_BYTES];
    for (uint32_t number = 0; number < 100; number++) {
        size_t n = testcard_draw(a, sizeof a, testcard_first_size(), 12, number);
        size_t m = testcard_draw(b, sizeof b, testcard_first_size(), 12, number + 1);
        CHECK(n != m || memcmp(a, b, n) != 0);
    }
}

/* The number can be read: cell (x, y) of the digits is white or black as it should be. */
static void test_it_shows_its_number(void)
{
    static const char *const one[] = {".#.", "##.", ".#.", ".#.", "###"};
    static uint8_t out[TESTCARD_BYTES];
    static struct image image;
    size_t n = testcard_draw(out, sizeof out, testcard_first_size(), 0, 111111);
    decode(out, n, &image);
    for (int digit = 0; digit < 6; digit++) {
        for (int y = 0; y < 5; y++) {
            for (int x = 0; x < 3; x++) {
                int px = (1 + digit * 4 + x) * 8 + 4, py = (1 + y) * 8 + 4;
                CHECK_EQ(image.grey[py * 320 + px] > 128, one[y][x] == '#');
            }
        }
    }
}

static void test_colour_bars(void)
{
    static uint8_t out[TESTCARD_BYTES];
    static struct image image;
    size_t n = testcard_draw(out, sizeof out, testcard_first_size(), 0, 0);
    decode(out, n, &image);
    /* From the left, bright to dark, at the bottom, where neither number nor square is. */
    for (int bar = 1; bar < 8; bar++) {
        CHECK(image.grey[239 * 320 + bar * 40 + 20] < image.grey[239 * 320 + bar * 40 - 20]);
    }
}

static void test_too_little_room(void)
{
    static uint8_t out[TESTCARD_BYTES];
    size_t n = testcard_draw(out, sizeof out, testcard_first_size(), 12, 5);
    CHECK_EQ(testcard_draw(out, n - 1, testcard_first_size(), 12, 5), 0);
    CHECK_EQ(testcard_draw(out, n, testcard_first_size(), 12, 5), n);
    CHECK_EQ(testcard_draw(out, 0, testcard_first_size(), 12, 5), 0);
}

void testcard_suite(void)
{
    RUN(test_every_size_and_quality_decodes);
    RUN(test_it_moves);
    RUN(test_it_shows_its_number);
    RUN(test_colour_bars);
    RUN(test_too_little_room);
}
