/*
 * Settings that outlive a reset, in NVS, one entry per CONFIG key. Flash wears: a value is written only when the host
 * asked for it, only when it differs from what is stored, and only the last of a burst.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum settings_limit { SETTINGS_KEYS = 32 }; /* keys are below this */

/* Opens the store, and mends it if it must be erased. False: nothing can be kept, everything else works. */
bool settings_open(void);

/* The value kept for key. False: none. */
bool settings_load(uint16_t key, int32_t *value);

/* Keeps value; written by a later settings_flush. Any task. */
void settings_keep(uint16_t key, int32_t value);

/*
 * Writes what is due. Returns true if flash was written: meanwhile the caches were off, and a picture being captured is
 * damaged. For the task that captures, between pictures.
 */
bool settings_flush(uint64_t now_us);

#endif
