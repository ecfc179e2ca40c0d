#include "noise.h"

#include "clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const uint64_t log_every_ns = NS_PER_S / 2, panic_every_ns = 4 * NS_PER_S;

void noise_init(struct noise *n, struct counters *c, bool chatty, uint64_t seed)
{
    n->counters = c;
    n->chatty = chatty;
    rng_seed(&n->rng, seed, 3);
    ring_init(&n->text, n->room, sizeof n->room);
    uint64_t now = clock_ns();
    n->log_due_ns = chatty ? now + log_every_ns : CLOCK_NEVER;
    n->panic_due_ns = chatty ? now + panic_every_ns : CLOCK_NEVER;
}

bool noise_pending(const struct noise *n)
{
    return ring_used(&n->text) > 0;
}

void noise_clear(struct noise *n)
{
    ring_clear(&n->text);
}

uint64_t noise_due_ns(const struct noise *n)
{
    return clock_earlier(n->log_due_ns, n->panic_due_ns);
}

void noise_feed(struct noise *n, struct ring *fifo)
{
    while (ring_used(&n->text) > 0 && ring_room(fifo) > 0) {
        ring_push(fifo, ring_pop(&n->text));
    }
}

/* One line; a line that does not fit any more is left out whole. */
__attribute__((format(printf, 2, 3))) static void say(struct noise *n, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof line || ring_room(&n->text) < (size_t)len + 2) {
        return;
    }
    for (int i = 0; i < len; i++) {
        ring_push(&n->text, (uint8_t)line[i]);
    }
    ring_push(&n->text, '\r');
    ring_push(&n->text, '\n');
    count(&n->counters->noise_lines, 1);
}

void noise_boot(struct noise *n, const char *reason, unsigned code)
{
    say(n, "ets Jul 29 2019 12:21:46");
    say(n, "%s", "");
    say(n, "rst:0x%x (%s),boot:0x13 (SPI_FAST_FLASH_BOOT)", code, reason);
    say(n, "configsip: 0, SPIWP:0xee");
    say(n, "clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00");
    say(n, "mode:DIO, clock div:2");
    say(n, "load:0x3fff0030,len:%u", 6000 + rng_below(&n->rng, 2000));
    say(n, "load:0x40078000,len:%u", 14000 + rng_below(&n->rng, 2000));
    say(n, "load:0x40080400,len:4");
    say(n, "entry 0x40080%03x", rng_below(&n->rng, 0x1000));
    say(n, "\033[0;32mI (29) boot: ESP-IDF v5.5.1 2nd stage bootloader\033[0m");
    say(n, "\033[0;32mI (58) boot: Loaded app from partition at offset 0x10000\033[0m");
}

static void log_line(struct noise *n, uint64_t t)
{
    switch (rng_below(&n->rng, 4)) {
    case 0:
        say(n, "\033[0;32mI (%" PRIu64 ") cam: exposure %u gain %u\033[0m", t, rng_below(&n->rng, 1200),
            rng_below(&n->rng, 31));
        break;
    case 1:
        say(n, "\033[0;33mW (%" PRIu64 ") cam_hal: FB-OVF\033[0m", t);
        break;
    case 2:
        say(n, "\033[0;31mE (%" PRIu64 ") cam_hal: NO-EOI\033[0m", t);
        break;
    default:
        say(n, "I (%" PRIu64 ") wdt: heap %u psram %u", t, 100000 + rng_below(&n->rng, 50000),
            rng_below(&n->rng, 4000000));
        break;
    }
}

static uint32_t code_address(struct noise *n)
{
    return 0x400d0000u + (rng_below(&n->rng, 0x10000) & ~3u);
}

static void panic(struct noise *n)
{
    static const char registers[4][4][9] = {
        {"A2      ", "A3      ", "A4      ", "A5      "},
        {"A6      ", "A7      ", "A8      ", "A9      "},
        {"A10     ", "A11     ", "A12     ", "A13     "},
        {"SAR     ", "EXCCAUSE", "EXCVADDR", "LBEG    "},
    };
    uint32_t pc = code_address(n), sp = 0x3ffb0000u + (rng_below(&n->rng, 0x8000) & ~15u);
    say(n, "Guru Meditation Error: Core  1 panic'ed (LoadProhibited). Exception was unhandled.");
    say(n, "%s", "");
    say(n, "Core  1 register dump:");
    say(n, "PC      : 0x%08" PRIx32 "  PS      : 0x00060630  A0      : 0x%08" PRIx32 "  A1      : 0x%08" PRIx32, pc,
        code_address(n) | 0x80000000u, sp);
    for (int i = 0; i < 4; i++) {
        say(n, "%.8s: 0x%08" PRIx32 "  %.8s: 0x%08" PRIx32 "  %.8s: 0x%08" PRIx32 "  %.8s: 0x%08" PRIx32,
            registers[i][0], (uint32_t)rng_next(&n->rng), registers[i][1], (uint32_t)rng_next(&n->rng), registers[i][2],
            (uint32_t)rng_next(&n->rng), registers[i][3], (uint32_t)rng_next(&n->rng));
    }
    say(n, "%s", "");
    say(n, "Backtrace: 0x%08" PRIx32 ":0x%08" PRIx32 " 0x%08" PRIx32 ":0x%08" PRIx32 " 0x%08" PRIx32 ":0x%08" PRIx32,
        pc, sp, code_address(n), sp + 32, code_address(n), sp + 96);
    say(n, "%s", "");
    say(n, "ELF file SHA256: %016" PRIx64, rng_next(&n->rng));
    say(n, "Rebooting...");
}

void noise_tick(struct noise *n, uint64_t now_ns, uint64_t uptime_ms)
{
    if (now_ns >= n->log_due_ns) {
        n->log_due_ns = now_ns + log_every_ns;
        log_line(n, uptime_ms);
    }
    if (now_ns >= n->panic_due_ns) {
        n->panic_due_ns = now_ns + panic_every_ns;
        panic(n);
    }
}
