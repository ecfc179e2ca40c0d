/*
 * Fuzzes the way from encoder to receiver. The input is a program of pictures and of what the line does to them: none
 * arrives that was not sent, no packet that was not sent passes, and what nothing was done to arrives whole.
 */
#include "transit.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p;
    size_t n;
};

static void require(bool condition, int line, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s:%d: %s\n", __FILE__, line, what);
        abort();
    }
}

#define REQUIRE(condition) require(condition, __LINE__, #condition)

static uint8_t next8(struct input *in)
{
    if (in->n == 0) {
        return 0;
    }
    in->n--;
    return *in->p++;
}

static uint16_t next16(struct input *in)
{
    uint16_t low = next8(in);
    return (uint16_t)(low | next8(in) << 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct transit t;
    struct input in = {data, size};
    size_t start = 0;
    bool damaged = false;
    transit_init(&t, 1u + next16(&in));
    while (in.n > 0) {
        uint8_t op = next8(&in);
        if (op >= 192) {
            transit_deliver(&t, 1u + next8(&in));
            start = 0;
        } else if (op >= 64 && transit_room(&t)) {
            start = transit_frame(&t, next16(&in), (op & 1) != 0);
        } else if (t.n > 0) {
            uint16_t at = next16(&in);
            transit_damage(&t, start, (enum transit_damage)(op % DAMAGES), at, next8(&in));
            damaged = true;
        }
    }
    transit_deliver(&t, SIZE_MAX);
    REQUIRE(t.wrong == 0);
    REQUIRE(t.forged == 0);
    REQUIRE(damaged || (t.whole == t.frames && t.rejected == 0));
    transit_done(&t);
    return 0;
}
