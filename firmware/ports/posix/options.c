#include "options.h"

#include "camlink.h"
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char help_text[] =
    "hostcam: a camlink camera on a pseudo terminal, built from the firmware's own core\n"
    "\n"
    "usage: hostcam [options]\n"
    "\n"
    "Port\n"
    "  --link PATH          keep a symlink to the terminal at PATH\n"
    "  --usb                be a USB-CDC port: no line rate, no emulated wire\n"
    "  --one-way BAUD       only the transmit wire is connected: free running at BAUD (ignored with --usb)\n"
    "  --baud-max BAUD      highest rate the device offers (3000000)\n"
    "\n"
    "Pictures\n"
    "  --frames DIR         play the *.jpg and *.jpeg of DIR in name order, again and again\n"
    "  --frames -           send the JPEGs that come on standard input, the newest first\n"
    "                       (neither: a moving test card, drawn at the size and quality the host sets)\n"
    "  --scene card|calm|busy|cut\n"
    "                       what the test card shows: bars, a blank wall, foliage of four times its bytes at the\n"
    "                       same quality, or wall and foliage in turn (card)\n"
    "  --scene-every S      seconds from cut to cut (5)\n"
    "  --fps N              captures per second at most (10): rate control may ask for fewer; standard input sets\n"
    "                       its own pace\n"
    "  --pipeline N         captures that still come with the old quality after a change, 0-3 (0); a camera that\n"
    "                       fills buffers ahead has 1 to 3\n"
    "  --size WxH           size at boot (640x480)\n"
    "  --quality Q          quality at boot, 0-63, lower is better (12)\n"
    "  --count N            stop capturing once N pictures were sent; the link stays\n"
    "  --exit-after-count   and exit when the line is empty\n"
    "\n"
    "Identity\n"
    "  --board NAME (hostcam)  --sensor NAME (OV2640)  --name NAME (none)\n"
    "  --mac AA:BB:CC:DD:EE:FF (made from the seed)\n"
    "\n"
    "Faults (P is a probability from 0 to 1)\n"
    "  --seed N             repeat the faults of another run (random)\n"
    "  --flip P, --drop P, --insert P\n"
    "                       per byte to the host: a flipped bit, a lost byte, a byte from nowhere\n"
    "  --truncate P         per picture: its transmission stops midway, the next one follows\n"
    "  --bad-jpeg P         per picture: no EOI, zeros after EOI, empty, scan cut short; in turn\n"
    "  --noise              boot text, log lines and panic dumps between packets (no boot text on USB)\n"
    "  --stall MS           the line pauses in mid-packet, every --stall-every S seconds (5)\n"
    "  --reboot-every S     reset at whatever byte it is; boot text at 115200, HELLO 300 ms later\n"
    "  --garble-above BAUD  above this rate every byte is damaged, both ways\n"
    "  --mute               never say anything\n"
    "\n"
    "Reports\n"
    "  --stats              print one JSON object a second\n"
    "  --stats-file PATH    keep the newest at PATH, replaced atomically each second and at exit\n"
    "  The object counts since the start of the process (a reboot does not clear it):\n"
    "    captured, sent, skipped, aborted, camera_errors: pictures; sent includes truncated\n"
    "    flips, drops, inserts, garbled: bytes damaged; truncated: pictures\n"
    "    bad_jpeg_no_eoi, bad_jpeg_padding, bad_jpeg_empty, bad_jpeg_cut: pictures\n"
    "    stalls, reboots, noise_lines, unplugs\n"
    "    bytes_out: left the transmit pin; bytes_lost: of those, nobody listened; bytes_in: received\n"
    "    frames_late: pictures whose last byte left more than two frame times after capture; 0 without rate control\n"
    "  and says how things are now:\n"
    "    linked, sensor_awake, port_open: true or false; baud_now: the device's rate, 0 on USB;\n"
    "    host_baud: the rate set on the other end; boot_id; seed; uptime_s: of the process; quality;\n"
    "    frame_age_p99_ms, frame_age_max_ms: from capture to the last byte sent, of the newest 512 pictures\n"
    "\n"
    "Signals\n"
    "  SIGHUP reboot, SIGUSR1 unplug, SIGUSR2 plug in again, SIGTERM and SIGINT exit\n";

enum option_id {
    OPT_HELP = 'h',
    OPT_LINK = 256,
    OPT_USB,
    OPT_ONE_WAY,
    OPT_BAUD_MAX,
    OPT_FRAMES,
    OPT_SCENE,
    OPT_SCENE_EVERY,
    OPT_FPS,
    OPT_PIPELINE,
    OPT_SIZE,
    OPT_QUALITY,
    OPT_COUNT,
    OPT_EXIT_AFTER_COUNT,
    OPT_BOARD,
    OPT_SENSOR,
    OPT_NAME,
    OPT_MAC,
    OPT_SEED,
    OPT_FLIP,
    OPT_DROP,
    OPT_INSERT,
    OPT_TRUNCATE,
    OPT_BAD_JPEG,
    OPT_NOISE,
    OPT_STALL,
    OPT_STALL_EVERY,
    OPT_REBOOT_EVERY,
    OPT_GARBLE_ABOVE,
    OPT_MUTE,
    OPT_STATS,
    OPT_STATS_FILE,
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, OPT_HELP},
    {"link", required_argument, NULL, OPT_LINK},
    {"usb", no_argument, NULL, OPT_USB},
    {"one-way", required_argument, NULL, OPT_ONE_WAY},
    {"baud-max", required_argument, NULL, OPT_BAUD_MAX},
    {"frames", required_argument, NULL, OPT_FRAMES},
    {"scene", required_argument, NULL, OPT_SCENE},
    {"scene-every", required_argument, NULL, OPT_SCENE_EVERY},
    {"fps", required_argument, NULL, OPT_FPS},
    {"pipeline", required_argument, NULL, OPT_PIPELINE},
    {"size", required_argument, NULL, OPT_SIZE},
    {"quality", required_argument, NULL, OPT_QUALITY},
    {"count", required_argument, NULL, OPT_COUNT},
    {"exit-after-count", no_argument, NULL, OPT_EXIT_AFTER_COUNT},
    {"board", required_argument, NULL, OPT_BOARD},
    {"sensor", required_argument, NULL, OPT_SENSOR},
    {"name", required_argument, NULL, OPT_NAME},
    {"mac", required_argument, NULL, OPT_MAC},
    {"seed", required_argument, NULL, OPT_SEED},
    {"flip", required_argument, NULL, OPT_FLIP},
    {"drop", required_argument, NULL, OPT_DROP},
    {"insert", required_argument, NULL, OPT_INSERT},
    {"truncate", required_argument, NULL, OPT_TRUNCATE},
    {"bad-jpeg", required_argument, NULL, OPT_BAD_JPEG},
    {"noise", no_argument, NULL, OPT_NOISE},
    {"stall", required_argument, NULL, OPT_STALL},
    {"stall-every", required_argument, NULL, OPT_STALL_EVERY},
    {"reboot-every", required_argument, NULL, OPT_REBOOT_EVERY},
    {"garble-above", required_argument, NULL, OPT_GARBLE_ABOVE},
    {"mute", no_argument, NULL, OPT_MUTE},
    {"stats", no_argument, NULL, OPT_STATS},
    {"stats-file", required_argument, NULL, OPT_STATS_FILE},
    {NULL, 0, NULL, 0},
};

static bool parse_unsigned(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 0);
    if (!isdigit((unsigned char)s[0]) || *end != '\0' || errno != 0 || v < min || v > max) {
        return false;
    }
    *out = v;
    return true;
}

static bool parse_real(const char *s, double min, double max, double *out)
{
    char *end;
    double v = strtod(s, &end);
    if (end == s || *end != '\0' || !isfinite(v) || v < min || v > max) {
        return false;
    }
    *out = v;
    return true;
}

static bool parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t v;
    if (!parse_unsigned(s, min, max, &v)) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

static bool parse_size(const char *s, uint16_t *width, uint16_t *height)
{
    unsigned w, h;
    int used = 0;
    /* NOLINTNEXTLINE(cert-err34-c): five digits fit, and what a sign makes of them is no size */
    if (sscanf(s, "%5ux%5u%n", &w, &h, &used) != 2 || s[used] != '\0' || !settings_has_size(w, h)) {
        return false;
    }
    *width = (uint16_t)w;
    *height = (uint16_t)h;
    return true;
}

static bool parse_mac(const char *s, uint8_t mac[6])
{
    unsigned b[6];
    int used = 0;
    /* NOLINTNEXTLINE(cert-err34-c): two digits fit */
    if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &used) != 6 ||
        s[used] != '\0') {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = (uint8_t)b[i];
    }
    return true;
}

static bool parse_scene(const char *s, enum scene_kind *out)
{
    static const char *const names[] = {
        [SCENE_CARD] = "card", [SCENE_CALM] = "calm", [SCENE_BUSY] = "busy", [SCENE_CUT] = "cut"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(s, names[i]) == 0) {
            *out = (enum scene_kind)i;
            return true;
        }
    }
    return false;
}

static bool parse_tlv(const char *s, const char **out)
{
    *out = s;
    return s[0] != '\0' && strlen(s) <= 63;
}

/* False: the argument will not do; *expect says what would. */
static bool apply(struct options *o, int id, const char *arg, const char **expect)
{
    switch ((enum option_id)id) {
    case OPT_LINK:
        o->link = arg;
        *expect = "a path";
        return arg[0] != '\0';
    case OPT_USB:
        o->usb = true;
        return true;
    case OPT_ONE_WAY:
        o->one_way = true;
        *expect = "a rate up to 5000000";
        return parse_u32(arg, 0, 5000000, &o->baud_base);
    case OPT_BAUD_MAX:
        *expect = "a rate from 115200 to 5000000";
        return parse_u32(arg, 115200, 5000000, &o->baud_max);
    case OPT_FRAMES:
        o->frames = arg;
        *expect = "a folder or -";
        return arg[0] != '\0';
    case OPT_SCENE:
        *expect = "card, calm, busy or cut";
        return parse_scene(arg, &o->scene);
    case OPT_SCENE_EVERY:
        *expect = "seconds, 0.1 to 86400";
        return parse_real(arg, 0.1, 86400, &o->scene_every);
    case OPT_PIPELINE:
        *expect = "a number from 0 to 3";
        return parse_u32(arg, 0, 3, &o->pipeline);
    case OPT_FPS:
        *expect = "a number from 0.01 to 1000";
        return parse_real(arg, 0.01, 1000, &o->fps);
    case OPT_SIZE:
        *expect = settings_size_list();
        return parse_size(arg, &o->width, &o->height);
    case OPT_QUALITY: {
        uint32_t q;
        *expect = "a number from 0 to 63";
        bool good = parse_u32(arg, 0, 63, &q);
        o->quality = good ? (int32_t)q : 0;
        return good;
    }
    case OPT_COUNT:
        *expect = "a number above 0";
        return parse_unsigned(arg, 1, UINT64_MAX, &o->count);
    case OPT_EXIT_AFTER_COUNT:
        o->exit_after_count = true;
        return true;
    case OPT_BOARD:
        *expect = "1 to 63 bytes";
        return parse_tlv(arg, &o->board);
    case OPT_SENSOR:
        *expect = "1 to 63 bytes";
        return parse_tlv(arg, &o->sensor);
    case OPT_NAME:
        *expect = "1 to 63 bytes";
        return parse_tlv(arg, &o->name);
    case OPT_MAC:
        *expect = "six hexadecimal bytes with colons";
        return parse_mac(arg, o->mac);
    case OPT_SEED:
        *expect = "a number";
        return parse_unsigned(arg, 0, UINT64_MAX, &o->seed);
    case OPT_FLIP:
        return parse_real(arg, 0, 1, &o->flip);
    case OPT_DROP:
        return parse_real(arg, 0, 1, &o->drop);
    case OPT_INSERT:
        return parse_real(arg, 0, 1, &o->insert);
    case OPT_TRUNCATE:
        return parse_real(arg, 0, 1, &o->truncate);
    case OPT_BAD_JPEG:
        return parse_real(arg, 0, 1, &o->bad_jpeg);
    case OPT_NOISE:
        o->noise = true;
        return true;
    case OPT_STALL:
        *expect = "milliseconds, 1 to 600000";
        return parse_u32(arg, 1, 600000, &o->stall_ms);
    case OPT_STALL_EVERY:
        *expect = "seconds, 0.01 to 86400";
        return parse_real(arg, 0.01, 86400, &o->stall_every);
    case OPT_REBOOT_EVERY:
        *expect = "seconds, 0.5 to 86400";
        return parse_real(arg, 0.5, 86400, &o->reboot_every);
    case OPT_GARBLE_ABOVE:
        *expect = "a rate";
        return parse_u32(arg, 1, UINT32_MAX, &o->garble_above);
    case OPT_MUTE:
        o->mute = true;
        return true;
    case OPT_STATS:
        o->stats = true;
        return true;
    case OPT_STATS_FILE:
        o->stats_file = arg;
        *expect = "a path";
        return arg[0] != '\0';
    case OPT_HELP:
        break;
    }
    return false;
}

static const char *option_name(int id)
{
    for (const struct option *o = long_options; o->name != NULL; o++) {
        if (o->val == id) {
            return o->name;
        }
    }
    return "?";
}

static bool consistent(const struct options *o)
{
    if (o->one_way && !o->usb && o->baud_base < 300) {
        fputs("hostcam: --one-way needs a rate of at least 300 on a UART\n", stderr);
        return false;
    }
    if (o->stall_every > 0 && o->stall_ms == 0) {
        fputs("hostcam: --stall-every needs --stall\n", stderr);
        return false;
    }
    if (o->exit_after_count && o->count == 0) {
        fputs("hostcam: --exit-after-count needs --count\n", stderr);
        return false;
    }
    return true;
}

enum parsed options_parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){
        .baud_max = 3000000,
        .fps = 10,
        .width = 640,
        .height = 480,
        .quality = 12,
        .scene_every = 5,
        .board = "hostcam",
        .sensor = "OV2640",
    };
    bool seeded = false, named = false;
    int id;
    while ((id = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        const char *expect = "a probability from 0 to 1";
        if (id == OPT_HELP) {
            fputs(help_text, stdout);
            return PARSED_HELP;
        }
        if (id == '?') {
            fputs("hostcam: see --help\n", stderr);
            return PARSED_BAD;
        }
        if (!apply(o, id, optarg, &expect)) {
            fprintf(stderr, "hostcam: --%s %s: expected %s\n", option_name(id), optarg, expect);
            return PARSED_BAD;
        }
        seeded = seeded || id == OPT_SEED;
        named = named || id == OPT_MAC;
    }
    if (optind < argc) {
        fprintf(stderr, "hostcam: unexpected argument %s; see --help\n", argv[optind]);
        return PARSED_BAD;
    }
    if (!consistent(o)) {
        return PARSED_BAD;
    }
    if (o->stall_ms != 0 && o->stall_every <= 0) {
        o->stall_every = 5;
    }
    if (!seeded) {
        /* Short, so that it can be typed again. */
        uint32_t s = 0;
        if (getrandom(&s, sizeof s, 0) != (ssize_t)sizeof s) {
            fputs("hostcam: no random numbers\n", stderr);
            return PARSED_BAD;
        }
        o->seed = s;
    }
    if (!named) {
        /* 02: locally administered. */
        uint32_t h = camlink_crc32(0, (const uint8_t *)&o->seed, sizeof o->seed);
        uint8_t mac[6] = {0x02, 0xCA};
        camlink_put32(mac + 2, h);
        memcpy(o->mac, mac, sizeof mac);
    }
    return PARSED_RUN;
}
