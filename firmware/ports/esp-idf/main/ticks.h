/* Waiting in ticks. */
#ifndef TICKS_H
#define TICKS_H

#include "freertos/FreeRTOS.h"

#include <stdint.h>

/* Never rounds a wait down to none: at 100 ticks a second 1 ms would become a busy loop above every other task. */
static inline TickType_t ticks_of_ms(uint32_t ms)
{
    TickType_t ticks = pdMS_TO_TICKS(ms);
    return ticks == 0 && ms > 0 ? 1 : ticks;
}

#endif
