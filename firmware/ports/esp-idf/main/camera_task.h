/*
 * The capture task: pictures from the sensor or the test card into the mailbox, the newest wins.
 *
 * Who owns a picture: the capture task while it makes it; the mailbox; the link task once it took it, until
 * camera_release. A picture of a JPEG sensor lies in the driver's own buffer, which goes back to the driver in
 * camera_release, in whichever task that is. The driver's buffers are freed when the sensor is reopened, so that waits
 * until every picture is back.
 */
#ifndef CAMERA_TASK_H
#define CAMERA_TASK_H

#include "camlink_mailbox.h"
#include "controls.h"
#include "recovery.h"
#include "sensor.h"

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One on the line, one in the mailbox, one being made. */
enum camera_limit { CAMERA_SHOTS = 3, CAMERA_QUALITIES = 4, CAMERA_BAD_RUN = 20 };

/* Bytes of stack: frame2jpg_cb and the driver's init run on it. */
enum camera_stack { CAMERA_STACK = 8192 };

struct camera_shot {
    struct camlink_frame frame; /* owner points back here */
    atomic_bool busy;
    camera_fb_t *fb; /* the driver's buffer that holds the picture, or NULL */
    uint8_t *own;    /* of own_size bytes, kept: where the driver's buffer does not hold a JPEG */
};

struct camera {
    /* Settled before the tasks start. */
    bool is_card;
    uint32_t own_size;
    void (*ready)(void); /* a picture is in the mailbox */
    TaskHandle_t task;

    /* Of both tasks. */
    struct camlink_mailbox mailbox;
    struct controls controls;
    struct camera_shot shots[CAMERA_SHOTS];
    atomic_bool awake;
    atomic_uint wakes;   /* tells a rest and a wake in quick succession from none */
    atomic_uint pace_us; /* how far apart the link wants pictures; 0: as they come */
    atomic_uint captured, errors;

    /* The capture task's. */
    struct sensor sensor;
    bool running;
    unsigned wakes_seen;
    uint64_t fresh_from_us; /* pictures begun earlier are dropped */
    unsigned flush;         /* and so many after that */
    uint64_t last_us;       /* the last picture's */
    uint64_t pace_due_us;   /* when the pace wants the next one */
    uint64_t card_due_us;
    uint32_t card_number;
    struct {
        uint64_t since_us;
        uint8_t quality;
    } qualities[CAMERA_QUALITIES]; /* newest first */
    struct control_size size;      /* the sensor's now */
    struct recovery recovery;
    enum recovery_step step_due;
    uint64_t step_from_us, reclaim_until_us;
    unsigned bad_run;
};

/* Finds the sensor, or falls back to the test card. Before the tasks start. */
void camera_open(struct camera *c, const struct board *board, bool lamp, void (*ready)(void));

/* Starts the capture task. */
bool camera_start(struct camera *c);

/* For struct camlink_platform, by the link task. */
void camera_set_awake(struct camera *c, bool awake);
void camera_release(struct camera *c, struct camlink_frame *f);
/* How many microseconds apart pictures are wanted, on average; 0: as they come. */
void camera_set_pace(struct camera *c, uint32_t us);
/* Settings were changed: look at them soon. */
void camera_nudge(struct camera *c);

/* One round of the capture task: at most one picture, one step of recovery, or one sleep of half a second. */
void camera_step(struct camera *c);

/* Bytes of the largest picture. */
uint32_t camera_max_frame(const struct camera *c);

#endif
