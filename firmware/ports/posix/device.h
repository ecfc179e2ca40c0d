/*
 * The device as a whole: power, boot and reset around the core, and the platform the core stands on. One thread owns
 * it; the camera's thread meets it only in the mailbox.
 */
#ifndef HOSTCAM_DEVICE_H
#define HOSTCAM_DEVICE_H

#include "ages.h"
#include "camera.h"
#include "camlink_device.h"
#include "counters.h"
#include "noise.h"
#include "options.h"
#include "pty.h"
#include "settings.h"
#include "tap.h"
#include "wire.h"

enum power { POWER_OFF, POWER_BOOTING, POWER_RUNNING };

/* Why the device starts anew. */
enum boot_cause { BOOT_POWER_ON, BOOT_PIN, BOOT_SOFTWARE, BOOT_PANIC };

struct device {
    const struct options *options;
    struct counters *counters;
    struct pty *pty;

    struct camlink_device core;
    struct camlink_identity identity;
    struct settings settings;
    struct camera camera;
    struct wire wire;
    struct tap tap;
    struct noise noise;
    struct ages ages;

    enum power power;
    uint64_t boot_ns;       /* when the device clock was 0 */
    uint64_t boot_end_ns;   /* when the core starts */
    uint64_t reboot_due_ns; /* the next --reboot-every */
    uint64_t core_due_ns;
    bool refused;      /* the core wanted to write more than there was room for */
    bool reset_wanted; /* the host asked */
    bool awake;
    uint32_t heap_min;

    /* Earlier boots. */
    uint64_t skipped_before;
    uint64_t captured_before, camera_errors_before;

    /* What was logged last. */
    bool was_linked, was_awake;
    uint32_t was_baud;
};

/* Powers it on. False: said on stderr. */
bool device_start(struct device *d, const struct options *o, struct counters *c, struct pty *pty);
void device_stop(struct device *d);

/* Does all that is due. */
void device_service(struct device *d, uint64_t now_ns);
/* When to call again at the latest, if neither the terminal nor the camera stirs. */
uint64_t device_due_ns(const struct device *d, uint64_t now_ns);

void device_reboot(struct device *d, enum boot_cause cause);
/* A bridge is pulled out: the device runs on. With --usb the plug carries its power, too. */
void device_unplug(struct device *d);
void device_plug(struct device *d);

/* True once --count pictures are sent. */
bool device_finished(const struct device *d);
uint64_t device_skipped(const struct device *d);

#endif
