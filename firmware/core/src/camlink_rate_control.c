/*
 * Down fast, up slowly. A picture that takes more than its budget moves quality at once, by a model, to where the next
 * one should fit with room to spare. Better quality is tried in small steps, after several pictures in a row that would
 * still fit. A step that had to be taken back doubles the number of pictures before the next one: on a scene at the
 * edge, quality comes to rest.
 */
#include "camlink_rate_control.h"

#include <string.h>

enum range_default { BEST = 10, WORST = 40 };

/* Percent of the budget. */
enum share {
    AIM = 85,         /* where a move down puts the picture that caused it */
    COMFORT = 85,     /* a better quality must be expected to stay below */
    EASY = 60,        /* below, the scene has changed: a step taken back is history */
    NEW_SCENE = 150,  /* above, it has changed, too: the last step was not at fault */
    CONTROL_PART = 32 /* not percent: one part of so many of the wire is kept for control packets */
};

enum pictures {
    SETTLE = 4,         /* a camera's pipeline holds up to three, and one may be in the mailbox */
    PATIENCE_EASY = 5,  /* before a step up when there is much room */
    PATIENCE_MIN = 20,  /* when there is little: so many show most of what noise can do */
    PATIENCE_MAX = 320, /* after steps that failed */
    PROBATION = 256,    /* a step up that lasts so long has not failed */
    SKIPS_MAX = 15,     /* in a row: whatever is wrong, a host is not left in the dark */
};

enum wire_limit {
    WIRE_MIN = 1000,
    WIRE_MAX = 4000000, /* beyond, no picture is too large */
    WIRE_SAMPLE = 512,  /* bytes; fewer measure nothing */
};

enum time_us { AGE_MAX = 60000000, SECOND = 1000000, TENTHS_PER_SECOND = 10 };

static int32_t clamp(int32_t v, int32_t min, int32_t max)
{
    return v < min ? min : v > max ? max : v;
}

static uint32_t percent(uint32_t of, uint32_t share)
{
    return (uint32_t)((uint64_t)of * share / 100);
}

/* ---- Settings ----------------------------------------------------------------------------- */

static uint8_t lowest(const struct camlink_rate_control *r)
{
    return (uint8_t)clamp(r->quality_best, r->camera_min, r->camera_max);
}

static uint8_t highest(const struct camlink_rate_control *r)
{
    return (uint8_t)clamp(r->quality_worst, r->camera_min, r->camera_max);
}

uint8_t camlink_rate_control_clamp(const struct camlink_rate_control *r, int32_t quality)
{
    return (uint8_t)clamp(quality, lowest(r), highest(r));
}

/* Pictures taken before this say nothing about the quality there is now. */
static void move(struct camlink_rate_control *r, uint8_t quality)
{
    if (quality != r->quality) {
        r->quality = quality;
        r->settling = SETTLE;
        r->calm = 0;
        r->peak = 0;
    }
}

static void start_anew(struct camlink_rate_control *r)
{
    r->patience = PATIENCE_MIN;
    r->since_raise = PROBATION;
    r->refused = false;
    move(r, camlink_rate_control_clamp(r, r->quality));
}

void camlink_rate_control_init(struct camlink_rate_control *r)
{
    memset(r, 0, sizeof *r);
    r->quality_best = BEST;
    r->quality_worst = WORST;
    r->camera_max = CAMLINK_QUALITY_MAX;
    start_anew(r);
}

void camlink_rate_control_set_target(struct camlink_rate_control *r, int32_t tenths)
{
    r->target_fps = (uint16_t)clamp(tenths, 0, CAMLINK_TARGET_FPS_MAX);
    r->due_known = false;
    start_anew(r);
}

void camlink_rate_control_set_best(struct camlink_rate_control *r, int32_t quality)
{
    r->quality_best = (uint8_t)clamp(quality, 0, CAMLINK_QUALITY_MAX);
    r->quality_worst = r->quality_worst < r->quality_best ? r->quality_best : r->quality_worst;
    start_anew(r);
}

void camlink_rate_control_set_worst(struct camlink_rate_control *r, int32_t quality)
{
    r->quality_worst = (uint8_t)clamp(quality, 0, CAMLINK_QUALITY_MAX);
    r->quality_best = r->quality_best > r->quality_worst ? r->quality_worst : r->quality_best;
    start_anew(r);
}

void camlink_rate_control_camera(struct camlink_rate_control *r, int32_t min, int32_t max, int32_t value)
{
    r->movable = true;
    r->camera_min = (uint8_t)clamp(min, 0, CAMLINK_QUALITY_MAX);
    r->camera_max = (uint8_t)clamp(max, r->camera_min, CAMLINK_QUALITY_MAX);
    r->applied = (uint8_t)clamp(value, 0, CAMLINK_QUALITY_MAX);
    move(r, r->applied);
    start_anew(r);
}

void camlink_rate_control_applied(struct camlink_rate_control *r, int32_t value)
{
    uint8_t now = (uint8_t)clamp(value, 0, CAMLINK_QUALITY_MAX);
    r->refused = now != r->quality && now == r->applied;
    r->applied = now;
    r->quality = camlink_rate_control_clamp(r, now);
}

/* ---- The wire ----------------------------------------------------------------------------- */

void camlink_rate_control_line(struct camlink_rate_control *r, uint32_t bytes_per_s)
{
    r->line = bytes_per_s;
}

void camlink_rate_control_took(struct camlink_rate_control *r, uint32_t bytes, uint64_t us)
{
    if (bytes < WIRE_SAMPLE) {
        return;
    }
    uint64_t rate = (uint64_t)bytes * SECOND / (us > 0 ? us : 1);
    /* A frame swallowed by an empty buffer must not count for more than a hint; one that met a stall will. */
    uint64_t most = r->seen != 0 && 2 * r->seen < WIRE_MAX ? 2 * r->seen : WIRE_MAX;
    rate = rate < WIRE_MIN ? WIRE_MIN : rate > most ? most : rate;
    r->seen = r->seen == 0 ? (uint32_t)rate : (uint32_t)((3 * (uint64_t)r->seen + rate) / 4);
}

static uint32_t wire(const struct camlink_rate_control *r)
{
    return r->line != 0 ? r->line : r->seen;
}

uint32_t camlink_rate_control_interval_us(const struct camlink_rate_control *r)
{
    return r->target_fps == 0 ? 0 : (uint32_t)SECOND * TENTHS_PER_SECOND / r->target_fps;
}

uint32_t camlink_rate_control_budget(const struct camlink_rate_control *r)
{
    uint32_t rate = wire(r);
    uint64_t bytes = (uint64_t)(rate - rate / CONTROL_PART) * camlink_rate_control_interval_us(r) / SECOND;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* ---- The schedule ------------------------------------------------------------------------- */

bool camlink_rate_control_due(const struct camlink_rate_control *r, uint64_t now_us)
{
    uint32_t interval = camlink_rate_control_interval_us(r);
    return interval == 0 || !r->due_known || (int64_t)(now_us - r->due_us + interval / 2) >= 0;
}

void camlink_rate_control_begun(struct camlink_rate_control *r, uint64_t now_us)
{
    uint32_t interval = camlink_rate_control_interval_us(r);
    if (!r->due_known || (int64_t)(now_us - r->due_us) > (int64_t)interval) {
        r->due_us = now_us; /* what was missed is not caught up with */
    }
    r->due_known = interval != 0;
    r->due_us += interval;
}

/* ---- Quality ------------------------------------------------------------------------------ */

/* The size to expect one step down: size falls with at least the power 2/3 of quality + 1 on most scenes. */
static uint64_t one_worse(uint64_t size, uint32_t quality)
{
    return size * (3 * quality + 3) / (3 * quality + 5);
}

/* And one step up, from quality > 0: it grows with the power 1.2 at most. */
static uint64_t one_better(uint64_t size, uint32_t quality)
{
    const uint32_t fifths = 5 * quality;
    return size * (fifths + 6) / fifths;
}

static void lower(struct camlink_rate_control *r, uint32_t cost, uint32_t budget)
{
    uint8_t worst = highest(r), q = r->quality;
    uint64_t size = cost;
    while (q < worst && size > percent(budget, AIM)) {
        size = one_worse(size, q++);
    }
    bool failed = r->since_raise < PROBATION && cost <= (uint64_t)budget * NEW_SCENE / 100;
    if (failed && r->patience < PATIENCE_MAX) {
        r->patience = (uint16_t)(2 * r->patience);
    }
    r->since_raise = PROBATION;
    r->calm = 0;
    r->peak = 0;
    move(r, q);
}

static void raise(struct camlink_rate_control *r, uint32_t most)
{
    uint8_t best = lowest(r), q = r->quality;
    int32_t farthest = q - (q >= 16 ? q / 8 : 1);
    uint64_t size = r->peak;
    while (q > best && q > farthest && one_better(size, q) <= most) {
        size = one_better(size, q--);
    }
    r->since_raise = 0;
    move(r, q);
}

static void consider_raise(struct camlink_rate_control *r, uint32_t cost, uint32_t budget)
{
    uint32_t most = percent(budget, COMFORT);
    r->since_raise = r->since_raise < PROBATION ? (uint16_t)(r->since_raise + 1) : PROBATION;
    if (r->quality <= lowest(r) || one_better(cost, r->quality) > most) {
        r->calm = 0;
        r->peak = 0;
        return;
    }
    r->calm++;
    r->peak = cost > r->peak ? cost : r->peak;
    bool easy = r->calm >= PATIENCE_EASY && r->peak <= percent(budget, EASY);
    if (easy) {
        r->patience = PATIENCE_MIN;
    }
    if (easy || r->calm >= r->patience) {
        raise(r, most);
    }
}

/* Whether a picture shows what the present quality makes of the scene. */
static bool settled(struct camlink_rate_control *r, uint8_t quality)
{
    if (r->settling > 0) {
        r->settling = quality == r->quality ? 0 : (uint8_t)(r->settling - 1);
        return quality == r->quality;
    }
    return true;
}

/* ---- Pictures ----------------------------------------------------------------------------- */

/* How long a picture waited for the line after it came from the camera. */
static uint32_t waiting_us(struct camlink_rate_control *r, uint64_t age_us)
{
    uint32_t age = age_us < AGE_MAX ? (uint32_t)age_us : AGE_MAX;
    if (!r->latency_known || age <= r->latency_us) {
        r->latency_known = true;
        r->latency_us = age;
        return 0;
    }
    uint32_t wait = age - r->latency_us;
    r->latency_us += wait / 16;
    return wait;
}

/* Whether a picture would be two frame times old when it arrives. *waited: because it waited, not by its size. A slow
 * camera may use up half a frame time of the two: more would leave nothing to send. */
static bool is_late(const struct camlink_rate_control *r, uint32_t cost, uint32_t wait_us, bool *waited)
{
    uint64_t interval = camlink_rate_control_interval_us(r), limit = 2 * interval;
    uint64_t age = r->latency_us < interval / 2 ? r->latency_us : interval / 2;
    age += (uint64_t)cost * SECOND / wire(r);
    *waited = age < limit;
    return age + wait_us >= limit;
}

bool camlink_rate_control_admit(struct camlink_rate_control *r, uint32_t cost, uint8_t quality, uint64_t age_us)
{
    uint32_t budget = camlink_rate_control_budget(r);
    uint32_t wait = waiting_us(r, age_us);
    if (budget == 0 || !r->movable) {
        return true;
    }
    bool fresh = settled(r, quality);
    bool worst = fresh && (r->refused || r->quality >= highest(r));
    if (fresh && cost > budget) {
        lower(r, cost, budget);
    } else if (fresh) {
        consider_raise(r, cost, budget);
    }
    bool waited;
    bool late = is_late(r, cost, wait, &waited);
    /* What comes next will not have waited; if it has, nothing is won by skipping. */
    bool skip = late && !worst && r->skips < SKIPS_MAX && !(waited && r->waited);
    r->waited = skip && waited;
    r->skips = skip ? (uint8_t)(r->skips + 1) : 0;
    return !skip;
}
