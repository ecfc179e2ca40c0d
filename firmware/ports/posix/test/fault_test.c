/* Each fault: it happens, it is counted, and a host gets no wrong frame from it. */
#include "check.h"
#include "clock.h"
#include "jpeg.h"
#include "rig.h"

#include <signal.h>
#include <string.h>

static struct host h;

static bool run_with(const char *more, uint32_t baud, unsigned ms)
{
    char line[256];
    snprintf(line, sizeof line, "--frames %s --fps 50 --seed 42 %s", rig_pictures(), more);
    CHECK(rig_linked(line, baud, &h), "%s at %u", more, baud);
    h.keep_credit = true;
    /* Enough that a lost BEGIN does not end the stream. */
    for (uint64_t end = clock_ns() + ms * NS_PER_MS; clock_ns() < end;) {
        host_credit(&h, 3, 3000);
        (void)host_run(&h, 200, NULL);
    }
    host_credit(&h, 0, 3000);
    (void)host_run(&h, 400, NULL);
    CHECK(h.wrong == 0, "%u wrong frames", h.wrong);
    return true;
}

static uint32_t errors(void)
{
    return h.decoder.header_errors + h.decoder.payload_errors + h.decoder.length_errors + h.decoder.version_errors;
}

static bool clean_run_loses_nothing(void)
{
    if (!run_with("", 2000000, 2000)) {
        return false;
    }
    CHECK(rig_stop(), "%s", "stop");
    CHECK(h.broken == 0 && errors() == 0 && h.decoder.lost == 0, "%u broken, %u errors", h.broken, errors());
    CHECK(rig_stat("sent") == h.whole, "%.0f sent, %u whole", rig_stat("sent"), h.whole);
    CHECK(rig_stat("bytes_lost") < 200, "%.0f bytes lost", rig_stat("bytes_lost"));
    return true;
}

static bool bytes_are_damaged(const char *option, const char *stat)
{
    if (!run_with(option, 2000000, 3000)) {
        return false;
    }
    CHECK(rig_stop(), "%s", "stop");
    double faults = rig_stat(stat), sent = rig_stat("sent");
    CHECK(faults > 5 && faults < 80, "%.0f %s in %.0f bytes", faults, stat, rig_stat("bytes_out"));
    CHECK(h.whole > 3 && h.whole < sent && sent - h.whole <= 2 * faults, "%u of %.0f whole, %.0f faults", h.whole, sent,
          faults);
    CHECK(errors() > 0, "%s", "nobody noticed");
    return true;
}

static bool flips(void)
{
    return bytes_are_damaged("--flip 4e-5", "flips");
}

static bool drops(void)
{
    return bytes_are_damaged("--drop 4e-5", "drops");
}

static bool inserts(void)
{
    return bytes_are_damaged("--insert 4e-5", "inserts");
}

static bool truncation(void)
{
    if (!run_with("--truncate 0.2", 3000000, 4000)) {
        return false;
    }
    CHECK(rig_stop(), "%s", "stop");
    double cut = rig_stat("truncated"), sent = rig_stat("sent");
    CHECK(cut > 2 && h.whole > 5, "%.0f truncated, %u whole", cut, h.whole);
    CHECK(sent - h.whole >= cut && sent - h.whole <= 2 * cut + 1, "%.0f sent, %u whole, %.0f truncated", sent, h.whole,
          cut);
    return true;
}

/* Counts what kinds of broken pictures arrive. */
struct kinds {
    uint32_t good, no_eoi, padded, strange;
};

static bool sort_frame(struct host *x, void *ctx)
{
    struct kinds *k = ctx;
    struct jpeg_walk w = {0};
    enum jpeg_status s = jpeg_walk(&w, x->frame, x->frame_len);
    bool open_end = s == JPEG_MORE && w.in_scan;
    k->good += s == JPEG_DONE && w.pos == x->frame_len ? 1 : 0;
    k->padded += s == JPEG_DONE && w.pos < x->frame_len ? 1 : 0;
    k->no_eoi += open_end ? 1 : 0;
    k->strange += s != JPEG_DONE && !open_end ? 1 : 0;
    return true;
}

static bool bad_jpegs(void)
{
    struct kinds k = {0};
    char line[256];
    snprintf(line, sizeof line, "--frames %s --fps 20 --bad-jpeg 0.5 --seed 1", rig_pictures());
    CHECK(rig_linked(line, 3000000, &h), "%s", "link");
    h.on_frame = sort_frame;
    h.ctx = &k;
    h.keep_credit = true;
    host_credit(&h, 2, 3000);
    (void)host_run(&h, 4000, NULL);
    host_credit(&h, 0, 3000);
    (void)host_run(&h, 400, NULL);
    CHECK(rig_stop(), "%s", "stop");
    double no_eoi = rig_stat("bad_jpeg_no_eoi"), padded = rig_stat("bad_jpeg_padding"), cut = rig_stat("bad_jpeg_cut");
    CHECK(k.good > 5 && k.strange == 0, "%u good, %u strange", k.good, k.strange);
    CHECK(k.padded > 1 && k.padded <= padded, "%u of %.0f padded", k.padded, padded);
    CHECK(k.no_eoi > 2 && k.no_eoi <= no_eoi + cut, "%u without EOI, made %.0f and %.0f", k.no_eoi, no_eoi, cut);
    CHECK(rig_stat("bad_jpeg_empty") > 1, "%s", "none empty");
    return true;
}

static bool noise(void)
{
    if (!run_with("--noise", 2000000, 5000)) {
        return false;
    }
    CHECK(rig_stop(), "%s", "stop");
    CHECK(h.broken == 0 && errors() == 0, "%u broken, %u errors: noise inside a packet", h.broken, errors());
    CHECK(h.lines > 15 && h.panic_lines >= 1, "%u lines, %u panics", h.lines, h.panic_lines);
    CHECK(rig_stat("noise_lines") >= h.lines, "%.0f written, %u read", rig_stat("noise_lines"), h.lines);
    return true;
}

static bool stalls(void)
{
    if (!run_with("--stall 120 --stall-every 0.4", 2000000, 3000)) {
        return false;
    }
    CHECK(rig_stop(), "%s", "stop");
    CHECK(rig_stat("stalls") >= 4, "%.0f", rig_stat("stalls"));
    CHECK(h.broken == 0 && errors() == 0 && rig_stat("sent") == h.whole, "%u broken, %u errors", h.broken, errors());
    return true;
}

static bool some_rom_line(const struct host *x)
{
    return x->rom_lines > 0;
}

static bool some_hello(const struct host *x)
{
    return x->hellos > 0;
}

static bool reboots_on_request(void)
{
    int32_t value = 40;
    uint16_t flags;
    CHECK(rig_linked("", 0, &h), "%s", "link");
    h.on_frame = NULL;
    CHECK(host_config(&h, 2, 0, &value, &flags) && value == 40, "%d", value);
    uint32_t boot_id = h.boot_id;
    h.hellos = 0;
    h.rom_lines = 0;
    uint64_t start = clock_ns();
    rig_signal(SIGHUP);
    CHECK(host_run(&h, 250, some_rom_line), "%s", "the ROM is silent");
    CHECK(host_run(&h, 1000, some_hello) && h.boot_id != boot_id, "%08X", h.boot_id);
    uint64_t took = clock_ns() - start;
    CHECK(took > 280 * NS_PER_MS && took < 600 * NS_PER_MS, "HELLO after %llu ms",
          (unsigned long long)(took / NS_PER_MS));
    CHECK(host_link(&h, 1000), "%s", "link");
    uint8_t key[2] = {2, 0};
    CHECK(host_ask(&h, CAMLINK_CONFIG_GET, key, sizeof key, CAMLINK_CONFIG) && camlink_get32(h.answer + 4) == 12,
          "quality %u", camlink_get32(h.answer + 4));
    /* And by the host. */
    uint8_t reset[8] = {0};
    boot_id = h.boot_id;
    camlink_put32(reset + 4, 0x45534552);
    CHECK(host_ask(&h, CAMLINK_RESET, reset, sizeof reset, CAMLINK_RESULT) && h.answer[1] == 0, "%u", h.answer[1]);
    h.hellos = 0;
    CHECK(host_run(&h, 1500, some_hello) && h.boot_id != boot_id, "%s", "no new boot");
    CHECK(rig_stat_fresh("reboots") == 2, "%.0f", rig_stat("reboots"));
    return true;
}

static bool rom_text_is_garbled_at_speed(void)
{
    CHECK(rig_linked("", 2000000, &h), "%s", "link");
    h.hellos = 0;
    uint64_t bytes = h.bytes;
    rig_signal(SIGHUP);
    (void)host_run(&h, 1200, NULL);
    CHECK(h.hellos == 0 && h.rom_lines == 0 && h.bytes > bytes, "%u hellos, %u lines", h.hellos, h.rom_lines);
    CHECK(host_set_baud(&h, 115200) && host_run(&h, 1000, some_hello), "%s", "no beacon at the base rate");
    return true;
}

static bool reboots_again_and_again(void)
{
    CHECK(rig_linked("--reboot-every 1 --fps 50", 0, &h), "%s", "link");
    h.on_frame = NULL;
    uint32_t boots = 0, boot_id = h.boot_id;
    for (uint64_t end = clock_ns() + 4500 * NS_PER_MS; clock_ns() < end;) {
        h.keep_credit = true;
        host_credit(&h, 2, 3000);
        h.hellos = 0;
        (void)host_run(&h, 2000, some_hello);
        boots += h.boot_id != boot_id ? 1 : 0;
        boot_id = h.boot_id;
        (void)host_link(&h, 500);
    }
    CHECK(boots >= 3 && rig_stat_fresh("reboots") >= boots, "%u boots seen, %.0f counted", boots, rig_stat("reboots"));
    return true;
}

static bool garble_above(void)
{
    CHECK(rig_linked("--garble-above 1000000", 0, &h), "%s", "link");
    CHECK(!host_climb(&h, 2000000), "%s", "2000000 was proven");
    CHECK(host_set_baud(&h, 115200), "%s", "set");
    (void)host_run(&h, 3500, NULL);
    CHECK(host_link(&h, 4000) && host_climb(&h, 1000000), "%s", "1000000 was not");
    CHECK(rig_stat_fresh("garbled") > 0, "%s", "nothing garbled");
    return true;
}

static bool mute(void)
{
    CHECK(rig_start("--mute"), "%s", "start");
    CHECK(host_open(&h, rig_link(), 115200) && !host_link(&h, 1200), "%s", "it answered");
    CHECK(h.bytes == 0 && rig_stat_fresh("bytes_out") == 0, "%llu bytes", (unsigned long long)h.bytes);
    CHECK(rig_stat("linked") == 1, "%s", "it heard nothing");
    return true;
}

static bool four_frames(const struct host *x)
{
    return x->whole >= 4;
}

static bool one_way(void)
{
    char line[256];
    snprintf(line, sizeof line, "--frames %s --one-way 1000000", rig_pictures());
    CHECK(rig_start(line) && host_open(&h, rig_link(), 1000000), "%s", "start");
    h.on_frame = rig_known_frame;
    CHECK(host_run(&h, 3000, four_frames) && h.wrong == 0, "%u frames", h.whole);
    CHECK(host_run(&h, 1500, some_hello) && (h.features & (1 << 8)) != 0 && (h.features & 1) == 0, "features %x",
          h.features);
    CHECK(!host_link(&h, 600), "%s", "it read something");
    host_close(&h);
    CHECK(rig_stop(), "%s", "stop");
    snprintf(line, sizeof line, "--frames %s --one-way 0 --usb", rig_pictures());
    CHECK(rig_start(line) && host_open(&h, rig_link(), 115200), "%s", "start");
    h.on_frame = rig_known_frame;
    CHECK(host_run(&h, 3000, four_frames) && h.wrong == 0, "%u frames", h.whole);
    return true;
}

const struct test_case fault_cases[] = {
    {"fault: none, and nothing is lost", clean_run_loses_nothing},
    {"fault: --flip", flips},
    {"fault: --drop", drops},
    {"fault: --insert", inserts},
    {"fault: --truncate", truncation},
    {"fault: --bad-jpeg", bad_jpegs},
    {"fault: --noise stays between packets", noise},
    {"fault: --stall loses nothing", stalls},
    {"fault: a reboot, by signal and by the host", reboots_on_request},
    {"fault: boot text is garbled at a higher rate", rom_text_is_garbled_at_speed},
    {"fault: --reboot-every", reboots_again_and_again},
    {"fault: --garble-above", garble_above},
    {"fault: --mute", mute},
    {"fault: --one-way", one_way},
    {NULL, NULL},
};
