/*
 * Fuzzes the two walks over a picture's markers: the one that repairs what a sensor gave, and the one of hostcam, which
 * is resumable. What they find lies in the input, and does not depend on how much of it came at a time.
 */
#include "../ports/esp-idf/main/jpeg_repair.h"
#include "../ports/posix/jpeg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, int line, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s:%d: %s\n", __FILE__, line, what);
        abort();
    }
}

#define REQUIRE(condition) require(condition, __LINE__, #condition)

static void repair(const uint8_t *p, size_t n)
{
    struct jpeg_span s, again;
    if (!jpeg_repair(p, n, &s)) {
        return;
    }
    REQUIRE(s.data >= p && s.len >= 4 && s.len <= n && s.data + s.len <= p + n);
    REQUIRE(s.data[0] == 0xFF && s.data[1] == 0xD8 && s.data[s.len - 2] == 0xFF && s.data[s.len - 1] == 0xD9);
    REQUIRE(s.width != 0 && s.height != 0);
    REQUIRE(jpeg_repair(s.data, s.len, &again));
    REQUIRE(again.data == s.data && again.len == s.len && again.width == s.width && again.height == s.height);
    REQUIRE(!jpeg_repair(s.data, s.len - 1, &again));
}

static void walk(const uint8_t *p, size_t n)
{
    struct jpeg_walk whole = {0}, pieces = {0};
    enum jpeg_status want = jpeg_walk(&whole, p, n), got = JPEG_MORE;
    for (size_t i = 1; i <= n && got == JPEG_MORE; i++) {
        got = jpeg_walk(&pieces, p, i);
        REQUIRE(pieces.pos <= i);
    }
    REQUIRE(n == 0 || got == want);
    REQUIRE(whole.pos <= n);
    REQUIRE(want != JPEG_DONE || (pieces.pos == whole.pos && p[whole.pos - 2] == 0xFF && p[whole.pos - 1] == 0xD9));
}

static void damage(const uint8_t *p, size_t n)
{
    size_t cap = n + 600;
    uint8_t *copy = malloc(cap);
    if (copy == NULL) {
        abort();
    }
    for (int kind = 0; kind < BAD_KINDS; kind++) {
        struct rng r;
        rng_seed(&r, n, (uint64_t)kind);
        memcpy(copy, p, n);
        REQUIRE(jpeg_damage(copy, n, cap, (enum bad_jpeg)kind, &r) <= cap);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    repair(data, size);
    walk(data, size);
    if (size > 0) {
        damage(data, size);
    }
    return 0;
}
