/*
 * Which pin does what on which board: the one place that knows.
 *
 * A board is a row of board_table (boards.c) and an entry of the Kconfig choice CAMGW_BOARD of the same name.
 * check_boards/ holds the two and docs/boards.md against each other.
 */
#ifndef BOARDS_H
#define BOARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Work a board wants before its sensor is asked for anything; board_prepare does it. */
enum board_need {
    BOARD_NEEDS_HOLD = 1 << 0,     /* GPIO33 high keeps the battery switched on (M5Stack Timer Camera) */
    BOARD_NEEDS_PULL_UPS = 1 << 1, /* GPIO13 and GPIO14 pulled up: data lines on JTAG pins (ESP-EYE) */
    BOARD_NEEDS_AXP2101 = 1 << 2,  /* sensor supplies from an AXP2101 at SDA 7, SCL 6 (T-Camera S3) */
};

/* Pins are GPIO numbers, -1 means not connected. */
struct board {
    const char *name;   /* as in Kconfig, without CAMGW_BOARD_ */
    int8_t pwdn, reset; /* of the sensor: power down is active high, reset active low */
    int8_t xclk, sda, scl;
    int8_t d[8]; /* D0..D7, which the sensor's data sheet calls Y2..Y9 */
    int8_t vsync, href, pclk;
    int8_t lamp;
    bool lamp_active_low;
    int8_t uart_tx, uart_rx; /* of the UART link when Kconfig names no others */
    const char *sdk_note;    /* one line for the boot log about what surprises on this board, or NULL */
    uint8_t needs;           /* enum board_need */
};

/* The board this firmware was built for. Never NULL; the caller must not free it. */
const struct board *board_selected(void);

/* ---- for tests and for docs/boards.md */

enum board_chip { BOARD_ESP32, BOARD_ESP32S2, BOARD_ESP32S3 };

enum board_ram { BOARD_RAM_NONE, BOARD_RAM_QUAD, BOARD_RAM_OCTAL };

struct board_entry {
    struct board board;
    enum board_chip chip;
    enum board_ram psram;
    uint8_t flash_mib;  /* what every specimen of the board has at least */
    const char *maker;  /* the name a shop uses */
    const char *source; /* repository, file and commit the pins were read from */
};

extern const struct board_entry board_table[];
extern const size_t board_count;

#endif
