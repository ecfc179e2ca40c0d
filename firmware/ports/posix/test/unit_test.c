/* The parts that need no process: receiver model, odds, JPEG walk, settings, tap, test card. */
#include "ages.h"
#include "check.h"
#include "faults.h"
#include "jpeg.h"
#include "rig.h"
#include "settings.h"
#include "tap.h"
#include "testcard.h"
#include "uart.h"

#include <stdlib.h>
#include <string.h>

/* Sends n bytes back to back and rests; returns how many arrived. */
static size_t cross(const uint8_t *in, size_t n, uint32_t tx, uint32_t rx, uint8_t *out, size_t cap)
{
    struct uart_rx u = {0};
    size_t got = 0;
    for (size_t i = 0; i < n && got + UART_BURST <= cap; i++) {
        got += uart_cross(&u, in[i], tx, rx, out + got);
    }
    return got + uart_rest(&u, 1000000000, rx, out + got);
}

static bool uart_tolerates_a_little(void)
{
    uint8_t in[256], out[1024];
    for (int i = 0; i < 256; i++) {
        in[i] = (uint8_t)i;
    }
    static const uint32_t rates[] = {100000, 98100, 101900, 97000, 103000, 96000, 104000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        size_t n = cross(in, sizeof in, 100000, rates[i], out, sizeof out);
        CHECK(n == sizeof in && memcmp(in, out, n) == 0, "received at %u: %zu bytes", rates[i], n);
    }
    return true;
}

/* Worked out by hand: samples at a quarter and three quarters of each bit that was sent. */
static bool uart_garbles_as_on_paper(void)
{
    uint8_t out[64];
    size_t n = cross((const uint8_t[]){0x55}, 1, 115200, 230400, out, sizeof out);
    CHECK(n == 2 && out[0] == 0x66 && out[1] == 0xE6, "%zu bytes: %02X %02X", n, out[0], out[1]);
    n = cross((const uint8_t[]){0x00}, 1, 9600, 115200, out, sizeof out);
    CHECK(n == 1 && out[0] == 0, "a break is one zero, %zu came", n);
    n = cross((const uint8_t[]){0xFF}, 1, 3000000, 115200, out, sizeof out);
    CHECK(n == 0, "a spike is no start bit, %zu bytes came", n);
    return true;
}

static bool uart_resynchronises(void)
{
    struct uart_rx u = {0};
    uint8_t out[UART_BURST];
    for (int i = 0; i < 100; i++) {
        (void)uart_cross(&u, (uint8_t)(i * 37), 1000000, 115200, out);
    }
    (void)uart_rest(&u, 1000000000, 115200, out);
    for (int i = 0; i < 256; i++) {
        size_t n = uart_cross(&u, (uint8_t)i, 115200, 115200, out);
        CHECK(n == 1 && out[0] == i, "byte %d became %zu", i, n);
    }
    return true;
}

static bool odds_are_exact_and_repeatable(void)
{
    static struct counters c, d;
    struct options o = {.flip = 1e-3, .drop = 2e-3, .insert = 5e-4, .seed = 11};
    struct faults a, b;
    faults_init(&a, &o, &c);
    faults_init(&b, &o, &d);
    size_t total = 0;
    for (int i = 0; i < 1000000; i++) {
        uint8_t x[FAULTS_BURST] = {0}, y[FAULTS_BURST] = {0};
        size_t n = faults_apply(&a, 0x5A, x);
        CHECK(n == faults_apply(&b, 0x5A, y) && memcmp(x, y, sizeof x) == 0, "byte %d", i);
        total += n;
    }
    uint64_t flips = counted(&c.flips), drops = counted(&c.drops), inserts = counted(&c.inserts);
    CHECK(flips > 850 && flips < 1150, "%llu", (unsigned long long)flips);
    CHECK(drops > 1800 && drops < 2200, "%llu", (unsigned long long)drops);
    CHECK(inserts > 400 && inserts < 600, "%llu", (unsigned long long)inserts);
    CHECK(total == 1000000 - drops + inserts, "%zu", total);
    return true;
}

static bool jpeg_end_is_found_at_any_split(void)
{
    size_t n;
    const uint8_t *p = rig_picture(0, &n);
    struct jpeg_walk w = {0};
    for (size_t have = 0; have < n; have++) {
        CHECK(jpeg_walk(&w, p, have) == JPEG_MORE, "done at %zu of %zu", have, n);
    }
    CHECK(jpeg_walk(&w, p, n) == JPEG_DONE && w.pos == n, "%zu of %zu", w.pos, n);
    CHECK(w.width == 320 && w.height == 240, "%ux%u", w.width, w.height);
    w = (struct jpeg_walk){0};
    CHECK(jpeg_walk(&w, p + 1, n - 1) == JPEG_BAD, "%s", "no SOI");
    return true;
}

static bool jpeg_damage_is_what_it_says(void)
{
    size_t n;
    const uint8_t *p = rig_picture(0, &n);
    uint8_t *copy = calloc(1, n + 600);
    CHECK(copy != NULL, "%s", "out of memory");
    struct rng r;
    rng_seed(&r, 3, 3);
    memcpy(copy, p, n);
    CHECK(jpeg_damage(copy, n, n + 600, BAD_NO_EOI, &r) == n - 2, "%s", "no EOI");
    CHECK(jpeg_damage(copy, n, n + 600, BAD_EMPTY, &r) == 0, "%s", "empty");
    size_t padded = jpeg_damage(copy, n, n + 600, BAD_PADDING, &r);
    CHECK(padded > n && padded <= n + 512 && copy[n] == 0 && copy[n - 1] == 0xD9, "%zu", padded);
    CHECK(jpeg_damage(copy, n, n, BAD_PADDING, &r) == n, "%s", "no room for padding");
    for (int i = 0; i < 100; i++) {
        struct jpeg_walk w = {0};
        size_t cut = jpeg_damage(copy, n, n, BAD_CUT, &r);
        CHECK(cut < n - 2 && cut > 300 && jpeg_walk(&w, copy, cut) == JPEG_MORE && w.in_scan, "cut at %zu", cut);
    }
    free(copy);
    return true;
}

static size_t index_of(const struct settings *s, uint16_t key)
{
    struct camlink_config_item item;
    for (size_t i = 0; i < settings_count(s); i++) {
        settings_item(s, i, &item);
        if (item.key == key) {
            return i;
        }
    }
    return settings_count(s);
}

static bool settings_clamp_and_forget(void)
{
    static struct settings s;
    struct options o = {.width = 640, .height = 480, .quality = 12, .sensor = "OV2640"};
    struct camlink_config_item item;
    settings_init(&s, &o);
    size_t size = index_of(&s, SET_SIZE), quality = index_of(&s, SET_QUALITY);
    settings_set(&s, size, 700 << 16 | 500, false, &item);
    CHECK(item.value == (640 << 16 | 480) && item.flags == CAMLINK_CONFIG_CLAMPED, "%x %x", (unsigned)item.value,
          item.flags);
    settings_set(&s, size, 1 << 16 | 1, false, &item);
    CHECK(item.value == (96 << 16 | 96) && item.flags == CAMLINK_CONFIG_CLAMPED, "%x", (unsigned)item.value);
    settings_set(&s, size, (int32_t)0xFFFFFFFFu, false, &item);
    CHECK(item.value == (1600 << 16 | 1200), "%x", (unsigned)item.value);
    settings_set(&s, size, 320 << 16 | 240, false, &item);
    CHECK(item.value == (320 << 16 | 240) && item.flags == 0, "%x %x", (unsigned)item.value, item.flags);
    settings_set(&s, quality, 20, true, &item);
    settings_reboot(&s);
    CHECK(settings_get(&s, SET_SIZE) == (640 << 16 | 480), "%s", "not persistent");
    CHECK(settings_get(&s, SET_QUALITY) == 20, "%s", "persistent");
    settings_set(&s, index_of(&s, SET_XCLK_HZ), 1, false, &item);
    CHECK(item.value == 20000000 && (item.flags & CAMLINK_CONFIG_READ_ONLY) != 0, "%d", item.value);
    CHECK(index_of(&s, SET_SHARPNESS) == settings_count(&s), "%s", "an OV2640 has no sharpness");
    o.sensor = "OV5640";
    settings_init(&s, &o);
    CHECK(index_of(&s, SET_SHARPNESS) < settings_count(&s), "%s", "an OV5640 has");
    return true;
}

/* ---- Tap ---------------------------------------------------------------------------------- */

static size_t make_packet(uint8_t *out, uint8_t type, uint8_t flags, const uint8_t *payload, size_t len)
{
    struct camlink_encoder e;
    struct camlink_header h = {.type = type, .flags = flags, .ref = 1};
    const uint8_t *p;
    size_t n, used = 0;
    camlink_encode(&e, &h, NULL, 0, payload, len);
    while ((n = camlink_encoder_span(&e, &p)) > 0) {
        memcpy(out + used, p, n);
        used += n;
        camlink_encoder_take(&e, n);
    }
    return used;
}

static const uint64_t captured_at = 0x0123456789ABCDEF;

/* A picture that was captured at another time is none. */
static void count_sent(void *ctx, uint64_t captured_us)
{
    *(int *)ctx += captured_us == captured_at ? 1 : 0;
}

/* A picture of 3000 bytes in three chunks, then a PONG; in pieces of step. Returns the bytes that came out. */
static size_t through_tap(struct tap *t, struct ring *fifo, size_t step, uint8_t *in, size_t *in_len, uint8_t *out)
{
    uint8_t payload[1028] = {0};
    size_t n = 0, got = 0;
    camlink_put32(payload, 1);
    camlink_put32(payload + 4, 3000);
    camlink_put64(payload + 8, captured_at);
    n += make_packet(in + n, CAMLINK_FRAME_BEGIN, 0, payload, 32);
    for (uint32_t at = 0; at < 3000; at += 1000) {
        memset(payload, (int)(at / 1000 + 1), sizeof payload);
        camlink_put32(payload, at);
        n += make_packet(in + n, CAMLINK_FRAME_CHUNK, at == 2000 ? CAMLINK_LAST : 0, payload, 1004);
    }
    n += make_packet(in + n, CAMLINK_PONG, 0, payload, 28);
    for (size_t at = 0; at < n;) {
        size_t piece = n - at < step ? n - at : step;
        at += tap_write(t, in + at, piece);
        while (ring_used(fifo) > 0) {
            out[got++] = ring_pop(fifo);
        }
    }
    *in_len = n;
    return got;
}

static bool tap_passes_everything(void)
{
    static struct counters c;
    static uint8_t room[128], in[8192], out[8192];
    for (size_t step = 1; step < 200; step += 7) {
        struct ring fifo;
        struct tap t;
        int sent = 0;
        size_t n;
        ring_init(&fifo, room, sizeof room);
        tap_init(&t, &fifo, &c, 0, 1, count_sent, &sent);
        size_t got = through_tap(&t, &fifo, step, in, &n, out);
        CHECK(got == n && memcmp(in, out, n) == 0, "step %zu: %zu of %zu", step, got, n);
        CHECK(sent == 1 && tap_idle(&t), "%d", sent);
    }
    return true;
}

static bool tap_truncates_pictures_only(void)
{
    static uint8_t room[128], in[8192], out[8192];
    for (uint64_t seed = 0; seed < 200; seed++) {
        static struct counters c;
        struct ring fifo;
        struct tap t;
        int sent = 0;
        size_t n;
        ring_init(&fifo, room, sizeof room);
        tap_init(&t, &fifo, &c, 1, seed, count_sent, &sent);
        size_t got = through_tap(&t, &fifo, 64, in, &n, out);
        const size_t begin = 12 + 32 + 4, pong = 12 + 28 + 4;
        CHECK(got >= begin + pong && got < n, "seed %llu: %zu of %zu", (unsigned long long)seed, got, n);
        CHECK(memcmp(in, out, got - pong) == 0, "seed %llu: what came first is intact", (unsigned long long)seed);
        CHECK(memcmp(in + n - pong, out + got - pong, pong) == 0, "seed %llu: what followed is intact",
              (unsigned long long)seed);
        CHECK(sent == 1, "%d", sent);
    }
    return true;
}

static bool tap_follows_a_dropped_packet(void)
{
    static struct counters c;
    static uint8_t room[4096], in[2048], pong[64];
    struct ring fifo;
    struct tap t;
    int sent = 0;
    uint8_t payload[1004] = {0};
    ring_init(&fifo, room, sizeof room);
    tap_init(&t, &fifo, &c, 0, 1, count_sent, &sent);
    (void)make_packet(in, CAMLINK_FRAME_CHUNK, 0, payload, sizeof payload);
    CHECK(tap_write(&t, in, 500) == 500 && !tap_idle(&t), "%s", "half a chunk");
    size_t n = make_packet(pong, CAMLINK_PONG, 0, payload, 28);
    CHECK(tap_write(&t, pong, n) == n && tap_idle(&t), "%s", "the next packet is seen as one");
    CHECK(ring_used(&fifo) == 500 + n, "%zu", ring_used(&fifo));
    return true;
}

/* ---- Test card ---------------------------------------------------------------------------- */

static bool card_sizes_are_realistic(void)
{
    static struct settings s;
    static struct testcard card;
    struct options o = {.width = 640, .height = 480, .quality = 12, .sensor = "OV2640", .seed = 1};
    struct camlink_config_item item;
    struct shot shot = {.data = malloc(SHOT_MAX)};
    settings_init(&s, &o);
    testcard_init(&card, &s, &o);
    size_t size = index_of(&s, SET_SIZE), before = SHOT_MAX;
    for (int q = 4; q < 64; q += 8) {
        shot.quality = (uint8_t)q;
        CHECK(testcard_shoot(&card, &shot) && shot.len < before, "quality %d: %zu after %zu", q, shot.len, before);
        before = shot.len;
        CHECK(q != 12 || (shot.len > 15000 && shot.len < 45000), "%zu bytes of VGA at quality 12", shot.len);
    }
    shot.quality = 12;
    static const int32_t sizes[] = {96 << 16 | 96, 400 << 16 | 296, 1280 << 16 | 720, 1600 << 16 | 1200};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        settings_set(&s, size, sizes[i], false, &item);
        struct jpeg_walk w = {0};
        CHECK(testcard_shoot(&card, &shot) && jpeg_walk(&w, shot.data, shot.len) == JPEG_DONE && w.pos == shot.len,
              "%zu", i);
        CHECK((w.width << 16 | w.height) == sizes[i] && shot.width == w.width && shot.height == w.height, "%ux%u",
              w.width, w.height);
    }
    free(shot.data);
    return true;
}

/* Mean size of some pictures. */
static size_t scene_size(enum scene_kind scene, uint8_t quality)
{
    static struct settings s;
    static struct testcard card;
    static uint8_t data[SHOT_MAX];
    struct options o = {.width = 640, .height = 480, .sensor = "OV2640", .seed = 1, .scene = scene};
    struct shot shot = {.data = data, .quality = quality};
    size_t sum = 0;
    settings_init(&s, &o);
    testcard_init(&card, &s, &o);
    for (int i = 0; i < 5; i++) {
        sum += testcard_shoot(&card, &shot) ? shot.len : 0;
    }
    return sum / 5;
}

static bool scenes_are_four_times_apart(void)
{
    for (uint8_t q = 11; q <= 12; q++) {
        double calm = (double)scene_size(SCENE_CALM, q), busy = (double)scene_size(SCENE_BUSY, q);
        CHECK(busy / calm > 3.6 && busy / calm < 4.4, "%.0f and %.0f bytes at quality %u", calm, busy, q);
    }
    size_t before = SIZE_MAX;
    for (uint8_t q = 5; q <= 60; q += 5) {
        size_t size = scene_size(SCENE_BUSY, q);
        CHECK(size < before, "%zu bytes at quality %u, %zu before", size, q, before);
        before = size;
    }
    return true;
}

static bool ages_are_ranked_and_late_ones_counted(void)
{
    static struct ages a;
    CHECK(ages_ms(&a, 100) == 0, "%.1f", ages_ms(&a, 100));
    for (uint64_t i = 1; i <= 100; i++) {
        ages_add(&a, i * 2000, 99000);
    }
    CHECK(ages_ms(&a, 99) == 198 && ages_ms(&a, 100) == 200 && ages_ms(&a, 1) == 2, "%.1f", ages_ms(&a, 99));
    CHECK(a.late == 1, "%llu", (unsigned long long)a.late);
    ages_add(&a, UINT64_MAX, 0);
    CHECK(a.late == 1, "%s", "nothing is late without rate control");
    for (unsigned i = 0; i < AGES_KEPT; i++) {
        ages_add(&a, 5000, 99000);
    }
    CHECK(ages_ms(&a, 100) == 5, "%.1f", ages_ms(&a, 100));
    return true;
}

const struct test_case unit_cases[] = {
    {"unit: a receiver tolerates a rate 4 % off", uart_tolerates_a_little},
    {"unit: a receiver at a wrong rate sees what paper says", uart_garbles_as_on_paper},
    {"unit: a receiver finds back after garbage", uart_resynchronises},
    {"unit: the odds of faults are exact and repeat", odds_are_exact_and_repeatable},
    {"unit: the end of a JPEG is found at any split", jpeg_end_is_found_at_any_split},
    {"unit: JPEG damage is what it says", jpeg_damage_is_what_it_says},
    {"unit: settings clamp, persist and forget", settings_clamp_and_forget},
    {"unit: the tap passes packets in pieces of any size", tap_passes_everything},
    {"unit: the tap truncates a picture and nothing else", tap_truncates_pictures_only},
    {"unit: the tap follows a packet given up midway", tap_follows_a_dropped_packet},
    {"unit: test cards are sized like pictures", card_sizes_are_realistic},
    {"unit: foliage takes four times the bytes of a wall", scenes_are_four_times_apart},
    {"unit: ages are ranked, and late ones counted", ages_are_ranked_and_late_ones_counted},
    {NULL, NULL},
};
