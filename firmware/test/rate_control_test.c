/*
 * Rate control against simulated cameras and wires: sizes that follow quality by several powers, noise, pipelines that
 * deliver old settings for a while, scenes that change hard.
 */
#include "camlink_rate_control.h"
#include "check.h"

#include <math.h>
#include <string.h>

enum { SECOND = 1000000, BEST = 10, WORST = 40, LATENCY_US = 15000, DELAY_MAX = 3, FRAME_EXTRA = 500 };

/* ---- The simulation ----------------------------------------------------------------------- */

struct world {
    /* The camera. */
    double power;      /* size goes with quality to the power of minus this */
    double noise;      /* of the size, to either side */
    double size_worst; /* of the calm scene */
    double scene;      /* the present scene's size, the calm one being 1 */
    uint32_t delay;    /* pictures that still come with the old setting */
    uint8_t pipeline[DELAY_MAX + 1];
    bool tells_quality; /* pictures carry the quality they were taken with */
    uint32_t wire;      /* bytes per second */
    bool known;         /* and said to be so */

    struct camlink_rate_control r;
    uint64_t now_us;  /* of the next capture */
    uint64_t line_us; /* the line is free from here on */
    uint64_t random;
    struct {
        bool there;
        uint32_t cost;
        uint8_t quality;
        uint64_t captured_us, arrived_us;
    } box;

    /* What came of it, since reset_counts. */
    uint32_t sent, skipped, changes;
    uint64_t oldest_us, busy_us;
    bool out_of_range;
};

static double draw(struct world *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (double)(w->random >> 11) / 9007199254740992.0;
}

static uint32_t picture_cost(struct world *w, uint8_t quality)
{
    double mean = w->size_worst * w->scene * pow((double)WORST / (quality > 0 ? quality : 1), w->power);
    return (uint32_t)(mean * (1 + w->noise * (2 * draw(w) - 1))) + FRAME_EXTRA;
}

static void follow(struct world *w)
{
    if (w->r.quality != w->r.applied) {
        camlink_rate_control_applied(&w->r, w->r.quality);
        w->changes++;
    }
    w->out_of_range = w->out_of_range || w->r.quality < w->r.quality_best || w->r.quality > w->r.quality_worst;
}

/* The line takes what waits for it, up to a time. */
static void serve(struct world *w, uint64_t until_us)
{
    uint64_t now = w->line_us > w->box.arrived_us ? w->line_us : w->box.arrived_us;
    if (!w->box.there || now >= until_us) {
        return;
    }
    w->box.there = false;
    if (!camlink_rate_control_due(&w->r, now)) {
        w->skipped++;
        return;
    }
    camlink_rate_control_line(&w->r, w->known ? w->wire : 0);
    bool send = camlink_rate_control_admit(&w->r, w->box.cost, w->box.quality, now - w->box.captured_us);
    follow(w);
    if (!send) {
        w->skipped++;
        return;
    }
    uint64_t took = (uint64_t)w->box.cost * SECOND / w->wire;
    camlink_rate_control_begun(&w->r, now);
    camlink_rate_control_took(&w->r, w->box.cost, took);
    w->line_us = now + took;
    w->sent++;
    w->busy_us += took;
    uint64_t age = w->line_us - w->box.captured_us;
    w->oldest_us = age > w->oldest_us ? age : w->oldest_us;
}

static void capture(struct world *w)
{
    uint8_t taken_with = w->pipeline[w->delay];
    uint64_t arrives = w->now_us + LATENCY_US;
    serve(w, arrives);
    w->skipped += w->box.there ? 1 : 0;
    w->box.there = true;
    w->box.cost = picture_cost(w, taken_with);
    w->box.quality = w->tells_quality ? taken_with : 0;
    w->box.captured_us = w->now_us;
    w->box.arrived_us = arrives;
    serve(w, arrives + 1);
    memmove(w->pipeline + 1, w->pipeline, DELAY_MAX);
    w->pipeline[0] = w->r.applied;
}

static void run_for(struct world *w, uint32_t ms)
{
    uint64_t end = w->now_us + ms * UINT64_C(1000);
    while (w->now_us < end) {
        capture(w);
        w->now_us += camlink_rate_control_interval_us(&w->r);
    }
}

static void reset_counts(struct world *w)
{
    w->sent = 0;
    w->skipped = 0;
    w->changes = 0;
    w->oldest_us = 0;
    w->busy_us = 0;
}

/* At the worst quality the busy scene, four times the calm one, takes 70 % of what the wire carries at this rate. */
static struct world world_new(uint32_t wire, bool known, double power, uint32_t delay, uint16_t tenths)
{
    struct world w = {
        .power = power,
        .noise = 0.2,
        .size_worst = 0.7 / 4 * wire * 10 / tenths - FRAME_EXTRA,
        .scene = 1,
        .delay = delay,
        .tells_quality = true,
        .wire = wire,
        .known = known,
        .now_us = SECOND,
        .random = 0x9E3779B97F4A7C15,
    };
    camlink_rate_control_init(&w.r);
    camlink_rate_control_camera(&w.r, 0, 63, 12);
    camlink_rate_control_set_target(&w.r, tenths);
    follow(&w);
    memset(w.pipeline, w.r.applied, sizeof w.pipeline);
    return w;
}

/* ---- What is promised --------------------------------------------------------------------- */

enum { SCENE_MS = 20000, ABSORB_MS = 2000 };

static bool held(const struct world *w, uint32_t ms, uint16_t tenths)
{
    double want = ms / 1000.0 * tenths / 10;
    return w->sent >= want * 0.95 && w->sent <= want * 1.05 + 1;
}

static bool holds_through_scenes(struct world *w, uint16_t tenths)
{
    static const double scenes[] = {1, 4, 1, 4, 2, 4, 1};
    uint64_t limit = 2 * camlink_rate_control_interval_us(&w->r);
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        w->scene = scenes[i];
        reset_counts(w);
        run_for(w, ABSORB_MS);
        bool young = w->oldest_us < limit;
        reset_counts(w);
        run_for(w, SCENE_MS - ABSORB_MS);
        if (!young || w->oldest_us >= limit || !held(w, SCENE_MS - ABSORB_MS, tenths) || w->out_of_range) {
            check_fail(__FILE__, __LINE__,
                       "wire %u, power %.1f, delay %u, %u tenths, scene %zu: %u sent, %u skipped, oldest %u us, "
                       "quality %u%s%s",
                       w->wire, w->power, w->delay, tenths, i, w->sent, w->skipped, (unsigned)w->oldest_us,
                       w->r.quality, young ? "" : ", old while absorbing", w->out_of_range ? ", out of range" : "");
            return false;
        }
    }
    return true;
}

static bool comes_to_rest(struct world *w)
{
    static const double scenes[] = {4, 3, 2, 1};
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        w->scene = scenes[i];
        run_for(w, 30000);
        reset_counts(w);
        run_for(w, 60000);
        if (w->changes > 6) {
            check_fail(__FILE__, __LINE__, "wire %u, power %.1f, delay %u, scene %.0f: %u changes in a minute", w->wire,
                       w->power, w->delay, w->scene, w->changes);
            return false;
        }
    }
    return true;
}

/* Calls use for every wire, camera and pipeline; stops at the first that fails. */
static void for_all(bool (*use)(struct world *w, uint16_t tenths))
{
    static const struct {
        uint32_t rate;
        bool known;
    } wires[] = {{92160, true}, {200000, true}, {300000, true}, {512000, false}};
    static const double powers[] = {0.5, 0.67, 0.9, 1.2};
    static const uint16_t targets[] = {100, 50, 250};
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        for (size_t k = 0; k < sizeof powers / sizeof powers[0]; k++) {
            for (uint32_t delay = 0; delay <= DELAY_MAX; delay++) {
                for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++) {
                    struct world w = world_new(wires[i].rate, wires[i].known, powers[k], delay, targets[t]);
                    if (!use(&w, targets[t])) {
                        return;
                    }
                }
            }
        }
    }
}

static void rate_and_age_hold_through_scene_changes(void)
{
    for_all(holds_through_scenes);
}

static bool comes_to_rest_at(struct world *w, uint16_t tenths)
{
    return tenths != 100 || comes_to_rest(w);
}

static void quality_comes_to_rest_on_a_steady_scene(void)
{
    for_all(comes_to_rest_at);
}

static bool uses_the_wire_at(struct world *w, uint16_t tenths)
{
    /* The calm scene at the best quality may be too small to use it. */
    w->scene = 3;
    run_for(w, 60000);
    reset_counts(w);
    run_for(w, 20000);
    double use = (double)w->busy_us / 20e6;
    if (use < 0.6 && w->r.quality > BEST) {
        check_fail(__FILE__, __LINE__, "wire %u, power %.1f, delay %u, %u tenths: %.0f %% used at quality %u", w->wire,
                   w->power, w->delay, tenths, use * 100, w->r.quality);
        return false;
    }
    return true;
}

static void quality_is_not_given_away(void)
{
    for_all(uses_the_wire_at);
}

static void camera_that_does_not_tell_its_quality_is_held_all_the_same(void)
{
    struct world w = world_new(200000, true, 0.8, 2, 100);
    w.tells_quality = false;
    (void)holds_through_scenes(&w, 100);
}

static void calm_scene_gets_the_best_quality(void)
{
    struct world w = world_new(300000, true, 0.5, 2, 100);
    w.scene = 4;
    run_for(&w, 10000);
    CHECK(w.r.quality > 20);
    w.scene = 1;
    run_for(&w, 20000);
    CHECK_EQ(w.r.quality, BEST);
}

static void at_the_worst_quality_every_picture_is_sent(void)
{
    struct world w = world_new(92160, true, 0.8, 3, 100);
    w.scene = 40;
    run_for(&w, 3000);
    reset_counts(&w);
    run_for(&w, 60000);
    CHECK_EQ(w.r.quality, WORST);
    /* Five times what fits: the line never rests. */
    CHECK(w.busy_us >= 58200000 && w.busy_us <= 61000000);
    CHECK(w.sent >= 115 && w.sent <= 130);
}

static void camera_faster_than_the_rate_is_thinned_without_drift(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_set_target(&r, 100);
    uint32_t sent = 0;
    uint64_t last = 0, longest = 0;
    for (uint64_t now = 5; now < 100 * (uint64_t)SECOND; now += 66667) {
        if (camlink_rate_control_due(&r, now)) {
            camlink_rate_control_begun(&r, now);
            longest = last != 0 && now - last > longest ? now - last : longest;
            last = now;
            sent++;
        }
    }
    CHECK(sent >= 999 && sent <= 1001);
    CHECK(longest <= 133334);
}

static void camera_at_the_rate_loses_nothing_to_jitter(void)
{
    struct world w = world_new(200000, true, 0.8, 0, 100);
    uint32_t sent = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t now = SECOND + i * 100000 + (uint64_t)(draw(&w) * 40000);
        if (camlink_rate_control_due(&w.r, now)) {
            camlink_rate_control_begun(&w.r, now);
            sent++;
        }
    }
    CHECK_EQ(sent, 1000);
}

static void rate_that_was_missed_is_not_caught_up_with(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_set_target(&r, 100);
    camlink_rate_control_begun(&r, SECOND);
    camlink_rate_control_begun(&r, 4 * SECOND);
    CHECK(!camlink_rate_control_due(&r, 4 * SECOND + 49999));
    CHECK(camlink_rate_control_due(&r, 4 * SECOND + 50000));
}

static void off_means_everything_is_due_and_fits(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_camera(&r, 0, 63, 12);
    camlink_rate_control_line(&r, 1000);
    CHECK_EQ(camlink_rate_control_interval_us(&r), 0);
    CHECK_EQ(camlink_rate_control_budget(&r), 0);
    for (int i = 0; i < 100; i++) {
        CHECK(camlink_rate_control_due(&r, 1));
        CHECK(camlink_rate_control_admit(&r, 1000000, 12, 0));
        camlink_rate_control_begun(&r, 1);
    }
    CHECK_EQ(r.quality, 12);
}

static void budget_is_a_frame_time_of_the_wire_less_a_reserve(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_set_target(&r, 100);
    CHECK_EQ(camlink_rate_control_budget(&r), 0);
    camlink_rate_control_line(&r, 92160);
    CHECK_EQ(camlink_rate_control_budget(&r), 8928);
    camlink_rate_control_set_target(&r, 1);
    CHECK_EQ(camlink_rate_control_budget(&r), 892800);
    camlink_rate_control_line(&r, UINT32_MAX);
    CHECK_EQ(camlink_rate_control_budget(&r), UINT32_MAX);
}

static void width_of_the_wire_is_learnt_from_what_the_host_takes(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_set_target(&r, 100);
    camlink_rate_control_took(&r, 400, 1); /* too small to tell */
    CHECK_EQ(r.seen, 0);
    camlink_rate_control_took(&r, 20000, 0); /* swallowed by a buffer */
    CHECK_EQ(r.seen, 4000000);
    for (int i = 0; i < 30; i++) {
        camlink_rate_control_took(&r, 20000, 40000);
    }
    CHECK(r.seen >= 499000 && r.seen <= 520000);
    camlink_rate_control_took(&r, 20000, 3000000); /* a stall counts for one frame */
    CHECK(r.seen >= 370000);
    camlink_rate_control_took(&r, 20000, 0);
    CHECK(r.seen <= 500000);
    for (int i = 0; i < 100; i++) {
        camlink_rate_control_took(&r, UINT32_MAX, UINT64_MAX);
    }
    CHECK_EQ(r.seen > 0, 1);
}

static void range_keeps_its_order(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    CHECK_EQ(r.quality_best, 10);
    CHECK_EQ(r.quality_worst, 40);
    camlink_rate_control_set_best(&r, 45);
    CHECK_EQ(r.quality_worst, 45);
    camlink_rate_control_set_worst(&r, 50);
    CHECK_EQ(r.quality_best, 45);
    camlink_rate_control_set_worst(&r, 5);
    CHECK_EQ(r.quality_best, 5);
    camlink_rate_control_set_best(&r, -7);
    CHECK_EQ(r.quality_best, 0);
    camlink_rate_control_set_worst(&r, 1000);
    CHECK_EQ(r.quality_worst, 63);
}

static void quality_enters_the_range_at_once(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_camera(&r, 0, 63, 5);
    camlink_rate_control_set_target(&r, 100);
    CHECK_EQ(r.quality, 10);
    camlink_rate_control_applied(&r, 10);
    camlink_rate_control_set_best(&r, 20);
    CHECK_EQ(r.quality, 20);
    camlink_rate_control_set_best(&r, 0);
    camlink_rate_control_set_worst(&r, 15);
    CHECK_EQ(r.quality, 15);
}

static void camera_s_own_range_bounds_the_host_s(void)
{
    struct world w = world_new(92160, true, 0.8, 0, 100);
    camlink_rate_control_camera(&w.r, 12, 30, 12);
    w.scene = 40;
    run_for(&w, 3000);
    CHECK_EQ(w.r.quality, 30);
    reset_counts(&w);
    run_for(&w, 10000);
    CHECK(w.sent >= 10); /* no worse is to be had: pictures are sent */
    camlink_rate_control_set_worst(&w.r, 5);
    CHECK_EQ(w.r.quality, 12);
}

/* Feeds one picture until it was refused or sent n times. */
static uint32_t sent_of(struct camlink_rate_control *r, uint32_t cost, uint32_t n)
{
    uint32_t sent = 0;
    for (uint32_t i = 0; i < n; i++) {
        sent += camlink_rate_control_admit(r, cost, r->applied, 0) ? 1 : 0;
        if (r->quality != r->applied) {
            camlink_rate_control_applied(r, 12);
        }
    }
    return sent;
}

static void camera_that_will_not_move_is_not_starved(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_camera(&r, 0, 63, 12);
    camlink_rate_control_set_target(&r, 100);
    camlink_rate_control_line(&r, 100000);
    CHECK(sent_of(&r, 50000, 100) >= 90);
}

static void moves_wait_for_the_pipeline_but_not_for_ever(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_camera(&r, 0, 63, 10);
    camlink_rate_control_set_target(&r, 100);
    camlink_rate_control_line(&r, 100000);
    CHECK(camlink_rate_control_admit(&r, 12000, 10, 0));
    uint8_t q = r.quality;
    CHECK(q > 10 && q < 40);
    camlink_rate_control_applied(&r, q);
    for (int i = 0; i < 4; i++) {
        CHECK(camlink_rate_control_admit(&r, 12000, 10, 0));
        CHECK_EQ(r.quality, q);
    }
    CHECK(camlink_rate_control_admit(&r, 12000, 10, 0));
    CHECK(r.quality > q);
}

static void picture_of_two_frame_times_is_skipped(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_camera(&r, 0, 63, 10);
    camlink_rate_control_set_target(&r, 100);
    camlink_rate_control_line(&r, 100000);
    CHECK(camlink_rate_control_admit(&r, 19999, 10, 0));
    camlink_rate_control_camera(&r, 0, 63, 10);
    CHECK(!camlink_rate_control_admit(&r, 20000, 10, 0));
    CHECK(r.quality > 30);
}

static void slow_camera_is_not_starved(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_camera(&r, 0, 63, 10);
    camlink_rate_control_set_target(&r, 250);
    camlink_rate_control_line(&r, 100000);
    for (int i = 0; i < 100; i++) {
        CHECK(camlink_rate_control_admit(&r, 3000, r.applied, 300000));
        camlink_rate_control_applied(&r, r.quality);
    }
}

static void picture_that_waited_too_long_is_skipped_once(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_camera(&r, 0, 63, 10);
    camlink_rate_control_set_target(&r, 100);
    camlink_rate_control_line(&r, 100000);
    CHECK(camlink_rate_control_admit(&r, 9000, 10, 10000));
    CHECK(!camlink_rate_control_admit(&r, 9000, 10, 120000));
    CHECK(camlink_rate_control_admit(&r, 9000, 10, 120000));
}

static void without_a_movable_camera_rate_is_all_there_is(void)
{
    struct camlink_rate_control r;
    camlink_rate_control_init(&r);
    camlink_rate_control_set_target(&r, 100);
    camlink_rate_control_line(&r, 100000);
    for (int i = 0; i < 50; i++) {
        CHECK(camlink_rate_control_admit(&r, 90000, 10, 0));
    }
    CHECK_EQ(r.quality, r.quality_best);
}

void rate_control_suite(void)
{
    RUN(rate_and_age_hold_through_scene_changes);
    RUN(quality_comes_to_rest_on_a_steady_scene);
    RUN(quality_is_not_given_away);
    RUN(camera_that_does_not_tell_its_quality_is_held_all_the_same);
    RUN(calm_scene_gets_the_best_quality);
    RUN(at_the_worst_quality_every_picture_is_sent);
    RUN(camera_faster_than_the_rate_is_thinned_without_drift);
    RUN(camera_at_the_rate_loses_nothing_to_jitter);
    RUN(rate_that_was_missed_is_not_caught_up_with);
    RUN(off_means_everything_is_due_and_fits);
    RUN(budget_is_a_frame_time_of_the_wire_less_a_reserve);
    RUN(width_of_the_wire_is_learnt_from_what_the_host_takes);
    RUN(range_keeps_its_order);
    RUN(quality_enters_the_range_at_once);
    RUN(camera_s_own_range_bounds_the_host_s);
    RUN(camera_that_will_not_move_is_not_starved);
    RUN(moves_wait_for_the_pipeline_but_not_for_ever);
    RUN(picture_of_two_frame_times_is_skipped);
    RUN(slow_camera_is_not_starved);
    RUN(picture_that_waited_too_long_is_skipped_once);
    RUN(without_a_movable_camera_rate_is_all_there_is);
}
