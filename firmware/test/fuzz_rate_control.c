/*
 * Fuzzes rate control: the input is a program of settings and facts, each any number. Whatever they are, quality stays
 * where it is allowed to be, and pictures are not kept back for ever.
 */
#include "camlink_rate_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_SKIPS = 15 };

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

static uint64_t next(struct input *in, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes && in->n > 0; i++, in->n--) {
        v |= (uint64_t)*in->p++ << 8 * i;
    }
    return v;
}

/* The nearest to what the host asked for that the camera can do. */
static int32_t within_camera(const struct camlink_rate_control *r, int32_t quality)
{
    return quality < r->camera_min ? r->camera_min : quality > r->camera_max ? r->camera_max : quality;
}

static void check(const struct camlink_rate_control *r)
{
    REQUIRE(r->quality_best <= r->quality_worst && r->quality_worst <= CAMLINK_QUALITY_MAX);
    REQUIRE(r->camera_min <= r->camera_max && r->camera_max <= CAMLINK_QUALITY_MAX);
    REQUIRE(r->quality >= within_camera(r, r->quality_best));
    REQUIRE(r->quality <= within_camera(r, r->quality_worst));
    REQUIRE(r->target_fps <= CAMLINK_TARGET_FPS_MAX);
    REQUIRE((camlink_rate_control_interval_us(r) == 0) == (r->target_fps == 0));
}

static void picture(struct camlink_rate_control *r, struct input *in, uint32_t *skips)
{
    uint32_t cost = (uint32_t)next(in, 4);
    uint8_t quality = (uint8_t)next(in, 1), before = r->quality;
    bool worst = before == within_camera(r, r->quality_worst) && (r->settling == 0 || quality == before);
    bool sent = camlink_rate_control_admit(r, cost, quality, next(in, 4));
    *skips = sent ? 0 : *skips + 1;
    REQUIRE(*skips <= MOST_SKIPS);
    /* Up is one step. */
    REQUIRE(r->quality >= before - 1 || r->quality >= before - before / 8);
    /* A picture taken at the worst quality is sent. */
    REQUIRE(sent || !worst);
}

static void move(struct camlink_rate_control *r, struct input *in, uint64_t *now, uint32_t *skips)
{
    uint32_t bytes;
    switch (next(in, 1) % 12) {
    case 0:
        camlink_rate_control_set_target(r, (int32_t)next(in, 4));
        break;
    case 1:
        camlink_rate_control_set_best(r, (int32_t)next(in, 4));
        break;
    case 2:
        camlink_rate_control_set_worst(r, (int32_t)next(in, 4));
        break;
    case 3: {
        int32_t min = (int32_t)next(in, 4), max = (int32_t)next(in, 4);
        camlink_rate_control_camera(r, min, max, (int32_t)next(in, 4));
        break;
    }
    case 4:
        camlink_rate_control_applied(r, (int32_t)next(in, 4));
        break;
    case 5:
        camlink_rate_control_applied(r, r->quality);
        break;
    case 6:
        camlink_rate_control_line(r, (uint32_t)next(in, 4));
        break;
    case 7:
        bytes = (uint32_t)next(in, 4);
        camlink_rate_control_took(r, bytes, next(in, 8));
        break;
    case 8:
        *now += next(in, 4);
        if (camlink_rate_control_due(r, *now)) {
            camlink_rate_control_begun(r, *now);
        }
        break;
    case 9:
        camlink_rate_control_begun(r, next(in, 8));
        break;
    default:
        picture(r, in, skips);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct camlink_rate_control r;
    uint64_t now = 0;
    uint32_t skips = 0;
    camlink_rate_control_init(&r);
    check(&r);
    while (in.n > 0) {
        move(&r, &in, &now, &skips);
        check(&r);
    }
    return 0;
}
