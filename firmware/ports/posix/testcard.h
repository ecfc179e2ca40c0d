/* A moving picture out of nothing: bars, a wall or foliage, a ball, the number of the picture and the time of day. */
#ifndef HOSTCAM_TESTCARD_H
#define HOSTCAM_TESTCARD_H

#include "options.h"
#include "rng.h"
#include "settings.h"
#include "shot.h"

#include <stdbool.h>

#define TESTCARD_GRAIN 8192u

struct testcard {
    const struct settings *settings;
    enum scene_kind scene;
    uint64_t started_ns, scene_ns; /* the first cut is scene_ns after the start */
    struct rng rng;
    uint32_t number;
    int8_t grain[TESTCARD_GRAIN]; /* texture, laid over each row at another offset */
};

void testcard_init(struct testcard *t, const struct settings *s, const struct options *o);

/* Draws the next picture as the settings want it, but with the quality that shot has. False: it does not fit, as on a
 * camera whose buffer overflows. */
bool testcard_shoot(struct testcard *t, struct shot *shot);

#endif
