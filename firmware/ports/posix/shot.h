/* One exposure: the buffer a source fills, and what it says about it. */
#ifndef HOSTCAM_SHOT_H
#define HOSTCAM_SHOT_H

#include <stddef.h>
#include <stdint.h>

/* Largest picture hostcam sends, and says so in HELLO. */
#define SHOT_MAX (1u << 20)

struct shot {
    uint8_t *data; /* room for SHOT_MAX bytes */
    size_t len;
    uint16_t width, height; /* 0: unknown */
    uint8_t quality;        /* what it is taken with; set before */
};

#endif
