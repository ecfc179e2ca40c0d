/*
 * What a chip can do with a pin: from soc_caps.h (SOC_GPIO_VALID_GPIO_MASK, SOC_GPIO_VALID_OUTPUT_GPIO_MASK) and the
 * notes of the GPIO chapters of ESP-IDF v5.5.2 about pins that flash, PSRAM and USB own.
 */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>

#define BIT(n) (UINT64_C(1) << (n))
#define BITS(first, last) ((BIT((last) + 1) - 1) & ~(BIT(first) - 1))

static const struct chip {
    const char *name;
    uint64_t pins, inputs_only, flash, quad, octal, usb;
} chips[] = {
    [BOARD_ESP32] = {"esp32", BITS(0, 39) & ~(BIT(20) | BIT(24) | BITS(28, 31)), BITS(34, 39), BITS(6, 11),
                     BITS(16, 17), 0, 0},
    [BOARD_ESP32S2] = {"esp32s2", BITS(0, 46) & ~BITS(22, 25), BIT(46), BITS(26, 32), 0, 0, BITS(19, 20)},
    [BOARD_ESP32S3] = {"esp32s3", BITS(0, 48) & ~BITS(22, 25), 0, BITS(26, 32), 0, BITS(33, 37), BITS(19, 20)},
};

static const char *fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *fault(const char *format, ...)
{
    static char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

const char *chip_name(enum board_chip chip)
{
    return chips[chip].name;
}

const char *board_fault(const struct board_entry *e)
{
    const struct board *b = &e->board;
    const struct chip *chip = &chips[e->chip];
    enum { NEEDED = 1, OUTPUT = 2 };
    const struct role {
        const char *name;
        int pin;
        int is;
    } roles[] = {
        {"pwdn", b->pwdn, OUTPUT},
        {"reset", b->reset, OUTPUT},
        {"xclk", b->xclk, OUTPUT},
        {"sda", b->sda, NEEDED | OUTPUT},
        {"scl", b->scl, NEEDED | OUTPUT},
        {"d0", b->d[0], NEEDED},
        {"d1", b->d[1], NEEDED},
        {"d2", b->d[2], NEEDED},
        {"d3", b->d[3], NEEDED},
        {"d4", b->d[4], NEEDED},
        {"d5", b->d[5], NEEDED},
        {"d6", b->d[6], NEEDED},
        {"d7", b->d[7], NEEDED},
        {"vsync", b->vsync, NEEDED},
        {"href", b->href, NEEDED},
        {"pclk", b->pclk, NEEDED},
        {"lamp", b->lamp, OUTPUT},
        {"uart_tx", b->uart_tx, NEEDED | OUTPUT},
        {"uart_rx", b->uart_rx, NEEDED},
        {"hold", b->needs & BOARD_NEEDS_HOLD ? 33 : -1, OUTPUT},
        {"power chip's SDA", b->needs & BOARD_NEEDS_AXP2101 ? 7 : -1, OUTPUT},
        {"power chip's SCL", b->needs & BOARD_NEEDS_AXP2101 ? 6 : -1, OUTPUT},
    };
    const char *owner[64] = {0};

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        const struct role *r = &roles[i];
        if (r->pin == -1 && !(r->is & NEEDED)) {
            continue;
        }
        if (r->pin < 0 || r->pin > 63 || !(chip->pins & BIT(r->pin))) {
            return fault("%s: %s has no GPIO%d", r->name, chip->name, r->pin);
        }
        if (r->is & OUTPUT && chip->inputs_only & BIT(r->pin)) {
            return fault("%s: GPIO%d is input only", r->name, r->pin);
        }
        if (chip->flash & BIT(r->pin)) {
            return fault("%s: GPIO%d belongs to flash", r->name, r->pin);
        }
        if ((e->psram == BOARD_RAM_QUAD && chip->quad & BIT(r->pin)) ||
            (e->psram == BOARD_RAM_OCTAL && chip->octal & BIT(r->pin))) {
            return fault("%s: GPIO%d belongs to PSRAM", r->name, r->pin);
        }
        if (chip->usb & BIT(r->pin)) {
            return fault("%s: GPIO%d belongs to USB", r->name, r->pin);
        }
        if (owner[r->pin] != NULL) {
            return fault("%s and %s share GPIO%d", owner[r->pin], r->name, r->pin);
        }
        owner[r->pin] = r->name;
    }
    return NULL;
}
