/* recovery: the order of the rungs. */
#include "check.h"

#include "recovery.h"

#include <string.h>

static enum recovery_step fail_until_step(struct recovery *r)
{
    enum recovery_step step = RECOVERY_NONE;
    for (int i = 0; i < RECOVERY_FAILURES; i++) {
        CHECK_EQ(step, RECOVERY_NONE);
        step = recovery_failed(r);
    }
    return step;
}

static void test_rungs_in_order(void)
{
    struct recovery r;
    recovery_init(&r, 0);
    CHECK_EQ(fail_until_step(&r), RECOVERY_REOPEN);
    CHECK_EQ(fail_until_step(&r), RECOVERY_POWER);
    CHECK_EQ(fail_until_step(&r), RECOVERY_REBOOT);
    CHECK_EQ(r.taken[RECOVERY_REOPEN], 1);
    CHECK_EQ(r.taken[RECOVERY_POWER], 1);
    CHECK_EQ(r.taken[RECOVERY_REBOOT], 1);
}

static void test_a_failed_step_goes_straight_on(void)
{
    struct recovery r;
    recovery_init(&r, 0);
    CHECK_EQ(fail_until_step(&r), RECOVERY_REOPEN);
    CHECK_EQ(recovery_step_failed(&r), RECOVERY_POWER);
    CHECK_EQ(recovery_step_failed(&r), RECOVERY_REBOOT);
}

static void test_one_good_picture_proves_nothing(void)
{
    struct recovery r;
    recovery_init(&r, 0);
    CHECK_EQ(fail_until_step(&r), RECOVERY_REOPEN);
    recovery_good(&r);
    CHECK_EQ(fail_until_step(&r), RECOVERY_POWER);
}

static void test_good_pictures_lead_back(void)
{
    struct recovery r;
    recovery_init(&r, 0);
    CHECK_EQ(fail_until_step(&r), RECOVERY_REOPEN);
    for (int i = 0; i < RECOVERY_GOOD; i++) {
        recovery_good(&r);
    }
    CHECK_EQ(fail_until_step(&r), RECOVERY_REOPEN);
}

static void test_single_failures_do_not_add_up(void)
{
    struct recovery r;
    recovery_init(&r, 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(recovery_failed(&r), RECOVERY_NONE);
        recovery_good(&r);
    }
}

static void test_reboots_end(void)
{
    struct recovery r;
    recovery_init(&r, RECOVERY_REBOOTS);
    CHECK_EQ(fail_until_step(&r), RECOVERY_REOPEN);
    CHECK_EQ(fail_until_step(&r), RECOVERY_POWER);
    CHECK_EQ(fail_until_step(&r), RECOVERY_POWER);
    CHECK_EQ(fail_until_step(&r), RECOVERY_POWER);
    recovery_good(&r); /* the sensor lives: reboots are worth a try again */
    CHECK_EQ(fail_until_step(&r), RECOVERY_REBOOT);
}

static void test_names(void)
{
    CHECK_TEXT(recovery_name(RECOVERY_REOPEN), "re-init");
    CHECK_TEXT(recovery_name(RECOVERY_POWER), "power cycle");
    CHECK_TEXT(recovery_name(RECOVERY_REBOOT), "reboot");
}

void recovery_suite(void)
{
    RUN(test_rungs_in_order);
    RUN(test_a_failed_step_goes_straight_on);
    RUN(test_one_good_picture_proves_nothing);
    RUN(test_good_pictures_lead_back);
    RUN(test_single_failures_do_not_add_up);
    RUN(test_reboots_end);
    RUN(test_names);
}
