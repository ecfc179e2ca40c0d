/*
 * The sensor behind esp32-camera: how it is opened, put to rest, woken, and brought back when it has wedged.
 * Owned by the capture task, but for sensor_give.
 */
#ifndef SENSOR_H
#define SENSOR_H

#include "boards.h"
#include "controls.h"

#include "esp_camera.h"

#include <stdbool.h>
#include <stdint.h>

enum sensor_limit { SENSOR_SIZES = 32 };

struct sensor {
    const struct board *board;
    camera_config_t config;
    bool open, resting;
    bool soft_jpeg; /* pictures come raw and are compressed here */
    struct control_size sizes[SENSOR_SIZES];
    size_t size_count;
    const char *name;
    uint16_t pid;
    uint32_t max_frame; /* bytes of the largest picture */
};

/* Finds and starts the sensor. False: none answers. */
bool sensor_open(struct sensor *s, const struct board *board);

/* Closes and opens it again with what open found out. Every picture must have been given back: their buffers are freed.
 * cycle_power: through the power pin, or what the board has in its place. */
bool sensor_reopen(struct sensor *s, bool cycle_power);

/* The driver's handle, or NULL. */
sensor_t *sensor_handle(const struct sensor *s);

/* Changes the size. False: as before. A sensor whose pictures come raw is reopened: see sensor_reopen. */
bool sensor_set_size(struct sensor *s, struct control_size size);

void sensor_rest(struct sensor *s);
void sensor_wake(struct sensor *s);

/* Pictures a change of size leaves in the buffers. */
unsigned sensor_buffers(const struct sensor *s);

#endif
