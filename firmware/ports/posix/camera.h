/*
 * The capture task: a thread that makes pictures while the sensor is awake and puts the newest into the mailbox. It
 * owns the frame buffers; each is free, being filled, or out (in the mailbox or with the core).
 */
#ifndef HOSTCAM_CAMERA_H
#define HOSTCAM_CAMERA_H

#include "camlink_device.h"
#include "counters.h"
#include "folder.h"
#include "options.h"
#include "rng.h"
#include "settings.h"
#include "shot.h"
#include "testcard.h"

#include <pthread.h>

/* One in the mailbox, one on the line, one kept for a sleeping sensor, one being filled, one that takes what was read
 * beyond. */
#define CAMERA_BUFFERS 5

/* Buffers that a camera may have filled ahead. */
#define CAMERA_PIPELINE_MAX 3

struct camera_buffer {
    struct camlink_frame frame; /* owner points back here */
    enum camera_state { BUFFER_FREE, BUFFER_FILLING, BUFFER_OUT } state;
    uint8_t *data;
};

struct camera {
    const struct options *options;
    const struct settings *settings;
    struct counters *counters;
    struct camlink_mailbox mailbox;
    int ready;                         /* eventfd: a picture entered the mailbox */
    int wake;                          /* eventfd: the thread shall look at what is below */
    atomic_uint_least32_t interval_us; /* captures are wanted so far apart; 0: as fast as they can be made */

    /* Under the lock. */
    pthread_mutex_t lock;
    struct camera_buffer buffers[CAMERA_BUFFERS];
    bool awake, finished, quit;
    uint32_t epoch; /* counts wakes, rests and boots: a picture begun in one is nothing to the next */
    uint64_t boot_ns;

    /* The thread's own. */
    pthread_t thread;
    struct rng rng;
    uint32_t next_bad;
    uint8_t qualities[CAMERA_PIPELINE_MAX + 1]; /* of the last captures, as they were set; the newest first */
    struct testcard card;
    struct folder folder;
};

/* False: said on stderr. */
bool camera_start(struct camera *c, const struct options *o, const struct settings *s, struct counters *k);
void camera_stop(struct camera *c);

/* The device's clock starts anew, the sensor rests, the mailbox is empty and every buffer is back. */
void camera_reboot(struct camera *c, uint64_t boot_ns);
void camera_sensor(struct camera *c, bool awake);
void camera_release(struct camera *c, struct camlink_frame *f);
/* Rate control asks for captures so far apart, but the sensor is no faster than --fps. */
void camera_pace(struct camera *c, uint32_t interval_us);
/* No more pictures, for good. */
void camera_finish(struct camera *c);
/* The ready event was acted upon. */
void camera_seen(struct camera *c);

#endif
