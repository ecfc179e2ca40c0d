/* Just enough of JPEG: where a picture ends, how large it is, and how sensors break it. */
#ifndef HOSTCAM_JPEG_H
#define HOSTCAM_JPEG_H

#include "counters.h"
#include "rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jpeg_status { JPEG_MORE, JPEG_DONE, JPEG_BAD };

/* A walk over the markers of one picture, resumable as bytes come in. Starts zeroed. */
struct jpeg_walk {
    size_t pos; /* bytes walked; after JPEG_DONE the length of the picture */
    bool in_scan;
    size_t scan;            /* where the first scan's data begins; 0: not seen */
    uint16_t width, height; /* 0: not seen */
};

/* p starts at the picture's first byte; n bytes are there so far. */
enum jpeg_status jpeg_walk(struct jpeg_walk *w, const uint8_t *p, size_t n);

/* Breaks a whole picture in place; cap is the room at p. Returns its new length. */
size_t jpeg_damage(uint8_t *p, size_t len, size_t cap, enum bad_jpeg kind, struct rng *r);

#endif
