/*
 * Rate control, docs/protocol.md section 5.1: where JPEG quality must stand so that a wire carries a frame rate, and
 * which pictures are too large to be worth sending.
 *
 * Pure: it has no clock and touches nothing; it is told facts and answers. Integers only; every fact may be any number.
 * Quality is Espressif's: 0 to 63, lower is better. The struct is complete so that it can be placed statically; it may
 * be read, and is written by the functions below alone.
 */
#ifndef CAMLINK_RATE_CONTROL_H
#define CAMLINK_RATE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAMLINK_QUALITY_MAX 63
#define CAMLINK_TARGET_FPS_MAX 1000 /* tenths of a frame per second */

struct camlink_rate_control {
    /* What the host asked for. */
    uint16_t target_fps; /* tenths of a frame per second; 0: off */
    uint8_t quality_best, quality_worst;

    /* What the camera can do. */
    bool movable; /* its quality can be set at all */
    uint8_t camera_min, camera_max;

    /* Where quality stands. */
    uint8_t quality;  /* where it should be: always between best and worst, as far as the camera goes */
    uint8_t applied;  /* where the camera said it is */
    bool refused;     /* the camera would not move when it was asked last */
    uint8_t settling; /* pictures that may still come with an older quality */

    /* The way back to a better quality. */
    uint16_t calm;        /* pictures in a row that left room for a better quality */
    uint32_t peak;        /* the largest of them */
    uint16_t patience;    /* so many are wanted before the next step */
    uint16_t since_raise; /* pictures judged since the last step */

    /* Skipping. */
    uint8_t skips; /* in a row */
    bool waited;   /* the last picture was skipped because it had waited for the line */
    bool latency_known;
    uint32_t latency_us; /* how old a picture is when it comes from the camera: about the least seen lately */

    /* The wire, in bytes per second; 0: unknown. */
    uint32_t line, seen;

    /* The schedule. */
    bool due_known;
    uint64_t due_us;
};

/* Off, with the range 10 to 40, and a camera whose quality cannot be moved. */
void camlink_rate_control_init(struct camlink_rate_control *r);

/* The settings; out of range is clamped. A best that is worse than the worst takes the worst along, and the other way
 * round. They may move r->quality. */
void camlink_rate_control_set_target(struct camlink_rate_control *r, int32_t tenths);
void camlink_rate_control_set_best(struct camlink_rate_control *r, int32_t quality);
void camlink_rate_control_set_worst(struct camlink_rate_control *r, int32_t quality);

/* The camera's quality can be moved between min and max, and stands at value. */
void camlink_rate_control_camera(struct camlink_rate_control *r, int32_t min, int32_t max, int32_t value);
/* The nearest to quality that the range allows. */
uint8_t camlink_rate_control_clamp(const struct camlink_rate_control *r, int32_t quality);
/* The camera was told to move; it says that it stands at value now. */
void camlink_rate_control_applied(struct camlink_rate_control *r, int32_t value);

/* What the line carries in bytes per second; 0: not known, what the host takes counts. */
void camlink_rate_control_line(struct camlink_rate_control *r, uint32_t bytes_per_s);
/* The host took a whole frame: so many bytes in so many microseconds. */
void camlink_rate_control_took(struct camlink_rate_control *r, uint32_t bytes, uint64_t us);

/* Time between two frames; 0: off. */
uint32_t camlink_rate_control_interval_us(const struct camlink_rate_control *r);
/* Bytes that a frame may take on the wire; 0: no limit is known. */
uint32_t camlink_rate_control_budget(const struct camlink_rate_control *r);

/* The schedule: whether a frame may begin now, and that one did. It does not drift: a frame that begins early or late
 * by up to half a frame time leaves the next ones where they were. */
bool camlink_rate_control_due(const struct camlink_rate_control *r, uint64_t now_us);
void camlink_rate_control_begun(struct camlink_rate_control *r, uint64_t now_us);

/*
 * A picture is ready to be sent: it takes cost bytes on the wire, was taken with quality, and is age_us old. True: send
 * it. False: skip it. May move r->quality; when that differs from r->applied the camera is to be told.
 */
bool camlink_rate_control_admit(struct camlink_rate_control *r, uint32_t cost, uint8_t quality, uint64_t age_us);

#ifdef __cplusplus
}
#endif

#endif
