#include "camlink_mailbox.h"

#include <stddef.h>

void camlink_mailbox_init(struct camlink_mailbox *m)
{
    atomic_init(&m->frame, NULL);
    atomic_init(&m->replaced, 0);
}

struct camlink_frame *camlink_mailbox_put(struct camlink_mailbox *m, struct camlink_frame *f)
{
    struct camlink_frame *old = atomic_exchange(&m->frame, f);
    if (old != NULL) {
        atomic_fetch_add(&m->replaced, 1);
    }
    return old;
}

struct camlink_frame *camlink_mailbox_take(struct camlink_mailbox *m)
{
    return atomic_exchange(&m->frame, NULL);
}
