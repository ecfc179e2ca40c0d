/*
 * The wire, whichever it is. One table per kind of wire hides its driver and that driver's faults; the link task is
 * its only user, apart from wake.
 */
#ifndef LINK_H
#define LINK_H

#include "boards.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link {
    uint8_t transport; /* enum camlink_transport */
    /* Installs the driver; called once, by the link task. False: there is no wire. */
    bool (*open)(const struct board *board);
    /* As in struct camlink_platform. write may refuse with 0 although there is room, to give the task its turn back. */
    int (*write)(const uint8_t *p, size_t n);
    int (*read)(uint8_t *p, size_t n);
    bool (*drained)(void);
    /* NULL where there is no rate. */
    bool (*set_baud)(uint32_t baud, bool check_only);
    /* True once after each loss or change of the other end: camlink_device_line_reset is due. */
    bool (*was_reset)(void);
    /* Sleeps up to ms, less when bytes arrive, when a refused write may be tried again, or after a wake. */
    void (*wait)(uint32_t ms);
    /* Ends the wait, from any task. */
    void (*wake)(void);
    /* Bytes or events lost on the way in, since boot. */
    uint32_t (*overruns)(void);
};

extern const struct link link_uart;
extern const struct link link_usj;
extern const struct link link_tinyusb;

/* The wire this firmware was built for. */
const struct link *link_selected(void);

#endif
