/*
 * Text that anything prints becomes LOG packets. Two ways lead out: esp_log, and the ROM's printf, which esp32-camera
 * and interrupt handlers use. Both end in rings of characters that the link task empties, because the core
 * belongs to it. The panic handler uses neither: it writes raw text to the UART at the rate it has, and the host
 * shows that.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "camlink_device.h"

#include <stdint.h>

/* From here on nothing is printed to the UART. wake is called in the task that logged, to have console_drain called. */
void console_install(void (*wake)(void));

/* Moves whole lines to the core's log. By the link task. */
void console_drain(struct camlink_device *d);

/* For struct camlink_platform: what the host wants to read, and nobody else formats more. */
void console_set_level(uint8_t level);

#endif
