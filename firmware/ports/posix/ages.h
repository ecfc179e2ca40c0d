/* How old pictures are when their last byte leaves: the newest of them, and how many were later than rate control
 * wants. */
#ifndef HOSTCAM_AGES_H
#define HOSTCAM_AGES_H

#include <stddef.h>
#include <stdint.h>

#define AGES_KEPT 512u

struct ages {
    uint32_t us[AGES_KEPT]; /* a ring */
    uint64_t count;         /* of all pictures */
    uint64_t late;          /* of those, older than two frame times */
};

/* interval_us: between frames as rate control has it; 0: it is off, and none is late. */
void ages_add(struct ages *a, uint64_t age_us, uint32_t interval_us);

/* The age that so many percent of the newest pictures do not exceed, in milliseconds; 0: there was none. */
double ages_ms(const struct ages *a, unsigned percent);

#endif
