#include "recovery.h"

#include <string.h>

void recovery_init(struct recovery *r, uint8_t reboots)
{
    memset(r, 0, sizeof *r);
    r->reboots = reboots;
}

static enum recovery_step climb(struct recovery *r)
{
    r->failures = 0;
    r->good = 0;
    if (r->rung < RECOVERY_REBOOT) {
        r->rung++;
    }
    /* A board that reboots for ever cannot even be asked what is wrong. */
    if (r->rung == RECOVERY_REBOOT && r->reboots >= RECOVERY_REBOOTS) {
        r->rung = RECOVERY_POWER;
    }
    r->taken[r->rung]++;
    return (enum recovery_step)r->rung;
}

enum recovery_step recovery_failed(struct recovery *r)
{
    r->good = 0;
    r->failures++;
    return r->failures >= RECOVERY_FAILURES ? climb(r) : RECOVERY_NONE;
}

enum recovery_step recovery_step_failed(struct recovery *r)
{
    return climb(r);
}

void recovery_good(struct recovery *r)
{
    r->failures = 0;
    r->reboots = 0;
    if (r->good < RECOVERY_GOOD && ++r->good == RECOVERY_GOOD) {
        r->rung = 0;
    }
}

const char *recovery_name(enum recovery_step step)
{
    static const char *const names[RECOVERY_STEPS] = {
        [RECOVERY_NONE] = "none",
        [RECOVERY_REOPEN] = "re-init",
        [RECOVERY_POWER] = "power cycle",
        [RECOVERY_REBOOT] = "reboot",
    };
    return step < RECOVERY_STEPS ? names[step] : "?";
}
