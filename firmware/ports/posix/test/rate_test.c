/* Rate control, whole: real JPEG encoding of a scene that changes hard, the core, and the wire. */
#include "check.h"
#include "clock.h"
#include "rig.h"

#include <string.h>

enum { KEY_TARGET_FPS = 31, KEY_BEST = 32, KEY_WORST = 33 };
enum { TENTHS = 100, FRAME_MS = 1000 * 10 / TENTHS, BEST = 10, WORST = 40 };
/* Calm, busy, calm: cuts at 6, 12 and 18 seconds of hostcam's time. */
enum { SCENE_S = 6, ABSORB_S = 2, END_S = 18, SCENES = END_S / SCENE_S, FRAMES_MAX = 400 };

static struct host h;

struct seen {
    double at_s; /* when the last byte came, in seconds since hostcam's start */
    double age_ms;
    double delay_ms; /* rig_delay_ms by then */
    uint32_t len;
    uint8_t quality;
};

static struct {
    struct seen frame[FRAMES_MAX];
    size_t count;
    uint64_t start_ns;
    int64_t device_us; /* the device's clock less ours */
} record;

static bool keep(struct host *x, void *ctx)
{
    (void)ctx;
    uint64_t now = clock_ns();
    if (record.count < FRAMES_MAX) {
        record.frame[record.count++] = (struct seen){
            .at_s = (double)(now - record.start_ns) / 1e9,
            .age_ms = (double)((int64_t)(now / 1000) + record.device_us - (int64_t)x->captured_us) / 1e3,
            .delay_ms = rig_delay_ms(),
            .len = x->frame_len,
            .quality = x->quality,
        };
    }
    return x->frame[0] == 0xFF && x->frame[x->frame_len - 1] == 0xD9;
}

/* Protocol section 8: the shortest of some round trips counts. */
static bool learn_clock(void)
{
    uint8_t ping[8] = {0};
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 10; i++) {
        int64_t t0 = (int64_t)(clock_ns() / 1000);
        CHECK(host_ask(&h, CAMLINK_PING, ping, sizeof ping, CAMLINK_PONG), "%s", "pong");
        int64_t t3 = (int64_t)(clock_ns() / 1000);
        int64_t t1 = (int64_t)camlink_get64(h.answer + 8), t2 = (int64_t)camlink_get64(h.answer + 16);
        uint64_t trip = (uint64_t)((t3 - t0) - (t2 - t1));
        if (trip < best) {
            best = trip;
            record.device_us = ((t1 - t0) + (t2 - t3)) / 2;
        }
    }
    return true;
}

static bool set(uint16_t key, int32_t value)
{
    int32_t effective = value;
    uint16_t flags;
    CHECK(host_config(&h, key, 0, &effective, &flags), "key %u", key);
    CHECK(effective == value && flags == 0, "key %u is %d, flags %u", key, effective, flags);
    return true;
}

/* Which scene a frame shows: that of its capture. */
static size_t scene_of(const struct seen *f)
{
    return (size_t)((f->at_s - f->age_ms / 1e3) / SCENE_S);
}

/*
 * For how long the system held us or hostcam up while a frame was on its way, or one of those that it may have waited
 * behind: it is that much older, and no fault of the core's.
 */
static double held_up_ms(size_t i)
{
    const struct seen *f = &record.frame[i];
    double since_s = f->at_s - (f->age_ms + 2 * FRAME_MS) / 1e3;
    size_t before = i;
    while (before > 0 && record.frame[before].at_s > since_s) {
        before--;
    }
    return f->delay_ms - record.frame[before].delay_ms;
}

/* What came from two seconds after a cut to the next one. */
static bool scene_holds(size_t scene)
{
    double from = (double)scene * SCENE_S + ABSORB_S, first = 0, last = 0, delay = 0, held = 0, oldest = 0;
    size_t n = 0, bytes = 0;
    int best = 63, worst = 0;
    for (size_t i = 0; i < record.count; i++) {
        const struct seen *f = &record.frame[i];
        if (scene_of(f) != scene || f->at_s < from) {
            continue;
        }
        first = n == 0 ? f->at_s : first;
        last = f->at_s;
        /* Captures that hostcam was kept from are not made up for; it takes a long wait, and not many short ones. */
        double waited = n == 0 ? 0 : f->delay_ms - delay;
        held += waited > FRAME_MS / 2 ? waited / 1e3 : 0;
        delay = f->delay_ms;
        oldest = f->age_ms > oldest ? f->age_ms : oldest;
        best = f->quality < best ? f->quality : best;
        worst = f->quality > worst ? f->quality : worst;
        bytes += f->len;
        n++;
    }
    CHECK(n > 1, "%zu frames in scene %zu", n, scene);
    double span = last - first, intervals = (double)(n - 1);
    printf("    scene %zu: %.2f fps, held up for %.2f s, quality %d to %d, %zu bytes a picture, oldest %.0f ms\n",
           scene, intervals / span, held, best, worst, bytes / n, oldest);
    CHECK(intervals <= TENTHS / 10.0 * 1.05 * span, "%zu in %.2f s", n, span);
    CHECK(intervals >= TENTHS / 10.0 * 0.95 * (span - held), "%zu in %.2f s less %.2f s", n, span, held);
    CHECK(span + held > SCENE_S - ABSORB_S - 0.5, "%.2f s", span);
    CHECK(best >= BEST && worst <= WORST, "quality %d to %d", best, worst);
    return true;
}

/*
 * Two frame times at most, but for what the system took; how many were older, and by how much, in *late and *most. What
 * it took is made up for by the time that each frame leaves the wire free, which is little when the wire is nearly
 * full.
 */
static bool ages_hold(uint32_t baud, unsigned *late, double *most)
{
    *late = 0;
    *most = 0;
    double owed_ms = 0;
    for (size_t i = 0; i < record.count; i++) {
        const struct seen *f = &record.frame[i];
        double over = f->age_ms - 2 * FRAME_MS, held_ms = held_up_ms(i);
        double wire_ms = f->len * 10e3 / baud, free_ms = wire_ms < FRAME_MS ? FRAME_MS - wire_ms : 0;
        owed_ms += (i > 0 ? f->delay_ms - record.frame[i - 1].delay_ms : 0) - free_ms;
        owed_ms = owed_ms > 0 ? owed_ms : 0;
        held_ms = held_ms > owed_ms ? held_ms : owed_ms;
        CHECK(f->age_ms > 0 && over < held_ms, "%.1f ms at %.2f s, held up for %.1f ms, %u bytes, quality %u",
              f->age_ms, f->at_s, held_ms, f->len, f->quality);
        *late += over >= 0 ? 1 : 0;
        *most = over > *most ? over : *most;
    }
    return true;
}

static bool holds_rate(uint32_t baud)
{
    char line[128];
    snprintf(line, sizeof line, "--scene cut --scene-every %d --fps 30 --pipeline 2 --seed 3", SCENE_S);
    record.count = 0;
    record.start_ns = clock_ns();
    CHECK(rig_linked(line, baud, &h), "at %u", baud);
    h.on_frame = keep;
    CHECK(learn_clock() && set(KEY_BEST, BEST) && set(KEY_WORST, WORST) && set(KEY_TARGET_FPS, TENTHS), "%s", "set");
    h.keep_credit = true;
    host_credit(&h, 2, 3000);
    unsigned gone = (unsigned)((clock_ns() - record.start_ns) / NS_PER_MS);
    (void)host_run(&h, END_S * 1000 - gone, NULL);
    CHECK(h.broken == 0 && h.wrong == 0, "%u broken, %u wrong", h.broken, h.wrong);
    for (size_t scene = 0; scene < SCENES; scene++) {
        CHECK(scene_holds(scene), "scene %zu", scene);
    }
    unsigned late;
    double most;
    CHECK(ages_hold(baud, &late, &most), "%s", "ages");
    /* What was late on the wire came late to us. */
    CHECK(rig_stat_fresh("frames_late") <= late, "%.0f late, of which %u came late", rig_stat("frames_late"), late);
    CHECK(rig_stat("frame_age_max_ms") > 0 && rig_stat("frame_age_max_ms") < 2 * FRAME_MS + most, "%.1f ms",
          rig_stat("frame_age_max_ms"));
    return true;
}

static bool holds_rate_at_921600(void)
{
    return holds_rate(921600);
}

static bool holds_rate_at_2000000(void)
{
    return holds_rate(2000000);
}

static bool holds_rate_at_3000000(void)
{
    return holds_rate(3000000);
}

/* Without a target: quality stays, and the line never rests. */
static bool uses_the_wire(uint32_t baud)
{
    CHECK(rig_linked("--scene busy --fps 30 --quality 10 --seed 3", baud, &h), "at %u", baud);
    h.on_frame = keep;
    host_credit(&h, 100000, 30000);
    (void)host_run(&h, 500, NULL);
    record.count = 0;
    double share = rig_line_share(&h, baud, 30);
    CHECK(share >= 0.97 && share < 1.01, "%.4f", share);
    for (size_t i = 0; i < record.count; i++) {
        CHECK(record.frame[i].quality == 10, "quality %u", record.frame[i].quality);
    }
    CHECK(record.count > 0 && h.broken == 0 && h.wrong == 0 && rig_stat_fresh("frames_late") == 0, "%u broken",
          h.broken);
    return true;
}

static bool uses_the_wire_at_921600(void)
{
    return uses_the_wire(921600);
}

static bool uses_the_wire_at_2000000(void)
{
    return uses_the_wire(2000000);
}

static bool uses_the_wire_at_3000000(void)
{
    return uses_the_wire(3000000);
}

const struct test_case rate_cases[] = {
    {"rate: 10 fps through a cut to four times the size at 921600", holds_rate_at_921600},
    {"rate: 10 fps through a cut to four times the size at 2000000", holds_rate_at_2000000},
    {"rate: 10 fps through a cut to four times the size at 3000000", holds_rate_at_3000000},
    {"rate: a fixed quality uses the wire at 921600", uses_the_wire_at_921600},
    {"rate: a fixed quality uses the wire at 2000000", uses_the_wire_at_2000000},
    {"rate: a fixed quality uses the wire at 3000000", uses_the_wire_at_3000000},
    {NULL, NULL},
};
