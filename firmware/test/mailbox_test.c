#include "camlink_mailbox.h"
#include "check.h"

#include <stddef.h>

static void empty_mailbox_gives_nothing(void)
{
    struct camlink_mailbox m;
    camlink_mailbox_init(&m);
    CHECK(camlink_mailbox_take(&m) == NULL);
}

static void picture_is_taken_once(void)
{
    struct camlink_mailbox m;
    struct camlink_frame f = {0};
    camlink_mailbox_init(&m);
    CHECK(camlink_mailbox_put(&m, &f) == NULL);
    CHECK(camlink_mailbox_take(&m) == &f);
    CHECK(camlink_mailbox_take(&m) == NULL);
    CHECK_EQ(atomic_load(&m.replaced), 0);
}

static void newest_picture_wins_and_the_old_one_comes_back(void)
{
    struct camlink_mailbox m;
    struct camlink_frame old = {0}, new = {0};
    camlink_mailbox_init(&m);
    camlink_mailbox_put(&m, &old);
    CHECK(camlink_mailbox_put(&m, &new) == &old);
    CHECK_EQ(atomic_load(&m.replaced), 1);
    CHECK(camlink_mailbox_take(&m) == &new);
}

void mailbox_suite(void)
{
    RUN(empty_mailbox_gives_nothing);
    RUN(picture_is_taken_once);
    RUN(newest_picture_wins_and_the_old_one_comes_back);
}
