/* A 5x7 font of the characters a test card needs. */
#ifndef HOSTCAM_FONT_H
#define HOSTCAM_FONT_H

#include <stdbool.h>

#define FONT_WIDTH 6 /* with the gap to the next character */
#define FONT_HEIGHT 7

/* True if character c has ink at column x of row y. Lower case is drawn as upper case, the unknown as space. */
bool font_ink(char c, int x, int y);

#endif
