/* The board's lamp. */
#ifndef LAMP_H
#define LAMP_H

#include "boards.h"

#include <stdbool.h>
#include <stdint.h>

/* False: the board has none, or it cannot be driven. */
bool lamp_open(const struct board *board);

/* duty 0 (off) to 255. Needs an open lamp. */
void lamp_set(uint8_t duty);

#endif
