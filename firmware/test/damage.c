/*
 * damage FRAMES SEED - sends so many frames through a line that damages every one of them, to a receiver built with
 * sanitizers, and prints what came of it. internal/bench/damage reads that.
 */
#include "transit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIN_LEN = 64, LEN_RANGE = 192, PER_BATCH = 16 };

int main(int argc, char **argv)
{
    static struct transit t;
    if (argc != 3) {
        fprintf(stderr, "usage: damage FRAMES SEED\n");
        return 2;
    }
    uint64_t frames = strtoull(argv[1], NULL, 10);
    transit_init(&t, (uint32_t)strtoul(argv[2], NULL, 10));
    while (t.frames < frames) {
        for (int i = 0; i < PER_BATCH && t.frames < frames; i++) {
            uint32_t r = transit_random(&t);
            size_t start = transit_frame(&t, MIN_LEN + (r >> 8) % LEN_RANGE, r % 4 == 0);
            for (uint32_t hits = 1 + (r >> 4) % 3; hits > 0; hits--) {
                uint32_t at = transit_random(&t) >> 4, size = transit_random(&t) >> 4;
                transit_damage(&t, start, (enum transit_damage)((transit_random(&t) >> 4) % DAMAGES), at, size);
            }
        }
        transit_deliver(&t, 1 + (transit_random(&t) >> 4) % 4096);
    }
    const struct camlink_decoder *d = &t.decoder;
    printf("frames %" PRIu64 "\nbytes %" PRIu64 "\nwhole %" PRIu64 "\nwrong %" PRIu64 "\nforged %" PRIu64 "\n",
           t.frames, t.bytes_in, t.whole, t.wrong, t.forged);
    printf("header %" PRIu32 "\nfalse_header %" PRIu32 "\npayload %" PRIu32 "\n", d->header_errors,
           d->version_errors + d->length_errors, d->payload_errors);
    transit_done(&t);
    return 0;
}
