/* The device: the core, on the link task, over this board's link and camera. */
#ifndef DEVICE_H
#define DEVICE_H

#include "camera_task.h"
#include "camlink_device.h"
#include "link.h"

/* Bytes of stack: the core needs under 1 kB, formatting a line of log 0.5 kB, the drivers the rest. */
enum device_stack { DEVICE_STACK = 4096 };

struct device {
    const struct board *board;
    const struct link *link;
    struct camera *camera;
    struct camlink_identity identity;
    struct camlink_device core;
    TaskHandle_t task;
    uint64_t stacks_due_us;
};

/* d must be zeroed; board, link and camera outlive it; identity is filled in. */
void device_init(struct device *d, const struct board *board, const struct link *link, struct camera *camera);

/* Starts the link task, which opens the link. */
bool device_start(struct device *d);

/* One round of the link task: a poll of the core, and sleep until there is more to do. */
void device_step(struct device *d);

#endif
