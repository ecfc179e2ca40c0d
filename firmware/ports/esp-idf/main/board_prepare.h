/* What a board wants before its sensor can be talked to: supplies, latches, pull-ups. */
#ifndef BOARD_PREPARE_H
#define BOARD_PREPARE_H

#include "boards.h"

#include "esp_err.h"

/*
 * Does what board->needs asks for. To be called once at boot, before the first esp_camera_init, and again when a
 * wedged sensor is to be revived: every step may be repeated. ESP_ERR_NOT_FOUND: the power chip does not answer.
 */
esp_err_t board_prepare(const struct board *board);

#endif
