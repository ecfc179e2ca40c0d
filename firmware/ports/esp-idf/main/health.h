/* What STATS says of the board, and a look at the stacks. */
#ifndef HEALTH_H
#define HEALTH_H

#include "camlink_device.h"

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* Starts the thermometer where the chip has one. */
void health_open(void);

/* Fills in heap, PSRAM and temperature. */
void health_read(struct camlink_health *h);

/* Warns once in the log for each task whose stack has come close to its end. */
void health_check_stack(TaskHandle_t task);

#endif
