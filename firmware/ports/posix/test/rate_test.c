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

/* What came from two seconds after a cut to the next one. */
static bool scene_holds(size_t scene)
{
    double from = (double)scene * SCENE_S + ABSORB_S, first = 0, last = 0, oldest = 0;
    size_t n = 0, bytes = 0;
    int best = 63, worst = 0;
    for (size_t i = 0; i < record.count; i++) {
        const struct seen *f = &record.frame[i];
        if (scene_of(f) != scene || f->at_s < from) {
            continue;
        }
        first = n == 0 ? f->at_s : first;
        last = f->at_s;
        oldest = f->age_ms > oldest ? f->age_ms : oldest;
        best = f->quality < best ? f->quality : best;
        worst = f->quality > worst ? f->quality : worst;
        bytes += f->len;
        n++;
    }
    CHECK(n > 1, "%zu frames in scene %zu", n, scene);
    double fps = (double)(n - 1) / (last - first);
    printf("    scene %zu: %.2f fps, quality %d to %d, %zu bytes a picture, oldest %.0f ms\n", scene, fps, best, worst,
           bytes / n, oldest);
    CHECK(fps >= TENTHS / 10.0 * 0.95 && fps <= TENTHS / 10.0 * 1.05, "%.2f fps", fps);
    CHECK(last - first > SCENE_S - ABSORB_S - 0.5, "%.2f s", last - first);
    CHECK(best >= BEST && worst <= WORST, "quality %d to %d", best, worst);
    return true;
}

static bool ages_hold(void)
{
    for (size_t i = 0; i < record.count; i++) {
        const struct seen *f = &record.frame[i];
        CHECK(f->age_ms > 0 && f->age_ms < 2 * FRAME_MS, "%.1f ms at %.2f s, %u bytes, quality %u", f->age_ms, f->at_s,
              f->len, f->quality);
    }
    return true;
}

static bool look(uint32_t baud)
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
    CHECK(ages_hold(), "%s", "ages");
    CHECK(rig_stat_fresh("frames_late") == 0, "%.0f late", rig_stat("frames_late"));
    CHECK(rig_stat("frame_age_max_ms") > 0 && rig_stat("frame_age_max_ms") < 2 * FRAME_MS, "%.1f ms",
          rig_stat("frame_age_max_ms"));
    return true;
}

/* A busy machine that keeps hostcam or us from running ages pictures, too: of three looks the best one counts. What is
 * wrong with the core is wrong in each. */
static bool holds_rate(uint32_t baud)
{
    for (int i = 0; i < 3; i++) {
        if (look(baud)) {
            return true;
        }
        host_close(&h);
        CHECK(rig_stop(), "%s", "stop");
    }
    return false;
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

/* Without a target: quality stays, and the line never rests. The best of three looks counts, as in the wire's tests. */
static bool uses_the_wire(uint32_t baud)
{
    CHECK(rig_linked("--scene busy --fps 30 --quality 10 --seed 3", baud, &h), "at %u", baud);
    h.on_frame = keep;
    host_credit(&h, 100000, 30000);
    (void)host_run(&h, 500, NULL);
    double best = 0;
    for (int i = 0; i < 3 && best < 0.97; i++) {
        uint64_t bytes = h.bytes, start = h.read_ns;
        record.count = 0;
        (void)host_run(&h, 3000, NULL);
        double share = (double)(h.bytes - bytes) * 1e9 / (double)(h.read_ns - start) / (baud / 10.0);
        printf("    %u baud: %.2f fps, %.2f %% of the wire\n", baud, (double)record.count / 3, 100 * share);
        best = share > best ? share : best;
    }
    CHECK(best >= 0.97 && best < 1.01, "%.4f", best);
    for (size_t i = 0; i < record.count; i++) {
        CHECK(record.frame[i].quality == 10, "quality %u", record.frame[i].quality);
    }
    CHECK(h.broken == 0 && h.wrong == 0 && rig_stat_fresh("frames_late") == 0, "%u broken", h.broken);
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
