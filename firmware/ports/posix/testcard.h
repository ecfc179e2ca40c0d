/* A moving picture out of nothing: bars, texture, a ball, the number of the picture and the time of day. */
#ifndef HOSTCAM_TESTCARD_H
#define HOSTCAM_TESTCARD_H

#include "rng.h"
#include "settings.h"
#include "shot.h"

#include <stdbool.h>

#define TESTCARD_GRAIN 8192u

struct testcard {
    const struct settings *settings;
    struct rng rng;
    uint32_t number;
    int8_t grain[TESTCARD_GRAIN]; /* texture, laid over each row at another offset */
};

void testcard_init(struct testcard *t, const struct settings *s, uint64_t seed);

/* Draws the next picture as the settings want it. False: it does not fit, as on a camera whose buffer overflows. */
bool testcard_shoot(struct testcard *t, struct shot *shot);

#endif
