/* The emulated wire, seen by a host: identity of frames, time, rates. */
#include "check.h"
#include "clock.h"
#include "rig.h"

#include <string.h>
#include <unistd.h>

static struct host h;

static bool three_frames(const struct host *x)
{
    return x->whole >= 3;
}

static bool ten_frames(const struct host *x)
{
    return x->whole >= 10;
}

static const char *with_pictures(const char *more)
{
    static char line[256];
    snprintf(line, sizeof line, "--frames %s %s", rig_pictures(), more);
    return line;
}

static bool frames_at(const char *more, uint32_t baud, unsigned ms)
{
    CHECK(rig_linked(with_pictures(more), baud, &h), "at %u", baud);
    h.keep_credit = true;
    host_credit(&h, 2, 3000);
    CHECK(host_run(&h, ms, baud == 0 ? three_frames : ten_frames), "%u whole, %u broken", h.whole, h.broken);
    CHECK(h.wrong == 0 && h.broken == 0, "%u wrong, %u broken", h.wrong, h.broken);
    CHECK(h.decoder.header_errors == 0 && h.decoder.payload_errors == 0, "%u, %u", h.decoder.header_errors,
          h.decoder.payload_errors);
    host_close(&h);
    return rig_stop();
}

static bool frames_at_base_rate(void)
{
    return frames_at("", 0, 15000);
}

static bool frames_at_each_rate(void)
{
    static const uint32_t rates[] = {460800, 1000000, 1500000, 2000000, 3000000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        if (!frames_at("--fps 50", rates[i], 10000)) {
            return false;
        }
    }
    return true;
}

static bool frames_on_usb(void)
{
    return frames_at("--usb --fps 100", 0, 3000);
}

/* What 8N1 carries while the line is never idle, and no more. */
static bool pace(uint32_t baud)
{
    CHECK(rig_linked(with_pictures("--fps 200"), baud, &h), "at %u", baud);
    host_credit(&h, 100000, 30000);
    (void)host_run(&h, 500, NULL);
    double share = rig_line_share(&h, baud, 30);
    CHECK(share >= 0.98 && share < 1.01, "%.4f", share);
    CHECK(h.broken == 0 && h.wrong == 0 && h.whole >= baud / 400000, "%u whole", h.whole);
    return true;
}

static bool pace_at_115200(void)
{
    return pace(115200);
}

static bool pace_at_1000000(void)
{
    return pace(1000000);
}

static bool pace_at_2000000(void)
{
    return pace(2000000);
}

static bool pace_at_3000000(void)
{
    return pace(3000000);
}

static bool some_hello(const struct host *x)
{
    return x->hellos > 0;
}

static bool wrong_rate_garbles(void)
{
    CHECK(rig_start(with_pictures("")), "%s", "start");
    static const uint32_t wrong[] = {57600, 230400, 1000000};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK(host_open(&h, rig_link(), wrong[i]), "%u", wrong[i]);
        CHECK(!host_link(&h, 1300), "linked at %u", wrong[i]);
        (void)host_run(&h, 200, NULL); /* a byte that is read late would be read at the next rate */
        CHECK(h.hellos == 0 && h.bytes > 20, "%u hellos in %llu bytes at %u", h.hellos, (unsigned long long)h.bytes,
              wrong[i]);
        CHECK(host_set_baud(&h, 115200) && host_run(&h, 1500, some_hello), "no hello after %u", wrong[i]);
        CHECK(rig_stat_fresh("linked") == 0, "%s", "it heard us at the wrong rate");
        host_close(&h);
        usleep(20000);
    }
    CHECK(host_open(&h, rig_link(), 117000) && host_link(&h, 1000), "%s", "1.5 % off is no matter");
    return true;
}

static bool rate_lost_in_mid_stream(void)
{
    CHECK(rig_linked(with_pictures("--fps 50"), 2000000, &h), "%s", "link");
    h.keep_credit = true;
    h.lease_ms = 1000;
    host_credit(&h, 2, h.lease_ms);
    CHECK(host_run(&h, 3000, three_frames), "%u", h.whole);
    h.keep_credit = false;
    CHECK(host_set_baud(&h, 1500000), "%s", "set");
    (void)host_run(&h, 50, NULL);
    uint32_t whole = h.whole;
    (void)host_run(&h, 500, NULL);
    CHECK(h.whole == whole, "%u frames at the wrong rate", h.whole - whole);
    /* The credit is used up and the lease ends: the device is back at its base rate. */
    CHECK(host_set_baud(&h, 115200), "%s", "set");
    h.hellos = 0;
    CHECK(host_run(&h, 4500, some_hello), "%s", "no beacon after the lease");
    CHECK(host_link(&h, 1000) && host_climb(&h, 3000000), "%s", "link again");
    return true;
}

static bool good_bye_before_a_change_of_rate_is_heard(void)
{
    CHECK(rig_linked(with_pictures(""), 2000000, &h), "%s", "link");
    host_credit(&h, 0, 0);
    CHECK(host_set_baud(&h, 115200), "%s", "set");
    h.hellos = 0;
    CHECK(host_run(&h, 900, some_hello), "%s", "no beacon: the good-bye was lost");
    return true;
}

static bool rate_above_the_limit_is_refused(void)
{
    CHECK(rig_linked("--baud-max 1000000", 0, &h), "%s", "link");
    uint8_t set[12] = {0};
    camlink_put32(set, 2000000);
    camlink_put32(set + 4, 1);
    camlink_put16(set + 8, 1000);
    CHECK(host_ask(&h, CAMLINK_BAUD_SET, set, sizeof set, CAMLINK_RESULT), "%s", "answer");
    CHECK(h.answer[1] == CAMLINK_STATUS_INVALID, "%u", h.answer[1]);
    CHECK(host_climb(&h, 1000000), "%s", "1000000");
    return true;
}

static uint64_t cpu_ticks(void)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)rig_pid());
    FILE *f = fopen(path, "re");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof text - 1, f);
    if (f != NULL) {
        fclose(f);
    }
    text[n] = '\0';
    unsigned long long user = 0, system = 0;
    const char *after = strrchr(text, ')');
    if (after == NULL ||
        sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2) {
        return UINT64_MAX / 2;
    }
    return user + system;
}

/* Percent of a core over two seconds in which the host keeps the lease. */
static double cpu_share(void)
{
    uint64_t before = cpu_ticks();
    (void)host_run(&h, 2000, NULL);
    return (double)(cpu_ticks() - before) * 100 / (double)sysconf(_SC_CLK_TCK) / 2;
}

static bool idle_costs_nothing(void)
{
    CHECK(rig_start(with_pictures("")), "%s", "start");
    CHECK(host_open(&h, rig_link(), 115200), "%s", "open");
    host_close(&h);
    h.fd = -1;
    uint64_t before = cpu_ticks();
    usleep(2000000);
    double closed = (double)(cpu_ticks() - before) * 100 / (double)sysconf(_SC_CLK_TCK) / 2;
    CHECK(host_open(&h, rig_link(), 115200) && host_link(&h, 1000), "%s", "link");
    double linked = cpu_share();
    printf("    closed %.1f %%, linked and idle %.1f %% of a core\n", closed, linked);
    CHECK(closed <= 2 && linked <= 2, "%s", "too much");
    return true;
}

static bool clock_is_sane(void)
{
    CHECK(rig_linked("", 1000000, &h), "%s", "link");
    uint8_t ping[8];
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t t0 = clock_ns();
        camlink_put64(ping, t0);
        CHECK(host_ask(&h, CAMLINK_PING, ping, sizeof ping, CAMLINK_PONG), "%s", "pong");
        uint64_t rx = camlink_get64(h.answer + 8), tx = camlink_get64(h.answer + 16), trip = clock_ns() - t0;
        CHECK(camlink_get64(h.answer) == t0 && tx >= rx && (tx - rx) * 1000 <= trip, "%llu us",
              (unsigned long long)(tx - rx));
        best = trip - (tx - rx) * 1000 < best ? trip - (tx - rx) * 1000 : best;
    }
    printf("    shortest round trip %.2f ms\n", (double)best / 1e6);
    /* 24 bytes one way and 44 the other: 0.68 ms on the wire. */
    CHECK(best >= 600000 && best < 10000000, "%llu ns", (unsigned long long)best);
    return true;
}

static bool silence_ends_the_lease(void)
{
    CHECK(rig_linked(with_pictures(""), 1000000, &h), "%s", "link");
    host_credit(&h, 1000, 1200);
    CHECK(host_run(&h, 1000, three_frames), "%u", h.whole);
    CHECK(rig_stat_fresh("sensor_awake") == 1, "%s", "asleep");
    (void)host_run(&h, 1600, NULL);
    CHECK(rig_stat_fresh("linked") == 0 && rig_stat("sensor_awake") == 0 && rig_stat("baud_now") == 115200, "baud %.0f",
          rig_stat("baud_now"));
    return true;
}

const struct test_case wire_cases[] = {
    {"wire: frames are byte-identical at 115200", frames_at_base_rate},
    {"wire: frames are byte-identical at every rate of the ladder", frames_at_each_rate},
    {"wire: frames are byte-identical on USB", frames_on_usb},
    {"wire: 115200 baud carry what they can and no more", pace_at_115200},
    {"wire: 1000000 baud carry what they can and no more", pace_at_1000000},
    {"wire: 2000000 baud carry what they can and no more", pace_at_2000000},
    {"wire: 3000000 baud carry what they can and no more", pace_at_3000000},
    {"wire: a wrong rate garbles both ways", wrong_rate_garbles},
    {"wire: a rate lost in mid-stream ends the link", rate_lost_in_mid_stream},
    {"wire: a good-bye just before a change of rate is heard", good_bye_before_a_change_of_rate_is_heard},
    {"wire: a rate above the limit is refused", rate_above_the_limit_is_refused},
    {"wire: an idle camera costs nothing", idle_costs_nothing},
    {"wire: the device clock is sane and the wire takes time", clock_is_sane},
    {"wire: silence ends the lease", silence_ends_the_lease},
    {NULL, NULL},
};
