#include "device.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define BOOT_NS (300 * NS_PER_MS)
/* Rounds of one service: enough to fill any buffer, few enough that signals are heard. */
#define ROUNDS 4096

enum sensor_pid { PID_OV2640 = 0x2642 };

static const struct {
    const char *text; /* as the ROM says it */
    unsigned code;
    uint8_t reason; /* as HELLO says it */
    const char *words;
} causes[] = {
    [BOOT_POWER_ON] = {"POWERON_RESET", 0x1, 1, "power on"},
    [BOOT_PIN] = {"POWERON_RESET", 0x1, 2, "reset pin"},
    [BOOT_SOFTWARE] = {"SW_CPU_RESET", 0xC, 3, "asked by the host"},
    [BOOT_PANIC] = {"SW_CPU_RESET", 0xC, 4, "panic"},
};

/* ---- The platform of the core ------------------------------------------------------------- */

static uint64_t platform_now_us(void *ctx)
{
    const struct device *d = ctx;
    return (clock_ns() - d->boot_ns) / 1000;
}

static int platform_write(void *ctx, const uint8_t *p, size_t n)
{
    struct device *d = ctx;
    /* Noise that waits goes first, but never into a packet. */
    bool wait = tap_idle(&d->tap) && noise_pending(&d->noise);
    size_t took = wait ? 0 : tap_write(&d->tap, p, n);
    d->refused = took < n;
    return (int)took;
}

static int platform_read(void *ctx, uint8_t *p, size_t n)
{
    struct device *d = ctx;
    const uint8_t *span;
    size_t have = ring_span(&d->wire.device, &span);
    have = have < n ? have : n;
    memcpy(p, span, have);
    d->wire.device.out += have;
    return (int)have;
}

static bool platform_drained(void *ctx)
{
    const struct device *d = ctx;
    return wire_drained(&d->wire, clock_ns());
}

/* The UART divides 80 MHz by sixteenths. */
static bool platform_set_baud(void *ctx, uint32_t baud, bool check_only)
{
    struct device *d = ctx;
    const uint64_t clock = 80000000ull * 16;
    if (baud < 300 || baud > d->options->baud_max || d->options->usb || d->options->one_way) {
        return false;
    }
    uint64_t made = clock / (clock / baud);
    uint64_t off = made > baud ? made - baud : baud - made;
    if (off * 1000 > 15ull * baud) {
        return false;
    }
    if (!check_only) {
        d->wire.baud = baud;
    }
    return true;
}

static void platform_sensor(void *ctx, bool awake)
{
    struct device *d = ctx;
    d->awake = awake;
    camera_sensor(&d->camera, awake);
}

static void platform_frame_release(void *ctx, struct camlink_frame *f)
{
    struct device *d = ctx;
    camera_release(&d->camera, f);
}

static size_t platform_config_count(void *ctx)
{
    const struct device *d = ctx;
    return settings_count(&d->settings);
}

static void platform_config_get(void *ctx, size_t i, struct camlink_config_item *item)
{
    const struct device *d = ctx;
    settings_item(&d->settings, i, item);
}

static void platform_config_set(void *ctx, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item)
{
    struct device *d = ctx;
    settings_set(&d->settings, i, value, (flags & 1) != 0, item);
}

/* The heap of a process is what the machine can still give it. */
static void platform_health(void *ctx, struct camlink_health *h)
{
    struct device *d = ctx;
    uint64_t available = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    h->heap_free = available < UINT32_MAX ? (uint32_t)available : UINT32_MAX;
    d->heap_min = d->heap_min < h->heap_free ? d->heap_min : h->heap_free;
    h->heap_min = d->heap_min;
    h->psram_free = 0;
    h->captured = (uint32_t)(counted(&d->counters->captured) - d->captured_before);
    h->camera_errors = (uint32_t)(counted(&d->counters->camera_errors) - d->camera_errors_before);
    h->rx_overruns = 0;
    h->temperature = INT16_MIN;
}

static bool platform_reset(void *ctx, uint8_t mode)
{
    struct device *d = ctx;
    d->reset_wanted = mode == 0;
    return d->reset_wanted;
}

static const struct camlink_platform platform = {
    .now_us = platform_now_us,
    .write = platform_write,
    .read = platform_read,
    .drained = platform_drained,
    .set_baud = platform_set_baud,
    .sensor = platform_sensor,
    .frame_release = platform_frame_release,
    .config_count = platform_config_count,
    .config_get = platform_config_get,
    .config_set = platform_config_set,
    .health = platform_health,
    .reset = platform_reset,
};

/* ---- Power -------------------------------------------------------------------------------- */

static uint32_t features(const struct options *o)
{
    uint32_t f = CAMLINK_FEATURE_LAMP | (o->frames == NULL ? CAMLINK_FEATURE_TEST_CARD : 0);
    if (o->one_way) {
        return f | CAMLINK_FEATURE_ONE_WAY;
    }
    f |= CAMLINK_FEATURE_CREDIT | CAMLINK_FEATURE_PERSIST;
    return o->usb ? f : f | CAMLINK_FEATURE_BAUD;
}

static uint32_t base_rate(const struct options *o)
{
    return o->usb ? 0 : o->one_way ? o->baud_base : CAMLINK_BASE_BAUD;
}

static void identify(struct device *d, enum boot_cause cause)
{
    const struct options *o = d->options;
    d->identity = (struct camlink_identity){
        .boot_id = d->identity.boot_id + 1,
        .max_frame = SHOT_MAX,
        .baud_base = base_rate(o),
        .baud_max = o->one_way ? base_rate(o) : o->baud_max,
        .features = features(o),
        .sensor_pid = PID_OV2640,
        .reset_reason = causes[cause].reason,
        .transport = o->usb ? CAMLINK_USB_CDC : CAMLINK_UART,
        .firmware = "hostcam",
        .board = o->board,
        .sdk = "posix",
        .sensor = o->sensor,
        .name = o->name,
    };
    memcpy(d->identity.mac, o->mac, sizeof d->identity.mac);
    /* Not from the seed: a boot that looks like another would hide a restart from the host. */
    uint32_t id;
    if (getrandom(&id, sizeof id, 0) == (ssize_t)sizeof id) {
        d->identity.boot_id = id;
    }
}

/* Everything that a reset forgets, at whatever byte it comes. */
static void forget(struct device *d, uint64_t now)
{
    d->skipped_before = device_skipped(d);
    d->core.skipped_credit = 0;
    d->core.skipped_busy = 0;
    d->captured_before = counted(&d->counters->captured);
    d->camera_errors_before = counted(&d->counters->camera_errors);
    d->boot_ns = now;
    d->awake = false;
    d->refused = false;
    d->reset_wanted = false;
    d->heap_min = UINT32_MAX;
    wire_reset(&d->wire);
    tap_reset(&d->tap);
    noise_clear(&d->noise);
    settings_reboot(&d->settings);
    camera_reboot(&d->camera, now);
}

static void start_core(struct device *d)
{
    camlink_device_init(&d->core, &platform, d, &d->identity, &d->camera.mailbox);
    d->wire.baud = base_rate(d->options);
    d->power = POWER_RUNNING;
    d->core_due_ns = 0;
    d->was_baud = d->wire.baud;
    d->was_linked = false;
    d->was_awake = false;
}

/* The reset pin is let go: the ROM speaks, the core comes later. A USB port is gone until then. */
static void boot(struct device *d, enum boot_cause cause)
{
    uint64_t now = clock_ns();
    forget(d, now);
    identify(d, cause);
    d->power = POWER_BOOTING;
    d->boot_end_ns = now + BOOT_NS;
    if (d->options->usb) {
        pty_unplug(d->pty);
        wire_hang_up(&d->wire);
    } else {
        d->wire.baud = CAMLINK_BASE_BAUD;
        noise_boot(&d->noise, causes[cause].text, causes[cause].code);
    }
}

static void finish_boot(struct device *d)
{
    if (d->options->usb && !pty_plug(d->pty)) {
        d->boot_end_ns = clock_ns() + NS_PER_S;
        return;
    }
    start_core(d);
}

static uint64_t reboot_gap_ns(const struct device *d)
{
    return d->options->reboot_every > 0 ? (uint64_t)(d->options->reboot_every * 1e9) : CLOCK_NEVER;
}

static void picture_sent(void *ctx, uint64_t captured_us)
{
    struct device *d = ctx;
    uint64_t left = wire_left_ns(&d->wire);
    ages_add(&d->ages, platform_now_us(d) + left / 1000 - captured_us, camlink_device_interval_us(&d->core));
    if (device_finished(d)) {
        camera_finish(&d->camera);
    }
}

bool device_start(struct device *d, const struct options *o, struct counters *c, struct pty *pty)
{
    d->options = o;
    d->counters = c;
    d->pty = pty;
    settings_init(&d->settings, o);
    wire_init(&d->wire, o, c, pty);
    tap_init(&d->tap, &d->wire.to_host.fifo, c, o->truncate, o->seed, picture_sent, d);
    noise_init(&d->noise, c, o->noise, o->seed);
    if (!camera_start(&d->camera, o, &d->settings, c)) {
        return false;
    }
    uint64_t gap = reboot_gap_ns(d);
    d->reboot_due_ns = gap == CLOCK_NEVER ? gap : clock_ns() + gap;
    if (o->noise && !o->usb) {
        boot(d, BOOT_POWER_ON);
    } else {
        forget(d, clock_ns());
        identify(d, BOOT_POWER_ON);
        start_core(d);
    }
    return true;
}

void device_stop(struct device *d)
{
    camera_stop(&d->camera);
}

void device_reboot(struct device *d, enum boot_cause cause)
{
    uint64_t gap = reboot_gap_ns(d);
    d->reboot_due_ns = gap == CLOCK_NEVER ? gap : clock_ns() + gap;
    if (d->power == POWER_OFF) {
        return;
    }
    count(&d->counters->reboots, 1);
    fprintf(stderr, "hostcam: reboot: %s\n", causes[cause].words);
    boot(d, cause);
}

void device_unplug(struct device *d)
{
    /* A USB device that boots is off the bus already, but can be pulled out all the same. */
    if (d->pty->master < 0 && !(d->options->usb && d->power == POWER_BOOTING)) {
        return;
    }
    fputs("hostcam: unplugged\n", stderr);
    count(&d->counters->unplugs, 1);
    pty_unplug(d->pty);
    wire_hang_up(&d->wire);
    if (d->options->usb) {
        forget(d, clock_ns());
        d->power = POWER_OFF;
    }
}

void device_plug(struct device *d)
{
    if (d->options->usb && d->power == POWER_OFF) {
        boot(d, BOOT_POWER_ON);
    } else if (d->options->usb || d->pty->master >= 0 || !pty_plug(d->pty)) {
        return;
    }
    fputs("hostcam: plugged in\n", stderr);
}

/* ---- Running ------------------------------------------------------------------------------ */

static void log_edges(struct device *d)
{
    bool linked = camlink_device_linked(&d->core);
    uint32_t baud = camlink_device_baud(&d->core);
    if (linked != d->was_linked) {
        fprintf(stderr, "hostcam: %s\n", linked ? "linked" : "unlinked");
        camlink_device_log(&d->core, 3, "link", linked ? "linked" : "unlinked");
        d->was_linked = linked;
    }
    if (baud != d->was_baud) {
        fprintf(stderr, "hostcam: rate %u -> %u\n", d->was_baud, baud);
        d->was_baud = baud;
    }
    if (d->awake != d->was_awake) {
        camlink_device_log(&d->core, 4, "cam", d->awake ? "sensor awake" : "sensor at rest");
        d->was_awake = d->awake;
    }
}

static void poll_core(struct device *d, uint64_t now)
{
    d->refused = false;
    if (d->power != POWER_RUNNING) {
        d->core_due_ns = d->power == POWER_BOOTING ? d->boot_end_ns : CLOCK_NEVER;
        return;
    }
    d->core_due_ns = now + camlink_device_poll(&d->core) * NS_PER_MS;
    camera_pace(&d->camera, camlink_device_interval_us(&d->core));
    if (d->reset_wanted) {
        device_reboot(d, BOOT_SOFTWARE);
        return;
    }
    log_edges(d);
}

static void exchange(struct device *d, uint64_t now)
{
    for (int round = 0; round < ROUNDS; round++) {
        poll_core(d, now);
        if (tap_idle(&d->tap)) {
            noise_feed(&d->noise, &d->wire.to_host.fifo);
        }
        wire_starve(&d->wire, d->refused || noise_pending(&d->noise));
        bool more = wire_send(&d->wire, now, !tap_idle(&d->tap));
        if (d->wire.baud == 0) {
            wire_flush(&d->wire, now);
        }
        if (!more) {
            break;
        }
    }
    wire_flush(&d->wire, now);
}

void device_service(struct device *d, uint64_t now)
{
    bool was_open = d->pty->open;
    wire_receive(&d->wire, now);
    if (was_open && !d->pty->open) {
        wire_hang_up(&d->wire);
        if (d->options->usb && d->power == POWER_RUNNING) {
            wire_reset(&d->wire);
            tap_reset(&d->tap);
            camlink_device_line_reset(&d->core);
        }
    }
    if (d->power != POWER_RUNNING) {
        ring_clear(&d->wire.device); /* nobody empties the receive FIFO */
    }
    if (now >= d->reboot_due_ns) {
        device_reboot(d, BOOT_PANIC);
    }
    if (d->power == POWER_BOOTING && now >= d->boot_end_ns) {
        finish_boot(d);
    }
    if (d->power == POWER_RUNNING) {
        noise_tick(&d->noise, now, (now - d->boot_ns) / NS_PER_MS);
    }
    exchange(d, now);
}

uint64_t device_due_ns(const struct device *d, uint64_t now)
{
    uint64_t due = clock_earlier(wire_due_ns(&d->wire, now), d->reboot_due_ns);
    if (d->power == POWER_RUNNING) {
        due = clock_earlier(due, noise_due_ns(&d->noise));
    }
    return clock_earlier(due, d->core_due_ns);
}

bool device_finished(const struct device *d)
{
    return d->options->count != 0 && counted(&d->counters->sent) >= d->options->count;
}

uint64_t device_skipped(const struct device *d)
{
    return d->skipped_before + d->core.skipped_credit + d->core.skipped_busy;
}
