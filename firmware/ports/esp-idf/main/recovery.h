/* What to do about a sensor that gives no pictures, in which order. Pure. */
#ifndef RECOVERY_H
#define RECOVERY_H

#include <stdint.h>

enum recovery_step { RECOVERY_NONE, RECOVERY_REOPEN, RECOVERY_POWER, RECOVERY_REBOOT, RECOVERY_STEPS };

enum recovery_limit {
    RECOVERY_FAILURES = 2, /* failed pictures before a step: the driver waits 4 s for each */
    RECOVERY_GOOD = 8,     /* pictures in a row that prove the sensor well */
    RECOVERY_REBOOTS = 3,  /* in a row without a good picture; then the board stays up and keeps trying the power pin */
};

struct recovery {
    uint8_t failures, good, rung;
    uint8_t reboots; /* before this boot, in a row */
    uint32_t taken[RECOVERY_STEPS];
};

void recovery_init(struct recovery *r, uint8_t reboots);

/* One picture failed. Returns the step to take now. */
enum recovery_step recovery_failed(struct recovery *r);

/* The step itself failed: returns the next one, without waiting for further pictures. */
enum recovery_step recovery_step_failed(struct recovery *r);

/* One good picture. */
void recovery_good(struct recovery *r);

const char *recovery_name(enum recovery_step step);

#endif
