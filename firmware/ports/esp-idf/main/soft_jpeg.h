/* JPEG made by the processor, for sensors that have no encoder. */
#ifndef SOFT_JPEG_H
#define SOFT_JPEG_H

#include "esp_camera.h"

#include <stddef.h>
#include <stdint.h>

/* Compresses fb into out; quality as in CONFIG. Returns the length; 0: it failed, or room is too small. */
size_t soft_jpeg(camera_fb_t *fb, uint8_t quality, uint8_t *out, size_t room);

#endif
