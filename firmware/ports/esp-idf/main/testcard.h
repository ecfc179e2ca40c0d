/*
 * The picture of a board without a sensor: colour bars, a moving square and the number of the picture. It is a JPEG
 * of flat 8x8 blocks, so it is drawn and encoded in one pass, in a few kB of internal RAM.
 */
#ifndef TESTCARD_H
#define TESTCARD_H

#include "controls.h"

#include <stddef.h>
#include <stdint.h>

enum testcard_limit {
    TESTCARD_BYTES = 8704, /* holds any card of the sizes offered */
    TESTCARD_INTERVAL_MS = 100,
};

const struct control_size *testcard_sizes(size_t *count);
struct control_size testcard_first_size(void);

/* Writes card number into out. quality as in CONFIG. Returns its length; 0: room is too small. */
size_t testcard_draw(uint8_t *out, size_t room, struct control_size size, uint8_t quality, uint32_t number);

#endif
