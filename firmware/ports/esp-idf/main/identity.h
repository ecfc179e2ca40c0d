/* Who the device is, for HELLO. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "camera_task.h"
#include "camlink_device.h"
#include "link.h"

/* Fills in id, whose strings live for ever. */
void identity_make(struct camlink_identity *id, const struct board *board, const struct link *link,
                   const struct camera *camera, bool persists, bool lamp);

#endif
