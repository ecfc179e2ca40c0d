/* What an ESP32 says on its UART besides packets: boot text, log lines, panics. */
#ifndef HOSTCAM_NOISE_H
#define HOSTCAM_NOISE_H

#include "counters.h"
#include "ring.h"
#include "rng.h"

#include <stdbool.h>

#define NOISE_ROOM 4096u

struct noise {
    struct counters *counters;
    struct rng rng;
    bool chatty; /* log lines and panics, not only boot text */
    uint64_t log_due_ns, panic_due_ns;
    struct ring text; /* waits for the line */
    uint8_t room[NOISE_ROOM];
};

void noise_init(struct noise *n, struct counters *c, bool chatty, uint64_t seed);

/* The ROM and the bootloader speak. reason: as ESP-IDF spells it, for instance POWERON_RESET. */
void noise_boot(struct noise *n, const char *reason, unsigned code);

/* Adds what is due. uptime_ms is what log lines show. */
void noise_tick(struct noise *n, uint64_t now_ns, uint64_t uptime_ms);
uint64_t noise_due_ns(const struct noise *n);

/* Moves waiting text to the FIFO as far as there is room. */
void noise_feed(struct noise *n, struct ring *fifo);
bool noise_pending(const struct noise *n);
void noise_clear(struct noise *n);

#endif
